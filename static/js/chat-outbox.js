// Questions that the server has not accepted yet. They outlive the page, and go out with the id they
// were born with, so that the server can tell a second sending from a second question.

/**
 * A question: { messageId, sessionId, tab, at, isQueued, text, workspaceId, filters, modelNames, modelKwargs, refusal }
 * A wish for another version of an answer has answerId, modelName and modelLabel in place of a text.
 */
export class Outbox {
  #key;
  #kept = []; // what is known here, for browsers that refuse to store

  constructor(userId) {
    this.#key = `ragsite.outbox.${userId}`;
  }

  all() {
    try {
      return JSON.parse(localStorage.getItem(this.#key) ?? "[]");
    } catch {
      return this.#kept;
    }
  }

  /** Keep a question, or what changed about it. */
  put(item) {
    this.#write([...this.all().filter((each) => each.messageId !== item.messageId), item]);
  }

  remove(messageId) {
    this.#write(this.all().filter((each) => each.messageId !== messageId));
  }

  /** Call back when another tab changed what is kept. */
  onChange(callback) {
    window.addEventListener("storage", (event) => event.key === this.#key && callback());
  }

  #write(items) {
    this.#kept = items;
    try {
      localStorage.setItem(this.#key, JSON.stringify(items));
    } catch {
      // Full or forbidden: kept for as long as this page lives.
    }
  }
}

export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16)); // plain http: randomUUID is missing
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** The same for this tab after a reload. */
export function tabId() {
  try {
    return (sessionStorage.tab ??= newId());
  } catch {
    return newId();
  }
}
