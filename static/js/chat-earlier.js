// Earlier turns: the page of a long conversation shows the last ones, and fetches those before them on demand.

import { delegateTarget, fetchFragment, findClosest } from "./dom.js";
import { showToast } from "./ui.js";

/**
 * @param {HTMLElement} scroller
 * @param {(turns: HTMLElement[]) => void} onShown called with the turns that were added
 */
export function connectEarlier(scroller, onShown) {
  scroller.addEventListener("click", async (event) => {
    const button = delegateTarget(event, "[data-show-earlier]", HTMLButtonElement);
    if (!button || button.disabled) return;
    button.disabled = true;
    const part = await fetchFragment(button.dataset.showEarlier ?? "");
    if (part) onShown(insertBefore(scroller, findClosest(button, "[data-earlier]"), part));
    else {
      showToast("The earlier questions could not be fetched. Try again when the connection is back.");
      button.disabled = false;
      button.focus();
    }
  });
}

/**
 * Put the turns in the place of the note about them. What the reader sees does not move, and the focus goes to the
 * turn before it.
 *
 * @param {HTMLElement} scroller
 * @param {HTMLElement} note
 * @param {DocumentFragment} part
 */
function insertBefore(scroller, note, part) {
  const turns = /** @type {HTMLElement[]} */ ([...part.querySelectorAll("[data-turn]")]);
  const fromEnd = scroller.scrollHeight - scroller.scrollTop;
  scroller.style.overflowAnchor = "none"; // else the browser corrects the position as well
  note.replaceWith(part);
  scroller.scrollTop = scroller.scrollHeight - fromEnd;
  scroller.style.overflowAnchor = "";
  const last = turns.at(-1);
  if (last) {
    last.tabIndex = -1;
    last.focus({ preventScroll: true });
  }
  return turns;
}
