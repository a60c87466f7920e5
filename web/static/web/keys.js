// Keys: `data-key="a"` on a button, link or field makes the key press it; `?` lists them all by their titles.
// A key of the current row comes before one of the page; with rows chosen, the one of their toolbar first.
import { current, hasChosen, onListKey } from "./list.js";

const typing = "input:not([type=checkbox],[type=radio],[type=button]), select, textarea, [contenteditable]";

function nameOf(event) {
  const held = [event.ctrlKey && "Ctrl", event.altKey && "Alt", event.metaKey && "Meta"].filter(Boolean);
  return [...held, event.key].join("+");
}

function isShown(element) {
  return !element.disabled && !element.closest("[hidden]") && (element.checkVisibility?.() ?? true);
}

function find(key, within = document) {
  const all = [...within.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)];
  return all.filter((element) => isShown(element) || element.hasAttribute("data-help"));
}

function target(key) {
  const row = current();
  const places = hasChosen() ? [...document.querySelectorAll("[data-batch]"), row] : [row];
  for (const place of places.filter(Boolean)) {
    const [first] = find(key, place);
    if (first) return first;
  }
  return find(key).find((element) => !element.closest("[data-list] tbody, [data-list] article") && !element.closest("[data-batch]"));
}

function press(element) {
  if (element.matches(typing)) {
    element.focus();
    element.select?.();
  } else if (element.hasAttribute("data-help")) showKeys();
  else element.click();
}

export function showKeys() {
  const dialog = document.getElementById("keys");
  const seen = new Map();
  if (document.querySelector("[data-list]")) {
    for (const [key, what] of [["j / k", "Next / previous row"], ["Enter", "Open the row"], ["x", "Choose the row"]]) seen.set(key, what);
  }
  for (const element of document.querySelectorAll("[data-key]")) {
    const said = element.dataset.keyTitle || element.title || element.textContent.trim();
    if (!seen.has(element.dataset.key)) seen.set(element.dataset.key, said);
  }
  const list = dialog.querySelector("dl");
  list.replaceChildren();
  for (const [key, what] of seen) {
    const term = document.createElement("dt");
    const cap = document.createElement("kbd");
    cap.textContent = key;
    term.append(cap);
    const text = document.createElement("dd");
    text.textContent = what;
    list.append(term, text);
  }
  dialog.showModal();
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
  const key = nameOf(event);
  const isPlain = !event.ctrlKey && !event.altKey && !event.metaKey && !/^F\d/.test(event.key);
  if (isPlain && event.target.closest?.(typing)) {
    if (key === "Escape") event.target.blur();
    return;
  }
  if (isPlain && onListKey(event, key)) return;
  if (event.repeat) return;
  const element = target(key);
  if (!element) return;
  event.preventDefault();
  press(element);
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-help]")) showKeys();
  if (event.target.closest("[data-print]")) window.print();
  if (event.target.closest("[data-close]")) event.target.closest(".flash")?.remove();
  const menu = document.querySelector("details.me[open]");
  if (menu && !menu.contains(event.target)) menu.open = false;
});
