// A dictation: sound goes from the microphone to this device in blocks of a second, from here to the server in
// segments, and is bound to its item and patient from the first sample on.
import { byId } from "../dom.js";
import { call, problemOf } from "./api.js";
import * as device from "./device_store.js";
import { askWhy } from "./dialogs.js";
import { DictationBar, duration } from "./dictation_bar.js";
import { uuid } from "./digests.js";
import { Microphone, beep } from "./microphone.js";
import { SoundUpload } from "./sound_upload.js";

/** @typedef {import("./page_data.js").EditorData} EditorData */

/**
 * One dictation as this device keeps it.
 * @typedef {object} Take
 * @property {string} uuid
 * @property {string} item
 * @property {string} patient
 * @property {string} name the patient's, when it was spoken
 * @property {string} user
 * @property {number} blocks
 * @property {number} samples
 * @property {[number, number][]} segments the first block of each and the one after its last
 * @property {number} sent how many segments the server has
 * @property {boolean} isBegun whether the server knows of it
 * @property {boolean} isHandedOn
 * @property {number} at
 */

/**
 * What the page says to a dictation, and is told by it.
 * @typedef {object} Hooks
 * @property {() => string} refusal why nothing may be recorded now; nothing if it may
 * @property {() => void} begun the server knows of it
 * @property {() => void} handedOn the server has all of it
 */

export class Dictation {
  /**
   * @param {EditorData} data
   * @param {Hooks} hooks
   */
  constructor(data, hooks) {
    this.data = data;
    this.hooks = hooks;
    /** @type {Take | null} */
    this.take = null;
    this.isOn = false;
    /** Resolves when all blocks are on the disk. @type {Promise<unknown>} */
    this.writing = Promise.resolve();
    this.bar = new DictationBar(this);
    this.upload = new SoundUpload(this);
    /** @type {Microphone | null} */
    this.microphone = null;
  }

  /** Whether something was said that is not handed on. */
  get isOpen() {
    return Boolean(this.take && !this.take.isHandedOn);
  }

  /**
   * Whether the sound of a dictation lies on this device.
   * @param {string | undefined} uuid
   */
  isHere(uuid) {
    return this.take?.uuid === uuid;
  }

  /** Listen to the bar, and go on with what was interrupted. */
  async begin() {
    byId("record").addEventListener("click", () => this.toggle());
    byId("hand-on").addEventListener("click", () => this.handOn());
    byId("discard").addEventListener("click", () => this.discard());
    addEventListener("beforeunload", (event) => {
      if (!this.isOn && !this.hasUnsent()) return;
      this.pause();
      event.preventDefault();
    });
    addEventListener("session-resumed", () => this.upload.send());
    addEventListener("online", () => this.upload.send());
    await this.bringBack();
  }

  async bringBack() {
    const { me, item, patient } = this.data;
    const takes = await device.allTakes().catch(() => []);
    const take = takes.find((one) => one.user === me.id && one.item === item);
    if (!take) return;
    this.take = take;
    const blocks = await device.getBlocks(take.uuid);
    take.blocks = blocks.length;
    take.samples = blocks.reduce((sum, block) => sum + block.pcm.byteLength / 2, 0);
    if (!take.samples && !take.isBegun) {
      await device.forgetTake(take.uuid);
      this.take = null;
      return;
    }
    if (take.patient !== patient.id) {
      this.bar.alarm(`This dictation was spoken of ${take.name}. Listen before you send it.`);
    }
    const words =
      "A dictation was interrupted. It is all here: continue, send it to transcription or discard it.";
    this.bar.show(take.isHandedOn ? "" : words);
    this.upload.send();
  }

  /** Record, or pause. */
  async toggle() {
    if (this.isOn) {
      await this.pause();
      return;
    }
    const isOnItsWay = this.take?.isHandedOn && "The last dictation is still on its way to the server.";
    const refusal = this.hooks.refusal() || isOnItsWay;
    if (refusal) {
      this.bar.alarm(refusal);
      return;
    }
    this.bar.endAlarm();
    const microphone = await this.openMicrophone();
    if (microphone) await this.record(microphone);
  }

  async openMicrophone() {
    this.microphone ??= new Microphone({
      onBlock: (pcm) => this.keep(pcm),
      onLevel: (decibels, peak) => this.bar.showLevel(decibels, peak),
      onDead: (words) => this.die(words),
    });
    try {
      await this.microphone.open();
      return this.microphone;
    } catch (error) {
      const isForbidden = error instanceof DOMException && error.name === "NotAllowedError";
      const forbidden = "The browser may not use the microphone. Allow it beside the address, then record.";
      this.bar.alarm(isForbidden ? forbidden : "No microphone is there. Plug one in, then record.");
      return null;
    }
  }

  /** @param {Microphone} microphone */
  async record(microphone) {
    this.take ??= this.newTake();
    const alarm = () =>
      this.bar.alarm("This device can't keep the sound. Stay on this page until it is stored.");
    await device.putTake(this.take).catch(alarm);
    this.isOn = true;
    microphone.start();
    this.bar.show();
  }

  /** @returns {Take} */
  newTake() {
    const { item, patient, me } = this.data;
    const about = {
      uuid: uuid(),
      item,
      patient: patient.id,
      name: patient.name,
      user: me.id,
      at: Date.now(),
    };
    return { ...about, blocks: 0, samples: 0, segments: [], sent: 0, isBegun: false, isHandedOn: false };
  }

  /** @param {Int16Array<ArrayBuffer>} pcm */
  keep(pcm) {
    const { take } = this;
    if (!take) return;
    const block = { uuid: take.uuid, number: take.blocks, pcm: pcm.buffer };
    take.blocks += 1;
    take.samples += pcm.length;
    this.writing = this.writing
      .then(() => device.putBlock(block))
      .catch(() => this.bar.alarm("This device can't keep the sound: its disk may be full."));
    this.bar.showTime(take.samples);
    this.writing.then(() => this.upload.send());
  }

  async pause() {
    if (!this.isOn) return;
    this.isOn = false;
    this.bar.show();
    await this.microphone?.stop();
    this.bar.endLevel();
    await this.writing;
    this.bar.show();
    this.upload.send();
  }

  async handOn() {
    await this.pause();
    const { take } = this;
    if (!take?.samples) return;
    take.isHandedOn = true;
    await device.putTake(take).catch(() => {});
    this.bar.show();
    this.upload.send();
  }

  async discard() {
    const { take } = this;
    await this.pause();
    if (!take) return;
    const words = `${duration(take.samples)} about ${take.name}. The server keeps its part for 30 days.`;
    const reason = await askWhy("Discard the dictation", words, "Discard");
    if (!reason) return;
    try {
      if (take.isBegun) await call("POST", `/dictations/${take.uuid}/discard`, { reason });
    } catch (error) {
      const problem = problemOf(error);
      if (problem.status !== 404 && problem.code !== "state") {
        this.bar.alarm(`Not discarded: ${problem.message}`);
        return;
      }
    }
    await device.forgetTake(take.uuid);
    this.end();
    this.bar.endAlarm();
    this.bar.show("Discarded.");
  }

  /** There is no dictation any more. */
  end() {
    this.take = null;
    this.bar.showTime(0);
  }

  /** @param {string} words */
  die(words) {
    if (!this.isOn) return;
    beep();
    this.pause();
    this.bar.alarm(`${words} Recording is paused; what was said is kept.`);
  }

  hasUnsent() {
    const { take } = this;
    if (!take || take.isHandedOn) return false;
    return take.blocks > (take.segments[take.sent - 1]?.[1] ?? 0);
  }
}
