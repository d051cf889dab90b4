// The review queue: one pair at a time, said of it what a key stands for, and a break after so many texts.

/** @import { Act, Category, Cleanup, PairCard, Part, ReviewState, View } from "../types" */
import { idButton, severityBadge, sourceOf, verdict, votedChip } from "../inspector/badges.js";
import { policyBar } from "../inspector/policy.js";
import { reading } from "../inspector/reading.js";
import { hidden, sized, textBlock } from "../inspector/texts.js";
import { button, element, isTyping, listen, pressed } from "../page/dom.js";
import { speaker } from "../page/speaker.js";
import { survive } from "../page/survive.js";
import { noteForm, relabelForm } from "./forms.js";
import { breakNotice, progress } from "./progress.js";
import "../inspector/inspector.css";
import "./review.css";

const HELP = [
  "c confirm · l relabel · u unsure · s skip · n note · r reveal · w covered words",
  "z undo · x what changes · ← → pair · h hide all",
].join(" · ");

const COVER = "▇"; // what stands for a letter of a covered word

const SAID = /** @type {Record<string, string>} */ ({
  confirmed: "You confirmed it",
  relabelled: "You relabelled it",
  unsure: "You were unsure",
  skipped: "You skipped it",
});

/**
 * @param {PairCard} card
 * @param {{ categories: Category[], state: ReviewState, title: string | null, texts: any, act: Act }} shown
 */
function reviewCard(card, { categories, state, title, texts, act }) {
  const parts = card.alone ? ["prompt"] : ["prompt", "response"];
  const sizes = parts.map((part) => sized(part, card.words[part === "prompt" ? 0 : 1]));
  const came = texts.get(card.pair);
  const noun = card.alone ? "Prompt" : "Pair";
  return element(
    "article",
    { class: "btviz-card", "data-pair": card.pair, "aria-label": `${noun} ${card.pair}` },
    title && element("span", { class: "btviz-label" }, title),
    element(
      "div",
      { class: "btviz-row" },
      verdict(card),
      severityBadge(card.severity),
      ...card.votes.map(([bit, votes]) => votedChip(categories[bit], votes, card.annotations)),
      sourceOf(card.source),
      idButton(card.pair, act.say),
    ),
    state.verdict === "relabelled" && ownLabels(state, categories),
    ...(came ? parts.map((part) => textBlock(part, came)) : [hidden(`Hidden: ${sizes.join(", ")}`)]),
  );
}

/**
 * @param {ReviewState} state
 * @param {Category[]} categories
 */
function ownLabels({ safe, labels }, categories) {
  const titles = categories.filter(({ slug }) => labels.includes(slug)).map(({ title }) => title);
  const said = safe == null ? "no safety" : safe ? "safe" : "unsafe";
  return element(
    "div",
    { class: "btviz-own" },
    `Yours: ${said}; ${titles.length ? titles.join(", ") : "no category"}`,
  );
}

/**
 * Forms are made when they are opened, and moved along when the card is drawn anew.
 *
 * @param {Act["send"]} send
 * @param {() => void} draw
 * @param {() => ReviewState} state
 * @param {() => Category[]} categories
 */
function forms(send, draw, state, categories) {
  /** @type {{ node: HTMLFormElement, place: number, sent: boolean } | null} */
  let open = null;
  function close() {
    open = null;
    draw();
  }
  /** @param {(act: { save: (message: object) => void, close: () => void }) => HTMLFormElement} make */
  function show(make) {
    const save = (/** @type {object} */ message) => {
      if (open) open.sent = true;
      send(message);
    };
    open = { node: make({ save, close }), place: state().place, sent: false };
    draw();
    /** @type {HTMLElement | null} */ (open.node.querySelector("input, select"))?.focus();
  }
  return {
    /** The form that is open, unless another pair has come. */
    node() {
      if (open && open.place !== state().place) open = null;
      return open?.node ?? null;
    },
    close,
    relabel: () => show((act) => relabelForm(state(), categories(), act)),
    note: () => show((act) => noteForm(act)),
    /** What was sent was taken, or refused: then it stays open. */
    answered: (/** @type {boolean} */ taken) => {
      if (open?.sent && taken) open = null;
      if (open) open.sent = false;
    },
  };
}

/**
 * A button with its key on it.
 *
 * @param {string} key
 * @param {string} words
 * @param {string} title
 * @param {() => unknown} deed
 */
function keyed(key, words, title, deed) {
  const made = button(words, `${title}. Key: ${key}`, deed, { "data-key": key });
  made.append(element("kbd", { class: "btviz-key", "aria-hidden": "true" }, key));
  return made;
}

/**
 * @param {Record<string, () => unknown>} keys
 * @param {ReviewState} state
 * @param {{ isShown: boolean, isCovered: boolean }} texts
 */
function actions(keys, state, { isShown, isCovered }) {
  return element(
    "div",
    { class: "btviz-row btviz-actions" },
    keyed("c", "Confirm", "The labels are right", keys.c),
    keyed("l", "Relabel…", "Say what is right", keys.l),
    keyed("u", "Unsure", "It cannot be told", keys.u),
    keyed("s", "Skip", "Not looked at, or not to be", keys.s),
    keyed("n", "Note…", "Keep a note on this pair", keys.n),
    element("span", { class: "btviz-gap" }),
    keyed("r", isShown ? "Hide" : "Reveal", isShown ? "Hide the texts" : "Read the texts", keys.r),
    isCovered && keyed("w", "Covered words", "Show words that mark guarded categories", keys.w),
    keyed("z", "Undo", "Take your latest step back", keys.z),
    keyed("x", "What changes", "Compare the data before and after your corrections, and others'", keys.x),
    button("‹", "The pair before. Key: ←", keys.ArrowLeft, { disabled: state.place === 1 }),
    button("›", "The next pair. Key: →", keys.ArrowRight, { disabled: state.place === state.n }),
  );
}

/**
 * @param {View} view
 * @returns {Cleanup}
 */
function render({ model, el }) {
  /** @type {() => ReviewState} */
  const state = () => model.get("state");
  /** @type {() => PairCard[]} */
  const cards = () => model.get("cards");
  const pairs = () => cards().map(({ pair }) => pair);
  const status = element("div", { class: "btviz-status", role: "status" });
  /** @param {string} words */
  const say = (words) => status.replaceChildren(words);
  const speak = speaker(model, say);
  /** @param {object} message */
  const send = (message) => {
    say("");
    speak.send(message);
  };
  const act = { send, say };
  const read = reading(model, { send: speak.send, shown: pairs, draw: () => draw() });
  const form = forms(
    send,
    () => draw(),
    state,
    () => model.get("categories"),
  );
  const isShown = () => pairs().some((pair) => read.texts.has(pair));
  const isCovered = () =>
    pairs().some((pair) => read.texts.get(pair)?.some(({ text }) => text?.includes(COVER)));
  const hideAll = () => {
    read.hideAll();
    send({ kind: "hide" });
  };

  /** @type {Record<string, () => unknown>} */
  const keys = {
    c: () => send({ kind: "confirm" }),
    l: form.relabel,
    u: () => send({ kind: "unsure" }),
    s: () => send({ kind: "skip" }),
    n: form.note,
    r: () => (isShown() ? read.hide(pairs()) : read.reveal(pairs())),
    w: () => (isCovered() ? send({ kind: "words", pairs: pairs() }) : say("No word on view is covered.")),
    z: () => send({ kind: "undo" }),
    x: () => send({ kind: "effects" }),
    h: hideAll,
    ArrowLeft: () => send({ kind: "go", by: -1 }),
    ArrowRight: () => send({ kind: "go", by: 1 }),
  };
  /** @param {KeyboardEvent} event */
  function keydown(event) {
    if (event.key === "Escape" && form.node()) {
      event.stopPropagation();
      form.close();
      section.focus();
    } else if (!isTyping(event) && !form.node()) pressed(event, keys);
  }

  const head = progress();
  const body = element("div", { class: "btviz-review" });
  const effects = element("div", { class: "btviz-effects", "aria-live": "polite" });
  const policy = policyBar(model, { ...act, hide: hideAll });
  const section = element(
    "section",
    {
      class: "btviz-inspector",
      tabindex: -1,
      "aria-label": "Review queue",
      "data-lm-suppress-shortcuts": "true",
      on: { keydown },
    },
    head.node,
    status,
    body,
    effects,
    policy.node,
    element("p", { class: "btviz-quiet btviz-keys" }, `Keys: ${HELP}`),
  );
  el.append(section);

  function draw() {
    const now = state();
    const [card, other] = cards();
    const { activeElement } = document;
    const hadFocus = section.contains(activeElement);
    head.update(now);
    const shown = { categories: model.get("categories"), state: now, texts: read.texts, act };
    const about = [now.verdict && SAID[now.verdict], now.reason && `In the queue because ${now.reason}`];
    body.replaceChildren(
      ...(now.rests ? [breakNotice(now, () => send({ kind: "resume" }))] : []),
      reviewCard(card, { ...shown, title: other ? "First answer" : null }),
      ...(other ? [reviewCard(other, { ...shown, title: "Second answer" })] : []),
      element("div", { class: "btviz-quiet btviz-about" }, about.filter(Boolean).join(" · ")),
      form.node() ?? actions(keys, now, { isShown: isShown(), isCovered: isCovered() }),
    );
    if (!hadFocus || section.contains(document.activeElement)) return;
    const kept = activeElement?.isConnected ? /** @type {HTMLElement} */ (activeElement) : section;
    kept.focus({ preventScroll: true });
  }

  /** @param {any} message */
  function receive(message) {
    if (read.receive(message)) return;
    if (message.kind === "effects") {
      say("");
      const close = button("Close", "Close what changes", () => effects.replaceChildren());
      effects.replaceChildren(
        element("strong", {}, "What the corrections so far change"),
        message.text,
        close,
      );
    } else if (message.kind === "say") {
      form.answered(message.text.startsWith("Noted"));
      draw();
      say(message.text);
    }
  }

  const stop = listen(model, {
    "change:state": () => {
      form.answered(true);
      read.paged();
    },
    "change:policy_state": () => {
      policy.update();
      read.policyChanged();
    },
    "msg:custom": receive,
  });
  policy.update();
  draw();
  send({ kind: "ready" });
  return () => {
    speak.stop();
    stop();
  };
}

export default { initialize: survive, render };
