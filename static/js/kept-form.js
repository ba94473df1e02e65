// Keeps what the user wrote in a form, in case the site asks for a login instead of taking it.

import { findAll } from "./dom.js";

const KEY = "ragsite.form"; // in sessionStorage: of this tab

/** @typedef {{ user: string, page: string, fields: Record<string, string> }} Kept */

/**
 * Keep the texts of each form with `data-kept-form` when it is sent. Fill them in if the same user comes back to the
 * form and finds it empty, and forget them once another page shows that the site took them.
 *
 * @param {Document} page
 */
export function keepForms(page) {
  const forms = findAll(page, "form[data-kept-form]", HTMLFormElement);
  const path = page.location.pathname;
  for (const form of forms) {
    const user = form.dataset.keptForm ?? "";
    const kept = read();
    if (kept?.user === user && kept.page === path) fill(form, kept.fields);
    form.addEventListener("submit", () => write({ user, page: path, fields: textsOf(form) }));
  }
  if (path !== "/login/") write(null);
}

/** @param {HTMLFormElement} form */
function textFields(form) {
  const fields = [...form.elements].filter(
    (field) => field instanceof HTMLTextAreaElement || (field instanceof HTMLInputElement && field.type === "text"),
  );
  return /** @type {(HTMLInputElement | HTMLTextAreaElement)[]} */ (fields);
}

/** @param {HTMLFormElement} form */
function textsOf(form) {
  return Object.fromEntries(textFields(form).map((field) => [field.name, field.value]));
}

/**
 * @param {HTMLFormElement} form
 * @param {Record<string, string>} texts
 */
function fill(form, texts) {
  for (const field of textFields(form)) field.value ||= texts[field.name] ?? "";
}

/** @returns {Kept | null} */
function read() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? "null");
  } catch {
    return null; // the stored text is not ours, or the browser forbids storage
  }
}

/** @param {Kept | null} kept */
function write(kept) {
  try {
    if (kept) sessionStorage.setItem(KEY, JSON.stringify(kept));
    else sessionStorage.removeItem(KEY);
  } catch {
    // it is full or forbidden: the form works without it
  }
}
