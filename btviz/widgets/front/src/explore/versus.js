// A comparison in the reading pane: a compact row, and both answers side by side below the list.

/** @import { Act, Comparison } from "../types" */
/** @import { Reading } from "../inspector/reading.js" */
import { comparisonCard, isSame, pairsOf } from "../inspector/comparisoncard.js";
import { element } from "../page/dom.js";

export const TITLES = ["better", "answers, as released in the comparison", "words"];

/** @param {Comparison} card */
function sides({ answers, better, safer }) {
  return answers
    .map(({ safe }, side) => {
      const verdict = safe == null ? "◌ unknown" : safe ? "○ safe" : "● unsafe";
      const won = [better === side && "better", safer === side && "safer"].filter(Boolean).join(", ");
      return won ? `${verdict} (${won})` : verdict;
    })
    .join("  |  ");
}

/**
 * What stands in the columns of a row.
 *
 * @param {Comparison} card
 */
export function cellsOf(card) {
  const same = isSame(card);
  const words = same == null ? "? safer" : same ? "= safer" : "≠ safer";
  const said =
    same == null
      ? "A label is missing"
      : `The better answer is ${same ? "the safer one" : "not the safer one"}`;
  const lengths = card.answers.map((answer) => answer.words ?? "–").join("|");
  return [
    element("span", { class: "btvx-verdict", title: said }, words),
    element("span", { class: "btvx-names" }, sides(card)),
    element("span", { class: "btvx-words" }, lengths),
  ];
}

/**
 * @param {Comparison} card
 * @param {Pick<Act, "say"> & { read: Reading, categories: any[] }} act
 */
export function versus(card, { read, categories, say }) {
  const state = { texts: read.texts, opened: new Set([card.row]), categories };
  return comparisonCard(card, state, { say, toggle: () => turnOver(card, read) });
}

/**
 * Show the texts of a comparison, or hide them.
 *
 * @param {Comparison} card
 * @param {Reading} read
 */
export function turnOver(card, read) {
  const pairs = [...new Set(pairsOf(card))];
  if (pairs.some((pair) => read.texts.has(pair))) read.hide(pairs);
  else read.reveal(pairs);
}
