// An answer while it is written: events from its log in, plain text and one quiet line out.

import { LiveText } from "./chat-text.js";

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
