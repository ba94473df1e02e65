// The dialogs in which sessions get a folder and tags, and folders a name and a place.

import { delegateTarget, fetchFragment, find } from "./dom.js";
import { csrfHeaders } from "./http.js";
import { showToast } from "./ui.js";

const AWAY = "This could not be saved. Try again in a moment.";

/**
 * Open the dialog that the server renders at this address.
 *
 * @param {string} url
 * @param {() => Promise<void>} onChange called after each change that was saved
 */
export async function openOrganizer(url, onChange) {
  const part = await fetchFragment(url);
  if (!part) return showToast("This could not be opened. Try again when the connection is back.");
  const dialog = find(part, "dialog", HTMLDialogElement);
  document.body.append(part);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => {
    if (delegateTarget(event, "[data-close-dialog]")) dialog.close();
    const tag = delegateTarget(event, "[data-add-tag]");
    if (tag) addTag(find(dialog, "[name='tags']", HTMLInputElement), tag.dataset.addTag ?? "");
  });
  find(dialog, "form", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    void save(dialog, event, onChange);
  });
  dialog.showModal();
}

/**
 * @param {HTMLDialogElement} dialog
 * @param {SubmitEvent} event
 * @param {() => Promise<void>} onChange
 */
async function save(dialog, { target, submitter }, onChange) {
  const form = /** @type {HTMLFormElement} */ (target);
  const sentence = await send(form, new FormData(form, submitter));
  const error = find(dialog, "[data-dialog-error]");
  error.textContent = sentence;
  error.hidden = !sentence;
  if (sentence) return;
  if (!submitter?.hasAttribute("data-stays")) dialog.close();
  await onChange();
}

/**
 * Send the form. Return "", or why it was refused. (`form.action` would be its buttons of that name.)
 *
 * @param {HTMLFormElement} form
 * @param {FormData} body
 */
async function send(form, body) {
  try {
    const response = await fetch(form.getAttribute("action") ?? "", { method: "POST", body, headers: csrfHeaders() });
    if (response.ok && !response.redirected) return "";
    return response.status === 400 ? await response.text() : AWAY;
  } catch {
    return AWAY; // the connection failed
  }
}

/**
 * Add a tag to the field, unless it is there.
 *
 * @param {HTMLInputElement} field
 * @param {string} tag
 */
function addTag(field, tag) {
  const tags = field.value.split(",").map((each) => each.trim());
  if (!tags.includes(tag)) field.value = [...tags.filter(Boolean), tag].join(", ");
  field.focus();
}
