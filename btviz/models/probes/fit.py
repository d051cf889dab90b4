"""`fit_probe`: linear heads on embeddings, cross-fitted by groups of prompts that say almost the same."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.arguments import whole_number
from btviz.data.dataset import Dataset, expect_answers
from btviz.data.words import words_of
from btviz.errors import UsageError, choice
from btviz.machine.progress import bar
from btviz.models.probes.examples import EXAMPLES, Examples
from btviz.models.probes.probe import Probe
from btviz.models.probes.regression import FEWEST, Scorer, Vectors, fit_heads, scaled, targets
from btviz.models.protocol import KINDS, stacked_scores
from btviz.stats.components import components
from btviz.store import fingerprint
from btviz.texts.embedding import Embeddings

VERSION = 4
"""Raised when the same data would give another probe."""

RIDGE = 3e-2
"""Penalty where probes of many sizes are compared, so that it is not chosen anew for each."""

PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0)
"""What the penalty of a probe is chosen from."""

CHOOSING_FOLDS = 3
CHOOSING_ROWS = 12_000
"""Rows that suffice to choose a penalty; of more, groups are drawn."""


def fit_probe(
    ds: Dataset,
    emb: Embeddings,
    *,
    kind: str = "cost",
    n_folds: int = 5,
    l2: float | None = None,
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
        Ridge penalty on the weights of standardised vectors, relative to the mean loss; positive. Default:
        chosen for each fold by the logistic loss in grouped folds of its training part, which the
        answers held out have no say in. `card["settings"]` has the penalty of the final fit.
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
    expect_answers(ds, what="Probes")
    _check(ds, emb, kind=kind, n_folds=n_folds, l2=l2)
    sample = Sample.of(ds, emb, kind=kind, n_folds=n_folds, random_state=random_state)
    scores = np.full((len(sample.ids), len(sample.labels) or 1), np.nan)
    with bar(f"Fitting a {kind} probe on {ds.name}", total=n_folds + 1) as update:
        for step, (held_out, scorer) in enumerate(cross_fitted(sample, n_folds=n_folds, l2=l2)):
            scores[held_out] = scorer.scores(sample.vectors[held_out]).reshape(held_out.sum(), -1)
            update(step + 1)
        everything = np.ones(len(sample.examples.signs), bool)
        penalty = chosen_penalty(sample, rows=everything) if l2 is None else l2
        scorer = fit_rows(sample, rows=everything, l2=penalty)
    undefined = _undefined(sample, scores)
    scores[:, [label in undefined for label in sample.labels or (kind,)]] = np.nan
    settings = {
        "n_folds": n_folds,
        "l2": penalty,
        "l2_is_chosen": l2 is None,
        "random_state": random_state,
        "similarity": SIMILARITY,
    }
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


def _check(ds: Dataset, emb: Embeddings, *, kind: str, n_folds: int, l2: float | None) -> None:
    whole_number(n_folds, name="n_folds", least=2)
    if l2 is not None and not 0 < l2 < math.inf:
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


@dataclass(frozen=True, eq=False)
class Sample:
    """What a probe is fitted on: m answers in the order of their ids."""

    kind: str
    ids: pl.Series
    vectors: Vectors
    groups: npt.NDArray[np.uint64]
    fold: npt.NDArray[np.int64]
    examples: Examples

    @property
    def labels(self) -> tuple[str, ...]:
        """Targets of moderation, else empty."""
        return targets(self.examples.heads) if self.kind == "moderation" else ()

    @classmethod
    def of(cls, ds: Dataset, emb: Embeddings, *, kind: str, n_folds: int, random_state: int) -> Sample:
        """Prepare a data set; raises if it has no label of this kind, or fewer groups of prompts than folds."""
        ids = ds.pairs["pair_id"]
        groups, fold = folds_of(ds, n_folds=n_folds, random_state=random_state)
        return cls(kind, ids, emb.of_pairs(ids), groups, fold, EXAMPLES[kind](ds, ids=ids))


def cross_fitted(
    sample: Sample, *, n_folds: int, l2: float | None, allowed: npt.NDArray[np.bool_] | None = None
) -> Iterator[tuple[npt.NDArray[np.bool_], Scorer]]:
    """Answers held out of each fold, shape (m,), and what was fitted without them on those rows that are allowed.

    Without a penalty, each fold chooses its own.
    """
    rows = np.ones(len(sample.examples.signs), bool) if allowed is None else allowed
    for number in range(n_folds):
        held_out = sample.fold == number
        shown = rows & ~held_out[sample.examples.answer]
        penalty = chosen_penalty(sample, rows=shown) if l2 is None else l2
        yield held_out, fit_rows(sample, rows=shown, l2=penalty)


def chosen_penalty(sample: Sample, *, rows: npt.NDArray[np.bool_]) -> float:
    """The penalty of least logistic loss on groups of prompts held out of some rows, summed over heads.

    A penalty stands for a prior, whose weight does not grow with the rows: what is tried on fewer of
    them is raised in proportion.
    """
    examples, groups = sample.examples, sample.groups[sample.examples.answer]
    used = np.flatnonzero(rows)
    if (parts := -(-len(used) // CHOOSING_ROWS)) > 1:
        used = used[grouped_folds(groups[used], n_folds=parts, random_state=0) == 0]
    fold = grouped_folds(groups[used], n_folds=CHOOSING_FOLDS, random_state=0)
    losses = np.zeros(len(PENALTIES))
    for number in range(CHOOSING_FOLDS):
        shown = np.zeros(len(rows), bool)
        shown[used[fold != number]] = True
        kept = used[fold == number]
        for place, penalty in enumerate(PENALTIES):
            l2 = penalty * rows.sum() / max(shown.sum(), 1)
            heads = fit_heads(sample.vectors, examples, rows=shown, groups=sample.groups, l2=l2)
            margins = examples.signs[kept] * (examples.contrasts[kept] @ heads.margins(sample.vectors))
            fitted = ~np.isnan(heads.intercepts)  # the same heads for each penalty
            losses[place] += np.logaddexp(0, -margins[:, fitted]).sum()
    return PENALTIES[int(losses.argmin())]


def fit_rows(sample: Sample, *, rows: npt.NDArray[np.bool_], l2: float) -> Scorer:
    """Fit on some rows of the examples, and scale by their answers."""
    examples = sample.examples
    heads = fit_heads(sample.vectors, examples, rows=rows, groups=sample.groups, l2=l2)
    trained = sample.vectors[np.unique(examples.contrasts[rows].indices)]
    return scaled(heads, trained, kind=sample.kind, names=examples.heads)


def folds_of(ds: Dataset, *, n_folds: int, random_state: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Group of near-duplicate prompts and fold of each pair; raises where there are fewer groups than folds."""
    group = prompt_groups(ds.pairs.select("prompt_id", "prompt").unique("prompt_id"))
    groups = ds.pairs.select("prompt_id").join(group, on="prompt_id", maintain_order="left")["group"].to_numpy()
    if (n_groups := len(np.unique(groups))) < n_folds:
        raise UsageError(
            f"{n_folds} folds were asked for; the prompts of {ds.name!r} form {n_groups} groups of "
            "near-duplicates. Ask for fewer folds, or use more data."
        )
    return groups, grouped_folds(groups, n_folds=n_folds, random_state=random_state)


def grouped_folds(groups: npt.NDArray[np.uint64], *, n_folds: int, random_state: int) -> npt.NDArray[np.int64]:
    """Fold of each row: groups in random order, each put into the fold with the fewest rows so far."""
    _, member, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.random.default_rng(random_state).permutation(len(sizes))
    # large groups first, or the last of them would unbalance the folds
    order = order[np.argsort(-sizes[order], kind="stable")]
    fold = np.empty(len(sizes), np.int64)
    rows = np.zeros(n_folds, np.int64)
    for group in order:
        fold[group] = rows.argmin()
        rows[fold[group]] += sizes[group]
    return np.asarray(fold[member])


SIMILARITY = 0.8
"""Least share of common words (Jaccard index of the two sets) at which two prompts are near-duplicates."""


def prompt_groups(prompts: pl.DataFrame, *, similarity: float = SIMILARITY) -> pl.DataFrame:
    """Put prompts that share nearly all of their words into one group.

    All pairs are found, not a sample of them: sets that overlap by `similarity` have a word in
    common among the rarest few of each (prefix filtering, Chaudhuri, Ganti & Kaushik 2006), so
    only pairs with such a word are compared. Chains join: a group may hold two prompts that are
    less alike than `similarity`.

    Parameters
    ----------
    prompts : DataFrame
        `prompt_id` (unique) and `prompt`.
    similarity : float, optional
        Jaccard index of the sets of lower-case words, in (0, 1].

    Returns
    -------
    DataFrame
        `prompt_id`, `group` (the smallest `prompt_id` of its group); sorted by `prompt_id`.
    """
    ids = prompts.select("prompt_id").sort("prompt_id")
    words = _words(prompts)
    alike = _alike(words, similarity=similarity)
    numbers = ids.with_row_index("row")
    edges = [
        alike.join(numbers, left_on=side, right_on="prompt_id", how="left", maintain_order="left")["row"].to_numpy()
        for side in ("left", "right")
    ]
    first = components(*edges, known=np.arange(ids.height))
    return ids.with_columns(pl.Series("group", ids["prompt_id"].to_numpy()[first]))


def _words(prompts: pl.DataFrame) -> pl.DataFrame:
    """Distinct words of each prompt, rarest first: `prompt_id`, `word` (a number), `size`, `place`."""
    found = words_of(prompts["prompt"].str.to_lowercase()).list.unique()
    prompt_words = prompts.select("prompt_id", found.alias("word"))
    rows = prompt_words.explode("word", empty_as_null=False).drop_nulls()
    rarity = rows.group_by("word").len().sort("len", "word").with_row_index("rank").select("word", "rank")
    numbered = rows.join(rarity, on="word").select("prompt_id", pl.col("rank").alias("word"))
    return numbered.sort("prompt_id", "word").with_columns(
        pl.len().over("prompt_id").alias("size"), pl.int_range(pl.len()).over("prompt_id").alias("place")
    )


def _alike(words: pl.DataFrame, *, similarity: float) -> pl.DataFrame:
    """Pairs of prompts whose Jaccard index reaches `similarity`: `left` < `right`."""
    # two sets of overlap o >= similarity * size leave at most size - o words of each outside it
    slack = 1e-9
    prefix = words.filter(pl.col("place") <= pl.col("size") - (similarity * pl.col("size") - slack).ceil())
    columns = {"prompt_id": "left", "size": "left_size"}
    left = prefix.select("word", *(pl.col(old).alias(new) for old, new in columns.items()))
    right = prefix.select("word", pl.col("prompt_id").alias("right"), pl.col("size").alias("right_size"))
    candidates = (
        left.join(right, on="word")
        .filter(pl.col("left") < pl.col("right"), pl.col("right_size") >= similarity * pl.col("left_size") - slack)
        .filter(pl.col("left_size") >= similarity * pl.col("right_size") - slack)
        .drop("word")
        .unique()
    )
    sets = words.group_by("prompt_id").agg("word")
    both = candidates.join(sets, left_on="left", right_on="prompt_id").join(
        sets, left_on="right", right_on="prompt_id", suffix="_right"
    )
    common = pl.col("word").list.set_intersection("word_right").list.len()
    union = pl.col("left_size") + pl.col("right_size") - common
    return both.filter(common >= similarity * union - slack).select("left", "right").sort("left", "right")
