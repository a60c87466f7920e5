// The microphone: sound in blocks of a second, its level, and whether it is dead. See recorder.js, which runs beside
// the page.

export const RATE = 16000;
/** Decibels below which nothing is heard. */
export const SILENCE = -60;
const MOST_SILENCE = 8000;
const MOST_QUIET = 4000;
const SOUND = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };

/**
 * What is told of the sound.
 * @typedef {object} Listener
 * @property {(pcm: Int16Array<ArrayBuffer>) => void} onBlock
 * @property {(decibels: number, peak: number) => void} onLevel
 * @property {(words: string) => void} onDead nothing comes, and why
 */

export class Microphone {
  /** @param {Listener} listener */
  constructor(listener) {
    this.listener = listener;
    this.isOn = false;
    /** When there last was sound, and when anything was heard of the recorder. */
    this.soundAt = this.heardAt = 0;
    /** @type {MediaStream | null} */
    this.stream = null;
    /** @type {AudioContext | null} */
    this.context = null;
    /** @type {AudioWorkletNode | null} */
    this.node = null;
    /** Told when the recorder has given all it had. @type {() => void} */
    this.onPaused = () => {};
    setInterval(() => this.watch(), 500);
  }

  /** Ask for the microphone; an error where there is none or it may not be used. */
  async open() {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: SOUND });
    this.stream = stream;
    const [track] = stream.getAudioTracks();
    track.onended = () => this.die("The microphone is gone.");
    track.onmute = () => this.die("The microphone is muted.");
    const { context, source } = await joined(stream);
    await context.resume();
    const node = new AudioWorkletNode(context, "recorder");
    node.port.onmessage = ({ data }) => this.hear(data);
    source.connect(node).connect(context.destination);
    Object.assign(this, { context, node });
  }

  start() {
    this.soundAt = this.heardAt = Date.now();
    this.turn(true);
  }

  /** Stop, after the last block came, and let the microphone go. */
  async stop() {
    this.isOn = false;
    await new Promise((resolve) => {
      this.onPaused = () => resolve(null);
      this.turn(false);
      setTimeout(resolve, 500);
    });
    for (const track of this.stream?.getTracks() ?? []) {
      track.onended = track.onmute = null;
      track.stop();
    }
    this.context?.close();
  }

  /** @param {boolean} isOn */
  turn(isOn) {
    this.isOn = isOn;
    this.node?.port.postMessage({ isOn });
  }

  /** @param {{ pcm?: Int16Array<ArrayBuffer>, isPaused?: boolean, rms: number, peak: number }} message */
  hear({ pcm, isPaused, rms, peak }) {
    if (pcm) this.listener.onBlock(pcm);
    else if (isPaused) this.onPaused();
    else {
      const decibels = rms > 0 ? 20 * Math.log10(rms) : -100;
      this.heardAt = Date.now();
      if (decibels > SILENCE) this.soundAt = this.heardAt;
      this.listener.onLevel(decibels, peak);
    }
  }

  watch() {
    if (!this.isOn) return;
    const now = Date.now();
    if (now - this.soundAt >= MOST_SILENCE)
      this.die("Nothing was heard for 8 seconds. Is the microphone on?");
    else if (now - this.heardAt > MOST_QUIET) this.die("The microphone gives nothing.");
  }

  /** @param {string} words */
  die(words) {
    if (this.isOn) this.listener.onDead(words);
  }
}

/**
 * A context with the recorder in it, and the microphone's sound. Some browsers don't join two rates; the recorder does.
 * @param {MediaStream} stream
 */
async function joined(stream) {
  const context = await withRecorder(contextOf16kHz());
  try {
    return { context, source: context.createMediaStreamSource(stream) };
  } catch {
    const another = await withRecorder(new AudioContext());
    return { context: another, source: another.createMediaStreamSource(stream) };
  }
}

function contextOf16kHz() {
  try {
    return new AudioContext({ sampleRate: RATE });
  } catch {
    return new AudioContext();
  }
}

/** @param {AudioContext} context */
async function withRecorder(context) {
  await context.audioWorklet.addModule(new URL("./recorder.js", import.meta.url));
  return context;
}

/** A tone that is heard even by who looks elsewhere. */
export function beep() {
  const sound = new AudioContext();
  const tone = new OscillatorNode(sound, { frequency: 660 });
  tone.connect(new GainNode(sound, { gain: 0.2 })).connect(sound.destination);
  tone.onended = () => sound.close();
  tone.start();
  tone.stop(sound.currentTime + 0.4);
}
