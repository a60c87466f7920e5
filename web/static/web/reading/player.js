// The sound of a dictation: play, back on stop, speed with its pitch kept, a loop, and a waveform of our own.
import { byId, labelOf } from "../dom.js";
import { Waveform } from "./waveform.js";

const JUMP = 5; // seconds
const SHORTEST_LOOP = 0.2;

/**
 * Minutes and seconds: 1:05.
 * @param {number} seconds
 */
const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

export class Player {
  /** @param {import("./page_data.js").TranscriptionData} data */
  constructor(data) {
    this.data = data;
    this.sound = byId("player", HTMLAudioElement);
    this.place = byId("place", HTMLInputElement);
    this.waveform = new Waveform(byId("wave", HTMLCanvasElement));
    /** Where the loop begins and ends, as far as that is said. @type {number[]} */
    this.loop = [];
    /** Whether F2 is held down. */
    this.isHeld = false;
    this.sound.preservesPitch = true;
    this.rememberSettings();
    this.listenToButtons();
    this.listenToPedal();
    this.listenToSound();
    this.show();
    this.waveform.read(this.sound.src, Math.max(1, data.seconds * data.sampleRate)).then(() => this.show());
  }

  get now() {
    return this.sound.currentTime;
  }

  get length() {
    const { duration } = this.sound;
    return (Number.isFinite(duration) && duration) || this.data.seconds || 1;
  }

  /** @param {number} second */
  seek(second) {
    this.sound.currentTime = Math.max(0, second);
  }

  stop() {
    if (!this.sound.paused) this.toggle();
  }

  toggle() {
    if (this.sound.paused) this.sound.play().catch(() => {});
    else {
      this.sound.pause();
      this.seek(this.now - Number(byId("step-back", HTMLSelectElement).value));
    }
  }

  /** This browser keeps how the person likes to hear. */
  rememberSettings() {
    const box = byId("hold-to-play", HTMLInputElement);
    const lists = [byId("step-back", HTMLSelectElement), byId("speed", HTMLSelectElement)];
    const kept = localStorage.getItem(`player:${box.id}`);
    if (kept !== null) box.checked = kept === "true";
    box.addEventListener("change", () => localStorage.setItem(`player:${box.id}`, String(box.checked)));
    for (const list of lists) {
      list.value = localStorage.getItem(`player:${list.id}`) ?? list.value;
      list.addEventListener("change", () => {
        localStorage.setItem(`player:${list.id}`, list.value);
        this.setRate();
      });
    }
    this.setRate();
  }

  setRate() {
    this.sound.playbackRate = this.sound.defaultPlaybackRate = Number(byId("speed", HTMLSelectElement).value);
  }

  listenToButtons() {
    byId("play").addEventListener("click", () => this.toggle());
    byId("back").addEventListener("click", () => this.seek(this.now - JUMP));
    byId("forward").addEventListener("click", () => this.seek(this.now + JUMP));
    byId("loop").addEventListener("click", () => this.turnLoop());
    this.place.addEventListener("input", () => this.seek(Number(this.place.value)));
    const { canvas } = this.waveform;
    canvas.addEventListener("click", ({ offsetX }) =>
      this.seek((offsetX / canvas.clientWidth) * this.length),
    );
  }

  /** F2 is heard on its way down and up, so that a pedal that sends it can be held. */
  listenToPedal() {
    document.addEventListener("keydown", (event) => {
      if (event.key !== "F2") return;
      event.preventDefault();
      if (event.repeat || document.querySelector("dialog[open]")) return;
      if (!byId("hold-to-play", HTMLInputElement).checked) this.toggle();
      else if (this.sound.paused) {
        this.isHeld = true;
        this.toggle();
      }
    });
    document.addEventListener("keyup", (event) => {
      if (event.key !== "F2" || !this.isHeld) return;
      this.isHeld = false;
      this.stop();
    });
  }

  listenToSound() {
    for (const kind of ["play", "pause", "seeked", "timeupdate"]) {
      this.sound.addEventListener(kind, () => this.show());
    }
    this.sound.addEventListener("error", () => {
      byId("sound-error").textContent =
        "The sound can't be played. The text stays; load the page anew, or return the dictation: no audio.";
      byId("sound-error").hidden = false;
    });
    setInterval(() => {
      if (!this.sound.paused) this.show();
    }, 100);
  }

  /** Begin a loop, end it, drop it. */
  turnLoop() {
    this.loop = this.loop.length === 2 ? [] : [...this.loop, this.now];
    const [from, to] = this.loop;
    if (this.loop.length === 2 && to - from < SHORTEST_LOOP) this.loop = [];
    labelOf(byId("loop")).data = ["Loop from here ", "Loop to here ", "End the loop "][this.loop.length];
    byId("loop").setAttribute("aria-pressed", String(this.loop.length === 2));
  }

  show() {
    const [from, to] = this.loop;
    if (this.loop.length === 2 && this.now >= to) this.seek(from);
    const { now, length, place } = this;
    byId("time").textContent = `${clock(now)} / ${clock(length)}`;
    place.max = String(length);
    if (document.activeElement !== place) place.value = String(now);
    place.setAttribute("aria-valuetext", clock(now));
    labelOf(byId("play")).data = this.sound.paused ? "Play " : "Pause ";
    this.waveform.draw(now / length);
  }
}
