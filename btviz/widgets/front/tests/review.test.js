import assert from "node:assert/strict";
import { test } from "node:test";
import { countsSaid, readInWords } from "../src/review/progress.js";

test("what was said is counted in words", () => {
  assert.equal(countsSaid({ confirmed: 12, relabelled: 0, unsure: 1, skipped: 0 }), "12 confirmed, 1 unsure");
  assert.equal(countsSaid({ confirmed: 0 }), "nothing said yet");
});

test("a break is announced, and never in the past", () => {
  assert.equal(
    readInWords({ read: 1, since: 3, breakAfter: 25 }),
    "1 pair read this session · break after 22 more",
  );
  assert.equal(
    readInWords({ read: 30, since: 26, breakAfter: 25 }),
    "30 pairs read this session · break after 0 more",
  );
  assert.equal(readInWords({ read: 2, since: 2, breakAfter: 0 }), "2 pairs read this session");
});
