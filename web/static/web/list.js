// Lists: `<table class="list" data-list>` with rows `<tr id="…" data-href="…">`, or cards `<article id="…">`.
// j/k move, Enter opens, x chooses. The current row and the chosen ones are known by id, so they outlive a morph,
// and a way back to the page.
const chosen = new Set();
let currentId = "";
let place = 0;

const rowSelector = "table[data-list] tbody tr[id], [data-list] article[id]";
const rows = () => [...document.querySelectorAll(rowSelector)];
const memory = () => `row:${location.pathname}`;

export const current = () => (currentId ? document.getElementById(currentId) : null);
export const hasChosen = () => chosen.size > 0;

export function choose(row, isFocused = true) {
  current()?.removeAttribute("aria-current");
  current()?.classList.remove("is-current");
  currentId = row?.id ?? "";
  if (!row) return;
  place = rows().indexOf(row);
  row.classList.add("is-current");
  row.setAttribute("aria-current", "true");
  try { sessionStorage.setItem(memory(), currentId); } catch { /* private mode */ }
  if (!isFocused) return;
  row.tabIndex = -1;
  row.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function move(by) {
  const all = rows();
  const at = all.indexOf(current());
  const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by));
  if (all[next]) choose(all[next]);
}

function toggle(row, on = !chosen.has(row.id)) {
  const box = row.querySelector("input[data-select]");
  if (!box) return;
  if (on) chosen.add(row.id); else chosen.delete(row.id);
  show();
}

export function chooseNone() {
  chosen.clear();
  show();
}

// What the server sent knows nothing of the current row and the chosen ones: put them back.
export function show() {
  const all = rows();
  for (const id of [...chosen]) if (!document.getElementById(id)) chosen.delete(id);
  for (const row of all) {
    const box = row.querySelector("input[data-select]");
    if (box) box.checked = chosen.has(row.id);
    row.classList.toggle("is-chosen", chosen.has(row.id));
  }
  for (const bar of document.querySelectorAll("[data-batch]")) {
    bar.hidden = !chosen.size;
    const count = bar.querySelector("[data-count]");
    if (count) count.textContent = String(chosen.size);
  }
  if (!currentId) return;
  const row = current() ?? all[Math.min(place, all.length - 1)];
  const isFocused = row?.id !== currentId && [document.body, null].includes(document.activeElement);
  if (row) choose(row, isFocused); else currentId = "";
}

export function onListKey(event, key) {
  if (!rows().length) return false;
  const inControl = event.target.closest?.("a, button, summary");
  if (key === "j" || key === "k") move(key === "j" ? 1 : -1);
  else if (key === "x" && current()) toggle(current());
  else if (key === "Enter" && current()?.dataset.href && !inControl) location.assign(current().dataset.href);
  else if (key === "Escape" && chosen.size) chooseNone();
  else return false;
  event.preventDefault();
  return true;
}

document.addEventListener("click", (event) => {
  const row = event.target.closest?.(rowSelector);
  if (!row) return;
  const box = event.target.closest("input[data-select]");
  if (box) toggle(row, box.checked);
  if (!event.target.closest("a, button, input, select, textarea, label")) choose(row);
});
document.addEventListener("dblclick", (event) => {
  const row = event.target.closest?.(rowSelector);
  if (row?.dataset.href && !event.target.closest("a, button, input")) location.assign(row.dataset.href);
});

try { currentId = sessionStorage.getItem(memory()) ?? ""; } catch { /* private mode */ }
if (currentId && !document.getElementById(currentId)) currentId = "";
show();
document.documentElement.dataset.listReady = "";
