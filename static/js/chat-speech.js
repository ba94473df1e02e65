// Speech, where the browser has it: answers are read aloud, and questions are dictated.
// https://webaudio.github.io/web-speech-api/

import { sentencesOf } from "./chat-words.js";
import { delegateTarget, find, findAll, findClosest } from "./dom.js";
import { restoreSources } from "./text/sources.js";
import { showToast } from "./ui.js";

// Code and diagrams are no sentences, numbers of citations are no words.
const NOT_READ = ".citation, .visually-hidden, button, svg, figure, pre, [aria-hidden='true']";

/**
 * Return the text of an answer as it is read: cells and items each end with a pause, and a formula is its source, once.
 *
 * @param {Element} answer
 */
function readableText(answer) {
  const copy = /** @type {Element} */ (find(answer, "[data-text]").cloneNode(true));
  restoreSources(copy);
  for (const each of copy.querySelectorAll(NOT_READ)) each.remove();
  for (const each of copy.querySelectorAll("li, td, th, h1, h2, h3, h4, h5, h6, p")) {
    if (!/[.!?:;。！？]\s*$/.test(each.textContent)) each.append(". ");
  }
  return copy.textContent;
}

class Reader {
  /** @type {HTMLElement | null} */
  #button = null;

  /** @param {HTMLElement} button */
  toggle(button) {
    const isNew = button !== this.#button;
    this.stop();
    if (isNew) this.#read(button);
  }

  stop() {
    speechSynthesis.cancel();
    this.#button?.setAttribute("aria-pressed", "false");
    this.#button = null;
  }

  /** @param {HTMLElement} button */
  #read(button) {
    const answer = findClosest(button, "[data-answer]");
    const language = find(answer, "[data-text]").closest("[lang]")?.getAttribute("lang") || navigator.language;
    const sentences = sentencesOf(readableText(answer), language);
    if (!sentences.length) return;
    button.setAttribute("aria-pressed", "true");
    this.#button = button;
    for (const [index, sentence] of sentences.entries()) {
      const utterance = new SpeechSynthesisUtterance(sentence);
      if (index === sentences.length - 1) utterance.onend = () => this.#button === button && this.stop();
      speechSynthesis.speak(utterance);
    }
  }
}

/** @param {HTMLElement} root */
function connectReading(root) {
  const reader = new Reader();
  root.addEventListener("click", (event) => {
    const button = delegateTarget(event, "[data-read-aloud]");
    if (button) reader.toggle(button);
  });
  addEventListener("pagehide", () => reader.stop());
}

/**
 * @param {HTMLButtonElement} button
 * @param {HTMLTextAreaElement} field
 * @param {new () => SpeechRecognition} Recognition
 */
function connectDictation(button, field, Recognition) {
  /** @type {SpeechRecognition | null} */
  let current = null;
  button.hidden = false;
  button.addEventListener("click", () => {
    if (current) return current.stop();
    const recognition = new Recognition();
    const before = field.value && !/\s$/.test(field.value) ? `${field.value} ` : field.value;
    recognition.interimResults = recognition.continuous = true;
    recognition.onresult = ({ results }) => {
      field.value = before + [...results].map(([best]) => best?.transcript ?? "").join("");
      field.dispatchEvent(new Event("input", { bubbles: true }));
    };
    recognition.onerror = ({ error }) => {
      if (error === "not-allowed") showToast("The browser does not let this page use the microphone.");
      else if (error !== "aborted" && error !== "no-speech") showToast(`The dictation ended: ${error}.`);
    };
    recognition.onend = () => {
      current = null;
      button.setAttribute("aria-pressed", "false");
    };
    current = recognition;
    button.setAttribute("aria-pressed", "true");
    recognition.start();
  });
  // What is said after sending belongs to no question.
  findClosest(field, "form").addEventListener("submit", () => current?.abort());
  addEventListener("pagehide", () => current?.abort());
}

/** @param {HTMLElement} root of the chat, on a site whose operator allows speech */
export function connectSpeech(root) {
  if ("speechSynthesis" in window) {
    root.classList.add("can-read-aloud");
    connectReading(root);
  }
  const Recognition = window.SpeechRecognition ?? window.webkitSpeechRecognition;
  const [button] = findAll(root, "[data-dictate]", HTMLButtonElement);
  const field = find(root, "[data-question-field]", HTMLTextAreaElement);
  if (Recognition && button) connectDictation(button, field, Recognition);
}
