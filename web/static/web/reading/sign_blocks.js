// What stands in the way of a signature: each a link to its field, with a reason or a yes where that is enough.
import { all, find, make } from "../dom.js";

/**
 * One that is `overridable` yields to a written reason, one that `asks` to a yes.
 * @typedef {{ code: string, text: string, overridable: boolean, asks: boolean, section: string }} Block
 */

const CONFIRMED = "confirmed";

/**
 * Show the blocks; reasons that were given before stay.
 * @param {HTMLElement} list
 * @param {Block[]} blocks
 * @param {(section: string) => void} leadTo brings the person to a section of the text
 */
export function showBlocks(list, blocks, leadTo) {
  const given = answersIn(list);
  list.replaceChildren(...blocks.map((block) => lineOf(block, given[block.code] ?? "", leadTo)));
}

/**
 * By code of a block, the reason or the yes that was given.
 * @param {HTMLElement} list
 */
export function answersIn(list) {
  /** @type {Record<string, string>} */
  const answers = {};
  for (const input of all("input[data-code]", HTMLInputElement, list)) {
    const answer = input.type === "checkbox" ? (input.checked ? CONFIRMED : "") : input.value.trim();
    if (answer) answers[input.dataset.code ?? ""] = answer;
  }
  return answers;
}

/**
 * The first that has to be answered or mended, where there is one.
 * @param {HTMLElement} list
 */
export const firstOf = (list) => find("input, button", HTMLElement, list);

/**
 * @param {Block} block
 * @param {string} answer
 * @param {(section: string) => void} leadTo
 */
function lineOf(block, answer, leadTo) {
  const words = block.text[0].toUpperCase() + block.text.slice(1);
  const line = make("div", { className: `banner ${block.asks ? "amber" : "magenta"}` });
  const what = block.section
    ? make("button", { type: "button", className: "plain", textContent: words })
    : make("span", { textContent: words });
  if (block.section) what.onclick = () => leadTo(block.section);
  line.append(what);
  if (block.asks) line.append(" ", ...yesOf(block, answer));
  else if (block.overridable) line.append(make("br"), ...reasonOf(block, answer));
  return line;
}

/**
 * @param {Block} block
 * @param {string} answer
 */
function yesOf({ code }, answer) {
  const input = make("input", { type: "checkbox", id: `block-${code}`, checked: answer === CONFIRMED });
  input.dataset.code = code;
  return [input, make("label", { htmlFor: input.id, textContent: "This is correct" })];
}

/**
 * @param {Block} block
 * @param {string} answer
 */
function reasonOf({ code }, answer) {
  const input = make("input", { id: `block-${code}`, maxLength: 500, value: answer });
  input.dataset.code = code;
  return [make("label", { htmlFor: input.id, textContent: "Override, because" }), input];
}
