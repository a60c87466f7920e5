// A STAT that comes while something else is read: nothing opens by itself. What is parked is come back to.
import { byId, find, first } from "../dom.js";
import { say } from "../flash.js";
import { call, wordsOf } from "./api.js";

/** @typedef {import("./editor_state.js").Editor} Editor */
/** @typedef {import("./page_data.js").ReadingItem} ReadingItem */

const KEY = "parked";

/**
 * The paths of what is parked in this tab, the newest last.
 * @returns {string[]}
 */
const parked = () => JSON.parse(sessionStorage.getItem(KEY) ?? "[]");

/** Show the way back to what is parked, if anything is. */
export function showParked() {
  const button = find("[data-unpark]");
  if (button) button.hidden = !parked().length;
}

/** Go back to what was parked last. */
export function unpark() {
  const paths = parked();
  const path = paths.pop();
  if (!path) return;
  sessionStorage.setItem(KEY, JSON.stringify(paths));
  location.assign(path);
}

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
    sessionStorage.setItem(KEY, JSON.stringify([...parked(), data.path]));
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
    first("span", HTMLElement, bar).textContent = `${item.description || item.modality} waits to be read.`;
  }
}
