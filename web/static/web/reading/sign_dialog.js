// The sign box: what will be signed, what stands in the way, the password.
import { byId, find, first, make } from "../dom.js";
import { say } from "../flash.js";
import { kindOfAddendum } from "./addendum.js";
import { call, problemOf } from "./api.js";
import { sha256, uuid } from "./digests.js";
import { refusal } from "./editor_state.js";
import { readText } from "./report_text.js";
import { setReadOnly } from "./sections.js";
import { answersIn, firstOf, showBlocks } from "./sign_blocks.js";
import { showSigned } from "./signed_dialog.js";
import { askForSecret, clearSecret, noteTaken, secret, secretField } from "./signing_secret.js";

/**
 * @typedef {import("./api.js").Problem} Problem
 * @typedef {import("./editor_state.js").Editor} Editor
 * @typedef {import("./page_data.js").Report} Report
 * @typedef {import("./page_data.js").Sections} Sections
 */

const SIGNED = ["final", "amended"];
/** Between sections, where their digest is taken. */
const SEPARATOR = "\u001e";
/** Characters of an addendum that the box shows. */
const MOST_SHOWN = 400;

const dialog = byId("sign", HTMLDialogElement);
const form = first("form", HTMLFormElement, dialog);
const error = first("[data-error]", HTMLElement, dialog);
const blocks = first("[data-blocks]", HTMLElement, dialog);
const recipients = first("[data-recipients]", HTMLElement, dialog);

/** @param {Editor} editor */
export function listenToSign(editor) {
  byId("sign-open").addEventListener("click", () => open(editor));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    sign(editor);
  });
  dialog.addEventListener("cancel", (event) => {
    if (editor.signing.isSending) event.preventDefault(); // it may be signed already
  });
  first("[data-kinds]", HTMLElement, dialog).addEventListener("change", () => check(editor));
  dialog.addEventListener("keydown", (event) => {
    if (!event.ctrlKey || event.key !== "Enter") return;
    event.preventDefault();
    sign(editor);
  });
}

/**
 * What is added to a signed report, where one is signed.
 * @param {Editor} editor
 */
function addendumOf({ report, addendum }) {
  return SIGNED.includes(report?.status ?? "") ? addendum : null;
}

/**
 * Open the box once all text is on the server.
 * @param {Editor} editor
 */
async function open(editor) {
  if (dialog.open) return;
  const addendum = addendumOf(editor);
  const obstacle = (addendum ? editor.guard.refusal : refusal(editor)) || obstacleOf(editor);
  if (obstacle) {
    say(obstacle);
    return;
  }
  const saving = addendum ?? editor.autosave;
  if (!editor.report) await saving.toServer(true);
  if (!(await saving.flush())) {
    say(
      "Not all text is on the server yet, so it can't be signed. It is kept on this device and tried again.",
    );
    return;
  }
  fill(editor, addendum !== null);
  await check(editor);
  await askForSecret();
  if (!dialog.open) dialog.showModal(); // asked for twice
  (firstOf(blocks) ?? secretField()).focus();
}

/**
 * Ask the server what stands in the way and who will be sent it, before the password is asked for.
 * @param {Editor} editor
 */
async function check(editor) {
  const { report } = editor;
  if (!report) return;
  const body = { kind: kindChosen(), shown: await shownOn(editor, wholeText(editor)) };
  try {
    const found = await call("POST", `/reports/${report.id}/signing-checks`, body);
    showBlocks(blocks, found.blocks, leadTo(editor));
    showRecipients(found);
  } catch (problem) {
    error.textContent = problemOf(problem).message; // signing asks again, and says so as well
    error.hidden = false;
  }
}

/**
 * Say what will go out.
 * @param {{ kind: string, recipients: { destination: string, accession_number: string }[], obstacle: string }} found
 */
function showRecipients(found) {
  const lines = found.recipients.map(({ destination, accession_number }) =>
    make("li", { textContent: `To ${destination} as ${accession_number || "an order without a number"}` }),
  );
  if (found.obstacle) {
    const words = found.obstacle[0].toUpperCase() + found.obstacle.slice(1);
    lines.push(make("li", { className: "undeliverable", textContent: words }));
  }
  recipients.replaceChildren(...lines);
}

/**
 * Close the box and go to where something has to be mended.
 * @param {Editor} editor
 * @returns {(section: string) => void}
 */
const leadTo = (editor) => (section) => {
  if (editor.signing.isSending) return;
  dialog.close();
  const corrected = find(`#corrected-${section}`, HTMLTextAreaElement);
  const area = addendumOf(editor) && corrected ? corrected : editor.areas[section];
  area?.focus();
};

/** As what it is signed. */
const kindChosen = () => find("input[name=kind]:checked", HTMLInputElement, dialog)?.value ?? "final";

/**
 * The whole text as its digest is taken; nothing of an addendum.
 * @param {Editor} editor
 */
function wholeText(editor) {
  if (addendumOf(editor)) return "";
  const text = readText(editor);
  return editor.data.sections.map((name) => text[name]).join(SEPARATOR);
}

/**
 * What has to be done first; nothing if it may be signed.
 * @param {Editor} editor
 */
function obstacleOf(editor) {
  const addendum = addendumOf(editor);
  if (editor.dictation.isOpen)
    return "A dictation is unsent. Send it to transcription or discard it, then sign.";
  const isEmpty = addendum && !addendum.revision && !addendum.isDirty;
  return isEmpty ? "Write the addendum first; what is signed is never changed." : "";
}

/**
 * Say what will be signed.
 * @param {Editor} editor
 * @param {boolean} isAddendum
 */
function fill(editor, isAddendum) {
  first("h2", HTMLElement, dialog).textContent = `Sign the ${isAddendum ? kindOfAddendum() : "report"}`;
  first("[data-kinds]", HTMLElement, dialog).hidden = isAddendum;
  blocks.replaceChildren();
  recipients.replaceChildren();
  error.hidden = true;
  clearSecret();
  const facts = isAddendum ? factsOfAddendum(editor) : factsOfReport(editor);
  const lines = facts.map(([textContent, className]) => make("li", { textContent, className }));
  first("[data-facts]", HTMLElement, dialog).replaceChildren(...lines);
}

/** @typedef {[words: string, tone: string]} Fact */

/**
 * What is added, word by word as far as it fits; of a correction the sections.
 * @param {Editor} editor
 * @returns {Fact[]}
 */
function factsOfAddendum({ data }) {
  const kind = kindOfAddendum();
  if (kind === "correction") {
    const sections = data.sections.filter((name) =>
      find(`#corrected-${name}`, HTMLTextAreaElement)?.value.trim(),
    );
    return [[`Replaces the report: ${sections.map((name) => data.titles[name]).join(", ")}`, ""]];
  }
  const text = byId("addendum-text", HTMLTextAreaElement).value.trim();
  /** @type {Fact} */
  const shown = [`“${text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text}”`, ""];
  const words = "The report is retracted; the exam returns to the reading list for a new report.";
  return kind === "retraction" ? [shown, [words, "overdue"]] : [shown];
}

/**
 * @param {Editor} editor
 * @returns {Fact[]}
 */
function factsOfReport(editor) {
  const { data, guard } = editor;
  const text = readText(editor);
  const filled = data.sections.filter((name) => text[name].trim());
  const lengths = filled.map((name) => `${data.titles[name]} ${counted(wordsIn(text[name]), "word")}`);
  const untouched = countFromTemplate(editor, text);
  /** @type {Fact[]} */
  const facts = [[lengths.join(", ") || "No text", ""]];
  if (untouched)
    facts.push([
      `Unedited template or suggested text will be sent: ${counted(untouched, "sentence")}`,
      "overdue",
    ]);
  if (find("[data-untyped]")) {
    facts.push(["A dictation is not typed yet; what was said is not in the text", "overdue"]);
  }
  if (guard.givenReason) facts.push([`The viewer shows another patient: ${guard.givenReason}`, "overdue"]);
  return facts;
}

/**
 * @param {number} count
 * @param {string} what
 */
const counted = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;

/** @param {string} text */
const wordsIn = (text) => text.trim().split(/\s+/).length;

/**
 * The sentences of the template, and of what was suggested, that still stand in the text as they were; a label alone is
 * none.
 * @param {Editor} editor
 * @param {Sections} text
 */
function countFromTemplate({ data }, text) {
  const given = [data.template?.sections ?? {}, data.suggested].flatMap((one) => Object.entries(one));
  const standing = given.flatMap(([name, words]) => {
    const sentences = words.split(/(?<=[.!?])\s+|\n+/).map((part) => part.trim());
    const still = sentences.filter((one) => one && !one.endsWith(":") && text[name]?.includes(one));
    return still.map((one) => `${name}: ${one}`);
  });
  return new Set(standing).size;
}

/** @param {Editor} editor */
async function sign(editor) {
  const { report, signing } = editor;
  if (signing.isSending || !secretField().value || !report) {
    secretField().focus();
    return;
  }
  signing.isSending = true;
  const button = first("[data-yes]", HTMLButtonElement, dialog);
  const back = first("[data-dismiss]", HTMLButtonElement, dialog);
  button.disabled = back.disabled = true;
  error.hidden = true;
  try {
    await signReport(editor, report);
  } catch (problem) {
    if (problemOf(problem).status === 409) noteTaken(); // the text is not signed, but the secret was right
    await askForSecret();
    explain(editor, problemOf(problem));
  }
  clearSecret();
  button.disabled = back.disabled = false;
  signing.isSending = false;
}

/**
 * Ask the server to sign; a problem where it does not.
 * @param {Editor} editor
 * @param {Report} report
 */
async function signReport(editor, report) {
  const { autosave, addendum } = editor;
  const isAddendum = addendumOf(editor) !== null;
  const whole = wholeText(editor);
  const kind = kindChosen();
  const key = keyOf(editor, [report.id, autosave.revision, addendum?.revision, kind, whole.length]);
  const body = {
    ...secret(),
    revision: isAddendum ? report.revision : autosave.revision,
    kind,
    overrides: overridesOf(editor),
    shown: await shownOn(editor, whole),
  };
  const signed = await call("POST", `/reports/${report.id}/sign`, body, {
    headers: { "Idempotency-Key": key },
  });
  noteTaken();
  autosave.stop();
  editor.isWriting = false;
  setReadOnly(editor.areas, true);
  addendum?.stop();
  dialog.close();
  showSigned(signed, kind);
}

/**
 * One key for one text: asking twice signs once.
 * @param {Editor} editor
 * @param {unknown[]} what
 */
function keyOf({ signing }, what) {
  const of = JSON.stringify(what);
  if (signing.of !== of) Object.assign(signing, { of, key: uuid() });
  return signing.key;
}

/**
 * The reasons why it is signed all the same.
 * @param {Editor} editor
 */
function overridesOf({ guard }) {
  const reasons = guard.givenReason ? { viewer_other_patient: guard.givenReason } : {};
  return { ...reasons, ...answersIn(blocks) };
}

/**
 * What the person had before their eyes.
 * @param {Editor} editor
 * @param {string} text the whole of it; nothing of an addendum
 */
async function shownOn({ data, guard }, text) {
  return {
    patient: data.patient.id,
    studies: data.studies,
    images: data.images,
    outside_reports: data.outsideReports,
    viewer_studies: guard.shown,
    text_sha256: text ? (await sha256(new TextEncoder().encode(text))) || null : null,
  };
}

/**
 * Say what stands in the way.
 * @param {Editor} editor
 * @param {Problem} problem
 */
function explain(editor, problem) {
  if (problem.blocks.length) showBlocks(blocks, problem.blocks, leadTo(editor));
  error.textContent = wordsFor(problem);
  error.hidden = false;
  (problem.blocks.length ? (firstOf(blocks) ?? secretField()) : secretField()).focus();
}

/** @param {Problem} problem */
function wordsFor(problem) {
  if (problem.blocks.length) {
    const isAsked = problem.blocks.every((block) => block.asks);
    return `Not signed. Fix this, or ${isAsked ? "confirm that it is correct" : "give a reason to override"}.`;
  }
  if (/nothing was signed/i.test(problem.message)) return problem.message;
  if (problem.status) return `Nothing was signed: ${problem.message}`;
  return "The server can't be reached. Asking again signs once only.";
}
