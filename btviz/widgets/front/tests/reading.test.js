import assert from "node:assert/strict";
import { test } from "node:test";
import { reading } from "../src/inspector/reading.js";

/** A view that reads: pairs on view, a policy, and what was sent, drawn and cleared, in this order. */
function view(pairs) {
  const state = { policy_state: { reveal_all: false } };
  const log = [];
  const shown = { pairs };
  const read = reading(
    { get: (name) => state[name] },
    {
      send: ({ pairs: asked }) => log.push(`ask ${asked.join(" ")}`),
      shown: () => shown.pairs,
      draw: () => log.push("draw"),
      cleared: () => log.push("clear"),
    },
  );
  return {
    read,
    log,
    turn(next) {
      shown.pairs = next;
      read.paged();
    },
    allow(all) {
      state.policy_state = { reveal_all: all };
      read.policyChanged();
    },
    answer: (pair) => read.receive({ kind: "text", pair, texts: [{ part: "prompt", text: pair }] }),
  };
}

test("a text is kept where it was asked for, and only there", () => {
  const { read, answer, log } = view(["a", "b"]);
  read.reveal(["a"]);
  answer("a");
  answer("b"); // nobody asked
  assert.deepEqual([...read.texts.keys()], ["a"]);
  assert.deepEqual(log, ["ask a", "draw"]);
});

test("a text that comes after it was hidden again is dropped", () => {
  const { read, answer } = view(["a"]);
  read.reveal(["a"]);
  read.hide(["a"]);
  answer("a");
  assert.equal(read.texts.size, 0);
});

test("texts of pairs that left the page are forgotten, those of pairs that stay are not", () => {
  const { read, turn, answer, log } = view(["a", "b"]);
  read.reveal(["a", "b"]);
  answer("a");
  answer("b");
  log.length = 0;
  turn(["b", "c"]);
  assert.deepEqual([...read.texts.keys()], ["b"]);
  assert.deepEqual(log, ["draw"]); // and none is asked for without asking
});

test("with the opt-in a new page is drawn first and then asks for its texts", () => {
  const { allow, turn, log } = view(["a"]);
  allow(true);
  assert.deepEqual(log, ["ask a"]);
  log.length = 0;
  turn(["a", "b"]);
  assert.deepEqual(log, ["draw", "ask b"]); // a is there already
});

test("the end of the opt-in hides everything", () => {
  const { read, allow, answer, log } = view(["a"]);
  allow(true);
  answer("a");
  log.length = 0;
  allow(false);
  assert.equal(read.texts.size, 0);
  assert.deepEqual(log, ["clear", "draw"]);
});

test("when a category is allowed, or no longer, the texts on view are asked for again", () => {
  const { read, allow, log } = view(["a", "b"]);
  read.reveal(["b"]);
  log.length = 0;
  allow(false);
  assert.deepEqual(log, ["ask b"]);
});

test("a message that hides clears, draws and is answered for; others are left to the view", () => {
  const { read, log } = view(["a"]);
  assert.equal(read.receive({ kind: "hide" }), true);
  assert.deepEqual(log, ["clear", "draw"]);
  assert.equal(read.receive({ kind: "say", text: "words" }), false);
});
