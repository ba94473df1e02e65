// A WebSocket to /socket that reconnects by itself, with exponential back-off and jitter.

const MIN_WAIT_MS = 400;
const MAX_WAIT_MS = 15000;
const PERMANENT_CLOSE_CODES = new Set([4401, 4403]); // the user is logged out, or has lost access

/**
 * @typedef {object} SocketCallbacks
 * @property {() => void} onOpen
 * @property {(frame: ServerFrame) => void} onFrame
 * @property {(isPermanent: boolean) => void} onClose
 */

export class ReconnectingSocket {
  /** @type {WebSocket | null} */
  #socket = null;
  #attempt = 0;
  #isClosed = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {SocketCallbacks} callbacks */
  constructor(callbacks) {
    this.callbacks = callbacks;
    window.addEventListener("online", () => this.reopen());
    window.addEventListener("offline", () => this.#disconnect());
    // After a laptop wakes up, reconnect at once if the connection is gone.
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && !this.isOpen) this.reopen();
    });
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  open() {
    if (this.#isClosed) return;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/socket`);
    this.#socket = socket;
    socket.onopen = () => {
      this.#attempt = 0;
      this.callbacks.onOpen();
    };
    socket.onmessage = (message) => this.callbacks.onFrame(JSON.parse(message.data));
    socket.onclose = (event) => this.#socket === socket && this.#handleClose(event.code);
  }

  /**
   * Send a frame if the socket is open. Return whether it is open.
   *
   * @template {keyof ClientFrameData} Action
   * @param {Action} action
   * @param {ClientFrameData[Action]} data
   */
  send(action, data) {
    if (this.isOpen) this.#socket?.send(JSON.stringify({ action, data }));
    return this.isOpen;
  }

  /** Reconnect at once, because the connection is dead or the network is back. */
  reopen() {
    this.#disconnect();
    clearTimeout(this.#timer);
    this.open();
  }

  /** Close the socket for good, without a callback. */
  close() {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    if (this.#socket) this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket?.close();
    this.#socket = null;
  }

  #disconnect() {
    const socket = this.#socket;
    if (!socket) return;
    this.#socket = null;
    socket.onmessage = socket.onclose = null;
    socket.close();
    this.#handleClose(0);
  }

  /** @param {number} code */
  #handleClose(code) {
    const isPermanent = PERMANENT_CLOSE_CODES.has(code);
    this.callbacks.onClose(isPermanent);
    if (isPermanent) return;
    const wait = Math.min(MAX_WAIT_MS, MIN_WAIT_MS * 2 ** this.#attempt++);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.open(), wait * (0.75 + Math.random() / 2));
  }
}
