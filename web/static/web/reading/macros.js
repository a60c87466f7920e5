// `/name` at the beginning of a word offers the site's macros; Enter or Tab puts the text there.
const MOST = 8;
let list,
  area = null,
  found = [],
  at = 0,
  start = 0,
  isBegun = false;

export function insert(target, text, from = target.selectionStart, to = target.selectionEnd) {
  target.focus();
  target.setSelectionRange(from, to);
  // The only way that the browser's own undo knows of.
  if (!document.execCommand("insertText", false, text)) {
    target.setRangeText(text, from, to, "end");
    target.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

export function init(macros) {
  list = document.getElementById("macros");
  const names = Object.keys(macros).sort();
  document.addEventListener("input", ({ target, data: typed }) => {
    if (!target.matches?.("textarea") || target.readOnly) return;
    // A long text is only looked into after a slash.
    if (typed?.includes("/")) isBegun = true;
    if (!isBegun) return;
    const caret = target.selectionStart;
    const word = /(?:^|\s)\/(\w{0,30})$/.exec(target.value.slice(Math.max(0, caret - 33), caret));
    found = word ? names.filter((name) => name.startsWith(word[1])).slice(0, MOST) : [];
    if (!found.length) {
      isBegun = Boolean(word);
      close();
      return;
    }
    area = target;
    start = caret - word[1].length - 1;
    at = 0;
    draw(macros);
  });
  document.addEventListener(
    "keydown",
    (event) => {
      if (!area || event.target !== area || list.hidden) return;
      const { key } = event;
      if (key === "ArrowDown" || key === "ArrowUp") {
        at = (at + (key === "ArrowDown" ? 1 : found.length - 1)) % found.length;
        draw(macros);
      } else if (key === "Enter" || key === "Tab") put(macros[found[at]]);
      else if (key === "Escape") close();
      else return;
      event.preventDefault();
      event.stopImmediatePropagation();
    },
    true,
  );
  list.addEventListener("mousedown", (event) => {
    const item = event.target.closest("li");
    event.preventDefault();
    if (item) put(macros[item.dataset.name]);
  });
  document.addEventListener("focusout", ({ target }) => {
    if (target === area) close();
  });
}

function put(text) {
  insert(area, text, start, area.selectionStart);
  close();
}

function close() {
  if (!list || list.hidden) return;
  list.hidden = true;
  area?.removeAttribute("aria-activedescendant");
  area = null;
}

function draw(macros) {
  list.replaceChildren();
  for (const [place, name] of found.entries()) {
    const item = document.createElement("li"),
      key = document.createElement("b"),
      text = document.createElement("span");
    key.textContent = `/${name} `;
    text.textContent = macros[name].slice(0, 120);
    item.append(key, text);
    item.dataset.name = name;
    item.id = `macro-${place}`;
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", String(place === at));
    list.append(item);
  }
  area.setAttribute("aria-activedescendant", `macro-${at}`);
  list.hidden = false;
  const box = area.getBoundingClientRect();
  list.style.left = `${box.left + 8}px`;
  list.style.top = `${Math.min(box.bottom, innerHeight - list.offsetHeight - 8)}px`;
}
