// Places still to be filled in (`[side]`, `[? 01:23]`): a link to the second of the sound, and to the place.
import { find, make } from "../dom.js";

const OPEN = /\[\?\s*(?:(\d+):(\d\d))?[^\]\n]*\]|\[[^[\]\n]{0,40}\]|_{3,}|\{[^{}\n]{0,80}\}/g;
const MOST = 30;
const PAUSE = 600;

/** @typedef {(second: number) => void} Seek */

/**
 * Keep a list of the open places of texts; what is returned looks for them again, soon.
 * @param {HTMLElement} list
 * @param {HTMLTextAreaElement[]} areas
 * @param {Seek} [seek] plays the sound from a second on
 */
export function listOpenFields(list, areas, seek = playFrom) {
  const line = list.closest("p");
  /** @type {number | null} */
  let timer = null;
  const look = () => {
    timer = null;
    const found = areas.flatMap((area) =>
      [...area.value.matchAll(OPEN)].map((match) => linkTo(area, match, seek)),
    );
    list.replaceChildren(...found.slice(0, MOST));
    if (line) line.hidden = !found.length;
  };
  const later = () => {
    timer ??= setTimeout(look, PAUSE);
  };
  document.addEventListener("input", later);
  look();
  return later;
}

/**
 * @param {HTMLTextAreaElement} area
 * @param {RegExpMatchArray} match
 * @param {Seek} seek
 */
function linkTo(area, match, seek) {
  const [text, minutes, seconds] = match;
  const start = match.index ?? 0;
  const button = make("button", { type: "button", className: "plain", textContent: text });
  button.onclick = () => {
    area.focus();
    area.setSelectionRange(start, start + text.length);
    if (minutes) seek(Number(minutes) * 60 + Number(seconds));
  };
  return button;
}

/**
 * Play the first sound of the page.
 * @param {number} second
 */
function playFrom(second) {
  const sound = find("audio[data-sound]", HTMLAudioElement);
  if (!sound) return;
  const play = () => {
    sound.currentTime = second;
    sound.play();
  };
  if (sound.readyState) play();
  else {
    sound.addEventListener("loadedmetadata", play, { once: true });
    sound.load();
  }
}
