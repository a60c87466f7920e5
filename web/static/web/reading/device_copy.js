// Text that a crash or a lost connection left on this device.
import { byId, closest, first } from "../dom.js";
import { refresh } from "../live.js";
import { call } from "./api.js";
import * as device from "./device_store.js";
import { keyOf } from "./editor_state.js";
import { choose } from "./merge_dialog.js";
import { clock } from "./page_data.js";
import { readText, writeText } from "./report_text.js";
import { differing } from "./sections.js";

/**
 * @typedef {import("./device_store.js").KeptText} KeptText
 * @typedef {import("./editor_state.js").Editor} Editor
 */

/**
 * Bring it back where nobody changed the report since; else ask.
 * @param {Editor} editor
 */
export async function restore(editor) {
  const { autosave, data } = editor;
  const key = keyOf(data);
  const kept = await device.getText(key).catch(() => undefined);
  if (kept?.user !== data.me.id) return;
  if (!differing(data.sections, kept.sections, readText(editor)).length) {
    device.removeText(key);
  } else if (kept.revision === autosave.revision && editor.isWriting) {
    writeText(editor, kept.sections);
    autosave.touched();
    autosave.show("device", `Brought back from this device, as of ${clock(new Date(kept.at))}`);
  } else offer(editor, kept);
}

/**
 * Let the person choose between it and the server's, or put it beside the report.
 * @param {Editor} editor
 * @param {KeptText} kept
 */
function offer(editor, kept) {
  const bar = byId("restore");
  first("span", HTMLElement, bar).textContent = "It was typed before somebody else changed the report.";
  bar.hidden = false;
  bar.onclick = async (event) => {
    if (closest(event, "[data-mine]")) {
      bar.hidden = true;
      await showBoth(editor, kept);
    } else if (closest(event, "[data-theirs]") && editor.report) {
      await putBeside(editor, kept);
      bar.hidden = true;
      refresh();
    }
  };
}

/**
 * @param {Editor} editor
 * @param {KeptText} kept
 */
async function showBoth(editor, kept) {
  const theirs = readText(editor);
  const conflicts = differing(editor.data.sections, kept.sections, theirs);
  const words = "The text on this device and that of the server.";
  writeText(editor, await choose(words, conflicts, kept.sections, theirs, ["This device", "The server"]));
  editor.autosave.touched();
}

/**
 * @param {Editor} editor
 * @param {KeptText} kept
 */
async function putBeside(editor, { key, sections, revision }) {
  const text = { sections, revision, reason: "found on the author's device" };
  await call("POST", `/reports/${editor.report?.id}/kept`, text);
  await device.removeText(key);
}
