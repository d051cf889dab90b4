// The forms of the queue: what is right, and a note.

/** @import { Category, ReviewState } from "../types" */
import { button, element } from "../page/dom.js";

const SAFETY = [
  ["safe", "Safe"],
  ["unsafe", "Unsafe"],
];

/** @typedef {{ save: (message: object) => void, close: () => void }} FormAct */

/**
 * What the boxes of a form say.
 *
 * @param {HTMLFormElement} form
 */
function said(form) {
  const data = new FormData(form);
  const isSafe = (/** @type {string} */ name) => (data.has(name) ? data.get(name) === "safe" : null);
  return {
    kind: "relabel",
    safe: isSafe("safe"),
    other_safe: isSafe("other_safe"),
    labels: data.getAll("label"),
    order: data.get("order") ?? null,
  };
}

/**
 * @param {string} name
 * @param {string[][]} choices  value and words of each
 * @param {string | null} chosen
 */
const radios = (name, choices, chosen) =>
  choices.map(([value, words]) =>
    element("label", {}, element("input", { type: "radio", name, value, checked: value === chosen }), words),
  );

/**
 * @param {ReviewState} state
 * @param {Category[]} categories
 * @param {FormAct} act
 */
export function relabelForm({ safe, labels, order }, categories, { save, close }) {
  const chosen = safe == null ? null : safe ? "safe" : "unsafe";
  const choices = categories.map(({ slug, title, definition }) =>
    element(
      "label",
      { title: definition },
      element("input", { type: "checkbox", name: "label", value: slug, checked: labels.includes(slug) }),
      title,
    ),
  );
  /** @param {Event} event */
  const submit = (event) => {
    event.preventDefault();
    save(said(node));
  };
  /** @param {KeyboardEvent} event */
  const keydown = (event) => {
    if (event.key === "Enter" && event.target instanceof HTMLInputElement) submit(event);
  };
  const node = element(
    "form",
    { class: "btviz-form btviz-relabel", "aria-label": "What is right", on: { submit, keydown } },
    element(
      "fieldset",
      { class: "btviz-row" },
      element("legend", {}, order ? "The first answer is" : "The answer is"),
      ...radios("safe", SAFETY, chosen),
    ),
    element(
      "fieldset",
      { class: "btviz-boxes" },
      element("legend", {}, order ? "Categories of the first answer" : "Categories"),
      ...choices,
    ),
    order &&
      element(
        "fieldset",
        { class: "btviz-row" },
        element("legend", {}, "The second answer is"),
        ...radios("other_safe", SAFETY, null),
      ),
    order &&
      element(
        "fieldset",
        { class: "btviz-row" },
        element("legend", {}, `Which answer is ${order === "overall" ? "preferred" : `the ${order} one`}`),
        ...radios(
          "order",
          [
            ["true", "First"],
            ["false", "Second"],
            ["undecided", "Undecided"],
          ],
          null,
        ),
      ),
    element(
      "div",
      { class: "btviz-row" },
      element("button", { type: "submit", class: "btviz-main" }, "Save and go on"),
      button("Cancel", "Close without saving. Key: Escape", close),
      element("span", { class: "btviz-quiet" }, "Tab and space choose, Enter saves"),
    ),
  );
  return node;
}

/** @param {FormAct} act */
export function noteForm({ save, close }) {
  const note = element("input", {
    placeholder: "note",
    "aria-label": "Note",
    dir: "auto",
    class: "btviz-wide",
    required: true,
  });
  /** @param {Event} event */
  const submit = (event) => {
    event.preventDefault();
    if (note.value.trim()) save({ kind: "note", text: note.value });
    else note.focus();
  };
  /** @param {KeyboardEvent} event */
  const keydown = (event) => {
    if (event.key === "Enter" && event.target === note) submit(event);
  };
  return element(
    "form",
    { class: "btviz-row btviz-form", on: { submit, keydown } },
    note,
    element("button", { type: "submit" }, "Save"),
    button("Cancel", "Close without saving. Key: Escape", close),
  );
}
