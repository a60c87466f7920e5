// What is parked in this tab for something more urgent, and the way back to it, which stays however the page changes.
import { all, closest, find } from "../dom.js";

/** @typedef {{ path: string, what: string, whose: string, user: string }} Parked */

const KEY = "parked";

/**
 * All that is parked in this tab, the newest last.
 * @returns {Parked[]}
 */
function everything() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
    return Array.isArray(kept) ? kept.filter((one) => one?.path) : [];
  } catch {
    return []; // A private window keeps nothing.
  }
}

/** @param {Parked[]} parked */
const keep = (parked) => sessionStorage.setItem(KEY, JSON.stringify(parked));

/** @param {Parked} item */
export const notePark = (item) => keep([...everything().filter(({ path }) => path !== item.path), item]);

/**
 * Show the way back to what a person parked last; the page that is open is parked no more.
 * @param {string} user
 */
export function showParked(user) {
  const isHere = (/** @type {Parked} */ { path }) => path === location.pathname;
  if (everything().some(isHere)) keep(everything().filter((one) => !isHere(one)));
  const newest = everything().findLast((one) => one.user === user);
  for (const part of all("[data-parked]")) {
    part.hidden = !newest;
    part.dataset.parked = newest?.path ?? "";
    const what = find("[data-what]", HTMLElement, part);
    if (what) what.textContent = newest?.what ?? "";
    const whose = find("[data-whose]", HTMLElement, part);
    if (whose) whose.textContent = newest?.whose ?? "";
  }
}

document.addEventListener("click", (event) => {
  const path = closest(event, "[data-unpark]")?.closest("[data-parked]")?.getAttribute("data-parked");
  if (path) location.assign(path);
});
