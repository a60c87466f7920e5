// The sign box: what will be signed, what stands in the way, the password; and what comes after.
import { say } from "../flash.js";
import { refresh } from "../live.js";
import { call, data, sha256, uuid } from "./api.js";
import { Autosave } from "./autosave.js";
import * as device from "./device.js";
import * as dictation from "./dictation.js";
import * as guard from "./guard.js";

const SIGNED = ["final", "amended"];
const dialog = document.getElementById("sign"),
  done = document.getElementById("signed"),
  undoBar = document.getElementById("undo");
let editor,
  addendum = null,
  isSending = false,
  key = { of: "", value: "" };

export function init(given) {
  editor = given;
  document.getElementById("sign-open").addEventListener("click", open);
  dialog.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    sign();
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.ctrlKey && event.key === "Enter") {
      event.preventDefault();
      sign();
    }
  });
  done.querySelector("[data-next]").onclick = () => document.getElementById("next").submit();
  done.addEventListener("keydown", (event) => {
    if (event.key === "n") document.getElementById("next").submit();
    if (event.key === "u") undo();
  });
  done.addEventListener("close", () => location.reload());
  document.addEventListener("click", ({ target }) => {
    if (target.closest?.("[data-undo]")) undo();
  });
  setInterval(countDown, 500);
  countDown();
  prepareAddendum();
}

const counted = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;
const isAddendum = () => SIGNED.includes(editor.current()?.status);

async function open() {
  if (dialog.open) return;
  const isAdded = isAddendum();
  const refusal = isAdded ? guard.refusal() : editor.refusal();
  if (refusal) {
    say(refusal);
    return;
  }
  if (dictation.isOpen()) {
    say("A dictation is not handed on yet. Hand it on or discard it, then sign.");
    return;
  }
  const saving = isAdded ? addendum : editor.autosave;
  if (isAdded && !addendum.revision && !addendum.isDirty) {
    say("Write the addendum first; what is signed is never changed.");
    return;
  }
  if (!isAdded && !editor.current()) await saving.toServer(true);
  if (!(await saving.flush())) {
    say(
      "Not all text is on the server yet, so it can't be signed. It is kept on this device and tried again.",
    );
    return;
  }
  fill(isAdded);
  dialog.showModal();
  dialog.querySelector("input[type=password]").focus();
}

function fill(isAdded) {
  const kinds = dialog.querySelector("[data-kinds]"),
    facts = dialog.querySelector("[data-facts]");
  dialog.querySelector("h2").textContent = isAdded ? `Sign the ${kindOfAddendum()}` : "Sign the report";
  kinds.hidden = isAdded;
  dialog.querySelector("[data-blocks]").replaceChildren();
  dialog.querySelector("[data-error]").hidden = true;
  dialog.querySelector("input[type=password]").value = "";
  facts.replaceChildren();
  const fact = (text, tone = "") => {
    const item = document.createElement("li");
    item.textContent = text;
    item.className = tone;
    facts.append(item);
  };
  if (isAdded) {
    if (kindOfAddendum() === "retraction")
      fact("The report is taken back; the images wait for another one.", "overdue");
    return;
  }
  const text = editor.read();
  const lengths = data.sections
    .filter((name) => text[name].trim())
    .map((name) => `${data.titles[name]} ${counted(text[name].trim().split(/\s+/).length, "word")}`);
  fact(lengths.join(", ") || "No text");
  const untouched = fromTemplate(text);
  if (untouched) fact(`Untouched template text goes out: ${counted(untouched, "sentence")}`, "overdue");
  if (document.querySelector("[data-untyped]"))
    fact("A dictation is not typed yet; what was said is not in the text", "overdue");
  if (guard.givenReason()) fact(`The viewer shows another patient: ${guard.givenReason()}`, "overdue");
}

// Sentences of the template that still stand in the text as they were; a label alone is none.
function fromTemplate(text) {
  let count = 0;
  for (const [name, template] of Object.entries(data.template?.sections ?? {})) {
    for (const part of template.split(/(?<=[.!?])\s+|\n+/)) {
      const sentence = part.trim();
      if (sentence && !sentence.endsWith(":") && text[name]?.includes(sentence)) count += 1;
    }
  }
  return count;
}

async function sign() {
  const password = dialog.querySelector("input[type=password]");
  if (isSending || !password.value) {
    password.focus();
    return;
  }
  isSending = true;
  const button = dialog.querySelector("[data-yes]"),
    error = dialog.querySelector("[data-error]"),
    report = editor.current();
  button.disabled = true;
  error.hidden = true;
  const text = editor.read(),
    kind = dialog.querySelector("input[name=kind]:checked")?.value ?? "final";
  const overrides = guard.givenReason() ? { viewer_other_patient: guard.givenReason() } : {};
  for (const input of dialog.querySelectorAll("[data-code]"))
    if (input.value.trim()) overrides[input.dataset.code] = input.value.trim();
  const whole = data.sections.map((name) => text[name]).join("\u001e");
  // One key for one text: asking twice signs once.
  const of = JSON.stringify([report.id, editor.autosave.revision, addendum?.revision, kind, whole.length]);
  if (key.of !== of) key = { of, value: uuid() };
  const shown = {
    patient: data.patient.id,
    studies: data.studies,
    images: data.images,
    viewer_studies: guard.studiesShown(),
    text_sha256: isAddendum() ? null : (await sha256(new TextEncoder().encode(whole))) || null,
  };
  try {
    const body = {
      password: password.value,
      revision: isAddendum() ? report.revision : editor.autosave.revision,
      kind,
      overrides,
      shown,
    };
    const signed = await call("POST", `/reports/${report.id}/sign`, body, {
      headers: { "Idempotency-Key": key.value },
    });
    editor.autosave.stop();
    editor.signed();
    addendum?.stop();
    after(signed, kind);
  } catch (problem) {
    explain(problem, error);
  }
  password.value = "";
  button.disabled = false;
  isSending = false;
}

function explain(problem, error) {
  const list = dialog.querySelector("[data-blocks]");
  const reasons = Object.fromEntries(
    [...list.querySelectorAll("[data-code]")].map((one) => [one.dataset.code, one.value]),
  );
  list.replaceChildren();
  for (const block of problem.blocks) {
    const row = document.createElement("p");
    row.className = "banner magenta";
    row.textContent = block.text[0].toUpperCase() + block.text.slice(1);
    if (block.overridable) {
      const label = document.createElement("label"),
        input = document.createElement("input");
      label.textContent = "Sign all the same, because";
      input.id = `block-${block.code}`;
      label.htmlFor = input.id;
      input.dataset.code = block.code;
      input.maxLength = 500;
      input.value = reasons[block.code] ?? "";
      row.append(document.createElement("br"), label, input);
    }
    list.append(row);
  }
  error.textContent = problem.blocks.length
    ? "Nothing was signed. Mend this, or say why it is signed all the same."
    : problem.status
      ? `Nothing was signed: ${problem.message}`
      : "The server can't be reached. Asking again signs once only.";
  error.hidden = false;
  (list.querySelector("input") ?? dialog.querySelector("input[type=password]")).focus();
}

function after(report, kind) {
  const until = report.undo_until ? new Date(report.undo_until) : null;
  const now = `It goes out now${kind === "preliminary" ? " as preliminary" : ""}.`;
  const goesOut = until ? "It goes out after the time to take it back." : now;
  dialog.close();
  done.querySelector("[data-words]").textContent =
    `Version ${report.version} (${report.status}) by ${report.signed_by}. ${goesOut}`;
  done.querySelector("[data-undo]").hidden = !until;
  done.dataset.until = report.undo_until ?? "";
  done.showModal();
  document.documentElement.dataset.signed = report.version;
  refresh();
}

async function undo() {
  if (!editor.current()) return;
  try {
    await call("POST", `/reports/${editor.current().id}/undo`);
    location.reload();
  } catch (problem) {
    if (done.open) done.querySelector("[data-words]").textContent = problem.message;
    else say(problem.message);
  }
}

function countDown() {
  const until = document.querySelector("[data-undo-until]")?.dataset.undoUntil;
  const left = until ? Math.ceil((new Date(until) - Date.now()) / 1000) : 0;
  if (undoBar.hidden === left <= 0) return tell(left);
  undoBar.hidden = left <= 0;
  if (until && left <= 0) refresh();
  tell(left);
}

function tell(left) {
  undoBar.querySelector("[data-seconds]").textContent = String(left);
  if (!done.open || !done.dataset.until) return;
  const rest = Math.ceil((new Date(done.dataset.until) - Date.now()) / 1000);
  const button = done.querySelector("[data-undo]");
  button.hidden = rest <= 0;
  button.firstChild.textContent = `Take it back (${rest} s) `;
}

// Addendum, correction, retraction: a draft like any other text

const kindOfAddendum = () => document.querySelector("#addendum input[name=kind]:checked").value;

function prepareAddendum() {
  const form = document.getElementById("addendum");
  if (!form || document.getElementById("add").hidden) return;
  const read = () => ({
    text: form.text.value,
    kind: kindOfAddendum(),
    class_of_change: form.class_of_change.value,
    changes_care: form.changes_care.checked,
    sections:
      kindOfAddendum() === "correction"
        ? Object.fromEntries(data.sections.map((name) => [name, form[`corrected-${name}`].value]))
        : {},
  });
  const send = async (draft, revision) => {
    if (draft.kind !== "correction" && !draft.text.trim()) return revision;
    await call("POST", `/reports/${editor.current().id}/addenda`, draft);
    return revision + 1;
  };
  const conflict = (problem) => addendum.show("unsaved", `Not saved: ${problem.message}`);
  addendum = new Autosave({
    key: `addendum:${data.item}`,
    user: data.me.id,
    read,
    send,
    conflict,
    mark: document.getElementById("addendum-mark"),
    base: {},
    revision: data.addendum ? 1 : 0,
  });
  const show = () => {
    for (const part of form.querySelectorAll("[data-for]"))
      part.hidden = !part.dataset.for.includes(kindOfAddendum());
  };
  device
    .get("texts", addendum.key)
    .catch(() => null)
    .then((kept) => {
      if (!kept || kept.user !== data.me.id) return;
      form.text.value = kept.sections.text;
      form.querySelector(`[value="${kept.sections.kind}"]`).checked = true;
      for (const [name, text] of Object.entries(kept.sections.sections))
        form[`corrected-${name}`].value = text;
      show();
      addendum.touched();
    });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    show();
    addendum.touched();
  });
  show();
}
