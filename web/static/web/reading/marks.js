// Places that are still to be filled in, such as `[? 01:23]`: a link to the second of the sound, and to the place.
const OPEN = /\[\s*\]|\[\?\s{0,9}(?:(\d{1,4}):(\d\d))?[^\]\n]{0,200}\]|_{3,}|\{[^{}\n]{0,80}\}/g;
const MOST = 30;

export function marks(list, areas, seek = null) {
  const place = list.closest("p");
  let timer = null;
  const look = () => {
    timer = null;
    list.replaceChildren();
    for (const area of areas) {
      for (const found of area.value.matchAll(OPEN)) {
        if (list.children.length >= MOST) break;
        const button = document.createElement("button");
        Object.assign(button, { type: "button", className: "plain", textContent: found[0] });
        button.onclick = () => {
          area.focus();
          area.setSelectionRange(found.index, found.index + found[0].length);
          if (found[1]) play(Number(found[1]) * 60 + Number(found[2]), seek);
        };
        list.append(button);
      }
    }
    place.hidden = !list.children.length;
  };
  const later = () => {
    timer ??= setTimeout(look, 600);
  };
  document.addEventListener("input", later);
  look();
  return later;
}

function play(second, seek) {
  if (seek) {
    seek(second);
    return;
  }
  const sound = document.querySelector("audio[data-sound]");
  if (!sound) return;
  const from = () => {
    sound.currentTime = second;
    sound.play();
  };
  if (sound.readyState) from();
  else {
    sound.addEventListener("loadedmetadata", from, { once: true });
    sound.load();
  }
}
