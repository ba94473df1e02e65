// The frames of the socket over plain HTTP, for networks that let no WebSocket through: requests carry the frames of
// this page, and server-sent events carry those of the answers. chat/socket/http.py receives the requests.

import { isTerminal } from "./chat-events.js";
import { csrfHeaders, parseJson } from "./http.js";

const RETRY_MS = 5000;

/** @type {Record<keyof EventData, true>} */
const KINDS = {
  queued: true,
  started: true,
  retrieving: true,
  sources: true,
  thinking: true,
  delta: true,
  usage: true,
  restarted: true,
  stopped: true,
  failed: true,
  finished: true,
};

export class HttpChannel {
  isOpen = false;
  /** @type {Map<string, EventSource>} */
  #streams = new Map(); // by answer id

  /** @param {import("./chat-socket.js").SocketCallbacks} callbacks */
  constructor(callbacks) {
    this.callbacks = callbacks;
  }

  open() {
    this.isOpen = true;
    this.callbacks.onOpen();
  }

  reopen() {} // each request is a connection of its own

  /**
   * Send a frame. Return whether the last request reached the server.
   *
   * @template {keyof ClientFrameData} Action
   * @param {Action} action
   * @param {ClientFrameData[Action]} data
   */
  send(action, data) {
    if (action === "follow" && "answerId" in data) this.#follow(data.answerId);
    else if (action !== "ack") void this.#post(JSON.stringify({ action, data }));
    return this.isOpen;
  }

  /** @param {string} frame */
  async #post(frame) {
    try {
      const response = await fetch("/chat/frames/", { method: "POST", headers: csrfHeaders(), body: frame });
      if (response.redirected || response.status === 403) return this.#close(true);
      if (!response.ok) return this.#close(false);
      for (const reply of (await response.json()).frames) this.#receive(reply);
    } catch {
      this.#close(false);
    }
  }

  /** @param {ServerFrame} frame */
  #receive(frame) {
    this.callbacks.onFrame(frame);
    if (frame.action === "accepted") for (const { answerId } of frame.data.answers) this.#follow(answerId);
  }

  /** @param {boolean} isPermanent */
  #close(isPermanent) {
    if (this.isOpen && !isPermanent) setTimeout(() => this.open(), RETRY_MS);
    this.isOpen = false;
    this.callbacks.onClose(isPermanent);
  }

  /** @param {string} answerId */
  #follow(answerId) {
    if (this.#streams.has(answerId)) return;
    const stream = new EventSource(`/api/v1/answers/${answerId}/events`);
    this.#streams.set(answerId, stream);
    for (const kind of Object.keys(KINDS)) {
      stream.addEventListener(kind, ({ data, lastEventId }) => {
        const parsed = parseJson(data);
        if (parsed === null) return void this.#recover(answerId); // a proxy has cut or changed it
        if (isTerminal(kind)) this.#leave(answerId);
        const event = /** @type {LoggedEvent} */ ({ seq: Number(lastEventId), kind, data: parsed });
        this.callbacks.onFrame({ action: "event", data: { answerId, events: [event] } });
      });
    }
    // A broken connection is resumed by the browser; after an error status it gives up.
    stream.onerror = () => stream.readyState === EventSource.CLOSED && void this.#recover(answerId);
  }

  /** @param {string} answerId */
  #leave(answerId) {
    this.#streams.get(answerId)?.close();
    this.#streams.delete(answerId);
  }

  /** @param {string} answerId */
  async #recover(answerId) {
    this.#leave(answerId);
    const response = await fetch(`/answers/${answerId}/`).catch(() => null);
    if (response?.status === 404) this.callbacks.onFrame({ action: "gone", data: { answerId } });
    else setTimeout(() => this.#follow(answerId), RETRY_MS);
  }
}
