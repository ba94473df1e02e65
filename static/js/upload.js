// Direct uploads: sends selected or dropped files to the storage that the API names. Each file has its own progress
// and result. Without this module the form submits like a plain HTML form.

import { cloneTemplate, find } from "./dom.js";
import { csrfHeaders, parseJson } from "./http.js";
import { errorMessage, formatSize, isAboutFile, uploadRequest } from "./upload-words.js";

const form = find(document, "[data-upload]", HTMLFormElement);
const input = find(form, "input[type=file]", HTMLInputElement);
const drop = find(form, "[data-drop]");
const list = find(document, "[data-upload-list]");
const title = find(document, "[data-uploads-title]");
const retryAll = find(document, "[data-retry-all]");
const MAX_CONCURRENT = 3;
/** @type {Upload[]} */
const uploads = []; // all uploads of this page
const CONNECTION_LOST = "The connection was lost. Retry continues where it stopped.";

/** @typedef {"waiting" | "sending" | "checking" | "done" | "failed" | "cancelled" | "refused"} Status */
/** @typedef {{ id: string, url: string, form: Record<string, string> }} SignedForm where and how to send the file */

/** An error whose message is a sentence for the user. */
class UploadError extends Error {
  /**
   * @param {string} message
   * @param {boolean} [isFinal] whether the same file would be refused again
   */
  constructor(message, isFinal = false) {
    super(message);
    this.isFinal = isFinal;
  }
}

/** The upload of one file. A file with the status "refused" cannot be retried. */
class Upload {
  /** @type {Status} */
  status = "waiting";
  /** @type {SignedForm | undefined} */
  signedForm; // from the announcement of the file until the upload is discarded
  isSent = false;
  control = new AbortController();

  /** @param {File} file */
  constructor(file) {
    this.file = file;
    this.item = cloneTemplate("[data-upload-row]");
    this.name = find(this.item, ".name", HTMLAnchorElement);
    this.progress = find(this.item, "progress", HTMLProgressElement);
    this.stopButton = find(this.item, "[data-cancel]");
    this.retryButton = find(this.item, "[data-retry]");
    this.name.textContent = file.name;
    find(this.item, "[data-size]").textContent = formatSize(file.size);
    this.stopButton.setAttribute("aria-label", `Cancel ${file.name}`);
    this.retryButton.setAttribute("aria-label", `Retry ${file.name}`);
    this.stopButton.addEventListener("click", () => this.cancel());
    this.retryButton.addEventListener("click", () => this.retry());
    list.append(this.item);
    this.setStatus("waiting", "Waiting");
  }

  /**
   * @param {Status} status
   * @param {string} text
   */
  setStatus(status, text) {
    this.status = status;
    this.item.dataset.status = status;
    find(this.item, "[data-state]").textContent = text;
    this.stopButton.hidden = !["waiting", "sending"].includes(status);
    this.retryButton.hidden = !["failed", "cancelled"].includes(status);
  }

  async run() {
    this.setStatus("sending", "Starting");
    const control = new AbortController();
    this.control = control;
    try {
      const signedForm = this.signedForm ?? (await this.announce());
      this.signedForm = signedForm;
      if (!this.isSent) await this.sendFile(signedForm);
      this.isSent = true;
      this.setStatus("checking", "Checking");
      const added = await this.callApi("POST", `${form.dataset.upload}/${signedForm.id}/complete`);
      this.name.href = `${form.dataset.documents}${added.id}/`;
      const isDuplicate = added.status === "ready";
      this.setStatus("done", isDuplicate ? "This file is already here." : "Added. Ragsite is reading it now.");
    } catch (error) {
      if (control.signal.aborted) this.setStatus("cancelled", "Cancelled. Nothing was added.");
      else if (error instanceof UploadError) this.setStatus(error.isFinal ? "refused" : "failed", error.message);
      else this.setStatus("failed", CONNECTION_LOST);
    }
  }

  /** @returns {Promise<SignedForm>} */
  announce() {
    return this.callApi("POST", form.dataset.upload ?? "", uploadRequest(new FormData(form), this.file));
  }

  /**
   * Call the API. If it refuses the request, discard the signed form, so that a retry starts from the beginning.
   *
   * @param {string} method
   * @param {string} url
   * @param {object} [body]
   */
  async callApi(method, url, body) {
    const headers = { ...csrfHeaders(), ...(body && { "Content-Type": "application/json" }) };
    const { signal } = this.control;
    const reply = await fetch(url, { method, headers, signal, body: body && JSON.stringify(body) });
    const content = reply.status === 204 ? {} : await reply.json().catch(() => null);
    if (reply.ok && content) return content;
    if (reply.status < 500) this.discardForm();
    if ([401, 403].includes(reply.status))
      throw new UploadError("You are logged out. Log in in another tab, then retry.");
    const words = errorMessage(content) ?? "The site could not accept the file. Retry in a moment.";
    throw new UploadError(words, reply.status === 400 && isAboutFile(content));
  }

  /**
   * @param {SignedForm} signedForm
   * @returns {Promise<void>}
   */
  sendFile({ url, form: fields }) {
    const body = new FormData();
    for (const [name, value] of Object.entries(fields)) body.append(name, value);
    body.append("file", this.file, this.file.name);
    const request = new XMLHttpRequest(); // fetch does not report upload progress
    request.upload.addEventListener("progress", ({ loaded, total }) =>
      this.showProgress(Math.round((100 * loaded) / total)),
    );
    request.open("POST", url);
    const isOurs = new URL(url, location.href).origin === location.origin;
    for (const [name, value] of Object.entries(isOurs ? csrfHeaders() : {})) request.setRequestHeader(name, value);
    this.control.signal.addEventListener("abort", () => request.abort());
    return new Promise((resolve, reject) => {
      request.addEventListener("loadend", () => {
        if (request.status >= 200 && request.status < 300) resolve();
        else reject(this.storageError(request));
      });
      request.send(body);
    });
  }

  /** @param {XMLHttpRequest} request */
  storageError({ status, responseText }) {
    if (!status) return new Error(CONNECTION_LOST);
    this.discardForm();
    return new UploadError(
      errorMessage(parseJson(responseText)) ?? "The storage rejected the file. Retry sends it again.",
    );
  }

  /** @param {number} percent */
  showProgress(percent) {
    this.progress.value = percent;
    this.setStatus("sending", `Sending ${percent} %`);
  }

  discardForm() {
    this.signedForm = undefined;
    this.isSent = false;
  }

  cancel() {
    if (this.status === "waiting") this.setStatus("cancelled", "Cancelled. Nothing was added.");
    this.control.abort();
    if (this.signedForm) {
      this.control = new AbortController();
      // If this request fails, the announced upload expires by itself.
      this.callApi("DELETE", `${form.dataset.upload}/${this.signedForm.id}`).catch(() => {});
      this.discardForm();
    }
    startNext();
  }

  retry() {
    this.progress.value = 0;
    this.setStatus("waiting", "Waiting");
    startNext();
  }
}

/** @param {Iterable<File>} files */
function addFiles(files) {
  find(document, "[data-uploads]").hidden = false;
  for (const file of files) {
    const upload = new Upload(file);
    uploads.push(upload);
    if (!file.size) upload.setStatus("refused", "The file is empty. Choose another one.");
    else if (file.size > Number(form.dataset.maxBytes)) {
      upload.setStatus("refused", `The file is larger than ${form.dataset.maxText}. Split it and add the parts.`);
    }
  }
  startNext();
}

/** @param {Status[]} statuses */
function withStatus(...statuses) {
  return uploads.filter((upload) => statuses.includes(upload.status));
}

/** Start waiting uploads, up to the limit, and update the title. */
function startNext() {
  for (const upload of withStatus("waiting").slice(0, MAX_CONCURRENT - withStatus("sending", "checking").length)) {
    void upload.run().finally(startNext);
  }
  const left = withStatus("waiting", "sending", "checking").length;
  const failed = withStatus("failed", "refused").length;
  title.textContent = left
    ? `Adding, ${left} left`
    : `${withStatus("done").length} added${failed ? `, ${failed} failed` : ""}`;
  retryAll.hidden = left > 0 || withStatus("failed").length < 2;
}

retryAll.addEventListener("click", () => {
  for (const upload of withStatus("failed")) upload.retry();
});
input.addEventListener("change", () => {
  addFiles(input.files ?? []);
  input.value = "";
});
form.addEventListener("submit", (event) => event.preventDefault());
find(form, "[data-submit]").hidden = true;
find(form, "[data-live-only]").hidden = false;
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
  if (event.dataTransfer) addFiles(droppedFiles(event.dataTransfer));
});
window.addEventListener("beforeunload", (event) => {
  if (withStatus("waiting", "sending", "checking").length) event.preventDefault();
});

/**
 * Return the dropped files. A dropped folder is listed as a file that has no type or size and cannot be read, so
 * this leaves folders out.
 *
 * @param {DataTransfer} transfer
 */
function droppedFiles({ items, files }) {
  const entries = [...items].map((each) => each.webkitGetAsEntry?.());
  return [...files].filter((_, index) => !entries[index]?.isDirectory);
}
