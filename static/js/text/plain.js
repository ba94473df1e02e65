// Formulas in plain text: questions, and the passages of documents. The text stays the same, with an element around each
// formula.

import { findAll } from "../dom.js";
import { drawAll } from "./drawn.js";

const MAY_HOLD_A_FORMULA = /\$|\\[([]/;
const NOT_IN = "code, pre, a, .maths, .maths-block";

/** @param {HTMLElement} root */
export function drawQuestions(root) {
  void drawPlain(findAll(root, "[data-question]"));
}

/**
 * Draw what the text of a document contains, or of a passage.
 *
 * @param {HTMLElement} text
 */
export function drawText(text) {
  void drawPlain(findAll(text, ".is-flowing, .heading"));
  drawAll([text]);
}

/**
 * Draw the formulas in the text of elements.
 *
 * @param {HTMLElement[]} elements
 */
async function drawPlain(elements) {
  const wanted = elements.filter(({ textContent }) => MAY_HOLD_A_FORMULA.test(textContent));
  if (!wanted.length) return;
  const { findFormulas } = await import("./maths.js");
  for (const text of wanted.flatMap(textNodes)) {
    for (const [start, end] of findFormulas(text.data).reverse()) surround(text, start, end);
  }
  drawAll(wanted);
}

/** @param {HTMLElement} element */
function textNodes(element) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const { currentNode } = walker;
    if (currentNode instanceof Text && !currentNode.parentElement?.closest(NOT_IN)) found.push(currentNode);
  }
  return found;
}

/**
 * @param {Text} text
 * @param {number} start
 * @param {number} end
 */
function surround(text, start, end) {
  const source = text.data.slice(start, end);
  const span = document.createElement("span");
  span.className = /^(?:\$\$|\\\[)/.test(source) ? "maths is-display" : "maths";
  span.dir = "ltr";
  const range = document.createRange();
  range.setStart(text, start);
  range.setEnd(text, end);
  range.surroundContents(span);
}
