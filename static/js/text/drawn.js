// What the page draws from a text: formulas, diagrams and the colours of code. The source stays in the page: that of a
// formula in its data-tex. Nothing is loaded before it is needed.

import { findAll } from "../dom.js";
import { colourCode } from "./code.js";

const FORMULAS = [/^\$\$([\s\S]+)\$\$$/, /^\\\[([\s\S]+)\\\]$/, /^\\\(([\s\S]+)\\\)$/, /^\$([^$]+)\$$/];

/**
 * Draw what parts of a page contain. What is drawn already stays as it is.
 *
 * @param {Node[]} roots
 * @param {{ isOpen?: boolean }} [options] isOpen: their last diagram is not complete
 */
export function drawAll(roots, { isOpen = false } = {}) {
  const formulas = findIn(roots, ".maths, .maths-block").filter(
    (each) => !each.dataset.tex && formulaIn(each.textContent),
  );
  if (formulas.length) drawFormulas(formulas).catch(keepSource);
  colourCode(findIn(roots, "figure:not([data-diagram]) > pre > code")).catch(keepSource);
  const diagrams = isOpen ? [] : findIn(roots, "[data-diagram]:not([data-drawn])");
  if (diagrams.length) drawDiagrams(diagrams).catch(keepSource);
}

/** The connection failed while a module was loaded: the source stays, and a reload draws it. */
function keepSource() {}

/**
 * @param {Node[]} roots
 * @param {string} selector
 */
function findIn(roots, selector) {
  const elements = roots.filter((root) => root instanceof HTMLElement);
  return elements.flatMap((root) => [...(root.matches(selector) ? [root] : []), ...findAll(root, selector)]);
}

/**
 * Return what is between the marks of a formula, "" while the closing one is missing.
 *
 * @param {string} source
 */
function formulaIn(source) {
  return FORMULAS.map((form) => form.exec(source)?.[1]).find(Boolean) ?? "";
}

/** @param {HTMLElement[]} elements */
async function drawFormulas(elements) {
  for (const element of elements) element.dataset.tex = element.textContent;
  const { drawFormula } = await import("./formulas.js");
  for (const element of elements) {
    const { tex = "" } = element.dataset;
    if (tex) await drawFormula(element, formulaIn(tex), /^(?:\$\$|\\\[)/.test(tex));
  }
}

/** @param {HTMLElement[]} figures */
async function drawDiagrams(figures) {
  const { drawDiagram } = await import("./diagrams.js");
  await Promise.all(figures.map(drawDiagram));
}
