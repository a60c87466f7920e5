// Text that can't go into the report is kept beside it, so that nothing that somebody typed is lost.
import { call, problemOf } from "./api.js";
import { isAsSaved, readText } from "./report_text.js";

/** @typedef {import("./editor_state.js").Editor} Editor */

const RETRY = 3000;

/**
 * Keep what this page has beside the report; tried until the server has it.
 * @param {Editor} editor
 * @param {string} reason
 */
export async function keepText(editor, reason) {
  const { autosave, data } = editor;
  const sections = readText(editor);
  const isSame = isAsSaved(editor);
  autosave.stop();
  if (isSame) return;
  try {
    if (!editor.report) {
      const item = await call("GET", `/reading/items/${data.item}`, undefined, { isLive: true });
      if (!item.report) return;
      editor.report = await call("GET", `/reports/${item.report}`);
    }
    const kept = { sections, revision: autosave.revision, reason: reason.slice(0, 200) };
    await call("POST", `/reports/${editor.report?.id}/kept`, kept);
    await autosave.settle();
    autosave.show("device", "Kept beside the report");
  } catch (error) {
    const problem = problemOf(error);
    if (problem.isPassing || problem.status === 401) setTimeout(() => keepText(editor, reason), RETRY);
  }
}
