// The points of the map, drawn by jupyter-scatter in one WebGL canvas, with the names of topics above them.

/** @import { Model, ScatterApi, ScatterLibrary, View } from "../types" */
import { element } from "../page/dom.js";
import { drawingLibrary } from "../page/library.js";
import { survive } from "../page/survive.js";
import { containerIn, frames, noClickAfterDrag, oneDrawAtATime } from "./scatter.js";

const AROUND = 1.06; // how much farther the camera stands than the points reach
const NEAREST = 200; // how many times nearer one can scroll
const RESTS = 150; // milliseconds without a move, after which the points in sight are asked for

/**
 * Stand back as far as the points reach, and let nobody lose the map by scrolling.
 *
 * @param {ScatterApi} api
 * @param {HTMLElement} container
 * @param {number[]} reach  of the points, across and up
 * @returns {number}  how far the camera stands
 */
function placeCamera(api, { clientWidth: across, clientHeight: down }, [x, y]) {
  const distance = AROUND * Math.max(y, (x * down) / across); // else a narrow map is cut, and a wide one small
  if (api.get("cameraDistance") !== distance) api.set({ cameraDistance: distance });
  api.get("camera").setScaleBounds([1 / (2 * distance), NEAREST / distance]);
  return api.get("cameraDistance");
}

/**
 * Names lie on the canvas, but the wheel is meant for the map, and a lasso may begin on a name or pass one.
 *
 * @param {HTMLElement} names
 * @param {{ canvas: HTMLElement, points: Model, signal: AbortSignal }} map
 */
function letThrough(names, { canvas, points, signal }) {
  const wheel = (/** @type {WheelEvent} */ event) => {
    event.preventDefault();
    canvas.dispatchEvent(new WheelEvent("wheel", event));
  };
  names.addEventListener("wheel", wheel, { passive: false });
  canvas.addEventListener("mousedown", () => names.classList.add("btviz-through"));
  window.addEventListener("mouseup", () => names.classList.remove("btviz-through"), { signal });
  const lasso = () => names.classList.toggle("btviz-lassoing", points.get("mouse_mode") === "lasso");
  points.on("change:mouse_mode", lasso);
  signal.addEventListener("abort", () => points.off("change:mouse_mode", lasso));
}

/**
 * Where more points are on the map than are drawn, Python finds what is in sight and what a lasso encloses.
 *
 * @param {ScatterApi} api
 * @param {{ send: (message: object) => void, signal: AbortSignal }} parts
 */
function askForPoints(api, { send, signal }) {
  let [joins, leaves] = [false, false];
  let timer = 0;
  const released = (/** @type {MouseEvent} */ event) => {
    [joins, leaves] = [event.metaKey, event.altKey];
  };
  window.addEventListener("mouseup", released, { signal, capture: true });
  api.subscribe("lassoEnd", ({ coordinates }) =>
    send({ kind: "lasso", polygon: coordinates, joins, leaves }),
  );
  const ask = () => {
    const box = [...api.get("xScale").domain(), ...api.get("yScale").domain()];
    send({ kind: "sight", box });
  };
  api.subscribe("view", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, RESTS);
  });
  signal.addEventListener("abort", () => clearTimeout(timer));
}

/**
 * @param {View} view
 * @param {{ stage: HTMLElement, labels: { node: HTMLElement, place: () => void },
 *   send: (message: object) => void }} parts
 * @returns {Promise<{ where: (x: number, y: number) => number[], toggleLasso: () => void }>}
 */
export async function drawPoints({ model, host, signal }, { stage, labels, send }) {
  const points = await host.getModel(model.get("scatter"));
  await survive({ model: points });
  /** @type {ScatterLibrary} */
  const library = await drawingLibrary({ host, model, el: stage, signal });
  const el = element("div", { class: "btviz-points" });
  stage.prepend(el);
  await frames(() => stage.clientWidth > 0);
  const stop = await library.default.render({ model: points, el });
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop);
  if (!(await frames(() => containerIn(el)))) throw new Error("the points were not drawn");
  const container = /** @type {HTMLElement & { api: ScatterApi }} */ (containerIn(el));
  const { api } = container;
  oneDrawAtATime(api);
  let placed = placeCamera(api, container, model.get("state").reach);
  noClickAfterDrag(container);
  container.append(labels.node);
  api.subscribe("view", labels.place);
  const canvas = /** @type {HTMLElement} */ (container.querySelector("canvas"));
  const resized = () => {
    if (api.get("cameraDistance") === placed) placed = placeCamera(api, container, model.get("state").reach);
    labels.place();
  };
  new ResizeObserver(() => requestAnimationFrame(resized)).observe(canvas); // what lies beside it may come later
  letThrough(labels.node, { canvas, points, signal });
  const { drawn, points: n } = model.get("state");
  if (drawn < n) askForPoints(api, { send, signal });
  return {
    where: (x, y) => [api.get("xScale")(x), api.get("yScale")(y)],
    toggleLasso() {
      points.set("mouse_mode", points.get("mouse_mode") === "lasso" ? "panZoom" : "lasso");
      points.save_changes();
    },
  };
}
