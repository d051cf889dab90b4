// The association matrix: a cell chooses what has both categories, a label what has one.

import { plural } from "../page/words.js";
import { clickable, howOf, number, svg } from "./svg.js";

const SIDE = { least: 22, most: 52 };
const SLANT = 64; // beyond the last column
const LEGIBLE = 34; // a narrower cell shows a number only where it is not about nothing
const LABELS = 190; // pixels for the names of rows

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
  const top = 120;
  const side = Math.max(
    SIDE.least,
    Math.min(SIDE.most, (width - LABELS - SLANT) / n, (height - top - 8) / n),
  );
  /** @param {string[]} slugs */
  const choose = (slugs) => (/** @type {MouseEvent} */ event) =>
    send({ kind: "cell", slugs, how: howOf(event) });
  const parts = said.labels.flatMap((/** @type {string} */ label, /** @type {number} */ k) => {
    const middle = (k + 0.5) * side;
    const [x, y] = [LABELS + middle, top - 6];
    const act = clickable(`${label}: choose`, choose([said.keys[k]]));
    const title = () => svg("title", {}, label);
    return [
      svg(
        "text",
        { x: LABELS - 8, y: top + middle + 4, "text-anchor": "end", class: "btvx-axis", ...act },
        title(),
        short(label, 25),
      ),
      svg(
        "text",
        { x, y, transform: `rotate(-45 ${x} ${y})`, class: "btvx-axis", ...act, tabindex: -1 },
        title(),
        short(label, 20),
      ),
      svg("rect", {
        x: LABELS + k * side,
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
      const [x, y] = [LABELS + col * side, top + row * side];
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
        (side >= LEGIBLE || (value != null && Math.abs(value) >= 0.1)) &&
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
  const size = LABELS + n * side + SLANT;
  return svg(
    "svg",
    { width: size, height: top + n * side + 4, role: "group", "aria-label": said.title },
    ...parts,
    ...cells,
  );
}

/**
 * @param {string} words
 * @param {number} most
 */
export const short = (words, most) => (words.length > most ? `${words.slice(0, most - 1)}…` : words);
