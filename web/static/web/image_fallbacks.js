// A picture that can't be had, such as the preview of a document, gives way to the words after it. Pages make both
// by `parts/thumbnail.html`.
import { all } from "./dom.js";

/** @param {HTMLImageElement} image */
function giveWay(image) {
  const words = image.nextElementSibling;
  image.hidden = true;
  if (words instanceof HTMLElement) words.hidden = false;
}

// `error` doesn't bubble, so it is caught on its way down.
document.addEventListener(
  "error",
  ({ target }) => {
    if (target instanceof HTMLImageElement && target.matches("[data-fallback]")) giveWay(target);
  },
  true,
);
// Those that failed before this was here.
for (const image of all("img[data-fallback]", HTMLImageElement)) {
  if (image.complete && image.currentSrc && !image.naturalWidth) giveWay(image);
}
