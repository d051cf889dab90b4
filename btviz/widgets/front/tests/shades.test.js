import assert from "node:assert/strict";
import { test } from "node:test";
import { shades } from "../src/map/density.js";

const pixel = (pixels, k) => [...pixels.slice(4 * k, 4 * k + 4)];

test("with nothing chosen every cell has the colour of all", () => {
  const pixels = shades(Uint8Array.of(0, 200), new Uint8Array(2));
  assert.deepEqual(
    [pixel(pixels, 0), pixel(pixels, 1)],
    [
      [60, 90, 120, 0],
      [60, 90, 120, 200],
    ],
  );
});

test("what is chosen stands out, however little it is", () => {
  const pixels = shades(Uint8Array.of(255, 100), Uint8Array.of(10, 0));
  assert.deepEqual(
    [pixel(pixels, 0), pixel(pixels, 1)],
    [
      [11, 98, 164, 90],
      [150, 150, 150, 60],
    ],
  );
});
