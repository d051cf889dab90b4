// The head of the queue: where one is, what was said so far, how many texts were read.

/** @import { ReviewState } from "../types" */
import { button, element } from "../page/dom.js";
import { count, plural } from "../page/words.js";

/**
 * What was said so far: "12 confirmed, 3 relabelled".
 *
 * @param {Record<string, number>} counts
 */
export const countsSaid = (counts) =>
  Object.entries(counts)
    .filter(([, n]) => n)
    .map(([word, n]) => `${count(n)} ${word}`)
    .join(", ") || "nothing said yet";

/**
 * How many texts were read, and when a break is due.
 *
 * @param {Pick<ReviewState, "read" | "since" | "breakAfter">} state
 */
export function readInWords({ read, since, breakAfter }) {
  const session = `${plural(read, "pair")} read this session`;
  return breakAfter ? `${session} · break after ${count(Math.max(breakAfter - since, 0))} more` : session;
}

export function progress() {
  const title = element("h3", { class: "btviz-origin" });
  const bar = element("progress", { class: "btviz-progress", "aria-label": "Pairs of the queue reviewed" });
  const said = element("span", { class: "btviz-counts" });
  const read = element("span", { class: "btviz-quiet btviz-read" });
  const node = element(
    "header",
    { class: "btviz-head" },
    title,
    bar,
    element("div", { class: "btviz-row" }, said, read),
  );
  return {
    node,
    /** @param {ReviewState} state */
    update(state) {
      title.replaceChildren(`${state.place} of ${count(state.n)} · ${state.name}`);
      bar.max = state.n;
      bar.value = state.done;
      const whole =
        state.done === state.n ? "All reviewed" : `${count(state.done)} of ${count(state.n)} reviewed`;
      said.replaceChildren(`${whole} by ${state.reviewer}: ${countsSaid(state.counts)}`);
      read.replaceChildren(readInWords(state));
    },
  };
}

/**
 * A break that is due: no text comes until it is ended.
 *
 * @param {ReviewState} state
 * @param {() => void} resume
 */
export const breakNotice = ({ breakAfter }, resume) =>
  element(
    "div",
    { class: "btviz-break", role: "alert" },
    element("strong", {}, "Time for a break."),
    ` You have read ${plural(breakAfter, "pair")}. No text comes until you go on; what you said is kept.`,
    button("Go on", "Read further texts", resume),
  );
