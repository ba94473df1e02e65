// Streams the Markdown of an answer into the page. The text only grows at its end, so that words that the user has
// read stay where they are, and it is never parsed as HTML.
//
// This incremental renderer creates paragraphs, headings, bold words and code as soon as they begin, so that the
// finished answer looks like the streamed one. It knows no other Markdown: the server renders the finished answer.

/** @type {Record<string, string>} */
const MARKS = { "**": "STRONG", "`": "CODE" };

export class LiveText {
  #held = ""; // marks and line breaks at the end: the next text decides what they mean
  /** @type {HTMLElement | null} */
  #block = null;
  #isClosed = false; // the block is code, and its closing fence has arrived
  /** @type {HTMLElement} */
  #target; // the element that receives the next text

  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = this.#target = element;
  }

  /** @param {string} text */
  append(text) {
    const all = this.#held + text;
    const written = all.replace(/[*`#\n]+$/, "");
    this.#held = all.slice(written.length);
    let breaks = "";
    for (const part of written.split(/(\n+)/)) {
      if (part.startsWith("\n")) breaks = part;
      else if (part) this.#appendLine(breaks, part);
    }
  }

  clear() {
    this.element.replaceChildren();
    this.#held = "";
    this.#block = null;
    this.#target = this.element;
  }

  /**
   * Append the text of one line. `breaks` has the line breaks before it; it is "" if the line continues.
   *
   * @param {string} breaks
   * @param {string} line
   */
  #appendLine(breaks, line) {
    const code = this.#block?.tagName === "FIGURE" ? this.#block : null;
    if (code && !this.#isClosed) this.#appendCode(code, breaks, line);
    else if (line.startsWith("```") && (breaks || !this.#block)) this.#beginCode(line);
    else if (!this.#block || code || breaks.length > 1) this.#beginParagraph(line);
    else {
      if (breaks) this.#target.append(breaks);
      this.#appendInline(line);
    }
  }

  /** @param {string} tag */
  #appendBlock(tag) {
    const block = document.createElement(tag);
    this.#block = this.#target = block;
    this.element.append(block);
    return block;
  }

  /** @param {string} line */
  #beginParagraph(line) {
    const heading = /^#{1,6}[ \t]+/.exec(line)?.[0] ?? "";
    this.#appendBlock(heading ? "h4" : "p").dir = "auto";
    this.#appendInline(line.slice(heading.length));
  }

  /** @param {string} line */
  #beginCode(line) {
    const figure = this.#appendBlock("figure");
    figure.className = "code";
    const caption = document.createElement("figcaption");
    this.#target = document.createElement("span");
    this.#target.append(line.replace(/^`+/, ""));
    caption.append(this.#target);
    figure.append(caption);
    this.#isClosed = false;
  }

  /**
   * @param {HTMLElement} figure
   * @param {string} breaks
   * @param {string} line
   */
  #appendCode(figure, breaks, line) {
    if (breaks && line.startsWith("```")) this.#isClosed = true;
    else if (breaks && this.#target.tagName === "SPAN") this.#beginCodeText(figure, line);
    else this.#target.append(breaks + line);
  }

  /**
   * @param {HTMLElement} figure
   * @param {string} line
   */
  #beginCodeText(figure, line) {
    const pre = document.createElement("pre");
    this.#target = document.createElement("code");
    this.#target.append(line);
    pre.append(this.#target);
    figure.append(pre);
  }

  /** @param {string} line */
  #appendInline(line) {
    const parts = line.split(/(\*\*|`)/);
    parts.forEach((part, index) => {
      const tag = MARKS[part];
      if (!tag || (this.#target.tagName === "CODE" && tag !== "CODE")) this.#target.append(part);
      else if (this.#target.tagName === tag) this.#target = this.#target.parentElement ?? this.element;
      else if (/^\s/.test(parts[index + 1] ?? "")) this.#target.append(part);
      else this.#openInline(tag);
    });
  }

  /** @param {string} tag */
  #openInline(tag) {
    const element = document.createElement(tag);
    this.#target.append(element);
    this.#target = element;
  }
}
