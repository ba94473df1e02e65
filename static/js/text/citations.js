// Citations, and images as links: see chat/pages/grammar/citations.py.

/** @import { Environment, StateCore, Token } from "../../vendor/markdown-it.js" */
/** @import MarkdownIt from "../../vendor/markdown-it.js" */

const LIST = String.raw`\[\s*\p{Nd}{1,3}(?:\s*,\s*\p{Nd}{1,3})*\s*\]`;
const CITED = new RegExp(`${LIST}(?: ?${LIST})*`, "gu");

/** @param {MarkdownIt} markdown */
export function addCitations(markdown) {
  markdown.core.ruler.before("text_join", "citations", ({ tokens, env, Token }) => {
    for (const token of tokens) if (token.children) token.children = citeOutsideLinks(token.children, env, Token);
  });
}

/**
 * @param {Token[]} children
 * @param {Environment} environment
 * @param {StateCore["Token"]} Token
 */
function citeOutsideLinks(children, environment, Token) {
  let links = 0; // the nesting depth
  return children.flatMap((token) => {
    if (token.type === "link_open") links += 1;
    if (token.type === "link_close") links -= 1;
    if (token.type === "image") return imageAsLink(token, links > 0, Token);
    return token.type === "text" && !links ? cite(token.content, environment, Token) : [token];
  });
}

/**
 * @param {Token} image
 * @param {boolean} isInsideLink
 * @param {StateCore["Token"]} Token
 */
function imageAsLink(image, isInsideLink, Token) {
  const source = image.attrs?.find(([name]) => name === "src")?.[1] ?? "";
  const words = textToken(image.content || source, Token);
  if (isInsideLink) return [words];
  const link = new Token("link_open", "a", 1);
  link.attrs = [["href", source]];
  return [link, words, new Token("link_close", "a", -1)];
}

/**
 * @param {string} text
 * @param {Environment} environment
 * @param {StateCore["Token"]} Token
 */
function cite(text, { citations }, Token) {
  const tokens = [];
  let at = 0;
  for (const { index, 0: match } of text.matchAll(CITED)) {
    const numbers = [...new Set([...match.matchAll(/\p{Nd}+/gu)].map(([digits]) => readNumber(digits)))];
    numbers.sort((a, b) => a - b);
    const known = numbers.filter((number) => citations.has(number));
    if (!known.length) continue;
    tokens.push(textToken(text.slice(at, index).replace(/ $/, "\u00a0"), Token));
    for (const number of known) tokens.push(Object.assign(new Token("citation", "", 0), { meta: number }));
    const unknown = numbers.filter((number) => !citations.has(number));
    if (unknown.length) tokens.push(textToken(`[${unknown.join(", ")}]`, Token));
    at = index + match.length;
  }
  return [...tokens, textToken(text.slice(at), Token)];
}

/**
 * @param {string} content
 * @param {StateCore["Token"]} Token
 */
function textToken(content, Token) {
  return Object.assign(new Token("text", "", 0), { content });
}

/**
 * Return the number that decimal digits of any script stand for.
 *
 * @param {string} digits
 */
function readNumber(digits) {
  return Number([...digits].map(digitValue).join(""));
}

/**
 * Return the value of a digit. The digits of a script follow one another in Unicode, from zero.
 *
 * @param {string} digit
 */
function digitValue(digit) {
  const code = digit.codePointAt(0) ?? 0;
  let before = 0;
  while (/\p{Nd}/u.test(String.fromCodePoint(code - before - 1))) before += 1;
  return before % 10;
}
