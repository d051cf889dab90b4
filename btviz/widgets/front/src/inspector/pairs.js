// The pair inspector. Texts live in a Map of this view, never in the model, which notebooks save.

/** @import { Act, Cleanup, Model, Note, PairCard, Part, View, Words } from "../types" */
/** @import { ListState } from "./paircard.js" */
import { button, copyText, element } from "../page/dom.js";
import { survive } from "../page/survive.js";
import { count } from "../page/words.js";
import { countsInWords } from "./captions.js";
import { desk } from "./desk.js";
import { filterTools } from "./filtertools.js";
import { pager } from "./pager.js";
import { pairCard } from "./paircard.js";
import { policyBar } from "./policy.js";
import { tagForm } from "./tags.js";
import { textBlock } from "./texts.js";

const HELP =
  "↑ ↓ pair · ← → page · r reveal · R reveal these · h hide all · s same prompt · t tag · / search";

/**
 * @param {Model} model
 * @param {Act} act
 * @returns {Part & { keep: (tags: string[]) => void }}
 */
function head(model, act) {
  const origin = element("h3", { class: "btviz-origin" });
  const counts = element("span", { class: "btviz-counts" });
  const copy = button("Copy expression", "", () =>
    copyText(model.get("view").expression, "Copied the Polars expression of this selection.", act.say),
  );
  const everything = button("Show all", "Drop the selection", () => act.send({ kind: "clear" }));
  const every = tagEvery(act.send);
  const id = element("input", {
    class: "btviz-open",
    placeholder: "Open by id",
    "aria-label": "Open a pair by its id",
    maxlength: 20,
    spellcheck: "false",
  });
  id.addEventListener("keydown", (event) => {
    if (event.key === "Enter") act.send({ kind: "open", pair: id.value });
  });
  function update() {
    const view = model.get("view");
    origin.replaceChildren(view.origin);
    counts.replaceChildren(countsInWords(view, view.item));
    copy.title = view.expression;
    everything.replaceChildren(`Show all ${view.item}s`);
    everything.hidden = view.chosen === view.all;
    every.update(view.listed);
  }
  const row = element("div", { class: "btviz-row" }, counts, copy, everything, every.opener, id);
  return {
    node: element("header", { class: "btviz-head" }, origin, row, every.node),
    update,
    keep: every.keep,
  };
}

/**
 * Tags every listed pair at once, and takes that back at once.
 *
 * @param {Act["send"]} send
 */
function tagEvery(send) {
  const node = element("div", { class: "btviz-every" });
  const undo = button("Undo tags", "Take the latest change of tags back", () => send({ kind: "undo_tags" }));
  undo.hidden = true;
  const close = () => node.replaceChildren();
  const open = () => {
    /** @param {any} message */
    const save = ({ tag, note }) => {
      send({ kind: "tag_all", tag, note });
      undo.hidden = false;
      close();
    };
    node.replaceChildren(tagForm("", { known: known, save, close }));
    node.querySelector("input")?.focus();
  };
  /** @type {string[]} */
  let known = [];
  const words = button("", "Tag every listed pair", open);
  return {
    node,
    opener: element("span", { class: "btviz-row" }, words, undo),
    /** @param {string[]} tags  to offer */
    keep: (tags) => {
      known = tags;
    },
    /** @param {number} listed */
    update(listed) {
      words.replaceChildren(`Tag all ${count(listed)}…`);
      words.disabled = !listed;
    },
  };
}

/**
 * The form in which one pair is tagged; it closes when Python has kept the tag.
 *
 * @param {{ send: Act["send"], draw: () => void, known: () => string[] }} act
 */
function tagging({ send, draw, known }) {
  /** @type {{ pair: string, node: HTMLFormElement, sent: boolean } | null} */
  let open = null;
  /** @param {object} message */
  function save(message) {
    if (open) open.sent = true;
    send(message);
  }
  function close() {
    open = null;
    draw();
  }
  return {
    open: () => open,
    /** @param {string} pair */
    tag(pair) {
      if (open?.pair !== pair) {
        open = { pair, node: tagForm(pair, { known: known(), save, close }), sent: false };
      }
      draw();
      open.node.querySelector("input")?.focus();
    },
    kept() {
      if (open?.sent) open = null;
    },
    refused() {
      if (open) open.sent = false;
    },
  };
}

/**
 * @param {View} view
 * @returns {Cleanup}
 */
function render(view) {
  const { model } = view;
  /** @type {{ tags: string[], notes: Note[] }} */
  let words = { tags: [], notes: [] };
  /** @type {() => PairCard[]} */
  const cards = () => model.get("cards");
  const pairs = () => cards().map((card) => card.pair);
  const { list, read, act, mount, onFocused } = desk(view, {
    label: "QA pairs",
    item: "a pair",
    pairs,
    draw: () => draw(),
  });
  const form = tagging({ send: act.send, draw: () => draw(), known: () => words.tags });
  const deeds = {
    ...act,
    revealPage: () => read.reveal(pairs()),
    /** @param {string} pair */
    toggle: (pair) => (read.texts.has(pair) ? read.hide([pair]) : read.reveal([pair])),
    tag: form.tag,
  };

  /** @param {PairCard[]} shown */
  function sharedPrompt(shown) {
    const known = shown.find((card) => read.texts.get(card.pair)?.[0].text != null) ?? shown[0];
    return element("div", { class: "btviz-shared" }, textBlock("prompt", read.texts.get(known.pair)));
  }

  function draw() {
    const { prompt, chosen, focus, ranked_by } = model.get("view");
    const shown = cards();
    /** @type {ListState} */
    const state = {
      texts: read.texts,
      notes: words.notes,
      form: form.open(),
      categories: model.get("categories"),
      inPrompt: prompt != null,
      rankedBy: ranked_by,
    };
    const why = chosen ? "No pair of this selection passes the filter." : "The selection holds no pairs.";
    list.node.classList.toggle("btviz-side", state.inPrompt);
    list.show(() => {
      if (!shown.length) return [element("p", { class: "btviz-empty" }, why)];
      const nodes = shown.map((card) => pairCard(card, state, deeds));
      return state.inPrompt ? [sharedPrompt(shown), ...nodes] : nodes;
    });
    list.cardOf(focus)?.classList.add("btviz-found");
  }

  function drawPage() {
    read.paged();
    list.cardOf(model.get("view").focus)?.focus();
  }

  /** @param {any} message */
  function receive(message) {
    if (read.receive(message)) return;
    if (message.kind === "words") {
      words = /** @type {Words} */ (message);
      form.kept();
      top.keep(words.tags);
      tools.update(message);
      draw();
    } else if (message.kind === "say") {
      form.refused();
      act.say(message.text);
    }
  }

  const top = head(model, act);
  const tools = filterTools(model, act);
  const policy = policyBar(model, act);
  const pages = pager(model, deeds, "Pairs");
  const update = () => {
    top.update();
    pages.update();
    tools.update(null);
  };
  const leave = () => model.get("view").prompt && act.send({ kind: "prompt", pair: null });
  const stop = mount({
    name: "Pair inspector",
    head: top,
    tools: tools.node,
    policy,
    pages,
    help: HELP,
    keys: {
      r: onFocused(deeds.toggle),
      R: deeds.revealPage,
      s: onFocused((pair) =>
        list
          .cardOf(pair)
          ?.querySelector(/** @type {"button"} */ (".btviz-same"))
          ?.click(),
      ),
      t: onFocused(deeds.tag),
      "/": tools.focus,
      Escape: leave,
    },
    listeners: {
      "change:view": update,
      "change:cards": drawPage,
      "change:policy_state": () => {
        policy.update();
        read.policyChanged();
      },
      "msg:custom": receive,
    },
  });
  update();
  policy.update();
  drawPage();
  act.send({ kind: "ready" });
  return stop;
}

export default { initialize: survive, render };
