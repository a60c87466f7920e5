// The sections of a report as fields of the page: `<textarea id="section-findings">`.
import { byId } from "../dom.js";

/** @typedef {import("./page_data.js").Sections} Sections */
/** @typedef {Record<string, HTMLTextAreaElement>} Areas */

/**
 * The fields by the names of their sections.
 * @param {string[]} names
 * @returns {Areas}
 */
export function areasOf(names) {
  return Object.fromEntries(names.map((name) => [name, byId(`section-${name}`, HTMLTextAreaElement)]));
}

/**
 * The text as it stands in the fields.
 * @param {Areas} areas
 * @returns {Sections}
 */
export function readAreas(areas) {
  return Object.fromEntries(Object.entries(areas).map(([name, area]) => [name, area.value]));
}

/**
 * Put a text into the fields; those that have it already keep their caret.
 * @param {Areas} areas
 * @param {Sections} text
 */
export function writeAreas(areas, text) {
  for (const [name, area] of Object.entries(areas)) {
    if (name in text && area.value !== text[name]) area.value = text[name];
  }
}

/**
 * Put the caret where typing begins: into the first empty field, else into the first that is the template's as it
 * was, else into the last, behind what is there.
 * @param {Areas} areas
 * @param {Sections} [template]
 */
export function focusFirst(areas, template = {}) {
  const names = Object.keys(areas);
  const empty = names.find((name) => !areas[name].value.trim());
  const untouched = names.find((name) => areas[name].value === template[name]);
  const area = areas[empty ?? untouched ?? names[names.length - 1]];
  area.focus({ preventScroll: true });
  area.setSelectionRange(area.textLength, area.textLength);
}

/**
 * @param {Areas} areas
 * @param {boolean} isReadOnly
 */
export function setReadOnly(areas, isReadOnly) {
  for (const area of Object.values(areas)) area.readOnly = isReadOnly;
}

/**
 * The sections of which two texts differ.
 * @param {string[]} names
 * @param {Sections} one
 * @param {Sections} other
 */
export function differing(names, one, other) {
  return names.filter((name) => (one[name] ?? "") !== (other[name] ?? ""));
}
