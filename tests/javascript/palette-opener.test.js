import assert from "node:assert/strict";
import { test } from "node:test";

import { isPaletteKey } from "../../static/js/palette-opener.js";

const press = (fields, isApple = false) =>
  isPaletteKey(
    { key: "k", code: "KeyK", ctrlKey: true, metaKey: false, altKey: false, shiftKey: false, ...fields },
    isApple,
  );

test("Ctrl K opens the palette, on other keyboards the key in that place.", () => {
  assert.ok(press({}));
  assert.ok(press({ key: "K" }));
  assert.ok(press({ key: "л" }), "Cyrillic");
  assert.ok(press({ key: "κ" }), "Greek");
  assert.ok(press({ key: "k", code: "KeyV" }), "Dvorak");
  assert.ok(!press({ key: "t", code: "KeyK" }), "Dvorak");
  assert.ok(!press({ key: "л", code: "KeyL" }));
});

test("Other keys keep their meaning.", () => {
  for (const fields of [
    { ctrlKey: false },
    { shiftKey: true },
    { altKey: true },
    { metaKey: true },
    { isComposing: true },
  ]) {
    assert.ok(!press(fields), JSON.stringify(fields));
  }
});

test("On Apple's devices it is Cmd K, because Ctrl K deletes the rest of a line there.", () => {
  assert.ok(press({ ctrlKey: false, metaKey: true }, true));
  assert.ok(!press({}, true));
});
