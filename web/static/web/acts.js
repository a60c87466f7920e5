// Acts: `<form method="post" data-act>` is sent without leaving the page; the rows that changed are morphed.
// A button with `data-ask="What will happen."` asks first, in words, and for a reason unless data-ask-reason="none".
import { chooseNone } from "./list.js";
import { refresh, say } from "./live.js";

const answers = new WeakMap();

function ask(button) {
  const dialog = document.getElementById("ask");
  const input = dialog.querySelector("input");
  const wanted = button.dataset.askReason ?? "required";
  dialog.querySelector("h2").textContent = button.dataset.askTitle ?? button.textContent.replace("…", "").trim();
  dialog.querySelector("[data-words]").textContent = button.dataset.ask;
  dialog.querySelector("button.act").textContent = button.dataset.askYes ?? button.textContent.replace("…", "").trim();
  input.value = "";
  input.required = wanted === "required";
  input.hidden = dialog.querySelector("label").hidden = wanted === "none";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes" ? input.value : null), { once: true });
  });
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("button[data-ask]");
  if (!button?.form || answers.has(button)) return;
  event.preventDefault();
  const reason = await ask(button);
  if (reason === null) return;
  answers.set(button, reason);
  button.form.requestSubmit(button);
});

document.addEventListener("submit", async (event) => {
  const { target: form, submitter } = event;
  if (form.method === "dialog") return;
  const reason = submitter && answers.get(submitter);
  if (submitter) answers.delete(submitter);
  if (!form.matches("[data-act]")) {
    if (reason) addHidden(form, "reason", reason);
    return;
  }
  event.preventDefault();
  const data = new FormData(form, submitter);
  if (reason) data.set("reason", reason);
  const url = submitter?.getAttribute("formaction") ?? form.getAttribute("action") ?? location.href;
  form.setAttribute("aria-busy", "true");
  const problem = await refresh(url, { method: "POST", body: new URLSearchParams(data) });
  form.removeAttribute("aria-busy");
  if (submitter?.closest("[data-batch]") && !problem) chooseNone();
  if (!problem) return;
  await refresh();
  say(problem);
});

function addHidden(form, name, value) {
  const field = form.querySelector(`input[type=hidden][name=${name}]`) ?? document.createElement("input");
  Object.assign(field, { type: "hidden", name, value });
  form.append(field);
}
