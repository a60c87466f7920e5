// What others did meanwhile: the item is looked at every few seconds, and what changed is shown.
import { all } from "../dom.js";
import { say } from "../flash.js";
import { refresh } from "../live.js";
import { call } from "./api.js";
import { itemNow, lose, noteLease } from "./lease.js";
import { clock } from "./page_data.js";
import { writeText } from "./report_text.js";
import { showHeldBy, showReadOnly } from "./writing_bar.js";

/**
 * @typedef {import("./editor_state.js").Editor} Editor
 * @typedef {import("./page_data.js").ReadingItem} ReadingItem
 * @typedef {import("./page_data.js").Report} Report
 */

const SIGNED = ["final", "amended", "retracted"];

/**
 * Look at the item, and show what is new.
 * @param {Editor} editor
 */
export async function look(editor) {
  const { takes } = editor;
  const item = await itemNow(editor).catch(() => null);
  if (!item || takes !== editor.takes) return;
  await compareLease(editor, item);
  noteLease(editor, item);
  for (const part of all("[data-only-server]"))
    part.hidden = editor.dictation.isHere(part.dataset.onlyServer);
  if ((item.patient.id ?? "") !== editor.data.patient.id) tellPatient(editor);
  else tellNews(editor, item);
  const now = snapshot(item);
  if (editor.lastLook && now !== editor.lastLook) {
    refresh();
    await follow(editor, item);
  }
  editor.lastLook = now;
}

/**
 * Stop writing where another person has the item.
 * @param {Editor} editor
 * @param {ReadingItem} item
 */
async function compareLease(editor, { lease }) {
  if (!editor.isWriting || !lease || lease.mine) return;
  if (editor.fence || editor.autosave.isDirty) await lose(editor, lease.holder);
  else showHeldBy(editor, lease);
}

/**
 * Whatever of the item the page shows.
 * @param {ReadingItem} item
 */
function snapshot(item) {
  const { status, revision, report, lease, presences, hold_reason, patient_question, images } = item;
  const outside = item.outside_reports.map(({ id }) => id);
  const doubts = [patient_question, item.under_investigation, item.has_mismatch];
  const spoken = item.dictations.map(({ state, segments, typist }) => [state, segments > 0, typist]);
  const who = [lease?.holder, lease?.fence, presences];
  return JSON.stringify([status, revision, report, ...who, hold_reason, doubts, images, outside, spoken]);
}

/**
 * It is about another patient now: nothing more is written here.
 * @param {Editor} editor
 */
function tellPatient(editor) {
  const words = "Load the page anew before you go on; what you typed is kept.";
  showReadOnly(editor, "This item belongs to another patient now.", words);
}

/**
 * Tell of what the signer has not seen yet, once.
 * @param {Editor} editor
 * @param {ReadingItem} item
 */
function tellNews(editor, item) {
  const news = [...newsOfImages(editor, item), ...newsOfOutside(editor, item)];
  const text = news.join(" ");
  if (text && text !== editor.newsTold)
    say({ text: `${text} Look before you sign.`, url: editor.data.path, link: "Load it anew" }, "warning");
  editor.newsTold = text;
}

/**
 * Images that came or went since the page was opened.
 * @param {Editor} editor
 * @param {ReadingItem} item
 */
function newsOfImages({ data }, { images }) {
  const more = images - data.images;
  if (!more) return [];
  const count = `${Math.abs(more)} image${Math.abs(more) === 1 ? "" : "s"}`;
  return [`${count} ${more > 0 ? "came" : "went"} since you opened this.`];
}

/**
 * Reports of others that came, were corrected or withdrawn since the page was opened, or the draft saved before.
 * @param {Editor} editor
 * @param {ReadingItem} item
 */
function newsOfOutside({ data }, { outside_reports }) {
  const fresh = outside_reports.filter(({ id }) => !data.outsideReports.includes(id));
  return fresh.map(({ title, sender, status }) => {
    const called = title ? `Outside report “${title}”` : "An outside report";
    return `${called} from ${sender} is new: ${status}.`;
  });
}

/**
 * Show a text that was typed elsewhere, by a transcriptionist for one, unless this page has a newer one.
 * @param {Editor} editor
 * @param {ReadingItem} item
 */
async function follow(editor, item) {
  const { autosave } = editor;
  if (!item.report || autosave.isDirty || autosave.isBusy || autosave.isStopped) return;
  /** @type {Report | null} */
  const theirs = await call("GET", `/reports/${item.report}`, undefined, { isLive: true }).catch(() => null);
  if (!theirs || theirs.revision <= autosave.revision || autosave.isDirty) return; // an answer may be late
  const isSigned = SIGNED.includes(theirs.status);
  editor.report = theirs;
  writeText(editor, theirs.sections);
  autosave.goOn(theirs.revision, theirs.sections);
  autosave.show("saved", `Saved ${clock(new Date(theirs.changed_at ?? Date.now()))}`);
  const changed = `${theirs.changed_by} changed the text; it is shown now.`;
  say(isSigned ? "The report was signed." : changed, "success");
  if (isSigned) location.reload();
}
