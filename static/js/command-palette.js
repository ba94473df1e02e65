// The command palette: a combobox whose field keeps the focus while the arrow keys move through the options.
//
// Commands, workspaces and the newest sessions are in the dialog and are filtered here, at once. The server finds other
// sessions and documents while the user types.

import { delegateTarget, fetchFragment, find, findAll } from "./dom.js";

const TYPING_MS = 120; // without a key, before the server is asked
const ADDRESS = "/palette/";

/** @type {Palette | null} */
let palette = null;

/** Open the palette, or close it. */
export async function togglePalette() {
  if (palette) return palette.close();
  const part = await fetchFragment(ADDRESS);
  if (!part) return location.assign("/"); // logged out, or without a connection: the page says which
  if (palette) return; // a second press while the dialog was on its way
  const dialog = find(part, "dialog", HTMLDialogElement);
  document.body.append(dialog);
  palette = new Palette(dialog);
}

class Palette {
  /** @type {HTMLElement | undefined} */
  #active;
  #asked = ""; // the words that the server was asked for last
  #timer = 0;
  #isSearching = false;
  #hasMoved = false; // the user has chosen an option, which stays when the server's reply arrives

  /** @param {HTMLDialogElement} dialog */
  constructor(dialog) {
    this.dialog = dialog;
    this.field = find(dialog, "[data-palette-field]", HTMLInputElement);
    this.list = find(dialog, "[data-palette-list]");
    this.found = find(dialog, "[data-palette-found]");
    this.#removeForeign();
    this.field.addEventListener("input", () => this.#onInput());
    this.field.addEventListener("keydown", (event) => this.#onKeydown(event));
    this.list.addEventListener("pointermove", (event) => this.#point(delegateTarget(event, "[role=option]")));
    this.list.addEventListener("click", (event) => this.#onClick(event));
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog || delegateTarget(event, "[data-palette-close]")) this.close();
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      palette = null;
    });
    dialog.showModal();
    this.field.focus();
    this.#filter();
  }

  close() {
    this.dialog.close();
  }

  /** Remove commands for elements that this page does not have. */
  #removeForeign() {
    for (const option of findAll(this.list, "[data-presses]")) {
      if (!document.querySelector(option.dataset.presses ?? "")) option.remove();
    }
  }

  get #words() {
    return fold(this.field.value).split(/\s+/).filter(Boolean);
  }

  get #visible() {
    return findAll(this.list, "[role=option]:not([hidden])");
  }

  #onInput() {
    this.#hasMoved = false;
    this.#filter();
    clearTimeout(this.#timer);
    this.#isSearching = true;
    this.#timer = setTimeout(() => this.#search(), TYPING_MS);
  }

  async #search() {
    const typed = this.field.value;
    this.#asked = typed;
    const url = `${this.field.dataset.searchUrl}?q=${encodeURIComponent(typed)}`;
    const part = typed.trim() ? await fetchFragment(url) : document.createDocumentFragment();
    if (this.#asked !== typed) return; // newer words are on their way
    this.#isSearching = false;
    this.found.replaceChildren(part ?? "");
    this.#filter();
  }

  /** Show the options that have all words, and choose the first one. */
  #filter() {
    const words = this.#words;
    for (const group of findAll(this.list, "[data-palette-group]")) {
      if (!this.found.contains(group)) filterGroup(group, words);
    }
    const hasFound = this.found.childElementCount > 0;
    const recent = find(this.list, "[data-palette-recent]");
    // The server finds them, too, and with the place of the words.
    if (words.length && hasFound) recent.hidden = true;
    const visible = this.#visible;
    this.#choose(this.#hasMoved ? (visible.find((each) => each === this.#active) ?? visible[0]) : visible[0]);
    this.#tellCount();
  }

  #tellCount() {
    const count = this.#visible.length;
    const isEmpty = count === 0 && !this.#isSearching;
    find(this.dialog, "[data-palette-none]").hidden = !isEmpty;
    if (this.#isSearching) return; // announce the result once
    find(this.dialog, "[data-palette-status]").textContent = count === 1 ? "1 result" : `${count} results`;
  }

  /** @param {HTMLElement | undefined} option */
  #choose(option) {
    this.#active?.setAttribute("aria-selected", "false");
    this.#active = option;
    for (const [index, each] of findAll(this.list, "[role=option]").entries()) {
      each.id = `palette-option-${index}`;
      each.tabIndex = -1;
    }
    option?.setAttribute("aria-selected", "true");
    if (option) this.field.setAttribute("aria-activedescendant", option.id);
    else this.field.removeAttribute("aria-activedescendant");
  }

  /** @param {HTMLElement | null} option */
  #point(option) {
    if (!option || option === this.#active) return;
    this.#hasMoved = true;
    this.#choose(option);
  }

  /** @param {KeyboardEvent} event */
  #onKeydown(event) {
    if (event.isComposing || event.keyCode === 229) return; // Safari ends a composition before its Enter
    const options = this.#visible;
    const current = this.#active ? options.indexOf(this.#active) : -1;
    /** @type {Record<string, number>} */
    const places = { ArrowDown: current + 1, ArrowUp: current - 1, PageDown: current + 8, PageUp: current - 8 };
    const place = places[event.key];
    if (place !== undefined && options.length) {
      event.preventDefault();
      this.#hasMoved = true;
      const isStep = event.key.startsWith("Arrow");
      const next = isStep ? options.at(place % options.length) : options[clamp(place, options.length)];
      this.#choose(next);
      next?.scrollIntoView({ block: "nearest" });
    } else if (event.key === "Enter") {
      event.preventDefault();
      this.#open(this.#active, event.ctrlKey || event.metaKey);
    }
  }

  /** @param {MouseEvent} event */
  #onClick(event) {
    const option = delegateTarget(event, "[role=option]");
    if (!option || (!option.dataset.presses && (event.ctrlKey || event.metaKey || event.shiftKey))) return; // a link
    event.preventDefault();
    this.#open(option, false);
  }

  /**
   * @param {HTMLElement | undefined} option
   * @param {boolean} inNewTab
   */
  #open(option, inNewTab) {
    if (!(option instanceof HTMLAnchorElement)) return;
    const { presses } = option.dataset;
    if (!presses && inNewTab) return window.open(option.href, "_blank", "noopener");
    this.close();
    if (presses) find(document, presses).click();
    else location.assign(option.href);
  }
}

/**
 * Show the options of a group that have all words, and the group if there is one.
 *
 * @param {HTMLElement} group
 * @param {string[]} words
 */
function filterGroup(group, words) {
  let shown = 0;
  const most = words.length ? Number.POSITIVE_INFINITY : Number(group.dataset.most ?? Number.POSITIVE_INFINITY);
  for (const option of findAll(group, "[role=option]")) {
    const text = fold(`${option.textContent} ${option.dataset.words ?? ""}`);
    option.hidden = shown >= most || !words.every((word) => text.includes(word));
    if (!option.hidden) shown += 1;
  }
  group.hidden = shown === 0;
}

/**
 * Return the text without upper case and accents.
 *
 * @param {string} text
 */
function fold(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

/**
 * @param {number} place
 * @param {number} length
 */
function clamp(place, length) {
  return Math.max(0, Math.min(place, length - 1));
}
