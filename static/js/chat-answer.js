// An answer that is being written: applies the events of its log, and shows its text and a status line.

import { isTerminal } from "./chat-events.js";
import { find } from "./dom.js";
import { LiveText } from "./text/live-text.js";

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

  /**
   * @param {HTMLElement} element
   * @param {LiveText} text
   */
  constructor(element, text = new LiveText(find(element, "[data-text]"))) {
    this.element = element;
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
    if (kind === "sources") this.text.citations = this.#citationsOf(data.passages);
    if (kind === "delta") this.text.append(data.text);
    if (kind === "thinking" && data.takes_back) this.text.clear();
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

  /** @param {string} reason */
  #restart(reason) {
    this.text.clear();
    const notice = find(this.element, "[data-restarted]");
    find(notice, "[data-restarted-text]").textContent = `The answer was interrupted and starts over. ${reason}`;
    notice.hidden = false;
  }
}
