"""Preferences and scores of which the truth is planted: what estimates and intervals make of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import polars as pl

from btviz.errors import UsageError
from btviz.preference.shares import Floats
from btviz.stats.association import wilson
from btviz.stats.clustered import share_interval
from btviz.stats.resampling import check_draws, generator

_LEAST_PROMPTS = 2  # with fewer nothing can be resampled


@dataclass(frozen=True)
class Planting:
    """The truth behind simulated comparisons."""

    p: float
    noise: float
    cluster_size: int
    correlation: float
    prompts: int

    def __post_init__(self) -> None:
        for value, low, high, what in (
            (self.p, 0, 1, "p"),
            (self.noise, 0, 0.5, "label noise"),
            (self.cluster_size, 1, math.inf, "cluster size"),
            (self.correlation, 0, 1, "correlation within prompts"),
            (self.prompts, _LEAST_PROMPTS, math.inf, "number of prompts"),
        ):
            if not low <= value <= high:
                raise UsageError(f"A {what} of {value} was asked for; it lies between {low} and {high}. Correct it.")

    @property
    def n(self) -> int:
        """Comparisons of one sample."""
        return self.prompts * self.cluster_size

    @property
    def attenuation(self) -> float:
        """What errors leave of 2p - 1: ``(1 - 2 noise)**2``."""
        return (1 - 2 * self.noise) ** 2

    @property
    def observable_p(self) -> float:
        """P(better = safer) of labels with these errors: where estimates tend to."""
        return (1 + self.attenuation * (2 * self.p - 1)) / 2

    @property
    def design_effect(self) -> float:
        """Variance of an estimate, relative to that from as many independent comparisons (Kish 1965)."""
        seen = self.observable_p * (1 - self.observable_p)
        if seen == 0:
            return 1.0
        shared = self.correlation * self.p * (1 - self.p) * self.attenuation**2 / seen
        return 1 + (self.cluster_size - 1) * shared


@dataclass(frozen=True, eq=False)
class SimulatedPreferences:
    """Samples drawn again and again from one planted truth."""

    planted: Planting
    samples: pl.DataFrame

    @property
    def coverage(self) -> float:
        """Share of samples whose interval by prompt holds what the labels tend to."""
        return float(self.samples["covers"].cast(pl.Float64).sum() / self.samples.height)

    @property
    def naive_coverage(self) -> float:
        """Share of samples whose naive interval does."""
        return float(self.samples["naive_covers"].cast(pl.Float64).sum() / self.samples.height)

    @property
    def coverage_of_p(self) -> float:
        """Share of samples whose interval by prompt holds the planted p, errors and all."""
        return float(self.samples["covers_p"].cast(pl.Float64).sum() / self.samples.height)


def simulate_preferences(
    p: float = 0.5,
    *,
    noise: float = 0.0,
    cluster_size: int = 6,
    correlation: float = 0.2,
    n: int = 600,
    repeats: int = 500,
    n_boot: int = 1000,
    random_state: int = 0,
) -> SimulatedPreferences:
    """Draw comparisons with a known P(better = safer), many times, and estimate it each time.

    Parameters
    ----------
    p : float
        Planted P(better = safer) of labels without errors, 0 .. 1; 1/2 is orthogonal.
    noise : float
        Probability that a label is wrong, 0 .. 0.5.
    cluster_size : int
        Comparisons of each prompt, 1 or more.
    correlation : float
        Correlation of two comparisons of one prompt, 0 .. 1.
    n : int
        Comparisons of one sample; taken to whole prompts, at least 2.
    repeats : int
        Samples, 1 or more.
    n_boot : int
        Checked; intervals are in closed form.
    random_state : int
        Seed.

    Returns
    -------
    SimulatedPreferences
        Estimates and intervals of every sample, and how many of them hold the truth.

    Raises
    ------
    UsageError
        If a value is outside its range.
    """
    if repeats < 1 or n < 1 or cluster_size < 1:
        raise UsageError(
            f"{repeats} samples of {n} comparisons, {cluster_size} a prompt, were asked for; each is at least 1."
        )
    check_draws(n_boot, random_state)  # refuses what makes no sense
    planted = Planting(p, noise, cluster_size, correlation, max(_LEAST_PROMPTS, round(n / cluster_size)))
    rng = generator(random_state)
    hits = _hits(planted, repeats=repeats, rng=rng)
    interval = share_interval(hits, np.full(hits.shape, planted.cluster_size))
    naive_low, naive_high = wilson(hits.sum(axis=0), n=np.full(repeats, planted.n))
    truth = planted.observable_p
    samples = pl.DataFrame(
        {
            "sample": np.arange(1, repeats + 1),
            "estimate": interval.estimate,
            "low": interval.low,
            "high": interval.high,
            "naive_low": naive_low,
            "naive_high": naive_high,
        }
    ).with_columns(pl.col("low", "high").fill_nan(None))
    samples = samples.with_columns(
        pl.lit(truth).is_between("low", "high").alias("covers"),
        pl.lit(truth).is_between("naive_low", "naive_high").alias("naive_covers"),
        pl.lit(planted.p).is_between("low", "high").alias("covers_p"),
    )
    return SimulatedPreferences(planted, samples)


def _hits(planted: Planting, *, repeats: int, rng: np.random.Generator) -> Floats:
    """Comparisons of each prompt whose two labels, errors and all, agree: shape (prompts, repeats)."""
    of_prompt = _p_of_prompts(planted, shape=(planted.prompts, repeats), rng=rng)
    seen = (1 + planted.attenuation * (2 * of_prompt - 1)) / 2
    return rng.binomial(planted.cluster_size, seen).astype(np.float64)


def _p_of_prompts(planted: Planting, *, shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    p, correlation = planted.p, planted.correlation
    if correlation == 0 or p in (0, 1):
        return np.full(shape, p)
    if correlation == 1:
        return (rng.random(shape) < p).astype(np.float64)
    spread = (1 - correlation) / correlation
    return rng.beta(p * spread, (1 - p) * spread, size=shape)


def simulate_scores(
    *, between: float = 1.5, within: float = -0.5, prompts: int = 300, answers: int = 3, random_state: int = 0
) -> pl.DataFrame:
    """Draw scores whose association over all answers is not the one within a prompt.

    Helpfulness and harmlessness are ``between * z + e``: z is standard normal and shared by all
    answers to a prompt, and the two e of an answer are standard normal with correlation
    `within`. Over all answers their correlation is ``(between**2 + within) / (between**2 + 1)``;
    within a prompt both scores order two answers alike with probability
    ``1/2 + arcsin(within) / pi``.

    Parameters
    ----------
    between : float
        How far prompts differ, in both scores at once.
    within : float
        Correlation of the two scores among answers to one prompt, -1 .. 1.
    prompts, answers : int
        Prompts, and answers to each; every answer is by a policy of its own.
    random_state : int
        Seed.

    Returns
    -------
    DataFrame
        `index` (the prompt), `policy`, `helpful_score`, `harmless_score`: what
        `score_association` takes.

    Raises
    ------
    UsageError
        If `within` is outside its range.
    """
    if not -1 <= within <= 1:
        raise UsageError(f"A correlation of {within} was asked for; it lies between -1 and 1. Correct it.")
    rng = generator(random_state)
    prompt = np.repeat(np.arange(prompts), answers)
    shared = between * rng.standard_normal(prompts)[prompt]
    first, rest = rng.standard_normal((2, prompts * answers))
    return pl.DataFrame(
        {
            "index": prompt,
            "policy": np.tile([f"policy-{number + 1}" for number in range(answers)], prompts),
            "helpful_score": shared + first,
            "harmless_score": shared + within * first + math.sqrt(1 - within**2) * rest,
        }
    )
