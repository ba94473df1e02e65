// One connection to /socket that comes back by itself.

const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 15000;
const CLOSED_FOR_GOOD = new Set([4401, 4403]); // logged out, or not allowed any more

export class Socket {
  #socket = null;
  #attempt = 0;
  #timer = 0;

  /** on: { open(), frame(frame), lost(isForGood) } */
  constructor(on) {
    this.on = on;
    window.addEventListener("online", () => this.reopen());
    window.addEventListener("offline", () => this.#drop());
    // A laptop that was closed: its socket may look open and be dead.
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && !this.isOpen) this.reopen();
    });
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  open() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/socket`);
    this.#socket = socket;
    socket.onopen = () => {
      this.#attempt = 0;
      this.on.open();
    };
    socket.onmessage = (message) => this.on.frame(JSON.parse(message.data));
    socket.onclose = (event) => this.#socket === socket && this.#lose(event.code);
  }

  /** Send a frame, and say whether there was a connection to send it over. */
  send(action, data) {
    if (this.isOpen) this.#socket.send(JSON.stringify({ action, data }));
    return this.isOpen;
  }

  /** Try again now: what is there is dead, or the network came back. */
  reopen() {
    this.#drop();
    clearTimeout(this.#timer);
    this.open();
  }

  #drop() {
    const socket = this.#socket;
    if (!socket) return;
    this.#socket = null;
    socket.onmessage = socket.onclose = null;
    socket.close();
    this.#lose(0);
  }

  #lose(code) {
    const isForGood = CLOSED_FOR_GOOD.has(code);
    this.on.lost(isForGood);
    if (isForGood) return;
    const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#attempt++);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.open(), wait * (0.75 + Math.random() / 2));
  }
}
