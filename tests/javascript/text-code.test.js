import assert from "node:assert/strict";
import { test } from "node:test";

import { StringStream } from "../../static/js/text/string-stream.js";
import { LANGUAGES } from "../../static/vendor/code-languages.js";

const SAMPLE = 'def f(x):  # note\n\treturn {"a": 1.5, \'b\': x} || <b class="c">$y</b>\n/* z */ -- q\n\n';

/** The text of all tokens of a sample, line by line. */
function tokens(language, sample) {
  const state = language.startState?.(2) ?? {};
  return sample.split("\n").map((line) => {
    const stream = new StringStream(line);
    const found = [];
    if (!line) language.blankLine?.(state, 2);
    for (let tries = 0; !stream.eol(); tries += 1) {
      const style = language.token(stream, state);
      if (stream.pos > stream.start || tries > 10) found.push([stream.current(), style]);
      if (tries > 10) stream.next();
      if (stream.pos > stream.start) tries = 0;
      stream.start = stream.pos;
    }
    return found;
  });
}

for (const [name, language] of Object.entries(LANGUAGES)) {
  test(`The tokens of ${name} are all of its text.`, () => {
    const lines = tokens(language, SAMPLE).map((line) => line.map(([text]) => text).join(""));
    assert.equal(lines.join("\n"), SAMPLE);
  });
}

test("Tokens have their styles.", () => {
  const [line] = tokens(LANGUAGES.python, "def pump(days):  # run");
  assert.deepEqual(
    line.filter(([, style]) => style).map(([text, style]) => `${text}: ${style}`),
    ["def: keyword", "pump: def", "days: variable", "# run: comment"],
  );
});

test("A stream matches words and expressions, and counts columns.", () => {
  const stream = new StringStream("\tab cd");
  assert.equal(stream.indentation(), 4);
  assert.equal(stream.eatSpace(), true);
  assert.equal(stream.match("AB", true, true), true);
  assert.equal(stream.match(/x/), null);
  assert.equal(stream.skipTo("d"), true);
  stream.backUp(1);
  assert.equal(stream.next(), "c");
  stream.skipToEnd();
  assert.equal(stream.eat("x"), undefined);
});
