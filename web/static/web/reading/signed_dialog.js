// After the signature: on to the next item, or back within the time in which it can be taken back.
import { byId, closest, find, first, labelOf } from "../dom.js";
import { say } from "../flash.js";
import { refresh } from "../live.js";
import { call, wordsOf } from "./api.js";

/**
 * @typedef {import("./editor_state.js").Editor} Editor
 * @typedef {import("./page_data.js").Report} Report
 */

const dialog = byId("signed", HTMLDialogElement);
const bar = byId("undo");

/** @param {Editor} editor */
export function listenToSigned(editor) {
  first("[data-next]", HTMLElement, dialog).onclick = toNext;
  dialog.addEventListener("close", () => location.reload());
  document.addEventListener("click", (event) => {
    if (closest(event, "[data-undo]")) undo(editor);
  });
  setInterval(countDown, 500);
  countDown();
}

function toNext() {
  byId("next", HTMLFormElement).submit();
}

/**
 * Say that it is signed, and until when it can be taken back.
 * @param {Report} report
 * @param {string} kind
 */
export function showSigned(report, kind) {
  const until = report.undo_until ?? "";
  const now = `It is being released${kind === "preliminary" ? " as preliminary" : ""}.`;
  const goesOut = until ? "It is released unless undone within the time shown." : now;
  const signed = `Version ${report.version} (${report.status}) by ${report.signed_by}.`;
  first("[data-words]", HTMLElement, dialog).textContent = `${signed} ${goesOut}`;
  first("[data-undo]", HTMLElement, dialog).hidden = !until;
  dialog.dataset.until = until;
  dialog.showModal();
  document.documentElement.dataset.signed = String(report.version);
  hideWriting();
  refresh();
}

/** What is signed is written on no more; the page, anew when the box closes, says what else can be done. */
function hideWriting() {
  for (const id of ["sign-open", "save", "dictation"]) {
    const part = find(`#${id}`);
    if (part) part.hidden = true;
  }
}

/**
 * Undo the signature.
 * @param {Editor} editor
 */
async function undo({ report }) {
  if (!report) return;
  try {
    await call("POST", `/reports/${report.id}/undo`);
    location.reload();
  } catch (problem) {
    if (dialog.open) first("[data-words]", HTMLElement, dialog).textContent = wordsOf(problem);
    else say(wordsOf(problem));
  }
}

/**
 * The seconds from now to a time.
 * @param {string | undefined} until
 */
const secondsTo = (until) => (until ? Math.ceil((new Date(until).getTime() - Date.now()) / 1000) : 0);

function countDown() {
  const until = find("[data-undo-until]")?.dataset.undoUntil;
  const left = secondsTo(until);
  const isOver = left <= 0;
  if (bar.hidden !== isOver) {
    bar.hidden = isOver;
    if (until && isOver) refresh();
  }
  first("[data-seconds]", HTMLElement, bar).textContent = String(left);
  if (dialog.open && dialog.dataset.until) showRest(secondsTo(dialog.dataset.until));
}

/** @param {number} rest in seconds */
function showRest(rest) {
  const button = first("[data-undo]", HTMLElement, dialog);
  button.hidden = rest <= 0;
  if (rest <= 0) first("[data-words]", HTMLElement, dialog).textContent = "It is being released.";
  labelOf(button).data = `Undo signature (${rest} s) `;
}
