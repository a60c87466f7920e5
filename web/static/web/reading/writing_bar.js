// Whether one may write here, and the bar that says who does instead.
import { byId, find, first } from "../dom.js";
import { clock } from "./page_data.js";
import { setReadOnly } from "./sections.js";

/**
 * @typedef {import("./editor_state.js").Editor} Editor
 * @typedef {import("./page_data.js").Lease} Lease
 */

const LONG_IDLE = 90; // seconds

/**
 * Only read, and say why; with a button to take the item over, or to write in this tab.
 * @param {Editor} editor
 * @param {string} title
 * @param {string} text
 * @param {{ take?: boolean, here?: boolean }} [buttons]
 */
export function showReadOnly(editor, title, text, { take = false, here = false } = {}) {
  const bar = byId("read-only");
  editor.isWriting = false;
  setReadOnly(editor.areas, true);
  first("b", HTMLElement, bar).textContent = title;
  first("span", HTMLElement, bar).textContent = text;
  first("[data-take]", HTMLElement, bar).hidden = !take;
  first("[data-here]", HTMLElement, bar).hidden = !here;
  bar.hidden = false;
  setWriters(false);
}

/**
 * Have the buttons that write do so, or not; some pages have none.
 * @param {boolean} enabled
 */
function setWriters(enabled) {
  for (const selector of ["#sign-open", "#record"]) {
    const button = find(selector, HTMLButtonElement);
    if (button) button.disabled = !enabled;
  }
}

/** @param {Editor} editor */
export function showWritable(editor) {
  editor.isWriting = true;
  setReadOnly(editor.areas, false);
  setWriters(true);
  byId("read-only").hidden = true;
}

/**
 * Only read, since another person writes.
 * @param {Editor} editor
 * @param {Lease} lease
 */
export function showHeldBy(editor, lease) {
  const minutes = Math.round(lease.idle_seconds / 60);
  const idle = lease.idle_seconds > LONG_IDLE ? `, last input ${minutes} min ago` : "";
  const since = clock(new Date(lease.since), { hour: "2-digit", minute: "2-digit" });
  showReadOnly(editor, `${lease.holder} writes on it`, `since ${since}${idle}. You can read along.`, {
    take: true,
  });
}
