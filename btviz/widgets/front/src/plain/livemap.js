// Points of a map while it is made: drawn anew as places come, with nothing to click.

/** @import { Cleanup, View } from "../types" */
import { element, listen } from "../page/dom.js";
import { survive } from "../page/survive.js";
import { draw } from "./dots.js";
import "./livemap.css";

/**
 * @param {View} view
 * @returns {Cleanup}
 */
function render({ model, el }) {
  const canvas = element("canvas", { class: "btviz-livemap", role: "img" });
  el.append(canvas);
  const show = () => {
    /** @type {DataView} */
    const sent = model.get("places");
    const places = new Uint16Array(sent.buffer, sent.byteOffset, sent.byteLength / 2);
    canvas.setAttribute("aria-label", `Map of ${(places.length / 2).toLocaleString("en")} texts`);
    draw(canvas, places);
  };
  const sized = new ResizeObserver(show);
  sized.observe(canvas);
  const stop = listen(model, { "change:places": show });
  return () => {
    sized.disconnect();
    stop();
  };
}

export default { initialize: survive, render };
