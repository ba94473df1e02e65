// Draws diagrams: see chat/pages/diagrams.py.

/** @param {HTMLElement} figure */
export function drawDiagram(figure) {
  figure.setAttribute("data-drawn", "");
}
