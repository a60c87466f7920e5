// A dialog that asks: shown until it is answered.

/** How what a dialog asks now ends without an answer. @type {WeakMap<HTMLDialogElement, () => void>} */
const asked = new WeakMap();

/**
 * Show a dialog; whether it was closed by its button `yes`.
 *
 * A browser tells of a close a moment later, when the same dialog may ask again: that answers nothing, and what
 * it asked before is answered by no.
 * @param {HTMLDialogElement} dialog
 * @returns {Promise<boolean>}
 */
export function answered(dialog) {
  asked.get(dialog)?.();
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    /** @param {boolean} yes */
    const end = (yes) => {
      dialog.removeEventListener("close", closed);
      asked.delete(dialog);
      resolve(yes);
    };
    const closed = () => {
      if (!dialog.open) end(dialog.returnValue === "yes");
    };
    asked.set(dialog, () => end(false));
    dialog.addEventListener("close", closed);
  });
}
