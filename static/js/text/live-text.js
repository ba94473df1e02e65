// The text of an answer while it is written. Each block of the Markdown that is complete keeps its elements; only the last
// one, which is still open, is built again and patched. So a piece costs the same at the end of a long answer.

import { drawAll } from "./drawn.js";
import { patchNodes } from "./patch.js";

/** @import { Environment, Token } from "../../vendor/markdown-it.js" */

const REST_FACTOR = 4; // rendering takes a fifth of the time at most, however long the open block is
const REST_FROM_MS = 8; // shorter renderings do not matter
const HIDDEN_TAB_MS = 250; // where the browser shows no frames

/** @typedef {{ parse: typeof import("./grammar.js").parse, buildElements: typeof import("./elements.js").buildElements, shownLength: typeof import("./open-end.js").shownLength }} Renderer */

/** @type {Promise<Renderer> | null} */
let loading = null;

/** Load the renderer: before the first answer is written, not with the page. */
export function loadRenderer() {
  loading ??= Promise.all([import("./grammar.js"), import("./elements.js"), import("./open-end.js")]).then(
    ([{ parse }, { buildElements }, { shownLength }]) => ({ parse, buildElements, shownLength }),
  );
  loading.catch(() => {
    loading = null; // the next answer tries again
  });
  return loading;
}

export class LiveText {
  #open = ""; // the text from the last block on
  /** @type {Node[]} */
  #nodes = []; // of the last block
  #hasEnded = false;
  #isScheduled = false;
  #restsUntil = 0;
  /** @type {Environment} */
  #environment = { citations: new Map() };
  /** @type {Renderer | null} */
  #renderer = null;

  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
    loadRenderer().then(
      (renderer) => {
        this.#renderer = renderer;
        this.render();
      },
      () => this.element.classList.add("is-plain"), // the connection failed: the text is shown as it was written
    );
  }

  /**
   * Set the passages that the text may cite.
   *
   * @param {Environment["citations"]} citations
   */
  set citations(citations) {
    this.#environment = { citations };
  }

  /** @param {string} text */
  append(text) {
    this.#open += text;
    if (!this.#isScheduled) this.#schedule();
  }

  clear() {
    this.#open = "";
    this.#nodes = [];
    this.element.replaceChildren();
  }

  /** Show the text as it is when nothing more follows. */
  finish() {
    this.#hasEnded = true;
    this.render();
  }

  /** Write no more: the element holds the text of the server now. The renderer may still be loading. */
  release() {
    this.#open = "";
    this.#nodes = [];
  }

  #schedule() {
    this.#isScheduled = true;
    const rest = this.#restsUntil - performance.now();
    const render = () => {
      this.#isScheduled = false;
      if (!this.#hasEnded) this.render();
    };
    if (rest > 0) setTimeout(render, rest);
    else if (document.hidden) setTimeout(render, HIDDEN_TAB_MS);
    else requestAnimationFrame(render);
  }

  /** Show what has arrived. Otherwise the next frame shows it. */
  render() {
    const start = performance.now();
    if (this.#renderer) this.#renderBlocks(this.#renderer);
    else if (this.element.matches(".is-plain")) this.element.textContent = this.#open;
    const cost = performance.now() - start;
    this.#restsUntil = cost > REST_FROM_MS ? start + cost + REST_FACTOR * cost : 0;
  }

  /** @param {Renderer} renderer */
  #renderBlocks({ parse, buildElements, shownLength }) {
    const all = this.#open.replaceAll(/\r\n?/g, "\n");
    const text = this.#hasEnded ? all : all.slice(0, shownLength(all));
    const environment = { ...this.#environment, isOpen: !this.#hasEnded };
    const tokens = parse(text, environment);
    const last = this.#hasEnded ? tokens.length : startOfLastBlock(tokens);
    const complete = [...buildElements(tokens.slice(0, last), environment).childNodes];
    const open = [...buildElements(tokens.slice(last), environment).childNodes];
    const nodes = patchNodes(this.element, this.#nodes, [...complete, ...open]);
    this.#nodes = nodes.slice(complete.length);
    this.#open = this.#hasEnded ? "" : all.slice(offsetOfLine(text, tokens[last]?.map?.[0] ?? 0));
    drawAll(nodes.slice(0, complete.length));
    drawAll(this.#nodes, { isOpen: true });
  }
}

/**
 * Return the index of the token that begins the last block.
 *
 * @param {Token[]} tokens
 */
function startOfLastBlock(tokens) {
  return Math.max(
    0,
    tokens.findLastIndex(({ level, nesting }) => level === 0 && nesting >= 0),
  );
}

/**
 * @param {string} text
 * @param {number} line from 0
 */
function offsetOfLine(text, line) {
  let at = 0;
  for (let passed = 0; passed < line; passed += 1) at = text.indexOf("\n", at) + 1;
  return at;
}
