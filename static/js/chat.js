// The chat page: one state, the socket that changes it, and the modules that show it.
//
// A question is kept in the outbox until the server accepts it, and goes out again with the same id after
// each reconnect: so it is never lost, and never asked twice. An answer is followed by the number of its
// last event: so nothing of it is missed or shown twice, whatever happened to the connection in between.

import { connectClipboard, copyAnswer } from "./chat-clipboard.js";
import { Composer } from "./chat-composer.js";
import { Conversation } from "./chat-conversation.js";
import { Outbox, newId, tabId } from "./chat-outbox.js";
import { connectLanes, countVersions, markGoesOn } from "./chat-lanes.js";
import { openMenu } from "./chat-menu.js";
import { Follower } from "./chat-scroll.js";
import { SessionList } from "./chat-sessions.js";
import { connectShortcuts } from "./chat-shortcuts.js";
import { Socket } from "./chat-socket.js";
import { Sources } from "./chat-sources.js";
import { toast } from "./ui.js";

const ACCEPT_WAIT_MS = 10000; // longer, and the connection is dead although it looks open
const ORPHAN_AFTER_MS = 30000; // a question of another tab that this one sends in its place
const BANNER_AFTER_MS = 600; // a page that just loads is not "reconnecting"

const root = document.querySelector("[data-chat]");
const find = (name) => root.querySelector(`[data-${name}]`);

const state = {
  sessionId: root.dataset.session || null,
  isOnline: false,
  wasOnline: false,
  tab: tabId(),
  queue: [], // questions that wait for the answer before them
  sent: new Map(), // message id -> question, until it is accepted
};

const outbox = new Outbox(root.dataset.user);
const tabs = new BroadcastChannel("ragsite.chat");
const conversation = new Conversation(root, { retry, takeBack, ended });
const follower = new Follower(find("scroller"), find("turns"), find("jump"));
const sessions = new SessionList(document.querySelector("[data-session-list]"));
const sources = new Sources(
  document.querySelector("[data-sources]"),
  document.querySelector("[data-passage-card]"),
  find("toggle-sources"),
);
const socket = new Socket({ open: connected, frame: received, lost: disconnected });
const composer = new Composer(find("composer"), { submit: ask, type: showButtons });

// --- asking ---------------------------------------------------------------------------------------

function ask(question) {
  const item = { ...question, messageId: newId(), sessionId: state.sessionId, tab: state.tab, at: Date.now() };
  item.isQueued = conversation.isBusy;
  outbox.put(item);
  if (item.isQueued) state.queue.push(item);
  else dispatch(item);
  show();
}

/** Show a question and send it. What cannot be sent now goes out when the connection is back. */
function dispatch(item) {
  item.isQueued = false;
  item.sessionId ??= state.sessionId;
  outbox.put(item);
  state.sent.set(item.messageId, item);
  if (item.answerId) conversation.showPendingVersion(item);
  else {
    conversation.showPending(item);
    follower.jump();
  }
  send(item);
}

function send(item) {
  const { messageId, sessionId, answerId, text, workspaceId, filters, modelName, modelNames } = item;
  const { metadata, ...modelKwargs } = item.modelKwargs; // what is shown is the page's business
  const isSent = answerId
    ? socket.send("regenerate", { answerId, messageId, modelName, modelKwargs })
    : socket.send("run", {
      modelNames, sessionId, workspaceId, filters, modelKwargs, text, mode: "chain", messageId,
    });
  if (!isSent) return;
  setTimeout(() => state.sent.has(messageId) && socket.isOpen && socket.reopen(), ACCEPT_WAIT_MS);
}

/** Ask for another version of an answer; without a model, of the one it had. */
function regenerate(answer, model = answer.dataset.model, modelLabel = answer.dataset.modelName) {
  const answerId = answer.dataset.answer;
  // The same wish in two tabs, or clicked twice, has the same id: it is one version.
  const messageId = `${answerId}.${countVersions(answer)}.${model.slice(0, 8)}`;
  if (state.sent.has(messageId)) return;
  const modelName = model === answer.dataset.model ? "" : model;
  const { modelKwargs } = composer.choices();
  const common = { messageId, sessionId: state.sessionId, tab: state.tab, at: Date.now(), modelKwargs };
  dispatch({ ...common, answerId, modelName, modelLabel });
  show();
}

function retry(item) {
  dispatch({ ...item, refusal: undefined });
  show();
}

function takeBack(item) {
  outbox.remove(item.messageId);
  composer.offer(item.text);
}

function sendNext() {
  if (state.queue.length && !conversation.isBusy) dispatch(state.queue.shift());
  show();
}

function stop() {
  for (const id of conversation.answers.keys()) socket.send("stop", { answerId: id });
}

function unqueue(item) {
  state.queue = state.queue.filter((each) => each !== item);
  outbox.remove(item.messageId);
  composer.offer(item.text);
  show();
}

// --- the socket -----------------------------------------------------------------------------------

function connected() {
  state.isOnline = state.wasOnline = true;
  for (const item of state.sent.values()) send(item);
  for (const answer of conversation.answers.values()) follow(answer.id, answer.seq);
  conversation.retryEnded();
  adoptOrphans();
  show();
}

function disconnected(isForGood) {
  state.isOnline = false;
  state.isLoggedOut = isForGood;
  setTimeout(show, state.wasOnline ? 0 : BANNER_AFTER_MS);
}

function follow(answerId, afterSeq) {
  socket.send("follow", { answerId, afterSeq });
}

function received({ action, data }) {
  if (action === "accepted") accepted(data);
  if (action === "event") happened(data);
  if (action === "error") refused(data);
}

function accepted(data) {
  const item = state.sent.get(data.messageId);
  state.sent.delete(data.messageId);
  outbox.remove(data.messageId);
  if (!item) return;
  if (item.isOrphan) toast("A question you asked earlier was sent.");
  else if (data.replaces) {
    conversation.acceptVersion(data);
    tabs.postMessage(data);
  } else {
    enterSession(data.sessionId, item.text);
    conversation.accept(data, item.text);
    tabs.postMessage({ ...data, text: item.text });
  }
  sessions.refresh();
  show();
}

/** The first question makes the session: from now on this page is its page. */
function enterSession(sessionId, text) {
  if (state.sessionId) return;
  state.sessionId = sessionId;
  for (const item of state.queue) outbox.put(Object.assign(item, { sessionId }));
  history.replaceState(null, "", `/chat/${sessionId}/`);
  const title = text.replace(/\s+/g, " ").slice(0, 80);
  document.querySelector("[data-session-title]").textContent = title;
  document.title = `${title} · Ragsite`;
}

function happened({ answerId, events }) {
  const missingAfter = conversation.apply(answerId, events);
  if (missingAfter !== null) follow(answerId, missingAfter);
  if (events.length) socket.send("ack", { answerId, seq: events.at(-1).seq });
}

/** A question that was refused stays here until somebody decides what becomes of it. */
function refused({ message, messageId }) {
  const item = state.sent.get(messageId);
  state.sent.delete(messageId);
  if (item && conversation.refuse(item, message)) outbox.put({ ...item, refusal: message });
  else {
    if (messageId) outbox.remove(messageId);
    toast(message);
  }
  show();
}

function ended(answer) {
  const isWanted = composer.choices().modelKwargs.metadata;
  if (isWanted) for (const fold of answer.querySelectorAll("[data-why]")) fold.open = true;
  const text = answer.querySelector("[data-text]")?.textContent ?? "";
  const ending = answer.querySelector(".notice, .ending")?.innerText ?? "";
  find("announcer").textContent = `Answer of ${answer.dataset.modelName}: ${ending} ${text}`.replace(/\s+/g, " ").slice(0, 3000);
  sendNext();
}

// --- other tabs, and what they left behind --------------------------------------------------------

tabs.onmessage = ({ data }) => {
  if (data.sessionId !== state.sessionId) return;
  if (data.replaces) conversation.acceptVersion(data);
  else conversation.accept(data, data.text);
  for (const { answerId } of data.answers) follow(answerId, 0);
  show();
};

outbox.onChange(() => {
  const kept = new Set(outbox.all().map((item) => item.messageId));
  state.queue = state.queue.filter((item) => kept.has(item.messageId));
  show();
});

/** Take up the questions that this page, before a reload, had not got rid of. */
function restore() {
  for (const item of outbox.all()) {
    const isOfNewChat = item.tab === state.tab || item.refusal; // nothing sends the latter by itself
    const isHere = item.sessionId ? item.sessionId === state.sessionId : !state.sessionId && isOfNewChat;
    if (!isHere) continue;
    if (item.isQueued) state.queue.push(item);
    else if (item.refusal) {
      conversation.showPending(item);
      conversation.refuse(item, item.refusal);
    } else dispatch(item);
  }
}

/** Send what a tab that is gone could not send any more. */
function adoptOrphans() {
  for (const item of outbox.all()) {
    const isOurs = state.sent.has(item.messageId) || state.queue.some((each) => each.messageId === item.messageId);
    if (isOurs || item.isQueued || item.refusal || Date.now() - item.at < ORPHAN_AFTER_MS) continue;
    state.sent.set(item.messageId, { ...item, isOrphan: true });
    send(item);
  }
}

// --- showing --------------------------------------------------------------------------------------

function show() {
  showBanner();
  showQueue();
  showButtons();
  conversation.notePending(pendingWords());
}

function pendingWords() {
  if (state.isLoggedOut) return "Kept here until you have logged in.";
  return state.isOnline ? "Sending…" : "Kept here until the connection is back.";
}

function showBanner() {
  find("banner-text").textContent = bannerWords();
  find("banner-login").hidden = !state.isLoggedOut;
  find("banner").hidden = state.isOnline;
  root.classList.toggle("is-offline", !state.isOnline);
}

function bannerWords() {
  if (state.isLoggedOut) return "You are not logged in any more. What you wrote is kept.";
  const words = state.wasOnline ? "Reconnecting…" : "Connecting…";
  if (state.sent.size || state.queue.length) return `${words} your message is kept.`;
  return conversation.answers.size ? `${words} the answer is written meanwhile.` : words;
}

function showQueue() {
  const list = find("queue");
  const template = find("queued-template");
  list.replaceChildren(
    ...state.queue.map((item) => {
      const row = template.content.firstElementChild.cloneNode(true);
      row.querySelector("[data-queued-text]").textContent = item.text;
      row.querySelector("[data-unqueue]").addEventListener("click", () => unqueue(item));
      return row;
    }),
  );
  list.hidden = !state.queue.length;
}

function showButtons() {
  const isWriting = conversation.answers.size > 0;
  const isEmpty = find("question-field").value.trim() === "";
  find("stop").hidden = !isWriting;
  find("send").hidden = isWriting && isEmpty;
  find("send").disabled = isEmpty;
  find("send").setAttribute("aria-label", isWriting ? "Send after this answer" : "Send");
}

// --- buttons and keys -----------------------------------------------------------------------------

find("stop").addEventListener("click", stop);
connectLanes(root);

const modelMenu = document.querySelector("[data-model-menu]");
let regenerated = null; // the answer whose menu is open

modelMenu.addEventListener("click", (event) => {
  const chosen = event.target.closest("[data-model]");
  if (!chosen) return;
  modelMenu.hidePopover();
  regenerate(regenerated, chosen.dataset.model, chosen.textContent.trim());
});

async function goOnWith(answer) {
  const response = await fetch(`/answers/${answer.dataset.answer}/continue/`, {
    method: "POST",
    keepalive: true, // also if the page is left at once
    headers: JSON.parse(document.body.getAttribute("hx-headers")),
  }).catch(() => null);
  if (!response?.ok) return toast("This could not be kept just now. Try again.");
  markGoesOn(answer);
  toast("The conversation goes on from this answer.");
}

root.addEventListener("click", (event) => {
  const again = event.target.closest("[data-ask-again]");
  if (again) {
    if (again.hasAttribute("data-without-workspace")) composer.chooseWorkspace("");
    if (again.hasAttribute("data-without-filter")) composer.clearFilter();
    composer.offer(again.closest("[data-turn]").querySelector("[data-question]").textContent);
  }
  const answer = event.target.closest("[data-answer]");
  const has = (name) => event.target.closest(`[data-${name}]`);
  if (has("regenerate")) regenerate(answer);
  if (has("go-on")) goOnWith(answer);
  if (has("stop-one")) socket.send("stop", { answerId: answer.dataset.answer });
  if (has("regenerate-with")) {
    regenerated = answer;
    openMenu(modelMenu, has("regenerate-with"));
  }
  const suggestion = event.target.closest("[data-suggest]");
  if (suggestion) composer.text = suggestion.dataset.suggest;
});

function showShortcuts() {
  document.querySelector("[data-shortcuts-dialog]").showModal();
}

find("show-shortcuts").addEventListener("click", showShortcuts);

connectClipboard(root);
connectShortcuts({
  n: () => document.querySelector("[data-new-chat]").click(),
  "/": () => composer.focus(),
  k: () => sessions.go(-1),
  j: () => sessions.go(1),
  c: () => copyAnswer([...root.querySelectorAll("[data-answer]:not([hidden])")].at(-1)),
  s: () => sources.toggle(),
  b: () => sessions.toggle(),
  "?": showShortcuts,
  Escape: (event) => {
    const isClosed = composer.closePickers() || sessions.closeSheet() || sources.close();
    if (isClosed) return;
    if (conversation.answers.size) stop();
    else event.target.blur();
  },
});

follower.jump();
if (!state.sessionId && matchMedia("(hover: hover)").matches) composer.focus(); // no keyboard pops up
restore();
show();
find("banner").hidden = true; // until it is clear that the connection takes its time
socket.open();
setTimeout(show, BANNER_AFTER_MS);
