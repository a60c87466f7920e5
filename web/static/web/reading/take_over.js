// Taking the item over from another person, who keeps what was not saved.
import { say } from "../flash.js";
import { refresh } from "../live.js";
import { call, wordsOf } from "./api.js";
import { restore } from "./device_copy.js";
import { askWhy } from "./dialogs.js";
import { itemNow, take } from "./lease.js";
import { showDictation } from "./report_dictation.js";
import { writeText } from "./report_text.js";
import { showWritable } from "./writing_bar.js";

/** @typedef {import("./editor_state.js").Editor} Editor */

/** The other page notices within seconds and keeps what it had not sent. */
const LOOK_AGAIN = [3000, 5500, 10000];

/** @param {Editor} editor */
export async function takeOver(editor) {
  const { autosave, data } = editor;
  const item = await itemNow(editor);
  let reason = "";
  const isHeld = item.lease && !item.lease.mine;
  if ((isHeld || data.draftOf) && !data.maySupervise) {
    const words = isHeld
      ? `${item.lease?.holder} can then only read it. Nothing typed or dictated is lost.`
      : `It is the draft of ${data.draftOf}. With what you write, or sign, it is yours.`;
    reason = await askWhy("Take over", words, "Take over");
    if (!reason) return;
  }
  try {
    await take(editor, reason);
  } catch (problem) {
    say(wordsOf(problem));
    return;
  }
  data.draftOf = "";
  autosave.isDirty = false;
  if (item.report) {
    const report = await call("GET", `/reports/${item.report}`);
    editor.report = report;
    writeText(editor, report.sections);
    autosave.goOn(report.revision, report.sections);
  } else autosave.goOn(0, data.report?.sections ?? { ...data.template?.sections, ...data.suggested });
  showWritable(editor);
  await restore(editor);
  await showDictation(editor);
  refresh();
  for (const wait of LOOK_AGAIN) setTimeout(refresh, wait);
}
