// The outbox: questions that the server has not accepted yet. It is in localStorage, so it survives a reload.
// A question keeps its message id, the idempotency key by which the server recognises a resend.

import { readStorage, writeStorage } from "./storage.js";

const ORPHAN_AFTER_MS = 30000; // after this time a tab sends the questions that another tab left behind

export class Outbox {
  #key;
  /** @type {Map<string, Question | VersionRequest>} */
  // by message id: items of a temporary chat, or that the browser refused to store; they last as long as the page
  #unsaved = new Map();

  /** @param {string} userId */
  constructor(userId) {
    this.#key = `ragsite.outbox.${userId}`;
  }

  all() {
    const stored = this.#readStored().filter((each) => !this.#unsaved.has(each.messageId));
    return [...stored, ...this.#unsaved.values()];
  }

  /**
   * Store an item, or replace the stored item that has the same message id.
   *
   * @param {Question | VersionRequest} item
   */
  put(item) {
    this.#unsaved.set(item.messageId, item);
    this.#save(this.all());
  }

  /** @param {string} messageId */
  remove(messageId) {
    this.#unsaved.delete(messageId);
    this.#save(this.all().filter((each) => each.messageId !== messageId));
  }

  /**
   * Call `callback` when another tab has changed this outbox.
   *
   * @param {() => void} callback
   */
  onChange(callback) {
    window.addEventListener("storage", (event) => event.key === this.#key && callback());
  }

  /** @returns {(Question | VersionRequest)[]} */
  #readStored() {
    try {
      return JSON.parse(readStorage(this.#key) ?? "[]");
    } catch {
      return []; // the stored text is not ours
    }
  }

  /** @param {(Question | VersionRequest)[]} items */
  #save(items) {
    const stored = items.filter((each) => !each.isTemporary);
    if (!writeStorage(this.#key, JSON.stringify(stored))) return;
    for (const { messageId } of stored) this.#unsaved.delete(messageId);
  }
}

/**
 * Return whether a page takes over an item from the outbox: it belongs to the session of the page, or to its new chat.
 *
 * @param {PendingMessage} item
 * @param {{ sessionId: string | null, tab: string }} page
 */
export function belongsToPage(item, page) {
  if (item.sessionId) return item.sessionId === page.sessionId;
  const isOfNewChat = item.tab === page.tab || Boolean(item.refusal); // no tab sends a refused question on its own
  return !page.sessionId && isOfNewChat;
}

/**
 * Return whether an item has waited so long that its tab must be gone, so that another tab sends it.
 *
 * @param {PendingMessage} item
 * @param {number} now ms since 1970
 */
export function isOrphaned(item, now) {
  return !item.isQueued && !item.refusal && now - item.at >= ORPHAN_AFTER_MS;
}

/**
 * Return the data of the frame that asks a question, without the fields that only the page uses.
 *
 * @param {Question} question
 * @returns {RunData}
 */
export function toRunData(question) {
  const { messageId, sessionId, text, workspaceId, filters, modelNames, modelKwargs, followsId, editsId } = question;
  const sent = { modelNames, sessionId, workspaceId, filters, modelKwargs: withoutMetadata(modelKwargs) };
  const place = editsId ? { editsId } : followsId ? { followsId } : {};
  const temporary = question.isTemporary && !sessionId ? { temporary: true } : {};
  return { ...sent, ...place, ...temporary, text, mode: "chain", messageId };
}

/**
 * Return the data of the frame that requests another version of an answer.
 *
 * @param {VersionRequest} request
 * @returns {RegenerateData}
 */
export function toRegenerateData({ messageId, answerId, modelName, modelKwargs, continues = false }) {
  return { answerId, messageId, modelName, modelKwargs: withoutMetadata(modelKwargs), continues };
}

/**
 * @param {ComposerParameters} parameters
 * @returns {ModelKwargs}
 */
function withoutMetadata({ metadata: _, ...sent }) {
  return sent;
}

/** Return a random UUID (version 4). */
export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16)); // randomUUID is missing over plain http
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})/, "$1-$2-4$3-8$4-");
}

/** Return an id of this tab, which stays the same after a reload if the browser allows storage. */
export function tabId() {
  try {
    sessionStorage.tab ??= newId();
    return String(sessionStorage.tab);
  } catch {
    return newId();
  }
}
