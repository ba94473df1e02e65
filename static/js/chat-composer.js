// The composer: the question field, and the pickers for workspace, filter, models and parameters.

import { isComposing, sessionTitle, tooLongText } from "./chat-words.js";
import { delegateTarget, find, findAll, findClosest, required } from "./dom.js";
import { csrfHeaders } from "./http.js";
import { readStorage, writeStorage } from "./storage.js";

const PARAMETERS_KEY = "ragsite.parameters";

/**
 * @typedef {object} ComposerCallbacks
 * @property {(question: QuestionOptions & { text: string }) => void} onSubmit
 * @property {() => void} onInput
 */

export class Composer {
  #hasCompletion = false;

  /**
   * @param {HTMLFormElement} form
   * @param {ComposerCallbacks} callbacks
   */
  constructor(form, callbacks) {
    this.form = form;
    this.field = find(form, "[data-question-field]", HTMLTextAreaElement);
    this.callbacks = callbacks;
    this.#restoreParameters();
    this.#connectField();
    this.#connectPickers();
    this.#connectModels();
    this.#connectFilter();
  }

  get isEmpty() {
    return !this.field.value.trim();
  }

  /** @param {string} value */
  set text(value) {
    this.field.value = value;
    this.#onInput();
    this.focus();
  }

  /**
   * Send a text at once, with the options of the composer. What the user has typed stays in the field.
   *
   * @param {string} text
   */
  send(text) {
    this.callbacks.onSubmit({ text, ...this.options() });
  }

  focus() {
    this.field.focus();
    this.field.setSelectionRange(this.field.value.length, this.field.value.length);
  }

  /**
   * Put a question into the field, in front of the text that the user has typed there.
   *
   * @param {string} text
   */
  prependText(text) {
    this.text = this.isEmpty || this.field.value === text ? text : `${text}\n${this.field.value}`;
  }

  /** @param {string} id */
  selectWorkspace(id) {
    const [input] = findAll(this.form, `[name="workspace"][value="${CSS.escape(id)}"]`, HTMLInputElement);
    if (!input) return;
    input.checked = true;
    updatePickerLabel(input);
  }

  /** @returns {QuestionOptions} the selected options */
  options() {
    const data = new FormData(this.form);
    return {
      workspaceId: String(data.get("workspace") ?? "") || null,
      filters: parseFilters(data),
      modelNames: data.getAll("model").map(String),
      modelKwargs: {
        streaming: data.has("streaming"),
        maxTokens: Number(data.get("maxTokens")),
        temperature: Number(data.get("temperature")),
        topP: Number(data.get("topP")),
        metadata: data.has("metadata"),
      },
    };
  }

  closePickers() {
    const open = findAll(this.form, ".picker[open]", HTMLDetailsElement);
    for (const picker of open) {
      // The focus must not stay in a menu that is no longer there.
      if (find(picker, ".picker-menu").contains(document.activeElement)) find(picker, "summary").focus();
      picker.open = false;
    }
    return open.length > 0;
  }

  #connectField() {
    this.field.addEventListener("input", () => this.#onInput());
    this.field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || isComposing(event)) return;
      event.preventDefault();
      this.form.requestSubmit();
    });
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    // The browser cannot show a validation message in a closed picker, so open the picker.
    this.form.addEventListener("invalid", (event) => delegateTarget(event, "details")?.setAttribute("open", ""), true);
    this.form.addEventListener("click", (event) => {
      if (event.target === this.form) this.focus();
    });
    this.#onInput();
  }

  #submit() {
    const text = this.field.value.trim();
    if (!text || this.#tooLongText()) return;
    this.closePickers();
    this.field.value = "";
    this.#onInput();
    this.callbacks.onSubmit({ text, ...this.options() });
  }

  #onInput() {
    if (!CSS.supports("field-sizing", "content")) {
      this.field.style.height = "auto";
      this.field.style.height = `${this.field.scrollHeight}px`;
    }
    this.#showTooLong();
    this.callbacks.onInput();
  }

  /** Return why the text cannot be sent, or "" if its length is right. */
  #tooLongText() {
    return tooLongText([...this.field.value.trim()].length, Number(this.field.dataset.most));
  }

  #showTooLong() {
    const text = this.#tooLongText();
    const note = find(this.form, "[data-too-long]");
    note.hidden = !text;
    this.field.setAttribute("aria-invalid", String(Boolean(text)));
    find(note, "[data-too-long-text]").textContent = text;
    const chosen = this.#editableWorkspace();
    const button = find(note, "[data-add-as-document]");
    button.hidden = !chosen;
    if (chosen) button.textContent = `Add it to ${chosen.dataset.label}`;
  }

  /** Return the option of the chosen workspace, if the user may add documents to it. */
  #editableWorkspace() {
    return findAll(this.form, "[name='workspace'][data-add-text]:checked", HTMLInputElement)[0];
  }

  /** Send the text to the page that adds a text to the chosen workspace, in a new tab. */
  #addAsDocument() {
    const text = this.field.value.trim();
    const fields = { csrfmiddlewaretoken: csrfHeaders()["X-CSRFToken"], title: sessionTitle(text), text };
    const form = document.createElement("form");
    form.method = "post";
    form.target = "_blank";
    form.action = this.#editableWorkspace()?.dataset.addText ?? "";
    for (const [name, value] of Object.entries(fields)) {
      const input = document.createElement("textarea");
      Object.assign(input, { name, value });
      form.append(input);
    }
    document.body.append(form);
    form.submit();
    form.remove();
  }

  #connectPickers() {
    find(this.form, "[data-add-as-document]").addEventListener("click", () => this.#addAsDocument());
    this.form.addEventListener("change", () => this.#showTooLong());
    this.form.addEventListener("change", (event) => {
      const workspace = delegateTarget(event, "[name='workspace']");
      if (workspace) updatePickerLabel(workspace);
      if (delegateTarget(event, ".parameters")) this.#saveParameters();
    });
    // Selecting an option by pointer or Enter closes its menu; arrow keys move through the options.
    this.form.addEventListener("click", (event) => {
      if (event.detail > 0 && delegateTarget(event, ".option input[type='radio']")) this.#closeAndFocus();
    });
    this.form.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !delegateTarget(event, ".picker-menu input")) return;
      event.preventDefault();
      this.#closeAndFocus();
    });
    this.form.addEventListener("toggle", ({ target }) => isOpenPicker(target) && this.#positionMenu(target), true);
    document.addEventListener("pointerdown", (event) => {
      if (!delegateTarget(event, ".picker")) this.closePickers();
    });
    find(this.form, "[data-reset-parameters]").addEventListener("click", () => {
      for (const input of this.#parameterInputs()) {
        input.checked = input.defaultChecked;
        input.value = input.defaultValue;
      }
      this.#saveParameters();
    });
  }

  // To compare models side by side, the same inputs become checkboxes instead of radio buttons.
  #connectModels() {
    const [compare] = findAll(this.form, "[data-compare]", HTMLInputElement); // missing if there is only one model
    this.#updateModelPicker(compare);
    this.form.addEventListener("change", (event) => {
      const model = delegateTarget(event, "[name='model']", HTMLInputElement);
      const isCompare = event.target === compare;
      if (compare && isCompare) this.#setCompareMode(compare.checked);
      if (model && !this.#modelInputs(":checked").length) model.checked = true; // at least one stays selected
      if (isCompare || model) this.#updateModelPicker(compare);
    });
  }

  // The server replaces the filter picker when the user selects another workspace, so the form has the listeners.
  #connectFilter() {
    const update = () => this.#updateFilterMark();
    this.form.addEventListener("change", (event) => delegateTarget(event, ".is-filter") && update());
    this.form.addEventListener("htmx:load", update);
    this.form.addEventListener("click", (event) => {
      if (delegateTarget(event, "[data-clear-filter]")) this.clearFilter();
      if (delegateTarget(event, "[data-remove-document]")) delegateTarget(event, "li")?.remove();
    });
    this.form.addEventListener("change", (event) => {
      if (delegateTarget(event, "[name='workspace']")) this.#clearDocuments(); // they are in the other workspace
    });
    // The code for completions is fetched with the first mark that is typed.
    this.field.addEventListener("input", () => this.#complete());
    update();
  }

  #clearDocuments() {
    find(this.form, "[data-documents]").replaceChildren();
  }

  async #complete() {
    if (this.#hasCompletion || !/(?:^|\s)[/@#]/.test(this.field.value)) return;
    this.#hasCompletion = true;
    const { Completion } = await import("./chat-completion.js");
    new Completion(this.form, this.field);
  }

  clearFilter() {
    this.#clearDocuments();
    for (const input of findAll(this.form, ".is-filter input", HTMLInputElement)) {
      if (input.type === "checkbox") input.checked = false;
      else input.value = "";
    }
    this.#updateFilterMark();
  }

  #updateFilterMark() {
    find(this.form, "[data-filter-set]").hidden = isEmptyRecord(this.options().filters);
  }

  /** @param {boolean} isComparing */
  #setCompareMode(isComparing) {
    const [first] = this.#modelInputs(":checked");
    for (const input of this.#modelInputs()) input.type = isComparing ? "checkbox" : "radio";
    if (first) first.checked = true;
  }

  /** @param {HTMLInputElement | undefined} compare */
  #updateModelPicker(compare) {
    const chosen = this.#modelInputs(":checked");
    const isFull = Boolean(compare?.checked) && chosen.length >= Number(compare?.dataset.most);
    for (const input of this.#modelInputs()) input.disabled = isFull && !input.checked;
    const [first] = chosen;
    if (!first) return;
    updatePickerLabel(first);
    const picker = findClosest(first, "[data-picker]");
    const count = find(picker, "[data-picker-count]");
    count.hidden = chosen.length === 1;
    count.textContent = `+ ${chosen.length - 1}`;
    const names = chosen.map((input) => input.dataset.label).join(", ");
    find(picker, "summary").title = chosen.length > 1 ? `Models that answer: ${names}` : "Model that answers";
  }

  #modelInputs(which = "") {
    return findAll(this.form, `[name='model']${which}`, HTMLInputElement);
  }

  #closeAndFocus() {
    this.closePickers();
    this.focus();
  }

  /**
   * Place an open menu above or below its picker, where there is more room, and limit its height to that room.
   *
   * @param {HTMLDetailsElement} picker
   */
  #positionMenu(picker) {
    const menu = find(picker, ".picker-menu");
    const anchor = required(menu.offsetParent, "offset parent of the menu"); // the picker; on a phone the composer
    const { top, bottom } = anchor.getBoundingClientRect();
    const above = top - find(document, ".topbar").offsetHeight;
    const below = innerHeight - bottom;
    menu.classList.toggle("is-below", below > above);
    menu.style.maxHeight = `${Math.min(460, Math.max(above, below) - 16)}px`;
    const [first] = ["input:invalid", "input:checked", "input"].flatMap((each) => findAll(picker, each));
    first?.focus({ preventScroll: true });
  }

  #parameterInputs() {
    return findAll(this.form, ".parameters input", HTMLInputElement);
  }

  #saveParameters() {
    /** @type {Record<string, string | boolean>} */
    const changed = {};
    for (const input of this.#parameterInputs()) {
      const isBox = input.type === "checkbox";
      const isDefault = isBox ? input.checked === input.defaultChecked : input.value === input.defaultValue;
      if (!isDefault) changed[input.name] = isBox ? input.checked : input.value;
    }
    this.#updateParametersMark(changed);
    writeStorage(PARAMETERS_KEY, JSON.stringify(changed));
  }

  #restoreParameters() {
    /** @type {Record<string, string | boolean>} */
    const changed = JSON.parse(readStorage(PARAMETERS_KEY) ?? "{}");
    for (const input of this.#parameterInputs()) {
      const value = changed[input.name];
      if (value === undefined) continue;
      if (input.type === "checkbox") input.checked = Boolean(value);
      else input.value = String(value);
    }
    this.#updateParametersMark(changed);
  }

  /** @param {object} changed */
  #updateParametersMark(changed) {
    find(this.form, "[data-parameters-changed]").hidden = isEmptyRecord(changed);
  }
}

/**
 * Parse the inputs with names such as f.department and f.date.from into the format of documents/fields/filters.py.
 *
 * @param {FormData} data
 */
export function parseFilters(data) {
  /** @type {Record<string, Record<string, string | string[]>>} */
  const found = {};
  for (const key of new Set(data.keys())) {
    const [prefix, name = "", operator = ""] = key.split(".");
    const [first, ...more] = data
      .getAll(key)
      .map(String)
      .filter((value) => value.trim());
    if (prefix !== "f" || first === undefined) continue;
    found[name] = { ...found[name], [operator]: operator && !more.length ? first : [first, ...more] };
  }
  return Object.fromEntries(Object.entries(found).map(([name, condition]) => [name, simplifyCondition(condition)]));
}

/**
 * Return a condition that has only values, without an operator, as a plain list of values.
 *
 * @param {Record<string, string | string[]>} condition
 */
function simplifyCondition(condition) {
  const { "": values, ...others } = condition;
  return Array.isArray(values) && isEmptyRecord(others) ? values : condition;
}

/** @param {object} record */
function isEmptyRecord(record) {
  return Object.keys(record).length === 0;
}

/**
 * @param {EventTarget | null} target
 * @returns {target is HTMLDetailsElement}
 */
function isOpenPicker(target) {
  return target instanceof HTMLDetailsElement && target.open && target.matches(".picker");
}

/**
 * Show the selected option on its picker.
 *
 * @param {HTMLElement} input
 */
function updatePickerLabel(input) {
  find(findClosest(input, "[data-picker]"), "[data-picker-label]").textContent = input.dataset.label ?? "";
}
