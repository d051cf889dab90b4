// Controls that narrow the list of pairs.

/** @import { Act, Category, Filters, Mode, Model, Words } from "../types" */
import { button, debounce, element, select, setChoices, setValue } from "../page/dom.js";
import { categoriesInWords, EVERYTHING, isNarrowed, MODES, modeOf, toggled } from "./filters.js";

const SAFETY = [
  ["all", "Safe and unsafe"],
  ["safe", "Safe"],
  ["unsafe", "Unsafe"],
];
const VOTES = [
  ["one", "with at least one vote"],
  ["majority", "by majority"],
  ["every", "with every vote"],
];
const DISPUTE = [
  ["all", "Disputed or not"],
  ["disputed", "Disputed"],
  ["unanimous", "Unanimous"],
];
const NOT_MEASURABLE = [["all", "Disputed: not measurable"]];
const ANY_TAG = ["", "Any tag or none"];
const TYPING_RESTS = 300; // milliseconds

/**
 * Drop-down lists and the field for words to search; each changes one field of the filters.
 *
 * @param {Model} model
 * @param {(change: Partial<Filters>) => void} apply
 */
function fields(model, apply) {
  const search = element("input", {
    type: "search",
    class: "btviz-search",
    placeholder: "Search texts (key: /)",
    "aria-label": "Search prompts and responses",
    dir: "auto",
  });
  search.addEventListener(
    "input",
    debounce(TYPING_RESTS, () => apply({ search: search.value })),
  );
  const safety = select("Safe or unsafe", SAFETY, (value) => apply({ safety: value }));
  const dispute = select("Disputed", [], (value) => apply({ dispute: value }));
  const tag = select("Tag", [ANY_TAG], (value) => apply({ tag: value }));
  const votes = select("Votes a category needs", VOTES, (value) => apply({ votes: value }));

  /** @param {Filters} filters */
  function draw(filters) {
    setValue(search, filters.search);
    safety.value = filters.safety;
    dispute.value = filters.dispute;
    tag.value = filters.tag;
    votes.value = filters.votes;
  }
  /** @param {string[]} tags */
  const offer = (tags) => setChoices(tag, [ANY_TAG, ...tags.map((name) => [name, `Tag: ${name}`])]);
  function measure() {
    const isMeasurable = model.get("view").dispute_measurable;
    setChoices(dispute, isMeasurable ? DISPUTE : NOT_MEASURABLE);
    dispute.disabled = !isMeasurable;
    dispute.title = isMeasurable
      ? "Whether the annotations agree on safe or unsafe"
      : "This release has one annotation per pair, so disagreement cannot be measured";
  }
  return { search, safety, dispute, tag, votes, draw, offer, measure };
}

/**
 * Buttons for categories, and for how they combine.
 *
 * @param {Category[]} categories
 * @param {{ pick: (clicked: { slug: string, mode: Mode }) => void }} act
 */
function categoryButtons(categories, { pick }) {
  /** @type {Mode} */
  let mode = "any_of";
  const modes = MODES.map(([key, words]) => {
    const choose = () => {
      mode = key;
      press();
    };
    return button(words, `Pairs with ${words} the categories clicked`, choose, { "data-mode": key });
  });
  const chips = categories.map(({ slug, title, definition }, bit) =>
    button(title, definition, () => pick({ slug, mode }), { class: "btviz-chip", "data-bit": bit }),
  );
  function press() {
    for (const segment of modes) segment.ariaPressed = String(segment.dataset.mode === mode);
  }
  /** @param {Filters} filters */
  function draw(filters) {
    press();
    for (const [bit, { slug, title }] of categories.entries()) {
      const chosen = modeOf(filters, slug);
      chips[bit].ariaPressed = String(Boolean(chosen));
      chips[bit].dataset.mode = chosen?.[0] ?? "";
      chips[bit].replaceChildren(chosen ? `${chosen[2]}: ${title}` : title);
    }
  }
  return { modes, chips, draw };
}

/**
 * @param {Model} model
 * @param {Act} act
 */
export function filterTools(model, act) {
  let filters = EVERYTHING;
  /** @param {Partial<Filters>} change */
  const apply = (change) => {
    filters = { ...filters, ...change };
    act.send({ kind: "filter", filters });
    draw();
  };
  const controls = fields(model, apply);
  const categories = categoryButtons(model.get("categories"), {
    pick: (clicked) => apply(toggled(filters, clicked)),
  });
  const clear = button("Clear filter", "List the whole selection", () => apply(EVERYTHING), {
    class: "btviz-clear",
  });
  const summary = element("summary", {}, "Categories");
  const segments = { class: "btviz-segments", role: "group", "aria-label": "How categories combine" };

  function draw() {
    controls.draw(filters);
    categories.draw(filters);
    summary.replaceChildren(categoriesInWords(filters));
    clear.hidden = !isNarrowed(filters);
  }
  /** @param {Words | null} words */
  function update(words) {
    if (words) {
      filters = words.filters;
      controls.offer(words.tags);
    }
    controls.measure();
    draw();
  }

  const { search, safety, dispute, tag, votes } = controls;
  const row = element("div", { class: "btviz-row" }, search, safety, dispute, tag, clear);
  const panel = element(
    "details",
    { class: "btviz-categories" },
    summary,
    element("div", { class: "btviz-row" }, element("span", segments, ...categories.modes), votes),
    element("div", { class: "btviz-row" }, ...categories.chips),
  );
  return { node: element("div", { class: "btviz-tools" }, row, panel), update, focus: () => search.focus() };
}
