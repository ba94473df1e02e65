// Draws formulas with KaTeX. Its own renderer builds the elements and sets their styles one by one, which the content
// security policy allows. The source is untrusted: no links, no pictures, bounded sizes, expansions and length.

import katex from "../../vendor/katex.js";
import { copySources } from "./copying.js";

const MAX_CHARACTERS = 5000;
/** @type {import("../../vendor/katex.js").Options} */
const OPTIONS = {
  errorColor: "currentcolor",
  maxExpand: 500,
  maxSize: 20,
  strict: false,
  throwOnError: true,
  trust: false,
};
const WIDE_FROM_CHARACTERS = 40;
const PAUSE_AFTER_MS = 30; // of drawing, so that the page stays responsive

/** @type {Promise<void> | null} */
let styles = null;
let busySince = 0;

/**
 * Replace the source in an element by the formula, or add a sentence if it is none.
 *
 * @param {HTMLElement} element
 * @param {string} formula
 * @param {boolean} isDisplay
 */
export async function drawFormula(element, formula, isDisplay) {
  styles ??= loadStyles();
  await styles;
  await pauseIfBusy();
  if (formula.length > MAX_CHARACTERS) return explain(element, "This formula is too long to be drawn.");
  const drawn = document.createElement("span");
  try {
    katex.render(formula, drawn, { ...OPTIONS, displayMode: isDisplay });
  } catch {
    return explain(element, "This formula has an error, so its source is shown.");
  }
  element.replaceChildren(...drawn.childNodes);
  element.dataset.drawn = "drawn";
  if (formula.length > WIDE_FROM_CHARACTERS) showWhole(element);
}

/**
 * @param {HTMLElement} element
 * @param {string} sentence
 */
function explain(element, sentence) {
  const note = document.createElement("small");
  note.className = "not-drawn";
  note.dataset.drawing = "";
  note.textContent = sentence;
  element.append(note);
  element.dataset.drawn = "failed";
}

/**
 * Let a formula scroll that is wider than its text. It cannot break, and would widen the page.
 *
 * @param {HTMLElement} element
 */
function showWhole(element) {
  const width = element.parentElement?.clientWidth ?? 0;
  element.classList.toggle("is-wide", width > 0 && element.getBoundingClientRect().width > width);
}

/** Load the styles of KaTeX. Without them the formulas would be a heap of letters. */
function loadStyles() {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = new URL("../../vendor/katex.css", import.meta.url).href;
  return /** @type {Promise<void>} */ (
    new Promise((resolve, reject) => {
      link.addEventListener("load", () => resolve());
      link.addEventListener("error", reject);
      document.head.append(link);
    })
  );
}

async function pauseIfBusy() {
  const now = performance.now();
  if (now - busySince < PAUSE_AFTER_MS) return;
  await new Promise((resolve) => setTimeout(resolve));
  busySince = performance.now();
}

document.addEventListener("copy", copySources);
