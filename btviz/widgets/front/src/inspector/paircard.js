// One QA pair: verdict, categories with their votes, the two texts (or what stands for them), actions.

/** @import { Act, Category, Note, PairCard, Text } from "../types" */
import { button, element } from "../page/dom.js";
import { idButton, rankedBadge, severityBadge, sourceOf, verdict, votedChip } from "./badges.js";
import { tagTokens } from "./tags.js";
import { hidden, sized, textBlock } from "./texts.js";

/**
 * @typedef {object} ListState
 * @property {Map<string, Text[]>} texts
 * @property {Note[]} notes
 * @property {{ pair: string, node: HTMLElement } | null} form  open for the pair that is being tagged
 * @property {Category[]} categories
 * @property {boolean} inPrompt  whether all answers to one prompt are listed
 * @property {string | null} rankedBy  name of each card's value
 */

/**
 * @param {PairCard} card
 * @param {{ categories: Category[], rankedBy: string | null }} state
 * @param {Act["say"]} say
 */
function head(card, { categories, rankedBy }, say) {
  const title = "The annotations disagree on safe or unsafe";
  return element(
    "div",
    { class: "btviz-row" },
    rankedBadge(card.value, rankedBy),
    verdict(card),
    card.disputed && element("span", { class: "btviz-badge btviz-disputed", title }, "Disputed"),
    severityBadge(card.severity),
    ...card.votes.map(([bit, votes]) => votedChip(categories[bit], votes, card.annotations)),
    sourceOf(card.source),
    idButton(card.pair, say),
  );
}

/**
 * @param {PairCard} card
 * @param {Act["send"]} send
 */
function samePromptButton({ pair, answers }, send) {
  const words = answers > 1 ? `Same prompt: ${answers} answers` : "Only answer to its prompt";
  const look = () => send({ kind: "prompt", pair });
  return button(words, "Key: s", look, { class: "btviz-same", disabled: answers < 2 });
}

/**
 * @param {PairCard} card
 * @param {ListState} state
 * @param {Act & { toggle: (pair: string) => void, tag: (pair: string) => void }} act
 */
export function pairCard(card, state, act) {
  const shown = state.texts.get(card.pair);
  const parts = card.alone ? ["prompt"] : state.inPrompt ? ["response"] : ["prompt", "response"];
  const noun = card.alone ? "prompt" : "pair";
  const sizes = parts.map((part) => sized(part, card.words[part === "prompt" ? 0 : 1]));
  return element(
    "article",
    {
      class: "btviz-card",
      tabindex: 0,
      role: "listitem",
      "data-item": card.pair,
      "data-pair": card.pair,
      "aria-label": `${card.alone ? "Prompt" : "Pair"} ${card.pair}`,
    },
    head(card, state, act.say),
    ...(shown ? parts.map((part) => textBlock(part, shown)) : []),
    element(
      "div",
      { class: "btviz-row btviz-actions" },
      !shown && hidden(`Hidden: ${sizes.join(", ")}`),
      button(shown ? "Hide" : "Reveal", "Key: r", () => act.toggle(card.pair), { class: "btviz-reveal" }),
      !state.inPrompt && !card.alone && samePromptButton(card, act.send),
      button("Tag…", `Tag this ${noun} and note on it. Key: t`, () => act.tag(card.pair)),
      ...tagTokens(card.pair, state.notes, act.send),
    ),
    state.form?.pair === card.pair && state.form.node,
  );
}
