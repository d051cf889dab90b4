// Points on two axes, drawn on a canvas: all in grey, those selected by safety; dragging chooses a region.

import { element } from "../page/dom.js";
import { short } from "./matrix.js";

const MARGIN = { left: 46, right: 14, top: 14, bottom: 36 };
const BARE = { left: 10, right: 10, top: 10, bottom: 10 };
const FEW = 4000; // selected points that are drawn as circles
const EDGE = 56; // pixels from the side within which no name is centred
const SMALLEST = 4; // pixels of a region

/**
 * Round steps between two numbers, some five of them.
 *
 * @param {number} low
 * @param {number} high
 */
export function ticks(low, high) {
  const rough = (high - low) / 5 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power;
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step / 1e6; value += step)
    found.push(Number(value.toFixed(10)));
  return found;
}

/** @param {DataView} bits */
function countOf(bits) {
  let n = 0;
  for (let k = 0; k < bits.byteLength; k++) for (let byte = bits.getUint8(k); byte; byte &= byte - 1) n++;
  return n;
}

/** @param {any} message  with its buffers */
export function pointsOf({ n, axes, labels, ...rest }, /** @type {DataView[]} */ [places, roles]) {
  const xy = new Float32Array(places.buffer.slice(places.byteOffset, places.byteOffset + 8 * n));
  const kinds = new Uint8Array(roles.buffer.slice(roles.byteOffset, roles.byteOffset + n));
  const ends = [
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  ];
  for (let k = 0; k < n; k++) {
    ends[0] = Math.min(ends[0], xy[2 * k]);
    ends[1] = Math.max(ends[1], xy[2 * k]);
    ends[2] = Math.min(ends[2], xy[2 * k + 1]);
    ends[3] = Math.max(ends[3], xy[2 * k + 1]);
  }
  return { ...rest, n, axes, labels, xy, kinds, ends };
}

/**
 * @param {ReturnType<typeof pointsOf>} points
 * @param {{ lit: DataView | null, width: number, height: number, send: (message: object) => void, name: string }} room
 */
export function scatter(points, { lit, width, height, send, name }) {
  const margin = points.axes[0] ? MARGIN : BARE;
  const canvas = element("canvas", { "aria-label": `${points.title}; drag to choose a region`, role: "img" });
  const frame = element(
    "div",
    { class: "btvx-scatter", style: `width: ${width}px; height: ${height}px` },
    canvas,
  );
  const inner = [width - margin.left - margin.right, height - margin.top - margin.bottom];
  const [x0, x1, y0, y1] = points.ends;
  const [spanX, spanY] = [x1 - x0 || 1, y1 - y0 || 1];
  const placeX = (/** @type {number} */ x) => margin.left + (inner[0] * (x - x0)) / spanX;
  const placeY = (/** @type {number} */ y) => margin.top + inner[1] * (1 - (y - y0) / spanY);
  const isLit = (/** @type {number} */ k) => lit == null || (lit.getUint8(k >> 3) >> (k & 7)) & 1;

  function draw() {
    const ratio = globalThis.devicePixelRatio || 1;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const brush = canvas.getContext("2d");
    if (!brush) return;
    brush.scale(ratio, ratio);
    const style = getComputedStyle(frame);
    const role = (/** @type {string} */ key) => style.getPropertyValue(key).trim();
    if (points.axes[0]) axes(brush, role("--quiet"), role("--line"));
    const size = points.n > 50_000 ? 1.5 : points.n > 8_000 ? 2 : 3;
    brush.globalAlpha = points.n > 50_000 ? 0.35 : 0.6;
    brush.fillStyle = role("--rest");
    for (let k = 0; k < points.n; k++) if (!isLit(k)) dot(brush, k, size);
    brush.globalAlpha = 0.85;
    const few = lit != null && countOf(lit) <= FEW;
    for (const [kind, key] of [
      [2, "--quiet"],
      [0, "--safe"],
      [1, "--unsafe"],
    ]) {
      brush.fillStyle = role(String(key));
      brush.strokeStyle = role(String(key));
      for (let k = 0; k < points.n; k++) {
        if (points.kinds[k] !== kind || !isLit(k)) continue;
        if (few) ring(brush, k, kind === 1);
        else dot(brush, k, lit == null ? size : size + 1);
      }
    }
    brush.globalAlpha = 1;
  }

  /**
   * @param {CanvasRenderingContext2D} brush
   * @param {number} k
   * @param {number} size
   */
  function dot(brush, k, size) {
    brush.fillRect(placeX(points.xy[2 * k]) - size / 2, placeY(points.xy[2 * k + 1]) - size / 2, size, size);
  }

  /**
   * @param {CanvasRenderingContext2D} brush
   * @param {number} k
   * @param {boolean} filled  so that unsafe and safe are told apart in grey
   */
  function ring(brush, k, filled) {
    brush.beginPath();
    brush.arc(placeX(points.xy[2 * k]), placeY(points.xy[2 * k + 1]), 3.2, 0, 2 * Math.PI);
    if (filled) brush.fill();
    else brush.stroke();
  }

  /**
   * @param {CanvasRenderingContext2D} brush
   * @param {string} ink
   * @param {string} line
   */
  function axes(brush, ink, line) {
    brush.font = "12px system-ui, sans-serif";
    brush.strokeStyle = line;
    brush.fillStyle = ink;
    brush.textAlign = "center";
    for (const value of ticks(x0, x1)) {
      stroke(brush, [placeX(value), margin.top], [placeX(value), height - margin.bottom]);
      brush.fillText(`${value}`.replace("-", "−"), placeX(value), height - margin.bottom + 14);
    }
    brush.textAlign = "right";
    for (const value of ticks(y0, y1)) {
      stroke(brush, [margin.left, placeY(value)], [width - margin.right, placeY(value)]);
      brush.fillText(`${value}`.replace("-", "−"), margin.left - 6, placeY(value) + 4);
    }
    brush.textAlign = "center";
    brush.fillText(points.axes[0], margin.left + inner[0] / 2, height - 5);
    brush.save();
    brush.translate(11, margin.top + inner[1] / 2);
    brush.rotate(-Math.PI / 2);
    brush.fillText(points.axes[1], 0, 0);
    brush.restore();
  }

  region(frame, (left, right, top, bottom) => {
    const back = (/** @type {number} */ x) => x0 + (spanX * (x - margin.left)) / inner[0];
    const up = (/** @type {number} */ y) => y0 + spanY * (1 - (y - margin.top) / inner[1]);
    send({ kind: "region", name, corners: [back(left), back(right), up(bottom), up(top)] });
  });
  for (const { label, x, y, facet, value } of points.labels) {
    const click = (/** @type {MouseEvent} */ event) =>
      send({
        kind: "facet",
        facet,
        low: value,
        high: value,
        how: event.altKey ? "exclude" : event.shiftKey ? "add" : "replace",
      });
    const style = `left: ${Math.max(EDGE, Math.min(width - EDGE, placeX(x)))}px; top: ${placeY(y)}px`;
    frame.append(
      element(
        "button",
        { type: "button", class: "btvx-place", style, title: label, on: { click } },
        short(label, 22),
      ),
    );
  }
  thin(frame);
  return { node: frame, draw };
}

/**
 * Leave out names that would cover others; they come by size, the largest topic first.
 *
 * @param {HTMLElement} frame
 */
function thin(frame) {
  requestAnimationFrame(() => {
    /** @type {DOMRect[]} */
    const kept = [];
    for (const place of frame.querySelectorAll(".btvx-place")) {
      const box = place.getBoundingClientRect();
      const covers = kept.some(
        (other) =>
          box.left < other.right &&
          box.right > other.left &&
          box.top < other.bottom &&
          box.bottom > other.top,
      );
      if (covers) /** @type {HTMLElement} */ (place).hidden = true;
      else kept.push(box);
    }
  });
}

/**
 * @param {CanvasRenderingContext2D} brush
 * @param {number[]} from
 * @param {number[]} to
 */
function stroke(brush, from, to) {
  brush.beginPath();
  brush.moveTo(from[0], from[1]);
  brush.lineTo(to[0], to[1]);
  brush.stroke();
}

/**
 * A rectangle that is dragged.
 *
 * @param {HTMLElement} frame
 * @param {(left: number, right: number, top: number, bottom: number) => void} chosen
 */
function region(frame, chosen) {
  const box = element("div", { class: "btvx-region", hidden: true });
  frame.append(box);
  /** @type {number[] | null} */
  let start = null;
  /** @param {PointerEvent} event */
  const at = (event) => {
    const { left, top } = frame.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  };
  frame.addEventListener("pointerdown", (event) => {
    if (event.button || /** @type {Element} */ (event.target).closest("button")) return;
    start = at(event);
    frame.setPointerCapture(event.pointerId);
  });
  /** @param {PointerEvent} event */
  function corners(event) {
    const [x, y] = at(event);
    const [fromX, fromY] = /** @type {number[]} */ (start);
    return [Math.min(x, fromX), Math.max(x, fromX), Math.min(y, fromY), Math.max(y, fromY)];
  }
  frame.addEventListener("pointermove", (event) => {
    if (!start) return;
    const [left, right, top, bottom] = corners(event);
    box.hidden = false;
    Object.assign(box.style, {
      left: `${left}px`,
      top: `${top}px`,
      width: `${right - left}px`,
      height: `${bottom - top}px`,
    });
  });
  frame.addEventListener("pointerup", (event) => {
    if (!start) return;
    const [left, right, top, bottom] = corners(event);
    start = null;
    box.hidden = true;
    if (right - left > SMALLEST && bottom - top > SMALLEST) chosen(left, right, top, bottom);
  });
}
