// From this device to the server: what was said is cut into segments of four blocks, and they are sent in order. The
// same segment is sent again as it was.
import { call, problemOf } from "./api.js";
import * as device from "./device_store.js";
import { sha256 } from "./digests.js";
import { RATE } from "./microphone.js";

/**
 * @typedef {import("./dictation.js").Dictation} Dictation
 * @typedef {import("./dictation.js").Take} Take
 * @typedef {import("./api.js").Problem} Problem
 */

const PER_SEGMENT = 4;
const RETRY = 3000;

export class SoundUpload {
  /** @param {Dictation} dictation */
  constructor(dictation) {
    this.dictation = dictation;
    this.isSending = false;
    /** @type {number | undefined} */
    this.retryTimer = undefined;
  }

  /** Send what there is, and finish what was handed on. */
  async send() {
    const { take, bar } = this.dictation;
    if (!take || this.isSending || (!take.samples && !take.isHandedOn)) return;
    this.isSending = true;
    clearTimeout(this.retryTimer);
    try {
      if (!take.isBegun) await this.begin(take);
      await this.sendSegments(take);
      if (take.isHandedOn && this.isCurrent(take)) await this.finish(take);
    } catch (error) {
      if (this.isCurrent(take)) this.failed(take, problemOf(error));
    }
    this.isSending = false;
    bar.show();
  }

  /**
   * Whether it was not discarded meanwhile.
   * @param {Take} take
   */
  isCurrent(take) {
    return this.dictation.take === take;
  }

  /** @param {Take} take */
  async begin(take) {
    const about = { id: take.uuid, sample_rate: RATE, patient: take.patient };
    await call("POST", `/reading/items/${take.item}/dictations`, about);
    take.isBegun = true;
    this.dictation.hooks.begun();
  }

  /** @param {Take} take */
  async sendSegments(take) {
    await this.cut(take);
    while (this.isCurrent(take) && take.sent < take.segments.length) {
      const [first, end] = take.segments[take.sent];
      await call("PUT", `/dictations/${take.uuid}/segments/${take.sent}`, await joined(take, first, end));
      if (!this.isCurrent(take)) return;
      take.sent += 1;
      await device.putTake(take);
      this.dictation.bar.show();
      await this.cut(take);
    }
  }

  /**
   * Make segments of the blocks that are on the disk; the last is short.
   * @param {Take} take
   */
  async cut(take) {
    await this.dictation.writing;
    if (!this.isCurrent(take)) return;
    const before = take.segments.length;
    let last = take.segments.at(-1)?.[1] ?? 0;
    for (; take.blocks - last >= PER_SEGMENT; last += PER_SEGMENT)
      take.segments.push([last, last + PER_SEGMENT]);
    if (!this.dictation.isOn && take.blocks > last) take.segments.push([last, take.blocks]);
    if (take.segments.length > before) await device.putTake(take);
  }

  /** @param {Take} take */
  async finish(take) {
    const whole = { segments: take.segments.length, sha256: await sha256(await joined(take)) };
    await call("POST", `/dictations/${take.uuid}/finish`, whole);
    await device.forgetTake(take.uuid);
    this.dictation.end();
    this.dictation.hooks.handedOn();
  }

  /**
   * @param {Take} take
   * @param {Problem} problem
   */
  failed(take, problem) {
    if (problem.status === 401 || problem.isPassing) {
      this.retryTimer = setTimeout(() => this.send(), RETRY);
      return;
    }
    if (take.isHandedOn && problem.status === 409) take.isHandedOn = false;
    this.dictation.bar.alarm(
      `The server does not take the sound: ${problem.message} It is kept on this device.`,
    );
  }
}

/**
 * The sound of some blocks in one.
 * @param {Take} take
 * @param {number} [first]
 * @param {number} [end]
 */
async function joined(take, first = 0, end = Infinity) {
  const parts = (await device.getBlocks(take.uuid, first, end)).map((block) => new Uint8Array(block.pcm));
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
