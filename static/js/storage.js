// localStorage and cookies. If the browser refuses to store a value, the page works without it.

const YEAR_S = 31536000;

/**
 * Return a stored text, or null if there is none or the browser forbids storage.
 *
 * @param {string} key
 */
export function readStorage(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/**
 * Store a text. Return whether the browser accepted it.
 *
 * @param {string} key
 * @param {string} text
 */
export function writeStorage(key, text) {
  try {
    localStorage.setItem(key, text);
    return true;
  } catch {
    return false; // storage is full or forbidden
  }
}

/**
 * Store a value in a cookie, where the server reads it. An empty value deletes the cookie.
 *
 * @param {string} name
 * @param {string} value
 */
export function setCookie(name, value) {
  // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API needs https, and Safari lacks it
  document.cookie = `${name}=${value}; path=/; samesite=lax; max-age=${value ? YEAR_S : 0}`;
}
