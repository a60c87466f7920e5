// Live changes: `<div id="…" data-live="10">` is fetched anew every 10 seconds and morphed row by row.
// Focus, the current row, the chosen ones and the place in the page stay. What can't be fetched is said.
import { all } from "./dom.js";
import { asFlash, say } from "./flash.js";
import { show } from "./list.js";
import { timeOfDay } from "./times.js";

/** @typedef {import("./flash.js").Flash} Flash */

const state = {
  isBusy: false,
  /** Since when nothing could be fetched. @type {Date | null} */
  failingSince: null,
};

const regions = () => all("[data-live][id]");

/**
 * Put the page at `url`, its regions, messages and health, into this one; a reason in words where it can't be.
 * @param {string} [url]
 * @param {RequestInit} [options]
 * @param {string} [live] `tick` where nobody has asked for it
 * @returns {Promise<"" | string | Flash>}
 */
export async function refresh(url = location.href, options = {}, live = "1") {
  let response;
  try {
    response = await fetch(url, { ...options, headers: { "X-Live": live } });
  } catch {
    return "The server can't be reached. Nothing was changed; try again when it answers.";
  }
  if (isSignIn(response)) {
    const text = "You are signed out. What you see is as it was then.";
    return { text, url: response.url, link: "Sign in again" };
  }
  const page = await documentOf(response);
  if (!response.ok) return explanation(page, `The server answered ${response.status}`);
  put(page, !options.method);
  return "";
}

/**
 * Whether the session has ended, and the sign-in came instead.
 * @param {Response} response
 */
export const isSignIn = (response) => new URL(response.url).pathname === "/sign-in";

/**
 * The page that the server sent.
 * @param {Response} response
 */
export async function documentOf(response) {
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

/**
 * What a page that refuses says.
 * @param {Document} page
 * @param {string} title where it has none
 */
function explanation(page, title) {
  const heading = page.querySelector("[data-explain] h1")?.textContent ?? title;
  const text = page.querySelector("[data-explain] p")?.textContent ?? "What was not saved is as before.";
  return `${heading}. ${text}`.replace(/([.!?])\./, "$1");
}

/**
 * @param {Document} page
 * @param {boolean} isLive
 */
function put(page, isLive) {
  const focused = document.activeElement?.id;
  for (const region of regions()) swap(region, page.getElementById(region.id));
  swap(document.getElementById("health"), page.getElementById("health"));
  const messages = page.getElementById("messages");
  if (messages?.children.length || !isLive) swap(document.getElementById("messages"), messages);
  show();
  const lost = focused && document.activeElement === document.body ? document.getElementById(focused) : null;
  if (!lost) return;
  if (lost.matches("tr, article")) lost.tabIndex = -1;
  lost.focus({ preventScroll: true });
}

/**
 * @param {Element | null} old
 * @param {Element | null} fresh
 */
function swap(old, fresh) {
  if (!old || !fresh || old.outerHTML === fresh.outerHTML) return;
  const spec = { swapStyle: "morph:outerHTML", swapDelay: 0, settleDelay: 0 };
  // An extension of htmx morphs.
  if (window.htmx?.swap) window.htmx.swap(old, fresh.outerHTML, spec, { contextElement: old });
  else old.replaceWith(fresh);
}

async function tick() {
  const isIdle = document.hidden || state.isBusy || document.querySelector("dialog[open]");
  if (isIdle || !regions().length) return;
  state.isBusy = true;
  const reason = await refresh(location.href, {}, "tick");
  state.isBusy = false;
  if (!reason) {
    state.failingSince = null;
    return;
  }
  state.failingSince ??= new Date();
  const since = timeOfDay(state.failingSince);
  const flash = asFlash(reason);
  say({ ...flash, text: `This page is no longer live, as of ${since}. ${flash.text}` });
}

const every = Math.min(...regions().map((region) => Number(region.dataset.live) || 10));
if (Number.isFinite(every)) {
  setInterval(tick, every * 1000);
  document.addEventListener("visibilitychange", tick);
}
