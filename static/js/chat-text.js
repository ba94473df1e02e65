// Text that only grows at its end: what was read stays where it is, and it is never taken for HTML.
//
// So that the finished answer has the shape of what was read, paragraphs, headings, bold words and code are
// made at the moment they begin. That is all: what the text really means is decided on the server, at the end.

const MARKS = { "**": "STRONG", "`": "CODE" };

export class LiveText {
  #held = ""; // marks and line breaks at the end: what comes next decides what they are
  #block = null;
  #at = null; // the element that the next words go into
  #isClosed = false; // the block is code, and its closing fence has come

  constructor(element) {
    this.element = element;
  }

  append(text) {
    const all = this.#held + text;
    this.#held = /[*`#\n]*$/.exec(all)[0];
    let breaks = "";
    for (const part of all.slice(0, all.length - this.#held.length).split(/(\n+)/)) {
      if (part.startsWith("\n")) breaks = part;
      else if (part) this.#write(breaks, part);
    }
  }

  clear() {
    this.element.replaceChildren();
    this.#held = "";
    this.#block = this.#at = null;
  }

  /** Write the words of one line; `breaks` are the line breaks before them, "" if the line goes on. */
  #write(breaks, words) {
    if (this.#isCode && !this.#isClosed) this.#code(breaks, words);
    else if (words.startsWith("```") && (breaks || !this.#block)) this.#beginCode(words);
    else {
      if (!this.#block || this.#isCode || breaks.length > 1) words = this.#beginParagraph(words);
      else if (breaks) this.#at.append(breaks);
      this.#inline(words);
    }
  }

  get #isCode() {
    return this.#block?.tagName === "FIGURE";
  }

  #begin(tag) {
    this.#block = this.#at = document.createElement(tag);
    this.element.append(this.#block);
  }

  #beginParagraph(words) {
    const heading = /^#{1,6}[ \t]+/.exec(words)?.[0] ?? "";
    this.#begin(heading ? "h4" : "p");
    this.#block.dir = "auto";
    return words.slice(heading.length);
  }

  #beginCode(words) {
    this.#begin("figure");
    this.#block.className = "code";
    const caption = document.createElement("figcaption");
    this.#at = document.createElement("span");
    this.#at.append(words.replace(/^`+/, ""));
    caption.append(this.#at);
    this.#block.append(caption);
    this.#isClosed = false;
  }

  #code(breaks, words) {
    if (breaks && words.startsWith("```")) this.#isClosed = true;
    else if (breaks && this.#at.tagName === "SPAN") this.#beginCodeText(words);
    else this.#at.append(breaks + words);
  }

  #beginCodeText(words) {
    const pre = document.createElement("pre");
    this.#at = document.createElement("code");
    this.#at.append(words);
    pre.append(this.#at);
    this.#block.append(pre);
  }

  #inline(words) {
    const parts = words.split(/(\*\*|`)/);
    parts.forEach((part, index) => {
      const tag = MARKS[part];
      const isLiteral = !tag || (this.#at.tagName === "CODE" && tag !== "CODE");
      if (!isLiteral && this.#at.tagName === tag) this.#at = this.#at.parentElement;
      else if (isLiteral || /^\s/.test(parts[index + 1])) this.#at.append(part);
      else this.#open(tag);
    });
  }

  #open(tag) {
    const element = document.createElement(tag);
    this.#at.append(element);
    this.#at = element;
  }
}
