// The Markdown of answers while they are written. The server has the same grammar for finished ones, with the same
// modules: chat/pages/grammar/.

import MarkdownIt from "../../vendor/markdown-it.js";
import { addCitations } from "./citations.js";
import { cjkState } from "./emphasis.js";
import { addMaths } from "./maths.js";
import { addOpenEnd, markOpenEnd } from "./open-end.js";
import { addTaskLists } from "./task-lists.js";

/** @import { Environment, StateCore, Token } from "../../vendor/markdown-it.js" */

// As in chat/pages/render.py
const INLINE_MAX_CHARACTERS = 100_000;
const INLINE_MAX_OPENINGS = 500;

const markdown = new MarkdownIt("commonmark", { html: false });
markdown.enable(["table", "strikethrough"]);
markdown.disable("reference");
markdown.validateLink = (url) => /^(?:https?:\/\/|mailto:)/i.test(url);
markdown.inline.State = cjkState(markdown);
markdown.core.ruler.at("inline", parseInlines);
addMaths(markdown);
addTaskLists(markdown);
addCitations(markdown);
addOpenEnd(markdown);

/**
 * @param {string} text
 * @param {Environment} environment
 * @returns {Token[]}
 */
export function parse(text, environment) {
  return markdown.parse(text, environment);
}

/** @param {StateCore} state */
function parseInlines({ tokens, env, md }) {
  const last = env.isOpen ? markOpenEnd(tokens) : null;
  for (const token of tokens) {
    if (token.type !== "inline") continue;
    env.isAtOpenEnd = token === last;
    if (isTooMuch(token.content)) Object.assign(token, { type: "text", children: null });
    else md.inline.parse(token.content, md, env, token.children ?? []);
  }
}

/** @param {string} text */
function isTooMuch(text) {
  const openings = text.split("[").length + text.split("\\(").length - 2;
  return text.length > INLINE_MAX_CHARACTERS || openings > INLINE_MAX_OPENINGS;
}
