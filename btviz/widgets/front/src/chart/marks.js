// The marks of a drawn Vega chart: what they stand for, and which lies next to which.

/** @import { Item, Mark, Spec } from "../types" */

/**
 * What a click on a mark reports: released keys of categories, or a grouping and its level.
 *
 * @param {Item | null | undefined} item
 * @returns {string[] | null}
 */
export function keysOf(item) {
  const { row, col, category, grouping, level } = item?.datum ?? {};
  if (category) return [category];
  if (grouping) return [grouping, level];
  return row && col ? [row, col] : null;
}

/**
 * What hovering shows, for those who listen.
 *
 * @param {Record<string, unknown> | undefined} tooltip
 */
export const spoken = (tooltip) =>
  Object.entries(tooltip ?? {})
    .map(([name, value]) => `${name}: ${value}`)
    .join("; ");

/**
 * Interval selections of a chart, by name.
 *
 * @param {Spec} spec
 */
export const brushesOf = (spec) =>
  (spec.params ?? []).map(({ name }) => name).filter((name) => name.startsWith("brush"));

const DIRECTIONS = /** @type {const} */ ({
  ArrowRight: [1, 0],
  ArrowLeft: [-1, 0],
  ArrowDown: [0, 1],
  ArrowUp: [0, -1],
});

/** @param {string} key */
export const isArrow = (key) => Object.hasOwn(DIRECTIONS, key);

/** @param {{ getBoundingClientRect(): { x: number, y: number, width: number, height: number } }} mark */
function centre(mark) {
  const { x, y, width, height } = mark.getBoundingClientRect();
  return [x + width / 2, y + height / 2];
}

/**
 * The mark to go to with an arrow key: the nearest one that lies in its direction.
 *
 * @template {{ getBoundingClientRect(): { x: number, y: number, width: number, height: number } }} Placed
 * @param {Placed[]} marks
 * @param {Placed} from
 * @param {string} key
 * @returns {Placed | null}
 */
export function neighbour(marks, from, key) {
  const [across, along] = DIRECTIONS[/** @type {keyof typeof DIRECTIONS} */ (key)];
  const [x, y] = centre(from);
  /** @type {Placed | null} */
  let nearest = null;
  let least = Number.POSITIVE_INFINITY;
  for (const mark of marks) {
    const [toX, toY] = centre(mark);
    const ahead = (toX - x) * across + (toY - y) * along;
    const cost = ahead + 3 * Math.abs((toX - x) * along + (toY - y) * across);
    if (ahead > 1 && cost < least) [nearest, least] = [mark, cost];
  }
  return nearest;
}

/**
 * Marks that can be clicked, in the order in which they are drawn.
 *
 * @param {HTMLElement} el
 */
export const clickableMarks = (el) =>
  [.../** @type {NodeListOf<Mark>} */ (el.querySelectorAll("svg path"))].filter(
    (mark) => mark.__data__?.cursor === "pointer" && keysOf(mark.__data__),
  );
