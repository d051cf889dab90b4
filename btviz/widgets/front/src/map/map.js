// The topic map: points by jupyter-scatter, or a density picture, with names of topics above them.

/** @import { Cleanup, View } from "../types" */
import { element, isTyping, listen, pressed } from "../page/dom.js";
import { speaker } from "../page/speaker.js";
import { survive } from "../page/survive.js";
import { count, plural } from "../page/words.js";
import { qualityLine, titleOf, unstableLine } from "./captions.js";
import { densityPicture, hasWebgl } from "./density.js";
import { topicLabels } from "./labels.js";
import { drawPoints } from "./points.js";
import { chosenLine, colouringList, legendOf, scaleSlider, searches } from "./tools.js";
import "./map.css";

const HINT =
  "Drag to move, scroll to zoom, click the name of a topic. To lasso, press l or the second button, then drag.";
const DENSITY = "The density of texts is shown instead. Drag to lasso, click the name of a topic.";
const KEPT = 60_000; // milliseconds that a browser has to begin a download

/** @param {{ name: string, text: string }} file */
function download({ name, text }) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), KEPT);
}

/** A line below the map: what lies under the pointer, else what can be done. */
function pointedLine() {
  let hint = HINT;
  const node = element("div", { class: "btviz-pointed btviz-quiet" }, hint);
  return {
    node,
    /** @param {string} words */
    hint(words) {
      hint = words;
      node.replaceChildren(hint);
    },
    /**
     * @param {{ topic: number | null, item: string, pairs: number, unsafe: number | null }} place
     * @param {Map<number, string>} names
     */
    point({ topic, item, pairs, unsafe }, names) {
      if (topic == null) return node.replaceChildren(hint);
      const named = topic < 0 ? "no topic" : `topic ${topic}: `;
      const how = unsafe == null ? "" : `, ${count(unsafe)} unsafe`;
      const name = element("bdi", {}, names.get(topic) ?? "");
      node.replaceChildren(`${plural(pairs, item)} here${how} · ${named}`, name);
    },
  };
}

/**
 * @param {View} view
 * @returns {Cleanup}
 */
function render(view) {
  const { model, el, signal } = view;
  const stage = element("div", { class: "btviz-stage" });
  const status = element("div", { class: "btviz-status", role: "status" });
  const title = element("div", { class: "btviz-counts" });
  const busy = element("progress", { class: "btviz-busy-bar", "aria-label": "Working" });
  const quality = element("p", { class: "btviz-quiet btviz-quality" });
  const language = element("p", { class: "btviz-quality", hidden: true });
  const pointed = pointedLine();
  /** @type {(x: number, y: number) => number[] | null} */
  let where = () => null;
  /** @type {Map<number, string>} */
  let names = new Map();
  let toggleLasso = () => {};

  /** @param {string} words */
  const say = (words) => status.replaceChildren(words);
  const speak = speaker(model, say);
  /** @param {object} message */
  const send = (message) => {
    say("");
    speak.send(message);
  };
  const act = { send, say };
  const labels = topicLabels({
    where: (x, y) => where(x, y),
    click: (topic) => send({ kind: "topic", topic }),
  });
  const colour = colouringList(model, act);
  const scale = scaleSlider(model, act);
  const search = searches(model, act);
  const chosen = chosenLine(model, act);
  const legend = legendOf(model);

  async function draw() {
    if (!hasWebgl()) return drawDensity("This browser has no WebGL.");
    try {
      ({ where, toggleLasso } = await drawPoints(view, { stage, labels, send: speak.send }));
      labels.place();
    } catch (error) {
      console.error(error);
      drawDensity("The points could not be drawn.");
    }
  }

  /** @param {string} why */
  function drawDensity(why) {
    if (signal.aborted) return;
    const picture = densityPicture(model, { lasso: (polygon) => send({ kind: "lasso", polygon }) });
    signal.addEventListener("abort", picture.stop);
    stage.replaceChildren(picture.node, labels.node);
    where = picture.where;
    speak.send({ kind: "no_webgl" });
    pointed.hint(`${why} ${DENSITY}`);
    labels.place();
  }

  /** @param {any} message */
  function receive(message) {
    if (message.kind === "labels") {
      names = new Map(
        message.labels.map((/** @type {{ topic: number, name: string }} */ one) => [one.topic, one.name]),
      );
      labels.set(message.labels, message.colours);
      labels.choose(model.get("state").topic);
    } else if (message.kind === "say") say(message.text);
    else if (message.kind === "pointed") pointed.point(message, names);
    else if (message.kind === "download") {
      download(message);
      say(`Saved ${message.name}.`);
    }
  }

  function update() {
    const state = model.get("state");
    for (const part of [colour, scale, search, chosen, legend]) part.update();
    busy.hidden = !state.busy;
    title.replaceChildren(titleOf(state));
    quality.replaceChildren(qualityLine(state.quality) + unstableLine(state));
    language.replaceChildren(state.language ?? "");
    language.hidden = !state.language;
    labels.choose(state.topic);
  }

  const keys = {
    h: () => send({ kind: "hide" }),
    Escape: () => send({ kind: "clear" }),
    "/": search.focus,
    l: () => toggleLasso(),
  };
  /** @param {KeyboardEvent} event */
  const keydown = (event) => {
    if (isTyping(event))
      event.stopPropagation(); // JupyterLab would take the arrow keys from the slider
    else pressed(event, keys);
  };
  const attributes = {
    class: "btviz-inspector btviz-map",
    tabindex: -1,
    "aria-label": "Topic map",
    "data-lm-suppress-shortcuts": "true",
    on: { keydown },
  };
  const tools = element("div", { class: "btviz-row" }, colour.node, scale.node, busy);
  const below = [legend.node, pointed.node, status, language, quality];
  el.append(element("section", attributes, title, tools, search.node, chosen.node, stage, ...below));
  const stop = listen(model, { "change:state": update, "msg:custom": receive });
  update();
  draw();
  speak.send({ kind: "ready" });
  return () => {
    speak.stop();
    stop();
  };
}

export default { initialize: survive, render };
