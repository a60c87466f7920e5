// Dialogs that several pages need: a reason for an act, and the sign-in form over a text whose session ended.
import { cookie, data } from "./api.js";

export function why(title, words, yes) {
  const dialog = document.getElementById("why"),
    input = dialog.querySelector("input");
  dialog.querySelector("h2").textContent = title;
  dialog.querySelector("[data-words]").textContent = words;
  dialog.querySelector("[data-yes]").textContent = yes;
  input.value = dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes" ? input.value.trim() : ""), {
      once: true,
    });
  });
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-dismiss], [data-dialog]");
  if (button?.dataset.dialog) document.getElementById(button.dataset.dialog).showModal();
  else button?.closest("dialog")?.close();
});
// A form in a dialog that is sent closes it.
document.addEventListener("submit", (event) => {
  if (event.target.matches("dialog form[data-act]")) event.target.closest("dialog").close();
});

const lock = document.getElementById("lock");
let isLocked = false;
addEventListener("session-ended", () => {
  if (isLocked || !lock) return;
  isLocked = true;
  for (const one of document.querySelectorAll("dialog[open]")) one.close();
  lock.showModal();
});
lock?.addEventListener("cancel", (event) => event.preventDefault());
lock?.addEventListener("close", () => {
  if (isLocked) lock.showModal();
});
lock?.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target,
    error = form.querySelector(".error");
  const body = new URLSearchParams({
    username: form.username.value,
    password: form.password.value,
    next: "/status",
    csrfmiddlewaretoken: cookie("csrftoken"),
  });
  error.hidden = true;
  try {
    const response = await fetch("/sign-in", { method: "POST", body });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    form.password.value = "";
    if (!response.ok)
      throw new Error(
        page.getElementById("error")?.textContent.trim() ?? `The server answered ${response.status}.`,
      );
  } catch (problem) {
    error.textContent =
      problem instanceof TypeError ? "The server can't be reached. The text stays here." : problem.message;
    error.hidden = false;
    form.password.focus();
    return;
  }
  isLocked = false;
  for (const field of document.querySelectorAll("input[name=csrfmiddlewaretoken]"))
    field.value = cookie("csrftoken");
  lock.close();
  dispatchEvent(new CustomEvent("session-resumed", { detail: data.me }));
});
