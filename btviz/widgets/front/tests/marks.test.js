import assert from "node:assert/strict";
import { test } from "node:test";
import { brushesOf, isArrow, keysOf, neighbour, spoken } from "../src/chart/marks.js";

const mark = (name, x, y) => ({ name, getBoundingClientRect: () => ({ x, y, width: 10, height: 10 }) });

/** A matrix of three by three cells, read from the top left. */
const cells = Array.from({ length: 9 }, (_, k) =>
  mark(`r${Math.floor(k / 3)}c${k % 3}`, 20 * (k % 3), 20 * Math.floor(k / 3)),
);
const go = (from, key) =>
  neighbour(
    cells,
    cells.find(({ name }) => name === from),
    key,
  )?.name;

test("arrow keys go to the next cell in their direction", () => {
  assert.equal(go("r1c1", "ArrowRight"), "r1c2");
  assert.equal(go("r1c1", "ArrowLeft"), "r1c0");
  assert.equal(go("r1c1", "ArrowUp"), "r0c1");
  assert.equal(go("r1c1", "ArrowDown"), "r2c1");
});

test("at the edge they stay", () => {
  assert.equal(go("r0c2", "ArrowRight"), undefined);
  assert.equal(go("r0c2", "ArrowUp"), undefined);
});

test("a mark ahead is nearer than one beside", () => {
  const [from, ahead, beside] = [mark("from", 0, 0), mark("ahead", 60, 0), mark("beside", 30, 15)];
  assert.equal(neighbour([from, ahead, beside], from, "ArrowRight"), ahead);
});

test("only arrows are arrows", () => {
  assert.deepEqual(["ArrowUp", "Enter", "toString"].map(isArrow), [true, false, false]);
});

test("a click reports a bar, a level or a cell", () => {
  assert.deepEqual(keysOf({ datum: { category: "privacy", row: "a", col: "b" } }), ["privacy"]);
  assert.deepEqual(keysOf({ datum: { grouping: "stratum", level: "mixed" } }), ["stratum", "mixed"]);
  assert.deepEqual(keysOf({ datum: { row: "a", col: "b" } }), ["a", "b"]);
  assert.equal(keysOf({ datum: { row: "a" } }), null);
  assert.equal(keysOf(null), null);
});

test("a tooltip is read out as names and values", () => {
  assert.equal(spoken({ Row: "Privacy", φ: 0.3 }), "Row: Privacy; φ: 0.3");
  assert.equal(spoken(undefined), "");
});

test("brushes are the selections that are named so", () => {
  assert.deepEqual(brushesOf({ params: [{ name: "brush_0" }, { name: "chosen_row" }] }), ["brush_0"]);
  assert.deepEqual(brushesOf({}), []);
});
