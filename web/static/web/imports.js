// What is dropped or chosen goes to the server file by file, straight from the disk; then the import starts.
import { all, byId, find, first } from "./dom.js";
import { cookie, Problem, wordsOf } from "./reading/api.js";

/**
 * A file with the folders that it lies in.
 * @typedef {{ file: File, name: string }} Chosen
 */

const AT_ONCE = 3;
const ATTEMPTS = 4;
const PAUSE = 2000;
const SCANS = /\.(jpe?g|png|tiff?|pdf)$/i;

const form = byId("import", HTMLFormElement);
const drop = byId("drop");
const scans = byId("scans", HTMLFieldSetElement);
const submit = first("button[type=submit]", HTMLButtonElement, form);
const cancel = byId("upload-cancel", HTMLButtonElement);
const bar = byId("upload-progress", HTMLProgressElement);

const state = {
  /** @type {Chosen[]} */
  chosen: [],
  /** The import that is uploaded now. */
  id: "",
  isCancelled: false,
  /** @type {Set<XMLHttpRequest>} */
  requests: new Set(),
};

// Choosing

/** @param {number} bytes */
function size(bytes) {
  if (bytes < 1e6) return `${Math.ceil(bytes / 1e3)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

/** @param {Chosen[]} chosen */
const bytesOf = (chosen) => chosen.reduce((sum, one) => sum + one.file.size, 0);

/** @param {Chosen[]} chosen */
function choose(chosen) {
  state.chosen = chosen;
  const [most, largest] = [Number(form.dataset.mostFiles), Number(form.dataset.largest)];
  const bytes = bytesOf(chosen);
  const isTooMuch = chosen.length > most || bytes > largest;
  const names = chosen.slice(0, 3).map((one) => one.name);
  const more = chosen.length > names.length ? ", …" : "";
  const count = `${chosen.length} ${chosen.length === 1 ? "file" : "files"}`;
  const words = `${count}, ${size(bytes)}: ${names.join(", ")}${more}`;
  byId("chosen").textContent = chosen.length ? words : "Nothing chosen yet.";
  showProblem(
    isTooMuch ? `An import has ${most} files and ${size(largest)} at most. Bring it in parts.` : "",
  );
  submit.disabled = !chosen.length || isTooMuch;
  if (chosen.length && chosen.every((one) => SCANS.test(one.name))) setKind("scans");
}

/** @param {string} kind */
function setKind(kind) {
  first(`input[name=kind][value=${kind}]`, HTMLInputElement, form).checked = true;
  showKind();
}

function showKind() {
  const isScans = first("input[name=kind]:checked", HTMLInputElement, form).value === "scans";
  scans.hidden = scans.disabled = !isScans;
}

/** @param {HTMLInputElement} input */
function chosenIn(input) {
  return [...(input.files ?? [])].map((file) => ({ file, name: file.webkitRelativePath || file.name }));
}

/**
 * The files below what was dropped.
 * @param {FileSystemEntry} entry
 * @returns {Promise<Chosen[]>}
 */
async function below(entry) {
  const name = entry.fullPath.replace(/^\//, "");
  if (entry.isFile) {
    const one = /** @type {FileSystemFileEntry} */ (entry);
    return [{ file: await new Promise((resolve, reject) => one.file(resolve, reject)), name }];
  }
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  const found = [];
  for (;;) {
    // A reader gives a hundred at a time.
    /** @type {FileSystemEntry[]} */
    const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!part.length) return found;
    for (const one of part) found.push(...(await below(one)));
  }
}

/** @param {DataTransfer} dropped */
async function chosenBy(dropped) {
  // They are gone after the first pause.
  const entries = [...dropped.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const plain = [...dropped.files].map((file) => ({ file, name: file.name }));
  const found = [];
  for (const entry of entries) found.push(...(await below(entry)));
  return entries.length ? found : plain;
}

// Uploading

/**
 * Call the API with what a browser sends from the disk.
 * @param {string} method
 * @param {string} path
 * @param {XMLHttpRequestBodyInit | null} body
 * @param {(bytes: number) => void} [progress]
 * @returns {Promise<any>}
 */
function send(method, path, body, progress = () => {}) {
  const request = new XMLHttpRequest();
  state.requests.add(request);
  return new Promise((resolve, reject) => {
    request.open(method, `/api/v1${path}`);
    request.responseType = "json";
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("X-CSRFToken", cookie("csrftoken"));
    if (body instanceof Blob) request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.addEventListener("progress", (event) => progress(event.loaded));
    request.addEventListener("loadend", () => {
      state.requests.delete(request);
      if (request.status >= 200 && request.status < 300) resolve(request.response);
      else reject(new DetailedProblem(request.status, request.response ?? {}));
    });
    request.send(body);
  });
}

/** What was refused, with the fields that it is about. */
class DetailedProblem extends Problem {
  /**
   * @param {number} status
   * @param {Record<string, any>} body
   */
  constructor(status, body) {
    super(status, body);
    /** @type {{ field: string, detail: string }[]} */
    this.errors = body.errors ?? [];
  }
}

async function upload() {
  const { chosen } = state;
  const data = new FormData(form);
  data.append("to_follow", "yes");
  state.isCancelled = false;
  showUpload(true);
  try {
    state.id = (await send("POST", "/imports", data)).id;
    await sendAll(chosen);
    await send("POST", `/imports/${state.id}/start`, null);
    const { id } = state;
    state.id = "";
    location.assign(`/imports/${id}`);
  } catch (error) {
    await giveUp(error);
  }
}

/** @param {Chosen[]} chosen */
async function sendAll(chosen) {
  const whole = bytesOf(chosen) || 1;
  const waiting = [...chosen];
  /** @type {Map<Chosen, number>} */
  const under = new Map();
  let sent = 0;
  let done = 0;
  const show = () => {
    const now = sent + [...under.values()].reduce((sum, one) => sum + one, 0);
    bar.value = Math.min(now / whole, 1);
    byId("upload-words").textContent =
      `${done} of ${chosen.length} files, ${size(Math.min(now, whole))} of ${size(whole)}`;
  };
  const worker = async () => {
    for (let one = waiting.shift(); one; one = waiting.shift()) {
      const current = one;
      await sendOne(current, (bytes) => {
        under.set(current, Math.min(bytes, current.file.size));
        show();
      });
      under.delete(current);
      sent += current.file.size;
      done += 1;
      show();
    }
  };
  show();
  await Promise.all(Array.from({ length: AT_ONCE }, worker)).finally(() => {
    waiting.length = 0;
  });
}

/**
 * @param {Chosen} one
 * @param {(bytes: number) => void} progress
 */
async function sendOne({ file, name }, progress) {
  const path = `/imports/${state.id}/files?name=${encodeURIComponent(name)}`;
  for (let attempt = 1; ; attempt += 1) {
    if (state.isCancelled) throw new Problem(0);
    try {
      await send("PUT", path, file, progress);
      return;
    } catch (error) {
      const isPassing = error instanceof Problem && error.isPassing && !state.isCancelled;
      if (!isPassing || attempt >= ATTEMPTS) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
  }
}

/** @param {unknown} error */
async function giveUp(error) {
  const { id, isCancelled } = state;
  state.id = "";
  state.isCancelled = true;
  for (const request of state.requests) request.abort();
  if (id) await send("POST", `/imports/${id}/stop`, null).catch(() => {}); // else an hour later, by itself
  showUpload(false);
  if (isCancelled) showProblem("Cancelled. Nothing was imported.");
  else if (error instanceof DetailedProblem && error.errors.length) showErrors(error);
  else if (error instanceof Problem && error.status === 401)
    showProblem("You are signed out. Sign in again, and import again.");
  else showProblem(`${wordsOf(error)} Nothing was imported.`);
}

// Showing

/** @param {boolean} isOn */
function showUpload(isOn) {
  byId("upload").hidden = cancel.hidden = !isOn;
  submit.disabled = isOn || !state.chosen.length;
  if (isOn) showProblem("");
}

/** @param {string} words */
function showProblem(words) {
  for (const one of all("[data-error]", HTMLElement, form)) one.textContent = "";
  for (const one of all("[aria-invalid]", HTMLElement, form)) one.removeAttribute("aria-invalid");
  byId("import-problem").textContent = words;
}

/** @param {DetailedProblem} problem */
function showErrors(problem) {
  showProblem("");
  /** @type {HTMLElement | null} */
  let wrong = null;
  for (const { field, detail } of problem.errors) {
    const said = `${detail.charAt(0).toUpperCase()}${detail.slice(1)}.`;
    const place = find(`[data-error="${CSS.escape(field)}"]`, HTMLElement, form);
    (place ?? byId("import-problem")).textContent = said;
    const input = find(`[name="${CSS.escape(field)}"]`, HTMLElement, form);
    input?.setAttribute("aria-invalid", "true");
    wrong ??= input;
  }
  wrong?.focus();
}

for (const name of ["files", "folder"]) {
  const input = byId(name, HTMLInputElement);
  input.addEventListener("change", () => choose(chosenIn(input)));
}
form.addEventListener("change", (event) => {
  if (event.target instanceof HTMLInputElement && event.target.name === "kind") showKind();
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!submit.disabled) upload();
});
cancel.addEventListener("click", () => {
  state.isCancelled = true;
  for (const request of state.requests) request.abort();
});
// Beside the place too: a browser would open what is dropped there.
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("is-over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) drop.classList.remove("is-over");
});
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  drop.classList.remove("is-over");
  if (event.dataTransfer && !state.id) choose(await chosenBy(event.dataTransfer));
});
addEventListener("beforeunload", (event) => {
  if (state.id) event.preventDefault();
});
showKind();
document.documentElement.dataset.importsReady = "";
