// The texts that the chat page composes: delivery status, banner, session title, announcements.

const MAX_TITLE_CHARACTERS = 80;
const MAX_ANNOUNCEMENT_CHARACTERS = 3000;

/**
 * Return the delivery status of the questions that the server has not accepted yet.
 *
 * @param {{ isLoggedOut: boolean, isOnline: boolean }} state
 */
export function pendingText({ isLoggedOut, isOnline }) {
  if (isLoggedOut) return "Saved here until you log in.";
  return isOnline ? "Sending…" : "Saved here until the connection is back.";
}

/**
 * Return the text of the banner, or "" if there is a connection and nothing to say about it.
 *
 * @param {{ isLoggedOut: boolean, isOnline: boolean, wasOnline: boolean, isBlocked: boolean }} state
 * @param {{ hasUnsent: boolean, isWriting: boolean }} now whether this page holds unsent questions, and
 *   whether the server is writing an answer
 */
export function bannerText({ isLoggedOut, isOnline, wasOnline, isBlocked }, { hasUnsent, isWriting }) {
  if (isOnline && isBlocked) return "This network blocks WebSockets. Answers arrive over ordinary requests instead.";
  if (isOnline) return "";
  if (isLoggedOut) return "You have been logged out. What you wrote is saved.";
  const status = wasOnline ? "Reconnecting…" : "Connecting…";
  if (hasUnsent) return `${status} Your message is saved.`;
  return isWriting ? `${status} The answer continues in the meantime.` : status;
}

/**
 * Return what to say about a question that is longer than the limit, or "" if it is not.
 *
 * @param {number} count in characters
 * @param {number} limit
 */
export function tooLongText(count, limit) {
  if (count <= limit) return "";
  const [has, may] = [count, limit].map((each) => each.toLocaleString("en"));
  return `${has} characters are too long for a question; the limit is ${may}. Shorten it, or add it as a document.`;
}

/**
 * Return the title of a session whose first question this is. It must be the same as in chat/asking/sessions.py.
 *
 * @param {string} question
 */
export function sessionTitle(question) {
  const start = [...question].slice(0, 4 * MAX_TITLE_CHARACTERS).join("");
  const title = [...oneLine(start).trim()];
  if (title.length <= MAX_TITLE_CHARACTERS) return title.join("");
  const cut = title.slice(0, MAX_TITLE_CHARACTERS - 1);
  const at = title[cut.length] === " " ? -1 : cut.lastIndexOf(" ");
  const words = at >= MAX_TITLE_CHARACTERS / 2 ? cut.slice(0, at) : cut;
  return `${words.join("").trimEnd()}…`;
}

/**
 * Return the text that a screen reader announces when an answer has ended.
 *
 * @param {string} model
 * @param {string} ending
 * @param {string} text
 */
export function announcementText(model, ending, text) {
  return oneLine(`Answer from ${model}: ${ending} ${text}`).slice(0, MAX_ANNOUNCEMENT_CHARACTERS);
}

/** @param {string} text */
function oneLine(text) {
  return text.replace(/\s+/g, " ");
}

/**
 * Return the message id of a request for another version of an answer. It is an idempotency key: the same request
 * from two tabs, or from a double click, makes one version.
 *
 * @param {string} answerId
 * @param {number} count the number of existing versions
 * @param {string} model
 */
export function versionMessageId(answerId, count, model) {
  return `${answerId}.${count}.${model.slice(0, 8)}`;
}

/**
 * Return whether a key belongs to an IME composition (Japanese, Chinese, Korean): Enter then confirms a character.
 *
 * Safari ends the composition before this key, and tells it only by the key code 229.
 * https://www.w3.org/TR/uievents/#determine-keydown-keyup-keyCode
 *
 * @param {KeyboardEvent} event
 */
export function isComposing(event) {
  return event.isComposing || event.keyCode === 229;
}

/**
 * Return the sentences of a text that is read aloud. Browsers stop after some seconds within one long utterance.
 *
 * @param {string} text
 * @param {string} language
 */
export function sentencesOf(text, language) {
  const segmenter = new Intl.Segmenter(language, { granularity: "sentence" });
  const readable = text.replace(/https?:\/\/(\S+?)(?=[.,;:!?)]*(?:\s|$))/g, (_, address) => address.split("/")[0]);
  const line = oneLine(readable); // a line break would end a sentence
  return [...segmenter.segment(line)].map(({ segment }) => segment.trim()).filter(Boolean);
}
