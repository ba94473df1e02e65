// Colours the tokens of code, line by line: a line that is complete is never touched again.

import { LANGUAGES } from "../../vendor/code-languages.js";
import { StringStream } from "./string-stream.js";

/** @import { State, Tokenizer } from "../../vendor/code-languages.js" */

const LINE_MAX_CHARACTERS = 2000; // a longer line has no colours: it is generated, and would cost too much
const INDENT = 2;

/** @type {Record<string, string>} */
const CLASSES = {
  atom: "literal",
  attribute: "property",
  attributeName: "property",
  attributeValue: "string",
  bool: "literal",
  builtin: "property",
  character: "string",
  comment: "comment",
  def: "name",
  definition: "name",
  deleted: "deleted",
  docComment: "comment",
  function: "name",
  heading: "name",
  inserted: "inserted",
  keyword: "keyword",
  meta: "comment",
  number: "literal",
  processingInstruction: "comment",
  property: "property",
  propertyName: "property",
  quote: "string",
  regexp: "string",
  special: "property",
  standard: "property",
  string: "string",
  tag: "keyword",
  tagName: "keyword",
  type: "keyword",
  typeName: "keyword",
  unit: "literal",
  url: "string",
};

/**
 * Return what colours code of a language, null if there is none.
 *
 * @param {HTMLElement} element
 * @param {string} language
 */
export function coloursOf(element, language) {
  const name = language.toLowerCase();
  const tokenizer = Object.hasOwn(LANGUAGES, name) ? LANGUAGES[name] : undefined;
  return tokenizer ? new CodeColours(element, tokenizer) : null;
}

class CodeColours {
  #done = 0; // characters in complete lines
  /** @type {State} */
  #state;
  /** @type {Node[]} */
  #openLine = [];

  /**
   * @param {HTMLElement} element
   * @param {Tokenizer} tokenizer
   */
  constructor(element, tokenizer) {
    this.element = element;
    this.tokenizer = tokenizer;
    this.#state = tokenizer.startState?.(INDENT) ?? {};
    element.replaceChildren();
  }

  /**
   * Show the code, which goes on from what was shown before.
   *
   * @param {string} text
   */
  update(text) {
    for (const node of this.#openLine) this.element.removeChild(node);
    const end = text.lastIndexOf("\n") + 1;
    const lines = text.slice(this.#done, end).split("\n").slice(0, -1);
    this.element.append(...lines.flatMap((line) => [...this.#colour(line, this.#state), "\n"]));
    this.#done = end;
    this.#openLine = this.#colour(text.slice(end), copyState(this.tokenizer, this.#state));
    this.element.append(...this.#openLine);
  }

  /**
   * Return the nodes of a line, and move the state to its end.
   *
   * @param {string} line
   * @param {State} state
   * @returns {Node[]}
   */
  #colour(line, state) {
    if (!line) this.tokenizer.blankLine?.(state, INDENT);
    if (line.length > LINE_MAX_CHARACTERS) return [document.createTextNode(line)];
    const stream = new StringStream(line);
    /** @type {Node[]} */
    const nodes = [];
    while (!stream.eol()) {
      const name = classOf(this.#readToken(stream, state));
      const last = nodes.at(-1);
      if (!name && last instanceof Text) last.appendData(stream.current());
      else nodes.push(createToken(stream.current(), name));
      stream.start = stream.pos;
    }
    return nodes;
  }

  /**
   * Return the style of the next token. A tokenizer may change its state first, without reading anything.
   *
   * @param {StringStream} stream
   * @param {State} state
   */
  #readToken(stream, state) {
    for (let tries = 0; tries < 10; tries += 1) {
      const style = this.tokenizer.token(stream, state);
      if (stream.pos > stream.start) return style;
    }
    stream.next();
    return null;
  }
}

/**
 * @param {Tokenizer} tokenizer
 * @param {State} state
 * @returns {State}
 */
function copyState(tokenizer, state) {
  if (tokenizer.copyState) return tokenizer.copyState(state);
  if (typeof state !== "object" || state === null) return state;
  const entries = Object.entries(state);
  return Object.fromEntries(entries.map(([name, value]) => [name, Array.isArray(value) ? [...value] : value]));
}

/** @param {string | null} style */
function classOf(style) {
  const names = style?.split(/[ .]/) ?? [];
  return names.map((name) => (Object.hasOwn(CLASSES, name) ? CLASSES[name] : "")).findLast(Boolean) ?? "";
}

/**
 * @param {string} text
 * @param {string} name
 */
function createToken(text, name) {
  if (!name) return document.createTextNode(text);
  const span = document.createElement("span");
  span.className = `is-${name}`;
  span.textContent = text;
  return span;
}
