// What stands above the list: where the pairs came from, the filter, and what may be read.

const MODES = [["any_of", "any of", "any"], ["all_of", "all of", "all"], ["none_of", "none of", "not"]];

function filterTools(model, act) {
  let filters = { any_of: [], all_of: [], none_of: [], votes: "one", safety: "all", dispute: "all", search: "", tag: "" };
  let mode = "any_of";
  const apply = (change) => {
    filters = { ...filters, ...change };
    act.send({ kind: "filter", filters });
    draw();
  };
  const search = element("input", { type: "search", class: "btviz-search", placeholder: "Search texts (key: /)", "aria-label": "Search prompts and responses" });
  search.addEventListener("input", debounce(300, () => apply({ search: search.value })));
  const safety = select("Safe or unsafe", [["all", "Safe and unsafe"], ["safe", "Safe"], ["unsafe", "Unsafe"]], (v) => apply({ safety: v }));
  const dispute = select("Disputed", [], (v) => apply({ dispute: v }));
  const tag = select("Tag", [["", "Any tag or none"]], (v) => apply({ tag: v }));
  const votes = select("Votes a category needs", [["one", "with at least one vote"], ["majority", "by majority"], ["every", "with every vote"]], (v) => apply({ votes: v }));
  const modes = MODES.map(([key, words]) => button(words, `Pairs with ${words} the categories clicked`, () => ((mode = key), draw()), { "data-mode": key }));
  const chips = model.get("categories").map((category, bit) => button(category.title, category.definition, () => pick(category.slug), { class: "btviz-chip", "data-bit": bit }));
  const summary = element("summary", {}, "Categories");
  const panel = element("details", { class: "btviz-categories" }, summary, element("div", { class: "btviz-row" }, element("span", { class: "btviz-segments", role: "group", "aria-label": "How categories combine" }, ...modes), votes), element("div", { class: "btviz-row" }, ...chips));
  const clear = button("Clear filter", "List the whole selection", () => apply({ any_of: [], all_of: [], none_of: [], votes: "one", safety: "all", dispute: "all", search: "", tag: "" }), { class: "btviz-clear" });

  function pick(slug) {
    const had = filters[mode].includes(slug);
    const without = Object.fromEntries(MODES.map(([key]) => [key, filters[key].filter((other) => other !== slug)]));
    apply(had ? without : { ...without, [mode]: [...without[mode], slug] });
  }

  function draw() {
    setValue(search, filters.search);
    for (const [field, value] of [[safety, filters.safety], [dispute, filters.dispute], [tag, filters.tag], [votes, filters.votes]]) field.value = value;
    for (const segment of modes) segment.setAttribute("aria-pressed", segment.dataset.mode === mode);
    for (const made of chips) {
      const category = model.get("categories")[made.dataset.bit];
      const chosen = MODES.find(([key]) => filters[key].includes(category.slug));
      made.setAttribute("aria-pressed", Boolean(chosen));
      made.dataset.mode = chosen ? chosen[0] : "";
      made.replaceChildren(chosen ? `${chosen[2]}: ${category.title}` : category.title);
    }
    const picked = MODES.filter(([key]) => filters[key].length).map(([key, words]) => `${words} ${filters[key].length}`);
    summary.replaceChildren(picked.length ? `Categories: ${picked.join(", ")}` : "Categories");
    clear.hidden = !(picked.length || filters.search || filters.tag || filters.safety !== "all" || filters.dispute !== "all");
  }

  function update(words) {
    if (words) {
      filters = words.filters;
      setChoices(tag, [["", "Any tag or none"], ...words.tags.map((name) => [name, `Tag: ${name}`])]);
    }
    const measurable = model.get("view").dispute_measurable;
    setChoices(dispute, measurable ? [["all", "Disputed or not"], ["disputed", "Disputed"], ["unanimous", "Unanimous"]] : [["all", "Disputed: not measurable"]]);
    dispute.disabled = !measurable;
    dispute.title = measurable ? "Whether the annotations agree on safe or unsafe" : "This release has one annotation per pair, so disagreement cannot be measured";
    draw();
  }
  return { node: element("div", { class: "btviz-tools" }, element("div", { class: "btviz-row" }, search, safety, dispute, tag, clear), panel), update, focus: () => search.focus() };
}

function head(model, act) {
  const origin = element("h3", { class: "btviz-origin" });
  const counts = element("span", { class: "btviz-counts" });
  const copy = button("Copy expression", "", () => copyText(model.get("view").expression, "Copied the Polars expression of this selection.", act.say));
  const everything = button("Show all pairs", "Drop the selection", () => act.send({ kind: "clear" }));
  const id = element("input", { class: "btviz-open", placeholder: "Open by id", "aria-label": "Open a pair by its id", maxlength: 20, spellcheck: "false" });
  id.addEventListener("keydown", (event) => event.key === "Enter" && act.send({ kind: "open", pair: id.value }));
  function update() {
    const view = model.get("view");
    origin.replaceChildren(view.origin);
    const narrowed = view.listed === view.chosen ? plural(view.listed, "pair") : `${count(view.listed)} of ${plural(view.chosen, "pair")} pass the filter`;
    const elsewhere = view.elsewhere ? ` · ${count(view.elsewhere)} more are not in this data set` : "";
    counts.replaceChildren(`${narrowed}${elsewhere} · ${view.name}: ${count(view.all)} in all`);
    copy.title = view.expression;
    everything.hidden = view.chosen === view.all;
  }
  return { node: element("header", { class: "btviz-head" }, origin, element("div", { class: "btviz-row" }, counts, copy, everything, id)), update };
}

function policyBar(model, act) {
  const opted = element("input", { type: "checkbox", class: "btviz-optin", on: { change: () => act.send({ kind: "opt_in", on: opted.checked }) } });
  const boxes = model.get("categories").filter((category) => category.guarded).map((category) => {
    const box = element("input", { type: "checkbox", value: category.slug, on: { change: () => act.send({ kind: "name", slug: category.slug, on: box.checked }) } });
    return box;
  });
  const title = (slug) => model.get("categories").find((category) => category.slug === slug).title;
  const guarded = element("details", {}, element("summary", { title: "Texts that any annotation puts there stay hidden even when revealed, unless you name the category" }, "Always hidden"), ...boxes.map((box) => element("label", { title: "Allow these texts to be revealed" }, box, `Allow: ${title(box.value)}`)));
  function update() {
    const state = model.get("policy_state");
    opted.checked = state.reveal_all;
    for (const box of boxes) box.checked = state.named.includes(box.value);
  }
  const node = element("div", { class: "btviz-row btviz-policy" }, element("label", { title: "Every view of this session then shows texts without asking" }, opted, "Show texts without asking"), boxes.length ? guarded : null, button("Hide all", "Hide every text in every view. Key: h", act.hide, { class: "btviz-hide" }));
  return { node, update };
}
