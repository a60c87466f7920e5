// A dialog that asks: shown until it is answered.

/**
 * Show a dialog; whether it was closed by its button `yes`.
 *
 * A browser tells of a close a moment later, when the same dialog may ask again: that answers nothing.
 * @param {HTMLDialogElement} dialog
 * @returns {Promise<boolean>}
 */
export function answered(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    const closed = () => {
      if (dialog.open) return;
      dialog.removeEventListener("close", closed);
      resolve(dialog.returnValue === "yes");
    };
    dialog.addEventListener("close", closed);
  });
}
