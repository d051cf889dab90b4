// Facets: a small chart of each column, grey for all pairs, coloured for those selected.

import { button, element } from "../page/dom.js";
import { count, percent } from "../page/words.js";
import { howOf } from "./svg.js";

const FEW = 8; // values that are shown before "more"

/**
 * Values in the order in which they are listed: as they come, or by lift over all pairs.
 *
 * @param {{ totals: number[], counts: number[] }} facet
 * @param {boolean} byLift
 */
export function ordered({ totals, counts }, byLift) {
  const places = totals.map((_, k) => k);
  const lift = (/** @type {number} */ k) => (totals[k] ? counts[k] / totals[k] : -1);
  return byLift ? places.sort((a, b) => lift(b) - lift(a) || a - b) : places;
}

/**
 * @param {{ send: (message: object) => void }} act
 */
export function facetPanel({ send }) {
  const node = element("div", { class: "btvx-facets", role: "group", "aria-label": "Facets" });
  /** @type {Map<string, { byLift: boolean, more: boolean, folded: boolean }>} */
  const states = new Map();
  /** @type {any} */
  let latest = null;

  function draw() {
    const active = /** @type {HTMLElement | null} */ (
      node.contains(document.activeElement) ? document.activeElement : null
    );
    const key = active?.dataset.key;
    node.replaceChildren(...latest.facets.map(block));
    if (key)
      /** @type {HTMLElement | null} */ (node.querySelector(`[data-key="${CSS.escape(key)}"]`))?.focus({
        preventScroll: true,
      });
  }

  /** @param {any} facet */
  function block(facet) {
    const state = states.get(facet.name) ?? { byLift: false, more: false, folded: false };
    states.set(facet.name, state);
    const change = (/** @type {object} */ to) => () => {
      Object.assign(state, to);
      draw();
    };
    const sort =
      !facet.edges &&
      facet.labels.length > 2 &&
      button(
        state.byLift ? "by lift" : "as listed",
        "Order of the values: as listed, or what is most over-represented in the selection first",
        change({ byLift: !state.byLift }),
        { class: "btvx-link", "data-key": `${facet.name} sort` },
      );
    const fold = button(
      `${state.folded ? "▸" : "▾"} ${facet.title}`,
      state.folded ? "Open" : "Close",
      change({ folded: !state.folded }),
      { class: "btvx-title", "aria-expanded": String(!state.folded), "data-key": `${facet.name} fold` },
    );
    const head = element("div", { class: "btvx-facet-head" }, fold, sort);
    if (state.folded) return element("section", { class: "btvx-facet" }, head);
    if (!facet.labels.length)
      return element(
        "section",
        { class: "btvx-facet" },
        head,
        element("p", { class: "btvx-quiet" }, "none yet"),
      );
    const body = facet.edges ? [histogram(facet)] : bars(facet, state, change);
    return element("section", { class: "btvx-facet", "aria-label": facet.title }, head, ...body);
  }

  /**
   * @param {any} facet
   * @param {{ byLift: boolean, more: boolean }} state
   * @param {(to: object) => () => void} change
   */
  function bars(facet, state, change) {
    const most = Math.max(1, ...facet.totals);
    const few = facet.name === "categories" ? facet.labels.length : FEW;
    const places = ordered(facet, state.byLift);
    const shown = state.more ? places : places.filter((k, place) => place < few || facet.on[k]);
    const rows = shown.map((k) => value(facet, k, most));
    const rest = places.length - shown.length;
    const more =
      (rest > 0 || state.more) &&
      places.length > few &&
      button(rest > 0 ? `${rest} more` : "fewer", "", change({ more: !state.more }), {
        class: "btvx-link",
        "data-key": `${facet.name} more`,
      });
    return [element("div", { class: "btvx-bars" }, ...rows), more].filter((part) => part !== false);
  }

  /**
   * @param {any} facet
   * @param {number} k
   * @param {number} most
   */
  function value(facet, k, most) {
    const [total, chosen] = [facet.totals[k], facet.counts[k]];
    const share = latest.n ? chosen / latest.n : 0;
    const expected = latest.all ? total / latest.all : 0;
    const lift = expected && latest.n ? share / expected : null;
    const over = lift == null ? "" : `, ×${lift.toFixed(2)} of its share in all`;
    const counted = `${count(chosen)} of ${count(total)} selected, ${percent(share)} of the selection`;
    const said = `${facet.labels[k]}: ${counted}${over}`;
    const state = facet.on[k];
    const role =
      facet.name === "safety" && { unsafe: "unsafe", safe: "safe" }[/** @type {string} */ (facet.labels[k])];
    return element(
      "button",
      {
        type: "button",
        title: `${said}. Click: only this. Shift: also this. Alt: not this.`,
        class: `btvx-value${state ? ` btvx-${state}` : ""}${role ? ` btvx-role-${role}` : ""}`,
        "aria-label": said,
        "aria-pressed": String(Boolean(state)),
        "data-key": `${facet.name} ${k}`,
        on: {
          click: (/** @type {MouseEvent} */ event) =>
            send({ kind: "facet", facet: facet.name, low: k, high: k, how: howOf(event) }),
        },
        style: `--all: ${(100 * total) / most}%; --part: ${(100 * chosen) / most}%`,
      },
      element("span", { class: "btvx-name" }, state === "exclude" && "not ", facet.labels[k]),
      element("span", { class: "btvx-count" }, count(chosen)),
    );
  }

  /** @param {any} facet */
  function histogram(facet) {
    const most = Math.max(1, ...facet.totals);
    const n = facet.labels.length;
    /** @type {number | null} */
    let start = null;
    const columns = facet.totals.map((/** @type {number} */ total, /** @type {number} */ k) => {
      const chosen = facet.counts[k];
      const from = facet.edges[k];
      const to = facet.edges[k + 1];
      const range = `${round(from)}${to == null ? " and more" : ` to ${round(to)}`}`;
      const said = `${range}: ${count(chosen)} of ${count(total)} selected`;
      return element("button", {
        type: "button",
        class: `btvx-column${facet.on[k] ? " btvx-add" : ""}`,
        title: `${said}. Click, or drag over several.`,
        "aria-label": said,
        "data-key": `${facet.name} ${k}`,
        style: `--all: ${(100 * total) / most}%; --part: ${(100 * chosen) / most}%`,
        on: {
          pointerdown: () => {
            start = k;
          },
          pointerenter: (/** @type {PointerEvent} */ event) => {
            if (start != null && event.buttons) mark(start, k);
          },
          pointerup: (/** @type {PointerEvent} */ event) => pick(k, event),
          keydown: (/** @type {KeyboardEvent} */ event) => {
            if (event.key === "Enter" || event.key === " ") {
              event.preventDefault();
              pick(k, event);
            }
          },
        },
      });
    });
    /**
     * @param {number} k
     * @param {MouseEvent | KeyboardEvent} event
     */
    function pick(k, event) {
      const from = start ?? k;
      start = null;
      send({
        kind: "facet",
        facet: facet.name,
        low: Math.min(from, k),
        high: Math.max(from, k),
        how: howOf(event),
      });
    }
    /**
     * @param {number} a
     * @param {number} b
     */
    function mark(a, b) {
      for (const [k, column] of columns.entries())
        column.classList.toggle("btvx-brushed", k >= Math.min(a, b) && k <= Math.max(a, b));
    }
    const last = facet.edges.length > n ? round(facet.edges[n]) : `${round(facet.edges[n - 1])}+`;
    const ends = element(
      "div",
      { class: "btvx-ends" },
      element("span", {}, round(facet.edges[0])),
      element("span", {}, last),
    );
    return element(
      "div",
      { class: "btvx-histogram" },
      element("div", { class: "btvx-columns" }, ...columns),
      ends,
    );
  }

  return {
    node,
    /** @param {any} message */
    update(message) {
      latest = message;
      draw();
    },
  };
}

/** @param {number} value */
const round = (value) => `${Number(value.toFixed(2))}`.replace("-", "−");
