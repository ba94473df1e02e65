// Fakes of the browser APIs that the modules under test use.

export class FakeElement extends EventTarget {
  /** @type {(FakeElement | string)[]} */
  nodes = [];
  /** @type {FakeElement | null} */
  parentElement = null;
  hidden = false;
  dataset = {};

  /** `mark` is the attribute by which querySelector finds the element. */
  constructor(tag, mark = "") {
    super();
    this.tagName = tag.toUpperCase();
    this.mark = mark;
  }

  append(...nodes) {
    for (const each of nodes) if (each instanceof FakeElement) each.parentElement = this;
    this.nodes.push(...nodes);
  }

  replaceChildren(...nodes) {
    this.nodes = [];
    this.append(...nodes);
  }

  get textContent() {
    return this.nodes.map((each) => (typeof each === "string" ? each : each.textContent)).join("");
  }

  set textContent(text) {
    this.replaceChildren(text);
  }

  querySelector(selector) {
    return this.#inside().find((each) => selector === `[${each.mark}]`) ?? null;
  }

  #inside() {
    const children = this.nodes.filter((each) => each instanceof FakeElement);
    return children.flatMap((each) => [each, ...each.#inside()]);
  }

  /** The HTML of its content without attributes, such as <p>Some <strong>bold</strong> words</p>. */
  get inner() {
    return this.nodes.map((each) => (typeof each === "string" ? each : each.outer)).join("");
  }

  get outer() {
    const tag = this.tagName.toLowerCase();
    return `<${tag}>${this.inner}</${tag}>`;
  }
}

/** Define global variables in place of those of a browser. */
export function install(globals) {
  for (const [name, value] of Object.entries(globals)) {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
}

export function installDocument() {
  const document = new EventTarget();
  document.createElement = (tag) => new FakeElement(tag);
  document.hidden = false;
  install({ document, window: new EventTarget(), Element: FakeElement, HTMLElement: FakeElement });
}

/** A localStorage; `room` is the largest number of characters of one text. */
export class FakeStorage {
  items = new Map();

  constructor(room = Number.POSITIVE_INFINITY) {
    this.room = room;
  }

  getItem(key) {
    return this.items.get(key) ?? null;
  }

  setItem(key, text) {
    if (text.length > this.room) throw new Error("QuotaExceededError");
    this.items.set(key, text);
  }
}

/** Make access to a storage throw, as in a browser that forbids storage. */
export function forbidStorage(name) {
  Object.defineProperty(globalThis, name, {
    configurable: true,
    get() {
      throw new Error("SecurityError");
    },
  });
}
