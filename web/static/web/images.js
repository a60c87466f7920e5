// A preview that can't be shown, such as that of a document, gives way to words.
function giveWay(image) {
  image.hidden = true;
  const words = image.nextElementSibling;
  if (words) words.hidden = false;
}

for (const image of document.querySelectorAll("img[data-fallback]")) {
  if (image.complete && !image.naturalWidth) giveWay(image);
  image.addEventListener("error", () => giveWay(image));
}
