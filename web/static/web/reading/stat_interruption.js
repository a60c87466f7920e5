// A STAT that comes while something else is read: nothing opens by itself, and what was read is parked.
import { byId, first } from "../dom.js";
import { say } from "../flash.js";
import { call, wordsOf } from "./api.js";
import { notePark } from "./parked.js";

/** @typedef {import("./editor_state.js").Editor} Editor */
/** @typedef {import("./page_data.js").ReadingItem} ReadingItem */

/**
 * Park this item, and read the most urgent STAT.
 * @param {Editor} editor
 */
export async function park(editor) {
  const { data, fence } = editor;
  await editor.autosave.flush();
  await editor.dictation.pause();
  try {
    const next = await call("POST", "/reading/next", { priority: "STAT" });
    if (fence) await call("POST", `/reading/items/${data.item}/park`, { fence });
    notePark({ path: data.path, what: data.what, whose: data.whose, user: data.me.id });
    location.assign(`${data.lists}/${next.id}`);
  } catch (problem) {
    say(wordsOf(problem));
  }
}

/**
 * Say when a STAT waits that nobody has.
 * @param {Editor} editor
 */
export async function lookForStat({ data }) {
  const path = "/reading/items?priority=STAT&offered=true&limit=2";
  const found = await call("GET", path, undefined, { isLive: true }).catch(() => null);
  /** @type {ReadingItem[]} */
  const items = found?.results ?? [];
  const item = items.find((one) => one.id !== data.item);
  const bar = byId("stat-bar");
  bar.hidden = !item;
  if (item) {
    first("bdi", HTMLElement, bar).textContent = item.whose;
    first("span", HTMLElement, bar).textContent = `${item.description || item.modality} waits to be read.`;
  }
}
