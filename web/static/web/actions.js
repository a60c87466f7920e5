// Actions: `<form method="post" data-act>` is sent without leaving the page; the rows that changed are morphed.
// A button with `data-ask="What will happen."` asks first, in words, and for a reason unless
// data-ask-reason="none"; `data-ask-choices` names the `<datalist>` of the reasons that one can choose from. Buttons
// of the question say `data-ask-yes` and `data-ask-no`, or "Cancel", which leaves open what to cancel something means.
import { all, byId, closest, first, make } from "./dom.js";
import { say } from "./flash.js";
import { encoded, putHidden } from "./forms.js";
import { choose, chooseNone } from "./list.js";
import { refresh } from "./live.js";
import { answered } from "./modal.js";

const OTHER = "other";

/**
 * What was said before an act: a reason of the list, and what was typed.
 * @typedef {{ reason: string, choice: string }} Answer
 */

/** @type {WeakMap<HTMLElement, Answer>} */
const answers = new WeakMap();

/** The acts on single things that are on their way: a key that is pressed twice asks once. @type {Set<string>} */
const underWay = new Set();

/**
 * Offer the reasons of a list; whether there are any.
 * @param {HTMLElement} dialog
 * @param {string | undefined} name
 */
function offer(dialog, name) {
  const options = name ? all("option", HTMLOptionElement, byId(name)) : [];
  const input = first("input", HTMLInputElement, dialog);
  const select = first("select", HTMLSelectElement, dialog);
  select.replaceChildren(
    make("option", { value: "", textContent: "Choose…" }),
    ...options.map((one) => make("option", { value: one.value, textContent: one.value })),
    make("option", { value: OTHER, textContent: "Other" }),
  );
  select.required = options.length > 0;
  select.onchange = () => {
    input.required = select.value === OTHER;
  };
  first("[data-choices]", HTMLElement, dialog).hidden = !options.length;
  first("[data-reason] label", HTMLElement, dialog).textContent = options.length ? "In your words" : "Reason";
  return options.length > 0;
}

/**
 * Ask before a button does what it does; what was said, or null for no.
 * @param {HTMLButtonElement} button
 * @returns {Promise<Answer | null>}
 */
async function ask(button) {
  const dialog = byId("ask", HTMLDialogElement);
  const input = first("input", HTMLInputElement, dialog);
  const select = first("select", HTMLSelectElement, dialog);
  const wanted = button.dataset.askReason ?? "required";
  const name = button.textContent.replace("…", "").trim();
  first("h2", HTMLElement, dialog).textContent = button.dataset.askTitle ?? name;
  first("[data-words]", HTMLElement, dialog).textContent = button.dataset.ask ?? "";
  first("button.act", HTMLElement, dialog).textContent = button.dataset.askYes ?? name;
  first("[data-no]", HTMLElement, dialog).textContent = button.dataset.askNo ?? "Cancel";
  input.value = "";
  const hasChoices = offer(dialog, button.dataset.askChoices);
  input.required = wanted === "required" && !hasChoices;
  first("[data-reason]", HTMLElement, dialog).hidden = wanted === "none";
  if (!(await answered(dialog))) return null;
  return { reason: input.value, choice: select.value === OTHER ? "" : select.value };
}

/**
 * Send a form and show what it changed; what could not be done is said.
 * @param {HTMLFormElement} form
 * @param {HTMLElement | null} submitter
 * @param {Answer | null} answer
 */
async function send(form, submitter, answer) {
  const data = new FormData(form, submitter);
  if (answer) data.set("confirmed", "1");
  if (answer?.reason) data.set("reason", answer.reason);
  if (answer?.choice) data.set("choice", answer.choice);
  const url = submitter?.getAttribute("formaction") ?? form.getAttribute("action") ?? location.href;
  form.setAttribute("aria-busy", "true");
  const problem = await refresh(url, { method: "POST", body: encoded(data) });
  form.removeAttribute("aria-busy");
  if (submitter?.closest("[data-batch]") && !problem) {
    chooseNone();
    choose(null);
  }
  if (!problem) return;
  await refresh();
  say(problem);
}

document.addEventListener("click", async (event) => {
  const button = closest(event, "button[data-ask]", HTMLButtonElement);
  if (!button?.form || answers.has(button)) return;
  event.preventDefault();
  const answer = await ask(button);
  if (answer === null) return;
  answers.set(button, answer);
  button.form.requestSubmit(button);
});

document.addEventListener("submit", (event) => {
  const { submitter } = event;
  const form = /** @type {HTMLFormElement} */ (event.target);
  if (form.method === "dialog") return;
  const answer = (submitter && answers.get(submitter)) || null;
  if (submitter) answers.delete(submitter);
  if (form.matches("[data-act]")) {
    event.preventDefault();
    const act = submitter instanceof HTMLButtonElement && submitter.name === "do" ? submitter.value : "";
    if (act && underWay.has(act)) return;
    underWay.add(act);
    send(form, submitter, answer).finally(() => underWay.delete(act));
  } else if (answer) {
    for (const [name, value] of Object.entries(answer)) if (value) putHidden(form, name, value);
  }
});
