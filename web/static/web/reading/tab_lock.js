// One tab of this browser writes; a second one reads, until it is told to write.
import { keyOf } from "./editor_state.js";
import { showReadOnly } from "./writing_bar.js";

/** @typedef {import("./editor_state.js").Editor} Editor */

const TRIES = 4; // a page that was just left may have it still
const BETWEEN = 150;

/**
 * Try to be the tab that writes; whether it is.
 * @param {Editor} editor
 */
export async function lockTab(editor) {
  let isMine = await request(editor, { ifAvailable: true });
  for (let tries = 1; !isMine && tries < TRIES; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, BETWEEN));
    isMine = await request(editor, { ifAvailable: true });
  }
  return isMine;
}

/**
 * Be the tab that writes, whoever it was.
 * @param {Editor} editor
 */
export const stealTab = (editor) => request(editor, { steal: true });

/**
 * @param {Editor} editor
 * @param {LockOptions} options
 * @returns {Promise<boolean>} whether it is held; it is until the page goes or another tab steals it
 */
async function request(editor, options) {
  if (!navigator.locks) return true;
  return new Promise((resolve) => {
    const hold = (/** @type {Lock | null} */ lock) => {
      resolve(Boolean(lock));
      return lock ? new Promise(() => {}) : null;
    };
    navigator.locks.request(keyOf(editor.data), options, hold).catch(async () => {
      await editor.autosave.flush();
      editor.autosave.stop();
      showReadOnly(editor, "Another tab writes on it.", "This one follows when you say so.", { here: true });
    });
  });
}
