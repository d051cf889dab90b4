import assert from "node:assert/strict";
import { test } from "node:test";
import { categoriesInWords, EVERYTHING, isNarrowed, modeOf, toggled } from "../src/inspector/filters.js";

test("a category is chosen by a click and dropped by a second one", () => {
  const once = toggled(EVERYTHING, { slug: "privacy", mode: "any_of" });
  assert.deepEqual(once.any_of, ["privacy"]);
  assert.deepEqual(toggled(once, { slug: "privacy", mode: "any_of" }), EVERYTHING);
});

test("a category is chosen in one mode only", () => {
  const any = toggled(EVERYTHING, { slug: "privacy", mode: "any_of" });
  const none = toggled(any, { slug: "privacy", mode: "none_of" });
  assert.deepEqual([none.any_of, none.all_of, none.none_of], [[], [], ["privacy"]]);
  assert.equal(modeOf(none, "privacy")?.[0], "none_of");
  assert.equal(modeOf(none, "animal-abuse"), undefined);
});

test("other filters and other categories stay as they are", () => {
  const before = { ...EVERYTHING, search: "tea", all_of: ["privacy"] };
  const after = toggled(before, { slug: "animal-abuse", mode: "all_of" });
  assert.deepEqual(after, { ...before, all_of: ["privacy", "animal-abuse"] });
  assert.deepEqual(before.all_of, ["privacy"]); // nothing that was given is changed
});

test("what is chosen is said by mode", () => {
  assert.equal(categoriesInWords(EVERYTHING), "Categories");
  const chosen = { ...EVERYTHING, any_of: ["a", "b"], none_of: ["c"] };
  assert.equal(categoriesInWords(chosen), "Categories: any of 2, none of 1");
});

test("a list is narrowed by every field but the votes", () => {
  assert.equal(isNarrowed(EVERYTHING), false);
  assert.equal(isNarrowed({ ...EVERYTHING, votes: "every" }), false);
  for (const change of [
    { any_of: ["a"] },
    { search: "x" },
    { tag: "odd" },
    { safety: "safe" },
    { dispute: "disputed" },
  ]) {
    assert.equal(isNarrowed({ ...EVERYTHING, ...change }), true, JSON.stringify(change));
  }
});
