// The texts that a view holds: in a Map of its own, never in the model, which notebooks save.

/** @import { Act, Model, Text } from "../types" */

/**
 * @typedef {object} Reading
 * @property {Map<string, Text[]>} texts  by pair
 * @property {(pairs: string[]) => void} reveal
 * @property {(pairs: string[]) => void} hide
 * @property {() => void} hideAll
 * @property {() => void} paged  other pairs are on view
 * @property {() => void} policyChanged
 * @property {(message: any) => boolean} receive  whether the message was about texts
 */

/**
 * @param {Model} model
 * @param {{ send: Act["send"], shown: () => string[], draw: () => void, cleared?: () => void }} view
 *     `shown`: ids of the pairs on view. `draw`: shows what has changed. `cleared`: called when all texts go.
 * @returns {Reading}
 */
export function reading(model, { send, shown, draw, cleared = () => {} }) {
  /** @type {Map<string, Text[]>} */
  const texts = new Map();
  /** @type {Set<string>} */
  const asked = new Set();
  const readsAll = () => Boolean(model.get("policy_state").reveal_all);
  let optedIn = readsAll();

  /** @param {string[]} pairs */
  function forget(pairs) {
    for (const pair of pairs) {
      asked.delete(pair);
      texts.delete(pair);
    }
  }
  /** @param {string[]} pairs */
  function reveal(pairs) {
    for (const pair of pairs) asked.add(pair);
    if (pairs.length) send({ kind: "reveal", pairs });
  }
  function hideAll() {
    asked.clear();
    texts.clear();
    cleared();
    draw();
  }

  return {
    texts,
    reveal,
    hideAll,
    hide(pairs) {
      forget(pairs);
      draw();
    },
    // Texts of the pairs that came are asked for where that needs no asking, those of the pairs that went are dropped.
    paged() {
      const present = new Set(shown());
      forget([...asked].filter((pair) => !present.has(pair)));
      draw();
      if (readsAll()) reveal(shown().filter((pair) => !asked.has(pair)));
    },
    policyChanged() {
      const now = readsAll();
      if (optedIn && !now) hideAll();
      reveal(now ? shown() : [...asked]); // what was asked for may be allowed now, or no longer
      optedIn = now;
    },
    receive(message) {
      if (message.kind === "hide") hideAll();
      else if (message.kind !== "text") return false;
      else if (asked.has(message.pair)) {
        texts.set(message.pair, message.texts);
        draw();
      }
      return true;
    },
  };
}
