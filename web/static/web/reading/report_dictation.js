// The dictation bar of the report editor, and dictations that another device has begun or handed on.
import { say } from "../flash.js";
import { find } from "../dom.js";
import { refresh } from "../live.js";
import { call } from "./api.js";
import { Dictation } from "./dictation.js";
import { refusal } from "./editor_state.js";
import { look } from "./item_watch.js";
import { focusFirst } from "./sections.js";

/** @typedef {import("./editor_state.js").Editor} Editor */

/** @param {Editor} editor */
export function reportDictation(editor) {
  return new Dictation(editor.data, {
    refusal: () => refusal(editor),
    begun: () => look(editor),
    handedOn: () => {
      refresh();
      say("Sent to transcription.", "success");
    },
  });
}

/**
 * Show the bar to who may dictate; once.
 * @param {Editor} editor
 */
export async function showDictation(editor) {
  const bar = find("#dictation");
  if (!bar) return;
  bar.hidden = false;
  if (editor.isSpeaking) return;
  editor.isSpeaking = true;
  await editor.dictation.begin();
}

/**
 * Type oneself what was handed on.
 * @param {Editor} editor
 * @param {string} uuid
 */
export async function reclaim(editor, uuid) {
  await call("POST", `/dictations/${uuid}/reclaim`).catch((problem) => say(problem.message));
  await refresh();
  if (editor.isWriting) focusFirst(editor.areas, editor.data.template?.sections);
}

/**
 * Send what the server has of a dictation that was begun on another device and never handed on.
 * @param {string} uuid
 */
export async function handOnServerPart(uuid) {
  const { segments } = await call("GET", `/dictations/${uuid}`);
  await call("POST", `/dictations/${uuid}/finish`, { segments, sha256: "" });
  refresh();
}
