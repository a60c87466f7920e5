// The patient guard: what the viewer shows is compared with whose report is open. See viewer/app-config.js.
import { byId, closest } from "../dom.js";
import { askWhy } from "./dialogs.js";

/** @typedef {import("./page_data.js").EditorData} EditorData */

const ASK_EVERY = 3000;
const QUIET = 5000; // after which no viewer is taken to be open

export class PatientGuard {
  /** @param {EditorData} data */
  constructor(data) {
    this.data = data;
    this.mine = new Set(data.patientStudies);
    this.channel = new BroadcastChannel("ris-pacs-viewer");
    /** The studies that a viewer shows; nothing while none is open. @type {string[] | null} */
    this.shown = null;
    this.heardAt = 0;
    /** Why one goes on although another patient is shown. */
    this.reason = "";
    this.wasOther = false;
    /** The window of the viewer. @type {Window | null} */
    this.viewer = null;
    this.channel.onmessage = ({ data: message }) => this.hear(message);
    document.addEventListener("click", (event) => this.onClick(event));
    const ask = () => this.channel.postMessage({ type: "who" });
    ask();
    setInterval(ask, ASK_EVERY);
  }

  get isOther() {
    return Boolean(this.shown?.length) && !this.shown?.some((uid) => this.mine.has(uid));
  }

  /** The reason that counts now. */
  get givenReason() {
    return this.isOther ? this.reason : "";
  }

  /** Why nothing may be recorded or signed; nothing if it may. */
  get refusal() {
    if (!this.isOther || this.reason) return "";
    return "The viewer shows another patient. Show this patient's images, or give a reason in the bar above.";
  }

  /** @param {{ type?: string, studies?: string | string[] } | null} message */
  hear(message) {
    if (message?.type === "shown") {
      this.shown = [message.studies ?? []].flat();
      this.heardAt = Date.now();
      this.compare();
    } else if (message?.type === "closed") {
      this.shown = null;
      this.heardAt = 0;
      this.compare();
    }
  }

  compare() {
    const { isOther, data } = this;
    byId("guard").hidden = !isOther || Boolean(this.reason);
    if (isOther === this.wasOther) return;
    this.wasOther = isOther;
    if (!isOther) this.reason = "";
    const text = isOther ? `The open report is about ${data.patient.name}, not about this patient.` : "";
    this.channel.postMessage({ type: "warn", text });
  }

  /**
   * @param {string[]} studies
   * @param {boolean} [isCompared] whether the second stands beside the first
   */
  open(studies, isCompared = false) {
    if (Date.now() - this.heardAt < QUIET) {
      this.channel.postMessage({ type: "open", studies, study: studies[0], compare: isCompared });
      if (this.viewer && !this.viewer.closed) this.viewer.focus();
    } else {
      const url = this.data.viewer + studies.join(",") + (isCompared ? this.data.sideBySide : "");
      this.viewer = window.open(url, "viewer");
    }
  }

  /**
   * Show this report's images with a prior beside them.
   * @param {string} prior
   */
  openBeside(prior) {
    const [first, ...rest] = this.data.studies;
    if (first) this.open([first, prior, ...rest], true);
    else this.open([prior]);
  }

  /** Show this report's images, with the best prior beside them where there is one. */
  openOwn() {
    if (this.data.prior) this.openBeside(this.data.prior);
    else this.open(this.data.studies);
  }

  /** A viewer that is open follows to the patient whose report was opened. */
  lead() {
    const { studies } = this.data;
    setTimeout(() => {
      if (this.isOther) this.channel.postMessage({ type: "open", studies, study: studies[0] });
    }, 500);
  }

  /** @param {MouseEvent} event */
  async onClick(event) {
    const link = closest(event, "[data-view]");
    if (link && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      this.open([link.dataset.view ?? ""]);
    }
    if (closest(event, "[data-open-own]")) this.openOwn();
    if (closest(event, "[data-guard-reason]")) await this.askReason();
  }

  async askReason() {
    const words = "You record or sign all the same. The reason is kept with the signature.";
    this.reason = await askWhy("The viewer shows another patient", words, "Go on");
    this.compare();
  }
}
