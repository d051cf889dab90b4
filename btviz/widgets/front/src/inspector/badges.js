// What the labels of an answer say, in a word or two each.

/** @import { Act, Answer, Category, PairCard } from "../types" */
import { button, copyText, element } from "../page/dom.js";
import { plural, shortly } from "../page/words.js";

const MOST_DOTS = 6;

/**
 * @param {boolean} isSafe
 * @param {{ title: string, more?: string }} said
 */
export const safetyBadge = (isSafe, { title, more = "" }) =>
  element(
    "span",
    { class: `btviz-badge ${isSafe ? "btviz-safe" : "btviz-unsafe"}`, title },
    `${isSafe ? "Safe" : "Unsafe"}${more}`,
  );

/** @param {PairCard} card */
export function verdict({ safe, labelled, annotations, unsafe }) {
  if (safe == null) {
    return element("span", { class: "btviz-badge" }, labelled ? "Contradictory labels" : "No safety label");
  }
  const agreeing = safe ? annotations - unsafe : unsafe;
  const more = annotations > 1 ? ` ${agreeing} of ${annotations}` : "";
  return safetyBadge(safe, { title: "Majority of the annotations; a tie is unsafe", more });
}

/**
 * Votes as dots: "●●○" for two of three.
 *
 * @param {number | null} votes
 * @param {number} n  annotations
 */
export function dots(votes, n) {
  if (!votes || n < 2) return "";
  return n <= MOST_DOTS ? "●".repeat(votes) + "○".repeat(n - votes) : `${votes}/${n}`;
}

/**
 * @param {Category} category
 * @param {number | null} votes
 * @param {number} n
 */
export function votedChip(category, votes, n) {
  const counted = votes
    ? `Flagged by ${votes} of ${plural(n, "annotation")}.`
    : "As released with its comparisons.";
  const isMinor = votes && 2 * votes < n;
  const drawn = dots(votes, n);
  return element(
    "span",
    {
      class: isMinor ? "btviz-chip btviz-minor" : "btviz-chip",
      title: `${category.definition} ${counted}`,
      "aria-label": `${category.title}. ${counted}`,
    },
    category.title,
    drawn && element("span", { class: "btviz-dots", "aria-hidden": "true" }, drawn),
  );
}

/** @param {string | null} severity */
export const severityBadge = (severity) =>
  severity && element("span", { class: "btviz-badge" }, `Severity: ${severity}`);

/** @param {Answer["source"]} source */
export const sourceOf = (source) => source && element("span", { class: "btviz-quiet" }, source);

/**
 * What a card is ranked by: "similarity 0.83".
 *
 * @param {number | null} value
 * @param {string | null} name
 */
export const rankedBadge = (value, name) =>
  value != null && element("span", { class: "btviz-value" }, `${name} ${shortly(value)}`);

/**
 * @param {string} pair
 * @param {Act["say"]} say
 */
export function idButton(pair, say) {
  const copy = () => copyText(pair, `Copied ${pair}.`, say);
  return button(pair, "Id of this pair; click to copy", copy, { class: "btviz-id" });
}
