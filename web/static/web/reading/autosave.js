// Text that is never lost: on the device within 300 ms after a key, on the server within 2 s without one and
// within 10 s of typing. It says "Saved" only after the server said so.
import { Problem, clock } from "./api.js";
import * as device from "./device.js";

const TO_DEVICE = 200,
  IDLE = 1500,
  LONGEST = 8000,
  FIRST_RETRY = 2000,
  LONGEST_RETRY = 15000;

export class Autosave {
  // `read()` gives the sections, `send(sections, revision)` brings them to the server and resolves to the new revision,
  // `conflict(problem)` is told of a 409. `base` is the text that the server has.
  constructor({ key, user, read, send, conflict, mark, base, revision }) {
    Object.assign(this, { key, user, read, send, conflict, mark, base, revision });
    this.isDirty = this.isBusy = this.isStopped = false;
    this.isKept = true;
    this.edits = 0;
    this.retry = FIRST_RETRY;
    addEventListener("session-resumed", () => this.toServer());
    addEventListener("online", () => this.toServer());
    addEventListener("pagehide", () => {
      if (this.isDirty) {
        this.toDevice();
        this.toServer();
      }
    });
    document.addEventListener("visibilitychange", () => {
      if (document.hidden && this.isDirty) this.toServer();
    });
    addEventListener("beforeunload", (event) => {
      if (this.isDirty && !this.isKept) event.preventDefault();
    });
  }

  touched() {
    this.isDirty = true;
    this.isKept = false;
    this.edits += 1;
    if (this.isStopped) return;
    this.deviceTimer ??= setTimeout(() => this.toDevice(), TO_DEVICE);
    clearTimeout(this.idleTimer);
    this.idleTimer = setTimeout(() => this.toServer(), IDLE);
    this.longTimer ??= setTimeout(() => this.toServer(), LONGEST);
  }

  async toDevice() {
    clearTimeout(this.deviceTimer);
    this.deviceTimer = null;
    const edits = this.edits;
    try {
      await device.put("texts", {
        key: this.key,
        user: this.user,
        sections: this.read(),
        revision: this.revision,
        at: Date.now(),
      });
      if (edits === this.edits) this.isKept = true;
      this.deviceFails = false;
      if (this.isDirty && !this.problem) this.show("device", "Kept on this device");
    } catch {
      this.deviceFails = true;
      if (this.problem) this.failed(this.problem);
    }
  }

  async toServer(isForced = false) {
    for (const timer of [this.idleTimer, this.longTimer, this.retryTimer]) clearTimeout(timer);
    this.longTimer = null;
    if ((!this.isDirty && !isForced) || this.isStopped) return;
    if (this.isBusy) {
      await this.sending;
      return;
    }
    this.isBusy = true;
    this.sending = this.sendOnce();
    await this.sending;
  }

  async sendOnce() {
    const edits = this.edits,
      sections = this.read();
    try {
      this.revision = await this.send(sections, this.revision);
      this.base = sections;
      this.retry = FIRST_RETRY;
      this.problem = null;
      if (edits === this.edits) await this.settle();
    } catch (problem) {
      this.isBusy = false;
      this.failed(problem);
      return;
    }
    this.isBusy = false;
    if (this.isDirty && !this.isStopped) this.idleTimer = setTimeout(() => this.toServer(), IDLE);
  }

  async settle() {
    this.isDirty = false;
    clearTimeout(this.deviceTimer);
    this.deviceTimer = null;
    this.show("saved", `Saved ${clock()}`);
    await device.remove("texts", this.key).catch(() => {});
    this.isKept = true;
  }

  failed(problem) {
    if (!(problem instanceof Problem)) problem = new Problem(0);
    this.problem = problem;
    if (problem.status === 409) {
      this.problem = null;
      this.conflict(problem);
      return;
    }
    if (problem.status === 401) {
      this.show("device", "Kept on this device: your session ended");
      return;
    }
    if (!problem.isPassing) {
      this.show("unsaved", `Not saved: ${problem.message}`);
      return;
    }
    this.retryTimer = setTimeout(() => this.toServer(), this.retry);
    this.retry = Math.min(this.retry * 2, LONGEST_RETRY);
    if (this.deviceFails)
      this.show("unsaved", "Not saved: neither the server nor this device takes it. Leave this page open.");
    else this.show("device", `Kept on this device, not on the server: ${problem.message} It is tried again.`);
  }

  // Whether all that is typed is on the server.
  async flush() {
    for (let tries = 0; tries < 5 && (this.isDirty || this.isBusy) && !this.isStopped; tries += 1) {
      if (this.isBusy) await this.sending;
      else await this.toServer();
      if (this.problem) break;
    }
    return !this.isDirty && !this.problem;
  }

  stop() {
    this.isStopped = true;
    for (const timer of [this.idleTimer, this.longTimer, this.retryTimer]) clearTimeout(timer);
  }
  goOn(revision, base) {
    Object.assign(this, { isStopped: false, problem: null, revision, base });
    if (this.isDirty) this.touched();
  }

  show(state, text) {
    if (!this.mark) return;
    this.mark.dataset.state = state;
    this.mark.setAttribute("aria-live", state === "unsaved" || this.problem ? "assertive" : "off");
    if (this.mark.textContent !== text) this.mark.textContent = text;
  }
}
