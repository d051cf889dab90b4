// The preference inspector. Texts live in a Map of this view, never in the model, which notebooks save.

/** @import { Act, Cleanup, Comparison, Model, Part, View } from "../types" */
import { button, element, select } from "../page/dom.js";
import { survive } from "../page/survive.js";
import { countsInWords, whyEmpty } from "./captions.js";
import { comparisonCard, pairsOf } from "./comparisoncard.js";
import { desk } from "./desk.js";
import { pager } from "./pager.js";
import { policyBar } from "./policy.js";
import "./preferences.css";

const AGREEMENT = [
  ["all", "All comparisons"],
  ["same", "Better is the safer one"],
  ["other", "Better is not the safer one"],
  ["unknown", "A label is missing"],
];
const HELP = "↑ ↓ comparison · ← → page · r reveal · R reveal these · h hide all";

/**
 * @param {Model} model
 * @param {Act & { mark: (on: boolean) => void }} act
 * @returns {Part}
 */
function head(model, act) {
  const origin = element("h3", { class: "btviz-origin" });
  const counts = element("span", { class: "btviz-counts" });
  const kind = select("Whether the better answer is the safer one", AGREEMENT, (agreement) =>
    act.send({ kind: "agreement", agreement }),
  );
  /** @type {HTMLInputElement} */
  const marks = element("input", {
    type: "checkbox",
    checked: true,
    on: { change: () => act.mark(marks.checked) },
  });
  const everything = button("Show all comparisons", "Drop the selection", () => act.send({ kind: "clear" }));
  function update() {
    const view = model.get("view");
    origin.replaceChildren(view.origin);
    counts.replaceChildren(countsInWords(view, "comparison"));
    kind.value = view.agreement;
    everything.hidden = view.chosen === view.all;
  }
  const title = "Mark the words of either answer that the other does not have in that place";
  const label = element("label", { title }, marks, "Mark differences");
  const row = element("div", { class: "btviz-row" }, counts, kind, label, everything);
  return { node: element("header", { class: "btviz-head" }, origin, row), update };
}

/**
 * @param {View} view
 * @returns {Cleanup}
 */
function render(view) {
  const { model } = view;
  /** @type {Set<number>} */
  const opened = new Set(); // rows: two of them may share an answer
  /** @type {() => Comparison[]} */
  const cards = () => model.get("cards");
  const { list, read, act, mount, onFocused } = desk(view, {
    label: "Comparisons",
    item: "a comparison",
    pairs: () => [...new Set(cards().flatMap(pairsOf))],
    draw: () => draw(),
    cleared: () => opened.clear(),
  });

  /** @param {Comparison[]} wanted */
  function open(wanted) {
    for (const card of wanted) opened.add(card.row);
    read.reveal([...new Set(wanted.flatMap(pairsOf))]);
    draw();
  }
  /** @param {Comparison} card */
  function close(card) {
    opened.delete(card.row);
    const others = cards().filter((one) => opened.has(one.row));
    const needed = new Set(others.flatMap(pairsOf));
    read.hide(pairsOf(card).filter((pair) => !needed.has(pair)));
  }
  function openAllowed() {
    if (model.get("policy_state").reveal_all) for (const card of cards()) opened.add(card.row);
  }
  const deeds = {
    ...act,
    revealPage: () => open(cards()),
    /** @param {Comparison} card */
    toggle: (card) => (opened.has(card.row) ? close(card) : open([card])),
    /** @param {boolean} on */
    mark: (on) => list.node.classList.toggle("btviz-plain", !on),
  };

  function draw() {
    const state = { texts: read.texts, opened, categories: model.get("categories") };
    list.show(() => {
      const shown = cards().map((card) => comparisonCard(card, state, deeds));
      return shown.length ? shown : [element("p", { class: "btviz-empty" }, whyEmpty(model.get("view")))];
    });
  }
  function drawPage() {
    const rows = new Set(cards().map((card) => card.row));
    for (const row of opened) if (!rows.has(row)) opened.delete(row);
    openAllowed();
    read.paged();
  }

  const top = head(model, deeds);
  const policy = policyBar(model, act);
  const pages = pager(model, deeds, "Comparisons");
  const update = () => {
    top.update();
    pages.update();
  };
  const stop = mount({
    name: "Preference inspector",
    head: top,
    policy,
    pages,
    help: HELP,
    keys: {
      r: onFocused((row) => {
        const card = cards().find((one) => String(one.row) === row);
        if (card) deeds.toggle(card);
      }),
      R: deeds.revealPage,
    },
    listeners: {
      "change:view": update,
      "change:cards": drawPage,
      "change:policy_state": () => {
        policy.update();
        openAllowed();
        read.policyChanged();
      },
      "msg:custom": (message) => {
        if (!read.receive(message) && message.kind === "say") act.say(message.text);
      },
    },
  });
  update();
  policy.update();
  drawPage();
  return stop;
}

export default { initialize: survive, render };
