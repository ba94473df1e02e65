// Edits a question that was sent. It is sent again as another version, with what went along: workspace, filter, models
// and parameters. Each of them is shown in the form, and all but the models can be removed.

import { isComposing, tooLongText } from "./chat-words.js";
import { cloneTemplate, delegateTarget, find, findAll, findClosest } from "./dom.js";

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
 * Open the form of the last question that can be edited. Return whether there is one.
 *
 * @param {HTMLElement} root
 */
export function editLast(root) {
  const button = findAll(root, "[data-edit-question]:not([hidden])").at(-1);
  button?.click();
  return Boolean(button);
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
  field.value = question.textContent;
  showOptions(find(form, "[data-asked-with]"), turn, asked, options);

  const close = () => {
    form.remove();
    turn.classList.remove("is-edited");
    find(turn, "[data-edit-question]").focus();
  };
  const showTooLong = () => {
    note.textContent = tooLongText([...field.value.trim()].length, most);
    note.hidden = !note.textContent;
  };
  field.addEventListener("input", showTooLong);
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      event.stopPropagation(); // it does not stop an answer
      close();
    }
    if (event.target !== field || event.key !== "Enter" || event.shiftKey || isComposing(event)) return;
    event.preventDefault();
    find(form, "[type=submit]").click();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = field.value.trim();
    if (!text || !note.hidden) return;
    form.remove();
    turn.classList.remove("is-edited");
    onSubmit({ ...options, text, editsId: turn.dataset.turn ?? "" });
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
  const show = () => {
    list.replaceChildren();
    if (options.workspaceId)
      addItem(list, asked.workspaceName ?? "", () => {
        options.workspaceId = null;
        options.filters = {};
        show();
      });
    if (words && Object.keys(options.filters).length)
      addItem(list, words, () => {
        options.filters = {};
        show();
      });
    for (const name of JSON.parse(asked.modelNames || "[]")) addItem(list, name);
  };
  show();
}

/**
 * @param {HTMLElement} list
 * @param {string} text
 * @param {() => void} [onRemove]
 */
function addItem(list, text, onRemove) {
  const item = document.createElement("li");
  const label = document.createElement("bdi");
  label.textContent = text;
  item.append(label);
  if (onRemove) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "×";
    button.setAttribute("aria-label", `Ask without ${text}`);
    button.addEventListener("click", onRemove);
    item.append(button);
  }
  list.append(item);
}
