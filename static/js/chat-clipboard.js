// The buttons that copy an answer or a code block to the clipboard or save it, and the button that wraps long lines.

import { openMenu } from "./chat-menu.js";
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

/**
 * @param {string} text
 * @param {string} html
 */
function copyBySelection(text, html = "") {
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "visually-hidden";
  document.body.append(field);
  field.select();
  field.addEventListener("copy", (event) => {
    if (!html || !event.clipboardData) return;
    event.preventDefault();
    event.clipboardData.setData("text/plain", text);
    event.clipboardData.setData("text/html", html);
  });
  document.execCommand("copy");
  field.remove();
}

/**
 * Fetch an answer as the clipboard takes it: for word processors, for plain fields, and as Markdown.
 *
 * @param {HTMLElement} answer
 * @returns {Promise<{ html: string, text: string, markdown: string }>}
 */
async function fetchForms({ dataset }) {
  const response = await fetch(`/answers/${dataset.answer}/copy/`);
  if (!response.ok || response.redirected) throw new Error(`The answer could not be fetched: ${response.status}`);
  return response.json();
}

/** @param {HTMLElement} answer */
export async function copyAnswer(answer) {
  const forms = fetchForms(answer);
  try {
    // Safari wants the item within the click, and takes promises for what is in it.
    const item = new ClipboardItem({
      "text/html": forms.then(({ html }) => new Blob([html], { type: "text/html" })),
      "text/plain": forms.then(({ text }) => new Blob([text], { type: "text/plain" })),
    });
    await navigator.clipboard.write([item]);
  } catch {
    const found = await forms.catch(() => null);
    if (!found) return showToast("The answer could not be copied. Try again in a moment.");
    copyBySelection(found.text, found.html);
  }
  showToast("Copied");
}

/** @param {HTMLElement} answer */
async function copyMarkdown(answer) {
  const found = await fetchForms(answer).catch(() => null);
  if (found) await copyText(found.markdown);
  else showToast("The answer could not be copied. Try again in a moment.");
}

/**
 * Connect the menu with the other forms of an answer. Return the function that opens it.
 *
 * @param {HTMLElement} menu
 * @returns {(button: HTMLElement) => void}
 */
function connectCopyMenu(menu) {
  /** @type {HTMLElement | null} */
  let answer = null; // whose menu is open
  menu.addEventListener("click", async (event) => {
    if (!delegateTarget(event, "[role=menuitem]")) return;
    menu.hidePopover();
    if (answer && delegateTarget(event, "[data-copy-markdown]")) await copyMarkdown(answer);
  });
  return (button) => {
    answer = findClosest(button, "[data-answer]");
    const turn = findClosest(button, "[data-turn]").dataset.turn;
    for (const link of findAll(menu, "[data-answer-link]", HTMLAnchorElement)) {
      const form = link.dataset.answerLink;
      link.href =
        form === "print" ? `${location.pathname}print/?turn=${turn}` : `/answers/${answer.dataset.answer}/${form}/`;
    }
    openMenu(menu, button);
  };
}

/** @param {HTMLElement} root */
export function connectClipboard(root) {
  const [menu] = findAll(document, "[data-copy-menu]"); // missing where a shared conversation is read
  const openCopyMenu = menu && connectCopyMenu(menu);
  root.addEventListener("click", async (event) => {
    const button = delegateTarget(event, "[data-copy], [data-wrap], [data-copy-answer], [data-copy-other]");
    if (!button) return;
    if (button.matches("[data-copy-other]")) return openCopyMenu?.(button);
    if (button.matches("[data-copy-answer]")) return copyAnswer(findClosest(button, "[data-answer]"));
    const code = find(findClosest(button, "figure"), "pre");
    if (button.matches("[data-copy]")) return copyText(code.textContent);
    const isWrapped = code.classList.toggle("is-wrapped");
    button.setAttribute("aria-pressed", String(isWrapped));
  });
}
