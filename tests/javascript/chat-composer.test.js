import assert from "node:assert/strict";
import { test } from "node:test";

import { parseFilters } from "../../static/js/chat-composer.js";

for (const [claim, inputs, expected] of [
  ["An empty form has no filters.", [], {}],
  [
    "Inputs that are not filters are ignored.",
    [
      ["question", "f.x"],
      ["fx", "a"],
      ["model", "m"],
    ],
    {},
  ],
  [
    "Empty inputs are ignored.",
    [
      ["f.region", ""],
      ["f.date.from", "  "],
    ],
    {},
  ],
  ["One value becomes a list with one item.", [["f.region", "eu"]], { region: ["eu"] }],
  [
    "Several values become a list.",
    [
      ["f.region", "eu"],
      ["f.region", ""],
      ["f.region", "us"],
    ],
    { region: ["eu", "us"] },
  ],
  [
    "A range may have only one bound.",
    [
      ["f.date.from", "2024-01-01"],
      ["f.date.to", ""],
    ],
    { date: { from: "2024-01-01" } },
  ],
  [
    "Several fields may have filters.",
    [
      ["f.date.from", "2024-01-01"],
      ["f.date.to", "2024-12-31"],
      ["f.type", "pdf"],
    ],
    { date: { from: "2024-01-01", to: "2024-12-31" }, type: ["pdf"] },
  ],
  [
    "Several excluded values become a list.",
    [
      ["f.region.not", "us"],
      ["f.region.not", "eu"],
    ],
    { region: { not: ["us", "eu"] } },
  ],
  // The server refuses the next two with an error sentence, so they must reach it.
  [
    "Plain values before an operator are kept.",
    [
      ["f.region", "eu"],
      ["f.region.not", "us"],
    ],
    { region: { "": ["eu"], not: "us" } },
  ],
  [
    "Plain values after an operator are kept.",
    [
      ["f.region.not", "us"],
      ["f.region", "eu"],
    ],
    { region: { not: "us", "": ["eu"] } },
  ],
]) {
  test(claim, () => {
    const data = new FormData();
    for (const [name, value] of inputs) data.append(name, value);
    assert.deepEqual(parseFilters(data), expected);
  });
}
