// One comparison: its two answers side by side, what was said of either, and which words differ.

/** @import { Act, Answer, Category, Comparison, Text } from "../types" */
import { button, element } from "../page/dom.js";
import { count, plural } from "../page/words.js";
import { idButton, safetyBadge, severityBadge, sourceOf } from "./badges.js";
import { compare, runs } from "./difference.js";
import { hidden, sized, textBlock } from "./texts.js";

const TOO_LONG = "Too long to be lined up: marked are words that the other answer does not have anywhere.";

/** @param {Comparison} card */
export const pairsOf = (card) => card.answers.map((answer) => answer.pair);

/**
 * @param {Text[] | undefined} shown
 * @param {string} part
 */
const textOf = (shown, part) => shown?.find((text) => text.part === part)?.text;

/**
 * Whether the better answer is the safer one, in words; null where a label is missing.
 *
 * @param {{ better: number | null, safer: number | null }} card
 */
export function isSame({ better, safer }) {
  return better == null || safer == null ? null : better === safer;
}

/** @param {Comparison} card */
function agreement(card) {
  const same = isSame(card);
  if (same == null) return element("span", { class: "btviz-badge" }, "Not comparable: a label is missing");
  const words = same ? "The better answer is the safer one" : "The better answer is not the safer one";
  return element("span", { class: `btviz-badge ${same ? "btviz-agrees" : "btviz-trades"}` }, words);
}

/**
 * @param {Answer["bits"]} bits
 * @param {Category[]} categories
 */
function chips(bits, categories) {
  if (bits == null) return [];
  if (!bits.length) return [element("span", { class: "btviz-quiet" }, "No harm category")];
  return bits.map((bit) =>
    element("span", { class: "btviz-chip", title: categories[bit].definition }, categories[bit].title),
  );
}

/**
 * Text nodes, and <mark> around words that differ: nothing in the data is taken for markup.
 *
 * @param {string[]} segments
 * @param {Uint8Array} marks
 */
const marked = (segments, marks) =>
  runs(segments, marks).map(({ words, differs }) =>
    differs ? element("mark", { class: "btviz-differs" }, words) : words,
  );

/**
 * @param {Answer} answer
 * @param {Text[] | undefined} shown
 * @param {(Node | string)[] | null} nodes  instead of the plain text
 */
function answerText(answer, shown, nodes) {
  if (!shown) return hidden(answer.words == null ? "Hidden" : `Hidden: ${plural(answer.words, "word")}`);
  const block = textBlock("response", shown);
  if (nodes) block.querySelector(".btviz-words")?.replaceChildren(...nodes);
  return block;
}

/**
 * @param {Comparison} card
 * @param {0 | 1} side
 * @param {{ categories: Category[], say: Act["say"], text: Node }} parts
 */
function answerColumn({ better, safer, overall, answers }, side, { categories, say, text }) {
  const answer = answers[side];
  const orders = { Better: better, Safer: safer, Chosen: overall };
  const won = Object.entries(orders).flatMap(([words, order]) => (order === side ? [words] : []));
  const safety = answer.safe == null ? [] : [answer.safe ? "Safe" : "Unsafe"];
  const said = [...won, ...safety].join(", ");
  const name = `Response ${side}`;
  return element(
    "section",
    { class: "btviz-answer", role: "group", "aria-label": said ? `${name}: ${said}` : name },
    element(
      "div",
      { class: "btviz-row" },
      element("span", { class: "btviz-name" }, name),
      ...won.map((words) => element("span", { class: "btviz-badge btviz-won" }, `✓ ${words}`)),
      answer.safe != null && safetyBadge(answer.safe, { title: "As released in this comparison's row" }),
      severityBadge(answer.severity),
      ...chips(answer.bits, categories),
      sourceOf(answer.source),
      idButton(answer.pair, say),
    ),
    text,
  );
}

/**
 * @param {Comparison} card
 * @param {(Text[] | undefined)[]} shown  texts of either answer
 */
function promptOf({ prompt_words: words }, shown) {
  const known = shown.find((one) => textOf(one, "prompt") != null) ?? shown.find(Boolean);
  return known ? textBlock("prompt", known) : hidden(`Hidden: ${sized("prompt", words)}`);
}

/**
 * @param {Comparison} card
 * @param {string} name
 */
function head(card, name) {
  const facts = [card.prompt_source, card.split].filter(Boolean).join(" · ");
  return element(
    "div",
    { class: "btviz-row" },
    element("span", { class: "btviz-name" }, name),
    agreement(card),
    facts && element("span", { class: "btviz-quiet" }, facts),
  );
}

/**
 * @param {Comparison} card
 * @param {{ texts: Map<string, Text[]>, opened: Set<number>, categories: Category[] }} state
 *     `opened`: rows, because two of them may share an answer.
 * @param {Pick<Act, "say"> & { toggle: (card: Comparison) => void }} act
 */
export function comparisonCard(card, { texts, opened, categories }, act) {
  const shown = pairsOf(card).map((pair) => (opened.has(card.row) ? texts.get(pair) : undefined));
  const isRevealed = shown.some(Boolean);
  const responses = shown.map((one) => textOf(one, "response") ?? null);
  const compared = responses.every((text) => text != null) ? compare(responses) : null;
  const remark = compared?.same
    ? "Both answers are the same text."
    : compared && !compared.linedUp && TOO_LONG;
  const columns = /** @type {const} */ ([0, 1]).map((side) => {
    const nodes = compared && marked(compared.segments[side], compared.marked[side]);
    const text = answerText(card.answers[side], shown[side], nodes);
    return answerColumn(card, side, { categories, say: act.say, text });
  });
  const missing = card.missing.length > 0 && `Not released in this row: ${card.missing.join(", ")}`;
  const name = `Comparison ${count(card.row + 1)}`;
  return element(
    "article",
    {
      class: "btviz-card",
      tabindex: 0,
      role: "listitem",
      "data-item": card.row,
      "data-row": card.row,
      "aria-label": name,
    },
    head(card, name),
    promptOf(card, shown),
    element("div", { class: "btviz-versus" }, ...columns),
    element(
      "div",
      { class: "btviz-row btviz-actions" },
      button(isRevealed ? "Hide" : "Reveal", "Key: r", () => act.toggle(card), { class: "btviz-reveal" }),
      remark && element("span", { class: "btviz-quiet" }, remark),
      missing && element("span", { class: "btviz-quiet btviz-missing" }, missing),
    ),
  );
}
