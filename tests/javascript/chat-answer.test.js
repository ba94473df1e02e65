import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { LiveAnswer, statusAfter } from "../../static/js/chat-answer.js";
import { FakeElement, installDocument } from "./fakes.js";

installDocument();

const parts = {};
let answer;

/** What LiveText shows, without Markdown. */
class PlainText {
  isFinished = false;

  append(text) {
    parts.text.append(text);
  }

  clear() {
    parts.text.replaceChildren();
  }

  finish() {
    this.isFinished = true;
  }
}

beforeEach(() => {
  const element = new FakeElement("section");
  for (const [name, mark] of [
    ["text", "data-text"],
    ["status", "data-status-text"],
    ["notice", "data-restarted"],
    ["elapsed", "data-elapsed"],
    ["slow", "data-slow"],
    ["thinking", "data-thinking"],
  ]) {
    parts[name] = new FakeElement("div", mark);
    element.append(parts[name]);
  }
  parts.notice.append(new FakeElement("p", "data-restarted-text"));
  parts.notice.hidden = parts.slow.hidden = parts.thinking.hidden = true;
  parts.slow.append(new FakeElement("span", "data-slow-text"));
  for (const mark of ["data-thinking-summary", "data-thinking-text"]) parts.thinking.append(new FakeElement("p", mark));
  element.dataset.modelName = "Small";
  element.dataset.answer = "a1";
  answer = new LiveAnswer(element, new PlainText());
});

const delta = (seq, text) => ({ seq, kind: "delta", data: { text } });

test("The answer shows events in the order of the log.", () => {
  assert.equal(answer.id, "a1");
  assert.equal(answer.apply({ seq: 1, kind: "queued", data: { position: 2 } }), "");
  assert.equal(parts.status.textContent, "Waiting, 2 ahead in the queue");
  answer.apply(delta(2, "Some "));
  answer.apply(delta(3, "words"));
  assert.equal(parts.text.textContent, "Some words");
  assert.equal(parts.status.textContent, "Writing");
  assert.equal(answer.seq, 3);
});

test("A duplicate event is not shown twice.", () => {
  answer.apply(delta(1, "once"));
  assert.equal(answer.apply(delta(1, "once")), "");
  assert.equal(parts.text.textContent, "once");
});

test("After a gap the answer shows nothing until the missing events arrive.", () => {
  answer.apply(delta(1, "a"));
  assert.equal(answer.apply(delta(3, "c")), "gap");
  assert.equal(answer.seq, 1);
  assert.equal(parts.text.textContent, "a");
  for (const event of [delta(2, "b"), delta(3, "c")]) assert.equal(answer.apply(event), "");
  assert.equal(parts.text.textContent, "abc");
});

for (const [kind, data] of Object.entries({
  finished: { reason: "stop" },
  stopped: {},
  failed: { error: "It broke.", retryable: false },
})) {
  test(`The event ${kind} is terminal and keeps the text and the status line.`, () => {
    answer.apply(delta(1, "words"));
    assert.equal(answer.apply({ seq: 2, kind, data }), "end");
    assert.equal(parts.text.textContent, "words");
    assert.equal(parts.status.textContent, "Writing");
  });
}

test("An answer that starts over discards the text of its first attempt and says why.", () => {
  answer.apply(delta(1, "old **wo"));
  answer.apply({ seq: 2, kind: "restarted", data: { reason: "The runner was gone." } });
  answer.apply(delta(3, "new"));
  assert.equal(parts.text.textContent, "new");
  assert.equal(parts.notice.hidden, false);
  assert.equal(parts.notice.textContent, "The answer was interrupted and starts over. The runner was gone.");
});

test("Text that turns out to be thinking is taken back.", () => {
  answer.apply(delta(1, "2 and 2"));
  answer.apply({ seq: 2, kind: "thinking", data: { text: "", takes_back: true } });
  assert.equal(parts.status.textContent, "Thinking");
  answer.apply(delta(3, "4"));
  assert.equal(parts.text.textContent, "4");
});

test("An unknown kind of event changes nothing.", () => {
  answer.apply(delta(1, "words"));
  for (const kind of ["toString", "humming"]) {
    assert.equal(answer.apply({ seq: answer.seq + 1, kind, data: {} }), "");
  }
  assert.equal(parts.status.textContent, "Writing");
});

for (const [kind, data, status] of [
  ["queued", { position: 0 }, "Next in line"],
  ["queued", { position: 1 }, "Waiting, 1 ahead in the queue"],
  ["started", { model: "m", fence: 1 }, "Thinking"],
  ["retrieving", { workspace: "Handbook" }, "Searching Handbook…"],
  ["sources", { grounding: "found", passages: [{}] }, "Reading 1 passage"],
  ["sources", { grounding: "found", passages: [{}, {}] }, "Reading 2 passages"],
  ["sources", { grounding: "none", passages: [] }, "Thinking"],
  ["sources", { grounding: "nothing_relevant", passages: [] }, "Nothing relevant found"],
  ["sources", { grounding: "empty", passages: [] }, "The workspace is empty"],
  ["sources", { grounding: "degraded", passages: [] }, "The search failed; answering without it"],
  ["restarted", { reason: "" }, "Starting over"],
  ["usage", { input_tokens: 1, output_tokens: 1, is_estimate: false, cost: "0" }, null],
]) {
  test(`The status line after ${kind} ${JSON.stringify(data)} is ${status}.`, () => {
    assert.equal(statusAfter({ seq: 1, kind, data }), status);
  });
}

test("Thoughts are folded away, with the time that they took once the first word is there.", () => {
  answer.apply({ seq: 1, kind: "thinking", data: { text: "First, " } });
  answer.apply({ seq: 2, kind: "thinking", data: { text: "the pump." } });
  const [summary, text] = parts.thinking.nodes;
  assert.equal(parts.thinking.hidden, false);
  assert.equal(text.textContent, "First, the pump.");
  answer.apply(delta(3, "It pumps."));
  assert.equal(summary.textContent, "Thought for 1 s");
  assert.equal(parts.text.textContent, "It pumps.");
});

test("The seconds are shown once they are more than a few.", () => {
  answer.showElapsed(answer.askedAt + 2400);
  assert.equal(parts.elapsed.textContent, "");
  answer.showElapsed(answer.askedAt + 12000);
  assert.equal(parts.elapsed.textContent, "12 s");
});

test("A model that writes no word for a while is called slow, until its first word.", () => {
  const later = () => performance.now() + 16000;
  answer.showElapsed(later());
  assert.equal(parts.slow.hidden, true, "it waits for its turn");
  answer.apply({ seq: 1, kind: "started", data: { model: "Small", fence: 1 } });
  answer.showElapsed(later());
  assert.equal(parts.slow.hidden, false);
  assert.equal(parts.slow.textContent, "Small is slow here.");
  answer.apply(delta(2, "At last"));
  answer.showElapsed(later());
  assert.equal(parts.slow.hidden, true);
});
