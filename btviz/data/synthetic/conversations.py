"""Synthetic conversations of several turns about everyday matters."""

from __future__ import annotations

import numpy as np
import polars as pl

from btviz.data.tables import with_ids

_SUBJECTS = (
    "a vegetable garden", "a bicycle repair", "a bread recipe", "a weekend hike", "a bookshelf", "a chess opening",
    "a school concert", "a rainwater barrel", "a photo album", "a train journey", "a language course", "a bird feeder",
)  # fmt: skip

_OPENINGS = ("How do I begin with {}?", "What should I know about {}?", "Could you help me plan {}?")

_NEXT = (
    "What comes after that?", "How long will it take?", "Which tools do I need?", "What could go wrong?",
    "Is there a simpler way?", "How much will it cost?", "Can you sum that up?",
)  # fmt: skip

_ANSWERS = (
    "Begin with a short list for {}, and do one thing at a time.",
    "For {}, an hour in the morning is usually enough.",
    "A pencil, some paper and patience are all that {} asks for.",
    "The usual slip with {} is to hurry; leave a day between the steps.",
    "With {}, ask a neighbour who has done it before.",
    "You could try {} on a small scale first and see how it goes.",
)

FEWEST_TURNS, MOST_TURNS = 2, 6


def sample_conversations(*, n: int = 120, seed: int = 0) -> pl.DataFrame:
    """Make benign conversations of two to six turns.

    Parameters
    ----------
    n : int
        Conversations.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    DataFrame
        `conversation_id`, `turn` (from 1), `prompt`, `response`, `pair_id`; the same on every run.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    rows = []
    for number in range(n):
        subject = _SUBJECTS[rng.integers(len(_SUBJECTS))]
        for turn in range(1, int(rng.integers(FEWEST_TURNS, MOST_TURNS + 1)) + 1):
            question = _OPENINGS[rng.integers(len(_OPENINGS))] if turn == 1 else _NEXT[rng.integers(len(_NEXT))]
            answer = _ANSWERS[rng.integers(len(_ANSWERS))]
            rows.append((f"talk-{number:04d}", turn, question.format(subject), answer.format(subject)))
    names = {"conversation_id": pl.String, "turn": pl.Int64, "prompt": pl.String, "response": pl.String}
    frame = with_ids(pl.DataFrame(rows, schema=names, orient="row"))
    return frame.select(*names, "pair_id").sort("conversation_id", "turn")
