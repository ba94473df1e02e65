// Where formulas in TeX are: see chat/pages/grammar/maths.py, which has the same rules and their reasons.

/** @import { StateBlock, StateInline } from "../../vendor/markdown-it.js" */
/** @import MarkdownIt from "../../vendor/markdown-it.js" */

/** @type {Record<string, string>} */
const CLOSING = { $: "$", $$: "$$", "\\(": "\\)", "\\[": "\\]" };
const OPENINGS = /\$\$?|\\[([]/g;
const WORD = /[\p{L}\p{N}]/u;
const SIGN = /[\\^_{}=<>+]/;
const PROSE = /\p{L}{4,}|\s\p{L}{2,}|\p{L}{2,}\s/u;
const PRICES = [/^[^\p{L}\p{N}\\({[|+\-<.']/u, /[\s([{,;:~/\-–]$/, /\*\*|~~|`/, /^\d[^\\]*\s\p{L}{2,}\s/u];
const PRICES_WITHOUT_SIGN = [/[^\p{L}\p{N}\s+\-*/|()[\],.'!&]|\p{L}{3,}[^\p{L}]|[^\p{L}]\p{L}{3,}/u, /^\d.*\s/];
const ENDING = /^(?:th|s)(?!\p{L})/u; // the $n$th
const CITATION = /^\s*\p{Nd}+(?:\s*,\s*\p{Nd}+)*\s*(?:\]|$)/u;

/** @param {MarkdownIt} markdown */
export function addMaths(markdown) {
  markdown.inline.ruler.before("escape", "maths", takeInline);
  markdown.block.ruler.before("fence", "maths_block", takeBlock, { alt: ["paragraph", "blockquote", "list"] });
}

/** @param {string} text */
function isFormula(text) {
  if (!WORD.test(text) || (CITATION.test(text) && text.includes("]"))) return false;
  return SIGN.test(text) || !PROSE.test(text);
}

/**
 * Return the opening mark at a place of a text, or "".
 *
 * @param {string} text
 * @param {number} at
 */
export function openingAt(text, at) {
  const two = text.slice(at, at + 2);
  return [two, two.charAt(0)].find((mark) => Object.hasOwn(CLOSING, mark)) ?? "";
}

/**
 * Return where the formula ends that begins at `start`, after its closing mark; -1 if none does.
 *
 * @param {string} text
 * @param {number} start
 * @param {string} opening
 */
function findEnd(text, start, opening) {
  const low = start + opening.length;
  const closing = CLOSING[opening] ?? "";
  let high = text.indexOf(closing, low);
  while (opening === "$" && high > 0 && text[high - 1] === "\\") high = text.indexOf(closing, high + 1);
  return high >= 0 && isBetween(text, start, low, high, opening) ? high + closing.length : -1;
}

/**
 * @param {string} text
 * @param {number} start
 * @param {number} low
 * @param {number} high
 * @param {string} opening
 */
function isBetween(text, start, low, high, opening) {
  const formula = text.slice(low, high);
  if (opening === "\\[" && CITATION.test(formula)) return false;
  if (opening !== "$") return isFormula(formula);
  const after = text.slice(high + 1, high + 4);
  const goesOn =
    /^[\p{L}\p{N}]/u.test(after) && !(formula.includes("\\") && /^\p{L}/u.test(after)) && !ENDING.test(after);
  if (!isApart(text, start) || goesOn || after.startsWith("$")) return false;
  return !formula.includes("\n") && isFormula(formula) && !isPrice(formula);
}

/** @param {string} text */
function isPrice(text) {
  const rules = SIGN.test(text) ? PRICES : [...PRICES, ...PRICES_WITHOUT_SIGN];
  return rules.some((rule) => rule.test(text));
}

/**
 * Return whether a dollar sign does not follow a letter, a digit or another one.
 *
 * @param {string} text
 * @param {number} at
 */
export function isApart(text, at) {
  const before = /[\s\S]$/u.exec(text.slice(Math.max(0, at - 2), at))?.[0] ?? "";
  return before !== "$" && !WORD.test(before);
}

/**
 * @param {StateInline} state
 * @param {boolean} silent
 */
function takeInline(state, silent) {
  const opening = openingAt(state.src, state.pos);
  const end = opening ? findEnd(state.src.slice(0, state.posMax), state.pos, opening) : -1;
  if (end < 0) return false;
  if (!silent) {
    const token = state.push("maths", "span", 0);
    token.content = state.src.slice(state.pos, end);
    token.markup = opening;
  }
  state.pos = end;
  return true;
}

/**
 * Take lines from an opening mark to a closing one at the end of a line, or to an empty line while it is missing.
 *
 * @param {StateBlock} state
 * @param {number} start
 * @param {number} end
 * @param {boolean} silent
 */
function takeBlock(state, start, end, silent) {
  if ((state.sCount[start] ?? 0) - state.blkIndent >= 4) return false;
  const begin = (state.bMarks[start] ?? 0) + (state.tShift[start] ?? 0);
  const opening = state.src.slice(begin, begin + 2);
  if (opening !== "$$" && opening !== "\\[") return false;
  const after = findLineAfter(state, start, end, CLOSING[opening] ?? "");
  const text = state.getLines(start, after, state.blkIndent, false).trim();
  if (!isBlock(text, opening)) return false;
  if (silent) return true;
  const token = state.push("maths_block", "div", 0);
  token.content = text;
  token.map = [start, after];
  state.line = after;
  return true;
}

/**
 * @param {StateBlock} state
 * @param {number} start
 * @param {number} end
 * @param {string} closing
 */
function findLineAfter(state, start, end, closing) {
  for (let line = start; line < end; line += 1) {
    const begin = (state.bMarks[line] ?? 0) + (state.tShift[line] ?? 0) + (line === start ? 2 : 0);
    if (line > start && (state.isEmpty(line) || (state.sCount[line] ?? 0) < state.blkIndent)) return line;
    if (state.src.slice(begin, state.eMarks[line]).includes(closing)) return line + 1;
  }
  return end;
}

/**
 * @param {string} text
 * @param {string} opening
 */
function isBlock(text, opening) {
  const closing = CLOSING[opening] ?? "";
  const at = text.indexOf(closing, 2);
  const formula = at < 0 ? text.slice(2) : text.slice(2, at);
  if (at >= 0 && text.slice(at + 2).trim()) return false;
  if (opening === "\\[" && CITATION.test(formula)) return false;
  return at < 0 ? /^[ \t]*(?:\n|$)/.test(formula) || SIGN.test(formula) : isFormula(formula);
}

/**
 * Return the bounds of the formulas in a plain text, such as a question.
 *
 * @param {string} text
 * @returns {[number, number][]}
 */
export function findFormulas(text) {
  /** @type {[number, number][]} */
  const found = [];
  let at = 0;
  for (const { index, 0: mark } of text.matchAll(OPENINGS)) {
    if (index < at || text[index - 1] === "\\" || text[index - 1] === "`") continue;
    const end = findEnd(text, index, mark);
    if (end > 0) found.push([index, end]);
    at = end > 0 ? end : index + mark.length;
  }
  return found;
}
