import assert from "node:assert/strict";
import { test } from "node:test";

import { LiveText } from "../../static/js/chat-text.js";
import { FakeElement, installDocument } from "./fakes.js";

installDocument();

function render(...parts) {
  const element = new FakeElement("div");
  const text = new LiveText(element);
  for (const part of parts) text.append(part);
  return element;
}

const SHAPES = {
  "One line is one paragraph.": ["Some words.", "<p>Some words.</p>"],
  "A line break stays in its paragraph.": ["one\ntwo", "<p>one\ntwo</p>"],
  "An empty line begins a paragraph.": ["one\n\ntwo", "<p>one</p><p>two</p>"],
  "Several empty lines begin one paragraph.": ["one\n\n\n\ntwo", "<p>one</p><p>two</p>"],
  "A heading loses its marks.": ["## Pumps\n\nwords", "<h4>Pumps</h4><p>words</p>"],
  "Seven marks do not make a heading.": ["####### x", "<p>####### x</p>"],
  "A mark without a space does not make a heading.": ["#1 is first", "<p>#1 is first</p>"],
  "Double stars make bold words.": ["a **b c** d", "<p>a <strong>b c</strong> d</p>"],
  "Backticks make inline code.": ["call `f(x)` now", "<p>call <code>f(x)</code> now</p>"],
  "Stars in inline code stay stars.": ["`a ** b` c", "<p><code>a ** b</code> c</p>"],
  "Bold words may contain inline code.": ["**a `b` c**.", "<p><strong>a <code>b</code> c</strong>.</p>"],
  "Stars before a space stay stars.": ["2 ** 3", "<p>2 ** 3</p>"],
  "A single star stays a star.": ["2 * 3 *4", "<p>2 * 3 *4</p>"],
  "A fence makes a code block.": [
    "So:\n\n```python\nx = 1\n\ny = 2\n```\n\nDone",
    "<p>So:</p><figure><figcaption><span>python</span></figcaption>" +
      "<pre><code>x = 1\n\ny = 2</code></pre></figure><p>Done</p>",
  ],
  "Marks in a code block stay marks.": [
    "```\n# **x**\n```\nDone",
    "<figure><figcaption><span></span></figcaption><pre><code># **x**</code></pre></figure><p>Done</p>",
  ],
  "A code block may begin right after a line.": [
    "So:\n```\nx\n```\n.",
    "<p>So:</p><figure><figcaption><span></span></figcaption><pre><code>x</code></pre></figure><p>.</p>",
  ],
  "Three backticks within a line do not end a code block.": [
    "```\na ``` b\n```\n.",
    "<figure><figcaption><span></span></figcaption><pre><code>a ``` b</code></pre></figure><p>.</p>",
  ],
  "HTML is shown as text.": ["<b>x</b> & y", "<p><b>x</b> & y</p>"],
};

for (const [claim, [text, shape]] of Object.entries(SHAPES)) {
  test(claim, () => assert.equal(render(text).inner, shape));

  test(`${claim} The shape is the same for any split into deltas.`, () => {
    assert.equal(render(...text).inner, shape, "character by character");
    for (let at = 1; at < text.length; at += 1) {
      assert.equal(render(text.slice(0, at), text.slice(at)).inner, shape, `cut at ${at}`);
    }
  });
}

test("Text that was shown never changes.", () => {
  const element = new FakeElement("div");
  const text = new LiveText(element);
  let before = "";
  for (const character of Object.values(SHAPES)
    .map(([each]) => each)
    .join("\n\n")) {
    text.append(character);
    assert.ok(element.textContent.startsWith(before), before);
    before = element.textContent;
  }
  assert.ok(before.length > 100);
});

test("Marks at the end are held back until the next text arrives.", () => {
  assert.equal(render("so **").inner, "<p>so </p>");
  assert.equal(render("so **", "bold").inner, "<p>so <strong>bold</strong></p>");
  assert.equal(render("so **", " not").inner, "<p>so ** not</p>");
});

test("Clearing discards all text, also the marks that were held back.", () => {
  for (const before of ["# Head", "```js\nlet x", "**bold", "words\n\n", "``"]) {
    const element = new FakeElement("div");
    const text = new LiveText(element);
    text.append(before);
    text.clear();
    assert.equal(element.inner, "");
    text.append("Other words");
    assert.equal(element.inner, "<p>Other words</p>", before);
  }
});
