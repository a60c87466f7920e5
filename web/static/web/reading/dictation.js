// The dictation bar: sound goes from the microphone to this device in blocks of a second, from here to the server in
// segments of four, and is bound to its item and patient from the first sample on.
import { call, data, sha256, uuid } from "./api.js";
import { why } from "./asking.js";
import * as device from "./device.js";

const RATE = 16000,
  PER_SEGMENT = 4,
  SILENCE = -60,
  MOST_SILENCE = 8000,
  RETRY = 3000;
const by = (id) => document.getElementById(id);
const seconds = (samples) => {
  const all = Math.floor(samples / RATE);
  return `${Math.floor(all / 60)}:${String(all % 60).padStart(2, "0")}`;
};

let hooks,
  take = null,
  context = null,
  node = null,
  stream = null;
let isOn = false,
  isSending = false,
  writing = Promise.resolve(),
  paused = null,
  retryTimer;
let soundAt = 0,
  heardAt = 0;
const peaks = [];

// Those whose sound lies on this device.
export const isHere = (uuid) => take?.uuid === uuid;
export const isRecording = () => isOn;
export const isOpen = () => Boolean(take && !take.isHandedOn);

// `hooks.refusal()` says why nothing may be recorded now; `hooks.handedOn()` is told when the server has all of it.
export async function init(given) {
  hooks = given;
  if (!by("dictation")) return;
  by("record").addEventListener("click", toggle);
  by("hand-on").addEventListener("click", handOn);
  by("discard").addEventListener("click", discard);
  addEventListener("beforeunload", (event) => {
    if (!isOn && !unsent()) return;
    pause();
    event.preventDefault();
  });
  addEventListener("session-resumed", send);
  addEventListener("online", send);
  setInterval(watch, 500);
  const mine = (await device.all("dictations").catch(() => [])).filter(
    (one) => one.user === data.me.id && one.item === data.item,
  );
  const [found] = mine;
  if (!found) return;
  take = found;
  const blocks = await device.blocks(take.uuid);
  take.blocks = blocks.length;
  take.samples = blocks.reduce((sum, one) => sum + one.pcm.byteLength / 2, 0);
  if (!take.samples && !take.isBegun) {
    await device.forget(take.uuid);
    take = null;
    return;
  }
  if (take.patient !== data.patient.id)
    alarm(`This dictation was spoken of ${take.name}. Listen before you hand it on.`);
  show(
    take.isHandedOn ? "" : "A dictation was interrupted. It is all here: go on, hand it on or discard it.",
  );
  send();
}

export async function toggle() {
  if (isOn) {
    await pause();
    return;
  }
  const refusal = hooks.refusal();
  if (refusal) {
    alarm(refusal);
    return;
  }
  if (take?.isHandedOn) {
    alarm("The last dictation is still on its way to the server.");
    return;
  }
  by("dictation-alarm").hidden = true;
  try {
    await listen();
  } catch (error) {
    alarm(
      error.name === "NotAllowedError"
        ? "The browser may not use the microphone. Allow it beside the address, then record."
        : "No microphone is there. Plug one in, then record.",
    );
    return;
  }
  take ??= {
    uuid: uuid(),
    item: data.item,
    patient: data.patient.id,
    name: data.patient.name,
    user: data.me.id,
    blocks: 0,
    samples: 0,
    segments: [],
    sent: 0,
    isBegun: false,
    isHandedOn: false,
    at: Date.now(),
  };
  await device
    .put("dictations", take)
    .catch(() => alarm("This device can't keep the sound. Stay on this page until it is stored."));
  soundAt = heardAt = Date.now();
  isOn = true;
  node.port.postMessage({ isOn });
  show();
}

async function listen() {
  stream = await navigator.mediaDevices.getUserMedia({
    audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  });
  const [track] = stream.getAudioTracks();
  track.onended = () => dead("The microphone is gone.");
  track.onmute = () => dead("The microphone is muted.");
  try {
    context = new AudioContext({ sampleRate: RATE });
  } catch {
    context = new AudioContext();
  }
  await context.audioWorklet.addModule(new URL("./recorder.js", import.meta.url));
  let source;
  try {
    source = context.createMediaStreamSource(stream);
  } catch {
    // Some browsers don't join two rates; the recorder does.
    context = new AudioContext();
    await context.audioWorklet.addModule(new URL("./recorder.js", import.meta.url));
    source = context.createMediaStreamSource(stream);
  }
  await context.resume();
  node = new AudioWorkletNode(context, "recorder");
  node.port.onmessage = ({ data: said }) => {
    if (said.pcm) keep(said.pcm);
    else if (said.isPaused) paused?.();
    else level(said);
  };
  source.connect(node).connect(context.destination);
}

function keep(pcm) {
  const number = take.blocks,
    mine = take;
  take.blocks += 1;
  take.samples += pcm.length;
  writing = writing
    .then(() => device.put("blocks", { uuid: mine.uuid, number, pcm: pcm.buffer }))
    .catch(() => alarm("This device can't keep the sound: its disk may be full."));
  by("timer").textContent = seconds(take.samples);
  writing.then(send);
}

export async function pause() {
  if (!isOn) return;
  isOn = false;
  show();
  await new Promise((resolve) => {
    paused = resolve;
    node.port.postMessage({ isOn });
    setTimeout(resolve, 500);
  });
  for (const track of stream.getTracks()) {
    track.onended = track.onmute = null;
    track.stop();
  }
  context.close();
  by("level").value = SILENCE;
  await writing;
  show();
  send();
}

// Cut what is on the device into segments, and bring them to the server in order. The same segment is sent again
// as it was.
async function send() {
  if (!take || isSending || (!take.samples && !take.isHandedOn)) return;
  isSending = true;
  clearTimeout(retryTimer);
  try {
    if (!take.isBegun) {
      await call("POST", `/reading/items/${take.item}/dictations`, {
        id: take.uuid,
        sample_rate: RATE,
        patient: take.patient,
      });
      take.isBegun = true;
      hooks.begun();
    }
    await cut();
    while (take.sent < take.segments.length) {
      const [first, end] = take.segments[take.sent];
      await call("PUT", `/dictations/${take.uuid}/segments/${take.sent}`, await joined(first, end));
      take.sent += 1;
      await device.put("dictations", take);
      show();
      await cut();
    }
    if (take.isHandedOn) await finish();
  } catch (problem) {
    failed(problem);
  }
  isSending = false;
  show();
}

async function cut() {
  await writing;
  let last = take.segments.at(-1)?.[1] ?? 0;
  const before = take.segments.length;
  for (; take.blocks - last >= PER_SEGMENT; last += PER_SEGMENT)
    take.segments.push([last, last + PER_SEGMENT]);
  if (!isOn && take.blocks > last) take.segments.push([last, take.blocks]);
  if (take.segments.length > before) await device.put("dictations", take);
}

async function joined(first, end) {
  const parts = (await device.blocks(take.uuid, first, end)).map((one) => new Uint8Array(one.pcm));
  const whole = new Uint8Array(parts.reduce((sum, one) => sum + one.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

async function finish() {
  await call("POST", `/dictations/${take.uuid}/finish`, {
    segments: take.segments.length,
    sha256: await sha256(await joined(0, Infinity)),
  });
  await device.forget(take.uuid);
  take = null;
  by("timer").textContent = "0:00";
  hooks.handedOn();
}

function failed(problem) {
  if (problem.status === 401 || problem.isPassing || !problem.body) retryTimer = setTimeout(send, RETRY);
  else {
    if (take.isHandedOn && problem.status === 409) take.isHandedOn = false;
    alarm(`The server does not take the sound: ${problem.message} It is kept on this device.`);
  }
}

async function handOn() {
  await pause();
  if (!take?.samples) return;
  take.isHandedOn = true;
  await device.put("dictations", take).catch(() => {});
  show();
  send();
}

async function discard() {
  const mine = take;
  await pause();
  const reason = await why(
    "Discard the dictation",
    `${seconds(mine.samples)} about ${mine.name}. The server keeps its part for 30 days.`,
    "Discard",
  );
  if (!reason) return;
  try {
    if (mine.isBegun) await call("POST", `/dictations/${mine.uuid}/discard`, { reason });
  } catch (problem) {
    if (problem.status !== 404 && problem.code !== "state") {
      alarm(`Not discarded: ${problem.message}`);
      return;
    }
  }
  await device.forget(mine.uuid);
  take = null;
  by("timer").textContent = "0:00";
  by("dictation-alarm").hidden = true;
  show("Discarded.");
}

// The level, and a microphone that is dead

function level({ rms, peak }) {
  const decibels = rms > 0 ? 20 * Math.log10(rms) : -100;
  heardAt = Date.now();
  if (decibels > SILENCE) soundAt = heardAt;
  by("level").value = Math.max(SILENCE, decibels);
  peaks.push(peak);
  if (peaks.length > 300) peaks.shift();
  requestAnimationFrame(draw);
}

function watch() {
  if (!isOn) return;
  const now = Date.now();
  if (now - soundAt >= MOST_SILENCE) dead("Nothing was heard for 8 seconds. Is the microphone on?");
  else if (now - heardAt > 4000) dead("The microphone gives nothing.");
}

function dead(text) {
  if (!isOn) return;
  beep();
  pause();
  alarm(`${text} Recording is paused; what was said is kept.`);
}

function beep() {
  const sound = new AudioContext(),
    tone = new OscillatorNode(sound, { frequency: 660 });
  tone.connect(new GainNode(sound, { gain: 0.2 })).connect(sound.destination);
  tone.onended = () => sound.close();
  tone.start();
  tone.stop(sound.currentTime + 0.4);
}

function draw() {
  const canvas = by("wave"),
    pen = canvas.getContext("2d"),
    { width, height } = canvas;
  pen.clearRect(0, 0, width, height);
  pen.fillStyle = getComputedStyle(canvas).color;
  for (const [at, peak] of peaks.entries()) {
    const tall = Math.max(1, peak * height);
    pen.fillRect(at * 2, (height - tall) / 2, 1.5, tall);
  }
}

function unsent() {
  return Boolean(take && !take.isHandedOn && take.blocks > (take.segments[take.sent - 1]?.[1] ?? 0));
}

function alarm(text) {
  const box = by("dictation-alarm");
  box.textContent = text;
  box.hidden = false;
  show();
}

function show(words = "") {
  const bar = by("dictation"),
    isPaused = Boolean(take && !isOn && !take.isHandedOn);
  const sent = take?.segments[take.sent - 1]?.[1] ?? 0;
  const share = take?.blocks ? Math.round((100 * sent) / take.blocks) : 0;
  bar.dataset.state = isOn ? "recording" : take?.isHandedOn ? "uploading" : isPaused ? "paused" : "idle";
  by("record").firstChild.textContent = isOn ? "❚❚ Pause " : take ? "● Go on recording " : "● Record ";
  by("record").setAttribute("aria-pressed", String(isOn));
  by("hand-on").hidden = by("discard").hidden = !take || take.isHandedOn;
  if (take) by("timer").textContent = seconds(take.samples);
  const stored = !take
    ? ""
    : share === 100
      ? "stored"
      : take.isHandedOn || sent
        ? `uploading ${share} %`
        : "on this device";
  const text =
    words ||
    (isOn ? `recording, ${stored}` : isPaused ? `paused, ${stored}` : take ? stored : "ready to record");
  if (by("dictation-state").textContent !== text) by("dictation-state").textContent = text;
}
