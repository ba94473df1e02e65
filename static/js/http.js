// What requests to the server need, and what their replies may be.

/**
 * Return the headers by which Django knows that a request comes from a page of this site (its CSRF check).
 *
 * @returns {Record<string, string>}
 */
export function csrfHeaders() {
  return JSON.parse(document.body.getAttribute("hx-headers") ?? "{}");
}

/**
 * Parse JSON. Return null if the text is not JSON: an object storage replies in XML.
 *
 * @param {string} text
 * @returns {any}
 */
export function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
