// The end of the conversation stays in view while somebody reads there, and only then.

const NEAR_END_PX = 48;

export class Follower {
  #isPinned = true;
  #last = 0;

  constructor(scroller, content, button) {
    this.scroller = scroller;
    this.button = button;
    button.addEventListener("click", () => this.jump());
    // What a reader unfolds stays where they opened it: it is not new text at the end.
    content.addEventListener("click", (event) => {
      if (event.target.closest("summary")) this.#isPinned = false;
    });
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    const resized = new ResizeObserver(() => this.#resized());
    resized.observe(content);
    resized.observe(scroller);
  }

  /** Go to the end and stay there. */
  jump() {
    this.#isPinned = true;
    this.#resized();
  }

  get #isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    return scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
  }

  #scrolled() {
    const top = this.scroller.scrollTop;
    if (this.#isAtEnd) this.#isPinned = true;
    else if (top < this.#last) this.#isPinned = false; // only a reader scrolls up
    this.#last = top;
    this.button.hidden = this.#isAtEnd;
  }

  #resized() {
    const gutter = (this.scroller.offsetWidth - this.scroller.clientWidth) / 2;
    this.button.parentElement.style.setProperty("--gutter", `${gutter}px`);
    if (this.#isPinned) this.scroller.scrollTop = this.scroller.scrollHeight;
    this.button.hidden = this.#isAtEnd;
  }
}
