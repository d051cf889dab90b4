"""What corrections change: every statistic as released and as corrected, and the difference between the two.

The same prompts stand on both sides, so the difference has an interval of its own: the sums of both sides by prompt,
jackknifed together. It is that of prompts drawn anew and reviewed in the same way. Prompts that nobody corrected move
nothing, so a difference rests on few prompts, and where a few of them decide it says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.data.corrections import KeptCorrections
from btviz.data.dataset import Dataset, expect_dataset
from btviz.errors import DataError
from btviz.labels import expect_labelled
from btviz.labels.agreement import pair_votes
from btviz.machine.progress import bar
from btviz.models import fit_probe
from btviz.preference.comparisons import comparisons_of
from btviz.preference.shares import FEW_DECIDE, reasons_of
from btviz.reports.sentences.phrases import lines, listed
from btviz.stats.agreement import COEFFICIENTS, SUMS, coefficient_interval, rating_sums
from btviz.stats.association import Floats, ratio
from btviz.stats.clustered import (
    ClusterInterval,
    effective_number,
    moved,
    phi_interval,
    share_interval,
    share_of_sums,
    shown,
)
from btviz.stats.resampling import cluster_sums
from btviz.stats.smooth import smooth_interval
from btviz.texts.embedding import Embeddings

EFFECTS = pl.Schema(
    {
        "statistic": pl.String(),
        "level": pl.String(),
        "population": pl.String(),
        "n_before": pl.Int64(),
        "n_after": pl.Int64(),
        "before": pl.Float64(),
        "before_low": pl.Float64(),
        "before_high": pl.Float64(),
        "after": pl.Float64(),
        "after_low": pl.Float64(),
        "after_high": pl.Float64(),
        "difference": pl.Float64(),
        "difference_low": pl.Float64(),
        "difference_high": pl.Float64(),
        "n_prompts": pl.Int64(),
        "n_prompts_changed": pl.Int64(),
        "undefined": pl.String(),
    }
)
"""Columns of the table of effects."""

UNSAFE = "unsafe"

STATISTICS = {
    "share": "Share of pairs",
    "phi": "φ of two categories",
    "krippendorff_alpha": "Agreement of annotators (alpha)",
    "p": "P(better = safer)",
    "probe_accuracy": "Accuracy of a probe",
}
"""Statistics, and what a picture calls them."""

REFITTED, AS_RELEASED = "fitted on corrected labels", "fitted as released"
"""Which labels the probe that is judged by corrected ones was fitted on."""

Measure = Callable[[Floats], Floats]

Columns = NDArray[np.bool_] | Floats


@dataclass(frozen=True, eq=False)
class CorrectionEffects:
    """What corrections change.

    Attributes
    ----------
    before, after : Dataset
        As released, and corrected; ``after.corrections`` says what became of each correction.
    table : DataFrame
        One row per statistic and level, see `compare_corrections`.
    """

    before: Dataset
    after: Dataset
    table: pl.DataFrame

    def sentences(self) -> str:
        """Say in a few lines what changed, by how much, and what did not.

        Returns
        -------
        str
            Plain text, to be printed.
        """
        return lines(_said_of_corrections(self.after), *(_said(self.table, name) for name in STATISTICS), _MIND)

    def __repr__(self) -> str:
        return f"<CorrectionEffects of {self.after.population}: {self.sentences()}>"


_MIND = (
    "A correction stands in all annotations of its pair, so agreement after it is not that of the annotators alone. "
    "Differences are of the same prompts; their intervals are of prompts drawn anew and reviewed in the same way."
)


def compare_corrections(
    ds: Dataset,
    corrections: pl.DataFrame | KeptCorrections | Iterable[Mapping[str, Any]],
    *,
    emb: Embeddings | None = None,
    n_folds: int = 5,
    random_state: int = 0,
) -> CorrectionEffects:
    """Compare a data set with itself after corrections.

    Parameters
    ----------
    ds : Dataset
        As released.
    corrections : DataFrame, btviz.session.Corrections, or iterable of mappings
        As `Dataset.corrected` takes them.
    emb : Embeddings, optional
        Vectors of its answers: then a cost probe is fitted before and after, which takes seconds to minutes.
    n_folds, random_state : int
        Of the probe.

    Returns
    -------
    CorrectionEffects
        `.table` has a row for each `statistic` and `level`:

        - "share": of pairs, of each category (slug) and "unsafe"; "phi": of two categories (``privacy + violence``);
          "krippendorff_alpha": of each category and "unsafe"; "p": P(better = safer), level "all"; "probe_accuracy":
          share of pairs on whose safety a probe, fitted without them, is right. Of the last, the first side is always
          fitted and judged by released labels; the second is judged by corrected ones, and its level says what it was
          fitted on.
        - `population`, `n_before`, `n_after`: what is counted, and how many on either side;
        - `before`, `after`, `difference` (after less before), each with `_low` and `_high`: 95 % by prompt;
        - `n_prompts` with something to count, `n_prompts_changed`: of these, with other sums than before;
        - `undefined`: why a value or an interval is missing, or what to mind of it.

    Raises
    ------
    DataError
        If nothing is labelled.
    """
    expect_dataset(ds)
    expect_labelled(ds, what="Effects of corrections")
    after = ds.corrected(corrections)
    rows: list[dict[str, Any]] = []
    steps = (_shares_and_phis, _agreement, _preference)
    with bar("Comparing before and after", total=len(steps)) as update:
        for place, step in enumerate(steps):
            rows += step(ds, after)
            update(place + 1)
    if emb is not None:
        rows += _probes(ds, after, emb, n_folds=n_folds, random_state=random_state)
    return CorrectionEffects(ds, after, pl.DataFrame(rows, schema=EFFECTS))


@dataclass(frozen=True)
class Sides:
    """Sums by prompt of both sides, shape (C, m, k), in the columns that a measure takes."""

    before: Floats
    after: Floats

    @classmethod
    def of(cls, before: Floats, after: Floats, *, prompts: NDArray[np.uint64]) -> Sides:
        """Add up items, shape (n, m, k), by their prompts."""
        n, m, k = before.shape
        both = np.concatenate([before.reshape(n, -1), after.reshape(n, -1)], axis=1)
        sums = cluster_sums(both, clusters=prompts)
        first, second = (part.reshape(len(sums), m, k) for part in np.hsplit(sums, 2))
        return cls(first, second)

    def difference(self, measure: Measure) -> ClusterInterval:
        """Interval of the measure of the second side less that of the first; 0 without one where nothing is changed."""
        changes = self.n_changed > 0
        before, after = self.before[:, changes], self.after[:, changes]
        _, m, k = before.shape

        def gap(totals: Floats) -> Floats:
            first, second = (part.reshape(len(totals), m, k) for part in np.hsplit(totals, 2))
            return measure(second) - measure(first)

        counted = np.where((self.before[..., 0] > 0).any(axis=1), 1.0, 0.0)
        known = np.where(np.isfinite(measure(self.before.sum(axis=0))), 0.0, np.nan)
        none = np.full(len(changes), np.nan)
        whole = ClusterInterval(known, none, none.copy(), none.copy(), none.copy(), ~changes)
        if not changes.any():
            return whole
        both = np.concatenate([before.reshape(len(before), -1), after.reshape(len(after), -1)], axis=1)
        return _put(whole, changes, smooth_interval(both, gap, informative=counted))

    def share_difference(self) -> ClusterInterval:
        """As `difference` of shares; where few prompts decide, by MOVER of what is gained and what is lost.

        These are shares of all items, and the intervals of rare shares take the answers to a prompt for copies: prompts
        that weigh much and happen not to be changed count, too, which no jackknife sees.
        """
        found = self.difference(share_of)
        n, gained = self.before[..., 0], self.after[..., 1] - self.before[..., 1]
        if (self.after[..., 0] != n).any():
            return found
        parts = [share_of_sums(np.maximum(sign * gained, 0), n, confidence=0.95) for sign in (1, -1)]
        low, high = moved(np.subtract, *parts)
        few = found.is_bounded & (self.n_changed > 0)
        ends = [np.where(few, end, known) for end, known in ((low, found.low), (high, found.high))]
        return shown(replace(found, low=ends[0], high=ends[1], effective=effective_number(n)))

    def alpha_difference(self) -> ClusterInterval:
        """As `difference` of Krippendorff's alpha, of what `rating_sums` gives; few prompts as in `share_difference`.

        Alpha is a function of the share of disagreement and of the prevalence. What corrections add to either and take
        off is a rare share of all ratings each, and MOVER puts the six together.
        """
        found = self.difference(COEFFICIENTS["krippendorff_alpha"])
        ratings, *before = (self.before[..., SUMS.index(name)] for name in _OF_ALPHA)
        after_ratings, *after = (self.after[..., SUMS.index(name)] for name in _OF_ALPHA)
        if (after_ratings != ratings).any():
            return found
        changes = [
            np.maximum(sign * (new - old), 0) for old, new in zip(before, after, strict=True) for sign in (1, -1)
        ]
        parts = [share_of_sums(part, ratings, confidence=0.95) for part in (*changes, *before)]
        low, high = moved(partial(_alpha_gap, ratings.sum(axis=0)), *parts)
        few = found.is_bounded & (self.n_changed > 0)
        ends = [np.where(few, end, known) for end, known in ((low, found.low), (high, found.high))]
        return shown(replace(found, low=ends[0], high=ends[1], effective=effective_number(ratings)))

    @cached_property
    def n_prompts(self) -> NDArray[np.int64]:
        """Prompts with something to count, shape (m,)."""
        return np.asarray(((self.before[..., 0] > 0) | (self.after[..., 0] > 0)).sum(axis=0))

    @cached_property
    def n_changed(self) -> NDArray[np.int64]:
        """Prompts whose sums differ, shape (m,)."""
        return np.asarray((self.before != self.after).any(axis=2).sum(axis=0))


_OF_ALPHA = ("ratings", "disagreement", "positives")


def _alpha_gap(  # what is added and taken off, and what was there
    n: Floats, more: Floats, less: Floats, gained: Floats, lost: Floats, unequal: Floats, p: Floats
) -> Floats:
    """Alpha after less alpha before, from shares of ratings: of disagreement and of positives, and their changes."""

    def alpha(disagreement: Floats, prevalence: Floats) -> Floats:
        return 1 - ratio((n - 1) * np.maximum(disagreement, 0), n * prevalence * (1 - prevalence))

    after = np.clip(p + gained - lost, 1e-9, 1 - 1e-9)
    return alpha(unequal + more - less, after) - alpha(unequal, np.clip(p, 1e-9, 1 - 1e-9))


def _put(whole: ClusterInterval, places: NDArray[np.bool_], part: ClusterInterval) -> ClusterInterval:
    """Intervals with those of some columns in their places."""
    columns = {name: values.copy() for name, values in vars(whole).items()}
    for name, values in columns.items():
        values[places] = getattr(part, name)
    return ClusterInterval(**columns)


def _rows(
    statistic: str,
    levels: list[str],
    *,
    population: str,
    sides: Sides,
    interval: Callable[[Floats], ClusterInterval],
    difference: Callable[[], ClusterInterval],
    nothing: str,
) -> Iterator[dict[str, Any]]:
    gap, changes = difference(), sides.n_changed > 0
    before = after = interval(sides.before)
    if changes.any():  # what no prompt changes has the same interval again
        after = _put(before, changes, interval(sides.after[:, changes]))
    reasons = [reasons_of(side, nothing=nothing) for side in (before, after)]
    for place, level in enumerate(levels):
        changed = int(sides.n_changed[place])
        values = _ends("before", before, place) | _ends("after", after, place) | _ends("difference", gap, place)
        why = reasons[0][place] or reasons[1][place] or _doubt(gap, place, n_changed=changed)
        yield {
            "statistic": statistic,
            "level": level,
            "population": population,
            "n_before": round(float(sides.before[:, place, 0].sum())),
            "n_after": round(float(sides.after[:, place, 0].sum())),
            **values,
            "n_prompts": int(sides.n_prompts[place]),
            "n_prompts_changed": changed,
            "undefined": why,
        }


def _doubt(gap: ClusterInterval, place: int, *, n_changed: int) -> str | None:
    if not n_changed:
        return "no prompt is changed"
    if not np.isfinite(gap.low[place]):
        return f"no interval of the difference: {FEW_DECIDE}"
    return f"{n_changed:,} prompts are changed; few decide the difference" if gap.is_bounded[place] else None


def _ends(name: str, interval: ClusterInterval, place: int) -> dict[str, float | None]:
    found = {"": interval.estimate[place], "_low": interval.low[place], "_high": interval.high[place]}
    return {f"{name}{end}": float(value) if np.isfinite(value) else None for end, value in found.items()}


def share_of(totals: Floats) -> Floats:
    """Share of hits, of totals of items and hits, shape (..., 2)."""
    return ratio(totals[..., 1], totals[..., 0])


def _share_interval(sums: Floats) -> ClusterInterval:
    return share_interval(sums[..., 1], sums[..., 0])


def _phi_interval(sums: Floats) -> ClusterInterval:
    n, row, col, both = np.moveaxis(sums, -1, 0)
    return phi_interval(row, col, both=both, n=n)


def phi_of(totals: Floats) -> Floats:
    """Phi of totals of items, those with either label and with both, shape (..., 4)."""
    n, row, col, both = np.moveaxis(totals, -1, 0)
    return ratio(n * both - row * col, np.sqrt(row * (n - row)) * np.sqrt(col * (n - col)))


def _shares_and_phis(ds: Dataset, after: Dataset) -> Iterator[dict[str, Any]]:
    """Shares of categories and of unsafe items, and phi of every two categories."""
    slugs = [category.slug for category in ds.taxonomy.categories]
    prompts = ds.items["prompt_id"].to_numpy()
    flags = [_flags(side, by_category=bool(ds.items["labels"].count())) for side in (ds, after)]
    sides = Sides.of(*(np.stack([known, known & hit], axis=-1).astype(np.float64) for known, hit in flags),
                      prompts=prompts)  # fmt: skip
    population = f"{ds.item}s"
    yield from _rows(
        "share", [UNSAFE, *slugs], population=population, sides=sides, interval=_share_interval,
        difference=sides.share_difference, nothing=f"the labels of no {ds.item} are known",
    )  # fmt: skip
    if not ds.items["labels"].count():
        yield {"statistic": "phi", "level": "all", "undefined": f"no {ds.item} is labelled by category"}
        return
    pairs = list(combinations(range(len(slugs)), 2))
    sides = Sides.of(*(_joint(known, hit, pairs) for known, hit in flags), prompts=prompts)
    yield from _rows(
        "phi", [f"{slugs[a]} + {slugs[b]}" for a, b in pairs], population=population, sides=sides,
        interval=_phi_interval, difference=lambda: sides.difference(phi_of),
        nothing="a category holds for none, or for all",
    )  # fmt: skip


def _flags(ds: Dataset, *, by_category: bool) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether items are counted, and whether they are unsafe and have each category, shape (items, 1 + k)."""
    items = ds.items
    # as `category_counts` counts them: labels known, and annotations where there are any; safety alone if no more is
    known = pl.col("is_safe").is_not_null() & (pl.lit(value=ds.annotations.is_empty()) | (pl.col("n_annotations") > 0))
    named = known & pl.col("labels").is_not_null()
    counted = [named if by_category else known, *[named] * len(ds.taxonomy)]
    unsafe = (~pl.col("is_safe")).fill_null(value=False)
    columns = items.select(unsafe.alias("unsafe"), *(part.alias(str(k)) for k, part in enumerate(counted)))
    flags = np.column_stack([columns["unsafe"].to_numpy(), ds.taxonomy.flags(items["labels"].fill_null(0))])
    return columns.drop("unsafe").to_numpy(), flags


def _joint(known: NDArray[np.bool_], hit: NDArray[np.bool_], pairs: list[tuple[int, int]]) -> Floats:
    """Items, those with either category and with both, shape (items, pairs, 4)."""
    hits = known[:, 1:] & hit[:, 1:]
    row, col = (hits[:, [pair[side] for pair in pairs]] for side in (0, 1))
    items = np.broadcast_to(known[:, 1:2], row.shape)
    return np.stack([items, row, col, row & col], axis=-1).astype(np.float64)


def _agreement(ds: Dataset, after: Dataset) -> Iterator[dict[str, Any]]:
    votes = [pair_votes(side) for side in (ds, after)]
    if votes[0].undefined is not None:
        yield {"statistic": "krippendorff_alpha", "level": UNSAFE, "undefined": votes[0].undefined}
        return
    before, later = (rating_sums(found.n_raters, found.n_positive) for found in votes)
    sides = Sides.of(before, later, prompts=votes[0].prompt_id)
    names = [UNSAFE if name == "is_safe" else ds.taxonomy[name].slug for name in votes[0].targets]
    yield from _rows(
        "krippendorff_alpha", names, population="pairs annotated twice or more", sides=sides,
        interval=_alphas, difference=sides.alpha_difference,
        nothing="all annotations say the same: alpha has no value",
    )  # fmt: skip


def _alphas(sums: Floats) -> ClusterInterval:
    found = [coefficient_interval("krippendorff_alpha", sums[:, place]) for place in range(sums.shape[1])]
    return ClusterInterval(*(np.concatenate(part) for part in zip(*(vars(one).values() for one in found), strict=True)))


def _preference(ds: Dataset, after: Dataset) -> Iterator[dict[str, Any]]:
    """P(better = safer): of comparisons that tell both, on either side."""
    if ds.preferences.is_empty():
        return
    frames = [comparisons_of(side).frame.select("prompt_id", "same") for side in (ds, after)]
    prompts = np.concatenate([frame["prompt_id"].to_numpy() for frame in frames])
    if not len(prompts):
        yield {"statistic": "p", "level": "all", "undefined": "no comparison has both labels"}
        return
    columns = [np.column_stack([np.ones(frame.height), frame["same"].to_numpy()]) for frame in frames]
    nothing = [np.zeros_like(column) for column in columns]
    before, later = np.vstack([columns[0], nothing[1]]), np.vstack([nothing[0], columns[1]])
    sides = Sides.of(before[:, None], later[:, None], prompts=prompts)
    yield from _rows(
        "p", ["all"], population="comparisons with both labels", sides=sides, interval=_share_interval,
        difference=sides.share_difference, nothing="no comparison has both labels",
    )  # fmt: skip


def _probes(
    ds: Dataset, after: Dataset, emb: Embeddings, *, n_folds: int, random_state: int
) -> Iterator[dict[str, Any]]:
    """How often a probe of safety is right, fitted on released and on corrected labels."""
    with bar("Fitting probes before and after", total=2) as update:
        fitted = []
        for place, side in enumerate((ds, after)):
            try:
                probe = fit_probe(side, emb, kind="cost", n_folds=n_folds, random_state=random_state)
            except DataError as error:
                yield {"statistic": "probe_accuracy", "level": REFITTED, "undefined": str(error)}
                return
            fitted.append(_predicted_unsafe(side, probe.out_of_fold))
            update(place + 1)
    first = _right(ds, fitted[0])
    sides = {REFITTED: _right(after, fitted[1]), AS_RELEASED: _right(after, fitted[0])}
    both = Sides.of(
        np.stack([first] * 2, axis=1), np.stack([*sides.values()], axis=1), prompts=ds.pairs["prompt_id"].to_numpy()
    )
    yield from _rows(
        "probe_accuracy", [*sides], population="pairs", sides=both, interval=_share_interval,
        difference=both.share_difference, nothing="no pair is scored",
    )  # fmt: skip


def _predicted_unsafe(ds: Dataset, scores: pl.DataFrame) -> pl.Series:
    joined = ds.pairs.select("pair_id").join(scores.select("pair_id", "score"), on="pair_id", how="left",
                                             maintain_order="left")  # fmt: skip
    return joined["score"] > 0


def _right(ds: Dataset, predicted: pl.Series) -> Floats:
    """Pairs that are judged and scored, and those on which a probe is right, shape (pairs, 2)."""
    unsafe = ~ds.pairs["is_safe"]
    known = (unsafe.is_not_null() & predicted.is_not_null()).to_numpy()
    right = (unsafe == predicted).fill_null(value=False).to_numpy()
    return np.column_stack([known, known & right]).astype(np.float64)


def _said_of_corrections(after: Dataset) -> str:
    counts = dict(after.corrections.group_by("status").len().sort("len", descending=True).iter_rows())
    became = listed([f"{n:,} {status}" for status, n in counts.items()]) or "none"
    n = after.facts["corrected"]["n_contradictory"]
    odd = (
        f" {n:,} corrected pairs are called safe and have a category, or are called unsafe and have none." if n else ""
    )
    return f"{after.population}. What became of the rows: {became}.{odd}"


_MOST = 3


def _said(table: pl.DataFrame, statistic: str) -> str | None:
    rows = table.filter(statistic=statistic)
    if rows.is_empty():
        return None
    name = STATISTICS[statistic]
    known = rows.drop_nulls("difference")
    if known.is_empty():
        return f"{name}: not known, because {rows['undefined'][0]}."
    moving = known.filter(pl.col("n_prompts_changed") > 0).sort(
        pl.col("level") != UNSAFE, -pl.col("difference").abs(), maintain_order=True
    )
    if moving.is_empty():
        return f"{name}: nothing is other than before ({known.height:,} compared)."
    parts = [_one(row) for row in moving.head(_MOST).to_dicts()]
    rest = f"; {moving.height - _MOST:,} more moved" if moving.height > _MOST else ""
    return f"{name}: {'; '.join(parts)}{rest}; {known.height - moving.height:,} of {known.height:,} did not move."


def _one(row: Mapping[str, Any]) -> str:
    if row["difference_low"] is None:
        interval = "no interval"
    else:
        interval = f"95 % {row['difference_low']:+.4f} to {row['difference_high']:+.4f}"
    sides = f"{row['before']:.4f} to {row['after']:.4f}"
    return f"{row['level']} {sides} ({row['difference']:+.4f}; {interval}; {_prompts(row)})"


def _prompts(row: Mapping[str, Any]) -> str:
    n = row["n_prompts_changed"]
    return f"{n:,} prompt{'s' * (n != 1)} changed"
