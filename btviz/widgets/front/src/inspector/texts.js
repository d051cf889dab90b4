// The two texts of a pair, or what stands for them until somebody asks.

/** @import { Text } from "../types" */
import { element } from "../page/dom.js";
import { plural } from "../page/words.js";

const TITLES = /** @type {Record<string, string>} */ ({ prompt: "Prompt", response: "Response" });

/**
 * What stands for a text: its name and its size.
 *
 * @param {string} name
 * @param {number | null | undefined} words
 */
export const sized = (name, words) => (words == null ? name : `${name} ${plural(words, "word")}`);

/**
 * @param {string} what
 * @param {string} [part]
 */
export const hidden = (what, part) => element("div", { class: "btviz-hidden", "data-part": part }, what);

/**
 * Why a text was not shown although it was asked for.
 *
 * @param {string} part
 * @param {string[]} categories
 * @param {boolean} alone  whether the prompt has no answer
 */
function stays(part, categories, alone) {
  const carrier = part === "prompt" ? (alone ? "it is labelled " : "an answer to it is labelled ") : "";
  return `Stays hidden: ${carrier}${categories.join(", ")}. To read it, allow that under “Always hidden”.`;
}

/**
 * One text with its title; hidden where it was not shown.
 *
 * @param {string} part
 * @param {Text[] | undefined} shown  texts of the pair that were sent
 * @returns {HTMLElement}
 */
export function textBlock(part, shown) {
  const found = shown?.find((text) => text.part === part);
  const title = element("span", { class: "btviz-label" }, TITLES[part]);
  const block = element("div", { class: "btviz-text" }, title);
  if (found?.text == null) {
    block.append(
      hidden(found?.withheld.length ? stays(part, found.withheld, shown?.length === 1) : "Hidden", part),
    );
    return block;
  }
  block.append(element("div", { class: "btviz-words", "data-part": part, dir: "auto" }, found.text));
  if (found.cut) {
    const rest = `${plural(found.cut, "further character")} not shown`;
    block.append(element("span", { class: "btviz-quiet" }, rest));
  }
  return block;
}
