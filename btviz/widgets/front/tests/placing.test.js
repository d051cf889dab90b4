import assert from "node:assert/strict";
import { test } from "node:test";
import { placed } from "../src/map/placing.js";

const label = (topic, x, y, width = 40) => ({ topic, x, y, width, height: 10 });
const room = { where: (x, y) => [x, y], across: 300, down: 200 };

test("a label stands in the middle above its topic", () => {
  const one = label(0, 150, 100);
  assert.deepEqual(placed([one], room).get(one), { left: 130, top: 95 });
});

test("of two that overlap the first stays", () => {
  const [large, small] = [label(0, 150, 100), label(1, 160, 104)];
  assert.deepEqual([...placed([large, small], room).keys()], [large]);
});

test("the chosen one comes first, whatever its size", () => {
  const [large, small] = [label(0, 150, 100), label(1, 160, 104)];
  assert.deepEqual([...placed([large, small], { ...room, chosen: 1 }).keys()], [small]);
});

test("labels that leave a gap all stay", () => {
  const labels = [label(0, 60, 100), label(1, 107, 100), label(2, 60, 113)];
  assert.equal(placed(labels, room).size, 3);
});

test("a label at the edge is moved inside", () => {
  const [left, right] = [label(0, 1, 100), label(1, 299, 199)];
  const places = placed([left, right], room);
  assert.deepEqual(places.get(left), { left: 2, top: 95 });
  assert.deepEqual(places.get(right), { left: 258, top: 188 });
});

test("a topic out of sight has no label", () => {
  const labels = [label(0, -5, 100), label(1, 100, 200), label(2, 100, 100)];
  const where = (x, y) => (y === 100 && x === 100 ? null : [x, y]);
  assert.equal(placed(labels, { ...room, where }).size, 0);
});

test("the list that is given keeps its order", () => {
  const labels = [label(0, 50, 50), label(1, 150, 100)];
  placed(labels, { ...room, chosen: 1 });
  assert.deepEqual(
    labels.map(({ topic }) => topic),
    [0, 1],
  );
});
