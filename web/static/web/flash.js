// Messages at the top of the page: what was done, and what could not be done.
import { make } from "./dom.js";

/**
 * What is said, with a link to where it goes on.
 * @typedef {{ text: string, url?: string, link?: string }} Flash
 */

/**
 * Put a message in the place of those that are there.
 * @param {string | Flash} reason
 * @param {"error" | "warning" | "success"} [level]
 */
export function say(reason, level = "error") {
  const flash = asFlash(reason);
  const text = make("p", { textContent: `${flash.text} ` });
  if (flash.url) text.append(make("a", { href: flash.url, textContent: flash.link ?? flash.url }));
  const close = make("button", { type: "button", className: "close", textContent: "×" });
  close.dataset.close = "";
  close.setAttribute("aria-label", "Dismiss");
  const box = make("div", { className: `flash ${level}` }, text, close);
  document.getElementById("messages")?.replaceChildren(box);
}

/**
 * @param {string | Flash} reason
 * @returns {Flash}
 */
export function asFlash(reason) {
  return typeof reason === "string" ? { text: reason } : reason;
}
