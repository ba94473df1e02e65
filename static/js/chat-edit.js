// Edits a question that was sent. It is sent again as another version, with what went along: workspace, filter, models
// and parameters. The form shows all but the parameters; the workspace and the filter can be removed.

import { isComposing, tooLongText } from "./chat-words.js";
import { cloneTemplate, delegateTarget, find, findAll, findClosest } from "./dom.js";
import { sourceText } from "./text/sources.js";

/**
 * @typedef {QuestionOptions & { text: string, editsId: string }} EditedQuestion
 */

/**
 * @param {HTMLElement} root
 * @param {number} most characters of a question
 * @param {(question: EditedQuestion) => void} onSubmit
 */
export function connectEditing(root, most, onSubmit) {
  root.addEventListener("click", (event) => {
    const button = delegateTarget(event, "[data-edit-question]");
    if (button) openForm(findClosest(button, "[data-turn]"), most, onSubmit);
  });
}

/**
 * Open the form of the last question. Return false if it cannot be edited, for instance because it is being sent.
 *
 * @param {HTMLElement} root
 */
export function editLast(root) {
  const last = findAll(root, "[data-turn]:not([hidden])").at(-1);
  const [button] = last ? findAll(last, "[data-edit-question]") : [];
  button?.click();
  return Boolean(button);
}

/**
 * Open the form of the question that a refused edit belongs to, with its text. Return whether this was possible.
 *
 * @param {HTMLElement} root
 * @param {Question} refused
 */
export function editAgain(root, { editsId, text }) {
  const [turn] = editsId ? findAll(root, `[data-turn="${CSS.escape(editsId)}"]:not(.is-edited, [hidden])`) : [];
  const [button] = turn ? findAll(turn, "[data-edit-question]") : [];
  if (!turn || !button) return false;
  button.click();
  const field = find(turn, "[data-edited-text]", HTMLTextAreaElement);
  field.value = text;
  field.dispatchEvent(new Event("input"));
  return true;
}

/**
 * @param {HTMLElement} turn
 * @param {number} most
 * @param {(question: EditedQuestion) => void} onSubmit
 */
function openForm(turn, most, onSubmit) {
  if (turn.querySelector("[data-question-form]")) return;
  const question = find(turn, "[data-question]");
  const form = cloneTemplate("[data-question-form-template]");
  const field = find(form, "[data-edited-text]", HTMLTextAreaElement);
  const note = find(form, "[data-edited-too-long]");
  const asked = find(turn, "[data-question-tools]").dataset;
  const options = readOptions(asked);
  const send = find(form, "[type=submit]", HTMLButtonElement);
  const focused = document.activeElement;
  field.value = sourceText(question);
  showOptions(find(form, "[data-asked-with]"), turn, asked, options);

  const close = () => {
    form.remove();
    turn.classList.remove("is-edited");
    const isFromComposer = focused instanceof HTMLTextAreaElement && focused.isConnected;
    (isFromComposer ? focused : find(turn, "[data-edit-question]")).focus();
  };
  const showTooLong = () => {
    const text = field.value.trim();
    note.textContent = tooLongText([...text].length, most);
    note.hidden = !note.textContent;
    send.disabled = !text || !note.hidden;
  };
  field.addEventListener("input", showTooLong);
  form.addEventListener("keydown", (event) => {
    if (isComposing(event)) return;
    if (event.key === "Escape") {
      event.stopPropagation(); // it does not stop an answer
      close();
    }
    if (event.target !== field || event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    send.click();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    form.remove();
    turn.classList.remove("is-edited");
    onSubmit({ ...options, text: field.value.trim(), editsId: turn.dataset.turn ?? "" });
  });
  find(form, "[data-cancel-edit]").addEventListener("click", close);
  turn.classList.add("is-edited");
  question.after(form);
  field.focus();
  field.setSelectionRange(field.value.length, field.value.length);
  showTooLong();
}

/**
 * Return what was sent along with a question.
 *
 * @param {DOMStringMap} asked
 * @returns {QuestionOptions}
 */
function readOptions({ workspace, filters, models, parameters }) {
  return {
    workspaceId: workspace || null,
    filters: JSON.parse(filters || "{}"),
    modelNames: JSON.parse(models || "[]"),
    modelKwargs: { ...JSON.parse(parameters || "{}"), metadata: false },
  };
}

/**
 * List what is sent along. Removing the workspace removes the filter, too.
 *
 * @param {HTMLElement} list
 * @param {HTMLElement} turn
 * @param {DOMStringMap} asked
 * @param {QuestionOptions} options changed when the user removes one of them
 */
function showOptions(list, turn, asked, options) {
  const words = find(turn, "[data-filter-words]").textContent.trim();
  /** @param {Partial<QuestionOptions>} without */
  const remove = (without) => {
    Object.assign(options, without);
    show();
    find(turn, "[data-edited-text]").focus(); // the button that had the focus is gone
  };
  const show = () => {
    list.replaceChildren();
    const name = asked.workspaceName ?? "";
    if (options.workspaceId)
      addItem(list, name, { label: `Ask without ${name}`, onRemove: () => remove({ workspaceId: null, filters: {} }) });
    if (words && Object.keys(options.filters).length)
      addItem(list, words, { label: "Ask without the filter", onRemove: () => remove({ filters: {} }) });
    for (const model of JSON.parse(asked.modelNames || "[]")) addItem(list, model);
  };
  show();
}

/**
 * @param {HTMLElement} list
 * @param {string} text
 * @param {{ label: string, onRemove: () => void }} [removal] the button that removes it
 */
function addItem(list, text, removal) {
  const item = document.createElement("li");
  const words = document.createElement("bdi");
  words.textContent = text;
  item.append(words);
  if (removal) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "×";
    button.setAttribute("aria-label", removal.label);
    button.addEventListener("click", removal.onRemove);
    item.append(button);
  }
  list.append(item);
}
