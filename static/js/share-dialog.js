// The dialog that shares a session. It is loaded when it is opened for the first time.

import { fetchFragment, find } from "./dom.js";
import "./shared-links.js";
import { showToast } from "./ui.js";

/**
 * Load a style sheet once.
 *
 * @param {string} address
 */
function loadStyles(address) {
  if (document.querySelector(`link[href="${CSS.escape(address)}"]`)) return;
  const link = document.createElement("link");
  return new Promise((resolve) => {
    link.addEventListener("load", resolve);
    link.addEventListener("error", resolve);
    Object.assign(link, { rel: "stylesheet", href: address });
    document.head.append(link);
  });
}

/**
 * @param {string} sessionId
 * @param {string} styles the address of their style sheet
 */
export async function openShareDialog(sessionId, styles) {
  const [part] = await Promise.all([fetchFragment(`/chat/${sessionId}/share/`), loadStyles(styles)]);
  if (!part) return showToast("This could not be loaded. Try again in a moment.");
  const dialog = find(document, "[data-share-dialog]", HTMLDialogElement);
  find(dialog, "[data-share-body]").replaceChildren(part);
  window.htmx.process(dialog);
  dialog.showModal();
}
