// A Vega-Lite chart that says what was clicked. The library that draws comes after the view has started.

/** @import { Act, Cleanup, Embedded, Item, Mark, Model, Spec, VegaLibrary, View } from "../types" */
import { debounce, element, listen } from "../page/dom.js";
import { drawingLibrary } from "../page/library.js";
import { unpacked } from "../page/packed.js";
import { speaker } from "../page/speaker.js";
import { survive } from "../page/survive.js";
import { brushesOf, clickableMarks, isArrow, keysOf, neighbour, spoken } from "./marks.js";
import "./chart.css";

const REST = 250; // milliseconds without a move, after which a brush is taken to hold still

/**
 * Tells what a brush holds, once the hand rests: {field: [low, high]}, or {} for none. One brush counts, the last:
 * the others are taken away, or the picture would show several ranges at once.
 *
 * @param {Act["send"]} send
 */
function brushes(send) {
  /** @type {string | null} */
  let counting = null;
  const tell = debounce(REST, (/** @type {string} */ name, /** @type {Record<string, number[]>} */ ranges) =>
    send({ kind: "brush", name, ranges }),
  );

  /** @param {Embedded} drawn */
  function watch({ view, spec }) {
    const names = brushesOf(spec);
    counting = names.find((name) => Object.keys(view.signal(name) ?? {}).length > 0) ?? null;
    for (const name of names) {
      view.addSignalListener(name, (_, ranges) => {
        const isEmpty = Object.keys(ranges).length === 0;
        if (isEmpty && name !== counting) return;
        tell(name, ranges);
        if (isEmpty || name === counting) return;
        counting = name;
        const others = names.filter((other) => other !== name);
        for (const other of others) view.data(`${other}_store`, []);
        if (others.length) view.runAsync();
      });
    }
  }
  return { watch };
}

/**
 * One mark of a chart can be gone to by the tabulator, the others from there by the arrow keys.
 *
 * @param {HTMLElement} el
 * @param {{ click: (item: Item) => void, send: Act["send"] }} act
 */
function keyboard(el, { click, send }) {
  /** @type {Mark | undefined} */
  let focused;

  /** @param {Mark} mark */
  function focus(mark) {
    focused?.setAttribute("tabindex", "-1");
    mark.setAttribute("tabindex", "0");
    mark.focus();
    focused = mark;
  }

  /** @param {KeyboardEvent} event */
  function press(event) {
    const mark = /** @type {Mark} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "h") send({ kind: "hide" });
    else if (!mark.__data__) return;
    else if (event.key === "Enter" || event.key === " ") click(mark.__data__);
    else if (isArrow(event.key)) {
      const next = neighbour(clickableMarks(el), mark, event.key);
      if (next) focus(next);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  function drawn() {
    for (const mark of clickableMarks(el)) {
      mark.setAttribute("role", "button");
      mark.setAttribute("aria-label", spoken(mark.__data__.tooltip));
    }
    focused = clickableMarks(el)[0];
    focused?.setAttribute("tabindex", "0");
  }
  return { press, drawn };
}

/**
 * Draws what the model says, and draws anew when that changes; of several in a row, the last.
 *
 * @param {View} view
 * @param {{ canvas: HTMLElement, drawn: (embedded: Embedded) => void }} parts
 */
function picture({ model, el, host, signal }, { canvas, drawn }) {
  /** @type {Embedded | null} */
  let embedded = null;
  /** @type {Promise<VegaLibrary> | undefined} */
  let library;
  let turns = 0;

  function outline() {
    if (!embedded) return;
    for (const [name, value] of Object.entries(model.get("chosen"))) embedded.view.signal(name, value);
    embedded.view.runAsync();
  }

  function clear() {
    embedded?.finalize();
    embedded = null;
  }

  async function draw() {
    /** @type {string} */
    const wanted = model.get("spec"); // packed
    const turn = ++turns;
    const isWanted = () => !signal.aborted && turn === turns; // else another is drawn, or none any more
    clear();
    if (!wanted) return canvas.replaceChildren();
    library ??= drawingLibrary({ host, model, el, signal });
    const { vegaEmbed } = await library;
    /** @type {Spec} */
    const spec = JSON.parse(await unpacked(wanted));
    if (!isWanted()) return;
    canvas.classList.toggle("btviz-unscaled", brushesOf(spec).length > 0);
    const made = await vegaEmbed(canvas, spec, { actions: false, renderer: "svg" });
    if (!isWanted()) return made.finalize();
    embedded = made;
    drawn(made);
    outline();
  }
  return { clear, draw, outline };
}

/** @param {Model} model */
function head(model) {
  const said = element("div", { class: "btviz-said", role: "status" });
  const progress = element("progress", { "aria-label": "Share that is done" });
  const words = element("span");
  const busy = element("div", { class: "btviz-busy", role: "status", hidden: true }, progress, words);

  /** @param {string} [instead] */
  const tell = (instead) => said.replaceChildren(instead || model.get("said"));
  /** @param {HTMLElement} canvas */
  function work(canvas) {
    const { share, words: doing } = model.get("busy");
    busy.hidden = doing == null;
    canvas.classList.toggle("btviz-waiting", doing != null);
    if (share == null) progress.removeAttribute("value");
    else progress.value = share;
    if (words.textContent !== (doing ?? "")) words.replaceChildren(doing ?? "");
  }
  return { nodes: [said, busy], tell, work };
}

/**
 * @param {View} view
 * @returns {Cleanup}
 */
function render(view) {
  const { model, el } = view;
  const top = head(model);
  const canvas = element("div", { class: "btviz-canvas" });
  const speak = speaker(model, top.tell);
  /** @param {Item | null} item */
  const click = (item) => {
    const keys = keysOf(item);
    if (keys) speak.send({ kind: "click", keys });
  };
  const keys = keyboard(el, { click, send: speak.send });
  const brush = brushes(speak.send);
  const chart = picture(view, {
    canvas,
    drawn(embedded) {
      embedded.view.addEventListener("click", (_, item) => click(item));
      brush.watch(embedded);
      keys.drawn();
    },
  });

  el.dataset.lmSuppressShortcuts = "true"; // the keys below are ours, not those of JupyterLab's command mode
  el.tabIndex = -1; // so that the keys work after a click with the mouse, too
  el.classList.add("btviz-chart");
  el.append(...top.nodes, canvas);
  el.addEventListener("keydown", keys.press);
  const stop = listen(model, {
    "change:said": () => top.tell(),
    "change:spec": chart.draw,
    "change:chosen": chart.outline,
    "change:busy": () => top.work(canvas),
  });
  top.tell();
  top.work(canvas);
  chart.draw();
  return () => {
    speak.stop();
    stop();
    el.removeEventListener("keydown", keys.press);
    chart.clear();
  };
}

export default { initialize: survive, render };
