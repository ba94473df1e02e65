// Makes nodes of the page equal to other ones, and keeps what is equal already: so a selection in it survives.

import { findAll } from "../dom.js";
import { setCode } from "./code.js";
import { drawAll } from "./drawn.js";
import { isDrawnFrom } from "./sources.js";

/**
 * Make the element of a live answer equal to the rendered one. Its text is not moved, and so keeps what is selected.
 *
 * @param {HTMLElement} element
 * @param {HTMLElement} rendered
 */
export function takeOver(element, rendered) {
  const [text] = findAll(element, "[data-text]");
  const [fresh] = findAll(rendered, "[data-text]");
  patchAttributes(element, rendered);
  if (!text || !fresh) return element.replaceChildren(...rendered.childNodes);
  patchNodes(text, [...text.childNodes], [...fresh.childNodes]);
  drawAll([text]);
  for (const each of [...element.childNodes]) if (each !== text) each.remove();
  const parts = [...rendered.childNodes];
  const at = parts.indexOf(fresh);
  text.before(...parts.slice(0, at));
  text.after(...parts.slice(at + 1));
}

/**
 * Make these children of a parent, its last ones, equal to fresh nodes. Return them.
 *
 * @param {Node} parent
 * @param {Node[]} old
 * @param {Node[]} fresh
 */
export function patchNodes(parent, old, fresh) {
  for (const each of old.slice(fresh.length)) parent.removeChild(each);
  return fresh.map((node, at) => {
    const before = old[at];
    if (before && patchNode(before, node)) return before;
    if (before) parent.replaceChild(node, before);
    else parent.appendChild(node);
    return node;
  });
}

/**
 * Make a node equal to a fresh one. Return false if it must be replaced.
 *
 * @param {Node} old
 * @param {Node} fresh
 */
function patchNode(old, fresh) {
  if (old instanceof Text && fresh instanceof Text) return patchText(old, fresh.data);
  if (!(old instanceof Element && fresh instanceof Element) || old.tagName !== fresh.tagName) return false;
  if (old.hasAttribute("data-tex")) return isDrawnFrom(old, fresh);
  if (old.matches("pre > code")) setCode(old, fresh.textContent ?? "");
  else if (!old.matches("figcaption") || old.firstChild?.textContent !== fresh.firstChild?.textContent) {
    patchAttributes(old, fresh);
    patchNodes(old, ownChildren(old), [...fresh.childNodes]);
  }
  return true;
}

/**
 * @param {Text} old
 * @param {string} text
 */
function patchText(old, text) {
  if (text.startsWith(old.data)) {
    if (text !== old.data) old.appendData(text.slice(old.data.length));
  } else old.data = text;
  return true;
}

/**
 * @param {Element} old
 * @param {Element} fresh
 */
export function patchAttributes(old, fresh) {
  if (old.matches("pre")) return; // the reader may have wrapped its lines
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && name !== "data-drawn") old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
}

/**
 * Return the children without what a script has drawn from them.
 *
 * @param {Element} element
 */
function ownChildren(element) {
  return [...element.childNodes].filter((each) => !(each instanceof Element && each.hasAttribute("data-drawing")));
}
