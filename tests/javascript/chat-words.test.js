import assert from "node:assert/strict";
import { test } from "node:test";

import {
  announcementText,
  bannerText,
  pendingText,
  sentencesOf,
  sessionTitle,
  tooLongText,
  versionMessageId,
} from "../../static/js/chat-words.js";

const NOTHING = { hasUnsent: false, isWriting: false };

for (const [state, now, text] of [
  [{ wasOnline: false }, NOTHING, "Connecting…"],
  [{ isOnline: true }, NOTHING, ""],
  [
    { isOnline: true, isBlocked: true },
    NOTHING,
    "This network blocks WebSockets. Answers arrive over ordinary requests instead.",
  ],
  [{ wasOnline: true }, NOTHING, "Reconnecting…"],
  [{ wasOnline: true }, { hasUnsent: true, isWriting: true }, "Reconnecting… Your message is saved."],
  [{ wasOnline: true }, { hasUnsent: false, isWriting: true }, "Reconnecting… The answer continues in the meantime."],
  [{ isLoggedOut: true, wasOnline: true }, { hasUnsent: true }, "You have been logged out. What you wrote is saved."],
]) {
  test(`The banner can say “${text}”.`, () => assert.equal(bannerText(state, now), text));
}

test("A question within the limit is not too long.", () => assert.equal(tooLongText(20000, 20000), ""));

test("What is too long is said with both numbers.", () => {
  const text = tooLongText(100000, 20000);
  assert.match(text, /^100,000 characters .* the limit is 20,000\./);
});

for (const [state, text] of [
  [{ isOnline: true }, "Sending…"],
  [{ isOnline: false }, "Saved here until the connection is back."],
  [{ isOnline: false, isLoggedOut: true }, "Saved here until you log in."],
]) {
  test(`The delivery status can be “${text}”.`, () => assert.equal(pendingText(state), text));
}

for (const [claim, question, title] of [
  ["A short question is its own title.", "What is a pump?", "What is a pump?"],
  ["A title joins several lines into one.", " What\n\n is\ta pump? ", "What is a pump?"],
  ["A title may have 80 characters.", "x".repeat(80), "x".repeat(80)],
  ["A title of 81 characters is cut to 79 and an ellipsis.", "x".repeat(81), `${"x".repeat(79)}…`],
  ["A cut title has no space before the ellipsis.", `${"x".repeat(78)} ${"y".repeat(20)}`, `${"x".repeat(78)}…`],
  ["A title is cut at a word.", "pressure ".repeat(30), `${"pressure ".repeat(8).trim()}…`],
  ["A title may end with a whole word at the limit.", "word ".repeat(30), `${"word ".repeat(16).trim()}…`],
  ["A title is never cut within a character.", "🐘".repeat(100), `${"🐘".repeat(79)}…`],
]) {
  test(claim, () => assert.equal(sessionTitle(question), title));
}

test("The announcement of an answer is one line of at most 3000 characters.", () => {
  assert.equal(announcementText("Alpha", "\n Stopped ", "a\n\nb"), "Answer from Alpha: Stopped a b");
  assert.equal(announcementText("Alpha", "", "word ".repeat(5000)).length, 3000);
});

test("The same version request has the same message id, and another request has another id.", () => {
  const request = ["answer", 2, "12345678-abcd"];
  assert.equal(versionMessageId(...request), versionMessageId(...request));
  const others = [
    ["answer", 3, request[2]],
    ["answer", 2, "87654321-abcd"],
    ["other", 2, request[2]],
  ];
  for (const each of others) assert.notEqual(versionMessageId(...each), versionMessageId(...request));
});

test("A text is read in sentences.", () => {
  assert.deepEqual(sentencesOf("The fee is 48.50 euros.  Pay in\nJanuary! Why? ", "en"), [
    "The fee is 48.50 euros.",
    "Pay in January!",
    "Why?",
  ]);
  assert.deepEqual(sentencesOf("料金は48ユーロです。一月に払います。", "ja"), [
    "料金は48ユーロです。",
    "一月に払います。",
  ]);
  assert.deepEqual(sentencesOf(" \n ", "en"), []);
});

test("An address is read as the name of its site.", () => {
  assert.deepEqual(sentencesOf("See https://example.org/a/b?c=1#d.", "en"), ["See example.org."]);
});
