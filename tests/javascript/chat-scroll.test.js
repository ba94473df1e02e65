import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { AutoScroller } from "../../static/js/chat-scroll.js";
import { FakeElement, install, installDocument } from "./fakes.js";

let scroller;
let content;
let button;
let autoScroller;
let gutter;
let resized;

/** A scroll container that shows 100 px of 1000 px of text, with a scrollbar of 14 px. */
class Scroller extends FakeElement {
  scrollHeight = 1000;
  clientHeight = 100;
  offsetWidth = 314;
  clientWidth = 300;
  #top = 0;

  get scrollTop() {
    return this.#top;
  }

  set scrollTop(top) {
    this.#top = Math.max(0, Math.min(top, this.scrollHeight - this.clientHeight));
  }

  scrollTo(top) {
    this.scrollTop = top;
    this.dispatchEvent(new Event("scroll"));
  }

  growBy(height) {
    this.scrollHeight += height;
    resized();
  }

  get isAtEnd() {
    return this.scrollTop === this.scrollHeight - this.clientHeight;
  }
}

beforeEach(() => {
  installDocument();
  install({
    ResizeObserver: class {
      constructor(callback) {
        resized = callback;
      }

      observe() {}
    },
  });
  [scroller, content, button] = [new Scroller("div"), new FakeElement("div"), new FakeElement("button")];
  const area = new FakeElement("div");
  area.style = { setProperty: (_, value) => (gutter = value) };
  area.append(button);
  autoScroller = new AutoScroller(scroller, content, button);
  autoScroller.scrollToEnd();
  scroller.dispatchEvent(new Event("scroll")); // browsers fire it also when a script scrolls
});

test("The end stays in view while text grows.", () => {
  for (let each = 0; each < 3; each += 1) {
    scroller.growBy(200);
    assert.ok(scroller.isAtEnd);
  }
  assert.equal(button.hidden, true);
});

test("A reader who has scrolled up keeps their place and sees the jump button.", () => {
  scroller.scrollTo(500);
  scroller.growBy(200);
  assert.equal(scroller.scrollTop, 500);
  assert.equal(button.hidden, false);
});

test("Scrolling down close to the end turns auto-scroll on again.", () => {
  scroller.scrollTo(500);
  scroller.scrollTo(853); // 47 px before it
  assert.equal(button.hidden, true);
  scroller.growBy(200);
  assert.ok(scroller.isAtEnd);
});

test("A position 48 px before the end is not close enough.", () => {
  scroller.scrollTo(500);
  scroller.scrollTo(852);
  scroller.growBy(200);
  assert.equal(scroller.scrollTop, 852);
});

test("The jump button scrolls to the end and turns auto-scroll on.", () => {
  scroller.scrollTo(100);
  scroller.scrollTo(50);
  button.dispatchEvent(new Event("click"));
  assert.ok(scroller.isAtEnd);
  scroller.growBy(300);
  assert.ok(scroller.isAtEnd);
});

test("Text that arrives before the scroll event of the last delta does not count as scrolling by the reader.", () => {
  scroller.scrollHeight += 200; // a delta has arrived
  scroller.dispatchEvent(new Event("scroll")); // not at the end, but not scrolled up either
  resized();
  assert.ok(scroller.isAtEnd);
});

test("A part that the reader unfolds stays where it is.", () => {
  const summary = new FakeElement("summary");
  summary.closest = (selector) => (selector === "summary" ? summary : null);
  const click = new Event("click");
  Object.defineProperty(click, "target", { value: summary });
  content.dispatchEvent(click);
  scroller.growBy(400);
  assert.equal(scroller.scrollTop, 900);
});

test("A click elsewhere does not turn auto-scroll off.", () => {
  content.closest = () => null;
  content.dispatchEvent(new Event("click"));
  scroller.growBy(400);
  assert.ok(scroller.isAtEnd);
});

test("The jump button is centred over the text without the scrollbar.", () => assert.equal(gutter, "7px"));
