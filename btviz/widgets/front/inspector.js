// The pair inspector. Texts live in a Map of this view, never in the model, which notebooks save.

function render({ model, el }) {
  const state = { words: { tags: [], notes: [] }, form: null };
  const list = element("div", { class: "btviz-list", role: "list", "aria-label": "QA pairs" });
  const status = element("div", { class: "btviz-status", role: "status" });
  const pairs = () => model.get("cards").map((card) => card.pair);
  const nodeOf = (pair) => list.querySelector(`[data-pair="${pair}"]`);

  const say = (words) => status.replaceChildren(words);
  const speak = speaker(model, say);
  const read = reading(model, { send: speak.send, shown: pairs, draw: () => drawList() });
  state.texts = read.texts;

  const act = {
    send: (message) => (say(""), speak.send(message)),
    say,
    revealPage: () => read.reveal(pairs()),
    toggle: (pair) => (state.texts.has(pair) ? read.hide([pair]) : read.reveal([pair])),
    hide: () => (read.hideAll(), act.send({ kind: "hide" })),
    tag: (pair) => {
      if (state.form?.pair !== pair) state.form = pair && { pair, node: tagForm(pair, state.words.tags, saveTag, () => act.tag(null)), sent: false };
      drawList();
      if (pair) nodeOf(pair).querySelector("form input").focus();
    },
  };

  const saveTag = (message) => {
    state.form.sent = true; // it closes when Python has kept the tag
    act.send(message);
  };

  function drawList() {
    const active = list.contains(document.activeElement) ? document.activeElement : null;
    const focused = active?.closest("[data-pair]")?.dataset.pair;
    state.categories = model.get("categories");
    state.inPrompt = model.get("view").prompt != null;
    const cards = model.get("cards");
    const empty = element("p", { class: "btviz-empty" }, model.get("view").chosen ? "No pair of this selection passes the filter." : "The selection holds no pairs.");
    list.classList.toggle("btviz-side", state.inPrompt);
    list.replaceChildren(...(state.inPrompt ? [sharedPrompt(cards)] : []), ...(cards.length ? cards.map((card) => pairCard(card, state, act)) : [empty]));
    nodeOf(model.get("view").focus)?.classList.add("btviz-found");
    const next = active?.isConnected ? active : focused && nodeOf(focused);
    next?.focus({ preventScroll: true });
  }

  function sharedPrompt(cards) {
    const known = cards.find((card) => state.texts.get(card.pair)?.[0].text != null) ?? cards[0];
    return element("div", { class: "btviz-shared" }, textBlock("prompt", known, state.texts.get(known.pair)));
  }

  function drawCards() {
    const paging = list.contains(document.activeElement);
    read.paged();
    const wanted = model.get("view").focus;
    if (wanted) nodeOf(wanted)?.focus();
    else if (paging && !list.contains(document.activeElement)) list.querySelector(".btviz-card")?.focus({ preventScroll: true });
  }

  const drawPolicy = () => (bar.update(), read.policyChanged());

  function receive(message) {
    if (read.receive(message)) return;
    if (message.kind === "words") {
      state.words = message;
      if (state.form?.sent) state.form = null;
      tools.update(message);
      drawList();
    } else if (message.kind === "say") {
      if (state.form) state.form.sent = false;
      say(message.text);
    }
  }

  function move(direction) {
    const cards = [...list.querySelectorAll(".btviz-card")];
    const at = cards.findIndex((card) => card.contains(document.activeElement));
    cards[Math.min(Math.max(at + direction, 0), cards.length - 1)]?.focus();
  }

  const onFocused = (action) => () => {
    const pair = document.activeElement.closest("[data-pair]")?.dataset.pair;
    if (pair) action(pair);
    else say("Go to a pair first: press ↓, or click it.");
  };
  const keys = {
    ArrowRight: () => turn.node.querySelector(".btviz-next").click(),
    ArrowLeft: () => turn.node.querySelector(".btviz-previous").click(),
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    r: onFocused(act.toggle),
    R: act.revealPage,
    s: onFocused((pair) => nodeOf(pair).querySelector(".btviz-same")?.click()),
    t: onFocused(act.tag),
    h: act.hide,
    "/": () => tools.focus(),
    Escape: () => model.get("view").prompt && act.send({ kind: "prompt", pair: null }),
  };
  function press(event) {
    const typing = event.target.matches("input:not([type=checkbox]), select, textarea");
    if (typing && event.key === "Escape") el.querySelector(".btviz-inspector").focus();
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    keys[event.key]();
  }

  const top = head(model, act);
  const tools = filterTools(model, act);
  const bar = policyBar(model, act);
  const turn = pager(model, act, "Pairs");
  const help = element("p", { class: "btviz-quiet btviz-keys" }, "Keys: ↑ ↓ pair · ← → page · r reveal · R reveal these · h hide all · s same prompt · t tag · / search");
  // JupyterLab acts on single letters in command mode unless an element says it wants them itself.
  el.append(element("section", { class: "btviz-inspector", tabindex: -1, "aria-label": "Pair inspector", "data-lm-suppress-shortcuts": "true", on: { keydown: press } }, top.node, tools.node, bar.node, turn.node, status, list, help));

  const update = () => (top.update(), turn.update(), tools.update(null));
  const watched = [["change:view", update], ["change:cards", drawCards], ["change:policy_state", drawPolicy], ["msg:custom", receive]];
  watched.forEach(([event, listener]) => model.on(event, listener));
  update();
  bar.update();
  drawCards();
  speak.send({ kind: "ready" });
  return () => (speak.stop(), watched.forEach(([event, listener]) => model.off(event, listener)));
}

export default { render };
