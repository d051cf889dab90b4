// The selection bar: clauses as chips, undo and redo, what is kept by name, search, and what can be done with it all.

import { button, copyText, element, select, setChoices } from "../page/dom.js";
import { count, percent } from "../page/words.js";

/**
 * @param {{ send: (message: object) => void, say: (words: string) => void, drawer: () => void }} act
 */
export function selectionBar({ send, say, drawer }) {
  /** @type {any} */
  let bar = { expression: "" };
  /**
   * JupyterLab keeps Enter from submitting a form.
   *
   * @param {(event: Event) => void} submit
   */
  const keys = (submit) => (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Escape") keep.hidden = true;
    if (event.key === "Enter" && event.target instanceof HTMLInputElement) submit(event);
  };
  const title = element("strong", { class: "btvx-population" });
  const chips = element("div", { class: "btvx-chips", role: "group", "aria-label": "Selection" });
  const counts = element("span", { class: "btvx-counts", role: "status" });
  const undo = button("↶", "Undo. Key: z", () => send({ kind: "undo" }), { "aria-label": "Undo" });
  const redo = button("↷", "Redo. Key: y", () => send({ kind: "redo" }), { "aria-label": "Redo" });
  const or = button("+ or", "Choose an alternative beside what is chosen now", () => send({ kind: "or" }));
  const clear = button("Clear", "Choose nothing: all pairs again", () => send({ kind: "clear" }));
  const copy = button("Copy as Polars", "Copy an expression that finds the same pairs", () =>
    copyText(bar.expression, "Copied the Polars expression of this selection.", say),
  );
  const save = button("Export", "Write the selected pairs as CSV, without their texts", () =>
    send({ kind: "export" }),
  );
  const tagAll = button("Tag all…", "Tag every selected pair, which undoes in one step: notes.undo()", () =>
    ask("tag", "Tag", 60),
  );
  const saved = select("Selections kept by name", [], (name) => {
    const act = acts[name] ?? (() => name && send({ kind: "load", name: name.slice(1) }));
    act();
    saved.value = "";
  });
  const name_ = element("input", {
    "aria-label": "Name to keep the selection by",
    placeholder: "name",
    maxlength: 60,
  });
  const confirm_ = element("button", { type: "submit" }, "Keep");
  const keep = element(
    "form",
    { class: "btvx-keep", hidden: true, on: { submit: kept, keydown: keys(kept) } },
    name_,
    confirm_,
  );
  const by = select(
    "What to search for",
    [
      ["words", "words"],
      ["id", "id"],
    ],
    () => {},
  );
  const search = element("input", {
    class: "btvx-search",
    type: "search",
    placeholder: "Search",
    "aria-label": "Search",
    spellcheck: "false",
  });
  const find = element(
    "form",
    { class: "btvx-find", role: "search", on: { submit: found, keydown: keys(found) } },
    by,
    search,
  );

  /** @type {Record<string, () => void>} */
  const acts = {
    "+": () => ask("name", "Keep", 60),
    "<": () => ask("paste JSON", "Open", 2_000_000),
    ">": () => send({ kind: "json" }),
  };

  /**
   * @param {string} placeholder
   * @param {string} words
   * @param {number} most
   */
  function ask(placeholder, words, most) {
    Object.assign(name_, { placeholder, value: "", maxLength: most });
    name_.setAttribute("aria-label", placeholder);
    confirm_.replaceChildren(words);
    keep.hidden = false;
    name_.focus();
  }

  /** @param {Event} event */
  function kept(event) {
    event.preventDefault();
    const said = name_.value.trim();
    if (!said) return;
    const deeds = { Keep: { kind: "save", name: said }, Open: { kind: "open", text: said } };
    send(deeds[/** @type {keyof typeof deeds} */ (confirm_.textContent)] ?? { kind: "tag_all", tag: said });
    keep.hidden = true;
  }
  /** @param {Event} event */
  function found(event) {
    event.preventDefault();
    if (search.value.trim()) send({ kind: "search", by: by.value, text: search.value });
  }

  /**
   * @param {any} term
   * @param {number} branch
   * @param {number} place
   */
  function chip(term, branch, place) {
    const remove = button("×", `Take away: ${term.words}`, () => send({ kind: "remove", branch, place }), {
      class: "btvx-remove",
    });
    return element(
      "span",
      { class: `btvx-chip${term.excluded ? " btvx-excluded" : ""}` },
      element("span", {}, term.words),
      remove,
    );
  }

  /** @param {any} branch */
  function words(branch, /** @type {number} */ number) {
    /** @type {Node[]} */
    const nodes = [];
    if (number) nodes.push(element("span", { class: "btvx-join" }, "OR"));
    if (number && !branch.length) nodes.push(element("span", { class: "btvx-quiet" }, "choose what else …"));
    for (const [place, term] of branch.entries()) {
      const before = branch.slice(0, place);
      const sameView = before.some((/** @type {any} */ other) => other.view === term.view && !other.excluded);
      const join = term.excluded ? "NOT" : before.length ? (sameView ? "or" : "AND") : "";
      if (join) nodes.push(element("span", { class: "btvx-join" }, join));
      nodes.push(chip(term, number, place));
    }
    return nodes;
  }

  /** @param {any} said */
  function update(said) {
    bar = said;
    title.replaceChildren(bar.population);
    const shown = bar.branches.flatMap(words);
    const nothing = element(
      "span",
      { class: "btvx-quiet" },
      `All ${bar.item}s. Click a bar, a cell or a name to choose; shift adds, alt leaves out.`,
    );
    chips.replaceChildren(...(shown.length ? shown : [nothing]));
    counts.replaceChildren(
      element("strong", {}, count(bar.n)),
      ` of ${count(bar.all)} ${bar.item}s, ${bar.n ? percent(bar.unsafe / bar.n) : "–"} unsafe`,
    );
    undo.disabled = !bar.undo;
    redo.disabled = !bar.redo;
    for (const control of [or, clear, tagAll]) control.hidden = !shown.length;
    const choices = [
      ["", "Kept ▾"],
      ...bar.saved.map((/** @type {string} */ name) => [`=${name}`, name]),
      ["+", "Keep this as …"],
      [">", "Copy as JSON"],
      ["<", "Open JSON …"],
    ];
    setChoices(saved, choices);
    saved.value = "";
    setChoices(by, [["words", "words"], ...(bar.meaning ? [["meaning", "meaning"]] : []), ["id", "id"]]);
  }

  const node = element(
    "header",
    { class: "btvx-bar" },
    element("div", { class: "btvx-line" }, title, counts, element("span", { class: "btvx-space" }), find),
    element(
      "div",
      { class: "btvx-line" },
      button("Facets", "Show or hide the facets", drawer, { class: "btvx-drawer" }),
      chips,
      or,
      undo,
      redo,
      clear,
      element("span", { class: "btvx-space" }),
      saved,
      keep,
      copy,
      save,
      tagAll,
    ),
  );
  return {
    node,
    update,
    focusSearch: () => search.focus(),
    undo: () => undo.click(),
    redo: () => redo.click(),
  };
}
