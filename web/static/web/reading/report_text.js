// The text of the report on this page: read, written, and shaded where it is the template's that nobody touched.
import { find } from "../dom.js";
import { differing, readAreas, writeAreas } from "./sections.js";

/**
 * @typedef {import("./editor_state.js").Editor} Editor
 * @typedef {import("./page_data.js").Sections} Sections
 */

const SHADE_AFTER = 500;

/** @param {Editor} editor */
export const readText = ({ areas }) => readAreas(areas);

/**
 * @param {Editor} editor
 * @param {Sections} text
 */
export function writeText(editor, text) {
  writeAreas(editor.areas, text);
  shade(editor);
  editor.lookForMarks();
}

/**
 * Whether the page has the text that the server has.
 * @param {Editor} editor
 */
export function isAsSaved(editor) {
  return !differing(editor.data.sections, readText(editor), editor.autosave.base ?? {}).length;
}

/**
 * Shade the sections that are the template's as it was.
 * @param {Editor} editor
 * @param {string[]} [names]
 */
export function shade(editor, names = editor.data.sections) {
  for (const name of names) {
    const text = editor.data.template?.sections[name] ?? "";
    const area = editor.areas[name];
    const isTemplate = Boolean(text) && area.textLength === text.length && area.value === text;
    area.classList.toggle("is-template", isTemplate);
    const tag = find(`[data-template-of="${name}"]`);
    if (tag) tag.hidden = !isTemplate;
  }
}

/**
 * Shade anew after something was typed: at once where a shade goes, else soon.
 * @param {Editor} editor
 * @param {HTMLTextAreaElement} area
 */
export function shadeAfterInput(editor, area) {
  if (area.classList.contains("is-template")) shade(editor, [area.name]);
  else {
    editor.shading ??= setTimeout(() => {
      editor.shading = null;
      shade(editor);
    }, SHADE_AFTER);
  }
}
