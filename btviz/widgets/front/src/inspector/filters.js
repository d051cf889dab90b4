// What the list of pairs is narrowed to, without the controls that say so.

/** @import { Filters, Mode } from "../types" */

/** How categories combine: the key, the words, and the word before a category that is so chosen. */
export const MODES = /** @type {const} */ ([
  ["any_of", "any of", "any"],
  ["all_of", "all of", "all"],
  ["none_of", "none of", "not"],
]);

/** @type {Filters} */
export const EVERYTHING = Object.freeze({
  any_of: [],
  all_of: [],
  none_of: [],
  votes: "one",
  safety: "all",
  dispute: "all",
  search: "",
  tag: "",
});

/**
 * The mode in which a category is chosen, if in any.
 *
 * @param {Filters} filters
 * @param {string} slug
 */
export const modeOf = (filters, slug) => MODES.find(([mode]) => filters[mode].includes(slug));

/**
 * Choose a category in a mode, in this one only; or choose it no longer, where it was so chosen.
 *
 * @param {Filters} filters
 * @param {{ slug: string, mode: Mode }} clicked
 * @returns {Filters}
 */
export function toggled(filters, { slug, mode }) {
  const { any_of, all_of, none_of } = filters;
  const without = { any_of, all_of, none_of };
  for (const [other] of MODES) without[other] = filters[other].filter((chosen) => chosen !== slug);
  if (!filters[mode].includes(slug)) without[mode] = [...without[mode], slug];
  return { ...filters, ...without };
}

/**
 * How many categories are chosen in which mode: "Categories: any of 2, none of 1".
 *
 * @param {Filters} filters
 */
export function categoriesInWords(filters) {
  const chosen = MODES.filter(([mode]) => filters[mode].length);
  const words = chosen.map(([mode, says]) => `${says} ${filters[mode].length}`);
  return words.length ? `Categories: ${words.join(", ")}` : "Categories";
}

/**
 * Whether the list is narrowed at all; how votes are counted narrows nothing without a category.
 *
 * @param {Filters} filters
 */
export const isNarrowed = (filters) =>
  MODES.some(([mode]) => filters[mode].length > 0) ||
  filters.search !== "" ||
  filters.tag !== "" ||
  filters.safety !== "all" ||
  filters.dispute !== "all";
