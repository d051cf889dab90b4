"""Planted topics: benign texts about a few subjects, with vectors and places that say which."""

from __future__ import annotations

import numpy as np
import polars as pl

from btviz.data.dataset import Dataset
from btviz.texts.embedding import Embeddings

SUBJECTS = {
    "garden": "roses soil compost tulips watering hedge seedlings greenhouse",
    "kitchen": "oven flour butter recipe whisk baking dough vanilla",
    "sky": "telescope planets orbit comet galaxy stars eclipse moon",
    "music": "violin piano melody rhythm orchestra chords singing tempo",
    "travel": "train luggage passport hotel platform ticket border airport",
    "chess": "bishop knight castling pawn gambit endgame queen tournament",
}
ROWS = {
    "prompt": pl.String,
    "response": pl.String,
    "split": pl.String,
    "is_safe": pl.Boolean,
    "labels": pl.UInt32,
}


def planted(
    make_dataset,
    *,
    subjects: int = 6,
    each: int = 30,
    loose: int = 0,
    answers: int = 2,
    seed: int = 0,
) -> tuple[Dataset, Embeddings, pl.DataFrame, dict[int, int]]:
    """Data, embeddings by prompt, points, and the subject of each text (-1 for a loose one).

    Category i of BeaverTails is planted in the first answer to every prompt of subject i.
    """
    rng = np.random.default_rng(seed)
    prompts = {}
    for subject in range(subjects):
        words = list(SUBJECTS.values())[subject].split()
        for number in range(each):
            picked = rng.choice(words, 4, replace=False)
            prompts[f"What about the {' and the '.join(picked)}, please? {number}"] = subject
    prompts |= {f"Some stray remark numbered {number}": -1 for number in range(loose)}
    return laid_out(make_dataset, prompts, answers=answers, seed=seed)


def laid_out(
    make_dataset, prompts: dict[str, int], *, answers: int = 1, seed: int = 0
) -> tuple[Dataset, Embeddings, pl.DataFrame, dict[int, int]]:
    """The same of given prompts, each with its subject."""
    rng = np.random.default_rng(seed + 1)
    rows, spots = [], {}
    for number, (prompt, subject) in enumerate(prompts.items()):
        if subject < 0:
            spots[prompt] = (-1, rng.uniform((-40, -60), (100, 60)))
            rows.append((prompt, "an answer", "train", True, 0))
            continue
        spots[prompt] = (subject, rng.normal((12 * subject, 7 * (subject % 2)), 1))
        for answer in range(answers):
            mask = (1 << subject) if answer == 0 else 0
            rows.append((prompt, f"answer {answer} of {number}", "train", mask == 0, mask))
    subjects = max(prompts.values()) + 1
    ds = make_dataset(pl.DataFrame(rows, schema=ROWS, orient="row"))
    pairs = ds.pairs.select("pair_id", "prompt", pl.col("prompt_id").alias("text_id")).sort("pair_id")
    texts = pairs.unique("text_id").sort("text_id")
    directions = np.eye(subjects + 1, 16, dtype=np.float32)
    vectors = np.stack([directions[spots[prompt][0]] for prompt in texts["prompt"]])
    vectors += rng.normal(0, 0.05, vectors.shape).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    truth = {text: spots[prompt][0] for text, prompt in texts.select("text_id", "prompt").iter_rows()}
    ids = texts["text_id"].to_numpy()
    emb = Embeddings(ids, vectors, pairs.select("pair_id", "text_id"), "prompt", "by hand", f"planted-{seed}")
    places = np.array([spots[prompt][1] for prompt in pairs["prompt"]], np.float32).reshape(-1, 2)
    points = pairs.select("pair_id").with_columns(x=pl.Series(places[:, 0]), y=pl.Series(places[:, 1]))
    return ds, emb, points, truth
