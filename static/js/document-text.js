// A page to be read: draws the formulas, diagrams and code of documents, passages and shared answers.

import { findAll } from "./dom.js";
import { drawAll } from "./text/drawn.js";
import { drawQuestions, drawText } from "./text/plain.js";

for (const text of findAll(document, ".text")) drawText(text);
drawQuestions(document.body);
drawAll(findAll(document, ".answer-text"));
