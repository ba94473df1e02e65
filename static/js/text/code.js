// The code of a text: it grows at its end, and gets colours as soon as those of its language are loaded.

import { find, findClosest } from "../dom.js";

/** @typedef {{ text: string, colours: { update(text: string): void } | null }} Code */

/** @type {WeakMap<Element, Code>} */
const known = new WeakMap();

/**
 * Show a text as the content of a code element.
 *
 * @param {Element} element
 * @param {string} text
 */
export function setCode(element, text) {
  const code = known.get(element);
  if (code?.text === text) return;
  if (code?.colours && text.startsWith(code.text)) code.colours.update(text);
  else {
    if (code?.colours) known.delete(element); // it is another code, and is coloured from its start
    setText(element, text);
  }
  if (code) code.text = text;
}

/**
 * @param {Element} element
 * @param {string} text
 */
function setText(element, text) {
  const [only, more] = element.childNodes;
  if (only instanceof Text && !more && text.startsWith(only.data)) only.appendData(text.slice(only.data.length));
  else if (element.textContent !== text) element.textContent = text;
}

/**
 * Colour the code of these elements, if their languages are known.
 *
 * @param {HTMLElement[]} elements
 */
export async function colourCode(elements) {
  const fresh = elements.filter((each) => !known.has(each) && !each.childElementCount); // not around a marked passage
  if (!fresh.length) return;
  for (const element of fresh) known.set(element, { text: element.textContent, colours: null });
  const { coloursOf } = await import("./code-colours.js");
  for (const element of fresh) {
    const code = known.get(element);
    if (!code) continue; // it was replaced meanwhile
    code.colours = coloursOf(element, languageOf(element));
    code.colours?.update(code.text);
  }
}

/** @param {Element} element */
function languageOf(element) {
  return find(findClosest(element, "figure"), "figcaption span").textContent;
}
