// Sends chosen or dropped files one by one, each with its own progress and its own outcome.
// Without this module the form works as a plain one.

const form = document.querySelector("[data-upload]");
const input = form.querySelector("input[type=file]");
const drop = form.querySelector("[data-drop]");
const list = document.querySelector("[data-upload-list]");
const title = document.querySelector("[data-uploads-title]");
const row = document.querySelector("[data-upload-row]");
const state = { waiting: [], sending: 0, done: 0, failed: 0 };
const AT_ONCE = 2;
const units = ["bytes", "KB", "MB", "GB"];

function size(bytes) {
  const power = bytes ? Math.min(Math.floor(Math.log2(bytes) / 10), 3) : 0;
  return `${(bytes / 1024 ** power).toFixed(power > 1 ? 1 : 0)} ${units[power]}`;
}

function show(file) {
  const item = row.content.firstElementChild.cloneNode(true);
  item.querySelector(".name").textContent = file.name;
  item.querySelector("[data-size]").textContent = size(file.size);
  list.append(item);
  say(item, "waiting", "Waiting");
  return item;
}

function say(item, status, words) {
  item.dataset.status = status;
  item.querySelector("[data-state]").textContent = words;
}

function add(files) {
  document.querySelector("[data-uploads]").hidden = false;
  for (const file of files) {
    const item = show(file);
    if (file.size > Number(form.dataset.maxBytes)) {
      refuse(item, `It is larger than ${form.dataset.maxText}. Split it, and add the parts.`);
    } else {
      state.waiting.push({ file, item });
    }
  }
  next();
}

function next() {
  while (state.sending < AT_ONCE && state.waiting.length) send(state.waiting.shift());
  const left = state.sending + state.waiting.length;
  const failed = state.failed ? `, ${state.failed} not` : "";
  title.textContent = left ? `Adding, ${left} to go` : `${state.done} added${failed}`;
}

function send({ file, item }) {
  const body = new FormData(form);
  body.set("file", file, file.name);
  const request = new XMLHttpRequest();
  state.sending += 1;
  request.upload.addEventListener("progress", (event) => {
    if (!event.lengthComputable) return;
    const percent = Math.round((100 * event.loaded) / event.total);
    item.querySelector("progress").value = percent;
    say(item, "sending", percent < 100 ? `Sending ${percent} %` : "Checking");
  });
  request.addEventListener("loadend", () => {
    state.sending -= 1;
    conclude(request, item);
    next();
  });
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "application/json");
  request.responseType = "json";
  request.send(body);
}

function conclude(request, item) {
  const outcome = request.response?.files?.[0];
  if (outcome?.url) return accept(item, outcome);
  const fallback = request.status
    ? "The site refused it. Reload this page, and try again."
    : "The connection broke. Nothing was added. Try again.";
  refuse(item, outcome?.error ?? request.response?.error ?? fallback);
}

function accept(item, { url, note }) {
  state.done += 1;
  item.querySelector(".name").href = url;
  say(item, "done", note);
}

function refuse(item, reason) {
  state.failed += 1;
  say(item, "failed", reason);
}

input.addEventListener("change", () => {
  add(input.files);
  input.value = "";
});
form.addEventListener("submit", (event) => event.preventDefault());
form.querySelector("[data-submit]").hidden = true;
form.querySelector("[data-live-only]").hidden = false;
input.classList.add("visually-hidden");

for (const name of ["dragenter", "dragover"]) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.dataset.over = "";
  });
}
for (const name of ["dragleave", "drop"]) {
  drop.addEventListener(name, () => delete drop.dataset.over);
}
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  // A folder arrives as a file without a type or size that cannot be read: say nothing, take the files.
  const entries = [...event.dataTransfer.items].map((each) => each.webkitGetAsEntry?.());
  add([...event.dataTransfer.files].filter((_, i) => !entries[i]?.isDirectory));
});
window.addEventListener("beforeunload", (event) => {
  if (state.sending || state.waiting.length) event.preventDefault();
});
