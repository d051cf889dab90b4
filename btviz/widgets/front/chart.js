// A Vega-Lite chart that says what was clicked. `vegaEmbed` comes with the bundle made in Python.

async function render({ model, el }) {
  let embedded = null;

  const outline = () => {
    if (!embedded) return;
    for (const [name, value] of Object.entries(model.get("chosen"))) embedded.view.signal(name, value);
    embedded.view.runAsync();
  };
  const draw = async () => {
    const wanted = model.get("spec");
    embedded?.finalize();
    embedded = null;
    const made = await vegaEmbed(el, structuredClone(wanted), { actions: false, renderer: "svg" });
    if (wanted !== model.get("spec")) return made.finalize(); // another chart was asked for meanwhile
    embedded = made;
    made.view.addEventListener("click", (_, item) => {
      const { row, col, category } = item?.datum ?? {};
      if (row || category) model.send({ kind: "click", categories: category ? [category] : [row, col] });
    });
    outline();
  };

  model.on("change:spec", draw);
  model.on("change:chosen", outline);
  await draw();
  return () => {
    model.off("change:spec", draw);
    model.off("change:chosen", outline);
    embedded?.finalize();
  };
}

export default { render };
