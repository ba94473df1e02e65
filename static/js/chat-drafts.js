// Drafts: what the user has typed and not sent yet. They are in localStorage, one for each session and one for a new chat.

import { readStorage, writeStorage } from "./storage.js";

const MAX_DRAFTS = 50; // the oldest ones go first
const NEW_CHAT = "new";

export class Drafts {
  #key;

  #isKept;

  /**
   * @param {string} userId so that no other user of the same browser reads them
   * @param {boolean} isKept false: of a temporary chat, whose words are stored nowhere
   */
  constructor(userId, isKept = true) {
    this.#key = `ragsite.drafts.${userId}`;
    this.#isKept = isKept;
  }

  /** @param {string | null} sessionId null: of a new chat */
  read(sessionId) {
    return (this.#isKept && this.#readAll().get(sessionId ?? NEW_CHAT)) || "";
  }

  /**
   * Store a draft. An empty one is deleted.
   *
   * @param {string | null} sessionId null: of a new chat
   * @param {string} text
   */
  save(sessionId, text) {
    if (!this.#isKept) return;
    const drafts = this.#readAll();
    const isKnown = drafts.delete(sessionId ?? NEW_CHAT);
    if (text.trim()) drafts.set(sessionId ?? NEW_CHAT, text);
    else if (!isKnown) return;
    writeStorage(this.#key, JSON.stringify([...drafts].slice(-MAX_DRAFTS)));
  }

  /** @returns {Map<string, string>} by session, the oldest first */
  #readAll() {
    try {
      return new Map(JSON.parse(readStorage(this.#key) ?? "[]"));
    } catch {
      return new Map(); // the stored text is not ours
    }
  }
}
