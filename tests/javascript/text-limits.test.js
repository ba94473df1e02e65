// The sentence about a text that is too long.

import assert from "node:assert/strict";
import test from "node:test";

import { limitProblem } from "../../static/js/text-limits.js";

test("a text that fits has no problem", () => {
  assert.equal(limitProblem("x".repeat(80), 80), "");
});

test("a text that is too long is told its length and the limit", () => {
  assert.equal(limitProblem("x".repeat(1200), 1000), "Shorten this to 1,000 characters; it has 1,200.");
});

test("a character outside the basic plane counts once, as on the server", () => {
  assert.equal(limitProblem("🦦".repeat(3), 3), "");
});
