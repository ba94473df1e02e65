// Says that a text is too long where it is written. A maxlength would cut what is pasted, without a word.

/**
 * Return what is wrong with a text, "" if it fits. Characters are code points, as the server counts them.
 *
 * @param {string} text
 * @param {number} limit
 */
export function limitProblem(text, limit) {
  const length = [...text].length;
  if (length <= limit) return "";
  const [has, most] = [length, limit].map((count) => count.toLocaleString("en"));
  return `Shorten this to ${most} characters; it has ${has}.`;
}

/**
 * Let the browser refuse to send a field whose text is too long, with the reason.
 *
 * @param {EventTarget | null} field
 */
export function checkLimit(field) {
  if (!(field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement)) return;
  if (field.dataset.limit) field.setCustomValidity(limitProblem(field.value, Number(field.dataset.limit)));
}
