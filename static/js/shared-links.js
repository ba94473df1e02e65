// The button that copies the address of a shared link, on the page that lists them and in the dialog.

import { copyText } from "./chat-clipboard.js";
import { delegateTarget, find, findClosest } from "./dom.js";

document.addEventListener("click", async (event) => {
  const button = delegateTarget(event, "[data-copy-address]");
  if (button) await copyText(find(findClosest(button, "[data-shared-link]"), "input", HTMLInputElement).value);
});
