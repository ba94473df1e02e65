// The sources panel, which shows a passage in its document, and the card that previews a passage next to its
// citation.

import { delegateTarget, fetchFragment, find, findAll } from "./dom.js";
import { drawText } from "./text/plain.js";

const CARD_GAP_PX = 8;

export class SourcesPanel {
  /** @type {HTMLElement | null} */
  #opener = null; // gets the focus back when the panel closes
  /** @type {HTMLAnchorElement | null} */
  #requestedLink = null; // the link that the user clicked last

  /**
   * @param {HTMLElement} panel
   * @param {HTMLElement} card
   * @param {HTMLElement} toggle
   */
  constructor(panel, card, toggle) {
    this.panel = panel;
    this.body = find(panel, "[data-sources-body]");
    this.card = card;
    this.toggleButton = toggle;
    toggle.addEventListener("click", () => this.toggle());
    find(panel, "[data-close-sources]").addEventListener("click", () => this.close());
    document.addEventListener("click", (event) => this.#onClick(event));
    document.addEventListener("pointerover", (event) => event.pointerType === "mouse" && this.#onPointOrFocus(event));
    document.addEventListener("focusin", (event) => this.#onPointOrFocus(event));
    document.addEventListener("scroll", () => this.#hideCard(), { capture: true, passive: true });
  }

  get isOpen() {
    return !this.panel.hidden;
  }

  toggle() {
    if (this.isOpen) this.close();
    else this.open(document.activeElement);
  }

  /** @param {Element | null} opener */
  open(opener) {
    this.#opener = opener instanceof HTMLElement ? opener : null;
    this.panel.hidden = false;
    this.toggleButton.setAttribute("aria-expanded", "true");
    document.body.classList.add("sources-open");
  }

  /** Close the panel. Return whether it was open. */
  close() {
    if (!this.isOpen) return false;
    this.panel.hidden = true;
    this.toggleButton.setAttribute("aria-expanded", "false");
    document.body.classList.remove("sources-open");
    this.#opener?.focus({ preventScroll: true });
    return true;
  }

  /** @param {MouseEvent} event */
  async #onClick(event) {
    const link = delegateTarget(event, "a[data-citation], a[data-source], a[data-open-passage]", HTMLAnchorElement);
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    this.#hideCard();
    await this.#showPassage(link);
  }

  /** @param {HTMLAnchorElement} link */
  async #showPassage(link) {
    this.#requestedLink = link;
    const isInPanel = this.panel.contains(link);
    if (!isInPanel) this.open(link);
    this.body.setAttribute("aria-busy", "true");
    const part = await fetchFragment(link.href);
    if (this.#requestedLink !== link) return; // the user has clicked another link in the meantime
    this.body.removeAttribute("aria-busy");
    if (!part) return this.#showError("The passage could not be loaded. Try again in a moment.");
    this.body.replaceChildren(part);
    for (const text of findAll(this.body, ".text")) drawText(text);
    this.#scrollToMark();
    const [current] = findAll(this.body, "[aria-current]");
    (isInPanel ? current : this.body)?.focus({ preventScroll: true });
  }

  /** @param {string} text */
  #showError(text) {
    const line = document.createElement("p");
    line.className = "notice is-bad";
    line.textContent = text;
    this.body.replaceChildren(line);
  }

  /** Scroll the passage into the upper third of the panel. */
  #scrollToMark() {
    const mark = this.body.querySelector("mark");
    this.body.scrollTop = 0;
    if (!mark) return;
    const top = mark.getBoundingClientRect().top - this.body.getBoundingClientRect().top;
    this.body.scrollTop = top - this.body.clientHeight / 4;
  }

  // --- the card ---

  /** @param {Event} event */
  #onPointOrFocus(event) {
    const chip = delegateTarget(event, "a[data-citation]");
    if (!chip && !delegateTarget(event, "[data-passage-card]")) this.#hideCard();
    if (!chip) return;
    const number = CSS.escape(chip.dataset.citation ?? "");
    const answer = chip.closest("[data-answer]");
    const [source] = answer ? findAll(answer, `[data-source="${number}"]`) : [];
    if (source) this.#showCard(chip, source.dataset);
  }

  /**
   * @param {HTMLElement} chip
   * @param {DOMStringMap} source
   */
  #showCard(chip, { title = "", place = "", excerpt = "" }) {
    find(this.card, "[data-card-title]").textContent = title;
    find(this.card, "[data-card-place]").textContent = place;
    find(this.card, "[data-card-text]").textContent = excerpt;
    if (!this.card.matches(":popover-open")) this.card.showPopover();
    const at = chip.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.card;
    const isAbove = at.top - height - CARD_GAP_PX > 0;
    const left = Math.min(Math.max(CARD_GAP_PX, at.left - 24), innerWidth - width - CARD_GAP_PX);
    this.card.style.left = `${left}px`;
    this.card.style.top = `${isAbove ? at.top - height - CARD_GAP_PX : at.bottom + CARD_GAP_PX}px`;
  }

  #hideCard() {
    if (this.card.matches(":popover-open")) this.card.hidePopover();
  }
}
