// The middle of the page: one canvas at a time, its tabs, and a heading that says population and number.

import { button, element, select, setChoices } from "../page/dom.js";
import { agreement, contrast, strata } from "./forest.js";
import { matrix } from "./matrix.js";
import { network } from "./network.js";
import { pointsOf, scatter } from "./points.js";

const TABS = /** @type {Record<string, string>} */ ({
  matrix: "Matrix",
  network: "Network",
  contrast: "Compare",
  agreement: "Agreement",
  strata: "Preferences",
  map: "Map",
  plane: "Reward × cost",
});
const DRAWN = /** @type {Record<string, (said: any, room: any) => Element>} */ ({
  matrix,
  network,
  contrast,
  agreement,
  strata,
});

/**
 * @param {{ send: (message: object) => void }} act
 */
export function canvasPanel({ send }) {
  /** @type {any} */
  let said = null;
  /** @type {DataView | null} */
  let lit = null;
  /** @type {ReturnType<typeof offer> | null} */
  let offered = null;
  /** @type {Map<string, ReturnType<typeof pointsOf>>} */
  const planes = new Map();
  const tabs = element("div", { class: "btvx-tabs", role: "tablist", "aria-label": "Canvas" });
  const title = element("h3", { class: "btvx-heading" });
  const heading = element("p", { class: "btvx-quiet btvx-population-of-canvas" });
  const doubt = element("p", { class: "btvx-doubt" });
  const coefficient = select("Coefficient", [], (name) => send({ kind: "coefficient", name }));
  const against = select("Compare with", [], (topic) =>
    send({ kind: "against", topic: topic === "" ? null : Number(topic) }),
  );
  const legend = element("div", { class: "btvx-legend" });
  const room = element("div", { class: "btvx-room" });
  const head = element(
    "div",
    { class: "btvx-line btvx-head" },
    title,
    element("span", { class: "btvx-space" }),
    coefficient,
    against,
    legend,
  );
  const node = element(
    "section",
    { class: "btvx-canvas", "aria-label": "Canvas" },
    tabs,
    head,
    heading,
    doubt,
    room,
  );

  /** @param {string} name */
  const tab = (name) =>
    button(TABS[name], "", () => send({ kind: "canvas", name }), {
      role: "tab",
      "aria-selected": String(name === said.name),
      class: "btvx-tab",
    });

  function draw() {
    if (!said) return;
    tabs.replaceChildren(...said.canvases.map(tab));
    title.replaceChildren(said.title ?? "Nothing to draw");
    heading.replaceChildren(said.heading);
    heading.title = said.heading;
    doubt.replaceChildren(said.doubt ?? "");
    coefficient.hidden = !said.coefficients;
    against.hidden = !said.topics?.length;
    const points = planes.get(said.name);
    legend.replaceChildren(...(points ? roles() : []));
    const size = { width: room.clientWidth, height: room.clientHeight, send, name: said.name };
    if (size.width < 50) return;
    if (points) {
      const drawn = scatter(points, { ...size, lit });
      room.replaceChildren(drawn.node);
      drawn.draw();
      return;
    }
    if (said.encoders) {
      offered ??= offer(said.encoders, send);
      room.replaceChildren(offered.node);
      return;
    }
    room.replaceChildren(...(DRAWN[said.name] ? [DRAWN[said.name](said, size)] : []));
  }

  return {
    node,
    room,
    draw,
    /** @param {any} message */
    mapping: (message) => offered?.told(message),
    /** @param {any} message */
    keep(message, /** @type {DataView[]} */ buffers) {
      planes.set(message.name, pointsOf(message, buffers));
    },
    /** @param {any} message */
    update(message, /** @type {DataView[]} */ buffers) {
      said = message;
      lit = planes.has(message.name) && !message.all_lit ? buffers[0] : null;
      if (message.coefficients) {
        coefficient.replaceChildren(
          ...message.coefficients.map((/** @type {string[]} */ [value, words]) =>
            element("option", { value }, words),
          ),
        );
        coefficient.value = message.coefficient;
      }
      if (message.topics) {
        setChoices(against, [
          ["", "against the rest"],
          ...message.topics.map((/** @type {[number, string]} */ [topic, name]) => [
            `${topic}`,
            `against ${name}`,
          ]),
        ]);
        against.value = message.against == null ? "" : `${message.against}`;
      }
      draw();
    },
  };
}

/**
 * What stands where the map was not given: it can be made here, with progress, and given up.
 *
 * @param {string[]} encoders
 * @param {(message: object) => void} send
 */
function offer(encoders, send) {
  const by = select(
    "What reads the texts",
    encoders.map((name) => [name, name]),
    () => {},
  );
  const progress = element("progress", { "aria-label": "Share that is done", max: 1 });
  const stop = button("Cancel", "Give it up; what is done is kept", () => send({ kind: "cancel" }));
  const busy = element(
    "div",
    { class: "btvx-line", hidden: true, role: "status" },
    progress,
    "Reading the texts …",
    stop,
  );
  const make = button("Make the map", "Embed the texts, lay them out and find topics", () => {
    busy.hidden = false;
    make.disabled = true;
    send({ kind: "lay_out", encoder: by.value });
  });
  const node = element(
    "div",
    { class: "btvx-offer" },
    element("div", { class: "btvx-line" }, by, make),
    busy,
  );
  return {
    node,
    /** @param {{ share: number | null, done?: boolean }} message */
    told({ share, done }) {
      busy.hidden = Boolean(done);
      make.disabled = !done;
      if (share == null) progress.removeAttribute("value");
      else progress.value = share;
    },
  };
}

const roles = () =>
  [
    ["unsafe", "● unsafe"],
    ["safe", "○ safe"],
    ["other", "○ no majority"],
    ["gone", "● not selected"],
  ].map(([role, words]) => element("span", { class: `btvx-legend-${role}` }, words));
