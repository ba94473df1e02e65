// What opens the list of completions: a mark at the start of a word, and nothing in prose.

import assert from "node:assert/strict";
import { test } from "node:test";

import { matchingItems, triggerAt } from "../../static/js/chat-completion.js";

const at = (text, caret = text.length) => triggerAt(text, caret);

test("A mark at the start of a word is completed up to the caret.", () => {
  assert.deepEqual(at("/rep"), { mark: "/", query: "rep", start: 0 });
  assert.deepEqual(at("see @Clu"), { mark: "@", query: "Clu", start: 4 });
  assert.deepEqual(at("a\n#"), { mark: "#", query: "", start: 2 });
  assert.deepEqual(at("/報告"), { mark: "/", query: "報告", start: 0 });
  assert.deepEqual(at("/rep and more", 4), { mark: "/", query: "rep", start: 0 });
});

for (const text of [
  "and/or",
  "see /etc/hosts",
  "a@b.example",
  "C#",
  "run /zzz then",
  "https://example.org/",
  "",
  "//",
]) {
  test(`Prose is left alone: ${text}`, () => assert.equal(at(text), null));
}

test("Items that begin with the query come first, and others that contain it after them.", () => {
  const items = ["/weekly-report", "/report", "/translate"].map((label) => ({ label }));
  const labels = (query) => matchingItems(items, query).map(({ label }) => label);
  assert.deepEqual(labels("Rep"), ["/report", "/weekly-report"]);
  assert.deepEqual(labels("zzz"), []);
  assert.equal(labels("").length, 3);
});
