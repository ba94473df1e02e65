// Type-checked DOM look-ups. If an element that the templates must contain is missing, the error names it.

/**
 * Return a value that must exist. Throws an Error with its name if it is missing.
 *
 * @template T
 * @param {T | null | undefined} value
 * @param {string} name
 * @returns {T}
 */
export function required(value, name) {
  if (value === null || value === undefined) throw new Error(`This page has no ${name}.`);
  return value;
}

/**
 * Return the first descendant that matches and has this class, by default HTMLElement. Throws an Error if none does.
 *
 * @overload
 * @param {ParentNode} parent
 * @param {string} selector
 * @returns {HTMLElement}
 */
/**
 * @template {Element} T
 * @overload
 * @param {ParentNode} parent
 * @param {string} selector
 * @param {new () => T} type
 * @returns {T}
 */
/**
 * @param {ParentNode} parent
 * @param {string} selector
 * @param {new () => Element} type
 */
export function find(parent, selector, type = HTMLElement) {
  const found = parent.querySelector(selector);
  return required(found instanceof type ? found : null, selector);
}

/**
 * Return all descendants that match and have this class, by default HTMLElement.
 *
 * @overload
 * @param {ParentNode} parent
 * @param {string} selector
 * @returns {HTMLElement[]}
 */
/**
 * @template {Element} T
 * @overload
 * @param {ParentNode} parent
 * @param {string} selector
 * @param {new () => T} type
 * @returns {T[]}
 */
/**
 * @param {ParentNode} parent
 * @param {string} selector
 * @param {new () => Element} type
 */
export function findAll(parent, selector, type = HTMLElement) {
  return [...parent.querySelectorAll(selector)].filter((each) => each instanceof type);
}

/**
 * Return the closest ancestor that matches, or the element itself. Throws an Error if there is none.
 *
 * @param {Element} element
 * @param {string} selector
 */
export function findClosest(element, selector) {
  const found = element.closest(selector);
  return required(found instanceof HTMLElement ? found : null, selector);
}

/**
 * Event delegation: return the matching element that an event happened in, or null. The target of the event may be an
 * icon inside a button, so this looks at its ancestors too.
 *
 * @overload
 * @param {Event} event
 * @param {string} selector
 * @returns {HTMLElement | null}
 */
/**
 * @template {Element} T
 * @overload
 * @param {Event} event
 * @param {string} selector
 * @param {new () => T} type
 * @returns {T | null}
 */
/**
 * @param {Event} event
 * @param {string} selector
 * @param {new () => Element} type
 */
export function delegateTarget({ target }, selector, type = HTMLElement) {
  const found = target instanceof Element ? target.closest(selector) : null;
  return found instanceof type ? found : null;
}

/**
 * Return a clone of the first element in a template.
 *
 * @param {string} selector
 */
export function cloneTemplate(selector) {
  const { content } = find(document, selector, HTMLTemplateElement);
  return find(document.importNode(content, true), "*");
}

/**
 * Fetch HTML that the server has rendered and sanitised. Return null if the request fails.
 *
 * @param {string} url
 */
export async function fetchFragment(url) {
  try {
    const response = await fetch(url, { headers: { "X-Requested-With": "fetch" } });
    if (!response.ok || response.redirected) return null;
    return document.createRange().createContextualFragment(await response.text());
  } catch {
    return null; // the connection failed, at the start or while the body was arriving
  }
}
