"""Whether a cost probe recognises harm it was never shown: an unseen category, another data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.data.dataset import Dataset
from btviz.errors import DataError, UsageError
from btviz.machine.progress import bar
from btviz.models.probes.fit import RIDGE, Sample, cross_fitted, fit_probe, prompt_groups
from btviz.models.protocol import scores_table
from btviz.scores.accuracy import auc_row
from btviz.scores.answers import both_answers
from btviz.scores.intervals import METRICS, ratio_rows
from btviz.scores.metrics import score_metrics
from btviz.stats.resampling import Level, Resampling
from btviz.texts.embedding import Embeddings

TRAININGS = ("all", "without")
"""Trained on every category, and on rows with no answer to which anybody gave the category."""

COLUMNS = ("category", "training", "metric", "n", "support", "prompts", "estimate", "low", "high", "undefined")


def leave_one_category_out(
    ds: Dataset,
    emb: Embeddings,
    *,
    categories: Sequence[str] | None = None,
    n_folds: int = 5,
    l2: float = RIDGE,
    n_boot: int = 1000,
    random_state: int = 0,
) -> pl.DataFrame:
    """Find out how well a cost probe recognises each category when no answer with it was shown.

    Both trainings are scored out of fold on the same answers, so they differ by the category alone.

    Parameters
    ----------
    ds : Dataset
        With harm categories, over pairs by majority.
    emb : Embeddings
        Vectors of its answers.
    categories : sequence of str, optional
        Keys or slugs of those to leave out; by default all. Each takes a fit for each fold.
    n_folds, l2, random_state
        As for `fit_probe`.
    n_boot : int, optional
        Bootstrap replicates of the Kolmogorov-Smirnov distance, drawn over prompts.

    Returns
    -------
    DataFrame
        `category`, `training` ("all", "without"), `metric`, `n`, `support` (answers with the category),
        `prompts`, `estimate`, `low`, `high` (95 %, by prompt), `undefined`. Metrics: `recall` (share of
        unsafe answers with the category that cost more than 0), `false_positive_rate` (of safe answers),
        `auc` (those unsafe answers against the safe ones).

    Raises
    ------
    DataError
        If no unsafe answer has a category.
    UsageError
        If the vectors do not fit, or there are too few prompts.
    """
    sample = Sample.of(ds, emb, kind="cost", n_folds=n_folds, random_state=random_state)
    trial = _Trial(ds, sample, n_folds=n_folds, l2=l2, resampling=Resampling(n_boot, random_state))
    asked = ds.taxonomy.categories if categories is None else [ds.taxonomy[name] for name in categories]
    held_out = [category for category in asked if trial.having(category.key).any()]
    if not held_out:
        named = "" if categories is None else f" of {[category.slug for category in asked]}"
        raise DataError(
            f"Categories were to be left out one by one; no unsafe answer of {ds.name!r} has one{named}. Use a data "
            "set with harm categories, or name others."
        )
    known = trial.costs(without=None)
    tables = []
    with bar(f"Leaving out {len(held_out)} categories of {ds.name}", total=len(held_out)) as update:
        for step, category in enumerate(held_out):
            for training, costs in zip(TRAININGS, (known, trial.costs(without=category.key)), strict=True):
                rows = trial.measured(costs, category=category.key)
                tables.append(
                    rows.with_columns(pl.lit(category.key).alias("category"), pl.lit(training).alias("training"))
                )
            update(step + 1)
    return pl.concat(tables).select(COLUMNS)


def transfer_metrics(
    ds: Dataset,
    emb: Embeddings,
    *,
    to: Dataset,
    to_emb: Embeddings,
    l2: float = RIDGE,
    n_boot: int = 1000,
    random_state: int = 0,
) -> pl.DataFrame:
    """Fit a cost probe on one data set and measure it on another.

    Answers of `to` whose prompt nearly repeats a prompt of `ds` are left out: the probe has seen it.

    Parameters
    ----------
    ds, emb : Dataset, Embeddings
        What to learn from.
    to, to_emb : Dataset, Embeddings
        What to measure on, embedded in the same way.
    l2, random_state
        As for `fit_probe`.
    n_boot : int, optional
        Bootstrap replicates of the Kolmogorov-Smirnov distance, drawn over prompts.

    Returns
    -------
    DataFrame
        As `score_metrics` gives it, and `left_out`: pairs of `to` left out.

    Raises
    ------
    UsageError
        If the two were embedded differently.
    DataError
        If no prompt of `to` is new.
    """
    # nothing out of fold is needed of it
    probe = fit_probe(ds, emb, kind="cost", n_folds=2, l2=l2, random_state=random_state)
    pairs = _new_pairs(ds, to)
    if pairs.is_empty():
        raise DataError(
            f"A probe of {ds.name!r} was to be measured on {to.name!r}; every prompt there nearly repeats one it was "
            "fitted on. Measure it on other data."
        )
    _check_alike(emb, to_emb)
    ids = pairs["pair_id"]
    scores = scores_table(ids, probe.scorer.scores(to_emb.of_pairs(ids)), model=probe)
    left_out = to.pairs.height - len(ids)
    return score_metrics(scores, to, n_boot=n_boot, random_state=random_state).with_columns(
        pl.lit(left_out, pl.Int64).alias("left_out")
    )


@dataclass(frozen=True, eq=False)
class _Trial:
    ds: Dataset
    sample: Sample
    n_folds: int
    l2: float
    resampling: Resampling

    @property
    def unsafe(self) -> npt.NDArray[np.bool_]:
        return (~self.ds.pairs["is_safe"].fill_null(value=True)).to_numpy()

    @property
    def safe(self) -> npt.NDArray[np.bool_]:
        return self.ds.pairs["is_safe"].fill_null(value=False).to_numpy()

    def having(self, category: str) -> npt.NDArray[np.bool_]:
        """Which answers have a category, shape (m,)."""
        flag = self.ds.taxonomy.has(category).fill_null(value=False).alias("flag")
        return self.ds.pairs.select(flag)["flag"].to_numpy() & self.unsafe

    def mentioned(self, category: str) -> npt.NDArray[np.bool_]:
        """Which answers anybody gave a category, be it against the majority, shape (m,)."""
        ds, has = self.ds, self.ds.taxonomy.has
        named = [frame.select("pair_id", "labels") for frame in (ds.annotations, ds.pairs)]
        rows = pl.concat([*named, both_answers(ds.preferences, "pair_id", "labels")])
        return self.sample.ids.is_in(rows.filter(has(category))["pair_id"].implode()).to_numpy()

    def costs(self, *, without: str | None) -> npt.NDArray[np.float64]:
        """Cost of each answer out of fold, shape (m,), no row with the category having been shown."""
        shown = None
        if without is not None:
            hidden = self.mentioned(without).astype(np.float32)
            shown = np.asarray(abs(self.sample.examples.contrasts) @ hidden == 0)
        costs = np.full(len(self.sample.ids), np.nan)
        for held_out, scorer in cross_fitted(self.sample, n_folds=self.n_folds, l2=self.l2, allowed=shown):
            costs[held_out] = scorer.scores(self.sample.vectors[held_out])
        return costs

    def measured(self, costs: npt.NDArray[np.float64], *, category: str) -> pl.DataFrame:
        has, prompt = self.having(category), self.ds.pairs["prompt_id"].to_numpy()
        support = pl.lit(int(has.sum()), METRICS["support"]).alias("support")
        everything = Level("category", category, np.ones(len(costs), bool))
        counted = np.column_stack([has, self.safe]).astype(np.float64)
        levels = [replace(everything, name=name) for name in ("recall", "false_positive_rate")]
        shares = ratio_rows(counted * (costs > 0)[:, None], of=counted, levels=levels, prompt=prompt)
        answers = self.ds.pairs.select("prompt_id").with_columns(score=pl.Series(costs))
        auc = auc_row(answers, has, level=replace(everything, member=has | self.safe))
        tables = [shares.with_columns(pl.col("level").alias("metric")), auc]
        kept = ("metric", "n", "prompts", "estimate", "low", "high", "undefined")
        return pl.concat(table.select(kept) for table in tables).with_columns(support)


def _new_pairs(ds: Dataset, to: Dataset) -> pl.DataFrame:
    """Pairs of `to` whose prompt is in no group with a prompt of `ds`."""
    columns = ("prompt_id", "prompt")
    prompts = pl.concat([ds.pairs.select(columns), to.pairs.select(columns)]).unique("prompt_id")
    groups = prompt_groups(prompts)
    seen = groups.join(ds.pairs.select("prompt_id").unique(), on="prompt_id", how="semi")["group"].unique()
    fresh = groups.filter(~pl.col("group").is_in(seen.implode())).select("prompt_id")
    return to.pairs.join(fresh, on="prompt_id", how="semi").select("pair_id").sort("pair_id")


def _check_alike(emb: Embeddings, other: Embeddings) -> None:
    settings = [None if each.source is None else dict(each.source.settings) for each in (emb, other)]
    if (emb.text, emb.encoder, settings[0]) != (other.text, other.encoder, settings[1]):
        raise UsageError(
            f"A probe on {emb.text} vectors by {emb.encoder} was to be measured on {other.text} vectors by "
            f"{other.encoder}, or one with other settings. Embed both in the same way."
        )
