// Plain DOM, nothing else. Strings become text nodes, so nothing in the data is taken for markup.

/** @import { Child, Options } from "../types" */

/**
 * An element with attributes, listeners (`on`) and children; what is null or false is left out.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Options} [options]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, { on = {}, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value != null) made.setAttribute(name, value === true ? "" : String(value));
  }
  for (const [event, listener] of Object.entries(on)) made.addEventListener(event, listener);
  made.append(...children.filter((child) => child != null && child !== false));
  return made;
}

/**
 * @param {string} words
 * @param {string} title
 * @param {() => unknown} click
 * @param {Options} [options]
 */
export const button = (words, title, click, options = {}) =>
  element("button", { type: "button", title, ...options, on: { click } }, words);

/**
 * @param {string} label
 * @param {string[][]} choices  value and words of each
 * @param {(value: string) => void} change
 */
export function select(label, choices, change) {
  /** @type {HTMLSelectElement} */
  const made = element("select", {
    "aria-label": label,
    title: label,
    on: { change: () => change(made.value) },
  });
  setChoices(made, choices);
  return made;
}

/**
 * Offer other choices; what was chosen stays so where it is still offered.
 *
 * @param {HTMLSelectElement} list
 * @param {string[][]} choices
 */
export function setChoices(list, choices) {
  const value = list.value;
  list.replaceChildren(...choices.map(([key, words]) => element("option", { value: key }, words)));
  if (choices.some(([key]) => key === value)) list.value = value;
}

/**
 * Show a value; a field that is being typed in keeps what is typed.
 *
 * @param {HTMLInputElement | HTMLSelectElement} field
 * @param {string} value
 */
export function setValue(field, value) {
  const { activeElement } = /** @type {Document | ShadowRoot} */ (field.getRootNode());
  if (activeElement !== field || field.tagName === "SELECT") field.value = value;
}

/**
 * The clipboard is missing where the page came over plain http: then the words are shown, to be copied by hand.
 *
 * @param {string} text
 * @param {string} done  what to say once it is copied
 * @param {(words: string) => void} say
 */
export function copyText(text, done, say) {
  const copied = navigator.clipboard?.writeText(text) ?? Promise.reject();
  copied.then(
    () => say(done),
    () => say(text),
  );
}

/**
 * Act once the calls have stopped coming for a while, on the last of them.
 *
 * @template {unknown[]} Args
 * @param {number} wait  milliseconds
 * @param {(...args: Args) => void} action
 * @returns {(...args: Args) => void}
 */
export function debounce(wait, action) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...args), wait);
  };
}

const TYPED_IN = "input:not([type=checkbox]), select, textarea";

/**
 * Whether the key was pressed where people type.
 *
 * @param {KeyboardEvent} event
 */
export const isTyping = (event) => event.target instanceof Element && event.target.matches(TYPED_IN);

/**
 * Do what a key stands for, and keep it from JupyterLab, which acts on single letters, too.
 *
 * @param {KeyboardEvent} event
 * @param {Record<string, () => unknown>} keys
 */
export function pressed(event, keys) {
  if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
  event.preventDefault();
  event.stopPropagation();
  keys[event.key]();
}

/**
 * Listen to a model until the function that comes back is called.
 *
 * @param {import("../types").Model} model
 * @param {Record<string, import("../types").Listener>} listeners  by event
 * @returns {() => void}
 */
export function listen(model, listeners) {
  for (const [event, listener] of Object.entries(listeners)) model.on(event, listener);
  return () => {
    for (const [event, listener] of Object.entries(listeners)) model.off(event, listener);
  };
}
