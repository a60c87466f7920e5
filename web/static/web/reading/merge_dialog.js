// Two texts of one report side by side, for each section that both changed: a person picks. No silent winner.
import { byId, find, first, make } from "../dom.js";
import { pageData } from "./page_data.js";

/** @typedef {import("./page_data.js").Sections} Sections */

/**
 * One of the texts of a section, to be chosen.
 * @param {string} title
 * @param {string} text
 * @param {string} value
 * @param {string} section
 */
function side(title, text, value, section) {
  const radio = make("input", { type: "radio", name: `choice-${section}`, value });
  const area = make("textarea", { value: text, readOnly: true });
  area.setAttribute("aria-label", `${title}, ${pageData.titles[section]}`);
  return make("div", {}, make("label", {}, radio, ` ${title}`), area);
}

/**
 * Let a person choose the text of each section.
 * @param {string} words why there are two
 * @param {string[]} sections that are in conflict
 * @param {Sections} mine
 * @param {Sections} theirs
 * @param {[string, string]} [names] of the sides
 * @returns {Promise<Sections>}
 */
export function choose(words, sections, mine, theirs, names = ["Yours", "Theirs"]) {
  const box = byId("conflict");
  const list = first("[data-sections]", HTMLElement, box);
  const done = first("[data-done]", HTMLButtonElement, box);
  /** @param {string} name */
  const choiceOf = (name) => find(`input[name="choice-${name}"]:checked`, HTMLInputElement, list);

  first("[data-words]", HTMLElement, box).textContent = words;
  list.replaceChildren(
    ...sections.map((name) => {
      const [my, their] = [mine[name] ?? "", theirs[name] ?? ""];
      const both = [my, their].filter((one) => one.trim()).join("\n\n");
      return make(
        "fieldset",
        {},
        make("legend", { textContent: pageData.titles[name] }),
        side(names[0], my, "mine", name),
        side(names[1], their, "theirs", name),
        side("Both, one below the other", both, "both", name),
      );
    }),
  );
  done.disabled = true;
  list.onchange = () => {
    done.disabled = !sections.every(choiceOf);
  };
  box.hidden = false;
  box.focus();
  return new Promise((resolve) => {
    done.onclick = () => {
      const text = Object.fromEntries(sections.map((name) => [name, textOf(choiceOf(name))]));
      box.hidden = true;
      resolve(text);
    };
  });
}

/** @param {HTMLInputElement | null} choice */
function textOf(choice) {
  const box = choice?.closest("div");
  return box ? first("textarea", HTMLTextAreaElement, box).value : "";
}
