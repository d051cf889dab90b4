"""Grid of judgements: win rates, ratings, position bias, consistency and agreement of two judges of three models."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import polars as pl

from benchmarks.coverage.cells import Seen
from btviz.scores import (
    judge_agreement,
    judge_position_bias,
    judgement_ratings,
    judgement_win_rates,
    swap_consistency,
)
from btviz.stats.association import Floats

LARGE = 60_000  # prompts whose values are taken for the truth
MODELS = np.array(["a", "b", "c"])
SKILL = np.array([0.0, 0.9, 0.3])


def judgements(prompts: int, *, draws: int) -> Iterator[str]:
    """Judges who prefer what is shown first or do not; one or several turns a prompt."""
    for turns, bias, spread in itertools.product(("one", "uneven"), (0.0, 1.0), (0.5, 1.5)):
        cell = f"{prompts} prompts, {turns} turns, bias {bias:g}, models differ by prompt with {spread:g}"
        truth = _values(_judged(np.random.default_rng(1), LARGE, turns=turns, bias=bias, spread=spread))
        seen = {name: Seen() for name in truth}
        rng = np.random.default_rng([prompts, len(turns), round(10 * bias), round(10 * spread)])
        for _ in range(draws):
            found = _values(_judged(rng, prompts, turns=turns, bias=bias, spread=spread))
            for name, (_, low, high) in found.items():
                ends = (np.array([np.nan if end is None else end]) for end in (low, high))
                seen[name].add(*ends, truth=truth[name][0], effective=prompts)
        for name, one in seen.items():
            yield one.line(f"{name}, {cell}")


def _values(table: pl.DataFrame) -> dict[str, tuple[float, float | None, float | None]]:
    """What is measured, with its ends."""
    ends = ("estimate", "low", "high")
    one = table.filter(judge="east")
    agreement = judge_agreement(table)
    found = {
        "win rate": judgement_win_rates(one).filter(before="a", after="b").select(ends),
        "rating": judgement_ratings(one).filter(policy="b").select("elo", "low", "high"),
        "position bias, balanced": judge_position_bias(one)[1].select(ends),
        "same verdict when swapped": swap_consistency(one)[0].select(ends),
        "agreement": agreement.select("agreement", "agreement_low", "agreement_high"),
        "kappa": agreement.select("kappa", "kappa_low", "kappa_high"),
    }
    return {name: row.row(0) for name, row in found.items()}


def _judged(rng: np.random.Generator, prompts: int, *, turns: str, bias: float, spread: float) -> pl.DataFrame:
    """Judgements of every two models in both orders by two judges."""
    n = np.ones(prompts, np.int64) if turns == "one" else np.ceil(rng.lognormal(0.5, 0.7, prompts)).astype(np.int64)
    prompt = np.repeat(np.arange(prompts), n)
    skill = (SKILL + rng.normal(0, spread, (prompts, 3)))[prompt] + rng.normal(0, 0.3, (len(prompt), 3))
    item = np.arange(len(prompt))
    tables = []
    for (x, y), judge in itertools.product(itertools.permutations(range(3), 2), ("east", "west")):
        lead = skill[:, x] - skill[:, y] + (bias if judge == "east" else 0.0)
        tables.append(_table(rng, lead).with_columns(
            prompt_id=pl.Series(prompt, dtype=pl.UInt64), item=pl.Series(item).cast(pl.String), judge=pl.lit(judge),
            aspect=pl.lit("overall"), first=pl.lit(MODELS[x]), second=pl.lit(MODELS[y]), shown_first=pl.lit("first"),
        ))  # fmt: skip
    return pl.concat(tables)


def _table(rng: np.random.Generator, lead: Floats) -> pl.DataFrame:
    wins = rng.random(len(lead)) < 1 / (1 + np.exp(-lead))
    said = np.where(rng.random(len(lead)) < 0.1, "tie", np.where(wins, "first", "second"))
    return pl.DataFrame({"winner": said})
