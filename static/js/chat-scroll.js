// Auto-scroll: keeps the end of the conversation in view while the reader is at the end, and only then.

import { delegateTarget, required } from "./dom.js";

const NEAR_END_PX = 48;

export class AutoScroller {
  #isPinned = true;
  #lastTop = 0;

  /**
   * @param {HTMLElement} scroller
   * @param {HTMLElement} content
   * @param {HTMLElement} button
   */
  constructor(scroller, content, button) {
    this.scroller = scroller;
    this.button = button;
    this.area = required(button.parentElement, "parent of the jump button");
    button.addEventListener("click", () => this.scrollToEnd());
    // A part that the reader unfolds stays where it is: it is not new text at the end.
    content.addEventListener("click", (event) => {
      if (delegateTarget(event, "summary")) this.#isPinned = false;
    });
    scroller.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    const observer = new ResizeObserver(() => this.#onResize());
    observer.observe(content);
    observer.observe(scroller);
  }

  /** Scroll to the end, and stay there when the content grows. */
  scrollToEnd() {
    this.#isPinned = true;
    this.#onResize();
  }

  /**
   * Scroll to a part of the conversation, and stay there when the content grows.
   *
   * @param {HTMLElement} part
   */
  scrollTo(part) {
    this.#isPinned = false;
    part.scrollIntoView();
  }

  get #isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    return scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
  }

  #onScroll() {
    const top = this.scroller.scrollTop;
    if (this.#isAtEnd) this.#isPinned = true;
    else if (top < this.#lastTop) this.#isPinned = false; // only the reader scrolls up, never this script
    this.#lastTop = top;
    this.button.hidden = this.#isAtEnd;
  }

  #onResize() {
    const gutter = (this.scroller.offsetWidth - this.scroller.clientWidth) / 2;
    this.area.style.setProperty("--gutter", `${gutter}px`);
    if (this.#isPinned) {
      this.scroller.scrollTop = this.scroller.scrollHeight;
      this.#lastTop = this.scroller.scrollTop; // the page may be there already, and then no scroll event follows
    }
    this.button.hidden = this.#isAtEnd;
  }
}
