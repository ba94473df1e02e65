// Sends chosen or dropped files to where the site says, each with its own progress and its own outcome.
// Without this module the form works as a plain one.

const form = document.querySelector("[data-upload]");
const input = form.querySelector("input[type=file]");
const drop = form.querySelector("[data-drop]");
const list = document.querySelector("[data-upload-list]");
const title = document.querySelector("[data-uploads-title]");
const row = document.querySelector("[data-upload-row]");
const retryAll = document.querySelector("[data-retry-all]");
const AT_ONCE = 3;
const units = ["bytes", "KB", "MB", "GB"];
const all = []; // every upload of this page
const BROKEN = "The connection broke. Retry goes on where it stopped.";

/** What went wrong, in words for the person. */
class Problem extends Error {}

/** One file on its way. Status: waiting, sending, checking, done, failed, cancelled, refused (for good). */
class Upload {
  constructor(file) {
    this.file = file;
    this.item = row.content.firstElementChild.cloneNode(true);
    this.find(".name").textContent = file.name;
    this.find("[data-size]").textContent = size(file.size);
    this.find("[data-cancel]").setAttribute("aria-label", `Cancel ${file.name}`);
    this.find("[data-retry]").setAttribute("aria-label", `Retry ${file.name}`);
    this.find("[data-cancel]").addEventListener("click", () => this.cancel());
    this.find("[data-retry]").addEventListener("click", () => this.retry());
    list.append(this.item);
    this.say("waiting", "Waiting");
  }

  find(selector) {
    return this.item.querySelector(selector);
  }

  say(status, words) {
    this.status = status;
    this.item.dataset.status = status;
    this.find("[data-state]").textContent = words;
    this.find("[data-cancel]").hidden = !["waiting", "sending"].includes(status);
    this.find("[data-retry]").hidden = !["failed", "cancelled"].includes(status);
  }

  async run() {
    this.say("sending", "Starting");
    const control = (this.control = new AbortController());
    try {
      this.upload ??= await this.call("POST", form.dataset.upload, this.announcement());
      if (!this.isSent) await this.send();
      this.isSent = true;
      this.say("checking", "Checking");
      const made = await this.call("POST", `${form.dataset.upload}/${this.upload.id}/complete`);
      this.find(".name").href = `${form.dataset.documents}${made.id}/`;
      const isHere = made.status === "ready";
      this.say("done", isHere ? "This very file is here already." : "Added. It is being read now.");
    } catch (error) {
      if (control.signal.aborted) this.say("cancelled", "Cancelled. Nothing was added.");
      else this.say("failed", error instanceof Problem ? error.message : BROKEN);
    }
  }

  announcement() {
    const metadata = {};
    for (const { name, value } of form.querySelectorAll("[name^='m.']")) if (value) metadata[name.slice(2)] = value;
    const said = { name: this.file.name, sizeBytes: this.file.size, language: form.elements.language.value, metadata };
    const level = form.elements.access_level?.value;
    return level ? { ...said, accessLevel: Number(level) } : said;
  }

  /** Call the API. A refusal ends this upload, so that a retry begins anew. */
  async call(method, url, body) {
    const headers = { "X-CSRFToken": form.elements.csrfmiddlewaretoken.value };
    if (body) headers["Content-Type"] = "application/json";
    const reply = await fetch(url, {
      method, headers, body: body && JSON.stringify(body), signal: this.control.signal,
    });
    const said = reply.status === 204 ? null : await reply.json().catch(() => null);
    if (reply.ok) return said;
    if (reply.status < 500) this.forget();
    if ([401, 403].includes(reply.status)) throw new Problem("You are logged out. Log in in another tab, then retry.");
    throw new Problem(sentence(said) ?? "The site could not take it just now. Retry in a moment.");
  }

  send() {
    const body = new FormData();
    for (const [name, value] of Object.entries(this.upload.form)) body.append(name, value);
    body.append("file", this.file, this.file.name);
    const request = new XMLHttpRequest(); // fetch does not say how much is sent
    request.upload.addEventListener("progress", ({ loaded, total }) => this.show(Math.round((100 * loaded) / total)));
    request.open("POST", this.upload.url);
    if (new URL(this.upload.url, location).origin === location.origin) {
      request.setRequestHeader("X-CSRFToken", form.elements.csrfmiddlewaretoken.value);
    }
    this.control.signal.addEventListener("abort", () => request.abort());
    return new Promise((resolve, reject) => {
      request.addEventListener("loadend", () => {
        if (request.status >= 200 && request.status < 300) return resolve();
        if (!request.status) return reject(new Error(BROKEN));
        this.forget();
        reject(new Problem(sentence(read(request.responseText)) ?? "The storage did not take it. Retry sends it again."));
      });
      request.send(body);
    });
  }

  show(percent) {
    this.find("progress").value = percent;
    this.say("sending", `Sending ${percent} %`);
  }

  forget() {
    this.upload = undefined;
    this.isSent = false;
  }

  cancel() {
    if (this.status === "waiting") this.say("cancelled", "Cancelled. Nothing was added.");
    this.control?.abort();
    if (this.upload) {
      this.control = new AbortController();
      this.call("DELETE", `${form.dataset.upload}/${this.upload.id}`).catch(() => {}); // it runs out by itself
      this.forget();
    }
    next();
  }

  retry() {
    this.find("progress").value = 0;
    this.say("waiting", "Waiting");
    next();
  }
}

function size(bytes) {
  const power = bytes ? Math.min(Math.floor(Math.log2(bytes) / 10), 3) : 0;
  return `${(bytes / 1024 ** power).toFixed(power > 1 ? 1 : 0)} ${units[power]}`;
}

function read(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null; // a storage answers in XML
  }
}

/** The first sentence of an error of the API: {"detail": "..."} or {"field": ["..."]}. */
function sentence(said) {
  const [first] = Object.values(said ?? {}).flat();
  return typeof first === "string" ? first : undefined;
}

function add(files) {
  document.querySelector("[data-uploads]").hidden = false;
  for (const file of files) {
    const upload = new Upload(file);
    all.push(upload);
    if (!file.size) upload.say("refused", "The file is empty. Choose another one.");
    else if (file.size > Number(form.dataset.maxBytes)) {
      upload.say("refused", `It is larger than ${form.dataset.maxText}. Split it, and add the parts.`);
    }
  }
  next();
}

function having(...statuses) {
  return all.filter((upload) => statuses.includes(upload.status));
}

function next() {
  for (const upload of having("waiting").slice(0, AT_ONCE - having("sending", "checking").length)) {
    upload.run().finally(next);
  }
  const left = having("waiting", "sending", "checking").length;
  const failed = having("failed", "refused").length;
  title.textContent = left
    ? `Adding, ${left} to go`
    : `${having("done").length} added${failed ? `, ${failed} not` : ""}`;
  retryAll.hidden = left > 0 || having("failed").length < 2;
}

retryAll.addEventListener("click", () => {
  for (const upload of having("failed")) upload.retry();
});
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
  if (having("waiting", "sending", "checking").length) event.preventDefault();
});
