// An exception: each decision first shows all its effects in a dialog; nothing happens without a reason.
import { current } from "./list.js";
import { say } from "./live.js";

const dialog = document.getElementById("decision-dialog");
const box = document.querySelector("[data-find]");

// Here `/` finds whose images these could be; the search of the whole system is a click away.
if (box) {
  document.getElementById("search")?.removeAttribute("data-key");
  box.dataset.key = "/";
}

async function foretell(url, data) {
  let page;
  try {
    const response = await fetch(url, { method: "POST", body: new URLSearchParams(data) });
    if (new URL(response.url).pathname === "/sign-in") return location.reload();
    page = new DOMParser().parseFromString(await response.text(), "text/html");
  } catch {
    return say("The server can't be reached. Nothing was changed; try again when it answers.");
  }
  const decision = page.getElementById("decision");
  if (!decision) {
    const text = page.querySelector("[data-explain] p")?.textContent ?? "Nothing was changed.";
    return say(`${page.querySelector("[data-explain] h1")?.textContent ?? "That was not possible"}. ${text}`);
  }
  dialog.replaceChildren(decision);
  if (!dialog.open) dialog.showModal();
  const choice = dialog.querySelector("select, input[type=radio]:checked, input[type=radio]");
  const isChosen = dialog.querySelector("input[type=radio]:checked") || dialog.querySelector("select")?.value;
  (choice && !isChosen ? choice : dialog.querySelector("textarea"))?.focus();
}

document.getElementById("decide")?.addEventListener("submit", (event) => {
  if (!event.submitter?.value) return;
  event.preventDefault();
  foretell(event.target.getAttribute("action"), new FormData(event.target, event.submitter));
});

dialog?.addEventListener("change", (event) => {
  const form = event.target.form;
  if (event.target.matches("[data-again]")) foretell(form.dataset.decision, new FormData(form));
});

dialog?.addEventListener("click", (event) => {
  if (!event.target.closest("[data-cancel]")) return;
  event.preventDefault();
  dialog.close();
});

dialog?.addEventListener("keydown", (event) => {
  if (event.ctrlKey && event.key === "Enter") dialog.querySelector("button[type=submit]:not([formaction], :disabled)")?.click();
});

// x chooses the candidate of the current row.
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.matches?.("input:not([type=radio], [type=checkbox]), textarea, select");
  const radio = current()?.querySelector("input[name=target]");
  if (event.key !== "x" || isTyping || dialog?.open || !radio || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  radio.click();
}, true);

// A picture that can't be had says so.
function fall(image) {
  const word = document.createElement("span");
  word.className = "no-picture";
  word.textContent = image.dataset.fallback;
  image.replaceWith(word);
}
for (const image of document.querySelectorAll("img[data-fallback]")) {
  image.addEventListener("error", () => fall(image), { once: true });
  if (image.complete && image.currentSrc && !image.naturalWidth) fall(image);
}
