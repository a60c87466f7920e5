// The sign-in form over a text whose session ended. `api.js` tells of the end by the event "session-ended"; when
// the person has signed in again, "session-resumed" lets what waited go on.
import { all, byId, find, first } from "../dom.js";
import { encoded } from "../forms.js";
import { documentOf } from "../live.js";
import { cookie, wordsOf } from "./api.js";

const dialog = byId("lock", HTMLDialogElement);
const form = first("form", HTMLFormElement, dialog);
const state = { isLocked: false };

addEventListener("session-ended", () => {
  if (state.isLocked) return;
  state.isLocked = true;
  for (const one of all("dialog[open]", HTMLDialogElement)) one.close();
  dialog.showModal();
});
dialog.addEventListener("cancel", (event) => event.preventDefault());
dialog.addEventListener("close", () => {
  if (state.isLocked) dialog.showModal();
});
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const error = first(".error", HTMLElement, form);
  const password = first("[name=password]", HTMLInputElement, form);
  error.hidden = true;
  try {
    await signIn(password);
  } catch (problem) {
    const isLost = problem instanceof TypeError;
    error.textContent = isLost ? "The server can't be reached. The text stays here." : wordsOf(problem);
    error.hidden = false;
    password.focus();
    return;
  }
  state.isLocked = false;
  for (const field of all("input[name=csrfmiddlewaretoken]", HTMLInputElement)) {
    field.value = cookie("csrftoken");
  }
  dialog.close();
  dispatchEvent(new Event("session-resumed"));
});

/**
 * Begin a new session; an error where the server refuses.
 * @param {HTMLInputElement} password
 */
async function signIn(password) {
  const data = new FormData(form);
  data.set("next", "/status");
  data.set("csrfmiddlewaretoken", cookie("csrftoken"));
  const response = await fetch("/sign-in", { method: "POST", body: encoded(data) });
  const page = await documentOf(response);
  password.value = "";
  const refusal = find("#error", HTMLElement, page)?.textContent.trim();
  if (!response.ok) throw new Error(refusal ?? `The server answered ${response.status}.`);
}
