// One line that says what is being done, and how far it has come.

/** @import { Cleanup, View } from "../types" */
import { element, listen } from "../page/dom.js";
import { survive } from "../page/survive.js";
import "../page/busy.css";

/**
 * @param {View} view
 * @returns {Cleanup}
 */
function render({ model, el }) {
  const bar = element("progress", { "aria-label": "Share that is done" });
  const words = element("span", { role: "status" });
  el.classList.add("btviz-busy");
  el.append(bar, words);
  const tell = () => {
    const { words: said, share, running } = model.get("state");
    bar.hidden = !running;
    if (share == null) bar.removeAttribute("value");
    else bar.value = share;
    words.replaceChildren(said ?? "");
  };
  tell();
  return listen(model, { "change:state": tell });
}

export default { initialize: survive, render };
