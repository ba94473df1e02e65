// Popover menus: a menu opens next to its button, and the arrow keys move the focus through it.

import { findAll } from "./dom.js";

/** @type {Record<string, number>} */
const STEPS = { ArrowDown: 1, ArrowUp: -1 };

/**
 * @param {HTMLElement} menu
 * @param {HTMLElement} button
 */
export function openMenu(menu, button) {
  menu.onkeydown = (event) => onMenuKeydown(event, menu, button);
  menu.showPopover();
  const at = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  menu.style.left = `${Math.max(8, Math.min(at.left, innerWidth - width - 8))}px`;
  menu.style.top = `${at.bottom + height > innerHeight ? Math.max(8, at.top - height) : at.bottom + 4}px`;
  findAll(menu, "button, a")[0]?.focus();
}

/**
 * @param {KeyboardEvent} event
 * @param {HTMLElement} menu
 * @param {HTMLElement} opener
 */
function onMenuKeydown(event, menu, opener) {
  if (event.key === "Escape") opener.focus();
  const step = STEPS[event.key];
  if (!step) return;
  event.preventDefault();
  const buttons = findAll(menu, "button, a");
  const { activeElement } = document;
  const current = activeElement instanceof HTMLElement ? buttons.indexOf(activeElement) : -1;
  buttons.at((current + step) % buttons.length)?.focus();
}
