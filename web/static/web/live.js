// Live changes: `<div id="…" data-live="10">` is fetched anew every 10 seconds and morphed row by row.
// Focus, the current row, the chosen ones and the place in the page stay. What can't be fetched is said.
import { show } from "./list.js";

const regions = () => [...document.querySelectorAll("[data-live][id]")];
let isBusy = false;

// The page at `url`, its regions, messages and lights put into this one; a reason in words where it can't be.
export async function refresh(url = location.href, options = {}) {
  let response;
  try {
    response = await fetch(url, { ...options, headers: { "X-Live": "1", ...options.headers } });
  } catch {
    return "The server can't be reached. Nothing was changed; try again when it answers.";
  }
  if (new URL(response.url).pathname === "/sign-in") {
    return { text: "You are signed out. What you see is as it was then.", url: response.url, link: "Sign in again" };
  }
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  if (!response.ok) return explain(page, response.status);
  put(page, !options.method);
  return "";
}

function explain(page, status) {
  const title = page.querySelector("[data-explain] h1")?.textContent ?? `The server answered ${status}`;
  const text = page.querySelector("[data-explain] p")?.textContent ?? "What was not saved is as before.";
  return `${title}. ${text}`.replace(/([.!?])\./, "$1");
}

function put(page, isLive) {
  const focused = document.activeElement?.id;
  for (const region of regions()) swap(region, page.getElementById(region.id));
  const lights = document.getElementById("lights");
  if (lights) swap(lights, page.getElementById("lights"));
  const messages = page.getElementById("messages");
  if (messages?.children.length || !isLive) swap(document.getElementById("messages"), messages);
  show();
  const lost = focused && document.activeElement === document.body ? document.getElementById(focused) : null;
  if (!lost) return;
  if (lost.matches("tr, article")) lost.tabIndex = -1;
  lost.focus({ preventScroll: true });
}

function swap(old, fresh) {
  if (!old || !fresh || old.outerHTML === fresh.outerHTML) return;
  const spec = { swapStyle: "morph:outerHTML", swapDelay: 0, settleDelay: 0 };
  if (window.htmx?.swap) window.htmx.swap(old, fresh.outerHTML, spec, { contextElement: old }); // whose extensions morph
  else old.replaceWith(fresh);
}

export function say(reason, level = "error") {
  const said = typeof reason === "string" ? { text: reason } : reason;
  const box = document.createElement("div");
  box.className = `flash ${level}`;
  const text = document.createElement("p");
  text.textContent = `${said.text} `;
  if (said.url) {
    const link = document.createElement("a");
    link.href = said.url;
    link.textContent = said.link;
    text.append(link);
  }
  const close = document.createElement("button");
  close.type = "button";
  close.className = "close";
  close.dataset.close = "";
  close.setAttribute("aria-label", "Put this message away");
  close.textContent = "×";
  box.append(text, close);
  document.getElementById("messages")?.replaceChildren(box);
}

let since = null;
async function tick() {
  const isIdle = document.hidden || isBusy || document.querySelector("dialog[open]");
  if (isIdle || !regions().length) return;
  isBusy = true;
  const reason = await refresh();
  isBusy = false;
  if (!reason) { since = null; return; }
  since ??= new Date();
  const said = typeof reason === "string" ? { text: reason } : reason;
  say({ ...said, text: `This page is no longer live, as of ${since.toLocaleTimeString()}. ${said.text}` });
}

const every = Math.min(...regions().map((region) => Number(region.dataset.live) || 10));
if (Number.isFinite(every)) {
  setInterval(tick, every * 1000);
  document.addEventListener("visibilitychange", tick);
}
