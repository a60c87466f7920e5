// Addendum, correction, retraction: a draft like any other text, saved and kept on the device as it is typed.
import { all, byId, closest, find, first } from "../dom.js";
import { call } from "./api.js";
import { Autosave } from "./autosave.js";
import * as device from "./device_store.js";

/**
 * @typedef {import("./editor_state.js").Editor} Editor
 * @typedef {import("./page_data.js").Sections} Sections
 */

/**
 * What is added; `sections` are those of a correction.
 * @typedef {object} AddendumDraft
 * @property {string} text
 * @property {string} kind
 * @property {string} class_of_change
 * @property {boolean} changes_care
 * @property {Sections} sections
 * @typedef {Autosave<AddendumDraft | null>} AddendumAutosave
 */

/** Whether it is an addendum, a correction or a retraction. */
export const kindOfAddendum = () => first("#addendum input[name=kind]:checked", HTMLInputElement).value;

/**
 * Let an addendum be written where the report is signed.
 * @param {Editor} editor
 */
export async function prepareAddendum(editor) {
  const form = find("form#addendum", HTMLFormElement);
  if (!form || !find("[data-add]")) return;
  /** @type {AddendumAutosave} */
  const addendum = new Autosave({
    key: `addendum:${editor.data.item}`,
    user: editor.data.me.id,
    read: () => read(editor, form),
    send: (draft, revision) => send(editor, draft, revision),
    conflict: (problem) => addendum.show("unsaved", `Not saved: ${problem.message}`),
    mark: byId("addendum-mark", HTMLElement),
    base: null,
    revision: editor.data.addendum ? 1 : 0,
  });
  editor.addendum = addendum;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    showFields(form);
    addendum.touched();
  });
  showFields(form);
  document.addEventListener("click", (event) => {
    const kind = closest(event, "[data-add]")?.dataset.add;
    const isLink = closest(event, 'a[href="#add"]');
    if (kind) choose(form, kind);
    if (kind || isLink) openPanel(form);
  });
  await bringBack(editor, form, addendum);
}

/**
 * @param {HTMLFormElement} form
 * @param {string} kind
 */
function choose(form, kind) {
  first(`[name=kind][value="${kind}"]`, HTMLInputElement, form).checked = true;
  showFields(form);
}

/**
 * Show where it is written, and begin there.
 * @param {HTMLFormElement} form
 */
function openPanel(form) {
  show();
  const shown = all("textarea", HTMLTextAreaElement, form).filter((area) => area.checkVisibility());
  shown[0]?.focus();
  byId("add").scrollIntoView({ block: "nearest" });
}

function show() {
  byId("add").hidden = false;
  byId("sign-open").hidden = false;
}

/**
 * @param {Editor} editor
 * @param {HTMLFormElement} form
 * @returns {AddendumDraft}
 */
function read({ data }, form) {
  const kind = kindOfAddendum();
  const corrected = data.sections.map((name) => [name, correctionOf(form, name).value]);
  return {
    text: textOf(form).value,
    kind,
    class_of_change: first("[name=class_of_change]", HTMLSelectElement, form).value,
    changes_care: first("[name=changes_care]", HTMLInputElement, form).checked,
    sections: kind === "correction" ? Object.fromEntries(corrected) : {},
  };
}

/** @param {HTMLFormElement} form */
const textOf = (form) => first("[name=text]", HTMLTextAreaElement, form);

/**
 * @param {HTMLFormElement} form
 * @param {string} section
 */
const correctionOf = (form, section) => first(`[name=corrected-${section}]`, HTMLTextAreaElement, form);

/**
 * @param {Editor} editor
 * @param {AddendumDraft | null} draft
 * @param {number} revision
 */
async function send({ report }, draft, revision) {
  if (!draft || (draft.kind !== "correction" && !draft.text.trim())) return revision;
  await call("POST", `/reports/${report?.id}/addenda`, draft);
  return revision + 1;
}

/**
 * Show the fields that this kind of addendum has.
 * @param {HTMLFormElement} form
 */
function showFields(form) {
  const kind = kindOfAddendum();
  for (const part of all("[data-for]", HTMLElement, form)) part.hidden = !part.dataset.for?.includes(kind);
}

/**
 * Bring back what this device has of it.
 * @param {Editor} editor
 * @param {HTMLFormElement} form
 * @param {AddendumAutosave} addendum
 */
async function bringBack(editor, form, addendum) {
  const kept = await device.getText(addendum.key).catch(() => undefined);
  if (kept?.user !== editor.data.me.id) return;
  /** @type {AddendumDraft} */
  const draft = kept.sections;
  show();
  textOf(form).value = draft.text;
  first(`[value="${draft.kind}"]`, HTMLInputElement, form).checked = true;
  for (const [name, text] of Object.entries(draft.sections)) correctionOf(form, name).value = text;
  showFields(form);
  addendum.touched();
}
