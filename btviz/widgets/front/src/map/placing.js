// Which labels have room, and where they stand: the first that fits keeps its place.

const MARGIN = 2; // pixels from the edge
const GAP = { x: 3, y: 1 };

/**
 * @typedef {object} Label
 * @property {number} topic
 * @property {number} x  of what it names
 * @property {number} y
 * @property {number} width  in pixels
 * @property {number} height
 */

/**
 * @typedef {object} Box
 * @property {number} x0
 * @property {number} x1
 * @property {number} y0
 * @property {number} y1
 */

/**
 * @param {Box} box
 * @param {Box} other
 */
const overlaps = (box, other) =>
  box.x0 < other.x1 && other.x0 < box.x1 && box.y0 < other.y1 && other.y0 < box.y1;

/**
 * @param {number} middle
 * @param {number} length  of the label
 * @param {number} room
 */
const start = (middle, length, room) =>
  Math.min(Math.max(middle - length / 2, MARGIN), room - length - MARGIN);

/**
 * Places for labels: as many as have room, in their order, a chosen one first.
 *
 * @template {Label} L
 * @param {L[]} labels  the most important first
 * @param {object} room
 * @param {(x: number, y: number) => number[] | null} room.where  turns a place into pixels, or null where out of sight
 * @param {number} room.across  pixels
 * @param {number} room.down
 * @param {number | null | undefined} [room.chosen]  topic
 * @returns {Map<L, { left: number, top: number }>}
 */
export function placed(labels, { where, across, down, chosen }) {
  /** @type {Box[]} */
  const taken = [];
  const places = new Map();
  const order = [...labels].sort((a, b) => Number(b.topic === chosen) - Number(a.topic === chosen));
  for (const label of order) {
    const spot = where(label.x, label.y);
    if (!spot || spot[0] <= 0 || spot[0] >= across || spot[1] <= 0 || spot[1] >= down) continue;
    const { width, height } = label;
    const [left, top] = [start(spot[0], width, across), start(spot[1], height, down)];
    const box = { x0: left - GAP.x, x1: left + width + GAP.x, y0: top - GAP.y, y1: top + height + GAP.y };
    if (taken.some((other) => overlaps(box, other))) continue;
    taken.push(box);
    places.set(label, { left, top });
  }
  return places;
}
