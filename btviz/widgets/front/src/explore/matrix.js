// The association matrix: a cell chooses what has both categories, a label what has one.

import { isArrow, neighbour } from "../chart/marks.js";
import { plural } from "../page/words.js";
import { clickable, howOf, number, svg } from "./svg.js";

const SIDE = { least: 12, most: 52 };
const LEGIBLE = 34; // a narrower cell shows a number only where it is not about nothing
const NUMBERS = 22; // and one that is narrower still shows none

/**
 * Room for names, and the side of a cell, that let the matrix be seen whole.
 *
 * @param {number} n
 * @param {{ width: number, height: number }} room
 */
export function sizes(n, { width, height }) {
  const labels = Math.round(Math.max(96, Math.min(190, width * 0.3)));
  const top = Math.round(Math.max(58, Math.min(120, height * 0.24)));
  const slant = Math.round(top * 0.75); // of the last column's name
  const side = Math.min((width - labels - slant) / n, (height - top - 8) / n);
  return { labels, top, slant, side: Math.max(SIDE.least, Math.min(SIDE.most, side)) };
}

/**
 * Colour of a coefficient: its scale is fixed, so that a colour means the same whatever is selected.
 *
 * @param {number | null} value
 * @param {boolean} signed
 */
export function shade(value, signed) {
  if (value == null) return { strength: 0, side: "none" };
  const size = signed ? Math.abs(value) : value / (1 + value);
  return { strength: Math.round(100 * Math.min(1, size ** 0.7)), side: value < 0 ? "negative" : "positive" };
}

/**
 * @param {any} said
 * @param {{ width: number, height: number, send: (message: object) => void }} room
 */
export function matrix(said, { width, height, send }) {
  const n = said.labels.length;
  const { labels, top, slant, side } = sizes(n, { width, height });
  /** @param {string[]} slugs */
  const choose = (slugs) => (/** @type {MouseEvent} */ event) =>
    send({ kind: "cell", slugs, how: howOf(event) });
  const parts = said.labels.flatMap((/** @type {string} */ label, /** @type {number} */ k) => {
    const middle = (k + 0.5) * side;
    const [x, y] = [labels + middle, top - 6];
    const act = clickable(`${label}: choose`, choose([said.keys[k]]));
    const title = () => svg("title", {}, label);
    return [
      svg(
        "text",
        { x: labels - 8, y: top + middle + 4, "text-anchor": "end", class: "btvx-axis", ...act },
        title(),
        short(label, Math.floor(labels / 7.2)),
      ),
      svg(
        "text",
        { x, y, transform: `rotate(-45 ${x} ${y})`, class: "btvx-axis", ...act, tabindex: -1 },
        title(),
        short(label, Math.floor(top / 5.6)),
      ),
      svg("rect", {
        x: labels + k * side,
        y: top + k * side,
        width: side - 1,
        height: side - 1,
        class: "btvx-diagonal",
      }),
    ];
  });
  const cells = said.cells.map(
    (/** @type {[number, number, number | null, number]} */ [row, col, value, both]) => {
      const { strength, side: sign } = shade(value, said.signed);
      const words = `${said.labels[row]} × ${said.labels[col]}: ${number(value)}; ${plural(both, "pair")} with both`;
      const [x, y] = [labels + col * side, top + row * side];
      return svg(
        "g",
        {
          class: `btvx-cell btvx-${sign}`,
          style: `--strength: ${strength}%`,
          ...clickable(words, choose([said.keys[row], said.keys[col]])),
          tabindex: col === 0 || (row === 0 && col === 1) ? 0 : -1,
        },
        svg("title", {}, words),
        svg("rect", { x, y, width: side - 1, height: side - 1 }),
        (value == null
          ? side >= SIDE.least
          : side >= LEGIBLE || (side >= NUMBERS && Math.abs(value) >= 0.1)) &&
          svg(
            "text",
            {
              x: x + side / 2,
              y: y + side / 2 + 4,
              "text-anchor": "middle",
              class: strength > 55 ? "btvx-on" : "",
            },
            value == null ? "×" : number(value).replace("0.", "."),
          ),
      );
    },
  );
  const size = labels + n * side + slant;
  /** @param {KeyboardEvent} event */
  function keydown(event) {
    const all = /** @type {SVGElement[]} */ ([...picture.querySelectorAll(".btvx-cell")]);
    const from = all.find((cell) => cell === event.target);
    if (!from || !isArrow(event.key)) return;
    event.preventDefault();
    event.stopPropagation(); // else the list would move
    neighbour(all, from, event.key)?.focus();
  }
  const picture = svg(
    "svg",
    { width: size, height: top + n * side + 4, role: "group", "aria-label": said.title, on: { keydown } },
    ...parts,
    ...cells,
  );
  return picture;
}

/**
 * @param {string} words
 * @param {number} most
 */
export const short = (words, most) => (words.length > most ? `${words.slice(0, most - 1)}…` : words);
