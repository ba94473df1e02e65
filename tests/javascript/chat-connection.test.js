import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { Connection } from "../../static/js/chat-connection.js";
import { install, installDocument } from "./fakes.js";

const sockets = [];
const streams = [];
const requests = [];
const calls = [];
let connection;
let replies;

class FakeWebSocket {
  static OPEN = 1;
  readyState = 0;

  constructor() {
    sockets.push(this);
  }

  close() {}

  open() {
    this.readyState = 1;
    this.onopen();
  }

  fail(code = 1006) {
    this.readyState = 3;
    this.onclose?.({ code });
  }
}

class FakeEventSource extends EventTarget {
  static CLOSED = 2;
  readyState = 1;

  constructor(url) {
    super();
    this.url = url;
    streams.push(this);
  }

  close() {
    this.readyState = 2;
  }

  emit(kind, id, data) {
    this.dispatchEvent(Object.assign(new Event(kind), { data: JSON.stringify(data), lastEventId: String(id) }));
  }
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

mock.timers.enable({ apis: ["setTimeout"] });
mock.method(Math, "random", () => 0.5); // no jitter

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  installDocument();
  document.body = { getAttribute: () => '{"X-CSRFToken": "t"}' };
  replies = { "/health/": { ok: true, status: 200 } };
  install({
    WebSocket: FakeWebSocket,
    EventSource: FakeEventSource,
    location: { protocol: "https:", host: "site" },
    fetch: async (url, options) => {
      requests.push({ url, ...options });
      if (!replies[url]) throw new TypeError("no network");
      return replies[url];
    },
  });
  for (const each of [sockets, streams, requests, calls]) each.length = 0;
  connection = new Connection({
    onOpen: () => calls.push("open"),
    onFrame: (frame) => calls.push(frame),
    onClose: (isPermanent) => calls.push(isPermanent ? "closed permanently" : "closed"),
  });
  connection.open();
});

async function failThreeTimes() {
  for (let attempt = 0; attempt < 3; attempt++) {
    sockets.at(-1).fail();
    mock.timers.tick(20000);
  }
  await settle();
}

test("A socket that never works is replaced by requests, if the site can be reached.", async () => {
  await failThreeTimes();
  assert.equal(connection.isBlocked, true);
  assert.deepEqual(calls, ["closed", "closed", "closed", "open"]);
  const before = sockets.length;
  mock.timers.tick(60000);
  assert.equal(sockets.length, before, "the socket is not tried again");
});

test("A socket that is accepted and closed at once is blocked, too.", async () => {
  for (let attempt = 0; attempt < 3; attempt++) {
    sockets.at(-1).open();
    await failOnce();
  }
  assert.equal(connection.isBlocked, true);
});

async function failOnce() {
  sockets.at(-1).fail();
  mock.timers.tick(3000);
  await settle();
}

test("A site that is down is not taken for a blocked socket.", async () => {
  replies = {};
  await failThreeTimes();
  assert.equal(connection.isBlocked, false);
});

test("A socket that has worked is reconnected for ever.", async () => {
  sockets[0].open();
  mock.timers.tick(6000);
  await failThreeTimes();
  assert.equal(connection.isBlocked, false);
});

test("Over HTTP a question is a request, and its answer is a stream.", async () => {
  await failThreeTimes();
  const accepted = { action: "accepted", data: { messageId: "m", answers: [{ answerId: "a", model: "M" }] } };
  replies["/chat/frames/"] = { ok: true, status: 200, json: async () => ({ frames: [accepted] }) };
  assert.equal(connection.send("run", { text: "Hi", messageId: "m" }), true);
  await settle();
  const { method, headers, body } = requests.at(-1);
  assert.equal(method, "POST");
  assert.deepEqual(headers, { "X-CSRFToken": "t" });
  assert.deepEqual(JSON.parse(body), { action: "run", data: { text: "Hi", messageId: "m" } });
  assert.deepEqual(calls.at(-1), accepted);
  assert.equal(streams[0].url, "/api/v1/answers/a/events");
  streams[0].emit("delta", 3, { text: "Hello" });
  const events = [{ seq: 3, kind: "delta", data: { text: "Hello" } }];
  assert.deepEqual(calls.at(-1), { action: "event", data: { answerId: "a", events } });
  streams[0].emit("finished", 4, { reason: "stop" });
  assert.equal(streams[0].readyState, FakeEventSource.CLOSED);
});

test("Over HTTP an event that a proxy has cut is read again, and ends nothing.", async () => {
  await failThreeTimes();
  connection.send("follow", { answerId: "a" });
  replies["/answers/a/"] = { ok: true, status: 200 };
  const cut = Object.assign(new Event("finished"), { data: '{"reason": "st', lastEventId: "4" });
  const before = calls.length;
  streams.at(-1).dispatchEvent(cut);
  await settle();
  assert.equal(calls.length, before);
  mock.timers.tick(5000);
  streams.at(-1).emit("finished", 4, { reason: "stop" });
  const events = [{ seq: 4, kind: "finished", data: { reason: "stop" } }];
  assert.deepEqual(calls.at(-1), { action: "event", data: { answerId: "a", events } });
});

test("Over HTTP a reply that is no JSON is tried again.", async () => {
  await failThreeTimes();
  replies["/chat/frames/"] = { ok: true, status: 200, json: async () => JSON.parse("<html>") };
  connection.send("run", { text: "Hi", messageId: "m" });
  await settle();
  assert.equal(connection.isOpen, false);
  mock.timers.tick(5000);
  assert.equal(connection.isOpen, true);
});

test("Over HTTP a deleted answer is gone.", async () => {
  await failThreeTimes();
  connection.send("follow", { answerId: "a" });
  replies["/answers/a/"] = { ok: false, status: 404 };
  streams[0].close();
  streams[0].onerror();
  await settle();
  assert.deepEqual(calls.at(-1), { action: "gone", data: { answerId: "a" } });
});

test("Over HTTP a request that does not arrive is tried again.", async () => {
  await failThreeTimes();
  connection.send("run", { text: "Hi", messageId: "m" });
  await settle();
  assert.equal(calls.at(-1), "closed");
  assert.equal(connection.isOpen, false);
  mock.timers.tick(6000);
  assert.equal(calls.at(-1), "open");
});

test("Over HTTP a user who is logged out is told.", async () => {
  await failThreeTimes();
  replies["/chat/frames/"] = { ok: true, status: 200, redirected: true };
  connection.send("run", { text: "Hi", messageId: "m" });
  await settle();
  assert.equal(calls.at(-1), "closed permanently");
});
