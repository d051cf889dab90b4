"""`fit_probe`: linear heads on embeddings, cross-fitted by groups of prompts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.arguments import whole_number
from btviz.dataset import Dataset
from btviz.embedding import Embeddings
from btviz.errors import UsageError, choice
from btviz.progress import bar
from btviz.scoring.probes.groups import SIMILARITY
from btviz.scoring.probes.linear import FEWEST
from btviz.scoring.probes.probe import Probe
from btviz.scoring.probes.sample import Sample, cross_fitted, fit_rows
from btviz.scoring.protocol import KINDS, stacked_scores
from btviz.store import fingerprint

VERSION = 2
"""Raised when the same data would give another probe."""

RIDGE = 3e-2
"""Default penalty: near the best grouped accuracy on real data, which is flat within a factor of ten."""


def fit_probe(
    ds: Dataset,
    emb: Embeddings,
    *,
    kind: str = "cost",
    n_folds: int = 5,
    l2: float = RIDGE,
    random_state: int = 0,
    name: str | None = None,
) -> Probe:
    """Fit a score model on the vectors and labels of a data set.

    Prompts that share nearly all their words (see `prompt_groups`) stay together: each pair's score
    in `out_of_fold` comes from heads that saw no answer to such a prompt.

    Parameters
    ----------
    ds : Dataset
        Labels to learn from: *better* for a reward (Bradley-Terry), *safer* and the safety labels for
        a cost (both terms of Safe RLHF, arXiv 2310.12773, equation 6), majority categories and
        severity for moderation (one logistic head each).
    emb : Embeddings
        Vectors of its answers, ``text="qa"`` or ``"response"``; of prompts too, for moderation.
    kind : {"cost", "reward", "moderation"}, optional
    n_folds : int, optional
        At least 2.
    l2 : float, optional
        Ridge penalty on the weights of standardised vectors, relative to the mean loss; positive.
    random_state : int, optional
        Seed of the folds.
    name : str, optional
        Default: "probe", kind, data set and encoder, joined by dashes.

    Returns
    -------
    Probe
        `.out_of_fold` is a `scores` table of every pair of `ds`; `.score(prompts, responses)` is for others.

    Raises
    ------
    UsageError
        If the vectors belong to another data set, are of prompts only where answers are compared,
        or there are fewer groups of prompts than folds.
    DataError
        If the data set has no label of this kind.
    """
    choice(kind, KINDS, what="kind of probe")
    _check(ds, emb, kind=kind, n_folds=n_folds, l2=l2)
    sample = Sample.of(ds, emb, kind=kind, n_folds=n_folds, random_state=random_state)
    scores = np.full((len(sample.ids), len(sample.labels) or 1), np.nan)
    with bar(f"Fitting a {kind} probe on {ds.name}", total=n_folds + 1) as update:
        for step, (held_out, scorer) in enumerate(cross_fitted(sample, n_folds=n_folds, l2=l2)):
            scores[held_out] = scorer.scores(sample.vectors[held_out]).reshape(held_out.sum(), -1)
            update(step + 1)
        everything = np.ones(len(sample.examples.signs), bool)
        scorer = fit_rows(sample, rows=everything, l2=l2)
    undefined = _undefined(sample, scores)
    scores[:, [label in undefined for label in sample.labels or (kind,)]] = np.nan
    settings = {"n_folds": n_folds, "l2": l2, "random_state": random_state, "similarity": SIMILARITY}
    title = name or f"probe-{kind}-{ds.name}-{emb.encoder}"
    return Probe(
        name=title,
        kind=kind,
        fingerprint=fingerprint(VERSION, kind, ds.fingerprint, emb.fingerprint, settings),
        labels=sample.labels,
        out_of_fold=_table(sample, scores, name=title),
        undefined=undefined,
        card=_card(ds, emb, sample, settings=settings),
        scorer=scorer,
        encoder=emb.source,
    )


def _check(ds: Dataset, emb: Embeddings, *, kind: str, n_folds: int, l2: float) -> None:
    whole_number(n_folds, name="n_folds", least=2)
    if not 0 < l2 < math.inf:
        raise UsageError(f"l2={l2} was asked for; that is no positive number. Use a positive penalty, such as {RIDGE}.")
    if emb.text == "prompt" and kind != "moderation":
        raise UsageError(
            f"A {kind} probe was asked for on vectors of prompts, which the answers compared share. Embed "
            'text="qa" or "response".'
        )
    strange = ds.pairs.select("pair_id").join(emb.pairs, on="pair_id", how="anti").height
    if strange:
        raise UsageError(
            f"A probe was asked for on {ds.name!r}; {strange:,} of its {ds.pairs.height:,} pairs have no vector. "
            "Embed this data set."
        )


def _undefined(sample: Sample, scores: npt.NDArray[np.float64]) -> Mapping[str, str]:
    """Why a target has no score somewhere; folds differ, so it then has none anywhere."""
    missing = np.atleast_1d(np.isnan(scores).any(axis=0))
    return {
        label: f"fewer than {FEWEST} groups of prompts with it, or without it, in the training part of some fold"
        for label, absent in zip(sample.labels or (sample.kind,), missing, strict=True)
        if absent
    }


def _table(sample: Sample, scores: npt.NDArray[np.float64], *, name: str) -> pl.DataFrame:
    columns: tuple[str | None, ...] = sample.labels or (None,)
    tables = [
        pl.DataFrame({"pair_id": sample.ids, "score": pl.Series(column, dtype=pl.Float64).fill_nan(None)}).with_columns(
            pl.lit(target, pl.String).alias("target"), pl.lit(name).alias("model"), pl.lit(sample.kind).alias("kind")
        )
        for target, column in zip(columns, scores.T, strict=True)
    ]
    return stacked_scores(tables)


def _card(ds: Dataset, emb: Embeddings, sample: Sample, *, settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "data_set": ds.name,
        "data_fingerprint": ds.fingerprint,
        "is_synthetic": ds.is_synthetic,
        "text": emb.text,
        "encoder": emb.encoder,
        "encoder_settings": None if emb.source is None else dict(emb.source.settings),
        "embedding_fingerprint": emb.fingerprint,
        "dimensions": int(sample.vectors.shape[1]),
        "pairs": len(sample.ids),
        "prompts": ds.pairs["prompt_id"].n_unique(),
        "groups": len(np.unique(sample.groups)),
        "rows": dict(sample.examples.counts),
        "settings": dict(settings),
        "version": VERSION,
    }
