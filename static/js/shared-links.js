// The forms and buttons of shared links, on the page that lists them and in the dialog.

import { copyText } from "./chat-clipboard.js";
import { delegateTarget, find, findClosest } from "./dom.js";

document.addEventListener("click", async (event) => {
  const button = delegateTarget(event, "[data-copy-address]");
  if (button) await copyText(find(findClosest(button, "[data-shared-link]"), "input", HTMLInputElement).value);
});

// The server refuses a change with a sentence: show it at the link.
document.addEventListener("htmx:responseError", (event) => {
  const link = delegateTarget(event, "[data-shared-link]");
  if (!link || !(event instanceof CustomEvent)) return;
  const problem = find(link, "[data-problem]");
  problem.hidden = false;
  problem.textContent =
    event.detail.xhr.status === 400 ? event.detail.xhr.responseText : "This did not work. Try again.";
});
