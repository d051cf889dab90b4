// What is said of a list: how much it holds, what is on view, and why it is empty.

import { count, plural } from "../page/words.js";

/**
 * How many are listed, of how many.
 *
 * @param {{ name: string, all: number, chosen: number, listed: number, elsewhere?: number }} view
 * @param {string} noun  in the singular
 */
export function countsInWords({ name, all, chosen, listed, elsewhere }, noun) {
  const whole = plural(chosen, noun);
  const narrowed = listed === chosen ? whole : `${count(listed)} of ${whole} pass the filter`;
  const others = elsewhere ? ` · ${count(elsewhere)} more are not in this data set` : "";
  return `${narrowed}${others} · ${name}: ${count(all)} in all`;
}

/**
 * Which rows are on view: "6–10 of 63".
 *
 * @param {{ offset: number, listed: number }} view
 * @param {number} shown
 */
export const rangeInWords = ({ offset, listed }, shown) =>
  shown ? `${count(offset + 1)}–${count(offset + shown)} of ${count(listed)}` : "0 of 0";

/**
 * Why nothing is listed.
 *
 * @param {{ all: number, chosen: number }} view
 */
export function whyEmpty({ all, chosen }) {
  if (!all) return "This data set holds no comparisons.";
  return chosen
    ? "No comparison of this selection passes the filter."
    : "The selection holds no comparisons.";
}
