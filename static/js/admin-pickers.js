// The admin's pickers of users and workspaces are drawn by Select2, which gives them no name for screen readers.

import { findAll } from "./dom.js";

/** Name each picker after the select element that it stands for, and after the value that it shows. */
function namePickers() {
  for (const value of findAll(document, ".select2-selection__rendered")) {
    const select = value.closest(".select2")?.previousElementSibling;
    if (!(select instanceof HTMLSelectElement)) continue;
    const name = select.ariaLabel ?? select.labels[0]?.textContent ?? "";
    value.setAttribute("aria-label", `${name.replace(/:\s*$/, "").trim()} ${value.textContent}`.trim());
  }
}

// Select2 draws a picker when the page is ready or a row is added, and draws its value again when it changes.
new MutationObserver(namePickers).observe(document.body, { childList: true, subtree: true });
