// Text that is never lost: on the device within 300 ms after a key, on the server within 2 s without one and
// within 10 s of typing. It says "Saved" only after the server said so.
import { problemOf } from "./api.js";
import * as device from "./device_store.js";
import { clock } from "./page_data.js";

/** @typedef {import("./api.js").Problem} Problem */

const TO_DEVICE = 200;
const IDLE = 1500;
const LONGEST = 8000;
const FIRST_RETRY = 2000;
const LONGEST_RETRY = 15000;

/**
 * What is saved, and how.
 * @template T
 * @typedef {object} Saving
 * @property {string} key under which the device keeps it
 * @property {string} user
 * @property {() => T} read the draft as it is now
 * @property {(draft: T, revision: number) => Promise<number>} send brings it to the server; the new revision
 * @property {(problem: Problem) => unknown} conflict is told of a 409
 * @property {HTMLElement | null} mark where the state is said
 * @property {T} base the draft that the server has
 * @property {number} revision
 */

/** @template T */
export class Autosave {
  /** @param {Saving<T>} saving */
  constructor(saving) {
    this.saving = saving;
    this.key = saving.key;
    this.base = saving.base;
    this.revision = saving.revision;
    this.isDirty = this.isBusy = this.isStopped = false;
    /** Whether the device has what the server has not. */
    this.isKept = true;
    this.deviceFails = false;
    this.edits = 0;
    this.retry = FIRST_RETRY;
    /** What the last attempt ran into. @type {Problem | null} */
    this.problem = null;
    /** @type {Promise<void>} */
    this.sending = Promise.resolve();
    /** @type {{ device?: number, idle?: number, long?: number, retry?: number }} */
    this.timers = {};
    this.listen();
  }

  listen() {
    addEventListener("session-resumed", () => this.toServer());
    addEventListener("online", () => this.toServer());
    addEventListener("pagehide", () => {
      if (!this.isDirty) return;
      this.toDevice();
      this.toServer();
    });
    document.addEventListener("visibilitychange", () => {
      if (document.hidden && this.isDirty) this.toServer();
    });
    addEventListener("beforeunload", (event) => {
      if (this.isDirty && !this.isKept) event.preventDefault();
    });
  }

  /** Something was typed. */
  touched() {
    this.isDirty = true;
    this.isKept = false;
    this.edits += 1;
    if (this.isStopped) return;
    this.timers.device ??= setTimeout(() => this.toDevice(), TO_DEVICE);
    clearTimeout(this.timers.idle);
    this.timers.idle = setTimeout(() => this.toServer(), IDLE);
    this.timers.long ??= setTimeout(() => this.toServer(), LONGEST);
  }

  async toDevice() {
    this.forgetDeviceTimer();
    const { key, edits, revision } = this;
    const { user, read } = this.saving;
    try {
      await device.putText({ key, user, sections: read(), revision, at: Date.now() });
      if (edits === this.edits) this.isKept = true;
      this.deviceFails = false;
      if (this.isDirty && !this.problem) this.show("device", "Kept on this device");
    } catch {
      this.deviceFails = true;
      if (this.problem) this.failed(this.problem);
    }
  }

  forgetDeviceTimer() {
    clearTimeout(this.timers.device);
    delete this.timers.device;
  }

  forgetServerTimers() {
    for (const timer of [this.timers.idle, this.timers.long, this.timers.retry]) clearTimeout(timer);
  }

  async toServer(isForced = false) {
    this.forgetServerTimers();
    delete this.timers.long;
    if ((!this.isDirty && !isForced) || this.isStopped) return;
    if (!this.isBusy) {
      this.isBusy = true;
      this.sending = this.sendOnce();
    }
    await this.sending;
  }

  async sendOnce() {
    const { edits } = this;
    const draft = this.saving.read();
    try {
      this.revision = await this.saving.send(draft, this.revision);
      this.base = draft;
      this.retry = FIRST_RETRY;
      this.problem = null;
      if (edits === this.edits) await this.settle();
    } catch (problem) {
      this.isBusy = false;
      this.failed(problemOf(problem));
      return;
    }
    this.isBusy = false;
    if (this.isDirty && !this.isStopped) this.timers.idle = setTimeout(() => this.toServer(), IDLE);
  }

  /** The server has all of it. */
  async settle() {
    this.isDirty = false;
    this.forgetDeviceTimer();
    this.show("saved", `Saved ${clock()}`);
    await device.removeText(this.key).catch(() => {});
    this.isKept = true;
  }

  /** @param {Problem} problem */
  failed(problem) {
    this.problem = problem;
    if (problem.status === 409) {
      this.problem = null;
      this.saving.conflict(problem);
    } else if (problem.status === 401) this.show("device", "Kept on this device: your session ended");
    else if (!problem.isPassing) this.show("unsaved", `Not saved: ${problem.message}`);
    else this.tryAgain(problem);
  }

  /** @param {Problem} problem */
  tryAgain(problem) {
    this.timers.retry = setTimeout(() => this.toServer(), this.retry);
    this.retry = Math.min(this.retry * 2, LONGEST_RETRY);
    if (this.deviceFails) {
      this.show("unsaved", "Not saved: neither the server nor this device takes it. Leave this page open.");
    } else {
      this.show("device", `Kept on this device, not on the server: ${problem.message} It is tried again.`);
    }
  }

  /** Bring all to the server; whether all that is typed is there. */
  async flush() {
    for (let tries = 0; tries < 5 && (this.isDirty || this.isBusy) && !this.isStopped; tries += 1) {
      await (this.isBusy ? this.sending : this.toServer());
      if (this.problem) break;
    }
    return !this.isDirty && !this.problem;
  }

  stop() {
    this.isStopped = true;
    this.forgetServerTimers();
  }

  /**
   * Go on from what the server has.
   * @param {number} revision
   * @param {T} base
   */
  goOn(revision, base) {
    Object.assign(this, { isStopped: false, problem: null, revision, base });
    if (this.isDirty) this.touched();
  }

  /**
   * @param {"saved" | "device" | "unsaved"} state
   * @param {string} text
   */
  show(state, text) {
    const { mark } = this.saving;
    if (!mark) return;
    mark.dataset.state = state;
    mark.setAttribute("aria-live", state === "unsaved" || this.problem ? "assertive" : "off");
    if (mark.textContent !== text) mark.textContent = text;
  }
}
