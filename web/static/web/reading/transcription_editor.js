// The transcription editor: a dictation is typed, with the same saving as the report editor's and the sound above.
import { byId, first } from "../dom.js";
import { call, problemOf, wordsOf } from "./api.js";
import { Autosave } from "./autosave.js";
import * as device from "./device_store.js";
import "./dialogs.js";
import { insert, offerMacros } from "./macros.js";
import { join } from "./merge.js";
import { choose } from "./merge_dialog.js";
import { listOpenFields } from "./open_field_marks.js";
import { pageData } from "./page_data.js";
import { Player } from "./player.js";
import { areasOf, differing, focusFirst, readAreas, setReadOnly, writeAreas } from "./sections.js";
import "./session_lock.js";

/**
 * @typedef {import("./api.js").Problem} Problem
 * @typedef {import("./page_data.js").Sections} Sections
 * @typedef {import("./page_data.js").TranscriptionData} TranscriptionData
 */

const HEARTBEAT = 30000;

const data = /** @type {TranscriptionData} */ (pageData);
const path = `/dictations/${data.dictation}`;
const areas = areasOf(data.sections);
const player = new Player(data);

const state = {
  isOpen: data.isOpen,
  /** Of the hold on the dictation. */
  fence: 0,
  /** Whether it is being finished. */
  isLeaving: false,
  /** Where something was typed last. */
  last: areas.findings,
  /** Looks for open places again, soon. */
  lookForMarks: () => {},
};

/** @type {Autosave<Sections>} */
const autosave = new Autosave({
  key: `typing:${data.dictation}`,
  user: data.me.id,
  read: () => readAreas(areas),
  send: async (sections, revision) => (await call("POST", `${path}/save`, { sections, revision })).revision,
  conflict,
  mark: byId("mark", HTMLElement),
  base: data.typed,
  revision: data.revision,
});

/** @param {Sections} text */
function write(text) {
  writeAreas(areas, text);
  state.lookForMarks();
}

/** @param {Problem} problem */
async function conflict(problem) {
  if (problem.code !== "stale_revision") {
    close(problem.message);
    return;
  }
  autosave.stop();
  const theirs = await call("GET", path);
  const mine = readAreas(areas);
  const { text, conflicts } = join(data.sections, autosave.base, mine, theirs.sections);
  if (conflicts.length) Object.assign(text, await choose(problem.message, conflicts, mine, theirs.sections));
  write(text);
  autosave.isDirty = true;
  autosave.goOn(theirs.revision, theirs.sections);
}

/**
 * Type no more, and say why.
 * @param {string} words
 */
function close(words) {
  const bar = byId("read-only");
  state.isOpen = false;
  autosave.stop();
  setReadOnly(areas, true);
  first("b", HTMLElement, bar).textContent = `${words} `;
  first("span", HTMLElement, bar).textContent =
    "What you typed is kept on this device and stays here to be copied.";
  bar.hidden = false;
}

/** Hand the text to the author of the dictation, and take the next. */
async function finish() {
  if (!state.isOpen || state.isLeaving) return;
  state.isLeaving = true;
  player.stop();
  if ((await autosave.flush()) && (await handOver())) byId("next", HTMLFormElement).submit();
  else state.isLeaving = false;
}

async function handOver() {
  try {
    await call("POST", `${path}/type`, { sections: readAreas(areas), revision: autosave.revision });
  } catch (problem) {
    autosave.show("unsaved", `Not finished: ${wordsOf(problem)}`);
    return false;
  }
  state.isOpen = false;
  autosave.stop();
  return true;
}

/**
 * Give the dictation back to its author, with a reason.
 * @param {HTMLFormElement} form
 */
async function giveBack(form) {
  const error = first(".error", HTMLElement, form);
  const why = new FormData(form);
  error.hidden = true;
  try {
    await autosave.flush();
    await call("POST", `${path}/return`, { reason: why.get("reason"), note: why.get("note") });
    autosave.stop();
    location.assign(data.list);
  } catch (problem) {
    error.textContent = `Not returned: ${wordsOf(problem)}`;
    error.hidden = false;
  }
}

/** Mark an unclear passage by its second: `[? 01:23]`. */
function putMark() {
  if (!state.isOpen) return;
  const { activeElement: active } = document;
  const isText = active instanceof HTMLTextAreaElement && active.matches("#text textarea");
  const at = Math.floor(player.now);
  const [minutes, seconds] = [Math.floor(at / 60), at % 60].map((part) => String(part).padStart(2, "0"));
  insert(isText ? active : state.last, `[? ${minutes}:${seconds}]`);
}

/** Hold the dictation, and bring back what this device has of it. */
async function take() {
  const taken = await call("POST", `${path}/take`);
  state.fence = taken.fence;
  const kept = await device.getText(autosave.key).catch(() => undefined);
  if (kept?.user === data.me.id && differing(data.sections, kept.sections, readAreas(areas)).length) {
    write(kept.revision === taken.revision ? kept.sections : await merged(kept.sections, taken.sections));
    autosave.revision = taken.revision;
    autosave.touched();
  }
  focusFirst(areas);
}

/**
 * The text of this device and the server's, which have no common base.
 * @param {Sections} mine
 * @param {Sections} theirs
 * @returns {Promise<Sections>}
 */
async function merged(mine, theirs) {
  const conflicts = differing(data.sections, mine, theirs);
  if (!conflicts.length) return mine;
  const words = "The text on this device and that of the server.";
  return { ...theirs, ...(await choose(words, conflicts, mine, theirs, ["This device", "The server"])) };
}

/** Keep the hold. */
async function renew() {
  if (!state.isOpen) return;
  try {
    await call("POST", `${path}/renew`, { fence: state.fence }, { isLive: true });
  } catch (error) {
    const problem = problemOf(error);
    if (problem.code === "taken_over") close(problem.message);
  }
}

function listen() {
  byId("text").addEventListener("input", () => autosave.touched());
  byId("text").addEventListener("focusin", ({ target }) => {
    if (target instanceof HTMLTextAreaElement) state.last = target;
  });
  byId("save").addEventListener("click", () => {
    autosave.isDirty = true;
    autosave.toServer();
  });
  byId("put-mark").addEventListener("click", putMark);
  byId("finish").addEventListener("click", finish);
  const form = first("#return form", HTMLFormElement);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    giveBack(form);
  });
  document.addEventListener("keydown", (event) => {
    const isMark = event.key === "?" || event.code === "Slash" || (event.code === "Minus" && event.shiftKey);
    if (!event.altKey || event.ctrlKey || !isMark) return;
    event.preventDefault();
    putMark();
  });
}

async function begin() {
  listen();
  offerMacros(data.macros);
  const seek = (/** @type {number} */ second) => player.seek(second);
  state.lookForMarks = listOpenFields(first("[data-marks]"), Object.values(areas), seek);
  if (state.isOpen) {
    await take().catch((error) => close(wordsOf(error)));
    setInterval(renew, HEARTBEAT);
  }
  document.documentElement.dataset.editorReady = state.isOpen ? "writing" : "reading";
}

begin();
