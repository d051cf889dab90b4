// What stands above and below the map: what it shows, searches, colours, scale.

/** @import { Act, Model, Part } from "../types" */
import { button, copyText, element } from "../page/dom.js";
import { percent, plural } from "../page/words.js";
import { dot } from "./labels.js";

const UNSELECTED = "#dedede"; // as in mapview.py
const WITHOUT_TEXTS =
  "Save the pairs listed as a table; texts go along only where the content policy shows them without asking";

/** @typedef {[name: string, title: string, group: string, whyNot: string | null]} Colouring */

/**
 * @param {Model} model
 * @param {Act} act
 * @returns {Part}
 */
export function colouringList(model, act) {
  /** @type {HTMLSelectElement} */
  const list = element("select", {
    "aria-label": "Colour",
    title: "What the colour of a point stands for",
    class: "btviz-colour",
    on: { change: () => act.send({ kind: "color", name: list.value }) },
  });
  /** @param {Colouring} colouring */
  const option = ([name, title, , whyNot]) =>
    element("option", { value: name, disabled: Boolean(whyNot) }, whyNot ? `${title}: ${whyNot}` : title);
  /** @type {Colouring[]} */
  const all = model.get("state").colorings;
  for (const group of new Set(all.map(([, , name]) => name))) {
    const options = all.filter(([, , name]) => name === group).map(option);
    if (group) list.append(element("optgroup", { label: group }, ...options));
    else list.append(...options);
  }
  const update = () => {
    list.value = model.get("state").color;
  };
  return { node: element("label", {}, "Colour", list), update };
}

/**
 * Scales from coarse to fine, each by its resolution.
 *
 * @param {Model} model
 * @param {Act} act
 * @returns {Part}
 */
export function scaleSlider(model, act) {
  /** @type {() => [scale: number, n: number][]} */
  const scales = () => model.get("state").scales;
  const words = element("span", { class: "btviz-quiet btviz-scale" });
  const say = () => {
    const [number, n] = scales()[Number(slider.value)] ?? [];
    const { scale, outliers, item } = model.get("state");
    const loose = number === scale && outliers != null ? `, ${percent(outliers)} of ${item}s in none` : "";
    words.replaceChildren(`${plural(n ?? 0, "topic")} at scale ${number}${loose}`);
  };
  /** @type {HTMLInputElement} */
  const slider = element("input", {
    type: "range",
    min: 0,
    max: scales().length - 1,
    step: 1,
    "aria-label": "Scale of topics",
    title: "Fewer and larger topics to the left, more and smaller ones to the right",
    on: {
      input: say,
      change: () => act.send({ kind: "scale", scale: scales()[Number(slider.value)][0] }),
    },
  });
  const update = () => {
    const now = model.get("state").scale;
    slider.value = String(scales().findIndex(([scale]) => scale === now));
    say();
  };
  return { node: element("label", {}, "Topics", slider, words), update };
}

/**
 * @param {Model} model
 * @param {Act} act
 * @returns {Part & { focus: () => void }}
 */
export function searches(model, act) {
  const field = element("input", {
    type: "search",
    class: "btviz-search",
    placeholder: "Search",
    "aria-label": "Search the texts",
    dir: "auto",
    spellcheck: "false",
  });
  /** @param {"words" | "meaning"} kind */
  const ask = (kind) => () => {
    if (field.value.trim()) act.send({ kind, text: field.value });
    else field.focus();
  };
  const askWords = ask("words");
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") askWords();
  });
  const known = model.get("state").meaning;
  const why = known ? "" : "Needs the embeddings: pass embeddings= to TopicExplorer";
  const like = button(
    "More like these",
    why || "Texts nearest in meaning to those selected",
    () => act.send({ kind: "like" }),
    { class: "btviz-like" },
  );
  const node = element(
    "span",
    { class: "btviz-row", role: "search" },
    field,
    button("Words", "Texts that contain these words. Key: Enter", askWords),
    button("Meaning", why || "Texts nearest in meaning to these words", ask("meaning"), { disabled: !known }),
    like,
  );
  const update = () => {
    like.disabled = !known || !model.get("state").chosen;
  };
  return { node, update, focus: () => field.focus() };
}

/**
 * @param {Model} model
 * @param {Act} act
 * @returns {Part}
 */
export function chosenLine(model, act) {
  const origin = element("strong", { class: "btviz-chosen" });
  const copy = button("Copy expression", "", () =>
    copyText(model.get("state").expression, "Copied the Polars expression of this selection.", act.say),
  );
  const save = button("Export", WITHOUT_TEXTS, () => act.send({ kind: "export" }), { class: "btviz-export" });
  const clear = button("Clear", "Drop the selection. Key: Escape", () => act.send({ kind: "clear" }), {
    class: "btviz-drop",
  });
  const update = () => {
    const { origin: words, chosen, expression } = model.get("state");
    origin.replaceChildren(
      chosen == null ? "Nothing selected: lasso points, click a topic, or search." : words,
    );
    copy.title = expression;
    copy.hidden = chosen == null;
    clear.hidden = chosen == null;
  };
  const attributes = { class: "btviz-row btviz-chosen-line", role: "status" };
  return { node: element("div", attributes, origin, copy, save, clear), update };
}

/**
 * @param {Model} model
 * @returns {Part}
 */
export function legendOf(model) {
  const node = element("div", { class: "btviz-legend" });
  /** @param {string[]} entry */
  const entry = ([colour, words]) => element("span", {}, dot(colour), words);
  const update = () => {
    const { legend, legend_title: title, chosen } = model.get("state");
    const rest = chosen == null ? [] : [entry([UNSELECTED, "not selected"])];
    node.replaceChildren(element("strong", {}, title), ...legend.map(entry), ...rest);
  };
  return { node, update };
}
