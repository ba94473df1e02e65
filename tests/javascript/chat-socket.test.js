import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { ReconnectingSocket } from "../../static/js/chat-socket.js";
import { install, installDocument } from "./fakes.js";

const sockets = [];
const calls = [];
let socket;

class FakeWebSocket {
  static OPEN = 1;
  readyState = 0;
  sent = [];

  constructor(url) {
    this.url = url;
    sockets.push(this);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.readyState = 3;
  }

  open() {
    this.readyState = 1;
    this.onopen();
  }

  receive(frame) {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }

  /** Simulate that the server or the network closes the connection. */
  fail(code = 1006) {
    this.readyState = 3;
    this.onclose?.({ code });
  }
}

mock.timers.enable({ apis: ["setTimeout"] });
mock.method(Math, "random", () => 0.5); // no jitter

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  installDocument();
  install({ WebSocket: FakeWebSocket, location: { protocol: "https:", host: "site" } });
  sockets.length = calls.length = 0;
  socket = new ReconnectingSocket({
    onOpen: () => calls.push("open"),
    onFrame: (frame) => calls.push(frame),
    onClose: (isPermanent) => calls.push(isPermanent ? "closed permanently" : "closed"),
  });
  socket.open();
});

test("The socket uses the scheme of the page.", () => {
  assert.equal(sockets[0].url, "wss://site/socket");
  install({ location: { protocol: "http:", host: "site:8000" } });
  socket.reopen();
  assert.equal(sockets[1].url, "ws://site:8000/socket");
});

test("The socket sends a frame only while it is open, and returns whether it is.", () => {
  assert.equal(socket.send("stop", { answerId: "a" }), false);
  sockets[0].open();
  assert.equal(socket.send("stop", { answerId: "a" }), true);
  sockets[0].fail();
  assert.equal(socket.send("stop", { answerId: "b" }), false);
  assert.deepEqual(sockets[0].sent, [{ action: "stop", data: { answerId: "a" } }]);
});

test("The socket passes received frames on.", () => {
  sockets[0].open();
  sockets[0].receive({ action: "error", data: { message: "No." } });
  assert.deepEqual(calls, ["open", { action: "error", data: { message: "No." } }]);
});

test("The back-off doubles after each failure, up to 15 seconds.", () => {
  for (const wait of [400, 800, 1600, 3200, 6400, 12800, 15000, 15000]) {
    sockets.at(-1).fail();
    const before = sockets.length;
    mock.timers.tick(wait - 1);
    assert.equal(sockets.length, before, `It reconnected sooner than after ${wait} ms.`);
    mock.timers.tick(1);
    assert.equal(sockets.length, before + 1, `It reconnected later than after ${wait} ms.`);
  }
});

test("A successful connection resets the back-off.", () => {
  for (let each = 0; each < 5; each += 1) {
    sockets.at(-1).fail();
    mock.timers.tick(15000);
  }
  sockets.at(-1).open();
  sockets.at(-1).fail();
  const before = sockets.length;
  mock.timers.tick(400);
  assert.equal(sockets.length, before + 1);
});

for (const code of [4401, 4403]) {
  test(`A socket closed with ${code} does not reconnect and reports it.`, () => {
    sockets[0].open();
    sockets[0].fail(code);
    mock.timers.tick(60000);
    assert.equal(sockets.length, 1);
    assert.deepEqual(calls, ["open", "closed permanently"]);
  });
}

test("The socket closes when the network goes away and connects once when it is back.", () => {
  sockets[0].open();
  window.dispatchEvent(new Event("offline"));
  assert.deepEqual(calls, ["open", "closed"]);
  window.dispatchEvent(new Event("online"));
  mock.timers.tick(60000);
  assert.equal(sockets.length, 2);
});

test("The socket ignores a connection that it has given up.", () => {
  sockets[0].open();
  socket.reopen();
  calls.length = 0;
  sockets[0].receive({ action: "error", data: { message: "late" } });
  sockets[0].fail(4401);
  assert.deepEqual(calls, []);
});

test("A page that becomes visible reconnects at once, unless the socket is still open.", () => {
  sockets[0].open();
  document.dispatchEvent(new Event("visibilitychange"));
  assert.equal(sockets.length, 1);
  sockets[0].readyState = 3; // it died without a close event
  document.hidden = true;
  document.dispatchEvent(new Event("visibilitychange"));
  assert.equal(sockets.length, 1);
  document.hidden = false;
  document.dispatchEvent(new Event("visibilitychange"));
  assert.equal(sockets.length, 2);
});
