// The patient guard: what the viewer shows is compared with whose report is open. See viewer/app-config.js.
import { data } from "./api.js";
import { why } from "./asking.js";

const channel = new BroadcastChannel("ris-pacs-viewer");
const bar = document.getElementById("guard");
const mine = new Set(data.patientStudies);
let shown = null,
  heardAt = 0,
  reason = "",
  handle = null,
  wasOther = false;

export const studiesShown = () => shown;
export const isOther = () => Boolean(shown?.length) && !shown.some((uid) => mine.has(uid));
export const givenReason = () => (isOther() ? reason : "");
export const refusal = () =>
  isOther() && !reason
    ? "The viewer shows another patient. Show this patient's images, or give a reason in the bar above."
    : "";

function look() {
  const other = isOther();
  bar.hidden = !other || Boolean(reason);
  if (other === wasOther) return;
  wasOther = other;
  if (!other) reason = "";
  channel.postMessage({
    type: "warn",
    text: other ? `The open report is about ${data.patient.name}, not about this patient.` : "",
  });
  dispatchEvent(new Event("guard-changed"));
}

channel.onmessage = ({ data: message }) => {
  if (message?.type === "shown") {
    shown = [].concat(message.studies ?? []);
    heardAt = Date.now();
    look();
  } else if (message?.type === "closed") {
    shown = null;
    heardAt = 0;
    look();
  }
};

export function open(studies) {
  if (Date.now() - heardAt < 5000) {
    channel.postMessage({ type: "open", studies, study: studies[0] });
    if (handle && !handle.closed) handle.focus();
  } else handle = window.open(data.viewer + studies.join(","), "viewer");
}

document.addEventListener("click", async (event) => {
  const link = event.target.closest?.("[data-view]");
  if (link && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    open([link.dataset.view]);
  }
  if (event.target.closest?.("[data-open-own]")) open(data.studies);
  if (!event.target.closest?.("[data-guard-reason]")) return;
  reason = await why(
    "The viewer shows another patient",
    "You record or sign all the same. The reason is kept with the signature.",
    "Go on",
  );
  look();
});

const ask = () => channel.postMessage({ type: "who" });
ask();
setInterval(ask, 3000);
// A viewer that is open follows to the patient whose report was opened.
export function lead() {
  setTimeout(() => {
    if (isOther()) channel.postMessage({ type: "open", studies: data.studies, study: data.studies[0] });
  }, 500);
}
