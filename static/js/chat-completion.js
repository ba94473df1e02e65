// What the composer completes: /prompts, @documents of the chosen workspace, and #values of its filters.
//
// The list is a listbox that the question field controls; the focus stays in the field.
// https://www.w3.org/WAI/ARIA/apg/patterns/combobox/

import { isComposing } from "./chat-words.js";
import { cloneTemplate, delegateTarget, find, findAll } from "./dom.js";

/** @typedef {{ label: string, note?: string, text?: string, input?: HTMLInputElement }} Item */
/** @typedef {{ mark: string, query: string, start: number }} Trigger */

const MAX_ITEMS = 8;
const DELAY_MS = 120; // while one types, before documents are looked up
const PLACE = /\{\{[^{}\n]{1,60}\}\}/;

/**
 * Return the mark before the caret and what follows it, or null. A mark counts only at the start of a word: not in
 * and/or, /etc/hosts or a@b.example.
 *
 * @param {string} text
 * @param {number} caret
 * @returns {Trigger | null}
 */
export function triggerAt(text, caret) {
  const found = /(?:^|\s)([/@#])([^\s/@#]*)$/u.exec(text.slice(0, caret));
  if (!found) return null;
  const [, mark = "", query = ""] = found;
  return { mark, query, start: caret - query.length - 1 };
}

/**
 * Return the items whose label contains the query, those that begin with it first.
 *
 * @param {Item[]} items
 * @param {string} query
 */
export function matchingItems(items, query) {
  const words = query.toLocaleLowerCase();
  /** @param {Item} item */
  const name = ({ label }) => label.toLocaleLowerCase().replace(/^\//, "");
  const found = items.filter((item) => name(item).includes(words));
  return [
    ...found.filter((item) => name(item).startsWith(words)),
    ...found.filter((item) => !name(item).startsWith(words)),
  ].slice(0, MAX_ITEMS);
}

export class Completion {
  /** @type {Trigger | null} */
  #trigger = null;
  /** @type {Item[]} */
  #items = [];
  #index = 0;
  #hasPlaces = false; // a prompt with places was inserted
  #request = 0;
  /** @type {{ workspace: string, items: Item[] } | null} */
  #prompts = null;

  /**
   * @param {HTMLFormElement} form
   * @param {HTMLTextAreaElement} field
   */
  constructor(form, field) {
    this.form = form;
    this.field = field;
    this.list = find(form, "[data-completions]");
    field.addEventListener("input", () => void this.#update());
    field.addEventListener("blur", () => this.#close());
    form.addEventListener("keydown", (event) => this.#onKeydown(event), true); // before the composer sends
    this.list.addEventListener("pointerdown", (event) => {
      event.preventDefault(); // the focus stays in the field
      const option = delegateTarget(event, "[role='option']");
      if (option) this.#choose(findAll(this.list, "[role='option']").indexOf(option));
    });
    void this.#update();
  }

  async #update() {
    const trigger = triggerAt(this.field.value, this.field.selectionStart);
    const request = ++this.#request;
    const items = trigger ? await this.#itemsFor(trigger) : [];
    if (request !== this.#request) return; // one has typed on
    this.#trigger = trigger;
    this.#items = items;
    this.#index = 0;
    this.#render();
  }

  /**
   * @param {Trigger} trigger
   * @returns {Promise<Item[]>}
   */
  async #itemsFor({ mark, query }) {
    const workspace = String(new FormData(this.form).get("workspace") ?? "");
    if (mark === "#") return matchingItems(this.#filterValues(), query);
    if (mark === "/") return matchingItems(await this.#loadPrompts(workspace), query);
    if (!workspace) return [];
    await new Promise((resolve) => setTimeout(resolve, DELAY_MS));
    return fetchItems(`/chat/complete/documents/?${new URLSearchParams({ workspace, q: query })}`);
  }

  /** @param {string} workspace */
  async #loadPrompts(workspace) {
    if (this.#prompts?.workspace !== workspace) {
      const items = await fetchItems(`/chat/complete/prompts/?${new URLSearchParams({ workspace })}`);
      this.#prompts = { workspace, items };
    }
    return this.#prompts.items;
  }

  /** @returns {Item[]} */
  #filterValues() {
    const boxes = findAll(this.form, ".is-filter input[type='checkbox']", HTMLInputElement);
    return boxes.map((input) => ({ label: (input.labels?.[0]?.textContent ?? input.value).trim(), input }));
  }

  #render() {
    const isOpen = this.#items.length > 0;
    this.list.replaceChildren(
      ...this.#items.map(({ label, note = "", text = "" }, index) => {
        const option = cloneTemplate("[data-completion-template]");
        option.id = `completion-${index}`;
        option.setAttribute("aria-selected", String(index === this.#index));
        find(option, "[data-completion-label]").textContent = label;
        find(option, "[data-completion-note]").textContent = note || text.slice(0, 80);
        return option;
      }),
    );
    this.list.hidden = !isOpen;
    this.field.setAttribute("aria-controls", this.list.id);
    if (isOpen) this.field.setAttribute("aria-activedescendant", `completion-${this.#index}`);
    else this.field.removeAttribute("aria-activedescendant");
    this.list.querySelector("[aria-selected='true']")?.scrollIntoView({ block: "nearest" });
  }

  #close() {
    this.#request += 1;
    this.#items = [];
    this.#render();
  }

  /** @param {KeyboardEvent} event */
  #onKeydown(event) {
    if (event.target !== this.field || isComposing(event) || event.shiftKey) return;
    const isHandled = this.#items.length ? this.#onMenuKey(event.key) : this.#onPlaceKey(event.key);
    if (!isHandled) return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {string} key */
  #onMenuKey(key) {
    if (key === "Escape") this.#close();
    else if (key === "Enter" || key === "Tab") this.#choose(this.#index);
    else if (key === "ArrowDown" || key === "ArrowUp") {
      const step = key === "ArrowDown" ? 1 : -1;
      this.#index = (this.#index + step + this.#items.length) % this.#items.length;
      this.#render();
    } else return false;
    return true;
  }

  /**
   * Go to the next place of a prompt that is not filled in yet.
   *
   * @param {string} key
   */
  #onPlaceKey(key) {
    if (!this.#hasPlaces || (key !== "Enter" && key !== "Tab")) return false;
    this.#hasPlaces = this.#selectPlace();
    return this.#hasPlaces;
  }

  #selectPlace() {
    const place = PLACE.exec(this.field.value);
    if (place) this.field.setSelectionRange(place.index, place.index + place[0].length);
    return Boolean(place);
  }

  /** @param {number} index */
  #choose(index) {
    const item = this.#items[index];
    const trigger = this.#trigger;
    this.#close();
    if (!item || !trigger) return;
    this.field.setRangeText(item.text ?? "", trigger.start, this.field.selectionStart, "end");
    this.field.dispatchEvent(new Event("input", { bubbles: true }));
    if (trigger.mark === "/") this.#hasPlaces = this.#selectPlace();
    else if (item.input) {
      item.input.checked = true;
      item.input.dispatchEvent(new Event("change", { bubbles: true }));
    } else addDocument(this.form, item.label);
  }
}

/**
 * Limit the search to a document, besides those that are chosen already.
 *
 * @param {HTMLFormElement} form
 * @param {string} title
 */
function addDocument(form, title) {
  const chips = find(form, "[data-documents]");
  if (findAll(chips, "input", HTMLInputElement).some((input) => input.value === title)) return;
  const chip = cloneTemplate("[data-document-template]");
  find(chip, "input", HTMLInputElement).value = title;
  find(chip, "[data-document-title]").textContent = title;
  chips.append(chip);
}

/**
 * @param {string} address
 * @returns {Promise<Item[]>}
 */
async function fetchItems(address) {
  const response = await fetch(address).catch(() => null);
  return response?.ok ? (await response.json()).items : [];
}
