// The end of a text that is still being written: half of a mark is either held back, or taken as if it were complete.
// So neither shows for a moment as something that it will not be.

import { isApart, openingAt } from "./maths.js";

/** @import { Delimiter, StateInline, Token } from "../../vendor/markdown-it.js" */
/** @import MarkdownIt from "../../vendor/markdown-it.js" */

const MARKS_ONLY = /^[\s>]*(?:[-*+=#~`|:.()\d\s$]|\\[[(]?)*$/; // the next words decide what such a line is
const FENCE = /^[\s>]*(?:[-*+]\s+|\d+[.)]\s+)*(?:```|~~~)/; // its language is not complete
const ROW = /^\s*\||^.{0,120} \|(?: |$)/; // a row of a table begins with a bar, or has one between its first cells
const RULE = /^[\s|:-]*$/; // below the head of a table

const HALF_MAX_CHARACTERS = 800;
const HALF = [
  /!?\[[^\]\n]{0,200}\]\([^)\n]{0,500}$/, // a link without its end
  /!?\[[^\]\n]{0,200}$/, // a label, or a citation
  /(?:\[[^\]\n]{0,200}\] ?)+$/, // an address may follow, or another citation
  /<(?:[a-z][^\s>]{0,200})?$/i, // an address in angle brackets
  /&[#\w]{0,12}$/, // a character reference
  /[*_~`]+$/,
  /\\$/,
];

/**
 * Return how many characters of a text, which goes on, can be shown.
 *
 * @param {string} text
 */
export function shownLength(text) {
  const start = text.lastIndexOf("\n") + 1;
  const line = text.slice(start);
  if (MARKS_ONLY.test(line) || FENCE.test(line)) return isHead(text, start) ? lineBefore(text, start) : start;
  if (RULE.test(line) && isHead(text, start)) return lineBefore(text, start);
  return ROW.test(line) && !isInTable(text, start) ? start : text.length;
}

/**
 * @param {string} text
 * @param {number} start
 */
function lineBefore(text, start) {
  return text.lastIndexOf("\n", start - 2) + 1;
}

/**
 * Return whether the line before a place may be the head of a table.
 *
 * @param {string} text
 * @param {number} start
 */
function isHead(text, start) {
  const before = lineBefore(text, start);
  const line = text.slice(before, start);
  return RULE.test(text.slice(start)) && ROW.test(line) && !RULE.test(line) && !isInTable(text, before);
}

/**
 * @param {string} text
 * @param {number} start
 */
function isInTable(text, start) {
  const paragraph = text.lastIndexOf("\n\n", start) + 1;
  return text
    .slice(paragraph, start)
    .split("\n")
    .some((line) => line.includes("-") && RULE.test(line));
}

/**
 * Hold back the half mark at the end of the last inline token. Return the token, null if text ends elsewhere.
 *
 * @param {Token[]} tokens
 */
export function markOpenEnd(tokens) {
  const at = tokens.findLastIndex(({ nesting }) => nesting >= 0);
  const last = tokens[at];
  if (last?.type !== "inline") return null;
  const start = Math.max(0, last.content.length - HALF_MAX_CHARACTERS);
  let end = last.content.slice(start);
  for (const half of HALF) end = end.replace(half, "");
  last.content = last.content.slice(0, start) + end;
  return last;
}

/** @param {MarkdownIt} markdown */
export function addOpenEnd(markdown) {
  markdown.inline.ruler.before("maths", "open_end", takeRest);
  markdown.inline.ruler2.after("balance_pairs", "open_end", closeDelimiters);
}

/**
 * Take the rest of an open line as code, or as a formula.
 *
 * @param {StateInline} state
 * @param {boolean} silent
 */
function takeRest(state, silent) {
  if (!state.env.isAtOpenEnd || silent) return false;
  const rest = state.src.slice(state.pos);
  const ticks = /^`+/.exec(rest)?.[0];
  if (ticks) return takeCode(state, rest, ticks);
  const mark = openingAt(state.src, state.pos);
  return mark ? takeFormula(state, rest, mark) : false;
}

/**
 * @param {StateInline} state
 * @param {string} rest
 * @param {string} ticks
 */
function takeCode(state, rest, ticks) {
  const code = rest.slice(ticks.length);
  if (new RegExp(`(?<!\`)${ticks}(?!\`)`).test(code)) return false;
  if (state.src[state.pos - 1] === "`" || !code.trim() || code.includes("\n")) return false;
  state.push("code_inline", "code", 0).content = code.trim();
  state.pos = state.posMax;
  return true;
}

/**
 * @param {StateInline} state
 * @param {string} rest
 * @param {string} mark
 */
function takeFormula(state, rest, mark) {
  const formula = rest.slice(mark.length);
  if (formula.includes(mark.replace("(", ")").replace("[", "]"))) return false;
  if (mark === "$" && !(isApart(state.src, state.pos) && /^[^\s\d$][^\n]*[\\^_{=]/.test(formula))) return false;
  if (mark === "\\[" && /^\s*\p{Nd}/u.test(formula)) return false;
  const token = state.push("maths", "span", 0);
  token.content = rest;
  token.markup = mark;
  state.pos = state.posMax;
  return true;
}

/**
 * Close the delimiters that the last line opens.
 *
 * @param {StateInline} state
 */
function closeDelimiters(state) {
  if (!state.env.isAtOpenEnd) return;
  const { delimiters, tokens } = state;
  const line = tokens.findLastIndex(({ type }) => type === "softbreak" || type === "hardbreak");
  const open = delimiters.filter((each) => each.token > line && isOpen(each));
  for (const opening of open.reverse()) {
    opening.end = delimiters.length;
    const token = state.push("text", "", 0).content.length + tokens.length - 1;
    delimiters.push({ ...opening, token, end: -1, open: false, close: true });
  }
}

/**
 * Return whether a delimiter waits for its end. A single one between two words is mostly a sign: 5*3.
 *
 * @param {Delimiter} delimiter
 */
function isOpen({ open, close, end, length, marker }) {
  const isSingle = length === 1 && marker !== 0x7e;
  return open && end < 0 && !(isSingle && close);
}
