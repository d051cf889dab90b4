// What the inspectors share: a list of cards under a head, pages, keys, and texts that come when they are asked for.

/** @import { Act, Child, Cleanup, Listener, Part, View } from "../types" */
/** @import { Reading } from "./reading.js" */
import { element, isTyping, listen, pressed } from "../page/dom.js";
import { speaker } from "../page/speaker.js";
import { reading } from "./reading.js";
import "./inspector.css";

/**
 * The list itself: cards with `data-item`, between which the arrow keys move.
 *
 * @param {string} label
 */
function cardList(label) {
  const node = element("div", { class: "btviz-list", role: "list", "aria-label": label });
  /** @param {string | null | undefined} item */
  const cardOf = (item) =>
    item ? /** @type {HTMLElement | null} */ (node.querySelector(`[data-item="${item}"]`)) : null;
  const cards = () => /** @type {HTMLElement[]} */ ([...node.querySelectorAll(".btviz-card")]);
  const active = () =>
    node.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement) : null;
  const focused = () => /** @type {HTMLElement | null} */ (active()?.closest("[data-item]"))?.dataset.item;
  return {
    node,
    cardOf,
    focused,
    /**
     * Show other nodes; what was focused stays so, or the first card where it has gone.
     *
     * @param {() => Node[]} make  called here, because what it moves along, such as a form, loses the focus
     */
    show(make) {
      const [before, item] = [active(), focused()];
      node.replaceChildren(...make());
      if (!before) return;
      const next = before.isConnected ? before : (cardOf(item) ?? cards()[0]);
      next?.focus({ preventScroll: true });
    },
    /** @param {1 | -1} direction */
    move(direction) {
      const all = cards();
      const at = all.findIndex((card) => card.contains(document.activeElement));
      all[Math.min(Math.max(at + direction, 0), all.length - 1)]?.focus();
    },
  };
}

/**
 * @typedef {object} Desk
 * @property {ReturnType<typeof cardList>} list
 * @property {Reading} read
 * @property {Act & { hide: () => void }} act
 * @property {(action: (item: string) => void) => () => void} onFocused  does something with the focused card
 * @property {(mounted: Mounted) => Cleanup} mount
 */

/**
 * @typedef {object} Mounted
 * @property {string} name  of the view
 * @property {Part} head
 * @property {Child} [tools]
 * @property {Part} policy
 * @property {Part & { turn: (direction: 1 | -1) => void }} pages
 * @property {Record<string, () => unknown>} keys  besides those of every inspector
 * @property {string} help  the keys, in words
 * @property {Record<string, Listener>} listeners  by event of the model
 */

/**
 * @param {View} view
 * @param {{ label: string, item: string, pairs: () => string[], draw: () => void, cleared?: () => void }} listed
 *     `label`: what is listed, in the plural; `item`: one of them; `pairs`: ids of the pairs on view.
 * @returns {Desk}
 */
export function desk({ model, el }, { label, item, pairs, draw, cleared }) {
  const list = cardList(label);
  const status = element("div", { class: "btviz-status", role: "status" });
  /** @param {string} words */
  const say = (words) => status.replaceChildren(words);
  const speak = speaker(model, say);
  const read = reading(model, { send: speak.send, shown: pairs, draw, cleared });
  /** @param {object} message */
  const send = (message) => {
    say("");
    speak.send(message);
  };
  const hide = () => {
    read.hideAll();
    send({ kind: "hide" });
  };

  /** @type {Desk["mount"]} */
  function mount({ name, head, tools, policy, pages, keys, help, listeners }) {
    const all = {
      ArrowRight: () => pages.turn(1),
      ArrowLeft: () => pages.turn(-1),
      ArrowDown: () => list.move(1),
      ArrowUp: () => list.move(-1),
      h: hide,
      ...keys,
    };
    /** @param {KeyboardEvent} event */
    const keydown = (event) => {
      if (!isTyping(event)) pressed(event, all);
      else if (event.key === "Escape") section.focus();
    };
    // JupyterLab acts on single letters in command mode unless an element says it wants them itself.
    const section = element(
      "section",
      {
        class: "btviz-inspector",
        tabindex: -1,
        "aria-label": name,
        "data-lm-suppress-shortcuts": "true",
        on: { keydown },
      },
      head.node,
      tools,
      policy.node,
      pages.node,
      status,
      list.node,
      element("p", { class: "btviz-quiet btviz-keys" }, `Keys: ${help}`),
    );
    el.append(section);
    const stop = listen(model, listeners);
    return () => {
      speak.stop();
      stop();
    };
  }

  return {
    list,
    read,
    act: { send, say, hide },
    onFocused: (action) => () => {
      const focused = list.focused();
      if (focused) action(focused);
      else say(`Go to ${item} first: press ↓, or click it.`);
    },
    mount,
  };
}
