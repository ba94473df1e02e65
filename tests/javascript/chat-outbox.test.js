import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import {
  belongsToPage,
  isOrphaned,
  newId,
  Outbox,
  tabId,
  toRegenerateData,
  toRunData,
} from "../../static/js/chat-outbox.js";
import { FakeStorage, forbidStorage, install } from "./fakes.js";

beforeEach(() => install({ window: new EventTarget(), localStorage: new FakeStorage() }));

const question = (messageId, text = "What?") => ({ messageId, text });
const ids = (outbox) => outbox.all().map((each) => each.messageId);

test("The outbox keeps a question until it is removed, also after a reload.", () => {
  const outbox = new Outbox("7");
  outbox.put(question("a"));
  outbox.put(question("b"));
  assert.deepEqual(new Outbox("7").all(), [question("a"), question("b")]);
  outbox.remove("a");
  outbox.remove("never there");
  assert.deepEqual(ids(new Outbox("7")), ["b"]);
});

test("A changed question replaces the stored one.", () => {
  const outbox = new Outbox("7");
  outbox.put(question("a", "old"));
  outbox.put(question("a", "new"));
  assert.deepEqual(outbox.all(), [question("a", "new")]);
});

test("Each user of a browser has a separate outbox.", () => {
  new Outbox("7").put(question("a"));
  assert.deepEqual(new Outbox("8").all(), []);
});

test("If the storage is full, the page keeps every question in memory.", () => {
  const outbox = new Outbox("7");
  outbox.put(question("stored"));
  localStorage.room = 0;
  outbox.put(question("a"));
  outbox.put(question("b"));
  assert.deepEqual(ids(outbox), ["stored", "a", "b"]);
  outbox.put(question("stored", "changed"));
  assert.deepEqual(
    outbox.all().find((each) => each.messageId === "stored"),
    question("stored", "changed"),
  );
  outbox.remove("a");
  assert.deepEqual(ids(outbox), ["b", "stored"]);
});

test("A question that did not fit is stored as soon as there is room.", () => {
  localStorage.room = 0;
  const outbox = new Outbox("7");
  outbox.put(question("a"));
  localStorage.room = 1000;
  outbox.put(question("b"));
  assert.deepEqual(ids(new Outbox("7")), ["a", "b"]);
  new Outbox("7").remove("a"); // by another tab
  assert.deepEqual(ids(outbox), ["b"]);
});

test("If the browser forbids storage, the page keeps every question in memory.", () => {
  forbidStorage("localStorage");
  const outbox = new Outbox("7");
  outbox.put(question("a"));
  outbox.put(question("b"));
  outbox.remove("a");
  assert.deepEqual(ids(outbox), ["b"]);
});

test("An outbox whose stored text is not valid JSON is empty.", () => {
  localStorage.setItem("ragsite.outbox.7", "[{");
  const outbox = new Outbox("7");
  assert.deepEqual(outbox.all(), []);
  outbox.put(question("a"));
  assert.deepEqual(ids(outbox), ["a"]);
});

test("The callback runs when another tab changes this outbox, but not for other keys.", () => {
  let calls = 0;
  new Outbox("7").onChange(() => {
    calls += 1;
  });
  for (const key of ["ragsite.outbox.8", "theme", null, "ragsite.outbox.7"]) {
    window.dispatchEvent(Object.assign(new Event("storage"), { key }));
  }
  assert.equal(calls, 1);
});

const HERE = { sessionId: "s1", tab: "t1" };
const NEW = { sessionId: null, tab: "t1" };
for (const [claim, item, page, expected] of [
  ["A question belongs to the page of its session in any tab.", { sessionId: "s1", tab: "t2" }, HERE, true],
  ["A question does not belong to the page of another session.", { sessionId: "s2", tab: "t1" }, HERE, false],
  ["A question that has a session does not belong to a new chat.", { sessionId: "s1", tab: "t1" }, NEW, false],
  ["A question without a session belongs to the new chat of its tab.", { sessionId: null, tab: "t1" }, NEW, true],
  [
    "A question without a session does not belong to a new chat of another tab.",
    { sessionId: null, tab: "t2" },
    NEW,
    false,
  ],
  [
    "A refused question without a session belongs to any new chat.",
    { sessionId: null, tab: "t2", refusal: "Too long." },
    NEW,
    true,
  ],
  [
    "A question without a session does not belong to the page of a session.",
    { sessionId: null, tab: "t1", refusal: "Too long." },
    HERE,
    false,
  ],
]) {
  test(claim, () => assert.equal(belongsToPage(item, page), expected));
}

for (const [claim, item, expected] of [
  ["A question is orphaned after half a minute.", { at: 0 }, true],
  ["A question is not orphaned earlier.", { at: 1 }, false],
  ["A question in the queue is never orphaned.", { at: 0, isQueued: true }, false],
  ["A refused question is never orphaned.", { at: 0, refusal: "Too long." }, false],
]) {
  test(claim, () => assert.equal(isOrphaned(item, 30_000), expected));
}

const KWARGS = { streaming: true, maxTokens: 512, temperature: 0.1, topP: 1 };
const PENDING = {
  messageId: "m",
  sessionId: null,
  tab: "t",
  at: 5,
  isQueued: false,
  isOrphan: true,
  refusal: undefined,
};

test("The frame of a question has only the fields that the server accepts.", () => {
  const asked = { text: "What?", workspaceId: "w", filters: { region: ["eu"] }, modelNames: ["a", "b"] };
  const sent = toRunData({ ...PENDING, ...asked, modelKwargs: { ...KWARGS, metadata: true } });
  assert.deepEqual(sent, { ...asked, messageId: "m", sessionId: null, mode: "chain", modelKwargs: KWARGS });
});

test("The frame of a version request has only the fields that the server accepts.", () => {
  const request = { answerId: "a", modelName: "", modelLabel: "Alpha", modelKwargs: { ...KWARGS, metadata: false } };
  const expected = { answerId: "a", messageId: "m", modelName: "", modelKwargs: KWARGS, continues: false };
  assert.deepEqual(toRegenerateData({ ...PENDING, ...request }), expected);
});

test("Over plain http, where randomUUID is missing, ids are unique UUIDs too.", () => {
  const real = globalThis.crypto;
  install({ crypto: { getRandomValues: (bytes) => real.getRandomValues(bytes) } });
  const made = new Set(Array.from({ length: 200 }, newId));
  install({ crypto: real });
  assert.equal(made.size, 200);
  for (const id of made) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test("A tab keeps its id after a reload if the browser allows storage.", () => {
  install({ sessionStorage: {} });
  assert.equal(tabId(), tabId());
  forbidStorage("sessionStorage");
  assert.notEqual(tabId(), tabId());
});
