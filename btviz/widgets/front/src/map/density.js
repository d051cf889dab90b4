// Stands for the map where the browser has no WebGL: how many texts lie where, and a lasso.

/** @import { Cleanup, Model } from "../types" */
import { element, listen } from "../page/dom.js";

const CHOSEN = [11, 98, 164];
const OTHERS = [150, 150, 150];
const ALL = [60, 90, 120];
const PALEST_CHOSEN = 90;

export function hasWebgl() {
  const context = document.createElement("canvas").getContext("webgl");
  context?.getExtension("WEBGL_lose_context")?.loseContext(); // a page has only some
  return context != null;
}

/**
 * Colours of the cells, four bytes each; places that are chosen stand out from all.
 *
 * @param {Uint8Array} all  0 to 255 a cell
 * @param {Uint8Array} chosen
 * @returns {Uint8ClampedArray<ArrayBuffer>}
 */
export function shades(all, chosen) {
  const isAnyChosen = chosen.some(Boolean);
  const pixels = new Uint8ClampedArray(4 * all.length);
  for (const [k, shade] of all.entries()) {
    if (!isAnyChosen) pixels.set([...ALL, shade], 4 * k);
    else if (chosen[k]) pixels.set([...CHOSEN, Math.max(chosen[k], PALEST_CHOSEN)], 4 * k);
    else pixels.set([...OTHERS, 0.6 * shade], 4 * k);
  }
  return pixels;
}

/**
 * @param {Model} model
 * @param {{ lasso: (corners: number[][]) => void }} act  takes a closed line on the map, whose sides go from -1 to 1
 * @returns {{ node: HTMLElement, where: (x: number, y: number) => number[], stop: Cleanup }}
 */
export function densityPicture(model, { lasso }) {
  const canvas = element("canvas", {
    class: "btviz-density",
    role: "img",
    "aria-label": "Density of the map",
  });
  const line = element("canvas", { class: "btviz-density" });
  const node = element("div", { class: "btviz-densities" }, canvas, line);
  /** @type {number[][] | null} */
  let corners = null;

  const side = () => Math.min(node.clientWidth, node.clientHeight);
  const middle = () => [node.clientWidth / 2, node.clientHeight / 2];
  /**
   * @param {number} x
   * @param {number} y
   */
  const where = (x, y) => [middle()[0] + (x * side()) / 2, middle()[1] - (y * side()) / 2];
  /** @param {PointerEvent} event */
  function onMap(event) {
    const box = node.getBoundingClientRect();
    const [x, y] = [event.clientX - box.x - middle()[0], event.clientY - box.y - middle()[1]];
    return [(2 * x) / side(), (-2 * y) / side()];
  }

  function draw() {
    const bytes = new Uint8Array(model.get("density")?.buffer ?? []);
    const cells = Math.sqrt(bytes.length / 2);
    if (!cells) return;
    const pixels = shades(bytes.subarray(0, cells * cells), bytes.subarray(cells * cells));
    [canvas.width, canvas.height] = [cells, cells];
    canvas.getContext("2d")?.putImageData(new ImageData(pixels, cells, cells), 0, 0);
  }

  function trace() {
    [line.width, line.height] = [node.clientWidth, node.clientHeight];
    const pen = line.getContext("2d");
    if (!pen) return;
    pen.strokeStyle = "#0b62a4";
    pen.beginPath();
    for (const [x, y] of corners ?? []) {
      const [right, down] = where(x, y);
      pen.lineTo(right, down);
    }
    pen.stroke();
  }

  node.addEventListener("pointerdown", (event) => {
    node.setPointerCapture(event.pointerId);
    corners = [onMap(event)];
  });
  node.addEventListener("pointermove", (event) => {
    corners?.push(onMap(event));
    if (corners) trace();
  });
  node.addEventListener("pointerup", () => {
    if (corners) lasso(corners.length > 2 ? corners : []);
    corners = null;
    trace();
  });
  draw();
  return { node, where, stop: listen(model, { "change:density": draw }) };
}
