// Messages: copy a whole message, open segments when they are asked for, check a repair while it is typed.
import { all, byId, closest, find, first, labelOf } from "./dom.js";
import { encoded } from "./forms.js";
import { documentOf, isSignIn } from "./live.js";

/**
 * What the server sends, or an error.
 * @param {string} url
 */
async function got(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(String(response.status));
  return response;
}

/**
 * Copy a message; its button says so for a moment.
 * @param {HTMLButtonElement} button
 */
async function copy(button) {
  const label = labelOf(button);
  const words = label.data;
  try {
    await navigator.clipboard.writeText(await (await got(button.dataset.copy ?? "")).text());
    label.data = "Copied ";
  } catch {
    label.data = "Could not be copied ";
  }
  setTimeout(() => {
    label.data = words;
  }, 2000);
}

/**
 * Open or close all segments; those that were never asked for stay closed.
 * @param {boolean} isOpen
 */
function setTree(isOpen) {
  for (const segment of all(".tree details", HTMLDetailsElement)) {
    if (!isOpen || !segment.dataset.src) segment.open = isOpen;
  }
}

document.addEventListener("click", (event) => {
  const button = closest(event, "button[data-copy]", HTMLButtonElement);
  if (button) copy(button);
  const tree = closest(event, "button[data-tree]");
  if (tree) setTree(tree.dataset.tree === "open");
});

/**
 * Put the fields of a segment in the place of the words that they come.
 * @param {HTMLDetailsElement} segment
 * @param {string} url
 */
async function load(segment, url) {
  delete segment.dataset.src;
  const place = first("p", HTMLElement, segment);
  try {
    const page = await documentOf(await got(url));
    place.replaceWith(first("table.fields", HTMLElement, page));
  } catch {
    segment.dataset.src = url;
    place.textContent = "Its fields can't be read now. Close it and open it again.";
  }
}

// `toggle` doesn't bubble, so it is caught on its way down.
document.addEventListener(
  "toggle",
  ({ target }) => {
    if (target instanceof HTMLDetailsElement && target.open && target.dataset.src) {
      load(target, target.dataset.src);
    }
  },
  true,
);

for (const select of all("form[data-filters] select", HTMLSelectElement)) {
  select.addEventListener("change", () => select.form?.requestSubmit());
}

/**
 * Check a repair while it is typed; the answer to the last text counts.
 * @param {HTMLFormElement} form
 */
function checkWhileTyping(form) {
  let timer = 0;
  let number = 0;
  const check = async () => {
    const mine = ++number;
    const body = encoded(new FormData(form));
    const response = await fetch(form.dataset.check ?? "", { method: "POST", body }).catch(() => null);
    if (mine !== number || !response?.ok || isSignIn(response)) return;
    const fresh = (await documentOf(response)).getElementById("check");
    if (fresh && mine === number) byId("check").replaceWith(fresh);
  };
  first("[name=text]", HTMLTextAreaElement, form).addEventListener("input", () => {
    byId("check").classList.add("is-old");
    clearTimeout(timer);
    timer = setTimeout(check, 400);
  });
  first("[data-check-now]", HTMLElement, form).addEventListener("click", (event) => {
    event.preventDefault();
    check();
  });
}

const repair = find("form[data-check]", HTMLFormElement);
if (repair) checkWhileTyping(repair);
