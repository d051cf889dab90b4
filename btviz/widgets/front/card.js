// One QA pair: verdict, categories with their votes, the two texts (or what stands for them), actions.

const PARTS = { prompt: "Prompt", response: "Response" };

function verdict(card) {
  const unknown = card.labelled ? "Contradictory labels" : "No safety label";
  if (card.safe == null) return element("span", { class: "btviz-badge" }, unknown);
  const words = card.safe ? "Safe" : "Unsafe";
  const of = card.annotations > 1 ? ` ${card.safe ? card.annotations - card.unsafe : card.unsafe} of ${card.annotations}` : "";
  return element(
    "span",
    { class: `btviz-badge ${card.safe ? "btviz-safe" : "btviz-unsafe"}`, title: "Majority of the annotations; a tie is unsafe" },
    words + of,
  );
}

function dots(votes, n) {
  if (!votes || n < 2) return null;
  const drawn = n <= 6 ? "●".repeat(votes) + "○".repeat(n - votes) : `${votes}/${n}`;
  return element("span", { class: "btviz-dots", "aria-hidden": "true" }, drawn);
}

function chip(category, votes, n) {
  const counted = votes ? `Flagged by ${votes} of ${plural(n, "annotation")}.` : "As released with its comparisons.";
  const minor = votes && 2 * votes < n ? " btviz-minor" : "";
  return element(
    "span",
    { class: `btviz-chip${minor}`, title: `${category.definition} ${counted}`, "aria-label": `${category.title}. ${counted}` },
    category.title,
    dots(votes, n),
  );
}

function cardHead(card, categories, say) {
  const copy = () => copyText(card.pair, `Copied ${card.pair}.`, say);
  return element(
    "div",
    { class: "btviz-row" },
    verdict(card),
    card.disputed && element("span", { class: "btviz-badge btviz-disputed", title: "The annotations disagree on safe or unsafe" }, "Disputed"),
    card.severity && element("span", { class: "btviz-badge" }, `Severity: ${card.severity}`),
    ...card.votes.map(([bit, votes]) => chip(categories[bit], votes, card.annotations)),
    card.source && element("span", { class: "btviz-quiet" }, card.source),
    button(card.pair, "Id of this pair; click to copy", copy, { class: "btviz-id" }),
  );
}

const size = (words) => (words == null ? "" : ` ${plural(words, "word")}`);

// Stands for both texts until somebody asks for them.
function hiddenTexts(card, parts) {
  const sizes = parts.map((part) => `${part}${size(card.words[part === "prompt" ? 0 : 1])}`);
  return element("div", { class: "btviz-hidden" }, `Hidden: ${sizes.join(", ")}`);
}

function stays(part, categories) {
  const carrier = part === "prompt" ? "an answer to it is labelled " : "";
  return `Stays hidden: ${carrier}${categories}. To read it, allow that under “Always hidden”.`;
}

function textBlock(part, card, shown) {
  const found = shown?.find((text) => text.part === part);
  const block = element("div", { class: "btviz-text" }, element("span", { class: "btviz-label" }, PARTS[part]));
  if (found?.text == null) {
    const why = found?.withheld.length ? stays(part, found.withheld.join(", ")) : "Hidden";
    block.append(element("div", { class: "btviz-hidden", "data-part": part }, why));
  } else {
    block.append(element("div", { class: "btviz-words", "data-part": part, dir: "auto" }, found.text));
    if (found.cut) block.append(element("span", { class: "btviz-quiet" }, `${plural(found.cut, "further character")} not shown`));
  }
  return block;
}

function tagTokens(card, notes, act) {
  return notes
    .filter((note) => note.pair === card.pair)
    .map((note) =>
      element(
        "span",
        { class: "btviz-tag", title: `${note.note || "No note"} (${note.time})` },
        note.tag,
        note.note ? element("span", { class: "btviz-quiet" }, ` ${note.note}`) : null,
        button("×", `Remove the tag ${note.tag}`, () => act({ kind: "untag", pair: card.pair, tag: note.tag }), { class: "btviz-bare" }),
      ),
    );
}

// Made once and moved along when the list is drawn anew, so that what was typed stays.
function tagForm(pair, tags, save, close) {
  const tag = element("input", { placeholder: "tag", "aria-label": "Tag", maxlength: 60, required: true, list: "btviz-tags" });
  const note = element("input", { placeholder: "note (optional)", "aria-label": "Note", class: "btviz-wide" });
  const submit = (event) => {
    event.preventDefault();
    if (!tag.value.trim()) return tag.focus();
    save({ kind: "tag", pair, tag: tag.value, note: note.value });
  };
  const known = element("datalist", { id: "btviz-tags" }, ...tags.map((value) => element("option", { value })));
  return element(
    "form",
    { class: "btviz-row btviz-form", on: { submit, keydown: (event) => event.key === "Enter" && event.target.matches("input") && submit(event) } },
    tag,
    note,
    known,
    element("button", { type: "submit" }, "Save"),
    button("Cancel", "Close without saving", close),
  );
}

// `state`: texts (by pair), words (tags and notes), form (of the pair being tagged), categories, inPrompt.
function pairCard(card, state, act) {
  const shown = state.texts.get(card.pair);
  const parts = state.inPrompt ? ["response"] : ["prompt", "response"];
  return element(
    "article",
    { class: "btviz-card", tabindex: 0, role: "listitem", "data-pair": card.pair, "aria-label": `Pair ${card.pair}` },
    cardHead(card, state.categories, act.say),
    ...(shown ? parts.map((part) => textBlock(part, card, shown)) : []),
    element(
      "div",
      { class: "btviz-row btviz-actions" },
      shown ? null : hiddenTexts(card, parts),
      button(shown ? "Hide" : "Reveal", "Key: r", () => act.toggle(card.pair), { class: "btviz-reveal" }),
      !state.inPrompt &&
        button(card.answers > 1 ? `Same prompt: ${card.answers} answers` : "Only answer to its prompt", "Key: s", () => act.send({ kind: "prompt", pair: card.pair }), {
          class: "btviz-same",
          disabled: card.answers < 2,
        }),
      button("Tag…", "Tag this pair and note on it. Key: t", () => act.tag(card.pair)),
      ...tagTokens(card, state.words.notes, act.send),
    ),
    state.form?.pair === card.pair ? state.form.node : null,
  );
}
