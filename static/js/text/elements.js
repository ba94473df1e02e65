// Builds the elements of a parsed text: those of chat/pages/render.py. Text only ever becomes text nodes and the values of
// attributes that cannot run anything.

/** @import { Environment, Token } from "../../vendor/markdown-it.js" */

const CONTAINERS = new Set(["blockquote_open", "bullet_list_open", "ordered_list_open", "table_open"]);
const TEXTS = new Set(["paragraph_open", "heading_open"]);
const LANGUAGE_MAX_CHARACTERS = 24;

/**
 * @param {Token[]} tokens
 * @param {Environment} environment
 * @returns {DocumentFragment}
 */
export function buildElements(tokens, environment) {
  const fragment = document.createDocumentFragment();
  addTokens(fragment, tokens, environment);
  return fragment;
}

/**
 * @param {Node} root
 * @param {Token[]} tokens
 * @param {Environment} environment
 */
function addTokens(root, tokens, environment) {
  let parent = root;
  for (const [at, token] of tokens.entries()) {
    if (token.hidden) continue;
    if (tokens[at - 1]?.hidden && isAfterText(token)) addText(parent, "\n");
    if (token.type === "inline") addTokens(parent, token.children ?? [], environment);
    else if (token.nesting > 0) parent = openElement(parent, token);
    else if (token.nesting < 0) parent = closeElement(parent, token);
    else addLeaf(parent, token, environment);
  }
}

/**
 * Return whether a tight item's text needs a line break before this block, for those who copy it.
 *
 * @param {Token} token
 */
function isAfterText({ type, block, nesting }) {
  return block && (nesting > 0 ? type !== "table_open" : type === "hr");
}

/**
 * @param {Node} parent
 * @param {Token} token
 */
function openElement(parent, token) {
  const element = document.createElement(tagOf(token));
  if (CONTAINERS.has(token.type) || (TEXTS.has(token.type) && token.level === 0)) element.dir = "auto";
  for (const [name, value] of token.attrs ?? []) setAttribute(element, name, value);
  if (element instanceof HTMLAnchorElement) {
    element.target = "_blank";
    element.rel = "noopener noreferrer nofollow";
  }
  if (token.type !== "table_open") parent.appendChild(element);
  else parent.appendChild(create("div", { class: "table-scroll", tabindex: "0" }, element));
  return element;
}

/** @param {Token} token */
function tagOf({ type, tag }) {
  return type === "heading_open" ? `h${Math.min(6, Number(tag[1]) + 2)}` : tag;
}

/**
 * @param {Element} element
 * @param {string} name
 * @param {string} value
 */
function setAttribute(element, name, value) {
  const aligned = name === "style" ? /text-align:(left|center|right)/.exec(value) : null;
  if (aligned) element.className = `align-${aligned[1]}`;
  else if (["href", "title", "start", "class"].includes(name)) element.setAttribute(name, value);
}

/**
 * @param {Node} element
 * @param {Token} token
 */
function closeElement(element, { type, block }) {
  const outer = type === "table_close" ? element.parentNode : element;
  const parent = outer?.parentNode ?? element;
  if (block) addText(parent, "\n");
  return parent;
}

/**
 * @param {Node} parent
 * @param {Token} token
 * @param {Environment} environment
 */
function addLeaf(parent, token, environment) {
  const { type, content } = token;
  if (type === "softbreak") addText(parent, "\n");
  else if (type === "text" || type === "text_special") addText(parent, content);
  else if (type === "hardbreak") parent.appendChild(create("br"));
  else parent.appendChild(createLeaf(token, environment));
  if (token.block && type !== "text") addText(parent, "\n");
}

/**
 * @param {Token} token
 * @param {Environment} environment
 */
function createLeaf({ type, content, markup, info, meta }, { citations }) {
  switch (type) {
    case "citation":
      return createCitation(Number(meta), citations);
    case "task":
      return create(
        "span",
        { class: "task", role: "img", "aria-label": content === "☑" ? "Done" : "Not done" },
        content,
      );
    case "maths":
      return create("span", { class: isDisplay(markup) ? "maths is-display" : "maths", dir: "ltr" }, content);
    case "maths_block":
      return create("div", { class: "maths-block", dir: "ltr" }, content);
    case "code_inline":
      return create("code", {}, content);
    case "hr":
      return create("hr");
    default:
      return createCode(content, info);
  }
}

/** @param {string} mark */
function isDisplay(mark) {
  return mark === "$$" || mark === "\\[";
}

/**
 * @param {number} number
 * @param {Environment["citations"]} citations
 */
function createCitation(number, citations) {
  const { href = "", title = "" } = citations.get(number) ?? {};
  const label = `Passage ${number}: ${title}`;
  const rel = "noopener noreferrer nofollow";
  return create("a", { class: "citation", href, "data-citation": `${number}`, "aria-label": label, rel }, `${number}`);
}

/**
 * @param {string} code
 * @param {string} info
 */
function createCode(code, info) {
  const language = [...(info.trim().split(/\s/)[0] ?? "")].slice(0, LANGUAGE_MAX_CHARACTERS).join("");
  const wrap = create("button", { type: "button", "data-wrap": "", "aria-pressed": "false" }, "Wrap");
  const copy = create("button", { type: "button", "data-copy": "" }, "Copy");
  const caption = create("figcaption", {}, create("span", {}, language || "text"), wrap, copy);
  const text = create("pre", { tabindex: "0", dir: "ltr" }, create("code", {}, ...(code ? [code] : [])));
  const figure = create("figure", { class: "code" }, caption, text);
  if (language.toLowerCase() === "mermaid") figure.setAttribute("data-diagram", "");
  return figure;
}

/**
 * @param {Node} parent
 * @param {string} text
 */
function addText(parent, text) {
  const last = parent.lastChild;
  if (last instanceof Text) last.appendData(text);
  else if (text) parent.appendChild(document.createTextNode(text));
}

/**
 * @param {string} tag
 * @param {Record<string, string>} attributes
 * @param {(Node | string)[]} children
 */
function create(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
