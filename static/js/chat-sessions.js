// The list of sessions: shows or hides it, and renames, pins and deletes its sessions.

import { openMenu } from "./chat-menu.js";
import { delegateTarget, find, findAll, findClosest } from "./dom.js";
import { setCookie } from "./storage.js";

const IS_PHONE = window.matchMedia("(width < 860px)");

/**
 * Open the dialog that shares a session. Its script and styles are loaded only now.
 *
 * @param {string} sessionId
 */
export async function openShare(sessionId) {
  const { openShareDialog } = await import("./share-dialog.js");
  await openShareDialog(sessionId, find(document, "[data-share-dialog]").dataset.styles ?? "");
}
const MOST_OPEN_FOLDERS = 20; // chat.pages.session_list.OPEN_FOLDERS

export class SessionList {
  /** @type {HTMLElement | null} */
  #item = null; // the session whose menu is open

  /** @param {HTMLElement} list */
  constructor(list) {
    this.list = list;
    this.menu = find(document, "[data-session-popover]");
    this.renameDialog = find(document, "[data-rename-dialog]", HTMLDialogElement);
    this.deleteDialog = find(document, "[data-delete-dialog]", HTMLDialogElement);
    this.titleField = find(this.renameDialog, "input", HTMLInputElement);
    list.addEventListener("click", (event) => {
      this.#openMenu(event);
      const folder = delegateTarget(event, "[data-folder-menu]");
      if (folder) void this.#organize(`/chat/folders/${folder.dataset.folderMenu}/`);
    });
    list.addEventListener("toggle", () => this.#keepOpenFolders(), true); // this event does not bubble
    find(document, "[data-toggle-sessions]").addEventListener("click", () => this.toggle());
    find(document, "[data-close-sheets]").addEventListener("click", () => this.closeSheet());
    this.#connectMenu();
  }

  /** Show or hide the list: a sidebar next to the conversation, or on a phone a sheet over it. */
  toggle() {
    if (IS_PHONE.matches) {
      const isOpen = document.body.classList.toggle("sessions-open");
      if (isOpen) find(document, "[data-new-chat]").focus();
      return;
    }
    const isClosed = document.body.classList.toggle("sessions-closed");
    setCookie("sessions", isClosed ? "closed" : "");
  }

  /** Close the sheet. Return whether it was open. */
  closeSheet() {
    const wasOpen = document.body.classList.contains("sessions-open");
    document.body.classList.remove("sessions-open");
    if (wasOpen) find(document, "[data-toggle-sessions]").focus();
    return wasOpen;
  }

  /** Fetch the list again, because a session is new or has moved to the top. */
  async refresh() {
    await window.htmx.ajax("GET", `/chat/sessions/?${this.#shown}`, { target: this.list, swap: "innerHTML" });
  }

  /** Return what the list shows, as the query of its address. */
  get #shown() {
    const fields = /** @type {HTMLInputElement[]} */ (findAll(document, "[data-session-search], [data-session-tag]"));
    const shown = fields.map(({ name, value }) => [name, value]);
    if (this.list.querySelector("[data-archive-view]")) shown.push(["view", "archived"]);
    return new URLSearchParams(shown.filter(([, value]) => value)).toString();
  }

  /**
   * Show another title of a session, without fetching the list.
   *
   * @param {string} sessionId
   * @param {string} title
   */
  showTitle(sessionId, title) {
    const [link] = findAll(this.list, `[data-session-item="${CSS.escape(sessionId)}"] a`);
    if (!link) return;
    link.textContent = title;
    link.title = title;
  }

  /**
   * Open the session above (-1) or below (+1) in the list.
   *
   * @param {number} step
   */
  openAdjacent(step) {
    const links = findAll(this.list, ".session-item a");
    const current = links.findIndex((link) => link.hasAttribute("aria-current"));
    links[current < 0 ? 0 : current + step]?.click();
  }

  /** @param {Event} event */
  #openMenu(event) {
    const button = delegateTarget(event, "[data-session-menu]");
    if (!button) return;
    this.#item = findClosest(button, "[data-session-item]");
    find(this.menu, "[data-pin-label]").textContent = this.#item.dataset.pinned === "true" ? "Unpin" : "Pin";
    for (const link of findAll(this.menu, "[data-session-link]", HTMLAnchorElement)) {
      link.href = `/chat/${this.#item.dataset.sessionItem}/${link.dataset.sessionLink}/`;
    }
    find(this.menu, "[data-archive-label]").textContent =
      this.#item.dataset.archived === "true" ? "Put back into the list" : "Archive";
    openMenu(this.menu, button);
  }

  #connectMenu() {
    this.menu.addEventListener("click", (event) => {
      if (delegateTarget(event, "[data-session-link]")) this.menu.hidePopover();
    });
    find(this.menu, "[data-share-session]").addEventListener("click", () => {
      this.menu.hidePopover();
      return openShare(this.#item?.dataset.sessionItem ?? "");
    });
    find(this.menu, "[data-pin-session]").addEventListener("click", () => {
      this.menu.hidePopover();
      return this.#post("pin");
    });
    find(this.menu, "[data-rename-session]").addEventListener("click", () => {
      this.#openDialog(this.renameDialog);
      this.titleField.value = this.#title;
      this.titleField.select();
    });
    find(this.menu, "[data-delete-session]").addEventListener("click", () => {
      find(this.deleteDialog, "[data-delete-title]").textContent = this.#title;
      this.#openDialog(this.deleteDialog);
    });
    find(this.menu, "[data-organize-session]").addEventListener("click", () => {
      this.menu.hidePopover();
      return this.#organize(`/chat/${this.#item?.dataset.sessionItem}/organize/`);
    });
    find(this.menu, "[data-archive-session]").addEventListener("click", async () => {
      this.menu.hidePopover();
      await this.#post("archive");
      if (this.#link?.hasAttribute("aria-current"))
        location.reload(); // the page says whether it is archived
      else await this.refresh();
    });
    this.renameDialog.addEventListener("close", () => this.renameDialog.returnValue === "rename" && this.#rename());
    this.deleteDialog.addEventListener(
      "close",
      () => this.deleteDialog.returnValue === "delete" && this.#post("delete"),
    );
    for (const button of findAll(document, "[data-close-dialog]")) {
      button.addEventListener("click", () => button.closest("dialog")?.close(""));
    }
  }

  get #link() {
    return this.#item?.querySelector("a");
  }

  /** Return its title. A session that a search found has a snippet in its link, too. */
  get #title() {
    return (this.#link?.querySelector("[data-title]") ?? this.#link)?.textContent ?? "";
  }

  /** @param {HTMLDialogElement} dialog */
  #openDialog(dialog) {
    this.menu.hidePopover();
    dialog.returnValue = "";
    dialog.showModal();
  }

  async #rename() {
    const title = this.titleField.value.trim();
    if (!title) return;
    if (this.#link?.hasAttribute("aria-current")) find(document, "[data-session-title]").textContent = title;
    await this.#post("rename", { title });
  }

  /**
   * Open the dialog at this address, and show the list again after each change.
   *
   * @param {string} url
   */
  async #organize(url) {
    const { openOrganizer } = await import("./chat-organizer.js");
    await openOrganizer(url, () => this.refresh());
  }

  #keepOpenFolders() {
    const open = findAll(this.list, "details[data-folder][open]").map((each) => each.dataset.folder ?? "");
    setCookie("folders", open.slice(0, MOST_OPEN_FOLDERS).join("."));
  }

  /**
   * @param {string} action
   * @param {Record<string, string>} values
   */
  async #post(action, values = {}) {
    const url = `/chat/${this.#item?.dataset.sessionItem}/${action}/?${this.#shown}`;
    await window.htmx.ajax("POST", url, { target: this.list, swap: "innerHTML", values });
  }
}
