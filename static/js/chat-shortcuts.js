// Keyboard shortcuts: single keys that work while the user is not typing.

import { delegateTarget } from "./dom.js";

/**
 * Bind actions to keys. Escape works also in fields; the other keys work only outside of fields. None works while a
 * dialog or a menu is open.
 *
 * @param {Record<string, (event: KeyboardEvent) => unknown>} actions by key
 */
export function connectShortcuts(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (document.querySelector("dialog[open], [popover]:not([data-passage-card]):popover-open")) return;
    const isTyping = delegateTarget(event, "input, textarea, select, [contenteditable]");
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action || (isTyping && event.key !== "Escape")) return;
    event.preventDefault();
    action(event);
  });
}
