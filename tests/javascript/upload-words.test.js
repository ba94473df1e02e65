import assert from "node:assert/strict";
import { test } from "node:test";

import { parseJson } from "../../static/js/http.js";
import { errorMessage, formatSize, isAboutFile, uploadRequest } from "../../static/js/upload-words.js";

for (const [bytes, text] of [
  [0, "0 bytes"],
  [1, "1 byte"],
  [2, "2 bytes"],
  [1023, "1023 bytes"],
  [1024, "1 KB"],
  [1024 ** 2 - 1, "1024 KB"],
  [1024 ** 2, "1.0 MB"],
  [1.25 * 1024 ** 2, "1.3 MB"],
  [1024 ** 3, "1.0 GB"],
  [5 * 1024 ** 4, "5120.0 GB"],
]) {
  test(`A size of ${bytes} bytes is shown as ${text}.`, () => assert.equal(formatSize(bytes), text));
}

for (const [body, sentence] of [
  [{ detail: "Too large." }, "Too large."],
  [{ name: ["It has no extension.", "It is too long."] }, "It has no extension."],
  [{ name: [] }, undefined],
  [{ detail: { code: 1 } }, undefined],
  [{}, undefined],
  [null, undefined],
]) {
  test(`The error message of ${JSON.stringify(body)} is ${sentence}.`, () =>
    assert.equal(errorMessage(body), sentence));
}

test("The XML reply of an object storage is not parsed.", () => {
  assert.equal(parseJson("<Error/>"), null);
  assert.equal(parseJson(""), null);
  assert.deepEqual(parseJson('{"detail": "No."}'), { detail: "No." });
});

function form(inputs) {
  const data = new FormData();
  for (const [name, value] of Object.entries(inputs)) data.append(name, value);
  return data;
}

test("The upload request has the name and the size of the file and the fields of the form.", () => {
  const inputs = { csrfmiddlewaretoken: "t", language: "de", "m.department": "HR", "m.draft": "", file: new Blob() };
  assert.deepEqual(uploadRequest(form(inputs), { name: "a.txt", size: 5 }), {
    name: "a.txt",
    sizeBytes: 5,
    language: "de",
    metadata: { department: "HR" },
  });
});

test("The upload request has an access level only if one is selected, which may be 0.", () => {
  const file = { name: "a.txt", size: 5 };
  assert.equal(uploadRequest(form({ access_level: "0" }), file).accessLevel, 0);
  assert.ok(!("accessLevel" in uploadRequest(form({ access_level: "" }), file)));
});

test("The upload request has no language if it is to be detected from the text.", () => {
  assert.ok(!("language" in uploadRequest(form({ language: "" }), { name: "a.txt", size: 5 })));
});

test("A refusal is about the file if it names the file or its name.", () => {
  assert.ok(isAboutFile({ file: ["No."] }));
  assert.ok(isAboutFile({ name: ["No."] }));
  assert.ok(!isAboutFile({ metadata: ["No."] }));
  assert.ok(!isAboutFile(null));
});
