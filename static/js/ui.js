// The scripts of every page: the theme switch, toasts, the selection of several rows, and the limits of texts.

import { delegateTarget, find, findAll } from "./dom.js";
import { keepForms } from "./kept-form.js";
import { connectPalette } from "./palette-opener.js";
import { readStorage, setCookie, writeStorage } from "./storage.js";
import { checkLimit } from "./text-limits.js";

const root = document.documentElement;

/**
 * Apply a theme, and store it in a cookie for the server. connectTheme stores it in localStorage for the admin.
 *
 * @param {string} choice
 */
function setTheme(choice) {
  const isFixed = choice === "light" || choice === "dark";
  if (isFixed) root.dataset.theme = choice;
  else delete root.dataset.theme;
  setCookie("theme", isFixed ? choice : "");
  for (const button of findAll(document, "[data-theme-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === choice));
  }
}

/**
 * Show a short message that disappears after four seconds.
 *
 * @param {string} text
 */
export function showToast(text) {
  const toast = document.createElement("div");
  toast.className = "toast";
  toast.textContent = text;
  find(document, "#toasts").append(toast);
  setTimeout(() => toast.remove(), 4000);
}

/** Tell the server the time zone of the browser, for pages of users who have not chosen one. */
function storeTimeZone() {
  setCookie("time_zone", Intl.DateTimeFormat().resolvedOptions().timeZone ?? "");
}

function connectTheme() {
  setTheme(readStorage("theme") ?? root.dataset.theme ?? "auto");
  for (const element of findAll(document, "[data-theme-switch]")) {
    element.hidden = false;
    element.addEventListener("click", (event) => {
      const choice = delegateTarget(event, "[data-theme-choice]")?.dataset.themeChoice;
      if (!choice) return;
      writeStorage("theme", choice);
      setTheme(choice);
    });
  }
  window.addEventListener("storage", (event) => {
    if (event.key === "theme") setTheme(event.newValue ?? "auto");
  });
}

/**
 * Return all checkboxes with this name.
 *
 * @param {string} name
 */
function checkboxes(name) {
  return findAll(document, `input[type=checkbox][name="${name}"]`, HTMLInputElement);
}

/** Update the buttons that act on a selection: they show its size, and are disabled while it is empty. */
function updateSelection() {
  for (const all of findAll(document, "[data-select-all]", HTMLInputElement)) {
    const [checked, total] = countSelected(all.dataset.selectAll);
    all.checked = checked > 0 && checked === total;
    all.indeterminate = checked > 0 && checked < total;
  }
  for (const button of findAll(document, "[data-selection-needed]", HTMLButtonElement)) {
    const [checked] = countSelected(button.dataset.selectionNeeded);
    button.disabled = checked === 0;
    const label = find(button, "[data-selection-label]");
    const text = label.dataset.selectionLabel ?? "";
    label.textContent = checked ? `${text} ${checked}` : text;
  }
}

/**
 * Return how many checkboxes with this name are checked, and how many there are.
 *
 * @returns {[number, number]}
 */
function countSelected(name = "") {
  const every = checkboxes(name);
  return [every.filter((box) => box.checked).length, every.length];
}

document.addEventListener("change", (event) => {
  const all = delegateTarget(event, "[data-select-all]", HTMLInputElement);
  if (all) for (const box of checkboxes(all.dataset.selectAll ?? "")) box.checked = all.checked;
  updateSelection();
});
document.addEventListener("htmx:afterSettle", updateSelection);
document.addEventListener("input", (event) => checkLimit(event.target));

connectTheme();
connectPalette();
storeTimeZone();
keepForms(document);
updateSelection();
document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
