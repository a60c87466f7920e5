// The waveform of a sound: read once as it comes in, of which only the peaks are kept.
const COLUMNS = 800;
const HEADER = 44; // bytes of a WAV file before its samples

export class Waveform {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.peaks = new Float32Array(0);
  }

  /**
   * Read 16-bit samples; what can't be read has no waveform.
   * @param {string} url
   * @param {number} samples how many there are
   */
  async read(url, samples) {
    const response = await fetch(url, { headers: { Range: `bytes=${HEADER}-` } }).catch(() => null);
    const reader = response?.body?.getReader();
    if (!reader) return;
    const found = new Float32Array(COLUMNS);
    let sample = 0;
    /** The first byte of a sample whose second comes with the next part. @type {number | null} */
    let odd = null;
    try {
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        let bytes = part.value;
        if (odd !== null) bytes = new Uint8Array([odd, ...bytes]);
        odd = bytes.length % 2 ? (bytes.at(-1) ?? null) : null;
        sample = note(found, bytes, sample, samples);
      }
    } catch {
      return;
    }
    this.peaks = found;
  }

  /**
   * Draw it, brighter up to the share that was played.
   * @param {number} share
   */
  draw(share) {
    const { canvas, peaks } = this;
    const { width, height } = canvas;
    const pen = canvas.getContext("2d");
    if (!pen) return;
    const style = getComputedStyle(canvas);
    const loudest = Math.max(0.05, ...peaks);
    pen.clearRect(0, 0, width, height);
    for (const [column, peak] of peaks.entries()) {
      const tall = Math.max(1, (peak / loudest) * height);
      pen.globalAlpha = column / COLUMNS <= share ? 1 : 0.4;
      pen.fillStyle = style.color;
      pen.fillRect((column * width) / COLUMNS, (height - tall) / 2, width / COLUMNS - 0.5, tall);
    }
    pen.globalAlpha = 1;
    pen.fillStyle = style.getPropertyValue("--focus");
    pen.fillRect(share * width - 1, 0, 2, height);
  }
}

/**
 * Note the peaks of some samples; the number of the one that comes next.
 * @param {Float32Array} peaks
 * @param {Uint8Array} bytes
 * @param {number} sample the number of their first
 * @param {number} samples how many there are in all
 */
function note(peaks, bytes, sample, samples) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 1 < bytes.length; at += 2, sample += 1) {
    const column = Math.min(COLUMNS - 1, Math.floor((sample / samples) * COLUMNS));
    peaks[column] = Math.max(peaks[column], Math.abs(view.getInt16(at, true)) / 32768);
  }
  return sample;
}
