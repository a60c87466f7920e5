// `/name` at the beginning of a word offers the site's macros; Enter or Tab puts the text there.
import { byId, make } from "../dom.js";

const MOST = 8;
const LONGEST_NAME = 30;

const state = {
  /** The texts by their names. @type {Record<string, string>} */
  macros: {},
  /** Where a name is typed. @type {HTMLTextAreaElement | null} */
  area: null,
  /** The names that fit what is typed. @type {string[]} */
  found: [],
  /** Which of them is chosen. */
  at: 0,
  /** Where the slash is. */
  start: 0,
  /** Whether a slash was typed: a long text is only looked into after one. */
  isBegun: false,
};

const list = () => byId("macros");

/**
 * Put a text into an area, in the place of what is selected or of another part.
 * @param {HTMLTextAreaElement} area
 * @param {string} text
 * @param {number} [from]
 * @param {number} [to]
 */
export function insert(area, text, from = area.selectionStart, to = area.selectionEnd) {
  area.focus();
  area.setSelectionRange(from, to);
  // The only way that the browser's own undo knows of.
  if (document.execCommand("insertText", false, text)) return;
  area.setRangeText(text, from, to, "end");
  area.dispatchEvent(new Event("input", { bubbles: true }));
}

/**
 * Offer macros wherever something is typed on this page.
 * @param {Record<string, string>} macros
 */
export function offerMacros(macros) {
  state.macros = macros;
  document.addEventListener("input", onInput);
  document.addEventListener("keydown", onKey, true);
  document.addEventListener("focusout", ({ target }) => {
    if (target === state.area) close();
  });
  list().addEventListener("mousedown", (event) => {
    const item = event.target instanceof Element ? event.target.closest("li") : null;
    event.preventDefault();
    if (item) put(item.dataset.name ?? "");
  });
}

/** @param {Event} event */
function onInput(event) {
  const { target: area } = event;
  if (!(area instanceof HTMLTextAreaElement) || area.readOnly) return;
  if (event instanceof InputEvent && event.data?.includes("/")) state.isBegun = true;
  if (!state.isBegun) return;
  const caret = area.selectionStart;
  const before = area.value.slice(Math.max(0, caret - LONGEST_NAME - 3), caret);
  const begun = /(?:^|\s)\/(\w{0,30})$/.exec(before)?.[1];
  state.found = begun === undefined ? [] : namesThatBegin(begun);
  if (begun === undefined || !state.found.length) {
    state.isBegun = begun !== undefined;
    close();
    return;
  }
  Object.assign(state, { area, start: caret - begun.length - 1, at: 0 });
  draw(area);
}

/** @param {string} begun */
function namesThatBegin(begun) {
  const names = Object.keys(state.macros).sort();
  return names.filter((name) => name.startsWith(begun)).slice(0, MOST);
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  const { area, found } = state;
  if (!area || event.target !== area || list().hidden) return;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    state.at = (state.at + (event.key === "ArrowDown" ? 1 : found.length - 1)) % found.length;
    draw(area);
  } else if (event.key === "Enter" || event.key === "Tab") put(found[state.at]);
  else if (event.key === "Escape") close();
  else return;
  event.preventDefault();
  event.stopImmediatePropagation();
}

/** @param {string} name */
function put(name) {
  const { area, start } = state;
  if (area) insert(area, state.macros[name], start, area.selectionStart);
  close();
}

function close() {
  if (list().hidden) return;
  list().hidden = true;
  state.area?.removeAttribute("aria-activedescendant");
  state.area = null;
}

/** @param {HTMLTextAreaElement} area */
function draw(area) {
  const box = list();
  box.replaceChildren(...state.found.map(itemOf));
  area.setAttribute("aria-activedescendant", `macro-${state.at}`);
  box.hidden = false;
  const { left, bottom } = area.getBoundingClientRect();
  box.style.left = `${left + 8}px`;
  box.style.top = `${Math.min(bottom, innerHeight - box.offsetHeight - 8)}px`;
}

/**
 * @param {string} name
 * @param {number} place
 */
function itemOf(name, place) {
  const text = make("span", { textContent: state.macros[name].slice(0, 120) });
  const item = make("li", { id: `macro-${place}` }, make("b", { textContent: `/${name} ` }), text);
  item.dataset.name = name;
  item.setAttribute("role", "option");
  item.setAttribute("aria-selected", String(place === state.at));
  return item;
}
