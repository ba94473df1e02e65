// The turns on the page: questions on their way, answers being written, answers as the server shows them.

import { LiveAnswer } from "./chat-answer.js";

export class Conversation {
  answers = new Map(); // id -> LiveAnswer, while it is written
  #pending = new Map(); // message id -> its turn's element, until it is accepted

  /** on: { takeBack(messageId), ended(answerElement) } */
  constructor(root, on) {
    this.root = root;
    this.turns = root.querySelector("[data-turns]");
    this.on = on;
    for (const element of this.turns.querySelectorAll("[data-live]")) this.#follow(element);
  }

  get isBusy() {
    return this.answers.size > 0 || this.#pending.size > 0;
  }

  /** Show a question that the server has not accepted yet. */
  showPending(item) {
    if (this.#pending.has(item.messageId)) return;
    const turn = this.#newTurn(item.text);
    turn.classList.add("is-pending");
    this.#pending.set(item.messageId, turn);
  }

  /** Say beneath the questions on their way why they wait. */
  notePending(words) {
    for (const turn of this.#pending.values()) note(turn, words);
  }

  /** The server has the question: its answers begin. */
  accept({ messageId, turnId, answers }, text) {
    const turn = this.#pending.get(messageId) ?? this.#turn(turnId) ?? this.#newTurn(text);
    this.#pending.delete(messageId);
    turn.classList.remove("is-pending");
    turn.dataset.turn = turnId;
    note(turn, "");
    for (const { answerId } of answers) {
      if (!this.turns.querySelector(`[data-answer="${CSS.escape(answerId)}"]`)) this.#newAnswer(turn, answerId);
    }
  }

  /** The server refuses the question: say why, and offer it back. */
  refuse(messageId, reason) {
    const turn = this.#pending.get(messageId);
    if (!turn) return false;
    turn.classList.add("is-refused");
    const back = document.createElement("button");
    back.type = "button";
    back.className = "button is-small";
    back.textContent = "Put it back";
    back.addEventListener("click", () => {
      turn.remove();
      this.on.takeBack(turn.querySelector("[data-question]").textContent);
    });
    this.#pending.delete(messageId);
    note(turn, `Not sent: ${reason}`, back);
    return true;
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
    answer.element.replaceWith(shown);
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

  #newAnswer(turn, answerId) {
    const template = document.querySelector("[data-answer-template]");
    const element = template.content.querySelector("[data-answer]").cloneNode(true);
    element.dataset.answer = answerId;
    turn.querySelector("[data-answers]").append(element);
    this.#follow(element);
  }

  #follow(element) {
    this.answers.set(element.dataset.answer, new LiveAnswer(element));
  }
}

function note(turn, words, ...more) {
  const line = turn.querySelector("[data-turn-note]");
  line.replaceChildren(words, ...more);
  line.hidden = !words;
}
