// A table of words and numbers; every cell is a text node.

/** @import { Cleanup, View } from "../types" */
import { element, listen } from "../page/dom.js";
import { survive } from "../page/survive.js";
import "./table.css";

/**
 * @param {"th" | "td"} tag
 * @param {string[]} values
 * @param {string[][]} columns  name and kind of each
 */
const cells = (tag, values, columns) =>
  values.map((value, place) =>
    element(
      tag,
      { class: columns[place][1] === "number" && "btviz-number", scope: tag === "th" && "col" },
      value,
    ),
  );

/**
 * @param {View} view
 * @returns {Cleanup}
 */
function render({ model, el }) {
  el.classList.add("btviz-table");
  const draw = () => {
    /** @type {{ caption: string, columns?: string[][], rows: string[][] }} */
    const { caption, columns, rows } = model.get("content");
    if (!columns) return el.replaceChildren();
    const names = columns.map(([name]) => name);
    const head = element("thead", {}, element("tr", {}, ...cells("th", names, columns)));
    const body = element("tbody", {}, ...rows.map((row) => element("tr", {}, ...cells("td", row, columns))));
    const table = element("table", {}, element("caption", {}, caption), head, body);
    el.replaceChildren(element("div", { class: "btviz-scroll", tabindex: 0 }, table));
  };
  draw();
  return listen(model, { "change:content": draw });
}

export default { initialize: survive, render };
