// What the server tells a page of the reading room, in `<script id="page-data">`, and what its REST API answers.
import { timeOfDay } from "../times.js";

/**
 * The text of each section of a report, by the section's name.
 * @typedef {Record<string, string>} Sections
 */

/**
 * A report; the page begins with its first four, REST gives all.
 * @typedef {object} Report
 * @property {string} id
 * @property {number} revision
 * @property {string} status
 * @property {Sections} sections
 * @property {string} [changed_by]
 * @property {string} [changed_at]
 * @property {number} [version]
 * @property {string} [signed_by]
 * @property {string | null} [undo_until]
 */

/**
 * Who may write on an item; `fence` counts those who had it.
 * @typedef {{ holder: string, since: string, idle_seconds: number, mine: boolean, fence: number,
 *   parked: boolean }} Lease
 */

/**
 * An item of the reading worklist.
 * @typedef {object} ReadingItem
 * @property {string} id
 * @property {string} status
 * @property {number} revision
 * @property {string | null} report its id
 * @property {Lease | null} lease
 * @property {{ id?: string }} patient
 * @property {number} images
 * @property {{ id: string, title: string, sender: string, status: string }[]} outside_reports in their newest versions
 * @property {unknown[]} presences
 * @property {string} hold_reason
 * @property {string} patient_question
 * @property {boolean} under_investigation
 * @property {boolean} has_mismatch
 * @property {string} description
 * @property {string} whose the patient's name with the accession numbers
 * @property {string} modality
 * @property {{ state: string, segments: number, typist: string }[]} dictations
 */

/**
 * What each page of the reading room begins with.
 * @typedef {object} RoomData
 * @property {string} item
 * @property {boolean} isOpen whether its text may change
 * @property {{ id: string, name: string }} me
 * @property {{ id: string, name: string }} patient
 * @property {string[]} sections the names, in their order
 * @property {Record<string, string>} titles of the sections
 * @property {Record<string, string>} macros
 * @property {string} zone the facility's time zone
 */

/**
 * What the report editor begins with.
 * @typedef {object} EditorOnly
 * @property {string} path of this page
 * @property {string} lists the path of the reading worklist
 * @property {string} viewer the path of the viewer, up to the Study Instance UIDs
 * @property {string} what is read, in words
 * @property {string} whose the patient's name with the accession numbers
 * @property {boolean} mayWrite
 * @property {boolean} maySupervise
 * @property {string[]} studies
 * @property {string[]} patientStudies
 * @property {string} prior the Study Instance UID of the best prior; nothing without one
 * @property {string} sideBySide what the viewer's path ends in to compare two studies
 * @property {Sections} suggested texts that nobody typed: from the order, and from the prior
 * @property {number} images how many there were when the page was made
 * @property {string[]} outsideReports the ids of the versions of others' reports that were read: as it
 *   shows them, or as the draft knew them when it was saved last
 * @property {string} draftOf whose draft it is, where that is another person's whom nobody has taken it over from
 * @property {Report | null} report
 * @property {object | null} addendum
 * @property {{ name: string, sections: Sections } | null} template
 * @typedef {RoomData & EditorOnly} EditorData
 */

/**
 * What the transcription editor begins with.
 * @typedef {object} TranscriptionOnly
 * @property {string} dictation its UUID
 * @property {number} seconds
 * @property {number} sampleRate
 * @property {number} revision
 * @property {Sections} typed
 * @property {string} list the path of the queue
 * @typedef {RoomData & TranscriptionOnly} TranscriptionData
 */

/**
 * The page's own kind of data; nothing on pages without any.
 * @type {any}
 */
export const pageData = JSON.parse(document.getElementById("page-data")?.textContent ?? "{}");

/**
 * A time of day in the facility's zone.
 * @param {Date} [at]
 * @param {Intl.DateTimeFormatOptions} [options]
 */
export function clock(at = new Date(), options = {}) {
  const { zone } = /** @type {RoomData} */ (pageData);
  return timeOfDay(at, { timeZone: zone, ...options });
}
