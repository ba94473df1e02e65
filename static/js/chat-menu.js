// A menu that opens beside the button it belongs to, and is walked with the arrow keys.

let opener = null;

export function openMenu(menu, button) {
  opener = button;
  menu.onkeydown = walk;
  menu.showPopover();
  const at = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  menu.style.left = `${Math.max(8, Math.min(at.left, innerWidth - width - 8))}px`;
  menu.style.top = `${at.bottom + height > innerHeight ? Math.max(8, at.top - height) : at.bottom + 4}px`;
  menu.querySelector("button")?.focus();
}

function walk(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (event.key === "Escape") opener.focus();
  if (!step) return;
  event.preventDefault();
  const buttons = [...event.currentTarget.querySelectorAll("button")];
  buttons.at((buttons.indexOf(document.activeElement) + step) % buttons.length).focus();
}
