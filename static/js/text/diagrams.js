// Shows diagrams: a picture of what Mermaid draws from the code of a figure, with buttons to show the source and to save it.

import { find, findAll } from "../dom.js";
import { drawSource } from "./diagram-drawing.js";
import { asPicture, savePicture } from "./diagram-picture.js";

const MAX_CHARACTERS = 20_000;

/** @param {HTMLElement} figure */
export async function drawDiagram(figure) {
  figure.dataset.drawn = "waiting";
  const text = find(figure, "code").textContent;
  try {
    if (text.length > MAX_CHARACTERS) throw new Error("This diagram is too long to be drawn");
    const picture = asPicture(await drawSource(text, isDark() ? "dark" : "default"));
    if (!figure.isConnected) return;
    for (const each of findAll(figure, "[data-drawing]")) each.remove();
    show(figure, picture);
    figure.dataset.drawn = "drawn";
  } catch (error) {
    explain(figure, error);
  }
}

/**
 * @param {HTMLElement} figure
 * @param {HTMLImageElement} picture
 */
function show(figure, picture) {
  const frame = document.createElement("div");
  frame.className = "diagram";
  frame.dataset.drawing = "";
  frame.tabIndex = 0;
  frame.append(picture);
  find(figure, "figcaption").after(frame);
  const source = createButton("Show source", () => {
    const isShown = figure.classList.toggle("is-source-shown");
    source.setAttribute("aria-pressed", String(isShown));
  });
  const larger = createButton("Enlarge", () => {
    larger.setAttribute("aria-pressed", String(figure.classList.toggle("is-large")));
  });
  source.ariaPressed = larger.ariaPressed = "false";
  const saveSvg = createButton("SVG", () => savePicture(picture, "svg"), "Save as SVG");
  const savePng = createButton("PNG", () => savePicture(picture, "png"), "Save as PNG");
  find(figure, "figcaption span").after(source, larger, saveSvg, savePng);
}

/**
 * @param {string} label
 * @param {() => unknown} onClick
 * @param {string} name
 */
function createButton(label, onClick, name = label) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.drawing = "";
  button.textContent = label;
  button.title = button.ariaLabel = name;
  button.addEventListener("click", onClick);
  return button;
}

/**
 * @param {HTMLElement} figure
 * @param {unknown} error
 */
function explain(figure, error) {
  const line = /line (\d+)/.exec(String(error))?.[1];
  const reason =
    error instanceof SyntaxError || !(error instanceof Error) ? "This diagram has an error" : error.message;
  const note = document.createElement("p");
  note.className = "not-drawn";
  note.dataset.drawing = "";
  note.textContent = `${reason}${line ? ` in line ${line}` : ""}, so its source is shown.`;
  find(figure, "figcaption").after(note);
  figure.dataset.drawn = "failed";
}

function isDark() {
  const { theme } = document.documentElement.dataset;
  return theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function redrawAll() {
  for (const figure of findAll(document, "figure[data-drawn='drawn']")) void drawDiagram(figure);
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
new MutationObserver(redrawAll).observe(document.documentElement, { attributeFilter: ["data-theme"] });
