// Priors: the best one stands beside the images, its report beside the draft, and its name in the comparison.
import { byId, closest, find, first } from "../dom.js";
import { say } from "../flash.js";
import { documentOf, isSignIn } from "../live.js";
import { wordsOf } from "./api.js";

/** @typedef {import("./editor_state.js").Editor} Editor */

const drawer = byId("prior-drawer");

/** @param {Editor} editor */
export function listenToPriors(editor) {
  showSuggestions(editor);
  byId("text").addEventListener("input", () => showSuggestions(editor));
  document.addEventListener("click", (event) => {
    const isPlain = !event.ctrlKey && !event.metaKey;
    const beside = closest(event, "[data-beside]");
    const link = closest(event, "[data-prior-report]", HTMLAnchorElement);
    if (isPlain && (beside || link)) event.preventDefault();
    if (isPlain && beside) {
      editor.guard.openBeside(beside.dataset.beside ?? "");
      if (beside.dataset.comparison) suggest(editor, "comparison", beside.dataset.comparison);
    }
    if (isPlain && link) open(link.href);
    if (closest(event, "[data-close-prior]")) drawer.hidden = true;
  });
  document.addEventListener("keydown", closeByKey, true);
}

/**
 * Esc closes the report alone: the caret stays in the draft.
 * @param {KeyboardEvent} event
 */
function closeByKey(event) {
  if (event.key !== "Escape" || drawer.hidden || find("dialog[open]", HTMLDialogElement)) return;
  drawer.hidden = true;
  event.preventDefault();
  event.stopImmediatePropagation();
}

/**
 * Read a report; the caret stays where it is.
 * @param {string} url
 */
async function open(url) {
  try {
    const response = await fetch(url);
    const report = isSignIn(response) ? null : (await documentOf(response)).getElementById("prior-report");
    if (!response.ok || !report) throw new Error("The report of the prior can't be shown now.");
    first("[data-report]", HTMLElement, drawer).replaceChildren(report);
    drawer.hidden = false;
    drawer.scrollTop = 0;
  } catch (problem) {
    say(problem instanceof TypeError ? "The server can't be reached." : wordsOf(problem));
  }
}

/**
 * Put a text into a section where nobody has typed: it is empty, or has the last suggestion or the template as it was.
 * @param {Editor} editor
 * @param {string} name
 * @param {string} text
 */
function suggest(editor, name, text) {
  const area = editor.areas[name];
  const before = area.value;
  const untyped = ["", editor.data.suggested[name], editor.data.template?.sections[name]];
  if (!editor.isWriting || !untyped.includes(before.trim() && before) || before === text) return;
  editor.data.suggested[name] = text;
  area.value = text;
  area.dispatchEvent(new Event("input", { bubbles: true }));
}

/**
 * Mark the sections that are suggestions as they were.
 * @param {Editor} editor
 */
function showSuggestions({ areas, data }) {
  for (const [name, area] of Object.entries(areas)) {
    const tag = find(`[data-suggestion-of="${name}"]`);
    const text = data.suggested[name] ?? "";
    const isSuggested = Boolean(text) && area.textLength === text.length && area.value === text;
    if (tag && tag.hidden === isSuggested) tag.hidden = !isSuggested;
  }
}
