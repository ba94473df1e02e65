// The list of sessions: shown or hidden, renamed, pinned, deleted.

import { openMenu } from "./chat-menu.js";

const IS_PHONE = window.matchMedia("(width < 860px)");

export class SessionList {
  #item = null; // the session whose menu is open

  constructor(list) {
    this.list = list;
    this.menu = document.querySelector("[data-session-popover]");
    this.renaming = document.querySelector("[data-rename-dialog]");
    this.deleting = document.querySelector("[data-delete-dialog]");
    list.addEventListener("click", (event) => this.#openMenu(event.target.closest("[data-session-menu]")));
    document.querySelector("[data-toggle-sessions]").addEventListener("click", () => this.toggle());
    document.querySelector("[data-close-sheets]").addEventListener("click", () => this.closeSheet());
    this.#connectMenu();
  }

  /** Show or hide the list: beside the conversation, or as a sheet over it on a phone. */
  toggle() {
    if (IS_PHONE.matches) {
      const isOpen = document.body.classList.toggle("sessions-open");
      if (isOpen) document.querySelector("[data-new-chat]").focus();
      return;
    }
    const isClosed = document.body.classList.toggle("sessions-closed");
    document.cookie = `sessions=${isClosed ? "closed" : ""}; path=/; samesite=lax; max-age=${isClosed ? 31536000 : 0}`;
  }

  /** Close the sheet, and say whether it was open. */
  closeSheet() {
    const wasOpen = document.body.classList.contains("sessions-open");
    document.body.classList.remove("sessions-open");
    if (wasOpen) document.querySelector("[data-toggle-sessions]").focus();
    return wasOpen;
  }

  /** Fetch the list again: a session is new, or moved to the top. */
  refresh() {
    const words = document.querySelector("[data-session-search]").value;
    return window.htmx.ajax("GET", `/chat/sessions/?q=${encodeURIComponent(words)}`, {
      target: this.list,
      swap: "innerHTML",
    });
  }

  /** Go to the session above (-1) or below (+1) in the list. */
  go(step) {
    const links = [...this.list.querySelectorAll(".session-item a")];
    const current = links.findIndex((link) => link.hasAttribute("aria-current"));
    links[current < 0 ? 0 : current + step]?.click();
  }

  #openMenu(button) {
    if (!button) return;
    this.#item = button.closest("[data-session-item]");
    this.menu.querySelector("[data-pin-label]").textContent = this.#item.dataset.pinned === "true" ? "Unpin" : "Pin";
    openMenu(this.menu, button);
  }

  #connectMenu() {
    this.menu.querySelector("[data-pin-session]").addEventListener("click", () => {
      this.menu.hidePopover();
      this.#post("pin");
    });
    this.menu.querySelector("[data-rename-session]").addEventListener("click", () => {
      const input = this.renaming.querySelector("input");
      this.#open(this.renaming);
      input.value = this.#title;
      input.select();
    });
    this.menu.querySelector("[data-delete-session]").addEventListener("click", () => {
      this.deleting.querySelector("[data-delete-title]").textContent = this.#title;
      this.#open(this.deleting);
    });
    this.renaming.addEventListener("close", () => this.renaming.returnValue === "rename" && this.#rename());
    this.deleting.addEventListener("close", () => this.deleting.returnValue === "delete" && this.#post("delete"));
    for (const button of document.querySelectorAll("[data-close-dialog]")) {
      button.addEventListener("click", () => button.closest("dialog").close(""));
    }
  }

  get #title() {
    return this.#item.querySelector("a").textContent;
  }

  #open(dialog) {
    this.menu.hidePopover();
    dialog.returnValue = "";
    dialog.showModal();
  }

  async #rename() {
    const title = this.renaming.querySelector("input").value.trim();
    if (!title) return;
    if (this.#item.querySelector("a").hasAttribute("aria-current")) {
      document.querySelector("[data-session-title]").textContent = title;
    }
    await this.#post("rename", { title });
  }

  #post(action, values = {}) {
    return window.htmx.ajax("POST", `/chat/${this.#item.dataset.sessionItem}/${action}/`, {
      target: this.list,
      swap: "innerHTML",
      values,
    });
  }
}
