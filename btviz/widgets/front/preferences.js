// The preference inspector. Texts live in a Map of this view, never in the model, which notebooks save.

const AGREEMENT = [
  ["all", "All comparisons"],
  ["same", "Better is the safer one"],
  ["other", "Better is not the safer one"],
  ["unknown", "A label is missing"],
];

function agreement(card) {
  if (card.better == null || card.safer == null) return element("span", { class: "btviz-badge" }, "Not comparable: a label is missing");
  const same = card.better === card.safer;
  const words = same ? "The better answer is the safer one" : "The better answer is not the safer one";
  return element("span", { class: `btviz-badge ${same ? "btviz-agrees" : "btviz-trades"}` }, words);
}

function safety(answer) {
  if (answer.safe == null) return null;
  return element("span", { class: `btviz-badge ${answer.safe ? "btviz-safe" : "btviz-unsafe"}`, title: "As released in this comparison's row" }, answer.safe ? "Safe" : "Unsafe");
}

function categoriesOfAnswer(answer, categories) {
  if (answer.bits == null) return [];
  if (!answer.bits.length) return [element("span", { class: "btviz-quiet" }, "No harm category")];
  return answer.bits.map((bit) => element("span", { class: "btviz-chip", title: categories[bit].definition }, categories[bit].title));
}

// One text with its marks, or what stands for it; `nodes` replaces the plain text.
function answerText(answer, shown, nodes) {
  if (!shown) return element("div", { class: "btviz-hidden" }, `Hidden${answer.words == null ? "" : `: ${plural(answer.words, "word")}`}`);
  const block = textBlock("response", answer, shown);
  if (nodes) block.querySelector(".btviz-words")?.replaceChildren(...nodes);
  return block;
}

function answerColumn(card, side, shown, nodes, state, act) {
  const answer = card.answers[side];
  const won = [card.better === side && "Better", card.safer === side && "Safer"].filter(Boolean);
  const said = [...won, answer.safe == null ? "" : answer.safe ? "Safe" : "Unsafe"].filter(Boolean).join(", ");
  return element(
    "section",
    { class: "btviz-answer", role: "group", "aria-label": `Response ${side}${said ? `: ${said}` : ""}` },
    element(
      "div",
      { class: "btviz-row" },
      element("span", { class: "btviz-name" }, `Response ${side}`),
      ...won.map((words) => element("span", { class: "btviz-badge btviz-won" }, `✓ ${words}`)),
      safety(answer),
      answer.severity && element("span", { class: "btviz-badge" }, `Severity: ${answer.severity}`),
      ...categoriesOfAnswer(answer, state.categories),
      answer.source && element("span", { class: "btviz-quiet" }, answer.source),
      button(answer.pair, "Id of this pair; click to copy", () => copyText(answer.pair, `Copied ${answer.pair}.`, act.say), { class: "btviz-id" }),
    ),
    answerText(answer, shown, nodes),
  );
}

const pairsOf = (card) => card.answers.map((answer) => answer.pair);
const textOf = (shown, part) => shown?.find((text) => text.part === part)?.text;

function comparisonCard(card, state, act) {
  const shown = pairsOf(card).map((pair) => (state.opened.has(card.row) ? state.texts.get(pair) : undefined));
  const texts = shown.map((one) => textOf(one, "response"));
  const compared = texts.every((text) => text != null) ? compare(texts) : null;
  const revealed = shown.some(Boolean);
  const facts = [card.prompt_source, card.split].filter(Boolean).join(" · ");
  const remark = compared && (compared.same ? "Both answers are the same text." : compared.linedUp ? null : "Too long to be lined up: marked are words that the other answer does not have anywhere.");
  return element(
    "article",
    { class: "btviz-card", tabindex: 0, role: "listitem", "data-row": card.row, "aria-label": `Comparison ${count(card.row + 1)}` },
    element("div", { class: "btviz-row" }, element("span", { class: "btviz-name" }, `Comparison ${count(card.row + 1)}`), agreement(card), facts && element("span", { class: "btviz-quiet" }, facts)),
    revealed
      ? textBlock("prompt", card, shown.find((one) => textOf(one, "prompt") != null) ?? shown.find(Boolean))
      : element("div", { class: "btviz-hidden" }, `Hidden: prompt${card.prompt_words == null ? "" : ` ${plural(card.prompt_words, "word")}`}`),
    element("div", { class: "btviz-versus" }, ...[0, 1].map((side) => answerColumn(card, side, shown[side], compared && markedNodes(compared.segments[side], compared.marked[side]), state, act))),
    element(
      "div",
      { class: "btviz-row btviz-actions" },
      button(revealed ? "Hide" : "Reveal", "Key: r", () => act.toggle(card), { class: "btviz-reveal" }),
      remark && element("span", { class: "btviz-quiet" }, remark),
      card.missing.length > 0 && element("span", { class: "btviz-quiet btviz-missing" }, `Not released in this row: ${card.missing.join(", ")}`),
    ),
  );
}

function comparisonHead(model, act) {
  const origin = element("h3", { class: "btviz-origin" });
  const counts = element("span", { class: "btviz-counts" });
  const kind = select("Whether the better answer is the safer one", AGREEMENT, (value) => act.send({ kind: "agreement", agreement: value }));
  const marks = element("input", { type: "checkbox", checked: true, on: { change: () => act.mark(marks.checked) } });
  const everything = button("Show all comparisons", "Drop the selection", () => act.send({ kind: "clear" }));
  function update() {
    const view = model.get("view");
    origin.replaceChildren(view.origin);
    const narrowed = view.listed === view.chosen ? plural(view.listed, "comparison") : `${count(view.listed)} of ${plural(view.chosen, "comparison")} pass the filter`;
    counts.replaceChildren(`${narrowed} · ${view.name}: ${count(view.all)} in all`);
    kind.value = view.agreement;
    everything.hidden = view.chosen === view.all;
  }
  const label = element("label", { title: "Mark the words of either answer that the other does not have in that place" }, marks, "Mark differences");
  return { node: element("header", { class: "btviz-head" }, origin, element("div", { class: "btviz-row" }, counts, kind, label, everything)), update };
}

function render({ model, el }) {
  const state = { texts: null, opened: new Set(), categories: [] }; // rows that are open: two of them may share an answer
  const list = element("div", { class: "btviz-list", role: "list", "aria-label": "Comparisons" });
  const status = element("div", { class: "btviz-status", role: "status" });
  const cards = () => model.get("cards");
  const pairs = () => [...new Set(cards().flatMap(pairsOf))];
  const say = (words) => status.replaceChildren(words);
  const speak = speaker(model, say);
  const read = reading(model, { send: speak.send, shown: pairs, draw: () => drawList(), cleared: () => state.opened.clear() });
  state.texts = read.texts;

  const act = {
    send: (message) => (say(""), speak.send(message)),
    say,
    revealPage: () => open(cards()),
    toggle: (card) => (state.opened.has(card.row) ? close(card) : open([card])),
    hide: () => (read.hideAll(), act.send({ kind: "hide" })),
    mark: (on) => list.classList.toggle("btviz-plain", !on),
  };

  function open(wanted) {
    wanted.forEach((card) => state.opened.add(card.row));
    read.reveal([...new Set(wanted.flatMap(pairsOf))]);
    drawList();
  }
  function close(card) {
    state.opened.delete(card.row);
    const needed = new Set(cards().filter((one) => state.opened.has(one.row)).flatMap(pairsOf));
    read.hide(pairsOf(card).filter((pair) => !needed.has(pair)));
  }
  function openAllowed() {
    if (model.get("policy_state").reveal_all) cards().forEach((card) => state.opened.add(card.row));
  }

  function nothing() {
    const view = model.get("view");
    const words = !view.all ? "This data set holds no comparisons." : view.chosen ? "No comparison of this selection passes the filter." : "The selection holds no comparisons.";
    return element("p", { class: "btviz-empty" }, words);
  }

  function drawList() {
    const focused = list.contains(document.activeElement) ? document.activeElement.closest("[data-row]")?.dataset.row : null;
    state.categories = model.get("categories");
    list.replaceChildren(...(cards().length ? cards().map((card) => comparisonCard(card, state, act)) : [nothing()]));
    if (focused != null) (list.querySelector(`[data-row="${focused}"]`) ?? list.querySelector(".btviz-card"))?.focus({ preventScroll: true });
  }

  function move(direction) {
    const nodes = [...list.querySelectorAll(".btviz-card")];
    const at = nodes.findIndex((node) => node.contains(document.activeElement));
    nodes[Math.min(Math.max(at + direction, 0), nodes.length - 1)]?.focus();
  }
  function toggleFocused() {
    const row = document.activeElement.closest("[data-row]")?.dataset.row;
    const card = cards().find((one) => String(one.row) === row);
    if (card) act.toggle(card);
    else say("Go to a comparison first: press ↓, or click it.");
  }
  const keys = {
    ArrowRight: () => turn.node.querySelector(".btviz-next").click(),
    ArrowLeft: () => turn.node.querySelector(".btviz-previous").click(),
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    r: toggleFocused,
    R: act.revealPage,
    h: act.hide,
  };
  function press(event) {
    const typing = event.target.matches("input:not([type=checkbox]), select, textarea");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    keys[event.key]();
  }

  const top = comparisonHead(model, act);
  const bar = policyBar(model, act);
  const turn = pager(model, act, "Comparisons");
  const help = element("p", { class: "btviz-quiet btviz-keys" }, "Keys: ↑ ↓ comparison · ← → page · r reveal · R reveal these · h hide all");
  // JupyterLab acts on single letters in command mode unless an element says it wants them itself.
  el.append(element("section", { class: "btviz-inspector", tabindex: -1, "aria-label": "Preference inspector", "data-lm-suppress-shortcuts": "true", on: { keydown: press } }, top.node, bar.node, turn.node, status, list, help));

  const update = () => (top.update(), turn.update());
  const receive = (message) => read.receive(message) || (message.kind === "say" && say(message.text));
  const drawPolicy = () => (bar.update(), openAllowed(), read.policyChanged());
  function drawPage() {
    const rows = new Set(cards().map((card) => card.row));
    for (const row of state.opened) if (!rows.has(row)) state.opened.delete(row);
    openAllowed();
    read.paged();
  }
  const watched = [["change:view", update], ["change:cards", drawPage], ["change:policy_state", drawPolicy], ["msg:custom", receive]];
  watched.forEach(([event, listener]) => model.on(event, listener));
  update();
  bar.update();
  drawPage();
  return () => (speak.stop(), watched.forEach(([event, listener]) => model.off(event, listener)));
}

export default { render };
