// Dialogs that several pages need: a question for a reason, and what opens and closes those of the page.
import { byId, closest, first } from "../dom.js";
import { answered } from "../modal.js";

/**
 * Ask for a reason; nothing is the answer of who cancels.
 * @param {string} title
 * @param {string} words what will happen
 * @param {string} yes what the button says
 * @returns {Promise<string>}
 */
export async function askWhy(title, words, yes) {
  const dialog = byId("why", HTMLDialogElement);
  const input = first("input", HTMLInputElement, dialog);
  first("h2", HTMLElement, dialog).textContent = title;
  first("[data-words]", HTMLElement, dialog).textContent = words;
  first("[data-yes]", HTMLElement, dialog).textContent = yes;
  input.value = "";
  return (await answered(dialog)) ? input.value.trim() : "";
}

document.addEventListener("click", (event) => {
  const button = closest(event, "[data-dismiss], [data-dialog]");
  if (button?.dataset.dialog) byId(button.dataset.dialog, HTMLDialogElement).showModal();
  else button?.closest("dialog")?.close();
});
// A form in a dialog that is sent closes it.
document.addEventListener("submit", (event) => {
  closest(event, "dialog form[data-act]")?.closest("dialog")?.close();
});
