// The reading pane: compact rows, and the detail of the one in focus, whose texts are hidden until asked for.

import { idButton, severityBadge, verdict, votedChip } from "../inspector/badges.js";
/** @import { Act, Note } from "../types" */
/** @import { Reading } from "../inspector/reading.js" */
import { pairsOf } from "../inspector/comparisoncard.js";
import { tagForm, tagTokens } from "../inspector/tags.js";
import { sized, textBlock } from "../inspector/texts.js";
import { button, element, select, setChoices } from "../page/dom.js";
import { count } from "../page/words.js";
import { number } from "./svg.js";
import { cellsOf, TITLES, turnOver, versus } from "./versus.js";

/**
 * @param {import("../types").Model} model
 * @param {Act & { read: () => Reading }} act
 */
export function readingPane(model, { send, say, read }) {
  /** @type {any} */
  let list = { cards: [], orders: [], offset: 0, listed: 0, size: 25, what: "pairs", lists: [], near: false };
  /** @type {{ tags: string[], notes: Note[] }} */
  let notes = { tags: [], notes: [] };
  /** @type {string[]} */
  let sought = [];
  /** @type {string | null} */
  let focus = null;
  /** @type {HTMLFormElement | null} */
  let form = null;

  const what = select("What is listed", [], (name) => send({ kind: "list", what: name }));
  const sort = select("Sort", [], (by) => send({ kind: "sort", by }));
  const where = element("span", { class: "btvx-number", "aria-live": "polite" });
  const back = button("‹", "Previous page. Key: ←", () => turn(-1), { "aria-label": "Previous page" });
  const on = button("›", "Next page. Key: →", () => turn(1), { "aria-label": "Next page" });
  const rows = element("div", {
    class: "btvx-rows",
    role: "listbox",
    "aria-label": "Selected pairs",
    tabindex: 0,
  });
  const columns = element("div", { class: "btvx-row btvx-columns-of-rows", "aria-hidden": "true" });
  const detail = element("div", { class: "btvx-detail", "aria-live": "polite" });
  const head = element(
    "div",
    { class: "btvx-line btvx-reading-head" },
    what,
    sort,
    element("span", { class: "btvx-space" }),
    back,
    where,
    on,
  );
  const node = element(
    "section",
    { class: "btvx-reading", "aria-label": "Reading" },
    head,
    element("div", { class: "btvx-list" }, columns, rows),
    detail,
  );

  /** @param {1 | -1} direction */
  function turn(direction) {
    const offset = list.offset + direction * list.size;
    if (offset >= 0 && offset < list.listed) send({ kind: "turn", offset });
  }
  const compares = () => list.what === "comparisons";
  const keyOf = (/** @type {any} */ one) => (compares() ? `${one.row}` : one.pair);
  const keys = () => list.cards.map(keyOf);
  /** @returns {string[]} */
  const pairs = () => (compares() ? [...new Set(list.cards.flatMap(pairsOf))] : keys());
  const card = () => list.cards.find((/** @type {any} */ one) => keyOf(one) === focus);
  const pairInFocus = () => (compares() ? card()?.answers[0].pair : focus);

  /** @param {string} pair */
  function go(pair) {
    if (focus !== pair) form = null;
    focus = pair;
    draw();
    rows.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  }

  /** @param {1 | -1} direction */
  function move(direction) {
    const all = keys();
    const at = all.indexOf(focus);
    if (all.length) go(all[Math.min(Math.max(at + direction, 0), all.length - 1)]);
  }

  /** @param {any} one */
  function row(one) {
    const key = keyOf(one);
    const known = compares() ? cellsOf(one) : cells(one);
    return element(
      "div",
      {
        class: `btvx-row${one.disputed ? " btvx-disputed" : ""}`,
        role: "option",
        id: `btvx-${key}`,
        "aria-selected": String(key === focus),
        title: one.disputed ? "The annotations disagree on safe or unsafe" : null,
        on: { click: () => go(key) },
      },
      ...known,
    );
  }

  /** @param {any} one */
  function cells(one) {
    const categories = model.get("categories");
    const own = one.votes.filter((/** @type {any} */ [, votes]) => !votes || 2 * votes >= one.annotations);
    const names = own.map((/** @type {any} */ [bit]) => categories[bit].title).join(", ");
    const kind = one.safe == null ? "unknown" : one.safe ? "safe" : "unsafe";
    const said = { unsafe: "● unsafe", safe: "○ safe", unknown: "◌ no majority" }[kind];
    const votes =
      one.annotations > 1 ? `${one.safe ? one.annotations - one.unsafe : one.unsafe}/${one.annotations}` : "";
    return [
      element("span", { class: `btvx-verdict btvx-${kind}` }, said),
      element("span", { class: "btvx-votes" }, votes),
      element("span", { class: "btvx-names" }, names || "—"),
      element("span", { class: "btvx-number" }, one.value == null ? "" : number(one.value)),
      element("span", { class: "btvx-words" }, one.words[1] == null ? "" : `${count(one.words[1])} w`),
    ];
  }

  /** @param {string} pair */
  function toggle(pair) {
    if (compares()) turnOver(card(), read());
    else if (read().texts.has(pair)) read().hide([pair]);
    else read().reveal([pair]);
  }

  function tag() {
    if (!focus) return say("Go to a pair first: press ↓, or click it.");
    if (compares()) return say("Pairs are tagged, not comparisons. List pairs first.");
    form = tagForm(focus, {
      known: notes.tags,
      save: send,
      close: () => {
        form = null;
        draw();
      },
    });
    draw();
    form.querySelector("input")?.focus();
  }

  /** @param {any} one */
  function details(one) {
    const categories = model.get("categories");
    const shown = read().texts.get(one.pair);
    const parts = one.alone ? ["prompt"] : ["prompt", "response"];
    const sizes = parts.map((part) => sized(part, one.words[part === "prompt" ? 0 : 1]));
    const scores = one.scores
      .filter((/** @type {any} */ [, value]) => value != null)
      .map((/** @type {any} */ [name, value]) => `${name} ${number(value)}`);
    const facts = [one.topic, one.source, ...scores].filter(Boolean).join(" · ");
    return [
      element(
        "div",
        { class: "btvx-badges" },
        verdict(one),
        one.disputed && element("span", { class: "btviz-badge btviz-disputed" }, "Disputed"),
        severityBadge(one.severity),
        ...one.votes.map((/** @type {any} */ [bit, votes]) =>
          votedChip(categories[bit], votes, one.annotations),
        ),
        idButton(one.pair, say),
      ),
      facts && element("p", { class: "btvx-quiet" }, facts),
      ...(shown
        ? parts.map((part) => marked(textBlock(part, shown), sought))
        : [element("p", { class: "btviz-hidden" }, `Hidden: ${sizes.join(", ")}`)]),
      element(
        "div",
        { class: "btvx-line" },
        button(shown ? "Hide" : "Reveal", "Key: r", () => toggle(one.pair), { class: "btviz-reveal" }),
        one.answers > 1 &&
          button(`Same prompt: ${one.answers}`, "Choose all answers to this prompt. Key: s", () =>
            send({ kind: "prompt", pair: one.pair }),
          ),
        list.near &&
          button("Neighbours", "Choose the pairs nearest in meaning to this one. Key: n", () =>
            send({ kind: "near", pair: one.pair }),
          ),
        button("Tag…", "Tag this pair, and note on it. Key: t", tag),
        ...tagTokens(one.pair, notes.notes, send),
      ),
      form,
    ].filter((part) => part instanceof Node);
  }

  function draw() {
    if (!card()) focus = keys()[0] ?? null;
    const last = Math.min(list.offset + list.size, list.listed);
    where.replaceChildren(
      list.listed ? `${count(list.offset + 1)}–${count(last)} of ${count(list.listed)}` : "none",
    );
    back.disabled = list.offset === 0;
    on.disabled = list.offset + list.size >= list.listed;
    const titles = compares()
      ? TITLES
      : ["safety", "votes", "categories by majority", list.value_of ?? "", "answer"];
    node.classList.toggle("btvx-compares", compares());
    columns.replaceChildren(...titles.map((words) => element("span", { title: words }, words)));
    rows.replaceChildren(...list.cards.map(row));
    rows.setAttribute("aria-activedescendant", focus ? `btvx-${focus}` : "");
    const now = card();
    const nothing = compares()
      ? "No comparison of this kind has a selected answer."
      : "No pair is selected. Take a clause away above, or undo.";
    const shown =
      now && compares() ? [versus(now, { read: read(), categories: model.get("categories"), say })] : null;
    detail.replaceChildren(
      ...(shown ?? (now ? details(now) : [element("p", { class: "btvx-empty" }, nothing)])),
    );
  }

  return {
    node,
    pairs,
    draw,
    turn,
    move,
    tag,
    onFocus: (/** @type {(pair: string) => void} */ action) => () => focus && action(focus),
    toggle,
    samePrompt: () => send({ kind: "prompt", pair: pairInFocus() }),
    neighbours: () => list.near && send({ kind: "near", pair: pairInFocus() }),
    /** @param {any} message */
    update(message) {
      list = message;
      if (message.focus) focus = message.focus;
      what.hidden = message.lists.length < 2;
      setChoices(
        what,
        message.lists.map((/** @type {string} */ name) => [name, name]),
      );
      what.value = message.what;
      setChoices(sort, message.orders);
      sort.value = message.sort;
      rows.scrollTop = 0;
      read().paged();
    },
    /** @param {string[]} words */
    seek(words) {
      sought = words;
    },
    /** @param {any} message */
    noted(message) {
      notes = message;
      form = null;
      draw();
    },
  };
}

/**
 * Mark in a text that is shown what was searched for; the text stays text.
 *
 * @param {HTMLElement} block
 * @param {string[]} sought
 */
function marked(block, sought) {
  for (const node of block.querySelectorAll(".btviz-words")) {
    for (const words of sought) {
      for (const part of [...node.childNodes]) {
        if (part instanceof Text) part.replaceWith(...pieces(part.data, words));
      }
    }
  }
  return block;
}

/**
 * A text cut at what is searched for, upper or lower case.
 *
 * @param {string} text
 * @param {string} words
 */
function pieces(text, words) {
  /** @type {Node[]} */
  const found = [];
  const lower = text.toLowerCase();
  const wanted = words.toLowerCase();
  let from = 0;
  for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, from)) {
    found.push(document.createTextNode(text.slice(from, at)));
    found.push(element("mark", {}, text.slice(at, at + wanted.length)));
    from = at + wanted.length;
  }
  found.push(document.createTextNode(text.slice(from)));
  return found;
}
