import assert from "node:assert/strict";
import { test } from "node:test";
import { dots } from "../src/inspector/badges.js";
import { countsInWords, rangeInWords, whyEmpty } from "../src/inspector/captions.js";
import { aboutTopic, qualityLine, titleOf, unstableLine } from "../src/map/captions.js";
import { count, percent, plural } from "../src/page/words.js";

test("numbers have their thousands apart, nouns their number", () => {
  assert.deepEqual([count(334000), plural(1, "pair"), plural(0, "pair")], ["334,000", "1 pair", "0 pairs"]);
  assert.equal(percent(0.336), "34 %");
});

test("a list says how much of what it holds", () => {
  const view = { name: "sample", all: 5000, chosen: 63, listed: 63 };
  assert.equal(countsInWords(view, "pair"), "63 pairs · sample: 5,000 in all");
  assert.equal(
    countsInWords({ ...view, listed: 1 }, "pair"),
    "1 of 63 pairs pass the filter · sample: 5,000 in all",
  );
  assert.match(countsInWords({ ...view, elsewhere: 2 }, "pair"), / 2 more are not in this data set · /);
});

test("a page says which rows it shows", () => {
  assert.equal(rangeInWords({ offset: 5, listed: 63 }, 5), "6–10 of 63");
  assert.equal(rangeInWords({ offset: 0, listed: 0 }, 0), "0 of 0");
});

test("an empty list says why", () => {
  assert.match(whyEmpty({ all: 0, chosen: 0 }), /^This data set holds no/);
  assert.match(whyEmpty({ all: 9, chosen: 0 }), /^The selection holds no/);
  assert.match(whyEmpty({ all: 9, chosen: 3 }), /passes the filter/);
});

test("votes are dots, or a fraction of many, or nothing where there was one annotation", () => {
  assert.deepEqual([dots(2, 3), dots(7, 9), dots(1, 1), dots(null, 3)], ["●●○", "7/9", "", ""]);
});

test("a topic says its size and how far it is found again", () => {
  const topic = {
    topic: 3,
    item: "pair",
    n_pairs: 60,
    n_texts: 1,
    keywords: ["tea", "cup"],
    stability: null,
    unstable: false,
  };
  assert.equal(aboutTopic(topic), "Topic 3: 60 pairs, 1 text.\ntea, cup");
  assert.match(
    aboutTopic({ ...topic, stability: 0.4, unstable: true }),
    /find 40 % of it again: unstable\.\n/,
  );
});

test("a map says how far to trust it", () => {
  const row = {
    statistic: "trustworthiness",
    value: 0.9,
    standard_error: 0.01,
    n_neighbors: 15,
    n_judged: 5,
    n_texts: 5,
  };
  assert.match(qualityLine([row]), /trustworthiness 0\.900 ± 0\.010 \(15 neighbours, all 5 texts judged\)/);
  assert.match(qualityLine([{ ...row, n_judged: 3 }]), /3 of 5 texts judged/);
  assert.match(
    qualityLine([{ ...row, value: null, undefined: "two texts" }]),
    /undefined, because two texts\.$/,
  );
  assert.match(qualityLine([]), /not measured/);
});

test("unstable topics are counted in the right number", () => {
  assert.equal(unstableLine({ unstable: 0, n_topics: 4 }), "");
  assert.match(
    unstableLine({ unstable: 1, n_topics: 4 }),
    /^ 1 of 4 topics, faint and marked with a \?, is /,
  );
});

test("a map says what is on it, and how much is not", () => {
  const state = {
    population: "sample",
    item: "pair",
    pairs: 181,
    points: 91,
    drawn: 91,
    texts: "prompts",
    unplaced: 0,
  };
  assert.equal(titleOf(state), "sample · n = 181 pairs at 91 points, one for each of their distinct prompts");
  assert.match(titleOf({ ...state, unplaced: 9 }), / · 9 pairs are not on the map$/);
  assert.match(
    titleOf({ ...state, drawn: 40 }),
    / · 40 points are drawn, a grey shade stands for all: zoom in to see each$/,
  );
});
