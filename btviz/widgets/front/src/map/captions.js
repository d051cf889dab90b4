// What is said on and about a map.

/** @import { TopicLabel } from "../types" */
import { count, percent, plural } from "../page/words.js";

const STATISTICS = /** @type {Record<string, string>} */ ({
  trustworthiness: "trustworthiness",
  continuity: "continuity",
  neighbor_recall: "neighbour recall",
});

/**
 * @typedef {object} Quality  a row of the table of quality
 * @property {string} statistic
 * @property {number | null} value
 * @property {number | null} standard_error
 * @property {number} n_neighbors
 * @property {number} n_judged
 * @property {number} n_texts
 * @property {string | null} undefined  why there is no value
 */

/** @param {Quality & { value: number }} row */
function measured({ statistic, value, standard_error: error }) {
  const around = error ? ` ± ${error.toFixed(3)}` : "";
  return `${STATISTICS[statistic] ?? statistic} ${value.toFixed(3)}${around}`;
}

/** @param {Quality[]} quality */
export function qualityLine(quality) {
  const known = quality.filter((row) => row.value != null);
  if (!quality.length)
    return "Quality of the map: not measured (pass quality=btviz.map_quality(points, embeddings)).";
  if (!known.length) return `Quality of the map: undefined, because ${quality[0].undefined}.`;
  const [{ n_neighbors: k, n_judged: judged, n_texts: texts }] = known;
  const values = known.map((row) => measured(/** @type {Quality & { value: number }} */ (row))).join(" · ");
  const of = judged === texts ? "all" : `${count(judged)} of`;
  const how = `${k} neighbours, ${of} ${count(texts)} texts judged`;
  return `How far to trust the map: ${values} (${how}). Axes, and distances between far groups, mean nothing.`;
}

/** @param {{ unstable: number, n_topics: number }} topics */
export function unstableLine({ unstable, n_topics: n }) {
  if (!unstable) return "";
  const isFound = `${unstable === 1 ? "is" : "are"} seldom found again in fits to parts of the prompts`;
  return ` ${unstable} of ${plural(n, "topic")}, faint and marked with a ?, ${isFound}.`;
}

/**
 * What is on the map, in words.
 *
 * @param {{ population: string, item: string, pairs: number, points: number, drawn: number, texts: string,
 *   unplaced: number }} state
 */
export function titleOf({ population, item, pairs, points, drawn, texts, unplaced }) {
  const rest = unplaced ? ` · ${count(unplaced)} ${item}s are not on the map` : "";
  const part =
    drawn < points
      ? ` · ${count(drawn)} points are drawn, a grey shade stands for all: zoom in to see each`
      : "";
  const places = `${plural(pairs, item)} at ${plural(points, "point")}`;
  return `${population} · n = ${places}, one for each of their distinct ${texts}${rest}${part}`;
}

/**
 * What hovering over a name says.
 *
 * @param {TopicLabel} label
 */
export function aboutTopic({ topic, item, keywords, n_pairs: pairs, n_texts: texts, stability, unstable }) {
  const sizes = `Topic ${topic}: ${plural(pairs, item)}, ${plural(texts, "text")}.`;
  const verdict = unstable ? ": unstable" : "";
  const again =
    stability == null
      ? ""
      : `\nFits of parts of the prompts find ${percent(stability)} of it again${verdict}.`;
  const words = keywords.length ? `\n${keywords.join(", ")}` : "";
  return `${sizes}${again}${words}`;
}
