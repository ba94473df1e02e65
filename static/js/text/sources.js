// The sources of what is drawn: of a formula in its data-tex, of a diagram in its code.

import { findAll } from "../dom.js";

/**
 * Return whether an element is drawn, or will be, from the text of a fresh one.
 *
 * @param {Element} element
 * @param {Element} fresh
 */
export function isDrawnFrom(element, fresh) {
  return (
    element instanceof HTMLElement && element.dataset.tex !== undefined && element.dataset.tex === fresh.textContent
  );
}

/**
 * Return the text of an element, with each formula once, as its source.
 *
 * @param {Node} element
 */
export function sourceText(element) {
  const copy = document.createElement("div");
  copy.append(element.cloneNode(true));
  restoreSources(copy);
  removeControls(copy);
  return copy.textContent;
}

/**
 * Remove the buttons from a copy of a part of the page.
 *
 * @param {ParentNode} copy
 */
export function removeControls(copy) {
  for (const button of findAll(copy, "figcaption button")) button.remove();
}

/**
 * Put the sources in place of what was drawn from them, in a copy of a part of the page.
 *
 * @param {ParentNode} copy
 */
export function restoreSources(copy) {
  for (const formula of findAll(copy, "[data-tex]")) {
    formula.textContent = formula.dataset.tex ?? "";
    delete formula.dataset.tex;
    delete formula.dataset.drawn;
  }
  for (const drawing of findAll(copy, "[data-drawing]")) drawing.remove();
}
