import assert from "node:assert/strict";
import { test } from "node:test";

import { parse } from "../../static/js/text/grammar.js";
import { findFormulas } from "../../static/js/text/maths.js";
import { shownLength } from "../../static/js/text/open-end.js";

/** The part of a text that is shown while it goes on. */
const shown = (text) => text.slice(0, shownLength(text));

for (const [claim, text, expected] of [
  ["A line of marks waits for its words.", "Total\n-", "Total\n"],
  ["A number at the start of a line waits.", "so\n12.", "so\n"],
  ["A fence waits for the end of its line.", "so\n```pyth", "so\n"],
  ["A fence in a list waits too.", "- a\n  ```", "- a\n"],
  ["A head of a table waits for the line below it.", "so\n\n| a | b |", "so\n\n"],
  ["A head of a table waits for the whole line below it.", "so\n\n| a | b |\n|--", "so\n\n"],
  ["A head without bars outside waits as well.", "Name | Value\n---", ""],
  ["The row of a table is shown as it grows.", "| a |\n|---|\n| x", "| a |\n|---|\n| x"],
  ["Words are shown.", "Total\n- item", "Total\n- item"],
  ["A line break is shown.", "Total\n", "Total\n"],
]) {
  test(claim, () => assert.equal(shown(text), expected));
}

/** The types and contents of the inline tokens of the last block. */
function inline(text, isOpen) {
  const tokens = parse(text, { citations: new Map([[1, { href: "/1", title: "A" }]]), isOpen });
  const children = tokens.findLast(({ type }) => type === "inline").children;
  return children.filter(({ type, content }) => type !== "text" || content).map(({ type, content }) => content || type);
}

for (const [claim, text, expected] of [
  ["A bold word is bold before its end.", "so **bo", ["so ", "strong_open", "bo", "strong_close"]],
  ["Code is code before its end.", "so `f(x", ["so ", "f(x"]],
  ["Strikes are strikes before their end.", "so ~~no", ["so ", "s_open", "no", "s_close"]],
  ["Marks at the end wait.", "so **", ["so "]],
  ["A link waits for its end.", "see [the guide](https://exa", ["see "]],
  ["A citation waits for its end.", "so [1", ["so "]],
  ["A citation waits for the next one.", "so [1] [", ["so "]],
  ["A formula is its source before its end.", "so \\(a_1*b", ["so ", "\\(a_1*b"]],
  ["A price is no formula.", "now $455 and *lean", ["now $455 and ", "em_open", "lean", "em_close"]],
  ["A product is not lean.", "so 5*3 is", ["so 5*3 is"]],
  ["Marks of an earlier line stay what they are.", "a **b\nc", ["a **b", "softbreak", "c"]],
]) {
  test(`${claim} While the text goes on.`, () => assert.deepEqual(inline(text, true), expected));
}

test("At the end of a text, half a mark is text.", () => {
  assert.deepEqual(inline("so **bo", false), ["so **bo"]);
  assert.deepEqual(inline("see [the guide](https://exa", false), ["see [the guide](https://exa"]);
});

for (const [text, expected] of [
  ["What is $x_1$ for $5 and $6?", ["$x_1$"]],
  ["Is \\(a\\,b\\) or $$c^2$$ or \\[d\\]?", ["\\(a\\,b\\)", "$$c^2$$", "\\[d\\]"]],
  ["was $480, now $455; **60$** or **25$**; $HOME 12 $HOME; $/km or $/day", []],
  ["`$x$` and \\$x$", []],
]) {
  test(`The formulas of a question: ${text}`, () => {
    assert.deepEqual(
      findFormulas(text).map(([start, end]) => text.slice(start, end)),
      expected,
    );
  });
}
