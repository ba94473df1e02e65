// Where a question is written, with what it goes to.

const PARAMETERS_KEY = "ragsite.parameters";

export class Composer {
  /** on: { submit(question), type() } */
  constructor(form, on) {
    this.form = form;
    this.field = form.querySelector("[data-question-field]");
    this.on = on;
    this.#restoreParameters();
    this.#connectField();
    this.#connectPickers();
    this.#connectModels();
    this.#connectFilter();
  }

  get isEmpty() {
    return !this.field.value.trim();
  }

  set text(value) {
    this.field.value = value;
    this.#typed();
    this.focus();
  }

  focus() {
    this.field.focus();
    this.field.setSelectionRange(this.field.value.length, this.field.value.length);
  }

  /** Put a question there without losing what somebody is writing. */
  offer(text) {
    this.text = this.isEmpty || this.field.value === text ? text : `${text}\n${this.field.value}`;
  }

  chooseWorkspace(id) {
    const input = this.#input("workspace", id);
    if (!input) return;
    input.checked = true;
    this.#label(input);
  }

  /** What goes with a question: { workspaceId, filters, modelNames, modelKwargs with metadata }. */
  choices() {
    const data = new FormData(this.form);
    return {
      workspaceId: data.get("workspace") || null,
      filters: filters(data),
      modelNames: data.getAll("model"),
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
    const open = this.form.querySelectorAll(".picker[open]");
    for (const picker of open) picker.open = false;
    return open.length > 0;
  }

  #connectField() {
    this.field.addEventListener("input", () => this.#typed());
    this.field.addEventListener("keydown", (event) => {
      // Enter that ends the choice of a character (Japanese, Chinese, Korean) sends nothing.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.form.requestSubmit();
    });
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    // Fields inside a closed picker cannot show what is wrong with them.
    this.form.addEventListener("invalid", (event) => (event.target.closest("details").open = true), true);
    this.form.addEventListener("click", (event) => {
      if (event.target === this.form) this.focus();
    });
    this.#typed();
  }

  #submit() {
    const text = this.field.value.trim();
    if (!text) return;
    this.closePickers();
    this.field.value = "";
    this.#typed();
    this.on.submit({ text, ...this.choices() });
  }

  #typed() {
    if (!CSS.supports("field-sizing", "content")) {
      this.field.style.height = "auto";
      this.field.style.height = `${this.field.scrollHeight}px`;
    }
    this.on.type();
  }

  #connectPickers() {
    this.form.addEventListener("change", (event) => {
      if (event.target.matches("[name='workspace']")) this.#label(event.target);
      if (event.target.closest(".parameters")) this.#keepParameters();
    });
    // A choice by pointer or Enter closes its menu; arrow keys walk through it.
    this.form.addEventListener("click", (event) => {
      const isChoice = event.target.closest(".option") && event.detail > 0;
      if (isChoice && event.target.matches("input[type='radio']")) this.#chosen();
    });
    this.form.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !event.target.matches(".picker-menu input")) return;
      event.preventDefault();
      this.#chosen();
    });
    this.form.addEventListener("toggle", (event) => event.target.open && this.#opened(event.target), true);
    document.addEventListener("pointerdown", (event) => {
      if (!event.target.closest(".picker")) this.closePickers();
    });
    this.form.querySelector("[data-reset-parameters]").addEventListener("click", () => {
      for (const input of this.#parameters()) {
        input.checked = input.defaultChecked;
        input.value = input.defaultValue;
      }
      this.#keepParameters();
    });
  }

  // One model, or several side by side: then the same inputs are boxes instead of radio buttons.
  #connectModels() {
    const compare = this.form.querySelector("[data-compare]");
    this.#showModels(compare);
    this.form.addEventListener("change", ({ target }) => {
      if (target === compare) this.#setComparing(compare.checked);
      if (target.name === "model" && !this.#models(":checked").length) target.checked = true; // one at least
      if (target === compare || target.name === "model") this.#showModels(compare);
    });
  }

  // The picker itself is exchanged when another workspace is chosen.
  #connectFilter() {
    const show = () => this.#showFilter();
    this.form.addEventListener("change", (event) => event.target.closest(".is-filter") && show());
    this.form.addEventListener("htmx:load", show);
    this.form.addEventListener("click", (event) => {
      if (event.target.closest("[data-clear-filter]")) this.clearFilter();
    });
    show();
  }

  clearFilter() {
    for (const input of this.form.querySelectorAll(".is-filter input")) {
      if (input.type === "checkbox") input.checked = false;
      else input.value = "";
    }
    this.#showFilter();
  }

  #showFilter() {
    const mark = this.form.querySelector("[data-filter-set]");
    mark.hidden = Object.keys(this.choices().filters).length === 0;
  }

  #setComparing(isComparing) {
    const [first] = this.#models(":checked");
    for (const input of this.#models()) input.type = isComparing ? "checkbox" : "radio";
    if (first) first.checked = true;
  }

  #showModels(compare) {
    const chosen = this.#models(":checked");
    const isFull = compare?.checked && chosen.length >= Number(compare.dataset.most);
    for (const input of this.#models()) input.disabled = isFull && !input.checked;
    if (!chosen.length) return;
    this.#label(chosen[0]);
    const picker = chosen[0].closest("[data-picker]");
    const count = picker.querySelector("[data-picker-count]");
    count.hidden = chosen.length === 1;
    count.textContent = `+ ${chosen.length - 1}`;
    const names = chosen.map((input) => input.dataset.label).join(", ");
    picker.querySelector("summary").title = chosen.length > 1 ? `Models that answer: ${names}` : "Model that answers";
  }

  #models(which = "") {
    return [...this.form.querySelectorAll(`[name='model']${which}`)];
  }

  #chosen() {
    this.closePickers();
    this.focus();
  }

  /** Open to the side with more room, no higher than it. */
  #opened(picker) {
    const menu = picker.querySelector(".picker-menu");
    const { top, bottom } = menu.offsetParent.getBoundingClientRect(); // the picker; on a phone the composer
    const above = top - document.querySelector(".topbar").offsetHeight;
    const below = innerHeight - bottom;
    menu.classList.toggle("is-below", below > above);
    menu.style.maxHeight = `${Math.min(460, Math.max(above, below) - 16)}px`;
    const first = picker.querySelector("input:invalid") ?? picker.querySelector("input:checked, input");
    first?.focus({ preventScroll: true });
  }

  #label(input) {
    const picker = input.closest("[data-picker]");
    picker.querySelector("[data-picker-label]").textContent = input.dataset.label;
  }

  #input(name, value) {
    return this.form.querySelector(`[name="${name}"][value="${CSS.escape(value)}"]`);
  }

  #parameters() {
    return this.form.querySelectorAll(".parameters input");
  }

  #keepParameters() {
    const changed = {};
    for (const input of this.#parameters()) {
      const isBox = input.type === "checkbox";
      const isDefault = isBox ? input.checked === input.defaultChecked : input.value === input.defaultValue;
      if (!isDefault) changed[input.name] = isBox ? input.checked : input.value;
    }
    this.#showChanged(changed);
    keep(PARAMETERS_KEY, JSON.stringify(changed));
  }

  #restoreParameters() {
    const changed = JSON.parse(kept(PARAMETERS_KEY) ?? "{}");
    for (const input of this.#parameters()) {
      if (!(input.name in changed)) continue;
      if (input.type === "checkbox") input.checked = changed[input.name];
      else input.value = changed[input.name];
    }
    this.#showChanged(changed);
  }

  #showChanged(changed) {
    this.form.querySelector("[data-parameters-changed]").hidden = Object.keys(changed).length === 0;
  }
}

/** What the inputs named f.department and f.date.from say, as documents/fields/filters.py reads it. */
function filters(data) {
  const found = {};
  for (const [key, value] of data) {
    if (!key.startsWith("f.") || !value.trim()) continue;
    const [, name, word] = key.split(".");
    if (word) (found[name] ??= {})[word] = value;
    else (found[name] ??= []).push(value);
  }
  return found;
}

function kept(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function keep(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Forbidden: then it holds for this page.
  }
}
