// Pictures as SVG, in the ink and on the ground of the theme.

/** @import { Options } from "../types" */

/**
 * @param {string} tag
 * @param {Options} [options]
 * @param {...(Node | string | null | false | undefined)} children
 * @returns {SVGElement}
 */
export function svg(tag, { on = {}, ...attributes } = {}, ...children) {
  const made = /** @type {SVGElement} */ (document.createElementNS("http://www.w3.org/2000/svg", tag));
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value != null) made.setAttribute(name, value === true ? "" : String(value));
  }
  for (const [event, listener] of Object.entries(on)) made.addEventListener(event, listener);
  for (const child of children) if (child != null && child !== false) made.append(child);
  return made;
}

/**
 * Attributes of a mark that is a button: by mouse, and by Enter or the space bar.
 *
 * @param {string} label
 * @param {(event: any) => void} act
 */
export const clickable = (label, act) => ({
  tabindex: 0,
  role: "button",
  "aria-label": label,
  on: {
    click: act,
    keydown: (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      event.stopPropagation();
      act(event);
    },
  },
});

/**
 * What a click does: alone it replaces, with shift it adds, with alt it excludes.
 *
 * @param {MouseEvent | KeyboardEvent} event
 */
export const howOf = (event) => (event.altKey ? "exclude" : event.shiftKey ? "add" : "replace");

/** @param {number | null | undefined} value */
export const number = (value) => (value == null ? "–" : value.toFixed(2).replace("-", "−"));
