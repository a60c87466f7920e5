// The sound of a dictation: play, back on stop, speed with its pitch kept, a loop, and a waveform of our own.
const by = (id) => document.getElementById(id);
const COLUMNS = 800,
  HEADER = 44;
let sound,
  peaks = new Float32Array(0),
  loop = [],
  isHeld = false;

export const now = () => sound.currentTime;
export function seek(second) {
  sound.currentTime = Math.max(0, second);
}
export function stop() {
  if (!sound.paused) toggle();
}

function toggle() {
  if (sound.paused) {
    sound.play().catch(() => {});
    return;
  }
  sound.pause();
  seek(sound.currentTime - Number(by("step-back").value));
}

export function init(data) {
  sound = by("player");
  sound.preservesPitch = true;
  for (const [id, event] of [
    ["step-back", "change"],
    ["hold-to-play", "change"],
    ["speed", "change"],
  ]) {
    const field = by(id),
      is = field.type === "checkbox" ? "checked" : "value";
    const kept = localStorage.getItem(`player:${id}`);
    if (kept !== null) field[is] = is === "checked" ? kept === "true" : kept;
    field.addEventListener(event, () => {
      localStorage.setItem(`player:${id}`, String(field[is]));
      rate();
    });
  }
  rate();
  by("play").addEventListener("click", toggle);
  by("back").addEventListener("click", () => seek(sound.currentTime - 5));
  by("forward").addEventListener("click", () => seek(sound.currentTime + 5));
  by("loop").addEventListener("click", turnLoop);
  by("place").addEventListener("input", () => seek(Number(by("place").value)));
  by("wave").addEventListener("click", (event) =>
    seek((event.offsetX / event.target.clientWidth) * length(data)),
  );
  // F2 is heard on its way down and up, so that a pedal that sends it can be held.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "F2") return;
    event.preventDefault();
    if (event.repeat || document.querySelector("dialog[open]")) return;
    if (!by("hold-to-play").checked) toggle();
    else if (sound.paused) {
      isHeld = true;
      toggle();
    }
  });
  document.addEventListener("keyup", (event) => {
    if (event.key === "F2" && isHeld) {
      isHeld = false;
      stop();
    }
  });
  for (const kind of ["play", "pause", "seeked", "timeupdate"])
    sound.addEventListener(kind, () => show(data));
  sound.addEventListener("error", () => {
    by("sound-error").textContent =
      "The sound can't be played. The text stays; load the page anew, or give the dictation back: no audio.";
    by("sound-error").hidden = false;
  });
  setInterval(() => {
    if (!sound.paused) show(data);
  }, 100);
  wave(data);
  show(data);
}

const length = (data) => (Number.isFinite(sound.duration) && sound.duration) || data.seconds || 1;

function rate() {
  sound.playbackRate = sound.defaultPlaybackRate = Number(by("speed").value);
}

function turnLoop() {
  loop = loop.length === 2 ? [] : [...loop, sound.currentTime];
  if (loop.length === 2 && loop[1] - loop[0] < 0.2) loop = [];
  by("loop").firstChild.textContent = ["Loop from here ", "Loop to here ", "End the loop "][loop.length];
  by("loop").setAttribute("aria-pressed", String(loop.length === 2));
}

function show(data) {
  if (loop.length === 2 && sound.currentTime >= loop[1]) seek(loop[0]);
  const at = sound.currentTime,
    clock = (all) => `${Math.floor(all / 60)}:${String(Math.floor(all % 60)).padStart(2, "0")}`;
  by("time").textContent = `${clock(at)} / ${clock(length(data))}`;
  by("place").max = length(data);
  if (document.activeElement !== by("place")) by("place").value = at;
  by("place").setAttribute("aria-valuetext", clock(at));
  by("play").firstChild.textContent = sound.paused ? "Play " : "Pause ";
  draw(at / length(data));
}

// Read the sound once as it comes in, and keep only its peaks.
async function wave(data) {
  const total = Math.max(1, data.seconds * data.sampleRate),
    found = new Float32Array(COLUMNS);
  try {
    const reader = (await fetch(sound.src, { headers: { Range: `bytes=${HEADER}-` } })).body.getReader();
    let sample = 0,
      odd = null;
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      let bytes = part.value;
      if (odd !== null) {
        bytes = new Uint8Array([odd, ...bytes]);
        odd = null;
      }
      if (bytes.length % 2) {
        odd = bytes.at(-1);
        bytes = bytes.subarray(0, -1);
      }
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      for (let at = 0; at < bytes.length; at += 2, sample += 1) {
        const column = Math.min(COLUMNS - 1, Math.floor((sample / total) * COLUMNS));
        found[column] = Math.max(found[column], Math.abs(view.getInt16(at, true)) / 32768);
      }
    }
  } catch {
    return;
  }
  peaks = found;
  show(data);
}

function draw(share) {
  const canvas = by("wave"),
    pen = canvas.getContext("2d"),
    { width, height } = canvas,
    style = getComputedStyle(canvas);
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
