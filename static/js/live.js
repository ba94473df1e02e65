// Keeps what is open in step with the work, while there is some and while somebody looks.
//
// An element with data-live asks its page's address for what changed, naming the versions it has
// (data-version). The reply is empty, or holds the parts that are new, each to stand where its id stands.

const SOON_S = 2;
const LATE_S = 15;
let pause_s = SOON_S;

function live() {
  return document.querySelector("[data-live]");
}

async function ask(element) {
  const address = new URL(element.dataset.live || location.href, location.href);
  const versions = [element, ...element.querySelectorAll("[data-version]")].map((each) => each.dataset.version);
  address.searchParams.set("seen", versions.join("."));
  const reply = await fetch(address);
  if (!reply.ok || reply.redirected) throw new Error("The site is away, or somebody logged out.");
  if (reply.status === 204) return false;
  const text = await reply.text();
  if (!element.isConnected) return true; // another list was asked for in the meantime
  place(new DOMParser().parseFromString(text, "text/html").querySelector("template").content);
  return true;
}

function place(parts) {
  const ticked = [...document.querySelectorAll("input[type=checkbox]:checked")].map((box) => box.id);
  const opened = [...document.querySelectorAll("details[open]")].map((fold) => fold.id);
  const focused = document.activeElement?.id;
  for (const part of [...parts.children]) {
    if ("reload" in part.dataset) return location.reload(); // there is a new text to read
    document.getElementById(part.id)?.replaceWith(document.adoptNode(part));
  }
  for (const id of ticked) if (id) tick(document.getElementById(id));
  for (const id of opened) if (id) document.getElementById(id)?.setAttribute("open", "");
  if (focused && document.activeElement?.id !== focused) document.getElementById(focused)?.focus({ preventScroll: true });
  document.dispatchEvent(new Event("change")); // what is selected is counted anew
}

function tick(box) {
  if (box) box.checked = true;
}

function seen() {
  return document.hidden
    ? new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }))
    : new Promise((resolve) => setTimeout(resolve, pause_s * 1000));
}

async function follow() {
  for (;;) {
    await seen();
    const element = live();
    if (!element || document.hidden) continue;
    try {
      // Less and less often while nothing happens: many may look, and a worker may be busy for long
      pause_s = (await ask(element)) ? SOON_S : Math.min(pause_s * 1.5, LATE_S);
    } catch {
      pause_s = LATE_S;
    }
  }
}

follow();
