// The answers to one question: models side by side in lanes (tabs where there is no room), and in each
// lane the versions of an answer, of which one is in front.

const make = (name) => document.querySelector(`[data-${name}-template]`).content.firstElementChild.cloneNode(true);
const versions = (lane) => [...lane.querySelectorAll("[data-answer]")];
const front = (lane) => lane.querySelector("[data-answer]:not([hidden])");

/** Put a lane for each of these answers into an empty turn; returns their elements. */
export function addLanes(turn, answers) {
  const place = turn.querySelector("[data-answers]");
  return answers.map(({ answerId, model }) => {
    const lane = make("lane");
    const answer = newAnswer(answerId, model);
    lane.append(answer);
    place.querySelector("[data-lane-tabs]").append(make("lane-tab"));
    place.append(lane);
    place.dataset.lanes = String(lanes(place).length);
    place.classList.toggle("is-several", answers.length > 1);
    showLane(place, 0);
    refresh(lane);
    return answer;
  });
}

/** Put another version in front of an answer; returns its element. */
export function addVersion(old, { answerId, model }) {
  const answer = newAnswer(answerId, model);
  const lane = old.closest("[data-lane]");
  lane.append(answer);
  bringToFront(answer);
  return answer;
}

/** Take a version away that came to nothing. */
export function removeVersion(answer) {
  const before = answer.previousElementSibling;
  const lane = answer.closest("[data-lane]");
  answer.remove();
  if (front(lane)) refresh(lane);
  else bringToFront(before);
}

export function name(answer, model) {
  answer.dataset.modelName = model;
  refresh(answer.closest("[data-lane]"));
}

/** How many versions the server has, as far as this page knows. */
export function countVersions(answer) {
  return versions(answer.closest("[data-lane]")).filter((each) => each.dataset.answer).length;
}

/** Show this version of its lane instead of the others. */
export function bringToFront(answer) {
  const lane = answer.closest("[data-lane]");
  for (const each of versions(lane)) each.hidden = each !== answer;
  refresh(lane);
}

/** Mark the answer that the conversation goes on with. */
export function markGoesOn(answer) {
  for (const each of answer.closest("[data-answers]").querySelectorAll("[data-goes-on]")) {
    if (each !== answer) each.removeAttribute("data-goes-on");
  }
  answer.setAttribute("data-goes-on", "");
}

/** Say in the lane's head and its tab whose answer it is, which version, and how it stands. */
export function refresh(lane) {
  const place = lane.closest("[data-answers]");
  const all = versions(lane);
  const shown = front(lane);
  const number = all.indexOf(shown);
  lane.classList.toggle("has-versions", all.length > 1);
  lane.querySelector("[data-version-number]").textContent = `${number + 1} / ${all.length}`;
  lane.querySelector('[data-version-step="-1"]').disabled = number === 0;
  lane.querySelector('[data-version-step="1"]').disabled = number === all.length - 1;
  const tab = tabs(place)[lanes(place).indexOf(lane)];
  for (const each of [lane, tab]) each.querySelector("[data-lane-name]").textContent = shown.dataset.modelName;
  tab.classList.toggle("is-live", shown.hasAttribute("data-live"));
  tab.classList.toggle("is-bad", shown.dataset.ended === "failed");
  place.classList.toggle("has-choice", place.querySelectorAll("[data-answer]").length > 1);
}

export function connectLanes(root) {
  for (const lane of root.querySelectorAll("[data-turns] [data-lane]")) refresh(lane);
  root.addEventListener("click", (event) => {
    const tab = event.target.closest("[data-lane-tab]");
    if (tab) {
      const place = tab.closest("[data-answers]");
      showLane(place, tabs(place).indexOf(tab));
    }
    const step = event.target.closest("[data-version-step]");
    if (step) {
      const lane = step.closest("[data-lane]");
      const all = versions(lane);
      bringToFront(all[all.indexOf(front(lane)) + Number(step.dataset.versionStep)]);
    }
  });
}

function newAnswer(answerId, model) {
  const answer = make("answer");
  answer.dataset.answer = answerId;
  answer.dataset.modelName = model;
  return answer;
}

function lanes(place) {
  return [...place.querySelectorAll("[data-lane]")];
}

function tabs(place) {
  return [...place.querySelectorAll("[data-lane-tab]")];
}

function showLane(place, index) {
  lanes(place).forEach((lane, each) => lane.classList.toggle("is-front", each === index));
  tabs(place).forEach((tab, each) => tab.setAttribute("aria-pressed", String(each === index)));
}
