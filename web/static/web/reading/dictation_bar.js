// What the dictation bar shows: the state in words, the time, the level and the wave of the sound.
import { byId, labelOf } from "../dom.js";
import { RATE, SILENCE } from "./microphone.js";

/** @typedef {import("./dictation.js").Dictation} Dictation */

const MOST_PEAKS = 300;

/**
 * A length of sound: 1:05.
 * @param {number} samples
 */
export function duration(samples) {
  const seconds = Math.floor(samples / RATE);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

export class DictationBar {
  /** @param {Dictation} dictation */
  constructor(dictation) {
    this.dictation = dictation;
    /** How loud each twentieth of a second was. @type {number[]} */
    this.peaks = [];
  }

  /**
   * Show how things stand, in other words where some are given.
   * @param {string} [words]
   */
  show(words = "") {
    const { take, isOn } = this.dictation;
    const isPaused = Boolean(take && !isOn && !take.isHandedOn);
    const state = isOn ? "recording" : take?.isHandedOn ? "uploading" : isPaused ? "paused" : "idle";
    byId("dictation").dataset.state = state;
    labelOf(byId("record")).data = isOn ? "❚❚ Pause " : take ? "● Go on recording " : "● Record ";
    byId("record").setAttribute("aria-pressed", String(isOn));
    byId("hand-on").hidden = byId("discard").hidden = !take || take.isHandedOn;
    if (take) this.showTime(take.samples);
    const text = words || this.words(isPaused);
    if (byId("dictation-state").textContent !== text) byId("dictation-state").textContent = text;
  }

  /** @param {boolean} isPaused */
  words(isPaused) {
    const { take, isOn } = this.dictation;
    if (!take) return "ready to record";
    const sent = take.segments[take.sent - 1]?.[1] ?? 0;
    const share = take.blocks ? Math.round((100 * sent) / take.blocks) : 0;
    const isUploading = take.isHandedOn || sent > 0;
    const stored = share === 100 ? "stored" : isUploading ? `uploading ${share} %` : "on this device";
    return isOn ? `recording, ${stored}` : isPaused ? `paused, ${stored}` : stored;
  }

  /** @param {number} samples */
  showTime(samples) {
    byId("timer").textContent = duration(samples);
  }

  /** @param {string} text */
  alarm(text) {
    byId("dictation-alarm").textContent = text;
    byId("dictation-alarm").hidden = false;
    this.show();
  }

  endAlarm() {
    byId("dictation-alarm").hidden = true;
  }

  /**
   * @param {number} decibels
   * @param {number} peak
   */
  showLevel(decibels, peak) {
    byId("level", HTMLMeterElement).value = Math.max(SILENCE, decibels);
    this.peaks.push(peak);
    if (this.peaks.length > MOST_PEAKS) this.peaks.shift();
    requestAnimationFrame(() => this.draw());
  }

  endLevel() {
    byId("level", HTMLMeterElement).value = SILENCE;
  }

  draw() {
    const canvas = byId("wave", HTMLCanvasElement);
    const { width, height } = canvas;
    const pen = canvas.getContext("2d");
    if (!pen) return;
    pen.clearRect(0, 0, width, height);
    pen.fillStyle = getComputedStyle(canvas).color;
    for (const [at, peak] of this.peaks.entries()) {
      const tall = Math.max(1, peak * height);
      pen.fillRect(at * 2, (height - tall) / 2, 1.5, tall);
    }
  }
}
