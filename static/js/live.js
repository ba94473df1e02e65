// Polling with back-off: updates an open page while work is in progress and while the page is visible.
//
// For the first element with data-live, the script polls the URL in that attribute, or else the URL of the page, and
// sends the versions of its parts (data-version). The reply is empty, or has the changed parts; each part replaces the
// element that has the same id.

import { find, findAll } from "./dom.js";

const MIN_PAUSE_S = 2;
const MAX_PAUSE_S = 15;

/**
 * Ask the server for changes and apply them. Return whether there were any.
 *
 * @param {HTMLElement} element
 */
async function applyChanges(element) {
  const url = new URL(element.dataset.live || location.href, location.href);
  const versions = [element, ...findAll(element, "[data-version]")].map((each) => each.dataset.version);
  url.searchParams.set("seen", versions.join("."));
  const reply = await fetch(url);
  if (!reply.ok || reply.redirected) throw new Error("The site is unreachable, or the user is logged out.");
  if (reply.status === 204) return false;
  const text = await reply.text();
  if (!element.isConnected) return true; // the page shows another list by now
  replaceParts(find(new DOMParser().parseFromString(text, "text/html"), "template", HTMLTemplateElement).content);
  return true;
}

/**
 * Replace the changed parts of the page, and keep ticked boxes, open details and the focus.
 *
 * @param {DocumentFragment} parts
 */
function replaceParts(parts) {
  const checked = idsOf("input[type=checkbox]:checked");
  const opened = idsOf("details[open]");
  const focused = document.activeElement?.id;
  for (const part of [...parts.children]) {
    if (part.hasAttribute("data-reload")) return location.reload(); // the text of the document has changed
    document.getElementById(part.id)?.replaceWith(document.adoptNode(part));
  }
  for (const id of checked) check(document.getElementById(id));
  for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
  if (focused && document.activeElement?.id !== focused) {
    document.getElementById(focused)?.focus({ preventScroll: true });
  }
  document.dispatchEvent(new Event("change")); // ui.js counts the selected rows again
}

/** @param {string} selector */
function idsOf(selector) {
  return findAll(document, selector)
    .map((each) => each.id)
    .filter((id) => id);
}

/** @param {HTMLElement | null} box */
function check(box) {
  if (box instanceof HTMLInputElement) box.checked = true;
}

/**
 * Wait for some seconds; on a hidden page, until it is visible again.
 *
 * @param {number} pause_s
 */
async function pauseFor(pause_s) {
  await new Promise((resolve) => {
    if (document.hidden) document.addEventListener("visibilitychange", resolve, { once: true });
    else setTimeout(resolve, pause_s * 1000);
  });
}

async function poll() {
  let pause_s = MIN_PAUSE_S;
  for (;;) {
    await pauseFor(pause_s);
    const [element] = findAll(document, "[data-live]");
    if (!element || document.hidden) continue;
    try {
      // Back off while nothing changes: many users may have the page open, and a worker may be busy for long.
      pause_s = (await applyChanges(element)) ? MIN_PAUSE_S : Math.min(pause_s * 1.5, MAX_PAUSE_S);
    } catch {
      pause_s = MAX_PAUSE_S;
    }
  }
}

void poll();
