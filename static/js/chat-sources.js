// The panel with a passage in its document, and the card that shows a passage beside its number.

const CARD_GAP_PX = 8;

export class Sources {
  #opener = null; // what gets the focus back

  constructor(panel, card, toggle) {
    this.panel = panel;
    this.body = panel.querySelector("[data-sources-body]");
    this.card = card;
    this.toggleButton = toggle;
    toggle.addEventListener("click", () => this.toggle());
    panel.querySelector("[data-close-sources]").addEventListener("click", () => this.close());
    document.addEventListener("click", (event) => this.#clicked(event));
    document.addEventListener("pointerover", (event) => event.pointerType === "mouse" && this.#point(event.target));
    document.addEventListener("focusin", (event) => this.#point(event.target));
    document.addEventListener("scroll", () => this.#hideCard(), { capture: true, passive: true });
  }

  get isOpen() {
    return !this.panel.hidden;
  }

  toggle() {
    if (this.isOpen) this.close();
    else this.open(document.activeElement);
  }

  open(opener) {
    this.#opener = opener;
    this.panel.hidden = false;
    this.toggleButton.setAttribute("aria-expanded", "true");
    document.body.classList.add("sources-open");
  }

  /** Close the panel, and say whether it was open. */
  close() {
    if (!this.isOpen) return false;
    this.panel.hidden = true;
    this.toggleButton.setAttribute("aria-expanded", "false");
    document.body.classList.remove("sources-open");
    this.#opener?.focus?.({ preventScroll: true });
    return true;
  }

  #clicked(event) {
    const link = event.target.closest("a[data-citation], a[data-source], a[data-open-passage]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    this.#hideCard();
    this.#show(link);
  }

  async #show(link) {
    const isInPanel = this.panel.contains(link);
    if (!isInPanel) this.open(link);
    this.body.setAttribute("aria-busy", "true");
    const response = await fetch(link.href, { headers: { "X-Requested-With": "fetch" } }).catch(() => null);
    this.body.removeAttribute("aria-busy");
    if (!response?.ok || response.redirected) return this.#say("The passage could not be fetched. Try again in a moment.");
    // The server rendered it, and escaped what the document says.
    this.body.replaceChildren(document.createRange().createContextualFragment(await response.text()));
    this.#showMark();
    const current = this.body.querySelector("[aria-current]");
    (isInPanel ? current : this.body)?.focus({ preventScroll: true });
  }

  #say(words) {
    const line = document.createElement("p");
    line.className = "notice is-bad";
    line.textContent = words;
    this.body.replaceChildren(line);
  }

  /** Bring the passage to the upper third of the panel. */
  #showMark() {
    const mark = this.body.querySelector("mark");
    if (!mark) return (this.body.scrollTop = 0);
    const top = mark.getBoundingClientRect().top - this.body.getBoundingClientRect().top;
    this.body.scrollTop += top - this.body.clientHeight / 4;
  }

  // --- the card ---

  #point(target) {
    const chip = target.closest?.("a[data-citation]");
    if (!chip) return target.closest?.("[data-passage-card]") ? null : this.#hideCard();
    const number = CSS.escape(chip.dataset.citation);
    const source = chip.closest("[data-answer]")?.querySelector(`[data-source="${number}"]`);
    if (source) this.#showCard(chip, source.dataset);
  }

  #showCard(chip, { title, place, excerpt }) {
    this.card.querySelector("[data-card-title]").textContent = title;
    this.card.querySelector("[data-card-place]").textContent = place;
    this.card.querySelector("[data-card-text]").textContent = excerpt;
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
