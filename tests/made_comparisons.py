"""Comparisons whose words say which answer is better and which is safer, and an encoder that counts those words."""

from __future__ import annotations

import itertools

import numpy as np
import polars as pl

import btviz
from btviz.texts.embedding import CallableEncoder

WORDS = ["tea", "iron", "moon", "rain", "salt", "wool"]
VOCABULARY = ["calm", "loud", "plain", "ornate", *WORDS]
TOPICS = [f"{a} {b} {c}" for a, b, c in itertools.permutations(WORDS, 3)]


def bag_of_words(texts):
    return np.array([[text.split().count(word) for word in VOCABULARY] for text in texts], np.float32)


ENCODER = CallableEncoder(bag_of_words, name="bag of words", version="1")


def comparisons(make_dataset, *, n=60, noise=0.0, seed=0):
    """Comparisons in which "loud" answers are unsafe and "ornate" ones better, but for noise."""
    draw = np.random.default_rng(seed)
    rows = []
    for topic in TOPICS[:n]:
        tone, style = draw.permutation(["calm", "loud"]), draw.permutation(["plain", "ornate"])
        safe = (tone == "calm") ^ (draw.random(2) < noise)
        rows.append(
            {
                "prompt": topic,
                "split": "train",
                **{f"response_{side}": f"{tone[side]} {style[side]} {topic}" for side in (0, 1)},
                **{f"is_safe_{side}": bool(safe[side]) for side in (0, 1)},
                **{f"labels_{side}": 0 if safe[side] else 1 for side in (0, 1)},
                **{f"severity_{side}": None for side in (0, 1)},
                "better": int(style[1] == "ornate"),
                "safer": int(safe[1] if safe[0] != safe[1] else draw.integers(2)),
            }
        )
    frame = pl.DataFrame(rows, schema_overrides=dict.fromkeys(["labels_0", "labels_1"], pl.UInt32))
    empty = pl.DataFrame(schema={"prompt": pl.String, "response": pl.String})
    return make_dataset(empty, comparisons=frame, name="made")


def fitted(ds, **options):
    """A probe fitted on the words of `ds`."""
    return btviz.fit_probe(ds, btviz.embed(ds, text="qa", encoder=ENCODER), **options)
