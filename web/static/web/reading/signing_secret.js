// What a person signs with: the password, or in a session that has one the PIN of this tab. See web/rest/reports.py.
import { byId, first } from "../dom.js";
import { call } from "./api.js";
import { uuid } from "./digests.js";

const KEY = "signing-tab";

const box = byId("sign-secret");
const password = byId("sign-password", HTMLInputElement);
const pin = byId("sign-pin", HTMLInputElement);
const newPin = byId("sign-new-pin", HTMLInputElement);
const state = { hasPin: false, mayBeSet: false };

/** The name of this tab, which goes with it: what is set in a tab ends with it. */
function tab() {
  try {
    const there = sessionStorage.getItem(KEY) ?? uuid();
    sessionStorage.setItem(KEY, there);
    return there;
  } catch {
    return ""; // A private window keeps nothing.
  }
}

/** Whether a PIN was set in this tab. */
const isSetHere = () => Boolean(sessionStorage.getItem(`${KEY}-set`));

/** Ask for what signs now. */
export async function askForSecret() {
  /** @type {{ tries_left: number, may_be_set: boolean }} */
  const found = await call("GET", "/signing-pin", undefined, { isLive: true }).catch(() => ({
    tries_left: 0,
    may_be_set: false,
  }));
  state.hasPin = found.tries_left > 0 && isSetHere();
  state.mayBeSet = found.may_be_set;
  show();
}

function show() {
  const { hasPin, mayBeSet } = state;
  first("[data-with-pin]", HTMLElement, box).hidden = !hasPin;
  first("[data-with-password]", HTMLElement, box).hidden = hasPin;
  first("[data-new-pin]", HTMLElement, box).hidden = hasPin || !mayBeSet;
  password.required = !hasPin;
  pin.required = hasPin;
}

/** The field that is to be filled in. */
export const secretField = () => (state.hasPin ? pin : password);

/** What goes with the signature. */
export function secret() {
  if (state.hasPin) return { pin: pin.value, tab: tab() };
  const wanted = state.mayBeSet ? newPin.value.trim() : "";
  return wanted ? { password: password.value, new_pin: wanted, tab: tab() } : { password: password.value };
}

/** After the server took the secret: what was set signs from now on in this tab. */
export function noteTaken() {
  if (!state.hasPin && newPin.value && tab()) sessionStorage.setItem(`${KEY}-set`, "1");
  newPin.value = "";
}

export function clearSecret() {
  password.value = pin.value = "";
}

first("[data-use-password]", HTMLElement, box).addEventListener("click", () => {
  state.hasPin = false;
  show();
  password.focus();
});
