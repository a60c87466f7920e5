// The reading worklist live: rows change in place at once, but come, go and move only when nobody is at work on them.
import { all, byId, closest, find, first, make } from "../dom.js";
import { current } from "../list.js";
import { documentOf, isSignIn, refresh } from "../live.js";
import * as device from "./device_store.js";
import "./dialogs.js";
import "./last_signature.js";
import { showParked } from "./parked.js";

const LOOK_EVERY = 5000;
const IDLE = 3000;
const ROWS = "#items tbody tr[id]";

const news = byId("news");
const state = {
  /** When the person did something last. */
  activeAt: Date.now(),
  /** Whether the pointer is over the rows. */
  isOver: false,
  /** Whether rows wait to come, go or move. */
  isWaiting: false,
};

/** @param {Document} page */
const keysOf = (page) => all(ROWS, HTMLTableRowElement, page).map((row) => row.id);

for (const kind of ["keydown", "pointerdown", "wheel", "pointermove"]) {
  const note = () => {
    state.activeAt = Date.now();
  };
  addEventListener(kind, note, { passive: true });
}
document.addEventListener("pointerover", (event) => {
  state.isOver = closest(event, "#items tbody") !== null;
});

/**
 * Put a page's cells into the rows that are here.
 * @param {Document} page
 */
function putInPlace(page) {
  for (const row of all(ROWS, HTMLTableRowElement)) {
    const fresh = page.getElementById(row.id);
    if (!(fresh instanceof HTMLTableRowElement) || fresh.cells.length !== row.cells.length) continue;
    for (const [place, cell] of [...row.cells].entries()) putContent(cell, fresh.cells[place]);
  }
  for (const id of ["reader-inbox", "reading-counts"]) {
    const old = document.getElementById(id);
    const fresh = page.getElementById(id);
    if (old && fresh && old.innerHTML !== fresh.innerHTML) old.innerHTML = fresh.innerHTML;
  }
}

/**
 * @param {HTMLElement} old
 * @param {HTMLElement} fresh
 */
function putContent(old, fresh) {
  if (!old.contains(document.activeElement) && old.innerHTML !== fresh.innerHTML)
    old.innerHTML = fresh.innerHTML;
}

/** The list as the server has it; nothing where it can't be had, which is said. */
async function fetchList() {
  try {
    const response = await fetch(location.href, { headers: { "X-Live": "tick" } });
    if (response.ok && !isSignIn(response)) return await documentOf(response);
  } catch {
    // Said by what follows.
  }
  refresh();
  return null;
}

async function look() {
  if (document.hidden || find("dialog[open]")) return;
  const page = await fetchList();
  if (!page) return;
  putInPlace(page);
  const [before, after] = [keysOf(document), keysOf(page)];
  state.isWaiting = before.join() !== after.join();
  if (state.isWaiting) announce(page, before, after);
  else news.hidden = true;
  settle();
}

/**
 * Say what waits to be shown.
 * @param {Document} page
 * @param {string[]} before
 * @param {string[]} after
 */
function announce(page, before, after) {
  const fresh = after.filter((id) => !before.includes(id));
  const stat = fresh.filter((id) => page.getElementById(id)?.dataset.band === "0").length;
  const words = fresh.length ? `${fresh.length} new${stat ? `, ${stat} STAT` : ""}` : "The order changed";
  news.replaceChildren(`${words} `, make("kbd", { textContent: "r" }));
  news.classList.toggle("has-stat", stat > 0);
  news.hidden = false;
}

/** Show what waits, once nobody is at work on the rows. */
async function settle(isAsked = false) {
  const isBusy = state.isOver || Date.now() - state.activeAt < IDLE || find("dialog[open]");
  if (!isAsked && (!state.isWaiting || isBusy)) return;
  state.isWaiting = false;
  news.hidden = true;
  await refresh(location.href, {}, isAsked ? "1" : "tick");
}

news.addEventListener("click", () => settle(true));
setInterval(look, LOOK_EVERY);
setInterval(settle, 1000);

// Passing over

document.addEventListener("click", (event) => {
  const button = closest(event, "[data-skip]");
  const row = button?.closest("tr");
  if (!button || !row) return;
  const dialog = byId("skip", HTMLDialogElement);
  const form = first("form", HTMLFormElement, dialog);
  form.reset();
  form.action = button.dataset.skip ?? "";
  byId("skip-what").textContent = first(".name", HTMLElement, row).textContent;
  dialog.showModal();
});
find("#skip")?.addEventListener("change", () => {
  const why = find("#skip input[name=why]:checked", HTMLInputElement);
  byId("skip-note", HTMLInputElement).required = why?.value === "other";
});

// What this device still keeps

async function showKept() {
  const box = byId("device");
  const { user } = box.dataset;
  const [texts, takes] = await Promise.all([device.allTexts(), device.allTakes()]).catch(() => [[], []]);
  const reports = texts.filter((one) => one.user === user && one.key.startsWith("report:"));
  const spoken = takes.filter((one) => one.user === user);
  const items = new Set([...reports.map((one) => one.key.slice(7)), ...spoken.map((one) => one.item)]);
  box.hidden = !items.size;
  for (const item of items) {
    const link = make("a", { href: `/reading/${item}`, textContent: "Open it to save it." });
    const words = "This device holds text or sound that the server does not have yet. ";
    box.append(make("p", { className: "banner amber" }, words, link));
  }
}

showKept();
showParked(byId("device").dataset.user ?? "");
document.documentElement.dataset.worklistReady = current()?.id ?? "";
