// The page: a selection bar, facets, one canvas and one reading pane. Texts live in a Map of the reading pane alone.

/** @import { Cleanup, View } from "../types" */
import { policyBar } from "../inspector/policy.js";
import { reading } from "../inspector/reading.js";
import { copyText, debounce, element, isTyping, listen, pressed } from "../page/dom.js";
import { speaker } from "../page/speaker.js";
import { survive } from "../page/survive.js";
import { count } from "../page/words.js";
import { selectionBar } from "./bar.js";
import { canvasPanel } from "./canvas.js";
import { facetPanel } from "./facets.js";
import { readingPane } from "./rows.js";
import "./explore.css";

const HELP =
  "↑ ↓ pair · ← → page · r reveal · R these · h hide all · s prompt · n near · t tag · z undo · y redo · / search";
const ANSWER = 4000; // milliseconds to wait for a kernel before the saved picture is shown

/** @param {{ name: string, text: string }} message */
function download({ name, text }) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  element("a", { href: address, download: name }).click();
  URL.revokeObjectURL(address);
}

/**
 * @param {View} view
 * @returns {Cleanup}
 */
function render({ model, el }) {
  const status = element("div", { class: "btvx-status", role: "status" });
  /** @param {string} words */
  const say = (words) => status.replaceChildren(words);
  const speak = speaker(model, say);
  /** @param {object} message */
  const send = (message) => {
    say("");
    speak.send(message);
  };
  const bar = selectionBar({ send, say, drawer: () => page.classList.toggle("btvx-open") });
  const facets = facetPanel({ send });
  const canvas = canvasPanel({ send });
  const pane = readingPane(model, { send, say, read: () => read });
  const read = reading(model, { send: speak.send, shown: pane.pairs, draw: pane.draw });
  const hide = () => {
    read.hideAll();
    send({ kind: "hide" });
  };
  const exposure = element("span", {
    class: "btvx-quiet btvx-number",
    title: "Pairs of which a text was shown in this session, because it was asked for",
    role: "status",
  });
  const policy = policyBar(model, { send, say, hide });
  const keys = {
    ArrowDown: () => pane.move(1),
    ArrowUp: () => pane.move(-1),
    ArrowRight: () => pane.turn(1),
    ArrowLeft: () => pane.turn(-1),
    r: pane.onFocus(pane.toggle),
    R: () => read.reveal(pane.pairs()),
    h: hide,
    s: pane.onFocus(pane.samePrompt),
    n: pane.onFocus(pane.neighbours),
    t: pane.tag,
    z: bar.undo,
    y: bar.redo,
    "/": bar.focusSearch,
  };
  const keydown = (/** @type {KeyboardEvent} */ event) => {
    if (!isTyping(event)) pressed(event, keys);
    else if (event.key === "Escape") page.focus();
  };
  const page = element(
    "section",
    {
      class: "btvx-page btviz-inspector",
      tabindex: -1,
      "aria-label": "Explore",
      "data-lm-suppress-shortcuts": "true",
      hidden: true,
      on: { keydown },
    },
    bar.node,
    status,
    element("div", { class: "btvx-columns-of-page" }, facets.node, canvas.node, pane.node),
    element(
      "footer",
      { class: "btvx-foot" },
      policy.node,
      exposure,
      element("p", { class: "btvx-quiet" }, HELP),
    ),
  );
  const picture = element("img", {
    class: "btvx-picture",
    alt: "Counts of the last selection; run this cell to explore",
    hidden: true,
  });
  el.append(page, picture);

  const timer = setTimeout(() => {
    const kept = model.get("picture");
    if (!page.hidden || !kept) return;
    picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(kept)}`;
    picture.hidden = false;
  }, ANSWER);

  /** @type {Record<string, (message: any, buffers: DataView[]) => void>} */
  const parts = {
    bar(message) {
      page.hidden = false;
      picture.hidden = true;
      bar.update(message);
      pane.seek(message.sought);
    },
    facets: facets.update,
    reading: pane.update,
    notes: pane.noted,
    canvas: canvas.update,
    points: canvas.keep,
    mapping: canvas.mapping,
    read: ({ n }) => exposure.replaceChildren(`Read in this session: ${count(n)}`),
    copy: ({ text }) => copyText(text, "Copied this selection as JSON; others open it under “Kept”.", say),
    say: (message) => say(message.text),
    download,
  };
  const stop = listen(model, {
    "msg:custom": (message, buffers) => {
      if (!read.receive(message)) parts[message.kind]?.(message, buffers);
    },
    "change:policy_state": () => {
      policy.update();
      read.policyChanged();
    },
  });
  const resized = new ResizeObserver(debounce(80, canvas.draw));
  resized.observe(canvas.room);
  policy.update();
  speak.send({ kind: "ready" });
  return () => {
    clearTimeout(timer);
    resized.disconnect();
    speak.stop();
    stop();
  };
}

export default { initialize: survive, render };
