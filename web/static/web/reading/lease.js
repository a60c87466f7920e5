// The lease of the item: who has it may write. It is taken with the first key, kept while one works, and given back.
import { refresh } from "../live.js";
import { call, problemOf } from "./api.js";
import { keepText } from "./kept_texts.js";
import { showReadOnly } from "./writing_bar.js";

/**
 * @typedef {import("./editor_state.js").Editor} Editor
 * @typedef {import("./page_data.js").ReadingItem} ReadingItem
 */

const LONGEST_IDLE = 20 * 60000;

/** @param {Editor} editor */
const pathOf = ({ data }) => `/reading/items/${data.item}`;

/**
 * The item as it stands now; asking does not keep the session alive.
 * @param {Editor} editor
 * @returns {Promise<ReadingItem>}
 */
export const itemNow = (editor) => call("GET", pathOf(editor), undefined, { isLive: true });

/**
 * @param {Editor} editor
 * @param {ReadingItem} item
 */
export function noteLease(editor, item) {
  editor.fence = item.lease?.mine ? item.lease.fence : 0;
  editor.isParked = Boolean(item.lease?.mine && item.lease.parked);
}

/**
 * Take the item; at one time once only.
 * @param {Editor} editor
 * @param {string} [reason] for which it is taken from another person
 */
export async function take(editor, reason = "") {
  editor.taking ??= call("POST", `${pathOf(editor)}/take`, { reason })
    .then((item) => {
      editor.takes += 1;
      noteLease(editor, item);
    })
    .finally(() => {
      editor.taking = null;
    });
  await editor.taking;
}

/**
 * Another person took it: what was typed is kept beside the report.
 * @param {Editor} editor
 * @param {string} holder
 */
export async function lose(editor, holder) {
  if (!editor.isWriting) return;
  const words = `${holder} writes on it now. What you had typed is kept beside the report, for both of you.`;
  showReadOnly(editor, "Taken over.", words, { take: true });
  if (editor.dictation.isOn) editor.dictation.pause();
  await keepText(editor, `taken over by ${holder}`);
  editor.fence = 0;
  refresh();
}

/**
 * Keep the lease while somebody works.
 * @param {Editor} editor
 * @param {() => void} onTakenOver
 */
export async function renew(editor, onTakenOver) {
  const idle = Date.now() - editor.inputAt;
  if (!editor.fence || !editor.isWriting || idle > LONGEST_IDLE) return;
  const about = { fence: editor.fence, idle_seconds: Math.round(idle / 1000) };
  try {
    await call("POST", `${pathOf(editor)}/renew`, about, { isLive: true });
  } catch (error) {
    if (problemOf(error).code === "taken_over") onTakenOver();
  }
}

/**
 * Give the item back.
 * @param {Editor} editor
 * @param {boolean} [isLeaving] whether the page goes away meanwhile
 */
export async function release({ data, fence }, isLeaving = false) {
  if (!fence) return;
  const options = { keepalive: isLeaving };
  await call("POST", `/reading/items/${data.item}/release`, { fence }, options).catch(() => {});
}
