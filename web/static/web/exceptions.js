// An exception: each decision first shows all its effects in a dialog; nothing happens without a reason.
import { byId, closest, find } from "./dom.js";
import { say } from "./flash.js";
import { encoded } from "./forms.js";
import { current, wentTo } from "./list.js";
import { documentOf, isSignIn } from "./live.js";

const dialog = find("dialog#decision-dialog", HTMLDialogElement);
const box = find("[data-find]");
const decisions = find("form#decide", HTMLFormElement);

const state = {
  /** Whether the button of a decision was pressed by a key. */
  isByKey: false,
  /** Whether a match was chosen here; the one that the server proposes is not. */
  isChosen: false,
};

// Here `/` finds whose images these could be; the search of the whole system is a click away.
if (box) {
  document.getElementById("search")?.removeAttribute("data-key");
  box.dataset.key = "/";
}

/**
 * Show what a decision would do.
 * @param {string} url
 * @param {FormData} data
 */
async function preview(url, data) {
  let page;
  try {
    const response = await fetch(url, { method: "POST", body: encoded(data) });
    if (isSignIn(response)) {
      location.reload();
      return;
    }
    page = await documentOf(response);
  } catch {
    say("The server can't be reached. Nothing was changed; try again when it answers.");
    return;
  }
  const decision = page.getElementById("decision");
  if (decision) show(decision);
  else say(refusal(page));
}

/** @param {HTMLElement} decision */
function show(decision) {
  const box = byId("decision-dialog", HTMLDialogElement);
  box.replaceChildren(decision);
  if (!box.open) box.showModal();
  const choice = find("select, input[type=radio]:checked, input[type=radio]", HTMLElement, box);
  const isChosen =
    find("input[type=radio]:checked", HTMLInputElement, box) || find("select", HTMLSelectElement, box)?.value;
  (choice && !isChosen ? choice : find("textarea", HTMLElement, box))?.focus();
}

/** @param {Document} page */
function refusal(page) {
  const title = page.querySelector("[data-explain] h1")?.textContent ?? "That was not possible";
  const text = page.querySelector("[data-explain] p")?.textContent ?? "Nothing was changed.";
  return `${title}. ${text}`;
}

/**
 * Whose images they are, where a key decides and nothing was chosen: the match that one went to by keys.
 * @param {FormData} data
 */
function takeCurrent(data) {
  const row = wentTo();
  const radio = row && find("input[name=target]", HTMLInputElement, row);
  const isChosen = state.isChosen && find("input[name=target]:checked");
  if (state.isByKey && radio && !isChosen) data.set("target", radio.value);
}

document.addEventListener("click", (event) => {
  if (closest(event, "input[name=target]")) state.isChosen = true;
});
// Keys press buttons without a place of the pointer.
decisions?.addEventListener("click", (event) => {
  state.isByKey = event.detail === 0;
});
decisions?.addEventListener("submit", (event) => {
  const { submitter } = event;
  const form = /** @type {HTMLFormElement} */ (event.target);
  if (!(submitter instanceof HTMLButtonElement) || !submitter.value) return;
  event.preventDefault();
  const data = new FormData(form, submitter);
  takeCurrent(data);
  preview(form.getAttribute("action") ?? "", data);
});

dialog?.addEventListener("change", (event) => {
  const form = closest(event, "[data-again]") && closest(event, "form", HTMLFormElement);
  if (form) preview(form.dataset.decision ?? "", new FormData(form));
});

dialog?.addEventListener("click", (event) => {
  if (!closest(event, "[data-cancel]")) return;
  event.preventDefault();
  dialog.close();
});

// x chooses the candidate of the current row, before the list takes it.
document.addEventListener(
  "keydown",
  (event) => {
    if (event.key !== "x" || event.ctrlKey || event.altKey || event.metaKey || dialog?.open) return;
    const row = current();
    const radio = row && find("input[name=target]", HTMLInputElement, row);
    const isTyping =
      event.target instanceof Element &&
      event.target.matches("input:not([type=radio], [type=checkbox]), textarea, select");
    if (!radio || isTyping) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    radio.click();
  },
  true,
);
