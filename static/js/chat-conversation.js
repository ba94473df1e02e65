// The turns on the page: questions that are being sent, answers that are being written, and answers that the
// server has rendered.

import { LiveAnswer } from "./chat-answer.js";
import {
  addLanes,
  addVersion,
  markContinued,
  removeVersion,
  setModelName,
  showVersion,
  updateLaneOf,
  updateLanes,
} from "./chat-lanes.js";
import { cloneTemplate, fetchFragment, find, findAll } from "./dom.js";
import { drawAll } from "./text/drawn.js";
import { takeOver } from "./text/patch.js";
import { drawQuestions } from "./text/plain.js";

/**
 * @typedef {object} ConversationCallbacks
 * @property {(question: Question) => void} onRetry
 * @property {(question: Question) => void} onEdit
 * @property {(answer: HTMLElement) => void} onEnd
 */

export class Conversation {
  /** @type {Map<string, LiveAnswer>} */
  answers = new Map(); // by id, while they are being written
  /** @type {Map<string, HTMLElement>} */
  #pending = new Map(); // message id -> element of the turn, until the server accepts the question
  /** @type {Map<string, HTMLElement[]>} */
  #replaced = new Map(); // message id of an edited question -> the turns and notes that it hides
  /** @type {Map<string, HTMLElement>} */
  #versions = new Map(); // message id -> element of the requested version, until the server accepts the request

  /**
   * @param {HTMLElement} root
   * @param {ConversationCallbacks} callbacks
   */
  constructor(root, callbacks) {
    this.root = root;
    this.turns = find(root, "[data-turns]");
    this.callbacks = callbacks;
    for (const element of findAll(this.turns, "[data-live]")) this.#track(element);
    drawTurns([this.turns]);
  }

  /**
   * Take over turns that the server has rendered. Return their answers that are being written.
   *
   * @param {HTMLElement[]} turns
   */
  adopt(turns) {
    for (const turn of turns) {
      updateLanes(turn);
      window.htmx.process(turn);
    }
    drawTurns(turns);
    return turns.flatMap((turn) => findAll(turn, "[data-live]")).map((element) => this.#track(element));
  }

  get isBusy() {
    return this.answers.size > 0 || this.#pending.size > 0 || this.#versions.size > 0;
  }

  /**
   * Show a question that the server has not accepted yet.
   *
   * @param {Question} question
   */
  showPending({ messageId, text, editsId }) {
    if (this.#pending.has(messageId)) return;
    if (editsId) this.#hideFrom(editsId, messageId);
    const turn = this.#appendTurn(text);
    turn.classList.add("is-pending");
    this.#pending.set(messageId, turn);
  }

  /**
   * Show a version of an answer that the server has not accepted yet.
   *
   * @param {VersionRequest} request
   */
  showPendingVersion({ messageId, answerId, modelLabel }) {
    const old = this.#findAnswer(answerId);
    if (!old || this.#versions.has(messageId)) return;
    this.#versions.set(messageId, addVersion(old, { answerId: "", model: modelLabel }));
  }

  /**
   * Show the delivery status of all questions and versions that the server has not accepted yet.
   *
   * @param {string} text
   */
  showPendingStatus(text) {
    for (const turn of this.#pending.values()) setTurnNote(turn, text);
    for (const version of this.#versions.values()) find(version, "[data-status-text]").textContent = text;
  }

  /**
   * Show a question as accepted in place of what followed the turn before it, and track its answers. Return false if
   * that turn is not on this page, which then shows another branch.
   *
   * @param {AcceptedQuestion} accepted
   * @param {string} text
   */
  acceptQuestion({ messageId, turnId, parentId, answers, filterWords }, text) {
    const pending = this.#pending.get(messageId);
    const replaced = this.#replaced.get(messageId) ?? [];
    this.#pending.delete(messageId);
    this.#replaced.delete(messageId);
    const wasStored = Boolean(this.#findTurn(turnId)); // before this page was loaded
    // The turn before the first one on the page may be among the earlier ones, which are not shown.
    const isHere = !parentId || this.#findTurn(parentId) || replaced.some((each) => each.isConnected);
    if (wasStored || !isHere) {
      pending?.remove();
      return wasStored;
    }
    this.#removeAfter(parentId);
    const turn = pending ?? this.#appendTurn(text);
    turn.classList.remove("is-pending");
    turn.dataset.turn = turnId;
    void this.#fetchTools(turn);
    setTurnNote(turn, "");
    const filter = find(turn, "[data-filter-words]");
    filter.textContent = filterWords ? `Only documents with ${filterWords}` : "";
    filter.hidden = !filterWords;
    for (const answer of addLanes(turn, answers)) this.#track(answer);
    return true;
  }

  /**
   * Show a requested version as accepted, and track it.
   *
   * @param {AcceptedVersion} accepted
   */
  acceptVersion({ messageId, replaces, answers: [{ answerId, model }] }) {
    const pending = this.#versions.get(messageId);
    this.#versions.delete(messageId);
    const existing = this.#findAnswer(answerId);
    if (existing) {
      pending?.remove();
      return showVersion(existing);
    }
    const old = this.#findAnswer(replaces);
    const answer = pending ?? (old && addVersion(old, { answerId, model }));
    if (!answer) return; // another tab requested it, for an answer that is not on this page
    answer.dataset.answer = answerId;
    setModelName(answer, model);
    this.#track(answer);
  }

  /**
   * Show why the server refused a question, with buttons to retry or edit it. Return whether the page shows it.
   *
   * @param {Question} question
   * @param {string} reason
   */
  refuseQuestion(question, reason) {
    const turn = this.#pending.get(question.messageId);
    if (!turn) return false;
    this.#pending.delete(question.messageId);
    turn.classList.add("is-refused");
    for (const hidden of this.#replaced.get(question.messageId) ?? []) hidden.hidden = false;
    this.#replaced.delete(question.messageId);
    /** @param {(question: Question) => void} callback */
    const removeTurnAnd = (callback) => () => {
      turn.remove();
      callback(question);
    };
    const retry = createButton("Try again", removeTurnAnd(this.callbacks.onRetry));
    const edit = createButton("Edit question", removeTurnAnd(this.callbacks.onEdit));
    setTurnNote(turn, `Not sent: ${reason}`, retry, edit);
    return true;
  }

  /**
   * Remove a version whose request the server refused.
   *
   * @param {VersionRequest} request
   */
  refuseVersion({ messageId }) {
    const version = this.#versions.get(messageId);
    if (version) removeVersion(version);
    this.#versions.delete(messageId);
  }

  /**
   * Apply a batch of an answer's events. If some are missing, return the sequence number after which the page
   * must follow the log again; else null.
   *
   * @param {string} answerId
   * @param {LoggedEvent[]} events
   */
  applyEvents(answerId, events) {
    const answer = this.answers.get(answerId);
    if (!answer) return null;
    for (const event of events) {
      const outcome = answer.apply(event);
      if (outcome === "gap") return answer.seq;
      if (outcome === "end") void this.#replaceWithRendered(answer);
    }
    return null;
  }

  /** Fetch the answers that ended while the server was unreachable. */
  refetchEnded() {
    for (const answer of this.answers.values()) if (answer.hasEnded) void this.#replaceWithRendered(answer);
  }

  /**
   * Show an answer that has ended as the server renders it. Its text is there already, and stays where it is.
   *
   * @param {LiveAnswer} answer
   */
  async #replaceWithRendered(answer) {
    answer.hasEnded = true;
    const part = await fetchFragment(`/answers/${answer.id}/`);
    if (this.answers.get(answer.id) !== answer) return; // a second request has replaced it already
    const [rendered] = part ? findAll(part, "[data-answer]") : [];
    if (!rendered) return answer.showStatus("Finished. It appears when the connection is back");
    const restarted = find(answer.element, "[data-restarted]");
    if (!restarted.hidden) rendered.prepend(restarted);
    rendered.hidden = answer.element.hidden; // the user may be looking at another version
    const isRead = find(answer.element, "[data-thinking]", HTMLDetailsElement).open;
    for (const thinking of findAll(rendered, ".thinking", HTMLDetailsElement)) thinking.open = isRead;
    answer.text.release();
    takeOver(answer.element, rendered);
    updateLaneOf(answer.element);
    if (answer.element.hasAttribute("data-goes-on")) markContinued(answer.element);
    window.htmx.process(answer.element);
    this.answers.delete(answer.id);
    this.callbacks.onEnd(answer.element);
  }

  /** The last turn of the conversation that the server has accepted. */
  get lastTurnId() {
    const accepted = findAll(this.turns, "[data-turn]:not([data-turn=''], [hidden])");
    return accepted.at(-1)?.dataset.turn;
  }

  /**
   * Hide an edited question and what follows it, until the server accepts the new version.
   *
   * @param {string} turnId
   * @param {string} messageId
   */
  #hideFrom(turnId, messageId) {
    const hidden = this.#from(this.#findTurn(turnId));
    for (const each of hidden) each.hidden = true;
    this.#replaced.set(messageId, hidden);
  }

  /**
   * Remove what follows a turn, for another version of the next question.
   *
   * @param {string | null} turnId null: all
   */
  #removeAfter(turnId) {
    const turns = findAll(this.turns, "[data-turn]");
    const next = turns[turns.findIndex((turn) => turn.dataset.turn === turnId) + 1];
    for (const each of this.#from(next ?? null)) this.#remove(each);
    if (!turnId) this.turns.querySelector("[data-earlier]")?.remove();
  }

  /**
   * Return a turn and what follows it, but no question that the server has not accepted.
   *
   * @param {HTMLElement | null} turn
   */
  #from(turn) {
    const all = findAll(this.turns, ":scope > *");
    return turn ? all.slice(all.indexOf(turn)).filter((each) => !each.matches(".is-pending, .is-refused")) : [];
  }

  /** @param {HTMLElement} part */
  #remove(part) {
    for (const { dataset } of findAll(part, "[data-live]")) this.answers.delete(dataset.answer ?? "");
    part.remove();
  }

  /**
   * Return the ids of the answers that are being written to this question and those after it.
   *
   * @param {string} turnId
   */
  liveAnswersFrom(turnId) {
    const live = this.#from(this.#findTurn(turnId)).flatMap((each) => findAll(each, "[data-live]"));
    return live.map(({ dataset }) => dataset.answer ?? "");
  }

  /**
   * Fetch the buttons of a question, and what an edit of it sends along.
   *
   * @param {HTMLElement} turn
   */
  async #fetchTools(turn) {
    const part = await fetchFragment(`/turns/${turn.dataset.turn}/tools/`);
    const [tools] = part ? findAll(part, "[data-question-tools]") : [];
    if (!tools) return; // the page has them after a reload
    find(turn, "[data-question-tools]").replaceWith(tools);
  }

  /**
   * @param {string} turnId
   * @returns {HTMLElement | null}
   */
  #findTurn(turnId) {
    return this.turns.querySelector(`[data-turn="${CSS.escape(turnId)}"]`);
  }

  /** @param {string} text */
  #appendTurn(text) {
    const turn = cloneTemplate("[data-turn-template]");
    find(turn, "[data-question]").textContent = text;
    drawQuestions(turn);
    this.turns.append(turn);
    this.root.classList.remove("is-new");
    this.root.querySelector("[data-greeting]")?.remove();
    this.root.querySelector("[data-suggestions]")?.remove();
    return turn;
  }

  /** @param {string} answerId */
  #findAnswer(answerId) {
    return this.turns.querySelector(`[data-answer="${CSS.escape(answerId)}"]`);
  }

  /** @param {HTMLElement} element */
  #track(element) {
    const answer = new LiveAnswer(element);
    this.answers.set(answer.id, answer);
    return answer;
  }
}

/** @param {HTMLElement[]} parts */
function drawTurns(parts) {
  for (const part of parts) drawQuestions(part);
  drawAll(parts);
}

/**
 * @param {string} label
 * @param {() => void} onClick
 */
function createButton(label, onClick) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button is-small";
  button.textContent = label;
  button.addEventListener("click", onClick);
  return button;
}

/**
 * @param {Element} turn
 * @param {string} text
 * @param {Element[]} buttons
 */
function setTurnNote(turn, text, ...buttons) {
  const note = find(turn, "[data-turn-note]");
  note.replaceChildren(text, ...buttons);
  note.hidden = !text;
}
