// The texts that a view holds: in a Map of its own, never in the model, which notebooks save.

// `shown`: ids of the pairs on view. `draw`: shows what has changed. `cleared`: called when all texts go.
function reading(model, { send, shown, draw, cleared = () => {} }) {
  const texts = new Map();
  const asked = new Set();
  let optedIn = model.get("policy_state").reveal_all;

  const forget = (pair) => (asked.delete(pair), texts.delete(pair));
  const hideAll = () => (asked.clear(), texts.clear(), cleared(), draw());
  function reveal(wanted) {
    wanted.forEach((pair) => asked.add(pair));
    if (wanted.length) send({ kind: "reveal", pairs: wanted });
  }

  return {
    texts,
    reveal,
    hideAll,
    hide: (pairs) => (pairs.forEach(forget), draw()),
    // Other pairs are on view: their texts are asked for where that needs no asking, those of the others go.
    paged() {
      const present = new Set(shown());
      for (const pair of [...asked]) if (!present.has(pair)) forget(pair);
      draw();
      if (model.get("policy_state").reveal_all) reveal(shown().filter((pair) => !asked.has(pair)));
    },
    policyChanged() {
      const now = model.get("policy_state").reveal_all;
      if (optedIn && !now) hideAll();
      reveal(now ? shown() : [...asked]); // what was asked for may be allowed now, or no longer
      optedIn = now;
    },
    receive(message) {
      if (message.kind === "hide") return hideAll(), true;
      if (message.kind !== "text") return false;
      if (asked.has(message.pair)) texts.set(message.pair, message.texts), draw();
      return true;
    },
  };
}
