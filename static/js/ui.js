// What every page shares: the theme, short confirmations, and selecting several rows.

const root = document.documentElement;

/** Keep the theme where the server reads it (cookie) and where the admin does (localStorage). */
function setTheme(choice) {
  const isFixed = choice === "light" || choice === "dark";
  if (isFixed) root.dataset.theme = choice;
  else delete root.dataset.theme;
  document.cookie = `theme=${isFixed ? choice : ""}; path=/; samesite=lax; max-age=${isFixed ? 31536000 : 0}`;
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === choice));
  }
}

/** Say something short that goes away by itself. */
export function toast(text) {
  const note = document.createElement("div");
  note.className = "toast";
  note.textContent = text;
  document.getElementById("toasts").append(note);
  setTimeout(() => note.remove(), 4000);
}

function connectTheme() {
  setTheme(localStorage.getItem("theme") ?? root.dataset.theme ?? "auto");
  for (const element of document.querySelectorAll("[data-theme-switch]")) {
    element.hidden = false;
    element.addEventListener("click", (event) => {
      const choice = event.target.closest("[data-theme-choice]")?.dataset.themeChoice;
      if (!choice) return;
      localStorage.setItem("theme", choice);
      setTheme(choice);
    });
  }
  window.addEventListener("storage", (event) => {
    if (event.key === "theme") setTheme(event.newValue ?? "auto");
  });
}

/** The boxes with this name on the page, ticked or not. */
function boxes(name) {
  return [...document.querySelectorAll(`input[type=checkbox][name="${name}"]`)];
}

/** Buttons that act on a selection say how many, and rest while there is none. */
function showSelection() {
  for (const all of document.querySelectorAll("[data-select-all]")) {
    const [ticked, every] = selected(all.dataset.selectAll);
    all.checked = ticked > 0 && ticked === every;
    all.indeterminate = ticked > 0 && ticked < every;
  }
  for (const button of document.querySelectorAll("[data-selection-needed]")) {
    const [ticked] = selected(button.dataset.selectionNeeded);
    button.disabled = ticked === 0;
    const label = button.querySelector("[data-selection-label]");
    label.textContent = ticked ? `${label.dataset.selectionLabel} ${ticked}` : label.dataset.selectionLabel;
  }
}

/** How many boxes with this name are ticked, and how many there are. */
function selected(name) {
  const every = boxes(name);
  return [every.filter((box) => box.checked).length, every.length];
}

document.addEventListener("change", (event) => {
  const name = event.target.dataset?.selectAll;
  if (name) for (const box of boxes(name)) box.checked = event.target.checked;
  showSelection();
});
document.addEventListener("htmx:afterSettle", showSelection);

connectTheme();
showSelection();
document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
