// What may be read without asking, and what stays hidden even where it was asked for.

/** @import { Act, Category, Model, Part } from "../types" */
import { button, element } from "../page/dom.js";

const ALWAYS_HIDDEN =
  "Texts that any annotation puts there stay hidden even when revealed, unless you name the category";

/**
 * @param {Model} model
 * @param {Act & { hide: () => void }} act
 * @returns {Part}
 */
export function policyBar(model, act) {
  /** @type {Category[]} */
  const categories = model.get("categories");
  /** @type {HTMLInputElement} */
  const optIn = element("input", {
    type: "checkbox",
    class: "btviz-optin",
    on: { change: () => act.send({ kind: "opt_in", on: optIn.checked }) },
  });
  /** @type {HTMLInputElement} */
  const words = element("input", {
    type: "checkbox",
    class: "btviz-topicwords",
    on: { change: () => act.send({ kind: "topic_words", on: words.checked }) },
  });
  const wordsTitle = "Words that mark a topic are words of its texts; without them topics have neutral names";
  const asksForWords = element("label", { title: wordsTitle }, words, "Show words of topics");
  const guarded = categories
    .filter((category) => category.guarded)
    .map((category) => {
      /** @type {HTMLInputElement} */
      const box = element("input", {
        type: "checkbox",
        value: category.slug,
        on: { change: () => act.send({ kind: "name", slug: category.slug, on: box.checked }) },
      });
      const title = "Allow these texts to be revealed";
      return { box, label: element("label", { title }, box, `Allow: ${category.title}`) };
    });
  const summary = element("summary", { title: ALWAYS_HIDDEN }, "Always hidden");
  const node = element(
    "div",
    { class: "btviz-row btviz-policy" },
    element(
      "label",
      { title: "Every view of this session then shows texts without asking" },
      optIn,
      "Show texts without asking",
    ),
    asksForWords,
    guarded.length > 0 && element("details", {}, summary, ...guarded.map(({ label }) => label)),
    button("Hide all", "Hide every text in every view. Key: h", act.hide, { class: "btviz-hide" }),
  );

  function update() {
    const state = model.get("policy_state");
    optIn.checked = state.reveal_all;
    asksForWords.hidden = state.words == null;
    words.checked = Boolean(state.words);
    for (const { box } of guarded) box.checked = state.named.includes(box.value);
  }
  return { node, update };
}
