// Single letters do things while nobody is typing.

/** actions: { key: () => void }; Escape is handled everywhere, the rest outside of fields and dialogs. */
export function connectShortcuts(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (document.querySelector("dialog[open], [popover]:not([data-passage-card]):popover-open")) return;
    const isTyping = event.target.closest("input, textarea, select, [contenteditable]");
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action || (isTyping && event.key !== "Escape")) return;
    event.preventDefault();
    action(event);
  });
}
