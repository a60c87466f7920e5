// Actions: `<form method="post" data-act>` is sent without leaving the page; the rows that changed are morphed.
// A button with `data-ask="What will happen."` asks first, in words, and for a reason unless
// data-ask-reason="none".
import { byId, closest, first } from "./dom.js";
import { say } from "./flash.js";
import { encoded, putHidden } from "./forms.js";
import { chooseNone } from "./list.js";
import { refresh } from "./live.js";

/** @type {WeakMap<HTMLElement, string>} */
const answers = new WeakMap();

/**
 * Ask before a button does what it does; the reason, or null for no.
 * @param {HTMLButtonElement} button
 * @returns {Promise<string | null>}
 */
function ask(button) {
  const dialog = byId("ask", HTMLDialogElement);
  const input = first("input", HTMLInputElement, dialog);
  const wanted = button.dataset.askReason ?? "required";
  const name = button.textContent.replace("…", "").trim();
  first("h2", HTMLElement, dialog).textContent = button.dataset.askTitle ?? name;
  first("[data-words]", HTMLElement, dialog).textContent = button.dataset.ask ?? "";
  first("button.act", HTMLElement, dialog).textContent = button.dataset.askYes ?? name;
  input.value = "";
  input.required = wanted === "required";
  input.hidden = first("label", HTMLElement, dialog).hidden = wanted === "none";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    const answer = () => resolve(dialog.returnValue === "yes" ? input.value : null);
    dialog.addEventListener("close", answer, { once: true });
  });
}

/**
 * Send a form and show what it changed; what could not be done is said.
 * @param {HTMLFormElement} form
 * @param {HTMLElement | null} submitter
 * @param {string} reason
 */
async function send(form, submitter, reason) {
  const data = new FormData(form, submitter);
  if (reason) data.set("reason", reason);
  const url = submitter?.getAttribute("formaction") ?? form.getAttribute("action") ?? location.href;
  form.setAttribute("aria-busy", "true");
  const problem = await refresh(url, { method: "POST", body: encoded(data) });
  form.removeAttribute("aria-busy");
  if (submitter?.closest("[data-batch]") && !problem) chooseNone();
  if (!problem) return;
  await refresh();
  say(problem);
}

document.addEventListener("click", async (event) => {
  const button = closest(event, "button[data-ask]", HTMLButtonElement);
  if (!button?.form || answers.has(button)) return;
  event.preventDefault();
  const reason = await ask(button);
  if (reason === null) return;
  answers.set(button, reason);
  button.form.requestSubmit(button);
});

document.addEventListener("submit", (event) => {
  const { submitter } = event;
  const form = /** @type {HTMLFormElement} */ (event.target);
  if (form.method === "dialog") return;
  const reason = (submitter && answers.get(submitter)) || "";
  if (submitter) answers.delete(submitter);
  if (form.matches("[data-act]")) {
    event.preventDefault();
    send(form, submitter, reason);
  } else if (reason) putHidden(form, "reason", reason);
});
