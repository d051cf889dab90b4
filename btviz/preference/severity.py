"""Severity and categories as an order: does *safer* follow it, and *better*, where safety is equal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.data.dataset import Dataset, expect_dataset
from btviz.data.releases import RELEASES, published
from btviz.errors import UsageError
from btviz.preference.comparisons import Comparisons, comparisons_of
from btviz.preference.shares import reasons_of, share_table, sums_of
from btviz.stats.clustered import share_interval
from btviz.stats.resampling import FEWEST_REPLICATES, Resampling, cluster_sums
from btviz.taxonomy import words
from btviz.taxonomy.categories import Taxonomy

CRITERIA = {
    "safety": "the answer that is safe, of one that is and one that is not",
    "severity": "the answer of lower severity",
    "categories": "the answer whose categories are part of the other's",
}
"""Which of two answers each criterion calls less harmful."""

RECORDED = tuple(words.DIFFERENCES)
"""The first in which two answers differ; `none`: in nothing that is recorded."""

GROUPING = "difference"

EVERYTHING = "all"
"""In place of a category: all answers, those of severity 0 among them."""

_NO_PROMPTS = "counts do not tell which answers share a prompt, so there is no interval"


@dataclass(frozen=True, eq=False)
class SeverityOrder:
    """How *safer* and *better* go with what is recorded of two answers.

    Attributes
    ----------
    direction : DataFrame
        One row per criterion (`CRITERIA`): `criterion`, `n_recorded` (comparisons with a safer answer of which both
        answers have what the criterion needs), `n_equal` (it is the same for both), `n_incomparable` (categories of
        which neither set holds the other), `n_against` (the safer answer is the more harmful one), and the columns of
        `btviz.preference.shares.share_table` over the n others, where p is the share whose *safer* answer is the less
        harmful one.
    contradictions : DataFrame
        One row per two criteria: `first`, `second`, `n_opposite`, and the columns of `share_table` over the
        comparisons that both order, where p is the share they order alike.
    strata : DataFrame
        One row per level of `RECORDED`, each without the comparisons of those before: `grouping` ("difference"),
        `level`, `n_recorded` (comparisons of which both answers have what it needs), and the columns of `share_table`
        with p = P(better = safer). Comparisons have both labels, and every one is in one row.
    severity : DataFrame
        One row per category and level of severity: `category` (key, or "all" for all answers), `level`, `unit`
        ("answer of a comparison", else "annotation"), `n` (those with the category whose severity is known), `count`,
        `share` (count / n, 0 .. 1), `low`, `high` (95 % by prompt), `prompts`, `effective_prompts`, `undefined`, and
        `published_n`, `published_count`, `published_share` (of PKU-SafeRLHF, train; null for other categories).
    """

    direction: pl.DataFrame
    contradictions: pl.DataFrame
    strata: pl.DataFrame
    severity: pl.DataFrame


def severity_order(ds: Dataset, *, random_state: int = 0) -> SeverityOrder:
    """Hold *safer* and *better* against safety, severity and categories, as released in a comparison's own row.

    Parameters
    ----------
    ds : Dataset
        Any data set; what it does not record is null and says why.
    random_state : int
        Seed of the sign flips.

    Returns
    -------
    SeverityOrder
        Shares with intervals by prompt, and counts of what contradicts what.

    Raises
    ------
    UsageError
        If the seed is negative.

    See Also
    --------
    severity_of_counts : severity by category as a release published it.
    flags_against_safer : *safer* against the number of categories.
    """
    expect_dataset(ds)
    resampling = Resampling(FEWEST_REPLICATES, random_state)  # intervals are in closed form: none is drawn
    rows = ds.preferences.drop_nulls("safer")
    less = _less_harmful(rows)
    return SeverityOrder(
        direction=_direction(rows, less, resampling),
        contradictions=_contradictions(rows, less, resampling),
        strata=_strata(comparisons_of(ds), resampling),
        severity=_beside_published(_by_category(ds), ds.taxonomy),
    )


_SIDES = {"safety": "is_safe", "severity": "severity", "categories": "labels"}
"""Column of each criterion, before the number of the answer."""


def _recorded(criterion: str) -> pl.Expr:
    column = _SIDES[criterion]
    return pl.col(f"{column}_0").is_not_null() & pl.col(f"{column}_1").is_not_null()


def _differs(criterion: str) -> pl.Expr:
    column = _SIDES[criterion]
    return (pl.col(f"{column}_0") != pl.col(f"{column}_1")).fill_null(value=False)


def _less_harmful(rows: pl.DataFrame) -> pl.DataFrame:
    """Number of the less harmful answer by each criterion; null where it orders nothing."""
    first, second = pl.col("labels_0"), pl.col("labels_1")
    both = first & second
    order = {
        "safety": pl.col("is_safe_1"),
        "severity": pl.col("severity_1") < pl.col("severity_0"),
        "categories": both == second,
    }
    comparable = {"categories": (both == first) | (both == second)}
    return rows.select(
        pl.when(_differs(name) & comparable.get(name, pl.lit(value=True))).then(second_is.cast(pl.UInt8)).alias(name)
        for name, second_is in order.items()
    )


def _direction(rows: pl.DataFrame, less: pl.DataFrame, resampling: Resampling) -> pl.DataFrame:
    ordered = less.select(pl.all().is_not_null()).to_numpy()
    hit = less.select((pl.col(name) == rows["safer"]).fill_null(value=False) for name in CRITERIA).to_numpy()
    shares = _shares(ordered, hit=hit, rows=rows, resampling=resampling)
    counts = {
        "n_recorded": [int(rows.select(_recorded(name).sum()).item()) for name in CRITERIA],
        "n_equal": [int(rows.select((_recorded(name) & ~_differs(name)).sum()).item()) for name in CRITERIA],
        "n_incomparable": [
            int(rows.select(_differs(name).sum()).item()) - int(ordered[:, place].sum())
            for place, name in enumerate(CRITERIA)
        ],
        "n_against": ((ordered & ~hit).sum(axis=0)).astype(np.int64),
    }
    nothing = [
        f"no comparison with a safer answer records {name} of both answers" if not recorded else None
        for name, recorded in zip(CRITERIA, counts["n_recorded"], strict=True)
    ]
    return _said(shares, pl.DataFrame({"criterion": list(CRITERIA), **counts}), nothing, "no two answers differ in it")


def _contradictions(rows: pl.DataFrame, less: pl.DataFrame, resampling: Resampling) -> pl.DataFrame:
    names = list(CRITERIA)
    both = [(a, b) for place, a in enumerate(names) for b in names[place + 1 :]]
    ordered = less.select((pl.col(a).is_not_null() & pl.col(b).is_not_null()).alias(f"{a}/{b}") for a, b in both)
    alike = less.select((pl.col(a) == pl.col(b)).fill_null(value=False).alias(f"{a}/{b}") for a, b in both)
    member, hit = ordered.to_numpy(), alike.to_numpy()
    opposite = (member & ~hit).sum(axis=0).astype(np.int64)
    pairs = pl.DataFrame({"first": [a for a, _ in both], "second": [b for _, b in both], "n_opposite": opposite})
    shares = _shares(member, hit=hit, rows=rows, resampling=resampling)
    return _said(shares, pairs, [None] * len(both), "no comparison is ordered by both")


def _strata(comparisons: Comparisons, resampling: Resampling) -> pl.DataFrame:
    frame = comparisons.frame
    member = np.zeros((frame.height, len(RECORDED)), bool)
    left = np.ones(frame.height, bool)
    for place, name in enumerate(_SIDES):
        member[:, place] = left & frame.select(_differs(name)).to_series().to_numpy()
        left &= ~member[:, place]
    member[:, -1] = left
    shares = _shares(member, hit=comparisons.same, rows=frame, resampling=resampling)
    recorded = [int(frame.select(_recorded(name).sum()).item()) for name in _SIDES]
    names = pl.DataFrame(
        {"grouping": [GROUPING] * len(RECORDED), "level": RECORDED, "n_recorded": [*recorded, frame.height]}
    )
    nothing: list[str | None] = [
        None if n else f"no comparison with both labels records {name} of both answers"
        for name, n in zip(RECORDED, [*recorded, 1], strict=True)
    ]
    if frame.is_empty():
        nothing = ["no comparison has both labels"] * len(RECORDED)
    return _said(shares, names, nothing, "no comparison is of this kind")


def _shares(
    member: NDArray[np.bool_], *, hit: NDArray[np.bool_], rows: pl.DataFrame, resampling: Resampling
) -> pl.DataFrame:
    return share_table(sums_of(member, hit=hit, prompt=rows["prompt_id"].to_numpy()), resampling)


def _said(shares: pl.DataFrame, names: pl.DataFrame, nothing: list[str | None], empty: str) -> pl.DataFrame:
    """Put names and counts before the shares; where none is, say what is not recorded, or that nothing differs."""
    reasons = pl.Series("nothing", [reason or empty for reason in nothing], dtype=pl.String)
    undefined = pl.when(pl.col("n") == 0).then(reasons).otherwise("undefined").alias("undefined")
    return pl.concat([names, shares.with_columns(undefined)], how="horizontal")


SEVERITY = pl.Schema(
    {
        "category": pl.String(),
        "level": pl.Int64(),
        "unit": pl.String(),
        "n": pl.Int64(),
        "count": pl.Int64(),
        "share": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "prompts": pl.Int64(),
        "effective_prompts": pl.Float64(),
        "undefined": pl.String(),
    }
)


def _by_category(ds: Dataset) -> pl.DataFrame:
    """Shares of severity levels within each category, over answers of comparisons or else annotations."""
    columns = ("prompt_id", "labels", "severity")
    sides = [
        ds.preferences.select("prompt_id", *(pl.col(f"{name}_{side}").alias(name) for name in columns[1:]))
        for side in (0, 1)
    ]
    answers, unit = pl.concat(sides).drop_nulls("severity"), "answer of a comparison"
    if answers.is_empty():
        answers, unit = ds.annotations.select(columns).drop_nulls("severity"), "annotation"
    if answers.is_empty():
        return SEVERITY.to_frame()
    levels = range(int(answers["severity"].max()) + 1)  # type: ignore[arg-type]  # a number: there are answers
    flags = {EVERYTHING: pl.lit(value=True)} | {
        key: ds.taxonomy.has(key).fill_null(value=False) for key in ds.taxonomy.keys
    }
    tables = [_of_category(answers.filter(flag), key, unit=unit, levels=levels) for key, flag in flags.items()]
    return pl.concat(tables)


def _of_category(answers: pl.DataFrame, category: str, *, unit: str, levels: range) -> pl.DataFrame:
    reached = answers.select((pl.col("severity") == level).alias(str(level)) for level in levels).to_numpy()
    prompt = answers["prompt_id"].to_numpy()
    sums = cluster_sums(np.column_stack([np.ones(len(prompt)), reached]), clusters=prompt)
    interval = share_interval(sums[:, 1:], sums[:, :1])
    table = {
        "category": [category] * len(levels),
        "level": list(levels),
        "unit": [unit] * len(levels),
        "n": [answers.height] * len(levels),
        "count": reached.sum(axis=0).astype(np.int64),
        "share": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "prompts": [len(sums)] * len(levels),
        "effective_prompts": interval.effective,
        "undefined": reasons_of(interval, nothing="no answer of known severity has it"),
    }
    return pl.DataFrame(table, schema=SEVERITY).with_columns(pl.col(pl.Float64).fill_nan(None))


def severity_of_counts(release: str = "pku-saferlhf", *, split: str = "train") -> pl.DataFrame:
    """Severity by category from the counts that were published about a release.

    Parameters
    ----------
    release : str
        Registry name of a release of which the counts `category_severity_count` and `severity_count` were published.
    split : str
        Split that the counts are of.

    Returns
    -------
    DataFrame
        The first columns of `SeverityOrder.severity`; `low`, `high`, `prompts` and `effective_prompts` are null, as
        `undefined` says: counts do not tell which answers share a prompt.

    Raises
    ------
    UsageError
        If no such count was published.
    """
    overall = published.find(release, "severity_count", split=split).with_columns(pl.lit(EVERYTHING).alias("category"))
    printed = pl.concat([overall, published.find(release, "category_severity_count", split=split)])
    if overall.is_empty():
        raise UsageError(
            f"Severity by category of {release!r}, {split}, was asked for, but no count was published. Counts of "
            "PKU-SafeRLHF, train, were."
        )
    count = pl.col("value").cast(pl.Int64)
    total = count.sum().over("category")
    return printed.select(
        "category",
        pl.col("level").cast(pl.Int64),
        pl.lit("answer of a comparison").alias("unit"),
        total.alias("n"),
        count.alias("count"),
        (count / total).alias("share"),
        *(pl.lit(None, SEVERITY[name]).alias(name) for name in ("low", "high", "prompts", "effective_prompts")),
        pl.lit(_NO_PROMPTS).alias("undefined"),
    )


def _beside_published(severity: pl.DataFrame, taxonomy: Taxonomy) -> pl.DataFrame:
    """Published counts of the same categories beside those found."""
    names = {"n": "published_n", "count": "published_count", "share": "published_share"}
    known = severity_of_counts().select("category", "level", *(pl.col(old).alias(new) for old, new in names.items()))
    if RELEASES["pku-saferlhf"].taxonomy != taxonomy.name:
        known = known.clear()
    return severity.join(known, on=["category", "level"], how="left", maintain_order="left")
