// The report on the server: its text is saved, and brought together with what others wrote meanwhile.
import { byId } from "../dom.js";
import { say } from "../flash.js";
import { refresh } from "../live.js";
import { call } from "./api.js";
import { Autosave } from "./autosave.js";
import { keyOf } from "./editor_state.js";
import { keepText } from "./kept_texts.js";
import { lose } from "./lease.js";
import { join } from "./merge.js";
import { choose } from "./merge_dialog.js";
import { readText, writeText } from "./report_text.js";
import { setReadOnly } from "./sections.js";
import { showReadOnly } from "./writing_bar.js";

/**
 * @typedef {import("./api.js").Problem} Problem
 * @typedef {import("./editor_state.js").Editor} Editor
 * @typedef {import("./page_data.js").Report} Report
 * @typedef {import("./page_data.js").Sections} Sections
 */

const RETRY = 3000;

/**
 * What saves the report's text.
 * @param {Editor} editor
 * @returns {Autosave<Sections>}
 */
export function reportAutosave(editor) {
  const { data } = editor;
  return new Autosave({
    key: keyOf(data),
    user: data.me.id,
    read: () => readText(editor),
    send: (sections, revision) => send(editor, sections, revision),
    conflict: (problem) => resolve(editor, problem),
    mark: byId("mark", HTMLElement),
    base: data.report?.sections ?? { ...data.template?.sections, ...data.suggested },
    revision: data.report?.revision ?? 0,
  });
}

/**
 * Begin the report, or change what differs; the new revision.
 * @param {Editor} editor
 * @param {Sections} sections
 * @param {number} revision
 */
async function send(editor, sections, revision) {
  const { data, autosave } = editor;
  /** @type {Report} */
  let report;
  if (editor.report) {
    const names = data.sections.filter((name) => sections[name] !== autosave.base?.[name]);
    const changed = Object.fromEntries(names.map((name) => [name, sections[name]]));
    report = await call("PATCH", `/reports/${editor.report.id}`, { sections: changed, revision });
  } else {
    const begun = { sections, template: data.template?.name ?? "", reading_item: data.item };
    report = await call("POST", `/studies/${data.studies[0]}/reports`, begun);
    setTimeout(() => refresh(), 300);
  }
  editor.report = report;
  return report.revision;
}

/**
 * The server did not take the text: bring it together with the other one, or keep it beside the report.
 * @param {Editor} editor
 * @param {Problem} problem
 */
export async function resolve(editor, problem) {
  const { code, changed, message } = problem;
  if (code === "exists") await merge(editor, changed.report, "Somebody began this report meanwhile.");
  else if (code === "stale_revision") await merge(editor, editor.report?.id ?? "", message);
  else if (code === "held" || code === "taken_over") await lose(editor, changed.holder || "another person");
  else {
    await keepText(editor, message);
    showReadOnly(editor, "This is not saved into the report.", `${message} Your text is kept beside it.`);
  }
}

/**
 * Bring both texts together: what only one changed is joined, the rest a person chooses.
 * @param {Editor} editor
 * @param {string} id the report's
 * @param {string} words why there are two
 */
async function merge(editor, id, words) {
  const { autosave, data } = editor;
  autosave.stop();
  const mine = readText(editor);
  /** @type {Report} */
  let theirs;
  try {
    theirs = await call("GET", `/reports/${id}`);
  } catch {
    setTimeout(() => merge(editor, id, words), RETRY);
    return;
  }
  const base = editor.report ? autosave.base : null;
  editor.report = theirs;
  const { text, conflicts, taken } = join(data.sections, base, mine, theirs.sections);
  if (conflicts.length) Object.assign(text, await chosen(editor, words, conflicts, mine, theirs));
  writeText(editor, text);
  if (taken.length) {
    const titles = taken.map((name) => data.titles[name]).join(", ");
    say(`${theirs.changed_by} changed ${titles} meanwhile; it is shown now.`, "success");
  }
  autosave.isDirty = data.sections.some((name) => text[name] !== (theirs.sections[name] ?? ""));
  autosave.goOn(theirs.revision, theirs.sections);
  if (autosave.isDirty) autosave.toServer();
  else await autosave.settle();
}

/**
 * What a person chooses of sections that both changed; nobody types meanwhile.
 * @param {Editor} editor
 * @param {string} words
 * @param {string[]} conflicts
 * @param {Sections} mine
 * @param {Report} theirs
 */
async function chosen(editor, words, conflicts, mine, theirs) {
  setReadOnly(editor.areas, true);
  const question = `${words.replace(/[.]?$/, ".")} Both texts are here; choose for each section.`;
  const text = await choose(question, conflicts, mine, theirs.sections, [
    "Yours",
    `That of ${theirs.changed_by}`,
  ]);
  setReadOnly(editor.areas, !editor.isWriting);
  return text;
}
