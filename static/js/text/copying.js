// Copying a selection that contains formulas.

import { removeControls, restoreSources } from "./sources.js";

/**
 * Put the source of each selected formula on the clipboard, once: KaTeX holds it three times.
 *
 * @param {ClipboardEvent} event
 */
export function copySources(event) {
  const selection = getSelection();
  if (!selection?.rangeCount || selection.isCollapsed || !event.clipboardData) return;
  const range = selection.getRangeAt(0).cloneRange();
  widen(range);
  const copy = document.createElement("div");
  copy.append(range.cloneContents());
  if (!copy.querySelector("[data-tex]")) return;
  restoreSources(copy);
  removeControls(copy);
  document.body.append(copy);
  // biome-ignore lint/performance/useDomNodeTextContent: its line breaks are those on the screen
  event.clipboardData.setData("text/plain", copy.innerText);
  event.clipboardData.setData("text/html", copy.innerHTML);
  copy.remove();
  event.preventDefault();
}

/**
 * Let a range begin and end outside of formulas.
 *
 * @param {Range} range
 */
function widen(range) {
  const [first, last] = [range.startContainer, range.endContainer].map(formulaAround);
  if (first) range.setStartBefore(first);
  if (last) range.setEndAfter(last);
}

/** @param {Node} node */
function formulaAround(node) {
  return (node instanceof Element ? node : node.parentElement)?.closest("[data-tex]");
}
