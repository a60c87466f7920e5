// Typing a dictation: the same saving as the editor's, the sound above, marks, finish, give back.
import { call, data } from "./api.js";
import "./asking.js";
import { Autosave } from "./autosave.js";
import { choose, join } from "./choosing.js";
import * as device from "./device.js";
import * as macros from "./macros.js";
import { marks } from "./marks.js";
import * as player from "./player.js";

const HEARTBEAT = 30000,
  KEY = `typing:${data.dictation}`,
  path = `/dictations/${data.dictation}`;
const by = (id) => document.getElementById(id);
const areas = Object.fromEntries(data.sections.map((name) => [name, by(`section-${name}`)]));
const read = () => Object.fromEntries(data.sections.map((name) => [name, areas[name].value]));
let isOpen = data.isOpen,
  fence = 0,
  isLeaving = false,
  last = areas.findings,
  lookAtMarks;

const autosave = new Autosave({
  key: KEY,
  user: data.me.id,
  read,
  conflict,
  mark: by("mark"),
  base: data.typed,
  revision: data.revision,
  send: async (sections, revision) => (await call("POST", `${path}/save`, { sections, revision })).revision,
});

function write(text) {
  for (const [name, area] of Object.entries(areas))
    if (name in text && area.value !== text[name]) area.value = text[name];
  lookAtMarks?.();
}

async function conflict(problem) {
  if (problem.code !== "stale_revision") {
    close(problem.message);
    return;
  }
  autosave.stop();
  const theirs = await call("GET", path),
    mine = read();
  const { text, conflicts } = join(autosave.base, mine, theirs.sections);
  if (conflicts.length) Object.assign(text, await choose(problem.message, conflicts, mine, theirs.sections));
  write(text);
  autosave.isDirty = true;
  autosave.goOn(theirs.revision, theirs.sections);
}

function close(text) {
  isOpen = false;
  autosave.stop();
  for (const area of Object.values(areas)) area.readOnly = true;
  by("read-only").querySelector("b").textContent = `${text} `;
  by("read-only").querySelector("span").textContent =
    "What you typed is kept on this device and stays here to be copied.";
  by("read-only").hidden = false;
}

async function finish() {
  if (!isOpen || isLeaving) return;
  isLeaving = true;
  player.stop();
  if (await autosave.flush()) {
    try {
      await call("POST", `${path}/type`, { sections: read(), revision: autosave.revision });
      isOpen = false;
      autosave.stop();
      by("next").submit();
      return;
    } catch (problem) {
      autosave.show("unsaved", `Not finished: ${problem.message}`);
    }
  }
  isLeaving = false;
}

async function giveBack(form) {
  const error = form.querySelector(".error");
  error.hidden = true;
  try {
    await autosave.flush();
    await call("POST", `${path}/return`, { reason: form.reason.value, note: form.note.value });
    autosave.stop();
    location.assign(data.list);
  } catch (problem) {
    error.textContent = `Not given back: ${problem.message}`;
    error.hidden = false;
  }
}

function putMark() {
  if (!isOpen) return;
  const area = document.activeElement?.matches("#text textarea") ? document.activeElement : last;
  const at = Math.floor(player.now());
  macros.insert(
    area,
    `[? ${String(Math.floor(at / 60)).padStart(2, "0")}:${String(at % 60).padStart(2, "0")}]`,
  );
}

by("text").addEventListener("input", () => autosave.touched());
by("text").addEventListener("focusin", ({ target }) => {
  last = target;
});
by("save").addEventListener("click", () => {
  autosave.isDirty = true;
  autosave.toServer();
});
by("put-mark").addEventListener("click", putMark);
by("finish").addEventListener("click", finish);
by("return")
  .querySelector("form")
  .addEventListener("submit", (event) => {
    event.preventDefault();
    giveBack(event.target);
  });
document.addEventListener("keydown", (event) => {
  if (
    event.altKey &&
    !event.ctrlKey &&
    (event.key === "?" || event.code === "Slash" || (event.code === "Minus" && event.shiftKey))
  ) {
    event.preventDefault();
    putMark();
  }
});

async function begin() {
  player.init(data);
  macros.init(data.macros);
  lookAtMarks = marks(document.querySelector("[data-marks]"), Object.values(areas), player.seek);
  if (isOpen) {
    try {
      const taken = await call("POST", `${path}/take`);
      fence = taken.fence;
      const kept = await device.get("texts", KEY).catch(() => null);
      if (
        kept?.user === data.me.id &&
        data.sections.some((name) => (kept.sections[name] ?? "") !== areas[name].value)
      ) {
        if (kept.revision === taken.revision) write(kept.sections);
        else
          write(
            join(null, kept.sections, taken.sections).conflicts.length
              ? await both(kept.sections, taken.sections)
              : kept.sections,
          );
        autosave.revision = taken.revision;
        autosave.touched();
      }
      areas.findings.focus({ preventScroll: true });
    } catch (problem) {
      close(problem.message);
    }
    setInterval(() => {
      if (isOpen)
        call("POST", `${path}/renew`, { fence }, { isLive: true }).catch((problem) => {
          if (problem.code === "taken_over") close(problem.message);
        });
    }, HEARTBEAT);
  }
  document.documentElement.dataset.editorReady = isOpen ? "writing" : "reading";
}

async function both(mine, theirs) {
  const conflicts = data.sections.filter((name) => (mine[name] ?? "") !== (theirs[name] ?? ""));
  return {
    ...theirs,
    ...(await choose("The text on this device and that of the server.", conflicts, mine, theirs, [
      "This device",
      "The server",
    ])),
  };
}

begin();
