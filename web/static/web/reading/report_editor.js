// The report editor: its parts, put together.
import { byId, closest, find, first } from "../dom.js";
import { say } from "../flash.js";
import { prepareAddendum } from "./addendum.js";
import { problemOf, wordsOf } from "./api.js";
import { restore } from "./device_copy.js";
import "./dialogs.js";
import { newEditor } from "./editor_state.js";
import { look } from "./item_watch.js";
import "./last_signature.js";
import { release, renew, take } from "./lease.js";
import { offerMacros } from "./macros.js";
import { listOpenFields } from "./open_field_marks.js";
import { handOnServerPart, reclaim, reportDictation, showDictation } from "./report_dictation.js";
import { showParked } from "./parked.js";
import { listenToPriors } from "./priors.js";
import { reportAutosave, resolve } from "./report_saving.js";
import { shade, shadeAfterInput } from "./report_text.js";
import { focusFirst } from "./sections.js";
import "./session_lock.js";
import { listenToSign } from "./sign_dialog.js";
import { listenToSigned } from "./signed_dialog.js";
import { lookForStat, park } from "./stat_interruption.js";
import { lockTab, stealTab } from "./tab_lock.js";
import { takeOver } from "./take_over.js";
import { showReadOnly, showWritable } from "./writing_bar.js";

const LOOK_EVERY = 4000;
const RENEW_EVERY = 30000;
const STAT_EVERY = 15000;

const editor = newEditor();
editor.autosave = reportAutosave(editor);
editor.dictation = reportDictation(editor);

/** @param {unknown} problem */
const sayProblem = (problem) => say(wordsOf(problem));

function listenToText() {
  byId("text").addEventListener("input", ({ target }) => {
    editor.inputAt = Date.now();
    editor.autosave.touched();
    if (target instanceof HTMLTextAreaElement) shadeAfterInput(editor, target);
    if (!editor.fence && !editor.taking) takeForTyping();
  });
  byId("text").addEventListener("focusin", ({ target }) => {
    if (target instanceof HTMLTextAreaElement) lastField = target;
  });
  byId("save").addEventListener("click", () => {
    editor.autosave.isDirty = true;
    editor.autosave.toServer(true);
  });
}

async function takeForTyping() {
  try {
    await take(editor);
  } catch (error) {
    const problem = problemOf(error);
    if (problem.status === 409) await resolve(editor, problem);
  }
}

function listenToButtons() {
  byId("pane").addEventListener("click", toOtherPane);
  find("#item-actions")?.addEventListener("click", (event) => {
    if (closest(event, "#release")) leave();
  });
  document.addEventListener("click", async (event) => {
    if (closest(event, "[data-take]")) takeOver(editor).catch(sayProblem);
    if (closest(event, "[data-here]")) await writeHere();
    const reclaimed = closest(event, "[data-reclaim]")?.dataset.reclaim;
    if (reclaimed) await reclaim(editor, reclaimed);
    const handedOn = closest(event, "[data-hand-on]")?.dataset.handOn;
    if (handedOn) handOnServerPart(handedOn).catch(sayProblem);
    if (closest(event, "[data-park]")) park(editor);
    const link = closest(event, "a[href]", HTMLAnchorElement);
    if (link && !link.target && !link.hash && !editor.autosave.isDirty && !editor.dictation.isOpen) {
      release(editor, true);
    }
  });
}

/** Where something was typed last. @type {HTMLTextAreaElement | undefined} */
let lastField;

function toOtherPane() {
  const side = byId("side");
  if (!side.contains(document.activeElement)) side.focus();
  else (find("#signed-report") ?? lastField ?? editor.areas.findings).focus();
}

async function writeHere() {
  await stealTab(editor);
  location.reload();
}

/** Give the item back, once all of its text is on the server. */
async function leave() {
  if (!(await editor.autosave.flush()) && editor.autosave.isDirty) {
    say("Some text is not on the server yet. It is kept on this device.");
    return;
  }
  await release(editor);
  location.assign(editor.data.lists);
}

/** Write, if no other tab does. */
async function beginWriting() {
  if (!editor.data.isOpen) return;
  if (!(await lockTab(editor))) {
    const words = "This one only shows it.";
    showReadOnly(editor, "Another tab of this browser writes on it.", words, { here: true });
    return;
  }
  if (editor.data.draftOf) {
    showReadOnly(editor, `Draft of ${editor.data.draftOf}.`, "You can read along, or take it over.", {
      take: true,
    });
    return;
  }
  showWritable(editor);
  await restore(editor);
  await showDictation(editor);
  editor.guard.lead();
  if (location.hash === "#dictate") {
    history.replaceState(null, "", location.pathname);
    editor.dictation.toggle();
  } else if (document.activeElement === document.body) {
    focusFirst(editor.areas, editor.data.template?.sections);
  }
}

async function begin() {
  listenToText();
  listenToButtons();
  listenToPriors(editor);
  addEventListener("session-resumed", () => {
    if (editor.isWriting) take(editor).catch(() => {});
  });
  offerMacros(editor.data.macros);
  shade(editor);
  editor.lookForMarks = listOpenFields(first("[data-marks]"), Object.values(editor.areas));
  listenToSign(editor);
  listenToSigned(editor);
  prepareAddendum(editor);
  showParked(editor.data.me.id);
  await beginWriting();
  await look(editor);
  if (editor.isParked && editor.isWriting) await take(editor).catch(sayProblem);
  setInterval(() => look(editor), LOOK_EVERY);
  setInterval(() => renew(editor, () => look(editor)), RENEW_EVERY);
  if (editor.data.mayWrite) {
    lookForStat(editor);
    setInterval(() => lookForStat(editor), STAT_EVERY);
  }
  document.documentElement.dataset.editorReady = editor.isWriting ? "writing" : "reading";
}

begin();
