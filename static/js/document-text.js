// The text of a document: draws the formulas, diagrams and code of Markdown.

import { findAll } from "./dom.js";
import { drawText } from "./text/plain.js";

for (const text of findAll(document, ".text")) drawText(text);
