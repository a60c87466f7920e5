// Keys: `data-key="a"` on a button, link or field makes the key press it; `?` lists them all. What each key means on
// all pages is said by web/kernel/shortcuts.py. A key of the current row comes before one of the page; with rows
// chosen, the one of their toolbar first; in an open dialog, its own alone. In a text, Alt+i is what i is outside.
import { all, byId, closest, find, first, make } from "./dom.js";
import { say } from "./flash.js";
import { current, hasChosen, hasRows, onListKey, ROW_KEYS } from "./list.js";

const TYPING = "input:not([type=checkbox],[type=radio],[type=button]), select, textarea, [contenteditable]";
const OF_A_ROW = "[data-list] tbody, [data-list] article";

/**
 * As `data-key` names it.
 * @param {KeyboardEvent} event
 */
function nameOf(event) {
  const held = [event.ctrlKey && "Ctrl", event.altKey && "Alt", event.metaKey && "Meta"].filter(Boolean);
  return [...held, letterOf(event)].join("+");
}

/**
 * The key itself; some keyboards write another sign with Alt.
 * @param {KeyboardEvent} event
 */
function letterOf({ altKey, code, key }) {
  const letter = /^Key([A-Z])$/.exec(code)?.[1];
  return altKey && letter && key.length === 1 ? letter.toLowerCase() : key;
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
  const dialog = find("dialog[open]", HTMLDialogElement);
  if (dialog) return pressable(key, dialog)[0];
  const row = current();
  const places = hasChosen() ? [...all("[data-batch]"), row] : [row];
  for (const place of places) {
    const [element] = place ? pressable(key, place) : [];
    if (element) return element;
  }
  const isOfPage = (/** @type {HTMLElement} */ one) => !one.closest(OF_A_ROW) && !one.closest("[data-batch]");
  return pressable(key).find(isOfPage);
}

/**
 * In a text, Alt with a letter does what the letter does outside; other signs are written with Alt on some keyboards.
 * @param {string} key
 */
function targetInText(key) {
  const letter = /^Alt\+([A-Za-z=])$/.exec(key)?.[1];
  return letter ? target(letter) : null;
}

/**
 * Why the current row, which says in `data-state` where it stands, does not allow the act of a key; empty for others.
 * @param {string} key
 */
function refusal(key) {
  const row = current();
  const act = find(`[data-refused-key="${CSS.escape(key)}"]`);
  if (!row?.dataset.state || !act) return "";
  const instead = pressable("Delete", row).length ? (act.dataset.instead ?? "") : "";
  return `${act.textContent}: ${row.dataset.state}. ${instead}`.trim();
}

/**
 * That a key is about a row while none is current; empty for keys of the page.
 * @param {KeyboardEvent} event
 * @param {string} key
 */
function lackOfRow(event, key) {
  if (current() || hasChosen() || !hasRows()) return "";
  const isPressed = key === "Enter" && closest(event, "a, button, summary, input, select, textarea");
  const ofRows = `:is(${OF_A_ROW}, [data-batch]) [data-key="${CSS.escape(key)}"]`;
  const isOfRow = ROW_KEYS.includes(key) || find(`${ofRows}, [data-refused-key="${CSS.escape(key)}"]`);
  return isOfRow && !isPressed ? "Choose a row first: j and k move through the list." : "";
}

/** What Enter presses in a field of the dialog that is open; in a text of several lines only Ctrl+Enter does. */
function confirming() {
  const dialog = all("dialog[open]", HTMLDialogElement).at(-1);
  const buttons = "form button:not([type=button], [type=reset], [formaction], :disabled)";
  return find(buttons, HTMLButtonElement, dialog);
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
  const ofLists = find("[data-list]") ? (byId("keys").dataset.ofLists ?? "[]") : "[]";
  /** @type {Map<string, string>} */
  const found = new Map(JSON.parse(ofLists));
  for (const element of all("[data-key], [data-heard-key]")) {
    const key = element.dataset.key ?? element.dataset.heardKey ?? "";
    if (!found.has(key)) found.set(key, wordsOf(element));
  }
  return found;
}

/**
 * What a key means everywhere, and what it does here where that says more.
 * @param {HTMLElement} element
 */
function wordsOf(element) {
  const here = element.dataset.keyTitle || element.title || element.textContent.trim();
  const words = element.dataset.keyWords ?? "";
  const isSaid = !words || here.toLowerCase().startsWith(words.toLowerCase());
  return isSaid ? here : here ? `${words}: ${here}` : words;
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
  if (event.defaultPrevented || event.isComposing) return;
  const key = nameOf(event);
  const isPlain = !event.ctrlKey && !event.altKey && !event.metaKey && !/^F\d/.test(event.key);
  if (isPlain && closest(event, TYPING)) {
    if (key === "Escape" && event.target instanceof HTMLElement) event.target.blur();
    return;
  }
  if (isPlain && !find("dialog[open]", HTMLDialogElement) && onListKey(event, key)) return;
  if (event.repeat) return;
  const isConfirmed = key === "Ctrl+Enter" && find("dialog[open]", HTMLDialogElement);
  const element =
    (isConfirmed ? confirming() : target(key)) ?? (closest(event, "textarea") && targetInText(key));
  if (element) {
    event.preventDefault();
    press(element);
  } else if (!find("dialog[open]", HTMLDialogElement)) {
    const why = refusal(key) || lackOfRow(event, key);
    if (why) say(why, "warning");
  }
});

document.addEventListener("click", (event) => {
  if (closest(event, "[data-help]")) showKeys();
  if (closest(event, "[data-close]")) closest(event, ".flash")?.remove();
  const menu = find("details.me[open]", HTMLDetailsElement);
  if (menu && !(event.target instanceof Node && menu.contains(event.target))) menu.open = false;
});
