// The report editor: who writes, what is saved, what others did meanwhile.
import { say } from "../flash.js";
import { refresh } from "../live.js";
import { call, clock, data } from "./api.js";
import { why } from "./asking.js";
import { Autosave } from "./autosave.js";
import { choose, join } from "./choosing.js";
import * as device from "./device.js";
import * as dictation from "./dictation.js";
import * as guard from "./guard.js";
import * as macros from "./macros.js";
import { marks } from "./marks.js";
import * as signing from "./signing.js";

const LIVE = 4000,
  HEARTBEAT = 30000,
  LONGEST_IDLE = 20 * 60000,
  KEY = `report:${data.item}`;
const by = (id) => document.getElementById(id);
const areas = Object.fromEntries(data.sections.map((name) => [name, by(`section-${name}`)]));
const read = () => Object.fromEntries(data.sections.map((name) => [name, areas[name].value]));
const base = data.report?.sections ?? data.template?.sections ?? {};

let report = data.report,
  fence = 0,
  takes = 0,
  isWriting = false,
  isTaking = null,
  inputAt = Date.now(),
  stamp = "",
  isSpeaking = false,
  shading = null,
  lookAtMarks = () => {},
  seen = null,
  releaseLock = null;

const autosave = new Autosave({
  key: KEY,
  user: data.me.id,
  read,
  send,
  conflict,
  mark: by("mark"),
  base,
  revision: report?.revision ?? 0,
});

// Saving

async function send(sections, revision) {
  if (!report) {
    const body = { sections, template: data.template?.name ?? "", reading_item: data.item };
    report = await call("POST", `/studies/${data.studies[0]}/reports`, body);
    refreshSoon();
  } else {
    const changed = Object.fromEntries(
      data.sections
        .filter((name) => sections[name] !== autosave.base?.[name])
        .map((name) => [name, sections[name]]),
    );
    report = await call("PATCH", `/reports/${report.id}`, { sections: changed, revision });
  }
  return report.revision;
}

async function conflict(problem) {
  if (problem.code === "exists") {
    await merge(problem.changed.report, "Somebody began this report meanwhile.");
    return;
  }
  if (problem.code === "stale_revision") {
    await merge(report.id, problem.message);
    return;
  }
  if (problem.code === "held" || problem.code === "taken_over") {
    await lost(problem.changed.holder || "another person");
    return;
  }
  await keep(problem.message);
  readOnly("This is not saved into the report.", `${problem.message} Your text is kept beside it.`);
}

// Bring both texts together: what only one changed is joined, the rest a person chooses.
async function merge(id, words) {
  autosave.stop();
  const mine = read();
  let theirs;
  try {
    theirs = await call("GET", `/reports/${id}`);
  } catch {
    setTimeout(() => merge(id, words), 3000);
    return;
  }
  const isNew = report === null;
  report = theirs;
  const { text, conflicts, taken } = join(isNew ? null : autosave.base, mine, theirs.sections);
  if (conflicts.length) {
    setReadOnly(true);
    Object.assign(
      text,
      await choose(
        `${words.replace(/[.]?$/, ".")} Both texts are here; choose for each section.`,
        conflicts,
        mine,
        theirs.sections,
        ["Yours", `That of ${theirs.changed_by}`],
      ),
    );
    setReadOnly(!isWriting);
  }
  write(text);
  const titles = taken.map((name) => data.titles[name]).join(", ");
  if (taken.length)
    say(
      {
        text: `${theirs.changed_by} changed ${titles} meanwhile; it is shown now.`,
      },
      "success",
    );
  autosave.isDirty = data.sections.some((name) => text[name] !== (theirs.sections[name] ?? ""));
  autosave.goOn(theirs.revision, theirs.sections);
  if (autosave.isDirty) autosave.toServer();
  else await autosave.settle();
}

function write(text) {
  for (const [name, area] of Object.entries(areas))
    if (name in text && area.value !== text[name]) area.value = text[name];
  shade();
  lookAtMarks();
}

async function keep(reason) {
  const sections = read();
  const isSame = data.sections.every((name) => sections[name] === (autosave.base?.[name] ?? ""));
  autosave.stop();
  if (isSame) return;
  try {
    if (!report) {
      const item = await call("GET", `/reading/items/${data.item}`, undefined, { isLive: true });
      if (!item.report) return;
      report = await call("GET", `/reports/${item.report}`);
    }
    await call("POST", `/reports/${report.id}/kept`, {
      sections,
      revision: autosave.revision,
      reason: reason.slice(0, 200),
    });
    await autosave.settle();
    autosave.show("device", "Kept beside the report");
  } catch (problem) {
    if (problem.isPassing || problem.status === 401) setTimeout(() => keep(reason), 3000);
  }
}

// Who writes

function setReadOnly(is) {
  for (const area of Object.values(areas)) area.readOnly = is;
}

function readOnly(title, text, { take = false, here = false } = {}) {
  isWriting = false;
  setReadOnly(true);
  const bar = by("read-only");
  bar.querySelector("b").textContent = title;
  bar.querySelector("span").textContent = text;
  bar.querySelector("[data-take]").hidden = !take;
  bar.querySelector("[data-here]").hidden = !here;
  bar.hidden = false;
}

function writable() {
  isWriting = true;
  setReadOnly(false);
  by("read-only").hidden = true;
}

function heldBy(lease) {
  const idle = lease.idle_seconds > 90 ? `, last input ${Math.round(lease.idle_seconds / 60)} min ago` : "";
  const since = new Date(lease.since).toLocaleTimeString("en-GB", {
    timeZone: data.zone,
    hour: "2-digit",
    minute: "2-digit",
  });
  readOnly(`${lease.holder} writes on it`, `since ${since}${idle}. You can read along.`, { take: true });
}

async function lost(holder) {
  if (!isWriting) return;
  readOnly(
    "Taken over.",
    `${holder} writes on it now. What you had typed is kept beside the report, for both of you.`,
    { take: true },
  );
  if (dictation.isRecording()) dictation.pause();
  await keep(`taken over by ${holder}`);
  fence = 0;
  refresh();
}

function taken(item) {
  fence = item.lease?.mine ? item.lease.fence : 0;
}

async function take(reason = "") {
  isTaking ??= call("POST", `/reading/items/${data.item}/take`, { reason })
    .then((item) => {
      takes += 1;
      taken(item);
    })
    .finally(() => {
      isTaking = null;
    });
  await isTaking;
}

async function takeOver() {
  const item = await call("GET", `/reading/items/${data.item}`, undefined, { isLive: true });
  let reason = "";
  if (item.lease && !item.lease.mine && !data.maySupervise) {
    reason = await why(
      "Take over",
      `${item.lease.holder} goes on only by reading. Nothing that was typed or said is lost.`,
      "Take over",
    );
    if (!reason) return;
  }
  try {
    await take(reason);
  } catch (problem) {
    say(problem.message);
    return;
  }
  autosave.isDirty = false;
  if (item.report) {
    report = await call("GET", `/reports/${item.report}`);
    write(report.sections);
    autosave.goOn(report.revision, report.sections);
  } else autosave.goOn(0, base);
  writable();
  await restore();
  await speak();
  refresh();
  // The other page notices within seconds and keeps what it had not sent.
  for (const wait of [3000, 5500, 10000]) setTimeout(refresh, wait);
}

// One tab of this browser writes; a second one reads, until it is told to write.
async function lock(steal = false) {
  if (!navigator.locks) return true;
  return new Promise((resolve) => {
    navigator.locks
      .request(KEY, steal ? { steal } : { ifAvailable: true }, (held) => {
        resolve(Boolean(held));
        return held
          ? new Promise((release) => {
              releaseLock = release;
            })
          : null;
      })
      .catch(async () => {
        await autosave.flush();
        autosave.stop();
        readOnly("Another tab writes on it.", "This one follows when you say so.", { here: true });
      });
  });
}

// What others did

async function look() {
  const before = takes;
  let item;
  try {
    item = await call("GET", `/reading/items/${data.item}`, undefined, { isLive: true });
  } catch {
    return;
  }
  if (before !== takes) return;
  if (isWriting && fence && item.lease && !item.lease.mine) await lost(item.lease.holder);
  else if (isWriting && !fence && item.lease && !item.lease.mine) {
    if (autosave.isDirty) await lost(item.lease.holder);
    else heldBy(item.lease);
  }
  taken(item);
  for (const part of document.querySelectorAll("[data-only-server]"))
    part.hidden = dictation.isHere(part.dataset.onlyServer);
  const fresh = JSON.stringify([
    item.status,
    item.revision,
    item.report,
    item.lease?.holder,
    item.lease?.fence,
    item.presences,
    item.hold_reason,
    item.patient_question,
    item.images,
    item.dictations.map((one) => [one.state, one.segments > 0, one.typist]),
  ]);
  changed(item);
  if (stamp && fresh !== stamp) {
    refresh();
    await follow(item);
  }
  stamp = fresh;
}

function changed(item) {
  if ((item.patient.id ?? "") !== data.patient.id) {
    readOnly(
      "This item belongs to another patient now.",
      "Load the page anew before you go on; what you typed is kept.",
      {},
    );
    return;
  }
  if (item.images === seen) return;
  const more = item.images - data.images;
  const count = `${Math.abs(more)} image${Math.abs(more) === 1 ? "" : "s"}`;
  if (more)
    say(
      {
        text: `${count} ${more > 0 ? "came" : "went"} since you opened this; look at them before you sign.`,
        url: data.path,
        link: "Show them",
      },
      "warning",
    );
  seen = item.images;
}

// A text that was typed elsewhere, by a transcriptionist for one, is shown unless this page has a newer one.
async function follow(item) {
  if (!item.report || autosave.isDirty || autosave.isBusy || autosave.isStopped) return;
  const theirs = await call("GET", `/reports/${item.report}`, undefined, { isLive: true }).catch(() => null);
  if (!theirs || theirs.revision === autosave.revision || autosave.isDirty) return;
  const isSigned = ["final", "amended", "retracted"].includes(theirs.status);
  report = theirs;
  write(theirs.sections);
  autosave.goOn(theirs.revision, theirs.sections);
  autosave.show("saved", `Saved ${clock(new Date(theirs.changed_at))}`);
  say(
    { text: isSigned ? "The report was signed." : `${theirs.changed_by} changed the text; it is shown now.` },
    "success",
  );
  if (isSigned) location.reload();
}

function refreshSoon() {
  setTimeout(() => refresh(), 300);
}

// Text that a crash or a lost connection left on this device

async function restore() {
  const kept = await device.get("texts", KEY).catch(() => null);
  if (!kept || kept.user !== data.me.id) return;
  const now = read();
  if (data.sections.every((name) => (kept.sections[name] ?? "") === now[name])) {
    device.remove("texts", KEY);
    return;
  }
  if (kept.revision === autosave.revision && isWriting) {
    write(kept.sections);
    autosave.touched();
    autosave.show("device", `Brought back from this device, as of ${clock(new Date(kept.at))}`);
    return;
  }
  const bar = by("restore");
  bar.querySelector("span").textContent = "It was typed before somebody else changed the report.";
  bar.hidden = false;
  bar.onclick = async ({ target }) => {
    if (target.matches("[data-mine]")) {
      bar.hidden = true;
      const conflicts = data.sections.filter((name) => (kept.sections[name] ?? "") !== now[name]);
      write(
        await choose("The text on this device and that of the server.", conflicts, kept.sections, read(), [
          "This device",
          "The server",
        ]),
      );
      autosave.touched();
    } else if (target.matches("[data-theirs]") && report) {
      await call("POST", `/reports/${report.id}/kept`, {
        sections: kept.sections,
        revision: kept.revision,
        reason: "found on the author's device",
      });
      await device.remove("texts", KEY);
      bar.hidden = true;
      refresh();
    }
  };
}

// Template text that nobody touched is shaded

function shade(names = data.sections) {
  for (const name of names) {
    const text = data.template?.sections[name] ?? "",
      area = areas[name];
    const is = Boolean(text) && area.textLength === text.length && area.value === text;
    area.classList.toggle("is-template", is);
    document.querySelector(`[data-template-of="${name}"]`).hidden = !is;
  }
}

// Beginning

by("text").addEventListener("input", ({ target }) => {
  inputAt = Date.now();
  autosave.touched();
  if (target.classList.contains("is-template")) shade([target.name]);
  else
    shading ??= setTimeout(() => {
      shading = null;
      shade();
    }, 500);
  if (!fence && !isTaking)
    take().catch((problem) => {
      if (problem.status === 409) conflict(problem);
    });
});
by("save").addEventListener("click", () => {
  autosave.isDirty = true;
  autosave.toServer(true);
});
by("pane").addEventListener("click", () => {
  const side = by("side"),
    isSide = side.contains(document.activeElement);
  if (isSide) (areas.findings ?? by("editor")).focus();
  else side.focus();
});
by("acts-of-item")?.addEventListener("click", (event) => {
  if (event.target.id === "release") leave().then((is) => is && location.assign(data.lists));
});
document.addEventListener("click", async ({ target }) => {
  if (target.closest?.("[data-take]")) takeOver().catch((problem) => say(problem.message));
  if (target.closest?.("[data-here]")) {
    await lock(true);
    location.reload();
  }
  if (target.closest?.("[data-reclaim]")) {
    await call("POST", `/dictations/${target.dataset.reclaim}/reclaim`).catch((problem) =>
      say(problem.message),
    );
    await refresh();
    if (isWriting) areas.findings.focus();
  }
  if (target.closest?.("[data-hand-on]"))
    handOnServerPart(target.dataset.handOn).catch((problem) => say(problem.message));
  if (target.closest?.("[data-park]")) park();
  if (target.closest?.("[data-unpark]")) {
    const path = parked().pop();
    if (path) {
      sessionStorage.setItem("parked", JSON.stringify(parked().slice(0, -1)));
      location.assign(path);
    }
  }
  const link = target.closest?.("a[href]");
  if (link && !link.target && !link.hash && fence && !autosave.isDirty && !dictation.isOpen())
    call("POST", `/reading/items/${data.item}/release`, { fence }, { keepalive: true }).catch(() => {});
});

// A dictation that was begun on another device and never handed on.
async function handOnServerPart(uuid) {
  const { segments } = await call("GET", `/dictations/${uuid}`);
  await call("POST", `/dictations/${uuid}/finish`, { segments, sha256: "" });
  refresh();
}

async function leave() {
  if (!(await autosave.flush()) && autosave.isDirty) {
    say("Some text is not on the server yet. It is kept on this device.");
    return false;
  }
  if (fence) await call("POST", `/reading/items/${data.item}/release`, { fence }).catch(() => {});
  return true;
}

// A STAT that comes while something else is read: nothing opens by itself.

const parked = () => JSON.parse(sessionStorage.getItem("parked") ?? "[]");

async function park() {
  await autosave.flush();
  await dictation.pause();
  try {
    const next = await call("POST", "/reading/next", { priority: "STAT" });
    if (fence) await call("POST", `/reading/items/${data.item}/park`, { fence });
    sessionStorage.setItem("parked", JSON.stringify([...parked(), data.path]));
    location.assign(`${data.lists}/${next.id}`);
  } catch (problem) {
    say(problem.message);
  }
}

async function lookForStat() {
  const found = await call("GET", "/reading/items?priority=STAT&status=ready&limit=1", undefined, {
    isLive: true,
  }).catch(() => null);
  const item = found?.results.find((one) => !one.lease && one.id !== data.item);
  by("stat-bar").hidden = !item;
  if (item)
    by("stat-bar").querySelector("span").textContent =
      `${item.description || item.modality} waits to be read.`;
}

addEventListener("session-resumed", () => {
  if (isWriting) take().catch(() => {});
});

async function speak() {
  if (!by("dictation")) return;
  by("dictation").hidden = false;
  if (isSpeaking) return;
  isSpeaking = true;
  await dictation.init({
    refusal,
    begun: () => look(),
    handedOn: () => {
      refresh();
      say({ text: "Handed on to be typed." }, "success");
    },
  });
}

async function begin() {
  macros.init(data.macros);
  shade();
  lookAtMarks = marks(document.querySelector("[data-marks]"), Object.values(areas));
  signing.init({
    autosave,
    read,
    current: () => report,
    refusal,
    signed: () => {
      isWriting = false;
      setReadOnly(true);
    },
  });
  if (document.querySelector("[data-unpark]"))
    document.querySelector("[data-unpark]").hidden = !parked().length;
  if (data.isOpen) {
    let isMine = await lock();
    for (let tries = 0; !isMine && tries < 3; tries += 1) {
      await new Promise((go) => setTimeout(go, 150));
      isMine = await lock();
    }
    if (isMine) writable();
    else readOnly("Another tab of this browser writes on it.", "This one only shows it.", { here: true });
  }
  if (isWriting) {
    await restore();
    await speak();
    guard.lead();
    if (location.hash === "#dictate") {
      history.replaceState(null, "", location.pathname);
      dictation.toggle();
    } else if (document.activeElement === document.body)
      (areas.findings ?? areas.impression).focus({ preventScroll: true });
  }
  await look();
  setInterval(look, LIVE);
  setInterval(() => {
    const idle = Date.now() - inputAt;
    if (!fence || !isWriting || idle > LONGEST_IDLE) return;
    call(
      "POST",
      `/reading/items/${data.item}/renew`,
      { fence, idle_seconds: Math.round(idle / 1000) },
      { isLive: true },
    ).catch((problem) => {
      if (problem.code === "taken_over") look();
    });
  }, HEARTBEAT);
  if (data.mayWrite) {
    lookForStat();
    setInterval(lookForStat, 15000);
  }
  document.documentElement.dataset.editorReady = isWriting ? "writing" : "reading";
}

function refusal() {
  if (!isWriting) return "Another person or tab writes on this report.";
  return guard.refusal();
}

begin();
