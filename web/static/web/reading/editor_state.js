// What the report editor knows, in one object: its modules are given it, and keep nothing to themselves.
import { pageData } from "./page_data.js";
import { PatientGuard } from "./patient_guard.js";
import { areasOf } from "./sections.js";

/**
 * @typedef {import("./autosave.js").Autosave<import("./page_data.js").Sections>} TextAutosave
 * @typedef {import("./addendum.js").AddendumAutosave} AddendumAutosave
 * @typedef {import("./dictation.js").Dictation} Dictation
 * @typedef {import("./page_data.js").EditorData} EditorData
 * @typedef {import("./page_data.js").Report} Report
 * @typedef {import("./page_data.js").Sections} Sections
 */

/**
 * The state of the report editor.
 * @typedef {object} Editor
 * @property {EditorData} data what the page began with
 * @property {import("./sections.js").Areas} areas
 * @property {Report | null} report as the server had it last; nothing before the first save
 * @property {TextAutosave} autosave of the text
 * @property {AddendumAutosave | null} addendum where one may be added
 * @property {Dictation} dictation
 * @property {boolean} isSpeaking whether the dictation bar is at work
 * @property {PatientGuard} guard
 * @property {boolean} isWriting whether this page may change the text
 * @property {number} fence of the lease that this page has; 0 without one
 * @property {boolean} isParked whether the person has parked the item
 * @property {number} takes how often it took the item; answers from before one are out of date
 * @property {Promise<void> | null} taking while it takes the item
 * @property {number} inputAt when something was typed last
 * @property {string} lastLook how the item stood when it was last looked at
 * @property {string} newsTold what was told of that came since the page was opened
 * @property {() => void} lookForMarks looks for open places again, soon
 * @property {number | null} shading the timer of the template's shades
 * @property {{ isSending: boolean, of: string, key: string }} signing what was asked to be signed, and its key
 */

/** The key under which this device keeps the text, and by which only one tab writes it. */
export const keyOf = (/** @type {EditorData} */ data) => `report:${data.item}`;

/**
 * The state at the beginning; who makes it adds what saves and what is spoken.
 * @returns {Editor}
 */
export function newEditor() {
  const data = /** @type {EditorData} */ (pageData);
  const parts = /** @type {Pick<Editor, "autosave" | "dictation">} */ ({});
  return Object.assign(parts, {
    data,
    areas: areasOf(data.sections),
    report: data.report,
    addendum: null,
    isSpeaking: false,
    guard: new PatientGuard(data),
    isWriting: false,
    fence: 0,
    isParked: false,
    takes: 0,
    taking: null,
    inputAt: Date.now(),
    lastLook: "",
    newsTold: "",
    lookForMarks: () => {},
    shading: null,
    signing: { isSending: false, of: "", key: "" },
  });
}

/**
 * Why nothing may be recorded or signed; nothing if it may.
 * @param {Editor} editor
 */
export function refusal(editor) {
  if (!editor.isWriting) return "Another person or tab writes on this report.";
  return editor.guard.refusal;
}
