// Turns the pages of a list, and reveals what is on view.

/** @import { Act, Model, Part } from "../types" */
import { button, element, select } from "../page/dom.js";
import { rangeInWords } from "./captions.js";

const SIZES = [5, 10, 25, 50];

/**
 * @param {Model} model
 * @param {Act & { revealPage: () => void }} act
 * @param {string} noun  what a page holds, in the plural
 * @returns {Part & { turn: (direction: 1 | -1) => void }}
 */
export function pager(model, act, noun) {
  /** @param {1 | -1} direction */
  const step = (direction) => {
    const { offset, size } = model.get("view");
    act.send({ kind: "turn", offset: offset + direction * size, size });
  };
  const where = element("span", { class: "btviz-where", "aria-live": "polite" });
  const back = button("‹", "Previous page. Key: ←", () => step(-1), {
    class: "btviz-previous",
    "aria-label": "Previous page",
  });
  const on = button("›", "Next page. Key: →", () => step(1), {
    class: "btviz-next",
    "aria-label": "Next page",
  });
  const size = select(
    `${noun} on a page`,
    SIZES.map((n) => [String(n), `${n} a page`]),
    (n) => act.send({ kind: "turn", offset: model.get("view").offset, size: Number(n) }),
  );
  const toList = () => act.send({ kind: "prompt", pair: null });
  const leave = button("‹ Back to the list", "Key: Escape", toList, { class: "btviz-leave" });
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
    where.replaceChildren(inPrompt ? `All ${shown} answers to one prompt` : rangeInWords(view, shown));
  }
  const attributes = { class: "btviz-row btviz-pager", "aria-label": "Pages" };
  return {
    node: element("nav", attributes, leave, back, where, on, size, reveal),
    update,
    turn: (direction) => (direction > 0 ? on : back).click(), // not where the button can't be clicked
  };
}
