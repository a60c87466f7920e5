// The time that is left to take back what was signed before this page; the way back to the report stays.
import { find, first } from "../dom.js";

function countDown() {
  const form = find("[data-last-until]", HTMLFormElement);
  if (!form || form.hidden) return;
  const left = Math.ceil((new Date(form.dataset.lastUntil ?? "").getTime() - Date.now()) / 1000);
  form.hidden = left <= 0;
  first("[data-seconds]", HTMLElement, form).textContent = String(left);
}

setInterval(countDown, 500);
countDown();
