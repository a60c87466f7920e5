// Two texts of one report, of which each may have been changed since a third, their common base.

/** @typedef {import("./page_data.js").Sections} Sections */

/**
 * Join what only one side changed; `conflicts` names the sections that both did, `taken` those of theirs.
 * @param {string[]} names of the sections
 * @param {Sections | null} base nothing where the two have none in common
 * @param {Sections} mine
 * @param {Sections} theirs
 */
export function join(names, base, mine, theirs) {
  /** @type {Sections} */
  const text = {};
  /** @type {string[]} */
  const conflicts = [];
  /** @type {string[]} */
  const taken = [];
  for (const name of names) {
    const [old, my, their] = [base?.[name] ?? "", mine[name] ?? "", theirs[name] ?? ""];
    if (base && my === old && their !== old) {
      text[name] = their;
      taken.push(name);
    } else {
      text[name] = my;
      if (my !== their && !(base && their === old)) conflicts.push(name);
    }
  }
  return { text, conflicts, taken };
}
