// Marks the words that a search found in the turn that its link opened, until the reader goes on.

import { showAnswer } from "./chat-lanes.js";
import { findAll } from "./dom.js";

const NAME = "found"; // in finding.css
const SHOWN_MS = 8000;
const TEXTS = "[data-question], [data-text]";

/**
 * @param {HTMLElement} turn
 * @param {string[]} words as the turn has them
 */
export function markFound(turn, words) {
  const ranges = findAll(turn, TEXTS).flatMap((element) => [...rangesOf(element, words)]);
  const places = ranges.map((range) => range.startContainer.parentElement);
  if (!places.some((place) => place?.checkVisibility())) {
    const answer = places[0]?.closest("[data-answer]"); // in another version, or in a lane behind the others
    if (answer) showAnswer(answer);
  }
  const first = places.find((place) => place?.checkVisibility());
  // It may be far below the start of a long turn.
  if (first && first.getBoundingClientRect().bottom > innerHeight) first.scrollIntoView({ block: "center" });
  if (!CSS.highlights) return; // an old browser opens the place without a mark
  CSS.highlights.set(NAME, new Highlight(...ranges));
  setTimeout(() => CSS.highlights.delete(NAME), SHOWN_MS);
}

/**
 * @param {HTMLElement} element
 * @param {string[]} words
 */
function* rangesOf(element, words) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const text = node.nodeValue ?? "";
    for (const word of words) {
      for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + word.length)) {
        if (isWhole(text, at, word)) yield rangeOf(node, at, at + word.length);
      }
    }
  }
}

/**
 * Tell whether the word is not a part of a longer one. Scripts without spaces have no such parts.
 *
 * @param {string} text
 * @param {number} at
 * @param {string} word
 */
function isWhole(text, at, word) {
  if (/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}]/u.test(word)) return true;
  const around = [text.slice(0, at).slice(-1), text.slice(at + word.length).slice(0, 1)];
  return around.every((character) => !/[\p{L}\p{N}]/u.test(character));
}

/**
 * @param {Node} node
 * @param {number} start
 * @param {number} end
 */
function rangeOf(node, start, end) {
  const range = document.createRange();
  range.setStart(node, start);
  range.setEnd(node, end);
  return range;
}
