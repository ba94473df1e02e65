// An answer while it is written: events from its log in, plain text and one quiet line out.

/** Text that only grows at its end: what was read stays where it is, and it is never taken for HTML. */
class LiveText {
  #block = null;
  #breaks = ""; // line breaks that wait for the words after them

  constructor(element) {
    this.element = element;
  }

  append(text) {
    for (const part of text.split(/(\n+)/)) {
      if (part.startsWith("\n")) this.#breaks += part;
      else if (part) this.#write(part);
    }
  }

  clear() {
    this.element.replaceChildren();
    this.#block = null;
    this.#breaks = "";
  }

  #write(words) {
    if (this.#beginsBlock(words)) {
      this.element.append(this.#breaks);
      this.#block = document.createElement("p");
      this.#block.dir = "auto";
      this.#block.append("");
      this.element.append(this.#block);
      this.#block.firstChild.appendData(words);
    } else {
      this.#block.firstChild.appendData(this.#breaks + words);
    }
    this.#breaks = "";
    if (this.#block.firstChild.length < 40) this.#block.classList.toggle("is-code", this.#isFence());
  }

  /** Paragraphs and code become blocks of their own, so that the finished answer has the same shape. */
  #beginsBlock(words) {
    if (!this.#block) return true;
    if (!this.#breaks) return false;
    if (this.#isFence()) return /\n```[ \t]*$/.test(this.#block.firstChild.data);
    return this.#breaks.length > 1 || words.startsWith("``");
  }

  #isFence() {
    return this.#block.firstChild.data.startsWith("```");
  }
}

const STATUS = {
  queued: ({ position }) => (position ? `Waiting, ${position} before it` : "Next in line"),
  started: () => "Thinking",
  retrieving: ({ workspace }) => `Searching ${workspace}…`,
  sources: ({ grounding, passages }) => readingStatus(grounding, passages.length),
  delta: () => "Writing",
  restarted: () => "Beginning again",
};

function readingStatus(grounding, count) {
  if (grounding === "nothing_relevant") return "Nothing relevant found";
  if (grounding === "empty") return "The workspace is empty";
  if (grounding === "degraded") return "The search failed; answering without it";
  return count === 1 ? "Reading 1 passage" : count ? `Reading ${count} passages` : "Thinking";
}

export class LiveAnswer {
  seq = 0; // of the last event applied

  constructor(element) {
    this.element = element;
    this.text = new LiveText(element.querySelector("[data-text]"));
    this.status = element.querySelector("[data-status-text]");
  }

  get id() {
    return this.element.dataset.answer;
  }

  /** Apply one event. Return "gap" if some before it are missing, "end" if it is the last, else "". */
  apply({ seq, kind, data }) {
    if (seq <= this.seq) return ""; // seen: the log was followed again from an earlier point
    if (seq > this.seq + 1) return "gap";
    this.seq = seq;
    if (kind === "delta") this.text.append(data.text);
    if (kind === "restarted") this.#restart(data.reason);
    if (kind in STATUS) this.say(STATUS[kind](data));
    return ["finished", "stopped", "failed"].includes(kind) ? "end" : "";
  }

  say(words) {
    if (this.status.textContent !== words) this.status.textContent = words;
  }

  #restart(reason) {
    this.text.clear();
    const notice = this.element.querySelector("[data-restarted]");
    notice.querySelector("[data-restarted-text]").textContent =
      `The answer was interrupted and begins again. ${reason ?? ""}`;
    notice.hidden = false;
  }
}
