// Lists: `<table class="list" data-list>` with rows `<tr id="…" data-href="…">`, or cards `<article id="…">`.
// j/k move, Enter opens, x chooses. The current row and the chosen ones are known by id, so they outlive a morph,
// and a way back to the page.
import { all, closest, find } from "./dom.js";

const ROWS = "table[data-list] tbody tr[id], [data-list] article[id]";
const MEMORY = `row:${location.pathname}`;

const state = {
  /** The ids of the rows that are chosen. @type {Set<string>} */
  chosen: new Set(),
  currentId: "",
  /** Where the current row stood, should it go: j and k go on from there. */
  place: -1,
  /** Whether one went to the current row by j or k since the page was loaded. */
  isWentTo: false,
};

const rows = () => all(ROWS);

/** The row that keys are about. */
export const current = () => (state.currentId ? document.getElementById(state.currentId) : null);
/** The same where one went there by keys: not what a click or a way back made current. */
export const wentTo = () => (state.isWentTo ? current() : null);
export const hasChosen = () => state.chosen.size > 0;
/** What keys do to a row whatever the list is of. */
export const ROW_KEYS = ["x", "Enter"];
export const hasRows = () => rows().length > 0;

/**
 * Make a row the current one.
 * @param {HTMLElement | null} row
 * @param {boolean} [isFocused]
 */
export function choose(row, isFocused = true) {
  current()?.removeAttribute("aria-current");
  current()?.classList.remove("is-current");
  state.currentId = row?.id ?? "";
  if (!row) return;
  state.place = rows().indexOf(row);
  row.classList.add("is-current");
  row.setAttribute("aria-current", "true");
  remember(state.currentId);
  if (!isFocused) return;
  row.tabIndex = -1;
  row.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest", inline: "nearest" });
}

/** @param {string} id */
function remember(id) {
  try {
    sessionStorage.setItem(MEMORY, id);
  } catch {
    // A private window keeps nothing.
  }
}

function remembered() {
  try {
    return sessionStorage.getItem(MEMORY) ?? "";
  } catch {
    return "";
  }
}

/** @param {number} by */
function move(by) {
  const there = rows();
  const row = current();
  const last = there.length - 1;
  let next = by > 0 ? 0 : last;
  if (row) next = there.indexOf(row) + by;
  else if (state.place >= 0) next = state.place + Math.min(by, 0);
  next = Math.min(last, Math.max(0, next));
  if (!there[next]) return;
  choose(there[next]);
  state.isWentTo = true;
}

/** @param {HTMLElement} row */
const boxOf = (row) => find("input[data-select]", HTMLInputElement, row);

/**
 * @param {HTMLElement} row
 * @param {boolean} [on]
 */
function toggle(row, on = !state.chosen.has(row.id)) {
  if (!boxOf(row)) return;
  if (on) state.chosen.add(row.id);
  else state.chosen.delete(row.id);
  show();
}

export function chooseNone() {
  state.chosen.clear();
  show();
}

/** What the server sent knows nothing of the current row and the chosen ones: put them back. */
export function show() {
  const { chosen } = state;
  for (const id of [...chosen]) if (!document.getElementById(id)) chosen.delete(id);
  for (const row of rows()) {
    const box = boxOf(row);
    if (box) box.checked = chosen.has(row.id);
    row.classList.toggle("is-chosen", chosen.has(row.id));
  }
  for (const bar of all("[data-batch]")) {
    bar.hidden = !chosen.size;
    const count = find("[data-count]", HTMLElement, bar);
    if (count) count.textContent = String(chosen.size);
  }
  if (state.currentId) showCurrent();
}

/** A row that went has no successor: a key that is pressed twice must not act on somebody else. */
function showCurrent() {
  const row = current();
  if (row) choose(row, false);
  else state.currentId = "";
}

/**
 * Do what a key does in a list; whether it does anything.
 * @param {KeyboardEvent} event
 * @param {string} key
 */
export function onListKey(event, key) {
  if (!rows().length) return false;
  const row = current();
  const href = row?.dataset.href;
  if (key === "j" || key === "k") move(key === "j" ? 1 : -1);
  else if (key === "x" && row) toggle(row);
  else if (key === "Enter" && href && !closest(event, "a, button, summary")) location.assign(href);
  else if (key === "Escape" && hasChosen()) chooseNone();
  else return false;
  event.preventDefault();
  return true;
}

document.addEventListener("click", (event) => {
  const row = closest(event, ROWS);
  if (!row) return;
  const box = closest(event, "input[data-select]", HTMLInputElement);
  if (box) toggle(row, box.checked);
  if (closest(event, "a, button, input, select, textarea, label")) return;
  choose(row);
  state.isWentTo = false;
});
document.addEventListener("dblclick", (event) => {
  const href = closest(event, ROWS)?.dataset.href;
  if (href && !closest(event, "a, button, input")) location.assign(href);
});

state.currentId = remembered();
if (!current()) state.currentId = "";
show();
document.documentElement.dataset.listReady = "";

// What is cut off at the end of its column shows on hover.
document.addEventListener("pointerover", (event) => {
  const cell = closest(event, ".rows td, .rows tbody th");
  if (cell && !cell.title && cell.scrollWidth > cell.clientWidth)
    cell.title = cell.innerText.replace(/\s+/g, " ").trim();
});
