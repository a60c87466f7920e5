// Elements of a page, found by what a script relies on: their kind is checked where they are looked up.

/**
 * @template {Element} T
 * @typedef {new () => T} Kind
 */

/**
 * The element with an id.
 * @template {Element} [T=HTMLElement]
 * @param {string} id
 * @param {Kind<T>} [kind]
 * @returns {T}
 */
export function byId(id, kind) {
  return checked(document.getElementById(id), `#${id}`, kind);
}

/**
 * The first element that a selector names.
 * @template {Element} [T=HTMLElement]
 * @param {string} selector
 * @param {Kind<T>} [kind]
 * @param {ParentNode} [within]
 * @returns {T}
 */
export function first(selector, kind, within = document) {
  return checked(within.querySelector(selector), selector, kind);
}

/**
 * The first element that a selector names, or null.
 * @template {Element} [T=HTMLElement]
 * @param {string} selector
 * @param {Kind<T>} [kind]
 * @param {ParentNode} [within]
 * @returns {T | null}
 */
export function find(selector, kind, within = document) {
  const found = within.querySelector(selector);
  return found && checked(found, selector, kind);
}

/**
 * All elements that a selector names.
 * @template {Element} [T=HTMLElement]
 * @param {string} selector
 * @param {Kind<T>} [kind]
 * @param {ParentNode} [within]
 * @returns {T[]}
 */
export function all(selector, kind, within = document) {
  return [...within.querySelectorAll(selector)].map((element) => checked(element, selector, kind));
}

/**
 * What an event happened to, or the nearest element around it that a selector names.
 * @template {Element} [T=HTMLElement]
 * @param {Event} event
 * @param {string} selector
 * @param {Kind<T>} [kind]
 * @returns {T | null}
 */
export function closest(event, selector, kind) {
  const found = event.target instanceof Element ? event.target.closest(selector) : null;
  return found && checked(found, selector, kind);
}

/**
 * A new element.
 * @template {keyof HTMLElementTagNameMap} N
 * @param {N} name
 * @param {Partial<HTMLElementTagNameMap[N]>} [properties]
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[N]}
 */
export function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

/**
 * The words of a button, before its key.
 * @param {HTMLElement} button
 */
export function labelOf(button) {
  return /** @type {Text} */ (button.firstChild);
}

/**
 * @template {Element} T
 * @param {Element | null} element
 * @param {string} selector
 * @param {Kind<T> | undefined} kind
 * @returns {T}
 */
function checked(element, selector, kind) {
  const wanted = kind ?? HTMLElement;
  if (!(element instanceof wanted)) throw new TypeError(`${selector} is no ${wanted.name}`);
  return /** @type {T} */ (element);
}
