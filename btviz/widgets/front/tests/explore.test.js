import assert from "node:assert/strict";
import { test } from "node:test";
import { ordered } from "../src/explore/facets.js";
import { shade, sizes } from "../src/explore/matrix.js";
import { ticks } from "../src/explore/points.js";

test("values stand as they come, or what is most over-represented first", () => {
  const facet = { totals: [100, 10, 0, 50], counts: [10, 5, 0, 5] };
  assert.deepEqual(ordered(facet, false), [0, 1, 2, 3]);
  assert.deepEqual(ordered(facet, true), [1, 0, 3, 2]);
});

test("a colour means the same whatever is selected", () => {
  assert.deepEqual(shade(1, true), { strength: 100, side: "positive" });
  assert.deepEqual(shade(-1, true), { strength: 100, side: "negative" });
  assert.deepEqual(shade(0, true), { strength: 0, side: "positive" });
  assert.deepEqual(shade(null, true), { strength: 0, side: "none" });
  assert.ok(shade(20, false).strength <= 100);
});

test("a matrix is seen whole where there is room for cells of fifteen pixels", () => {
  for (const [width, height] of [
    [440, 290],
    [700, 500],
    [1100, 700],
  ]) {
    const { labels, top, slant, side } = sizes(14, { width, height });
    assert.ok(labels + 14 * side + slant <= width && top + 14 * side <= height, `${width} × ${height}`);
  }
});

test("axes are divided at round numbers", () => {
  assert.deepEqual(ticks(-1.3, 2.2), [-1, 0, 1, 2]);
  assert.deepEqual(ticks(0.01, 0.049), [0.01, 0.02, 0.03, 0.04]);
});
