// Rows of shares: P(better = safer) with its interval, and shares of the selection beside those of the rest.

import { count, percent } from "../page/words.js";
import { short } from "./matrix.js";
import { number, svg } from "./svg.js";

const [ROW, LABELS, NUMBERS] = [24, 210, 190];

/**
 * @param {number} width
 * @param {number} low
 * @param {number} high
 */
function scale(width, low, high) {
  const room = Math.max(160, width - LABELS - NUMBERS - 16);
  return { room, x: (/** @type {number} */ value) => LABELS + (room * (value - low)) / (high - low) };
}

/** @param {{ low: number | null, high: number | null }} row */
const within = ({ low, high }) => (low == null ? "no interval" : `[${number(low)}, ${number(high)}]`);

/**
 * @param {any} said
 * @param {{ width: number }} room
 */
export function strata(said, { width }) {
  if (!said.rows.length) return empty("No comparison with both labels has a selected answer.");
  const { room, x } = scale(width, 0, 1);
  const height = 34 + said.rows.length * ROW;
  const rows = said.rows.map((/** @type {any} */ row, /** @type {number} */ k) => {
    const y = 34 + k * ROW + ROW / 2;
    const interval =
      row.low != null &&
      svg("line", { x1: x(row.low), x2: x(row.high), y1: y, y2: y, class: "btvx-interval" });
    return svg(
      "g",
      { class: row.grouping === "all" ? "btvx-all" : "" },
      svg(
        "text",
        { x: LABELS - 10, y: y + 4, "text-anchor": "end", class: "btvx-axis" },
        svg("title", {}, row.label),
        short(row.label, 27),
      ),
      interval,
      row.p != null && svg("circle", { cx: x(row.p), cy: y, r: 4.5, class: "btvx-point" }),
      svg(
        "text",
        { x: LABELS + room + 12, y: y + 4, class: "btvx-number" },
        `${number(row.p)}  ${within(row)}  n ${count(row.n)}`,
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
    { width: LABELS + room + NUMBERS, height: height + 6, role: "img", "aria-label": said.title },
    ...ticks,
    ...rows,
  );
}

/**
 * @param {any} said
 * @param {{ width: number }} room
 */
export function contrast(said, { width }) {
  const known = said.rows.filter((/** @type {any} */ row) => row.share != null);
  if (!known.length) return empty("No selected pair is labelled by harm category.");
  const sorted = [...known].sort((a, b) => (b.lift ?? 0) - (a.lift ?? 0));
  const most = Math.max(0.05, ...known.flatMap((/** @type {any} */ row) => [row.share, row.rest ?? 0]));
  const { room, x } = scale(width, 0, most);
  const rows = sorted.map((row, k) => {
    const y = 30 + k * (ROW + 6);
    return svg(
      "g",
      {},
      svg(
        "text",
        { x: LABELS - 10, y: y + 17, "text-anchor": "end", class: "btvx-axis" },
        svg("title", {}, row.label),
        short(row.label, 27),
      ),
      svg("rect", { x: LABELS, y: y + 3, width: x(row.share) - LABELS, height: 10, class: "btvx-chosen" }),
      svg("rect", { x: LABELS, y: y + 14, width: x(row.rest ?? 0) - LABELS, height: 7, class: "btvx-rest" }),
      svg(
        "text",
        { x: LABELS + room + 12, y: y + 17, class: "btvx-number" },
        `${percent(row.share)} · rest ${percent(row.rest)} · ×${number(row.lift)}`,
      ),
    );
  });
  const legend = [
    svg("rect", { x: LABELS, y: 6, width: 12, height: 12, class: "btvx-chosen" }),
    svg("text", { x: LABELS + 18, y: 16, class: "btvx-axis" }, "selection"),
    svg("rect", { x: LABELS + 96, y: 6, width: 12, height: 12, class: "btvx-rest" }),
    svg("text", { x: LABELS + 114, y: 16, class: "btvx-axis" }, "rest; by lift over all pairs"),
  ];
  return svg(
    "svg",
    {
      width: LABELS + room + NUMBERS,
      height: 40 + sorted.length * (ROW + 6),
      role: "img",
      "aria-label": said.title,
    },
    ...legend,
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
