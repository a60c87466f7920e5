// Keys: `data-key="a"` on a button, link or field makes the key press it; `?` lists them all by their titles.
// A key of the current row comes before one of the page; with rows chosen, the one of their toolbar first.
import { all, byId, closest, find, first, make } from "./dom.js";
import { current, hasChosen, onListKey } from "./list.js";

const TYPING = "input:not([type=checkbox],[type=radio],[type=button]), select, textarea, [contenteditable]";
const OF_A_ROW = "[data-list] tbody, [data-list] article";
const OF_A_LIST = [
  ["j / k", "Next / previous row"],
  ["Enter", "Open the row"],
  ["x", "Choose the row"],
];

/**
 * As `data-key` names it.
 * @param {KeyboardEvent} event
 */
function nameOf(event) {
  const held = [event.ctrlKey && "Ctrl", event.altKey && "Alt", event.metaKey && "Meta"].filter(Boolean);
  return [...held, event.key].join("+");
}

/** @param {HTMLElement} element */
function isShown(element) {
  const isDisabled = "disabled" in element && element.disabled;
  return !isDisabled && !element.closest("[hidden]") && (element.checkVisibility?.() ?? true);
}

/**
 * What a key could press.
 * @param {string} key
 * @param {ParentNode} [within]
 */
function pressable(key, within = document) {
  const named = all(`[data-key="${CSS.escape(key)}"]`, HTMLElement, within);
  return named.filter((element) => isShown(element) || element.hasAttribute("data-help"));
}

/** @param {string} key */
function target(key) {
  const row = current();
  const places = hasChosen() ? [...all("[data-batch]"), row] : [row];
  for (const place of places) {
    const [element] = place ? pressable(key, place) : [];
    if (element) return element;
  }
  const isOfPage = (/** @type {HTMLElement} */ one) => !one.closest(OF_A_ROW) && !one.closest("[data-batch]");
  return pressable(key).find(isOfPage);
}

/** @param {HTMLElement} element */
function press(element) {
  if (element.matches(TYPING)) {
    element.focus();
    if (element instanceof HTMLInputElement || element instanceof HTMLTextAreaElement) element.select();
  } else if (element.hasAttribute("data-help")) showKeys();
  else element.click();
}

/** Each key of this page with what it does. */
function meanings() {
  const found = new Map(find("[data-list]") ? /** @type {[string, string][]} */ (OF_A_LIST) : []);
  for (const element of all("[data-key]")) {
    const key = element.dataset.key ?? "";
    const words = element.dataset.keyTitle || element.title || element.textContent.trim();
    if (!found.has(key)) found.set(key, words);
  }
  return found;
}

function showKeys() {
  const dialog = byId("keys", HTMLDialogElement);
  const lines = [...meanings()].flatMap(([key, words]) => [
    make("dt", {}, make("kbd", { textContent: key })),
    make("dd", { textContent: words }),
  ]);
  first("dl", HTMLElement, dialog).replaceChildren(...lines);
  dialog.showModal();
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
  const key = nameOf(event);
  const isPlain = !event.ctrlKey && !event.altKey && !event.metaKey && !/^F\d/.test(event.key);
  if (isPlain && closest(event, TYPING)) {
    if (key === "Escape" && event.target instanceof HTMLElement) event.target.blur();
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
  if (closest(event, "[data-help]")) showKeys();
  if (closest(event, "[data-print]")) window.print();
  if (closest(event, "[data-close]")) closest(event, ".flash")?.remove();
  const menu = find("details.me[open]", HTMLDetailsElement);
  if (menu && !(event.target instanceof Node && menu.contains(event.target))) menu.open = false;
});
