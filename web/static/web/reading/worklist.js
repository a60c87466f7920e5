// The reading worklist live: rows change in place at once, but come, go and move only when nobody is at work on them.
import { refresh } from "../live.js";
import "./asking.js";
import { current } from "../list.js";
import * as device from "./device.js";

const EVERY = 5000,
  IDLE = 3000;
const news = document.getElementById("news");
const keys = (page) => [...page.querySelectorAll("#items tbody tr[id]")].map((row) => row.id);
let activeAt = Date.now(),
  isOver = false,
  isWaiting = false;

for (const kind of ["keydown", "pointerdown", "wheel", "pointermove"])
  addEventListener(
    kind,
    () => {
      activeAt = Date.now();
    },
    { passive: true },
  );
document.addEventListener("pointerover", ({ target }) => {
  isOver = Boolean(target.closest?.("#items tbody"));
});

function inPlace(page) {
  for (const row of document.querySelectorAll("#items tbody tr[id]")) {
    const fresh = page.getElementById(row.id);
    if (!fresh || fresh.cells.length !== row.cells.length) continue;
    for (const [place, cell] of [...row.cells].entries()) {
      if (!cell.contains(document.activeElement) && cell.innerHTML !== fresh.cells[place].innerHTML)
        cell.innerHTML = fresh.cells[place].innerHTML;
    }
  }
  for (const id of ["desk", "reading-counts"]) {
    const old = document.getElementById(id),
      fresh = page.getElementById(id);
    if (old && fresh && old.innerHTML !== fresh.innerHTML) old.innerHTML = fresh.innerHTML;
  }
}

async function look() {
  if (document.hidden || document.querySelector("dialog[open]")) return;
  let page;
  try {
    const response = await fetch(location.href, { headers: { "X-Live": "1" } });
    if (!response.ok || new URL(response.url).pathname === "/sign-in") {
      refresh();
      return;
    }
    page = new DOMParser().parseFromString(await response.text(), "text/html");
  } catch {
    refresh();
    return;
  }
  inPlace(page);
  const before = keys(document),
    after = keys(page);
  isWaiting = before.join() !== after.join();
  if (isWaiting) announce(page, before, after);
  else news.hidden = true;
  settle();
}

function announce(page, before, after) {
  const fresh = after.filter((id) => !before.includes(id));
  const stat = fresh.filter((id) => page.getElementById(id).dataset.band === "0").length;
  const words = fresh.length ? `${fresh.length} new${stat ? `, ${stat} STAT` : ""}` : "The order changed";
  news.textContent = `${words} `;
  const cap = document.createElement("kbd");
  cap.textContent = "r";
  news.append(cap);
  news.classList.toggle("has-stat", stat > 0);
  news.hidden = false;
}

async function settle(isAsked = false) {
  if (
    !isAsked &&
    (!isWaiting || isOver || Date.now() - activeAt < IDLE || document.querySelector("dialog[open]"))
  )
    return;
  isWaiting = false;
  news.hidden = true;
  await refresh();
}

news.addEventListener("click", () => settle(true));
setInterval(look, EVERY);
setInterval(settle, 1000);

// Passing over

document.addEventListener("click", ({ target }) => {
  const button = target.closest?.("[data-skip]");
  if (!button) return;
  const dialog = document.getElementById("skip"),
    form = dialog.querySelector("form");
  form.reset();
  form.action = button.dataset.skip;
  document.getElementById("skip-what").textContent = button.closest("tr").querySelector(".name").textContent;
  dialog.showModal();
});
document.getElementById("skip")?.addEventListener("change", ({ currentTarget }) => {
  const isOther = currentTarget.querySelector("input[name=why]:checked")?.value === "other";
  document.getElementById("skip-note").required = isOther;
});

// What this device still keeps

async function onDevice() {
  const box = document.getElementById("device");
  const user = box.dataset.user;
  const [texts, spoken] = await Promise.all([device.all("texts"), device.all("dictations")]).catch(() => [
    [],
    [],
  ]);
  const items = new Set([
    ...texts
      .filter((one) => one.user === user && one.key.startsWith("report:"))
      .map((one) => one.key.slice(7)),
    ...spoken.filter((one) => one.user === user).map((one) => one.item),
  ]);
  box.hidden = !items.size;
  for (const item of items) {
    const line = document.createElement("p"),
      link = document.createElement("a");
    line.className = "banner amber";
    link.href = `/reading/${item}`;
    link.textContent = "Open it to save it.";
    line.append("This device holds text or sound that the server does not have yet. ", link);
    box.append(line);
  }
}
onDevice();
document.documentElement.dataset.worklistReady = current() ? current().id : "";
