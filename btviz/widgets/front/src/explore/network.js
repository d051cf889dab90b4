// The network of categories: circles as large as their shares, lines as wide as phi; a line chooses what has both.

import { percent, plural } from "../page/words.js";
import { short } from "./matrix.js";
import { clickable, howOf, number, svg } from "./svg.js";

const FEW = 12; // lines of which each has its number beside it

/**
 * Places on an oval, clockwise from the top in the order of the taxonomy whatever is selected; on each side the names
 * stand as far below each other as there is room.
 *
 * @param {number} n
 * @param {{ width: number, height: number }} room
 */
export function places(n, { width, height }) {
  const names = Math.min(170, width * 0.26);
  const [cx, cy] = [width / 2, height / 2];
  const [rx, ry] = [Math.max(60, cx - names - 34), height / 2];
  const onRight = Math.ceil(n / 2);
  return Array.from({ length: n }, (_, k) => {
    const right = k < onRight;
    const [place, of] = right ? [k, onRight] : [n - 1 - k, n - onRight];
    const y = (2 * (place + 0.5)) / of - 1;
    const x = Math.sqrt(1 - (0.9 * y) ** 2);
    return { x: cx + (right ? x : -x) * rx, y: cy + y * ry, right, names };
  });
}

/**
 * @param {any} said
 * @param {{ width: number, height: number, send: (message: object) => void }} room
 */
export function network(said, { width, height, send }) {
  const tall = Math.max(170, height - 26);
  const at = places(said.labels.length, { width, height: tall });
  /** @param {string[]} slugs */
  const choose = (slugs) => (/** @type {MouseEvent} */ event) =>
    send({ kind: "cell", slugs, how: howOf(event) });
  const radius = (/** @type {number} */ k) => 4 + Math.min(26, tall / 14) * Math.sqrt(said.shares[k] ?? 0);
  const edges = said.edges.map((/** @type {any[]} */ [a, b, value, low, high, both]) => {
    const sure = low != null && high != null && low * high > 0;
    const ends = low == null ? "no interval" : `[${number(low)}, ${number(high)}]`;
    const named = `${said.labels[a]} and ${said.labels[b]}`;
    const words = `${named}: phi ${number(value)} ${ends}; ${plural(both, "pair")} with both`;
    const [x, y] = [(at[a].x + at[b].x) / 2, (at[a].y + at[b].y) / 2];
    const mark = said.edges.length <= FEW ? number(value) : value < 0 ? "−" : "";
    const line = { x1: at[a].x, y1: at[a].y, x2: at[b].x, y2: at[b].y };
    return svg(
      "g",
      {
        class: `btvx-edge btvx-${value < 0 ? "negative" : "positive"}`,
        ...clickable(words, choose([said.keys[a], said.keys[b]])),
      },
      svg("title", {}, words),
      svg("line", { ...line, class: "btvx-reach" }),
      svg("line", {
        ...line,
        "stroke-width": 0.5 + 8 * Math.abs(value),
        "stroke-dasharray": sure ? null : "5 4",
      }),
      mark && svg("text", { x, y: y + 4, "text-anchor": "middle" }, mark),
    );
  });
  const nodes = said.labels.map((/** @type {string} */ label, /** @type {number} */ k) => {
    const { x, y, right, names } = at[k];
    const r = radius(k);
    const words = `${label}: ${said.shares.length ? percent(said.shares[k]) : "–"}`;
    return svg(
      "g",
      { class: "btvx-node", ...clickable(`${words}; choose`, choose([said.keys[k]])) },
      svg("title", {}, words),
      svg("circle", { cx: x, cy: y, r }),
      svg(
        "text",
        {
          x: right ? x + r + 5 : x - r - 5,
          y: y + 4,
          "text-anchor": right ? "start" : "end",
          class: "btvx-axis",
        },
        short(label, Math.floor(names / 6.6)),
      ),
    );
  });
  const legend = svg(
    "text",
    { x: 8, y: tall + 16, class: "btvx-number" },
    said.edges.length
      ? "Blue: together more often than by chance; orange, −: less often; dashed: may be chance"
      : `No two categories have a phi of ${said.least} or more here`,
  );
  return svg(
    "svg",
    { width, height: tall + 22, role: "group", "aria-label": said.title },
    ...edges,
    ...nodes,
    legend,
  );
}
