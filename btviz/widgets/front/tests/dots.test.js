import assert from "node:assert/strict";
import { test } from "node:test";
import { inkOf } from "../src/plain/dots.js";

test("points shrink and pale as they become more", () => {
  const inks = [0, 100, 3000, 16851, 110822, 1_000_000].map(inkOf);
  for (const [k, { size, alpha }] of inks.entries()) {
    assert.ok(size >= 1 && size <= 7 && alpha > 0 && alpha < 1);
    if (k) assert.ok(size <= inks[k - 1].size && alpha <= inks[k - 1].alpha);
  }
});
