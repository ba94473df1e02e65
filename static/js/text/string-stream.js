// The line that a tokenizer of CodeMirror reads, with the methods that it may call:
// https://codemirror.net/docs/ref/#language.StringStream

const TAB = 4;

/** @typedef {string | RegExp | ((character: string) => boolean)} Characters */

export class StringStream {
  pos = 0;
  start = 0;
  indentUnit = 2;
  tabSize = TAB;

  /** @param {string} string */
  constructor(string) {
    this.string = string;
  }

  eol() {
    return this.pos >= this.string.length;
  }

  sol() {
    return this.pos === 0;
  }

  peek() {
    return this.string.charAt(this.pos) || undefined;
  }

  next() {
    return this.eol() ? undefined : this.string.charAt(this.pos++);
  }

  /** @param {Characters} characters */
  eat(characters) {
    const next = this.peek();
    return next !== undefined && isAmong(next, characters) ? this.next() : undefined;
  }

  /** @param {Characters} characters */
  eatWhile(characters) {
    const { pos } = this;
    while (this.eat(characters));
    return this.pos > pos;
  }

  eatSpace() {
    return this.eatWhile(/\s/);
  }

  skipToEnd() {
    this.pos = this.string.length;
  }

  /** @param {string} text */
  skipTo(text) {
    const found = this.string.indexOf(text, this.pos);
    if (found < 0) return undefined;
    this.pos = found;
    return true;
  }

  /** @param {number} count */
  backUp(count) {
    this.pos -= count;
  }

  column() {
    return countColumns(this.string.slice(0, this.start));
  }

  indentation() {
    return countColumns(/^\s*/.exec(this.string)?.[0] ?? "");
  }

  /**
   * @param {string | RegExp} pattern
   * @param {boolean} [consume]
   * @param {boolean} [ignoreCase]
   * @returns {boolean | RegExpMatchArray | null}
   */
  match(pattern, consume = true, ignoreCase = false) {
    if (typeof pattern !== "string") return this.#matchExpression(pattern, consume);
    const found = this.string.slice(this.pos, this.pos + pattern.length);
    const isEqual = ignoreCase ? found.toLowerCase() === pattern.toLowerCase() : found === pattern;
    if (isEqual && consume) this.pos += pattern.length;
    return isEqual || null;
  }

  /**
   * @param {RegExp} pattern
   * @param {boolean} consume
   */
  #matchExpression(pattern, consume) {
    const found = this.string.slice(this.pos).match(pattern);
    if (!found || (found.index ?? 0) > 0) return null;
    if (consume) this.pos += found[0].length;
    return found;
  }

  current() {
    return this.string.slice(this.start, this.pos);
  }
}

/**
 * @param {string} character
 * @param {Characters} characters
 */
function isAmong(character, characters) {
  if (typeof characters === "string") return character === characters;
  return typeof characters === "function" ? characters(character) : characters.test(character);
}

/** @param {string} text */
function countColumns(text) {
  return [...text].reduce((column, each) => (each === "\t" ? column + TAB - (column % TAB) : column + 1), 0);
}
