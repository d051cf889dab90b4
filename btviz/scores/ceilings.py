"""How often a score could at best agree with labels that contradict each other."""

from __future__ import annotations

import polars as pl

from btviz.data.dataset import Dataset, expect_dataset
from btviz.scores.accuracy import ANSWER, COMPARISON

SCHEMA = pl.Schema(
    {
        "metric": pl.String,
        "label": pl.String,
        "unit": pl.String,
        "n": pl.Int64,
        "n_distinct": pl.Int64,
        "n_contradictory": pl.Int64,
        "ceiling": pl.Float64,
        "undefined": pl.String,
    }
)


def score_ceilings(ds: Dataset) -> pl.DataFrame:
    """Accuracy that no score of the texts can exceed.

    A score gives the same answer the same number every time. Where rows repeat an answer, or a
    comparison, with opposite labels, no score is right about all of them: at best it is right
    about the more frequent label. Two equal texts never get an order. For comparisons it is a
    bound: where preferred answers form a cycle, no score reaches it.

    Parameters
    ----------
    ds : Dataset
        With comparisons.

    Returns
    -------
    DataFrame
        Rows for pair accuracy on *better* and on *safer*, and for sign accuracy over both answers
        of every comparison by the label in its own row: `metric`, `label`, `unit`, `n` (labels),
        `n_distinct` (comparisons of two answers in either order, or answers), `n_contradictory`
        (those of them with opposite labels), `ceiling` (0 .. 1), `undefined` (why `ceiling` is null).
    """
    expect_dataset(ds)
    rows = [
        *(
            _row("pair_accuracy", label, unit=COMPARISON, labels=_ordered(ds.preferences, label))
            for label in ("better", "safer")
        ),
        _row("sign_accuracy", "is_safe", unit=ANSWER, labels=_signed(ds.preferences)),
    ]
    return pl.DataFrame(rows, schema=SCHEMA)


def _ordered(preferences: pl.DataFrame, label: str) -> pl.DataFrame:
    """One row a label: what is judged, how, and whether a score can be right."""
    one, two = pl.col("pair_id_0"), pl.col("pair_id_1")
    named = pl.when(pl.col(label) == 0).then(one).otherwise(two)
    return preferences.drop_nulls(label).select(
        pl.struct(pl.min_horizontal(one, two).alias("low"), pl.max_horizontal(one, two).alias("high")).alias("item"),
        (named == pl.min_horizontal(one, two)).alias("says"),
        (one != two).alias("possible"),
    )


def _signed(preferences: pl.DataFrame) -> pl.DataFrame:
    sides = [
        preferences.select(
            pl.col(f"pair_id_{side}").alias("item"), pl.col(f"is_safe_{side}").alias("says"), possible=True
        )
        for side in (0, 1)
    ]
    return pl.concat(sides).drop_nulls("says")


def _row(metric: str, label: str, *, unit: str, labels: pl.DataFrame) -> dict[str, object]:
    n = labels.height
    yes = pl.col("says").sum().cast(pl.Int64)
    counts = labels.group_by("item").agg(yes=yes, no=pl.len().cast(pl.Int64) - yes, possible=pl.col("possible").first())
    best = counts.filter("possible").select(pl.max_horizontal("yes", "no").sum()).item()
    return {
        "metric": metric,
        "label": label,
        "unit": unit,
        "n": n,
        "n_distinct": counts.height,
        "n_contradictory": counts.filter(pl.col("possible"), pl.col("yes") > 0, pl.col("no") > 0).height,
        "ceiling": best / n if n else None,
        "undefined": None if n else f"no comparison has the label {label}",
    }
