"""Grids of agreement coefficients, of measures pooled over comparisons, and of means."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np
import polars as pl

from benchmarks.coverage.cells import Seen, sizes
from btviz import load
from btviz.models import planted_flips
from btviz.reports.corrections import Sides, phi_of, share_of
from btviz.scores.calibration import logistic_fit
from btviz.scores.differences import mean_interval
from btviz.stats import clustered
from btviz.stats.agreement import COEFFICIENTS, coefficient_interval, rating_sums
from btviz.stats.association import Floats, Integers
from btviz.stats.clustered import FEWEST_EFFECTIVE, effective_number
from btviz.stats.measures import MEASURES
from btviz.stats.regression import errors_of, moves_of
from btviz.stats.resampling import cluster_sums
from btviz.stats.separation import spearman_interval
from btviz.store import fingerprint
from btviz.texts.embedding import Embeddings
from btviz.texts.topics.categories import _ami, _by_halves, _by_prompt

LARGE = 200_000  # prompts whose value is taken for the truth
KINDS = ("single", "equal", "uneven")


def agreement(prompts: int, *, draws: int) -> Iterator[str]:
    """Coefficients of votes that are right with some probability, on items whose labels cling to prompts."""
    for kind, prevalence, accuracy, raters in itertools.product(KINDS, (0.02, 0.1, 0.4), (0.8, 0.98), (2, 3)):
        make = _votes(kind, prevalence=prevalence, accuracy=accuracy, raters=raters)
        rng = np.random.default_rng([prompts, KINDS.index(kind), round(1000 * prevalence), round(100 * accuracy)])
        whole = make(np.random.default_rng(1), LARGE).sum(axis=0, keepdims=True)
        names = ("agreement", "fleiss_kappa", "krippendorff_alpha", "gwet_ac1")
        seen = {name: Seen() for name in names}
        for _ in range(draws):
            sums = make(rng, prompts)
            for name in names:
                found = coefficient_interval(name, sums)
                truth = float(COEFFICIENTS[name](whole)[0])
                seen[name].add(found.low, found.high, truth=truth, effective=found.effective, bounded=found.is_bounded)
        for name in names:
            cell = f"{prompts} prompts, {kind}, {raters} raters right in {accuracy:.0%}, {prevalence:.0%} positive"
            yield seen[name].line(f"{name}, {cell}")


def _votes(
    kind: str, *, prevalence: float, accuracy: float, raters: int
) -> Callable[[np.random.Generator, int], Floats]:
    def make(rng: np.random.Generator, prompts: int) -> Floats:
        n = sizes(rng, kind, prompts=prompts, draws=1)[:, 0]
        prompt = np.repeat(np.arange(prompts), n)
        k = 2.0  # of a beta distribution: a correlation of 1/3 within prompts
        truth = rng.random(len(prompt)) < rng.beta(prevalence * k, (1 - prevalence) * k, prompts)[prompt]
        votes = rng.binomial(raters, np.where(truth, accuracy, (1 - accuracy) * prevalence))
        return cluster_sums(rating_sums(raters, votes), clusters=prompt)

    return make


def measures(prompts: int, *, draws: int) -> Iterator[str]:
    """Measures of comparisons in three strata, whose prompts agree more or less often."""
    names = ("phi_by_position", "kappa_by_position", "odds_ratio_mh", "odds_ratio_mh_by_position")
    for kind, p, first in itertools.product(KINDS, (0.5, 0.7, 0.95), (0.5, 0.1)):
        rng = np.random.default_rng([prompts, KINDS.index(kind), round(100 * p), round(100 * first)])
        whole = _cells(np.random.default_rng(1), LARGE, kind=kind, p=p, first=first).sum(axis=0, keepdims=True)
        seen = {name: Seen() for name in names}
        for _ in range(draws):
            cells = _cells(rng, prompts, kind=kind, p=p, first=first)
            for name in names:
                found = MEASURES[name].interval(cells)
                truth = float(MEASURES[name].values(whole)[0])
                seen[name].add(found.low, found.high, truth=truth, effective=found.effective, bounded=found.is_bounded)
        for name in names:
            yield seen[name].line(f"{name}, {prompts} prompts, {kind}, p {p:g}, first better in {first:.0%}")


def _cells(rng: np.random.Generator, prompts: int, *, kind: str, p: float, first: float) -> Floats:
    """Comparisons by stratum and cell, one row a prompt; the last stratum, of unknown safety, is empty."""
    n = sizes(rng, kind, prompts=prompts, draws=1)[:, 0]
    prompt = np.repeat(np.arange(prompts), n)
    stratum = rng.integers(3, size=len(prompt))
    k = 2.0
    of_prompt = rng.beta(p * k, (1 - p) * k, prompts)[prompt]
    same = rng.random(len(prompt)) < np.clip(of_prompt + np.array([-0.05, 0, 0.05])[stratum] * p * (1 - p), 0, 1)
    better = rng.random(len(prompt)) < first
    place = 4 * stratum + 2 * better + np.where(same, better, ~better)
    return np.bincount(16 * prompt + place, minlength=16 * prompts).reshape(prompts, 16).astype(np.float64)


def curves(prompts: int, *, draws: int) -> Iterator[str]:
    """Slopes, means and rank correlations of scores, a third of whose variance is that of prompts."""
    for kind, positive, skewed in itertools.product(KINDS, (0.5, 0.1), (False, True)):
        rng = np.random.default_rng([prompts, KINDS.index(kind), round(100 * positive), skewed])
        whole = _scored(np.random.default_rng(1), LARGE // 4, kind=kind, positive=positive, skewed=skewed)
        names = {"logistic slope": _slope, "least squares slope": _line, "mean": _mean, "Spearman's rho": _rho}
        truths = {name: measure(*whole)[0] for name, measure in names.items()}
        seen = {name: Seen() for name in names}
        for _ in range(draws):
            drawn = _scored(rng, prompts, kind=kind, positive=positive, skewed=skewed)
            worth = effective_number(np.bincount(drawn[0]))
            for name, measure in names.items():
                _, low, high = measure(*drawn)
                ends = (np.array([end]) for end in (low, high))
                seen[name].add(*ends, truth=truths[name], effective=worth)
        how = "skewed" if skewed else "normal"
        for name in names:
            yield seen[name].line(f"{name}, {prompts} prompts, {kind}, {positive:.0%} positive, {how} score")


def _scored(
    rng: np.random.Generator, prompts: int, *, kind: str, positive: float, skewed: bool
) -> tuple[Integers, Floats, Floats]:
    n = sizes(rng, kind, prompts=prompts, draws=1)[:, 0]
    prompt = np.repeat(np.arange(prompts), n)
    shared, own = rng.standard_normal(prompts)[prompt], rng.standard_normal(len(prompt))
    score = math.sqrt(1 / 3) * shared + math.sqrt(2 / 3) * own
    lean = score + 0.7 * rng.standard_normal(prompts)[prompt]
    label = rng.random(len(prompt)) < 1 / (1 + np.exp(-(lean + math.log(positive / (1 - positive)))))
    return prompt, np.exp(score) if skewed else score, label.astype(np.float64)


Ends = tuple[float, float, float]


def _slope(prompt: Integers, score: Floats, label: Floats) -> Ends:
    fit = logistic_fit(score, label, clusters=prompt)
    return float(fit.coefficients[1]), float(fit.low[1]), float(fit.high[1])


def _line(prompt: Integers, score: Floats, label: Floats) -> Ends:
    x = np.column_stack([np.ones(len(score)), score])
    beta = np.linalg.lstsq(x, label, rcond=None)[0]
    if effective_number(np.bincount(prompt)) < FEWEST_EFFECTIVE or len(prompt) > LARGE:
        return float(beta[1]), math.nan, math.nan
    moves = moves_of(x, weight=np.ones(len(label)), residual=label - x @ beta, clusters=prompt)
    error, freedom = errors_of(moves, np.eye(2)[1:])
    reach = float((clustered.t_quantile(0.95, df=freedom) * error)[0])
    return float(beta[1]), float(beta[1]) - reach, float(beta[1]) + reach


def _mean(prompt: Integers, score: Floats, _: Floats) -> Ends:
    return _ends(mean_interval(score, prompt))


def _rho(prompt: Integers, score: Floats, label: Floats) -> Ends:
    return _ends(spearman_interval(score, label + score * 0.2, clusters=prompt))


def _ends(found: clustered.ClusterInterval) -> Ends:
    return float(found.estimate[0]), float(found.low[0]), float(found.high[0])


def topics(prompts: int, *, draws: int) -> Iterator[str]:
    """Adjusted mutual information of topics, which are of prompts, and label sets, which lean with them."""
    for clear in (0.0, 0.3, 0.7):
        rng, seen = np.random.default_rng([prompts, round(10 * clear)]), Seen()
        whole = _topical(np.random.default_rng(1), 20_000, clear=clear)
        truth = float(_ami(whole["labels"], whole["topic"])[0] or 0.0)
        for _ in range(draws):
            rows = _topical(rng, prompts, clear=clear)
            ends = _by_halves(rows, n_halves=60, random_state=0, shared=_by_prompt(rows, 0)) or (math.nan, math.nan)
            low, high = (np.array([end]) for end in ends)
            seen.add(low, high, truth=truth, effective=effective_number(np.bincount(rows["prompt_id"])))
        yield seen.line(f"AMI {truth:.2f}, {prompts} prompts, uneven")


def _topical(rng: np.random.Generator, prompts: int, *, clear: float) -> pl.DataFrame:
    n = sizes(rng, "uneven", prompts=prompts, draws=1)[:, 0]
    prompt = np.repeat(np.arange(prompts), n)
    topic = rng.integers(12, size=prompts)[prompt]
    usual = rng.integers(8, size=prompts)[prompt]  # what a prompt invites, whatever its topic
    labels = np.where(rng.random(len(prompt)) < clear, topic % 8, np.where(rng.random(len(prompt)) < 0.5, usual, 8))
    return pl.DataFrame({"prompt_id": prompt, "topic": topic, "labels": labels})


def corrections(prompts: int, *, draws: int) -> Iterator[str]:
    """Differences of shares and of phi between labels as released and corrected, by how many prompts are changed."""
    for changed, up in itertools.product((4, 8, 20, 41), (0.5, 0.9, 1.0)):
        if changed > prompts / 2:
            continue
        rng = np.random.default_rng([prompts, changed, round(10 * up)])
        whole = _reviewed(np.random.default_rng(1), LARGE, share=changed / prompts, up=up)
        for name, measure in (("share", share_of), ("phi", phi_of)):
            truth = float((measure(whole.after.sum(axis=0)) - measure(whole.before.sum(axis=0)))[0])
            seen = Seen()
            for _ in range(draws):
                sides = _reviewed(rng, prompts, share=changed / prompts, up=up)
                found = sides.share_difference() if name == "share" else sides.difference(measure)
                seen.add(found.low, found.high, truth=truth, effective=changed, bounded=found.is_bounded)
            yield seen.line(f"difference of {name}, {prompts} prompts, about {changed} changed, {up:.0%} upwards")
        yield _alpha_corrected(prompts, draws, changed=changed, up=up)


def _alpha_corrected(prompts: int, draws: int, *, changed: int, up: float) -> str:
    """Difference of Krippendorff's alpha where reviewers set all three votes of some items of some prompts."""
    measure, seen = COEFFICIENTS["krippendorff_alpha"], Seen()
    rng = np.random.default_rng([prompts, changed, round(10 * up), 7])
    whole = _voted_twice(np.random.default_rng(1), LARGE, share=changed / prompts, up=up)
    truth = float((measure(whole.after.sum(axis=0)) - measure(whole.before.sum(axis=0)))[0])
    for _ in range(draws):
        found = _voted_twice(rng, prompts, share=changed / prompts, up=up).alpha_difference()
        seen.add(found.low, found.high, truth=truth, effective=changed, bounded=found.is_bounded)
    return seen.line(f"difference of alpha, {prompts} prompts, about {changed} changed, {up:.0%} upwards")


def _voted_twice(rng: np.random.Generator, prompts: int, *, share: float, up: float) -> Sides:
    """Votes of three before, and after reviewers set all three of some items."""
    n = sizes(rng, "uneven", prompts=prompts, draws=1)[:, 0]
    prompt = np.repeat(np.arange(prompts), n)
    truth = rng.random(len(prompt)) < rng.beta(0.6, 1.4, prompts)[prompt]
    votes = rng.binomial(3, np.where(truth, 0.9, 0.05))
    looked = (rng.random(prompts) < share)[prompt] & (rng.random(len(prompt)) < 0.5)
    after = np.where(looked, np.where(rng.random(len(prompt)) < up, 3, 0), votes)
    three = np.full(len(prompt), 3)
    before, later = (rating_sums(three, counts)[:, None] for counts in (votes, after))
    return Sides.of(before, later, prompts=prompt.astype(np.uint64))


def _reviewed(rng: np.random.Generator, prompts: int, *, share: float, up: float) -> Sides:
    """Two labels, of which reviewers change the second in some prompts: items, either label, both."""
    n = sizes(rng, "uneven", prompts=prompts, draws=1)[:, 0]
    prompt = np.repeat(np.arange(prompts), n)
    first = rng.random(len(prompt)) < rng.beta(0.6, 1.4, prompts)[prompt]
    second = rng.random(len(prompt)) < np.where(first, 0.3, 0.1)
    looked = (rng.random(prompts) < share)[prompt] & (rng.random(len(prompt)) < 0.5)
    after = np.where(looked, rng.random(len(prompt)) < up, second)
    sums = [np.column_stack([np.ones(len(prompt)), label, first, label & first])[:, None] for label in (second, after)]
    return Sides.of(sums[0], sums[1], prompts=prompt.astype(np.uint64))


def flips(prompts: int, *, draws: int) -> Iterator[str]:
    """Precision and recall of planted label flips, by direction, of these data (80 further draws) and of other data."""
    for answers in (1, 3):
        rng = np.random.default_rng([prompts, answers])
        found = pl.concat([_planted(rng, prompts, answers=answers) for _ in range(draws)])
        for (way,), rows in found.group_by("direction", maintain_order=True):
            for name, weight in (("precision", "n_named"), ("recall", "n_planted")):
                known = rows.drop_nulls([name, f"{name}_again"])
                if not known[weight].sum():
                    continue  # no draw names anything
                truth = float((known[name] * known[weight]).sum() / known[weight].sum())
                low, high = (
                    known[f"{name}_{end}"].cast(pl.Float64).fill_null(math.nan).to_numpy() for end in ("low", "high")
                )
                for whose, value in (("these", known[f"{name}_again"].to_numpy()), ("other", np.full(len(low), truth))):
                    seen = Seen()
                    # an interval moved by its truth holds 0
                    seen.add(low - value, high - value, truth=0.0, effective=prompts)
                    cell = f"{name} of {way}s ({truth:.2f}) in {whose} data"
                    yield seen.line(f"{cell}, {prompts} prompts, answers to each: {answers}")


def _planted(rng: np.random.Generator, prompts: int, *, answers: int) -> pl.DataFrame:
    """What `planted_flips` finds among answers about 12 matters, of which some are mostly unsafe and most are not."""
    n = prompts * answers
    prompt = np.repeat(np.arange(prompts), answers)
    matter = rng.integers(12, size=prompts)[prompt]
    unsafe = rng.random(n) < np.where(matter < 4, 0.97, 0.03)
    vectors = np.eye(12)[matter] + rng.normal(scale=0.15, size=(n, 12))
    rows = {
        "prompt": [f"prompt {i}" for i in prompt],
        "response": [f"answer {i}" for i in range(n)],
        "is_safe": ~unsafe,
    }
    ds = load(pl.DataFrame(rows))
    place = ds.pairs.select("pair_id", place=pl.col("response").str.split(" ").list.get(1).cast(pl.UInt64) + 1)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    ids = np.arange(1, n + 1, dtype=np.uint64)
    emb = Embeddings(
        ids, vectors, place.rename({"place": "text_id"}), "response", "made", fingerprint(vectors.tobytes())
    )
    found, again = (
        planted_flips(ds, emb, targets=["is_safe"], at=(), n_draws=count, planted=0.05, random_state=count).filter(
            pl.col("k").is_null()
        )
        for count in (20, 80)
    )
    return found.join(again.select("direction", "precision", "recall"), on="direction", how="left", suffix="_again")
