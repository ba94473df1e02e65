// The buttons that copy an answer or a block of code, and the one that wraps long lines.

import { toast } from "./ui.js";

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    copyBySelection(text); // plain http has no clipboard
  }
  toast("Copied");
}

function copyBySelection(text) {
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "visually-hidden";
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

export function copyAnswer(answer) {
  const source = answer?.querySelector("[data-answer-source]");
  if (source) copy(source.value);
}

export function connectClipboard(root) {
  root.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy], [data-wrap], [data-copy-answer]");
    if (!button) return;
    if (button.matches("[data-copy-answer]")) return copyAnswer(button.closest("[data-answer]"));
    const code = button.closest("figure").querySelector("pre");
    if (button.matches("[data-copy]")) return copy(code.textContent);
    const isWrapped = code.classList.toggle("is-wrapped");
    button.setAttribute("aria-pressed", String(isWrapped));
  });
}
