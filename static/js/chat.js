// The chat page: one state, the socket that changes it, and the modules that render it.
//
// The outbox stores a question until the server accepts it. After each reconnect the page resends it with the same
// message id, an idempotency key: so a question is never lost, and never asked twice. The page follows an answer from
// the sequence number of its last event: so no event is missed or shown twice, even if the connection breaks.

import { connectClipboard, copyAnswer } from "./chat-clipboard.js";
import { Composer } from "./chat-composer.js";
import { Connection } from "./chat-connection.js";
import { Conversation } from "./chat-conversation.js";
import { Drafts } from "./chat-drafts.js";
import { connectEarlier } from "./chat-earlier.js";
import { connectEditing, editAgain, editLast } from "./chat-edit.js";
import { connectLanes, countVersions, markContinued } from "./chat-lanes.js";
import { openMenu } from "./chat-menu.js";
import { belongsToPage, isOrphaned, newId, Outbox, tabId, toRegenerateData, toRunData } from "./chat-outbox.js";
import { AutoScroller } from "./chat-scroll.js";
import { openShare, SessionList } from "./chat-sessions.js";
import { connectShortcuts } from "./chat-shortcuts.js";
import { SourcesPanel } from "./chat-sources.js";
import { announcementText, bannerText, pendingText, sessionTitle, versionMessageId } from "./chat-words.js";
import { cloneTemplate, delegateTarget, find, findAll, findClosest } from "./dom.js";
import { csrfHeaders } from "./http.js";
import { sourceText } from "./text/sources.js";
import { showToast } from "./ui.js";

const MAX_SENDS = 8; // without a reply: then sending it again does not help
const ACCEPT_TIMEOUT_MS = 10000; // without a reply by then, the connection is dead although it looks open
const BANNER_AFTER_MS = 600; // a page that is still loading should not show "Connecting…"

const root = find(document, "[data-chat]");
const elements = {
  announcer: find(root, "[data-announcer]"),
  banner: find(root, "[data-banner]"),
  bannerLogin: find(root, "[data-banner-login]"),
  bannerText: find(root, "[data-banner-text]"),
  field: find(root, "[data-question-field]", HTMLTextAreaElement),
  modelMenu: find(document, "[data-model-menu]"),
  newChat: find(document, "[data-new-chat]"),
  queue: find(root, "[data-queue]"),
  send: find(root, "[data-send]", HTMLButtonElement),
  shortcuts: find(document, "[data-shortcuts-dialog]", HTMLDialogElement),
  stop: find(root, "[data-stop]"),
  title: find(document, "[data-session-title]"),
};

const state = {
  /** @type {string | null} */
  sessionId: root.dataset.session || null,
  isTemporary: "temporary" in root.dataset,
  isOnline: false,
  wasOnline: false,
  isLoggedOut: false,
  tab: tabId(),
  /** @type {Question[]} */
  queue: [], // questions that wait until the answer before them has ended
  /** @type {Map<string, Question | VersionRequest>} */
  sent: new Map(), // by message id, until the server accepts them
  /** @type {Map<string, (ended: HTMLElement) => void>} */
  replaced: new Map(), // by answer id: how another model is asked as soon as the answer has stopped
};

const outbox = new Outbox(root.dataset.user ?? "");
const tabs = new BroadcastChannel("ragsite.chat");
const conversation = new Conversation(root, {
  onRetry: retryQuestion,
  onEdit: returnToComposer,
  onEnd: onAnswerEnd,
});
const toggleSources = find(root, "[data-toggle-sources]");
const autoScroller = new AutoScroller(
  find(root, "[data-scroller]"),
  find(root, "[data-turns]"),
  find(root, "[data-jump]"),
);
connectEarlier(find(root, "[data-scroller]"), (turns) => {
  for (const answer of conversation.adopt(turns)) followAnswer(answer.id, answer.seq);
});
const sessions = new SessionList(find(document, "[data-session-list]"));
const sources = new SourcesPanel(
  find(document, "[data-sources]"),
  find(document, "[data-passage-card]"),
  toggleSources,
);
const socket = new Connection({ onOpen: onSocketOpen, onFrame, onClose: onSocketClose });
const drafts = new Drafts(root.dataset.user ?? "", !state.isTemporary);
elements.field.value ||= drafts.read(state.sessionId);
const composer = new Composer(find(root, "[data-composer]", HTMLFormElement), {
  onSubmit: submitQuestion,
  onInput: onComposerInput,
});

// --- asking ---------------------------------------------------------------------------------------

/** @param {QuestionOptions & { text: string }} input */
function submitQuestion(input) {
  const isQueued = conversation.isBusy;
  const question = { ...input, ...newPendingMessage(), messageId: newId(), isQueued };
  outbox.put(question);
  if (isQueued) state.queue.push(question);
  else dispatch(question);
  render();
}

/**
 * Send an edited question at once. It does not wait for what is being written to the old one.
 *
 * @param {QuestionOptions & { text: string, editsId: string }} input
 */
function submitEdited(input) {
  dispatch({ ...input, ...newPendingMessage(), messageId: newId() });
  render();
  if (matchMedia("(hover: hover)").matches) composer.focus(); // the form that had the focus is gone
}

function onComposerInput() {
  drafts.save(state.sessionId, elements.field.value);
  renderButtons();
}

function newPendingMessage() {
  const { sessionId, tab, isTemporary } = state;
  return { sessionId, tab, at: Date.now(), ...(isTemporary ? { isTemporary } : {}) };
}

/**
 * Show an item and send it. If it cannot be sent now, it is sent when the connection is back.
 *
 * @param {Question | VersionRequest} item
 */
function dispatch(item) {
  item.isQueued = false;
  item.sessionId ??= state.sessionId;
  if ("text" in item && !item.editsId) item.followsId ??= conversation.lastTurnId;
  outbox.put(item);
  state.sent.set(item.messageId, item);
  if ("answerId" in item) conversation.showPendingVersion(item);
  else {
    conversation.showPending(item);
    autoScroller.scrollToEnd();
  }
  sendItem(item);
}

/** @param {Question | VersionRequest} item */
function sendItem(item) {
  item.sends = (item.sends ?? 0) + (socket.isOpen ? 1 : 0);
  if (item.sends > MAX_SENDS) {
    const { messageId } = item;
    return onError({ message: "The server did not reply, although this was sent several times.", messageId });
  }
  const isSent =
    "answerId" in item ? socket.send("regenerate", toRegenerateData(item)) : socket.send("run", toRunData(item));
  if (!isSent) return;
  setTimeout(() => state.sent.has(item.messageId) && socket.isOpen && socket.reopen(), ACCEPT_TIMEOUT_MS);
}

/**
 * Request another version of an answer: from the given model, or from the model that wrote the answer.
 *
 * @param {HTMLElement} answer
 * @param {string} model
 * @param {string} modelLabel
 */
function regenerate(answer, model = answer.dataset.model ?? "", modelLabel = answer.dataset.modelName ?? "") {
  if (answer.hasAttribute("data-live")) return replaceWhenStopped(answer, model, modelLabel);
  requestVersion(answer, model, { modelName: model === answer.dataset.model ? "" : model, modelLabel });
}

/**
 * Request a version of a cut answer that goes on where it ended.
 *
 * @param {HTMLElement} answer
 */
function continueAnswer(answer) {
  const modelLabel = answer.dataset.modelName ?? "";
  requestVersion(answer, "continue", { modelName: "", modelLabel, continues: true });
}

/**
 * @param {HTMLElement} answer
 * @param {string} kind what tells this request apart from others for the same answer
 * @param {Pick<VersionRequest, "modelName" | "modelLabel" | "continues">} wanted
 */
function requestVersion(answer, kind, wanted) {
  const answerId = answer.dataset.answer ?? "";
  const messageId = versionMessageId(answerId, countVersions(answer), kind);
  if (state.sent.has(messageId)) return;
  const { modelKwargs } = composer.options();
  dispatch({ ...newPendingMessage(), ...wanted, messageId, modelKwargs, answerId });
  render();
}

/**
 * Stop an answer that is being written, and ask another model as soon as it has ended.
 *
 * @param {HTMLElement} answer
 * @param {string} model
 * @param {string} modelLabel
 */
function replaceWhenStopped(answer, model, modelLabel) {
  const id = answer.dataset.answer ?? "";
  state.replaced.set(id, (ended) => regenerate(ended, model, modelLabel));
  stopAnswers([id]);
}

/**
 * Send a refused question again, after the turn that is the last one by now.
 *
 * @param {Question} question
 */
function retryQuestion(question) {
  dispatch({ ...question, followsId: undefined, refusal: undefined, sends: 0 });
  render();
}

/** @param {Question} question */
function returnToComposer(question) {
  outbox.remove(question.messageId);
  if (!editAgain(root, question)) composer.prependText(question.text);
}

function dispatchNext() {
  const next = conversation.isBusy ? undefined : state.queue.shift();
  if (next) dispatch(next);
  render();
}

/** @param {Iterable<string>} ids */
function stopAnswers(ids) {
  for (const id of ids) socket.send("stop", { answerId: id });
}

/** @param {Question} question */
function takeFromQueue(question) {
  state.queue = state.queue.filter((each) => each !== question);
}

/** @param {Question} question */
function removeFromQueue(question) {
  takeFromQueue(question);
  returnToComposer(question);
  render();
}

/**
 * Send a queued question while the answer before it is still being written. Its prompt holds no word of that answer.
 *
 * @param {Question} question
 */
function sendNow(question) {
  takeFromQueue(question);
  dispatch(question);
  render();
}

// --- the socket -----------------------------------------------------------------------------------

function onSocketOpen() {
  state.isOnline = state.wasOnline = true;
  for (const item of state.sent.values()) sendItem(item);
  for (const answer of conversation.answers.values()) followAnswer(answer.id, answer.seq);
  conversation.refetchEnded();
  sendOrphans();
  render();
}

/** @param {boolean} isPermanent */
function onSocketClose(isPermanent) {
  state.isOnline = false;
  state.isLoggedOut = isPermanent;
  setTimeout(render, state.wasOnline ? 0 : BANNER_AFTER_MS);
}

/**
 * @param {string} answerId
 * @param {number} afterSeq
 */
function followAnswer(answerId, afterSeq) {
  socket.send("follow", { answerId, afterSeq });
}

/** @param {ServerFrame} frame */
function onFrame({ action, data }) {
  if (action === "accepted") onAccepted(data);
  if (action === "event") onEvents(data);
  if (action === "error") onError(data);
  // Only whole sessions are deleted, so nothing on this page is left.
  if (action === "gone") location.replace(state.isTemporary ? "/?ended" : "/?deleted");
}

/** @param {AcceptedQuestion | AcceptedVersion} data */
function onAccepted(data) {
  const item = state.sent.get(data.messageId);
  state.sent.delete(data.messageId);
  outbox.remove(data.messageId);
  if (!item) return;
  if (item.isOrphan) showToast("A question from earlier has been sent.");
  else if (data.replaces !== undefined) shareAccepted(data);
  else if ("text" in item) {
    if (item.editsId) stopAnswers(conversation.liveAnswersFrom(item.editsId)); // only now: a refusal changes nothing
    enterSession(data.sessionId, item.text);
    forgetLinkedTurn();
    if (!shareAccepted({ ...data, text: item.text })) location.replace(`/chat/${data.sessionId}/`);
  }
  void sessions.refresh();
  render();
}

/**
 * Show an accepted message on this page and in the other tabs. Return false if this page shows another branch.
 *
 * @param {TabMessage} message
 */
function shareAccepted(message) {
  tabs.postMessage(message);
  return showAccepted(message);
}

/** @param {TabMessage} message */
function showAccepted(message) {
  if (message.replaces === undefined) return conversation.acceptQuestion(message, message.text);
  conversation.acceptVersion(message);
  return true;
}

/**
 * Turn the page of a new chat into the page of the session that its first question has created.
 *
 * @param {string} sessionId
 * @param {string} text
 */
function enterSession(sessionId, text) {
  if (state.sessionId) return;
  drafts.save(null, "");
  drafts.save(sessionId, elements.field.value);
  state.sessionId = sessionId;
  for (const question of state.queue) outbox.put(Object.assign(question, { sessionId }));
  history.replaceState(null, "", `/chat/${sessionId}/`);
  if (!state.isTemporary) showTitle(sessionTitle(text));
}

/** Make a reload show the end of the path, although a link has opened this page at a turn or in another branch. */
function forgetLinkedTurn() {
  const address = new URL(location.href);
  address.hash = "";
  for (const name of ["from", "turn", "words"]) address.searchParams.delete(name);
  history.replaceState(null, "", address);
}

/** @param {AnswerEvents} data */
function onEvents({ answerId, events }) {
  const missingAfter = conversation.applyEvents(answerId, events);
  if (missingAfter !== null) followAnswer(answerId, missingAfter);
  const last = events.at(-1);
  if (last) socket.send("ack", { answerId, seq: last.seq });
}

/**
 * Show an error of the server. A refused question stays in the outbox until the user retries or edits it.
 *
 * @param {ErrorData} refusal
 */
function onError({ message, messageId = "" }) {
  const item = state.sent.get(messageId);
  state.sent.delete(messageId);
  const isShown = item && "text" in item && conversation.refuseQuestion(item, message);
  // The page of its session shows the refusal when the user opens it.
  const isFromClosedTab = item && "text" in item && item.isOrphan;
  if (isShown || isFromClosedTab) outbox.put({ ...item, isOrphan: false, refusal: message });
  else if (messageId) outbox.remove(messageId);
  if (item && "answerId" in item) conversation.refuseVersion(item);
  if (!isShown) showToast(message);
  dispatchNext();
}

/** @param {HTMLElement} answer */
async function onAnswerEnd(answer) {
  const showsMetadata = composer.options().modelKwargs.metadata;
  if (showsMetadata) for (const details of findAll(answer, "[data-why]", HTMLDetailsElement)) details.open = true;
  const text = findAll(answer, "[data-text]").map(sourceText).join("");
  const ending = answer.querySelector(".notice, .ending")?.textContent ?? "";
  elements.announcer.textContent = announcementText(answer.dataset.modelName ?? "", ending, text);
  const id = answer.dataset.answer ?? "";
  state.replaced.get(id)?.(answer);
  state.replaced.delete(id);
  dispatchNext();
  if (state.sessionId && findAll(root, "[data-turn]").length === 1) await watchTitle(state.sessionId);
}

/** @param {string} sessionId */
async function watchTitle(sessionId) {
  const { waitForTitle } = await import("./chat-title.js");
  await waitForTitle(sessionId, (title) => {
    if (sessionId !== state.sessionId || title === elements.title.textContent) return;
    showTitle(title);
    sessions.showTitle(sessionId, title);
  });
}

/** @param {string} title */
function showTitle(title) {
  elements.title.textContent = title;
  document.title = `${title} · Ragsite`;
}

// --- other tabs, and the questions they left behind -----------------------------------------------

/** @param {MessageEvent<TabMessage>} message */
tabs.onmessage = ({ data }) => {
  if (data.sessionId !== state.sessionId) return;
  showAccepted(data);
  for (const { answerId } of data.answers) followAnswer(answerId, 0);
  render();
};

outbox.onChange(() => {
  const stored = new Set(outbox.all().map((item) => item.messageId));
  state.queue = state.queue.filter((item) => stored.has(item.messageId));
  render();
});

/** Take over from the outbox what belongs to this page, such as a question that was unsent before a reload. */
function restoreOutbox() {
  for (const item of outbox.all().filter((each) => belongsToPage(each, state))) {
    if ("answerId" in item) dispatch(item);
    else if (item.isQueued) state.queue.push(item);
    else if (item.refusal) {
      conversation.showPending(item);
      conversation.refuseQuestion(item, item.refusal);
    } else dispatch(item);
  }
}

/** Send the questions that a closed tab left in the outbox. */
function sendOrphans() {
  const ownIds = new Set([...state.sent.keys(), ...state.queue.map((each) => each.messageId)]);
  for (const item of outbox.all().filter((each) => isOrphaned(each, Date.now()) && !ownIds.has(each.messageId))) {
    state.sent.set(item.messageId, { ...item, isOrphan: true });
    sendItem(item);
  }
}

// --- rendering ------------------------------------------------------------------------------------

function render() {
  renderBanner();
  renderQueue();
  renderButtons();
  conversation.showPendingStatus(pendingText(state));
}

function renderBanner() {
  const hasUnsent = state.sent.size > 0 || state.queue.length > 0;
  const isWriting = conversation.answers.size > 0;
  const text = bannerText({ ...state, isBlocked: socket.isBlocked }, { hasUnsent, isWriting });
  elements.bannerText.textContent = text;
  elements.bannerLogin.hidden = !state.isLoggedOut;
  elements.banner.hidden = !text;
  root.classList.toggle("is-offline", !state.isOnline);
}

function renderQueue() {
  elements.queue.replaceChildren(...state.queue.map(createQueuedRow));
  elements.queue.hidden = !state.queue.length;
}

/** @param {Question} question */
function createQueuedRow(question) {
  const row = cloneTemplate("[data-queued-template]");
  find(row, "[data-queued-text]").textContent = question.text;
  find(row, "[data-send-now]").addEventListener("click", () => sendNow(question));
  find(row, "[data-unqueue]").addEventListener("click", () => removeFromQueue(question));
  return row;
}

function renderButtons() {
  const isWriting = conversation.answers.size > 0;
  const isEmpty = elements.field.value.trim() === "";
  elements.stop.hidden = !isWriting;
  elements.send.hidden = isWriting && isEmpty;
  elements.send.disabled = isEmpty || elements.field.getAttribute("aria-invalid") === "true";
  elements.send.setAttribute("aria-label", isWriting ? "Send after this answer" : "Send");
}

// --- buttons and keys -----------------------------------------------------------------------------

elements.stop.addEventListener("click", () => stopAnswers(conversation.answers.keys()));
connectLanes(root);
connectEditing(root, Number(elements.field.dataset.most), submitEdited);
elements.field.addEventListener("keydown", (event) => {
  if (event.key === "ArrowUp" && !elements.field.value && editLast(root)) event.preventDefault();
});

/** @type {HTMLElement | null} */
let menuAnswer = null; // the answer whose model menu is open

elements.modelMenu.addEventListener("click", (event) => {
  const chosen = delegateTarget(event, "[data-model]");
  if (!chosen || !menuAnswer) return;
  elements.modelMenu.hidePopover();
  regenerate(menuAnswer, chosen.dataset.model, chosen.textContent.trim());
});

/** @param {HTMLElement} answer */
async function continueFrom(answer) {
  const response = await fetch(`/answers/${answer.dataset.answer}/continue/`, {
    method: "POST",
    keepalive: true, // the request survives if the user leaves the page at once
    headers: csrfHeaders(),
  }).catch(() => null);
  if (!response?.ok) return showToast("This could not be saved. Try again in a moment.");
  markContinued(answer);
  showToast("The conversation continues from this answer.");
}

root.addEventListener("click", (event) => {
  const again = delegateTarget(event, "[data-ask-again]");
  if (again) askAgain(again);
  const suggestion = delegateTarget(event, "[data-suggest]");
  if (suggestion) composer.send(suggestion.dataset.suggest ?? "");
});

/** @param {HTMLElement} button */
function askAgain(button) {
  if (button.hasAttribute("data-without-workspace")) composer.selectWorkspace("");
  if (button.hasAttribute("data-without-filter")) composer.clearFilter();
  composer.prependText(sourceText(find(findClosest(button, "[data-turn]"), "[data-question]")));
}

root.addEventListener("click", async (event) => {
  const answer = delegateTarget(event, "[data-answer]");
  if (!answer) return;
  if (delegateTarget(event, "[data-regenerate]")) regenerate(answer);
  if (delegateTarget(event, "[data-continue]")) continueAnswer(answer);
  if (delegateTarget(event, "[data-stop-one]")) socket.send("stop", { answerId: answer.dataset.answer ?? "" });
  const withAnother = delegateTarget(event, "[data-regenerate-with]");
  if (withAnother) {
    menuAnswer = answer;
    openMenu(elements.modelMenu, withAnother);
  }
  if (delegateTarget(event, "[data-go-on]")) await continueFrom(answer);
});

root.querySelector("[data-share-open]")?.addEventListener("click", () => state.sessionId && openShare(state.sessionId));
find(root, "[data-show-shortcuts]").addEventListener("click", () => elements.shortcuts.showModal());

/** Copy the last answer on the page. */
async function copyLastAnswer() {
  const last = findAll(root, "[data-answer]:not([hidden])").at(-1);
  if (last) await copyAnswer(last);
}

/**
 * Close the open pickers, the sheet or the sources panel; else stop the answers; else remove the focus from the field.
 *
 * @param {Event} event
 */
function onEscape({ target }) {
  if (composer.closePickers() || sessions.closeSheet() || sources.close()) return;
  if (conversation.answers.size) stopAnswers(conversation.answers.keys());
  else if (target instanceof HTMLElement) target.blur();
}

if (state.isTemporary) {
  const { connectTemporary } = await import("./chat-temporary.js");
  connectTemporary(() => state.sessionId);
}
/**
 * Mark the words that a search found in the turn that its link has opened.
 *
 * @param {HTMLElement} turn
 */
async function markLinked(turn) {
  if (!root.dataset.foundWords) return;
  const { markFound } = await import("./chat-found.js");
  markFound(turn, JSON.parse(root.dataset.foundWords));
}

connectClipboard(root);
if (root.dataset.speech !== undefined) {
  void import("./chat-speech.js").then(({ connectSpeech }) => connectSpeech(root));
}
connectShortcuts({
  n: () => elements.newChat.click(),
  "/": () => composer.focus(),
  k: () => sessions.openAdjacent(-1),
  j: () => sessions.openAdjacent(1),
  c: copyLastAnswer,
  s: () => sources.toggle(),
  b: () => sessions.toggle(),
  "?": () => elements.shortcuts.showModal(),
  Escape: onEscape,
});

const linked = location.hash.startsWith("#turn-") && document.getElementById(location.hash.slice(1));
if (linked) {
  autoScroller.scrollTo(linked);
  void markLinked(linked);
} else autoScroller.scrollToEnd();
// Not on touch screens, where a keyboard would pop up.
if (!state.sessionId && matchMedia("(hover: hover)").matches) composer.focus();
restoreOutbox();
render();
elements.banner.hidden = true; // the banner appears only if connecting takes longer than BANNER_AFTER_MS
socket.open();
setTimeout(render, BANNER_AFTER_MS);
setInterval(() => {
  for (const answer of conversation.answers.values()) answer.showElapsed(performance.now());
}, 1000);
