// The turns on the page: questions on their way, answers being written, answers as the server shows them.

import { LiveAnswer } from "./chat-answer.js";
import { addLanes, addVersion, bringToFront, markGoesOn, name, refresh, removeVersion } from "./chat-lanes.js";

export class Conversation {
  answers = new Map(); // id -> LiveAnswer, while it is written
  #pending = new Map(); // message id -> its turn's element, until it is accepted
  #versions = new Map(); // message id -> the element of a version asked for, until it is accepted

  /** on: { retry(item), takeBack(item), ended(answerElement) } */
  constructor(root, on) {
    this.root = root;
    this.turns = root.querySelector("[data-turns]");
    this.on = on;
    for (const element of this.turns.querySelectorAll("[data-live]")) this.#follow(element);
  }

  get isBusy() {
    return this.answers.size > 0 || this.#pending.size > 0 || this.#versions.size > 0;
  }

  /** Show a question that the server has not accepted yet. */
  showPending(item) {
    if (this.#pending.has(item.messageId)) return;
    const turn = this.#newTurn(item.text);
    turn.classList.add("is-pending");
    this.#pending.set(item.messageId, turn);
  }

  /** Show a version of an answer that the server has not accepted yet. */
  showPendingVersion({ messageId, answerId, modelLabel }) {
    const old = this.#answer(answerId);
    if (!old || this.#versions.has(messageId)) return;
    this.#versions.set(messageId, addVersion(old, { answerId: "", model: modelLabel }));
  }

  /** Say beneath the questions on their way why they wait. */
  notePending(words) {
    for (const turn of this.#pending.values()) note(turn, words);
    for (const version of this.#versions.values()) version.querySelector("[data-status-text]").textContent = words;
  }

  /** The server has the question: its answers begin. */
  accept({ messageId, turnId, answers, filterWords }, text) {
    const pending = this.#pending.get(messageId);
    this.#pending.delete(messageId);
    const there = this.#turn(turnId);
    if (there) return pending?.remove(); // it was recorded before this page was fetched
    const turn = pending ?? this.#newTurn(text);
    turn.classList.remove("is-pending");
    turn.dataset.turn = turnId;
    note(turn, "");
    const filter = turn.querySelector("[data-filter-words]");
    filter.textContent = filterWords ? `Only documents with ${filterWords}` : "";
    filter.hidden = !filterWords;
    for (const answer of addLanes(turn, answers)) this.#follow(answer);
  }

  /** The server has the wish for another version: it begins. */
  acceptVersion({ messageId, replaces, answers: [{ answerId, model }] }) {
    const pending = this.#versions.get(messageId);
    this.#versions.delete(messageId);
    const there = this.#answer(answerId);
    if (there) {
      pending?.remove();
      return bringToFront(there);
    }
    const old = this.#answer(replaces);
    if (!pending && !old) return; // asked for in another tab, of an answer that is not here
    const answer = pending ?? addVersion(old, { answerId, model });
    answer.dataset.answer = answerId;
    name(answer, model);
    this.#follow(answer);
  }

  /** The server refuses the question: say why, and offer what to do. */
  refuse(item, reason) {
    this.#refuseVersion(item.messageId);
    const turn = this.#pending.get(item.messageId);
    if (!turn) return false;
    this.#pending.delete(item.messageId);
    turn.classList.add("is-refused");
    const gone = (does) => () => {
      turn.remove();
      does(item);
    };
    note(turn, `Not sent: ${reason}`, button("Try again", gone(this.on.retry)), button("Put it back", gone(this.on.takeBack)));
    return true;
  }

  #refuseVersion(messageId) {
    const version = this.#versions.get(messageId);
    if (version) removeVersion(version);
    this.#versions.delete(messageId);
  }

  /** Apply a batch of an answer's events. Return the seq to follow from again, if some are missing. */
  apply(answerId, events) {
    const answer = this.answers.get(answerId);
    for (const event of answer ? events : []) {
      const outcome = answer.apply(event);
      if (outcome === "gap") return answer.seq;
      if (outcome === "end") this.#end(answer);
    }
    return null;
  }

  /** Fetch again what ended while the server could not be reached. */
  retryEnded() {
    for (const answer of this.answers.values()) if (answer.hasEnded) this.#end(answer);
  }

  async #end(answer) {
    answer.hasEnded = true;
    const response = await fetch(`/answers/${answer.id}/`, { headers: { "X-Requested-With": "fetch" } }).catch(() => null);
    if (!response?.ok || response.redirected) {
      answer.say("Written. It is shown when the server can be reached again");
      return;
    }
    // The server rendered and sanitised it.
    const part = document.createRange().createContextualFragment(await response.text());
    const shown = part.querySelector("[data-answer]");
    const restarted = answer.element.querySelector("[data-restarted]");
    if (!restarted.hidden) shown.prepend(restarted);
    shown.hidden = answer.element.hidden; // somebody may look at another version
    answer.element.replaceWith(shown);
    refresh(shown.closest("[data-lane]"));
    if (shown.hasAttribute("data-goes-on")) markGoesOn(shown);
    window.htmx.process(shown);
    this.answers.delete(answer.id);
    this.on.ended(shown);
  }

  #turn(turnId) {
    return this.turns.querySelector(`[data-turn="${CSS.escape(turnId)}"]`);
  }

  #newTurn(text) {
    const turn = document.querySelector("[data-turn-template]").content.firstElementChild.cloneNode(true);
    turn.querySelector("[data-question]").textContent = text;
    this.turns.append(turn);
    this.root.classList.remove("is-new");
    this.root.querySelector("[data-greeting]")?.remove();
    this.root.querySelector("[data-suggestions]")?.remove();
    return turn;
  }

  #answer(answerId) {
    return this.turns.querySelector(`[data-answer="${CSS.escape(answerId)}"]`);
  }

  #follow(element) {
    this.answers.set(element.dataset.answer, new LiveAnswer(element));
  }
}

function button(words, does) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "button is-small";
  made.textContent = words;
  made.addEventListener("click", does);
  return made;
}

function note(turn, words, ...more) {
  const line = turn.querySelector("[data-turn-note]");
  line.replaceChildren(words, ...more);
  line.hidden = !words;
}
