// What every page shares: the theme, short confirmations, and "select all".

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

connectTheme();
