// A table of words and numbers; every cell is a text node.

function render({ model, el }) {
  el.classList.add("btviz-table");
  const draw = () => {
    const { caption, columns, rows } = model.get("content");
    if (!columns) return el.replaceChildren();
    const numeric = columns.map(([, kind]) => kind === "number");
    const cells = (tag, values) =>
      values.map((value, place) => element(tag, { class: numeric[place] ? "btviz-number" : null, scope: tag === "th" ? "col" : null }, value));
    const head = element("thead", {}, element("tr", {}, ...cells("th", columns.map(([name]) => name))));
    const body = element("tbody", {}, ...rows.map((row) => element("tr", {}, ...cells("td", row))));
    el.replaceChildren(element("div", { class: "btviz-scroll", tabindex: 0 }, element("table", {}, element("caption", {}, caption), head, body)));
  };
  model.on("change:content", draw);
  draw();
  return () => model.off("change:content", draw);
}

export default { render };
