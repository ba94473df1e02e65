// The connection of the chat page to the server: a WebSocket, or plain HTTP where the network blocks WebSockets.

import { HttpChannel } from "./chat-http.js";
import { ReconnectingSocket } from "./chat-socket.js";

const MAX_FAILURES = 3; // in a row, of a socket that never worked on this page
const WORKS_AFTER_MS = 5000; // some proxies accept a WebSocket, and close it at once

export class Connection {
  isBlocked = false; // WebSockets are blocked
  #failures = 0;
  #hasWorked = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {import("./chat-socket.js").SocketCallbacks} callbacks */
  constructor(callbacks) {
    this.callbacks = callbacks;
    this.socket = new ReconnectingSocket({
      onOpen: () => this.#onOpen(),
      onFrame: (frame) => this.#onFrame(frame),
      onClose: (isPermanent) => this.#onClose(isPermanent),
    });
    /** @type {ReconnectingSocket | HttpChannel} */
    this.channel = this.socket;
  }

  get isOpen() {
    return this.channel.isOpen;
  }

  open() {
    this.channel.open();
  }

  reopen() {
    this.channel.reopen();
  }

  /**
   * Send a frame. Return whether there is a connection.
   *
   * @template {keyof ClientFrameData} Action
   * @param {Action} action
   * @param {ClientFrameData[Action]} data
   */
  send(action, data) {
    return this.channel.send(action, data);
  }

  #onOpen() {
    this.#timer = setTimeout(() => {
      this.#hasWorked = true;
    }, WORKS_AFTER_MS);
    this.callbacks.onOpen();
  }

  /** @param {ServerFrame} frame */
  #onFrame(frame) {
    this.#hasWorked = true;
    this.callbacks.onFrame(frame);
  }

  /** @param {boolean} isPermanent */
  #onClose(isPermanent) {
    clearTimeout(this.#timer);
    this.callbacks.onClose(isPermanent);
    if (isPermanent || this.#hasWorked || this.isBlocked) return;
    this.#failures += 1;
    if (this.#failures >= MAX_FAILURES) void this.#switchIfReachable();
  }

  /** Change over to HTTP if the site can be reached: then it is not down, and only the socket is blocked. */
  async #switchIfReachable() {
    const response = await fetch("/health/", { cache: "no-store" }).catch(() => null);
    if (!response?.ok || this.#hasWorked || this.isBlocked || this.socket.isOpen) return;
    this.isBlocked = true;
    this.socket.close();
    this.channel = new HttpChannel(this.callbacks);
    this.channel.open();
  }
}
