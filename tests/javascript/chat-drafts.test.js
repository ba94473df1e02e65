import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Drafts } from "../../static/js/chat-drafts.js";

beforeEach(() => {
  const stored = new Map();
  globalThis.localStorage = {
    getItem: (key) => stored.get(key) ?? null,
    setItem: (key, text) => stored.set(key, text),
  };
});

test("A draft is kept for its session and its user.", () => {
  const drafts = new Drafts("ada");
  drafts.save("a", "What is");
  drafts.save(null, "A new one");
  assert.equal(new Drafts("ada").read("a"), "What is");
  assert.equal(new Drafts("ada").read(null), "A new one");
  assert.equal(drafts.read("b"), "");
  assert.equal(new Drafts("bob").read("a"), "");
});

test("An empty draft is deleted.", () => {
  const drafts = new Drafts("ada");
  drafts.save("a", "What is");
  drafts.save("a", "  ");
  assert.equal(drafts.read("a"), "");
});

test("Of many drafts the oldest goes first.", () => {
  const drafts = new Drafts("ada");
  for (let each = 0; each < 50; each += 1) drafts.save(`${each}`, "text");
  drafts.save("0", "changed, so it is no longer the oldest");
  drafts.save("50", "text");
  assert.equal(drafts.read("1"), "");
  assert.notEqual(drafts.read("0"), "");
});

test("A stored text that is not ours is no draft.", () => {
  localStorage.setItem("ragsite.drafts.ada", "{");
  assert.equal(new Drafts("ada").read("a"), "");
});
