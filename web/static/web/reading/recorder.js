// Runs beside the page: from the microphone's rate to 16 kHz mono, 16 bit, in blocks of a second; and the level.
const RATE = 16000;

class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Int16Array(RATE);
    this.length = 0;
    this.isOn = false;
    this.sum = this.weight = 0;
    this.power = this.count = this.peak = 0;
    this.port.onmessage = ({ data }) => {
      this.isOn = data.isOn;
      if (data.isOn) return;
      this.give();
      this.port.postMessage({ isPaused: true });
    };
  }

  give() {
    if (this.length) {
      const pcm = this.block.slice(0, this.length);
      this.port.postMessage({ pcm }, [pcm.buffer]);
    }
    this.length = 0;
  }

  /**
   * Each sample at 16 kHz is the mean of what falls into its time, which also keeps the treble out.
   * @param {number} value
   */
  put(value) {
    let left = RATE / sampleRate;
    while (left > 0) {
      const part = Math.min(left, 1 - this.weight);
      this.sum += value * part;
      this.weight += part;
      left -= part;
      if (this.weight < 1 - 1e-9) return;
      this.block[this.length++] = Math.max(-1, Math.min(1, this.sum)) * 32767;
      this.sum = this.weight = 0;
      if (this.length === RATE) this.give();
    }
  }

  /** @param {Float32Array[][]} inputs */
  process([input]) {
    const samples = input[0];
    if (!this.isOn || !samples) return true;
    for (const value of samples) {
      this.put(value);
      this.power += value * value;
      this.peak = Math.max(this.peak, Math.abs(value));
    }
    this.count += samples.length;
    if (this.count >= sampleRate / 20) {
      this.port.postMessage({ rms: Math.sqrt(this.power / this.count), peak: this.peak });
      this.power = this.count = this.peak = 0;
    }
    return true;
  }
}
registerProcessor("recorder", Recorder);
