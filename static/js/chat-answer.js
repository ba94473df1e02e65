// An answer that is being written: applies the events of its log, and shows its text, its thinking and a status line.

import { isTerminal } from "./chat-events.js";
import { find } from "./dom.js";
import { LiveText } from "./text/live-text.js";

const ELAPSED_AFTER_S = 3; // a quick answer shows no seconds
const SLOW_AFTER_S = 15; // without a word, since the model was called

/**
 * Return the status line after an event, or null to keep the current one.
 *
 * @param {LoggedEvent} event
 * @returns {string | null}
 */
export function statusAfter({ kind, data }) {
  switch (kind) {
    case "queued":
      return data.position ? `Waiting, ${data.position} ahead in the queue` : "Next in line";
    case "started":
      return "Thinking";
    case "retrieving":
      return `Searching ${data.workspace}…`;
    case "sources":
      return readingStatus(data.grounding, data.passages.length);
    case "thinking":
      return "Thinking";
    case "delta":
      return "Writing";
    case "restarted":
      return "Starting over";
    case "usage":
    case "stopped":
    case "failed":
    case "finished":
      return null;
  }
}

/**
 * @param {string} grounding
 * @param {number} count
 */
function readingStatus(grounding, count) {
  if (grounding === "nothing_relevant") return "Nothing relevant found";
  if (grounding === "empty") return "The workspace is empty";
  if (grounding === "degraded") return "The search failed; answering without it";
  return count === 1 ? "Reading 1 passage" : count ? `Reading ${count} passages` : "Thinking";
}

export class LiveAnswer {
  seq = 0; // sequence number of the last applied event
  hasEnded = false;
  /** @type {number | null} */
  #startedAt = null; // ms, as all times here: of performance.now()
  /** @type {number | null} */
  #thinksSince = null;
  #hasWords = false;

  /**
   * @param {HTMLElement} element
   * @param {LiveText} text
   */
  constructor(element, text = new LiveText(find(element, "[data-text]"))) {
    this.element = element;
    this.askedAt = performance.now() - 1000 * Number(element.dataset.age ?? 0);
    this.text = text;
    this.status = find(element, "[data-status-text]");
  }

  get id() {
    return this.element.dataset.answer ?? "";
  }

  /**
   * Apply one event. It is idempotent: an event that was applied before changes nothing.
   * Return "gap" if earlier events are missing, "end" if this event is the last one, else "".
   *
   * @param {LoggedEvent} event
   */
  apply(event) {
    const { seq, kind, data } = event;
    if (seq <= this.seq) return ""; // a duplicate: the log was followed again from an earlier point
    if (seq > this.seq + 1) return "gap";
    this.seq = seq;
    if (kind === "started") this.#startedAt = performance.now();
    if (kind === "sources") this.text.citations = this.#citationsOf(data.passages);
    if (kind === "delta") this.#write(data.text);
    if (kind === "thinking") this.#think(data);
    if (kind === "restarted") this.#restart(data.reason);
    const status = statusAfter(event);
    if (status) this.showStatus(status);
    if (!isTerminal(kind)) return "";
    this.text.finish();
    return "end";
  }

  /** @param {SourcePassage[]} passages */
  #citationsOf(passages) {
    return new Map(
      passages.map(({ number, title }) => [number, { href: `/answers/${this.id}/passages/${number}/`, title }]),
    );
  }

  /** @param {string} text */
  showStatus(text) {
    if (this.status.textContent !== text) this.status.textContent = text;
  }

  /**
   * Show how long the user has waited, and after a while without a word that the model is slow.
   *
   * @param {number} now
   */
  showElapsed(now) {
    const elapsed = Math.round((now - this.askedAt) / 1000);
    find(this.element, "[data-elapsed]").textContent = elapsed < ELAPSED_AFTER_S ? "" : `${elapsed} s`;
    const isSlow = !this.#hasWords && this.#startedAt !== null && now - this.#startedAt >= 1000 * SLOW_AFTER_S;
    const note = find(this.element, "[data-slow]");
    if (note.hidden !== isSlow) return;
    find(note, "[data-slow-text]").textContent = `${this.element.dataset.modelName || "This model"} is slow here.`;
    note.hidden = !isSlow;
  }

  /** @param {string} text */
  #write(text) {
    this.#hasWords = true;
    this.text.append(text);
    if (this.#thinksSince === null) return;
    const seconds = Math.max(1, Math.round((performance.now() - this.#thinksSince) / 1000));
    find(this.element, "[data-thinking-summary]").textContent = `Thought for ${seconds} s`;
    this.#thinksSince = null;
  }

  /** @param {EventData["thinking"]} thought */
  #think({ text, takes_back }) {
    const details = find(this.element, "[data-thinking]");
    this.#thinksSince ??= performance.now();
    if (takes_back) this.text.clear();
    if (!text) return;
    details.hidden = false;
    find(details, "[data-thinking-text]").append(text);
  }

  /** @param {string} reason */
  #restart(reason) {
    this.text.clear();
    this.#hasWords = false;
    find(this.element, "[data-thinking-text]").textContent = "";
    const notice = find(this.element, "[data-restarted]");
    find(notice, "[data-restarted-text]").textContent = `The answer was interrupted and starts over. ${reason}`;
    notice.hidden = false;
  }
}
