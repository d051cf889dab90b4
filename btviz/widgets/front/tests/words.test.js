import assert from "node:assert/strict";
import { test } from "node:test";
import { shortly } from "../src/page/words.js";

test("numbers of any size keep two digits that say something", () => {
  assert.deepEqual([0.8349, 0.0031, 0, -12.4, 0.01].map(shortly), [
    "0.83",
    "0.0031",
    "0.00",
    "−12.40",
    "0.01",
  ]);
});
