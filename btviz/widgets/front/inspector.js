// The pair inspector. Texts live in a Map of this view, never in the model, which notebooks save.

function pager(model, act) {
  const where = element("span", { class: "btviz-where", "aria-live": "polite" });
  const step = (direction) => () => {
    const { offset, size } = model.get("view");
    act.send({ kind: "turn", offset: offset + direction * size, size });
  };
  const back = button("‹", "Previous page. Key: ←", step(-1), { class: "btviz-previous", "aria-label": "Previous page" });
  const on = button("›", "Next page. Key: →", step(1), { class: "btviz-next", "aria-label": "Next page" });
  const size = select("Pairs on a page", [5, 10, 25, 50].map((n) => [String(n), `${n} a page`]), (n) => act.send({ kind: "turn", offset: model.get("view").offset, size: Number(n) }));
  const leave = button("‹ Back to the list", "Key: Escape", () => act.send({ kind: "prompt", pair: null }), { class: "btviz-leave" });
  const reveal = button("Reveal these", "Reveal every text on view. Key: R", act.revealPage);
  function update() {
    const view = model.get("view");
    const shown = model.get("cards").length;
    const inPrompt = view.prompt != null;
    leave.hidden = !inPrompt;
    for (const control of [back, on, size]) control.hidden = inPrompt;
    back.disabled = view.offset === 0;
    on.disabled = view.offset + view.size >= view.listed;
    size.value = String(view.size);
    reveal.hidden = shown === 0;
    const range = shown ? `${count(view.offset + 1)}–${count(view.offset + shown)} of ${count(view.listed)}` : "0 of 0";
    where.replaceChildren(inPrompt ? `All ${shown} answers to one prompt` : range);
  }
  return { node: element("nav", { class: "btviz-row btviz-pager", "aria-label": "Pages" }, leave, back, where, on, size, reveal), update };
}

function render({ model, el }) {
  const state = { texts: new Map(), words: { tags: [], notes: [] }, form: null };
  const asked = new Set();
  const list = element("div", { class: "btviz-list", role: "list", "aria-label": "QA pairs" });
  const status = element("div", { class: "btviz-status", role: "status" });
  const pairs = () => model.get("cards").map((card) => card.pair);
  const nodeOf = (pair) => list.querySelector(`[data-pair="${pair}"]`);

  const say = (words) => status.replaceChildren(words);
  const speak = speaker(model, say);

  const act = {
    send: (message) => (say(""), speak.send(message)),
    say,
    reveal: (wanted) => {
      wanted.forEach((pair) => asked.add(pair));
      if (wanted.length) speak.send({ kind: "reveal", pairs: wanted });
    },
    revealPage: () => act.reveal(pairs()),
    toggle: (pair) => (state.texts.has(pair) ? (forget(pair), drawList()) : act.reveal([pair])),
    hide: () => (forgetAll(), act.send({ kind: "hide" })),
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
  const forget = (pair) => (asked.delete(pair), state.texts.delete(pair));
  const forgetAll = () => (asked.clear(), state.texts.clear(), drawList());

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
    const present = new Set(pairs());
    for (const pair of [...asked]) if (!present.has(pair)) forget(pair);
    const paging = list.contains(document.activeElement);
    drawList();
    if (model.get("policy_state").reveal_all) act.reveal(pairs().filter((pair) => !asked.has(pair)));
    const wanted = model.get("view").focus;
    if (wanted) nodeOf(wanted)?.focus();
    else if (paging && !list.contains(document.activeElement)) list.querySelector(".btviz-card")?.focus({ preventScroll: true });
  }

  let optedIn = model.get("policy_state").reveal_all;
  function drawPolicy() {
    const now = model.get("policy_state").reveal_all;
    bar.update();
    if (optedIn && !now) forgetAll();
    act.reveal(now ? pairs() : [...asked]); // what was asked for may be allowed now, or no longer
    optedIn = now;
  }

  function receive(message) {
    if (message.kind === "text" && asked.has(message.pair)) {
      state.texts.set(message.pair, message.texts);
      drawList();
    } else if (message.kind === "words") {
      state.words = message;
      if (state.form?.sent) state.form = null;
      tools.update(message);
      drawList();
    } else if (message.kind === "hide") forgetAll();
    else if (message.kind === "say") {
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
  const turn = pager(model, act);
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
