// What is sent by a form.
import { find, make } from "./dom.js";

/**
 * The values of a form as its body.
 * @param {FormData} data
 * @returns {URLSearchParams}
 */
export function encoded(data) {
  return new URLSearchParams(/** @type {any} */ (data));
}

/**
 * Send a value along with a form.
 * @param {HTMLFormElement} form
 * @param {string} name
 * @param {string} value
 */
export function putHidden(form, name, value) {
  const field = find(`input[type=hidden][name=${name}]`, HTMLInputElement, form) ?? make("input");
  Object.assign(field, { type: "hidden", name, value });
  form.append(field);
}
