// Two texts of one report: side by side for each section that both changed, and a person picks. No silent winner.
import { data } from "./api.js";

// Sections that only one side changed since `base` are joined; `conflicts` names those that both did.
export function join(base, mine, theirs) {
  const text = {},
    conflicts = [],
    taken = [];
  for (const name of data.sections) {
    const old = base?.[name] ?? "",
      my = mine[name] ?? "",
      their = theirs[name] ?? "";
    if (my === their || (base && their === old)) text[name] = my;
    else if (base && my === old) {
      text[name] = their;
      taken.push(name);
    } else {
      text[name] = my;
      conflicts.push(name);
    }
  }
  return { text, conflicts, taken };
}

function side(title, text, value, group) {
  const box = document.createElement("div");
  const label = document.createElement("label"),
    radio = document.createElement("input"),
    area = document.createElement("textarea");
  Object.assign(radio, { type: "radio", name: `choice-${group}`, value });
  label.append(radio, ` ${title}`);
  Object.assign(area, { value: text, readOnly: true });
  area.setAttribute("aria-label", `${title}, ${data.titles[group]}`);
  box.append(label, area);
  return box;
}

// Resolves to the text that the person chose.
export function choose(words, conflicts, mine, theirs, names = ["Yours", "Theirs"]) {
  const box = document.getElementById("conflict"),
    list = box.querySelector("[data-sections]"),
    done = box.querySelector("[data-done]");
  box.querySelector("[data-words]").textContent = words;
  list.replaceChildren();
  for (const name of conflicts) {
    const field = document.createElement("fieldset"),
      legend = document.createElement("legend");
    legend.textContent = data.titles[name];
    const both = [mine[name], theirs[name]].filter((one) => one?.trim()).join("\n\n");
    field.append(
      legend,
      side(names[0], mine[name] ?? "", "mine", name),
      side(names[1], theirs[name] ?? "", "theirs", name),
      side("Both, one below the other", both, "both", name),
    );
    list.append(field);
  }
  done.disabled = true;
  list.onchange = () => {
    done.disabled = conflicts.some((name) => !list.querySelector(`input[name="choice-${name}"]:checked`));
  };
  box.hidden = false;
  box.focus();
  return new Promise((resolve) => {
    done.onclick = () => {
      const text = {};
      for (const name of conflicts)
        text[name] = list
          .querySelector(`input[name="choice-${name}"]:checked`)
          .closest("div")
          .querySelector("textarea").value;
      box.hidden = true;
      resolve(text);
    };
  });
}
