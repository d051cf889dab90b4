import assert from "node:assert/strict";
import { test } from "node:test";
import { compare, runs } from "../src/inspector/difference.js";

/** Texts that try to be markup, or that are cut in the wrong place when characters are counted wrongly. */
const ODD = [
  ["<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)> more"],
  ["<script>alert(1)</script>", "<script>alert(2)</script>"],
  ["\u202eleft\u202c or right", "left or \u2067right\u2069"],
  ["שלום עולם", "שלום לך"],
  ["日本語を話します", "日本語を書きます"],
  ["👩‍👩‍👧 and 👍🏽", "👩‍👩‍👧 or 👍"],
  ["$x^2$ = 1 + 1", "=SUM(1, 1)"],
  ["", "something"],
  ["  two\n\nlines\t", "two lines"],
];

const pieces = ({ segments, marked }) => segments.map((list, side) => runs(list, marked[side]));
const marks = (found) =>
  pieces(found).map((list) => list.filter(({ differs }) => differs).map(({ words }) => words));
const unmarked = (found) =>
  pieces(found).map((list) =>
    list
      .filter(({ differs }) => !differs)
      .flatMap(({ words }) => words.split(/\s+/))
      .filter(Boolean)
      .join(" "),
  );

test("words that only one text has are marked", () => {
  const found = compare(["Take the red door, then wait.", "Take the small blue door, then go."]);
  assert.deepEqual(marks(found), [
    ["red", "wait"],
    ["small blue", "go"],
  ]);
  assert.deepEqual([found.same, found.linedUp], [false, true]);
});

for (const texts of ODD) {
  test(`a text in pieces is the text: ${JSON.stringify(texts[0])}`, () => {
    const found = compare(texts);
    assert.deepEqual(
      pieces(found).map((list) => list.map(({ words }) => words).join("")),
      texts,
    );
    const [first, second] = unmarked(found);
    assert.equal(first, second); // what is not marked is common to both
  });
}

test("neighbouring pieces differ in kind", () => {
  for (const list of pieces(compare(ODD[0]))) {
    assert.ok(list.every((piece, k) => k === 0 || piece.differs !== list[k - 1].differs));
  }
});

test("the same text has no marks", () => {
  const found = compare(["green tea is fine", "green tea is fine"]);
  assert.deepEqual(marks(found), [[], []]);
  assert.equal(found.same, true);
});

test("two empty texts are the same", () => {
  assert.equal(compare(["", ""]).same, true);
});

test("a word that is repeated is marked as often as it is more", () => {
  assert.deepEqual(marks(compare(["no no no tea", "no tea"])), [["no no"], []]);
});

test("words are lined up along a longest common subsequence", () => {
  assert.deepEqual(marks(compare(["a b c d e", "x b y d z"])), [
    ["a", "c", "e"],
    ["x", "y", "z"],
  ]);
});

test("of very long texts the absent words are marked", () => {
  const words = Array.from({ length: 3000 }, (_, k) => `word${k}`);
  const found = compare([`first ${words.join(" ")} x`, `second ${words.toReversed().join(" ")} y`]);
  assert.equal(found.linedUp, false);
  assert.deepEqual(marks(found), [
    ["first", "x"],
    ["second", "y"],
  ]);
});
