// Earlier turns: the page of a long conversation shows the last ones, and fetches those before them as one scrolls up.

import { delegateTarget, fetchFragment, find, findClosest } from "./dom.js";
import { showToast } from "./ui.js";

const MARGIN_PX = 600; // above the visible part: so far ahead they are fetched

/**
 * @param {HTMLElement} scroller
 * @param {(turns: HTMLElement[]) => void} onShown called with the turns that were added
 */
export function connectEarlier(scroller, onShown) {
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (isIntersecting) void show(find(target, "[data-show-earlier]", HTMLButtonElement));
      }
    },
    { root: scroller, rootMargin: `${MARGIN_PX}px 0px 0px` },
  );

  /** @type {Promise<HTMLElement[] | null> | null} */
  let pending = null; // a click while they are being fetched waits for the same reply

  /** @param {HTMLButtonElement} button */
  function show(button) {
    pending ??= load(button).finally(() => {
      pending = null;
    });
    return pending;
  }

  /** @param {HTMLButtonElement} button */
  async function load(button) {
    const part = await fetchFragment(button.dataset.showEarlier ?? "");
    if (!part || !button.isConnected) return null;
    const turns = insertBefore(scroller, findClosest(button, "[data-earlier]"), part);
    watch();
    onShown(turns);
    return turns;
  }

  function watch() {
    const note = scroller.querySelector("[data-earlier]");
    if (note) observer.observe(note);
  }

  scroller.addEventListener("click", async (event) => {
    const button = delegateTarget(event, "[data-show-earlier]", HTMLButtonElement);
    if (!button) return;
    const turns = await show(button);
    if (turns) focusOn(turns.at(-1));
    else if (button.isConnected) {
      showToast("The earlier questions could not be fetched. Try again when the connection is back.");
      button.focus();
    }
  });
  watch();
}

/**
 * Put the turns in the place of the note about them. What the reader sees does not move.
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
  return turns;
}

/**
 * Move the focus to the turn before those that were there: the button that had it is gone.
 *
 * @param {HTMLElement | undefined} turn
 */
function focusOn(turn) {
  if (!turn) return;
  turn.tabIndex = -1;
  turn.focus({ preventScroll: true });
}
