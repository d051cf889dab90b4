// Tags and notes of a pair: those it has, and the form for a new one.

/** @import { Act, Note } from "../types" */
import { button, element } from "../page/dom.js";

/**
 * @param {string} pair
 * @param {Note[]} notes  of any pair
 * @param {Act["send"]} send
 */
export const tagTokens = (pair, notes, send) =>
  notes
    .filter((note) => note.pair === pair)
    .map(({ tag, note, time }) =>
      element(
        "span",
        { class: "btviz-tag", title: `${note || "No note"} (${time})` },
        tag,
        note && element("span", { class: "btviz-quiet" }, ` ${note}`),
        button("×", `Remove the tag ${tag}`, () => send({ kind: "untag", pair, tag }), {
          class: "btviz-bare",
        }),
      ),
    );

/**
 * Made once and moved along when the list is drawn anew, so that what was typed stays.
 *
 * @param {string} pair
 * @param {{ known: string[], save: Act["send"], close: () => void }} act  `known`: tags to offer
 */
export function tagForm(pair, { known, save, close }) {
  const tag = element("input", {
    placeholder: "tag",
    "aria-label": "Tag",
    dir: "auto",
    maxlength: 60,
    required: true,
    list: "btviz-tags",
  });
  const note = element("input", {
    placeholder: "note (optional)",
    "aria-label": "Note",
    dir: "auto",
    class: "btviz-wide",
  });
  /** @param {Event} event */
  const submit = (event) => {
    event.preventDefault();
    if (tag.value.trim()) save({ kind: "tag", pair, tag: tag.value, note: note.value });
    else tag.focus();
  };
  /** @param {KeyboardEvent} event */
  const keydown = (event) => {
    if (event.key === "Enter" && event.target instanceof HTMLInputElement) submit(event);
  };
  const offered = known.map((value) => element("option", { value }));
  return element(
    "form",
    { class: "btviz-row btviz-form", on: { submit, keydown } },
    tag,
    note,
    element("datalist", { id: "btviz-tags" }, ...offered),
    element("button", { type: "submit" }, "Save"),
    button("Cancel", "Close without saving", close),
  );
}
