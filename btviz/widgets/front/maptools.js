// What stands above and below the map: what it shows, searches, colours, scale, and how far to trust it.

const STATISTICS = { trustworthiness: "trustworthiness", continuity: "continuity", neighbor_recall: "neighbour recall" };

function qualityLine(state) {
  const known = state.quality.filter((row) => row.value != null);
  if (!known.length) return state.quality.length ? `Quality of the map: undefined, because ${state.quality[0].undefined}.` : "Quality of the map: not measured (pass quality=btviz.map_quality(points, embeddings)).";
  const [{ n_neighbors: k, n_judged: judged, n_texts: texts }] = known;
  const error = (row) => (row.standard_error ? ` ± ${row.standard_error.toFixed(3)}` : "");
  const values = known.map((row) => `${STATISTICS[row.statistic] ?? row.statistic} ${row.value.toFixed(3)}${error(row)}`);
  return `How far to trust the map: ${values.join(" · ")} (${k} neighbours, ${judged === texts ? "all" : `${count(judged)} of`} ${count(texts)} texts judged). Axes, and distances between far groups, mean nothing.`;
}

function unstableLine({ unstable, n_topics: n }) {
  return unstable ? ` ${unstable} of ${plural(n, "topic")}, marked with a ?, ${unstable === 1 ? "is" : "are"} hardly found again by other fits.` : "";
}

function colouringList(model, act) {
  const list = element("select", { "aria-label": "Colour", title: "What the colour of a point stands for", class: "btviz-colour", on: { change: () => act.send({ kind: "color", name: list.value }) } });
  const option = ([name, title, , whyNot]) => element("option", { value: name, disabled: Boolean(whyNot) }, whyNot ? `${title}: ${whyNot}` : title);
  const all = model.get("state").colorings;
  const groups = [...new Set(all.map(([, , group]) => group))];
  for (const group of groups) {
    const options = all.filter(([, , own]) => own === group).map(option);
    list.append(...(group ? [element("optgroup", { label: group }, ...options)] : options));
  }
  return { node: element("label", {}, "Colour", list), update: () => (list.value = model.get("state").color) };
}

function scaleSlider(model, act) {
  const scales = () => model.get("state").scales;
  const words = element("span", { class: "btviz-quiet btviz-scale" });
  const say = () => {
    const [smallest, n] = scales()[slider.value] ?? [];
    const { scale, outliers } = model.get("state");
    const loose = smallest === scale && outliers != null ? `, ${Math.round(100 * outliers)} % of pairs in none` : "";
    words.replaceChildren(`${plural(n ?? 0, "topic")} of ${smallest}+ texts${loose}`);
  };
  const slider = element("input", { type: "range", min: 0, max: scales().length - 1, step: 1, "aria-label": "Smallest topic", title: "Fewest texts of a topic: finer to the left, coarser to the right" });
  slider.addEventListener("input", say);
  slider.addEventListener("change", () => act.send({ kind: "scale", scale: scales()[slider.value][0] }));
  const update = () => ((slider.value = scales().findIndex(([scale]) => scale === model.get("state").scale)), say());
  return { node: element("label", {}, "Topics", slider, words), update };
}

function searches(model, act) {
  const field = element("input", { type: "search", class: "btviz-search", placeholder: "Search", "aria-label": "Search the texts", spellcheck: "false" });
  const ask = (kind) => () => (field.value.trim() ? act.send({ kind, text: field.value }) : field.focus());
  field.addEventListener("keydown", (event) => event.key === "Enter" && ask("words")());
  const known = model.get("state").meaning;
  const why = known ? "" : "Needs the embeddings: pass embeddings= to TopicExplorer";
  const like = button("More like these", why || "Texts nearest in meaning to those selected", () => act.send({ kind: "like" }), { class: "btviz-like" });
  const node = element(
    "span",
    { class: "btviz-row", role: "search" },
    field,
    button("Words", "Texts that contain these words. Key: Enter", ask("words")),
    button("Meaning", why || "Texts nearest in meaning to these words", ask("meaning"), { disabled: !known }),
    like,
  );
  return { node, update: () => (like.disabled = !known || !model.get("state").chosen), focus: () => field.focus() };
}

function chosenLine(model, act) {
  const origin = element("strong", { class: "btviz-chosen" });
  const copy = button("Copy expression", "", () => copyText(model.get("state").expression, "Copied the Polars expression of this selection.", act.say));
  const save = button("Export", "Save the pairs listed as a table; texts go along only where the content policy shows them without asking", () => act.send({ kind: "export" }), { class: "btviz-export" });
  const clear = button("Clear", "Drop the selection. Key: Escape", () => act.send({ kind: "clear" }), { class: "btviz-drop" });
  const update = () => {
    const { origin: words, chosen, expression } = model.get("state");
    origin.replaceChildren(chosen == null ? "Nothing selected: lasso points, click a topic, or search." : words);
    copy.title = expression;
    clear.hidden = copy.hidden = chosen == null;
  };
  return { node: element("div", { class: "btviz-row btviz-chosen-line", role: "status" }, origin, copy, save, clear), update };
}

function legendOf(model) {
  const node = element("div", { class: "btviz-legend" });
  const entry = ([colour, words]) => element("span", {}, element("span", { class: "btviz-dot", style: `background: ${colour}` }), words);
  const update = () => {
    const { legend, legend_title: title, chosen } = model.get("state");
    const rest = chosen == null ? [] : [entry(["#dedede", "not selected"])];
    node.replaceChildren(element("strong", {}, title), ...legend.map(entry), ...rest);
  };
  return { node, update };
}
