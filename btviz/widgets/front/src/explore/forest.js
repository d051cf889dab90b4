// Rows of shares with their intervals: P(better = safer), agreement, and the selection beside the rest.

import { count, percent } from "../page/words.js";
import { short } from "./matrix.js";
import { number, svg } from "./svg.js";

const ROW = 24;

/**
 * Room for names, for numbers, and for what is drawn between.
 *
 * @param {number} width
 * @param {number} numbers
 */
function columns(width, numbers) {
  const labels = Math.round(Math.max(136, Math.min(210, width * 0.28)));
  return { labels, room: Math.max(110, width - labels - numbers - 16) };
}

/**
 * @param {any} row
 * @param {{ labels: number, y: number }} place
 */
const named = (row, { labels, y }) =>
  svg(
    "text",
    { x: labels - 10, y: y + 4, "text-anchor": "end", class: "btvx-axis" },
    svg("title", {}, row.why ? `${row.label}: ${row.why}` : row.label),
    short(row.label, Math.floor(labels / 6.8)),
  );

/**
 * @param {number | null} low
 * @param {number | null} high
 * @param {{ x: (value: number) => number, y: number }} place
 */
const interval = (low, high, { x, y }) =>
  low != null &&
  high != null &&
  svg("line", { x1: x(low), x2: x(high), y1: y, y2: y, class: "btvx-interval" });

/** @param {{ low: number | null, high: number | null }} row */
const within = ({ low, high }) =>
  low == null && high == null ? "no interval" : `[${number(low)}, ${number(high)}]`;

/**
 * Shares between 0 and 1, a row each, with what else is to be said of a row.
 *
 * @param {any} said
 * @param {{ width: number, numbers: number, last: (row: any) => string }} room
 */
function shares(said, { width, numbers, last }) {
  const { labels, room } = columns(width, numbers);
  const x = (/** @type {number} */ value) => labels + room * value;
  const height = 34 + said.rows.length * ROW;
  const rows = said.rows.map((/** @type {any} */ row, /** @type {number} */ k) => {
    const y = 34 + k * ROW + ROW / 2;
    return svg(
      "g",
      { class: row.grouping === "all" ? "btvx-all" : "" },
      named(row, { labels, y }),
      interval(row.low, row.high, { x, y }),
      row.p != null && svg("circle", { cx: x(row.p), cy: y, r: 4.5, class: "btvx-point" }),
      svg(
        "text",
        { x: labels + room + 12, y: y + 4, class: "btvx-number" },
        `${number(row.p)}  ${within(row)}  ${last(row)}`,
      ),
    );
  });
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((value) =>
    svg(
      "g",
      {},
      svg("line", {
        x1: x(value),
        x2: x(value),
        y1: 24,
        y2: height,
        class: value === 0.5 ? "btvx-half" : "btvx-grid",
      }),
      svg("text", { x: x(value), y: 16, "text-anchor": "middle", class: "btvx-number" }, `${value}`),
    ),
  );
  return svg(
    "svg",
    { width: labels + room + numbers, height: height + 6, role: "img", "aria-label": said.title },
    ...ticks,
    ...rows,
  );
}

/**
 * @param {any} said
 * @param {{ width: number }} room
 */
export const strata = (said, { width }) =>
  said.rows.length
    ? shares(said, { width, numbers: 190, last: (row) => `n ${count(row.n)}` })
    : empty("No comparison with both labels has a selected answer.");

/**
 * @param {any} said
 * @param {{ width: number }} room
 */
export const agreement = (said, { width }) =>
  said.rows.length
    ? shares(said, { width, numbers: 250, last: (row) => `α ${number(row.alpha)}  n ${count(row.n)}` })
    : empty("No selected pair was annotated twice.");

const LEAST = 1 / 32;
const MOST = 32;

/** @param {number} value */
const inSight = (value) => Math.min(MOST, Math.max(LEAST, value));

/**
 * Ends of an axis of ratios, from what is to be seen on it; 1 is always on it, and what is farther stands at its end.
 *
 * @param {any[]} rows
 */
export function ratios(rows) {
  const values = rows.flatMap((row) => [row.ratio, row.low, row.high]).filter((value) => value > 0);
  const far = Math.max(2, ...values.map((value) => 2 ** Math.ceil(Math.abs(Math.log2(inSight(value))))));
  return { low: 1 / far, high: far };
}

/**
 * @param {any} said
 * @param {{ width: number }} room
 */
export function contrast(said, { width }) {
  const known = said.rows.filter((/** @type {any} */ row) => row.share != null);
  if (!known.length) return empty("No selected pair is labelled by harm category.");
  const sorted = [...known].sort((a, b) => (b.ratio ?? -1) - (a.ratio ?? -1));
  const hasRest = known.some((/** @type {any} */ row) => row.rest != null);
  const numbers = hasRest ? 132 : 60;
  const { labels, room } = columns(width, numbers);
  const most = Math.max(0.05, ...known.flatMap((/** @type {any} */ row) => [row.share, row.rest ?? 0]));
  const bars = { from: labels, room: hasRest ? Math.max(30, room * 0.45 - 84) : room };
  const ends = ratios(known);
  const from = labels + bars.room + 92;
  const far = labels + room - from;
  const at = (/** @type {number} */ value) =>
    from +
    (far * (Math.log2(Math.min(ends.high, Math.max(ends.low, value))) - Math.log2(ends.low))) /
      Math.log2(ends.high / ends.low);
  const height = 40 + sorted.length * (ROW + 4);
  const rows = sorted.map((row, k) => {
    const y = 38 + k * (ROW + 4) + ROW / 2;
    const long = (/** @type {number} */ share) => (bars.room * share) / most;
    return svg(
      "g",
      {},
      named(row, { labels, y }),
      svg("rect", { x: labels, y: y - 9, width: long(row.share), height: 9, class: "btvx-chosen" }),
      hasRest &&
        svg("rect", { x: labels, y: y + 2, width: long(row.rest ?? 0), height: 6, class: "btvx-rest" }),
      svg(
        "text",
        { x: labels + bars.room + 6, y: y + 4, class: "btvx-number" },
        hasRest ? `${percent(row.share)} / ${percent(row.rest)}` : percent(row.share),
      ),
      ...(hasRest
        ? [
            interval(row.low, row.high, { x: at, y }),
            row.ratio != null && svg("circle", { cx: at(row.ratio), cy: y, r: 4.5, class: "btvx-point" }),
            svg(
              "text",
              { x: labels + room + 12, y: y + 4, class: "btvx-number" },
              `×${number(row.ratio)} ${within(row)}`,
            ),
          ]
        : []),
    );
  });
  const axis = hasRest
    ? [ends.low, 1, ends.high].map((value) =>
        svg(
          "g",
          {},
          svg("line", {
            x1: at(value),
            x2: at(value),
            y1: 30,
            y2: height,
            class: value === 1 ? "btvx-half" : "btvx-grid",
          }),
          svg(
            "text",
            { x: at(value), y: 24, "text-anchor": "middle", class: "btvx-number" },
            value < 1 ? `×1/${1 / value}` : `×${value}`,
          ),
        ),
      )
    : [];
  const legend = [
    svg("rect", { x: 8, y: 8, width: 12, height: 12, class: "btvx-chosen" }),
    svg("text", { x: 26, y: 18, class: "btvx-axis" }, "selection"),
    hasRest && svg("rect", { x: 98, y: 8, width: 12, height: 12, class: "btvx-rest" }),
    hasRest && svg("text", { x: 116, y: 18, class: "btvx-axis" }, short(said.other, 18)),
  ];
  return svg(
    "svg",
    { width: labels + room + numbers, height: height + 6, role: "img", "aria-label": said.title },
    ...legend,
    ...axis,
    ...rows,
  );
}

/** @param {string} words */
function empty(words) {
  const node = document.createElement("p");
  node.className = "btvx-empty";
  node.textContent = words;
  return node;
}
