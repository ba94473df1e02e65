// The buttons that copy an answer or a code block to the clipboard, and the button that wraps long lines.

import { delegateTarget, find, findAll, findClosest } from "./dom.js";
import { showToast } from "./ui.js";

/** @param {string} text */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    copyBySelection(text); // over plain http there is no navigator.clipboard
  }
  showToast("Copied");
}

/** @param {string} text */
function copyBySelection(text) {
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "visually-hidden";
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

/**
 * Return the list of an answer's sources, to which the numbers in its text refer. Empty if it cites none.
 *
 * @param {Element} answer
 */
function citedSources(answer) {
  const lines = findAll(answer, "[data-cited] [data-source]").map(({ dataset }) => {
    const { source, title, place } = dataset;
    return `[${source}] ${title}${place ? `, ${place}` : ""}`;
  });
  return lines.length ? ["", "Sources:", ...lines] : [];
}

/** @param {Element} answer */
export async function copyAnswer(answer) {
  const [source] = findAll(answer, "[data-answer-source]", HTMLTextAreaElement);
  if (source) await copyText([source.value, ...citedSources(answer)].join("\n"));
}

/** @param {HTMLElement} root */
export function connectClipboard(root) {
  root.addEventListener("click", async (event) => {
    const button = delegateTarget(event, "[data-copy], [data-wrap], [data-copy-answer]");
    if (!button) return;
    if (button.matches("[data-copy-answer]")) return copyAnswer(findClosest(button, "[data-answer]"));
    const code = find(findClosest(button, "figure"), "pre");
    if (button.matches("[data-copy]")) return copyText(code.textContent);
    const isWrapped = code.classList.toggle("is-wrapped");
    button.setAttribute("aria-pressed", String(isWrapped));
  });
}
