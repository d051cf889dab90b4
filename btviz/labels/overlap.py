"""What occurs more than once: in two splits, or with two different labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from btviz.data.dataset import Dataset
from btviz.errors import UsageError
from btviz.labels.population import answers


def prompt_overlap(ds: Dataset) -> pl.DataFrame:
    """Prompts, and pairs, of one split that another split holds too.

    Parameters
    ----------
    ds : Dataset
        A data set with splits. Its rows are its annotations, or its comparisons where it has
        no annotations; rows of no split are left out.

    Returns
    -------
    DataFrame
        One row per unit ("prompt" or "pair") and ordered pair of different splits: `unit`,
        `split_a`, `split_b`, `n_a` and `n_b` (distinct units), `shared` (units in both),
        `rows_b` (rows of b), `rows_b_shared` (those whose unit occurs in a: what a model
        fitted on a has seen before), `share_b` (their share, 0 .. 1), `rule`. Empty where
        there are fewer than two splits.
    """
    if not ds.annotations.is_empty() or ds.preferences.is_empty():
        rows = {"prompt": ds.annotations, "pair": ds.annotations}
        what = "annotations"
    else:
        rows = {"prompt": ds.preferences, "pair": answers(ds.preferences)}
        what = "comparisons (of pairs: both answers of each)"
    rule = f"texts are equal to the letter; rows are {what}"
    tables = [_overlap(frame, unit=unit) for unit, frame in rows.items()]
    return pl.concat(tables).with_columns(pl.lit(rule).alias("rule"))


def _overlap(rows: pl.DataFrame, *, unit: str) -> pl.DataFrame:
    units = rows.group_by("split", f"{unit}_id").agg(pl.len().cast(pl.Int64).alias("rows"))
    splits = units.group_by("split").agg(pl.len().cast(pl.Int64).alias("n"), pl.col("rows").sum())
    met = (
        units.join(units, on=f"{unit}_id", suffix="_b")
        .group_by(pl.col("split").alias("split_a"), pl.col("split_b"))
        .agg(pl.len().cast(pl.Int64).alias("shared"), pl.col("rows_b").sum().alias("rows_b_shared"))
    )
    return (
        splits.drop("rows")
        .join(splits, how="cross", suffix="_b")
        .rename({"split": "split_a", "n": "n_a", "rows": "rows_b"})
        .filter(pl.col("split_a") != pl.col("split_b"))
        .join(met, on=["split_a", "split_b"], how="left")
        .with_columns(pl.col("shared", "rows_b_shared").fill_null(0))
        .select(
            pl.lit(unit).alias("unit"),
            *("split_a", "split_b", "n_a", "n_b", "shared", "rows_b", "rows_b_shared"),
            (pl.col("rows_b_shared") / pl.col("rows_b")).alias("share_b"),
        )
        .sort("split_a", "split_b")
    )


def response_repeats(ds: Dataset) -> pl.DataFrame:
    """Answers and comparisons that a preference file holds more than once, and their contradictions.

    Parameters
    ----------
    ds : Dataset
        A data set with comparisons.

    Returns
    -------
    DataFrame
        One row for answers and one for comparisons: `unit` ("answer" or "comparison"), `n`
        (distinct ones), `rows`, `n_repeated` (those with more than one row), then those whose
        rows contradict each other in `is_safe`, `labels`, `severity`, `better` and `safer`,
        each as ``contradictory_<name>``: null where the release does not say, or the unit has
        no such label; `contradictory_overall` where some comparison has one order of an unstated kind. `rule`.

    Raises
    ------
    UsageError
        If the data set has no comparisons.
    """
    if ds.preferences.is_empty():
        raise UsageError(
            f"Repeated answers of comparisons were asked for, but {ds.name!r} has no comparisons. "
            "Its annotations per pair are in ds.pairs['n_annotations']."
        )
    chosen = (*_CHOICES, "overall") if ds.preferences["overall"].count() else _CHOICES
    answer_labels: dict[str, list[str]] = {name: [name] for name in _LABELS} | {name: [] for name in chosen}
    both = {name: [f"{name}_0", f"{name}_1"] for name in _LABELS} | {name: [name] for name in chosen}
    tables = [
        _repeats(answers(ds.preferences), unit="answer", key=["pair_id"], labels=answer_labels),
        _repeats(_unordered(ds.preferences, chosen), unit="comparison", key=["pair_id_0", "pair_id_1"], labels=both),
    ]
    rule = "texts are equal to the letter; the order of the two answers does not matter"
    return pl.concat(tables).with_columns(pl.lit(rule).alias("rule"))


_LABELS = ("is_safe", "labels", "severity")

_CHOICES = ("better", "safer")


def _unordered(preferences: pl.DataFrame, chosen: Sequence[str]) -> pl.DataFrame:
    swap = pl.col("pair_id_0") > pl.col("pair_id_1")
    sides = [(f"{name}_0", f"{name}_1") for name in ("pair_id", *_LABELS)]
    turned = [pl.when(swap).then(b).otherwise(a).alias(a) for a, b in sides]
    turned += [pl.when(swap).then(a).otherwise(b).alias(b) for a, b in sides]
    turned += [pl.when(swap).then(1 - pl.col(name)).otherwise(name).alias(name) for name in chosen]
    return preferences.select(turned)


def _repeats(rows: pl.DataFrame, *, unit: str, key: list[str], labels: Mapping[str, Sequence[str]]) -> pl.DataFrame:
    clash = {
        name: pl.any_horizontal(pl.col(column).drop_nulls().n_unique() > 1 for column in columns)
        for name, columns in labels.items()
        if any(rows[column].count() for column in columns)
    }
    units = rows.drop_nulls(key).group_by(key).agg(pl.len().alias("rows"), **clash)
    return units.select(
        pl.lit(unit).alias("unit"),
        pl.len().cast(pl.Int64).alias("n"),
        pl.col("rows").sum().cast(pl.Int64),
        (pl.col("rows") > 1).sum().cast(pl.Int64).alias("n_repeated"),
        *(
            (pl.col(name).sum() if name in clash else pl.lit(None)).cast(pl.Int64).alias(f"contradictory_{name}")
            for name in labels
        ),
    )
