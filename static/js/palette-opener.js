// Opens the command palette: with Ctrl K (Cmd K on Apple's devices) or a button. Its script is loaded only then.

import { delegateTarget } from "./dom.js";

const IS_APPLE = /Mac|iPhone|iPad/.test(globalThis.navigator?.platform ?? "");

/**
 * Tell whether these keys open the palette. On a keyboard without Latin letters the place of the key counts. On Apple's
 * devices Ctrl K deletes the rest of a line in a text field, so there it is Cmd K only.
 *
 * @param {Pick<KeyboardEvent, "key" | "code" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey" | "isComposing">} event
 */
export function isPaletteKey(event, isApple = IS_APPLE) {
  const [wanted, other] = isApple ? [event.metaKey, event.ctrlKey] : [event.ctrlKey, event.metaKey];
  if (!wanted || other || event.altKey || event.shiftKey || event.isComposing) return false;
  const isLatin = /^[a-z]$/i.test(event.key);
  return isLatin ? event.key.toLowerCase() === "k" : event.code === "KeyK";
}

async function open() {
  const { togglePalette } = await import("./command-palette.js");
  await togglePalette();
}

export function connectPalette() {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || !isPaletteKey(event)) return;
    event.preventDefault(); // in some browsers it goes to the address bar
    if (!document.querySelector("dialog:modal:not([data-palette])")) void open();
  });
  document.addEventListener("click", (event) => {
    if (delegateTarget(event, "[data-open-palette]")) void open();
  });
}
