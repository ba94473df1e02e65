// The answers to one question. Each model has a lane; lanes stand side by side, or become tabs if there is no room.
// A lane shows one of its versions (the first answer and the regenerated ones) and hides the others.

import { cloneTemplate, delegateTarget, find, findAll, findClosest, required } from "./dom.js";

/** @param {Element} container */
const lanes = (container) => findAll(container, "[data-lane]");
/** @param {Element} container */
const tabs = (container) => findAll(container, "[data-lane-tab]");
/** @param {Element} lane */
const versions = (lane) => findAll(lane, "[data-answer]");
/** @param {Element} lane */
const visibleVersion = (lane) => find(lane, "[data-answer]:not([hidden])");
/** @param {Element} answer */
const laneOf = (answer) => findClosest(answer, "[data-lane]");

/**
 * Add a lane for each answer to an empty turn. Return the elements of the answers.
 *
 * @param {Element} turn
 * @param {AcceptedAnswer[]} answers
 */
export function addLanes(turn, answers) {
  const container = find(turn, "[data-answers]");
  return answers.map(({ answerId, model }) => {
    const lane = cloneTemplate("[data-lane-template]");
    const answer = createAnswer(answerId, model);
    lane.append(answer);
    find(container, "[data-lane-tabs]").append(cloneTemplate("[data-lane-tab-template]"));
    container.append(lane);
    container.dataset.lanes = String(lanes(container).length);
    container.classList.toggle("is-several", answers.length > 1);
    showLane(container, 0);
    updateLane(lane);
    return answer;
  });
}

/**
 * Add a version to the lane of an answer, and show it. Return its element.
 *
 * @param {Element} old
 * @param {AcceptedAnswer} version
 */
export function addVersion(old, { answerId, model }) {
  const answer = createAnswer(answerId, model);
  laneOf(old).append(answer);
  showVersion(answer);
  return answer;
}

/**
 * Remove a version whose request the server refused.
 *
 * @param {HTMLElement} answer
 */
export function removeVersion(answer) {
  const lane = laneOf(answer);
  const all = versions(lane);
  const before = all[all.indexOf(answer) - 1];
  answer.remove();
  if (!answer.hidden && before) showVersion(before);
  else updateLane(lane);
}

/**
 * @param {HTMLElement} answer
 * @param {string} model
 */
export function setModelName(answer, model) {
  answer.dataset.modelName = model;
  updateLane(laneOf(answer));
}

/**
 * Return how many versions of an answer the server has recorded, as far as this page knows.
 *
 * @param {Element} answer
 */
export function countVersions(answer) {
  return versions(laneOf(answer)).filter((each) => each.dataset.answer).length;
}

/**
 * Show one version in its lane, and hide the others.
 *
 * @param {Element} answer
 */
export function showVersion(answer) {
  const lane = laneOf(answer);
  for (const each of versions(lane)) each.hidden = each !== answer;
  updateLane(lane);
}

/**
 * Show one version and its lane.
 *
 * @param {Element} answer
 */
export function showAnswer(answer) {
  showVersion(answer);
  const container = findClosest(answer, "[data-answers]");
  showLane(container, lanes(container).indexOf(laneOf(answer)));
}

/**
 * Mark the answer from which the conversation continues.
 *
 * @param {Element} answer
 */
export function markContinued(answer) {
  for (const each of findClosest(answer, "[data-answers]").querySelectorAll("[data-goes-on]")) {
    if (each !== answer) each.removeAttribute("data-goes-on");
  }
  answer.setAttribute("data-goes-on", "");
}

/**
 * Update the head and the tab of a lane: the model's name, the version number and the state of the answer.
 *
 * @param {HTMLElement} lane
 */
function updateLane(lane) {
  const container = findClosest(lane, "[data-answers]");
  const all = versions(lane);
  const shown = visibleVersion(lane);
  const number = all.indexOf(shown);
  lane.classList.toggle("has-versions", all.length > 1);
  find(lane, "[data-version-number]").textContent = `${number + 1} / ${all.length}`;
  find(lane, '[data-version-step="-1"]', HTMLButtonElement).disabled = number === 0;
  find(lane, '[data-version-step="1"]', HTMLButtonElement).disabled = number === all.length - 1;
  const tab = required(tabs(container)[lanes(container).indexOf(lane)], "tab of this lane");
  for (const each of [lane, tab]) find(each, "[data-lane-name]").textContent = shown.dataset.modelName ?? "";
  tab.classList.toggle("is-live", shown.hasAttribute("data-live"));
  tab.classList.toggle("is-bad", shown.dataset.ended === "failed");
  container.classList.toggle("has-choice", versions(container).length > 1);
}

/**
 * Update the lane of an answer.
 *
 * @param {Element} answer
 */
export function updateLaneOf(answer) {
  updateLane(laneOf(answer));
}

/** @param {HTMLElement} part a part of the page with turns */
export function updateLanes(part) {
  for (const lane of findAll(part, "[data-lane]")) updateLane(lane);
}

/** @param {HTMLElement} root */
export function connectLanes(root) {
  updateLanes(find(root, "[data-turns]"));
  root.addEventListener("click", (event) => {
    const tab = delegateTarget(event, "[data-lane-tab]");
    if (tab) {
      const container = findClosest(tab, "[data-answers]");
      showLane(container, tabs(container).indexOf(tab));
    }
    const step = delegateTarget(event, "[data-version-step]");
    if (step) stepVersion(visibleVersion(laneOf(step)), Number(step.dataset.versionStep));
  });
}

/**
 * @param {HTMLElement} shown
 * @param {number} step
 */
function stepVersion(shown, step) {
  const all = versions(laneOf(shown));
  const next = all[all.indexOf(shown) + step];
  if (next) showVersion(next);
}

/**
 * @param {string} answerId
 * @param {string} model
 */
function createAnswer(answerId, model) {
  const answer = cloneTemplate("[data-answer-template]");
  answer.dataset.answer = answerId;
  answer.dataset.modelName = model;
  return answer;
}

/**
 * @param {Element} container
 * @param {number} index
 */
function showLane(container, index) {
  for (const [each, lane] of lanes(container).entries()) lane.classList.toggle("is-front", each === index);
  for (const [each, tab] of tabs(container).entries()) tab.setAttribute("aria-pressed", String(each === index));
}
