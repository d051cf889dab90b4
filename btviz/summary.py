"""`summarise`: what exactly is in a data set, with the published number beside each count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from btviz import published
from btviz.dataset import Dataset
from btviz.labels import category_counts
from btviz.repeats import prompt_overlap, response_repeats

_QUANTITIES = pl.Schema(
    {"quantity": pl.String(), "level": pl.String(), "split": pl.String(), "value": pl.Float64(), "unit": pl.String()}
)
Quantity = tuple[str, str | None, float | None, str]


@dataclass(frozen=True)
class Summary:
    """What a data set holds.

    Attributes
    ----------
    ds : Dataset
        What was summarised.
    quantities : DataFrame
        `quantity`, `level` (a category, a number of annotations; else null), `split` (null for
        all rows together), `value`, `unit` (count, share, mean), `published`, `source`, `grade`,
        `note`: the last four are null where nothing is published, and for synthetic data.
    oddities : DataFrame
        `file`, `kind`, `action`, `rows`: what reading found, counted.
    overlap : DataFrame
        Prompts and pairs that two splits share; see `prompt_overlap`.
    repeats : DataFrame
        Answers that repeat in comparisons; see `response_repeats`.
    """

    ds: Dataset
    quantities: pl.DataFrame
    oddities: pl.DataFrame
    overlap: pl.DataFrame
    repeats: pl.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, for JSON."""
        ds = self.ds
        targets = ds.targets.to_dicts() if ds.is_synthetic else []
        return {
            "name": ds.name,
            "release": ds.release,
            "is_synthetic": ds.is_synthetic,
            "fingerprint": ds.fingerprint,
            "taxonomy": ds.taxonomy.name,
            "files": ds.facts["files"],
            "quantities": self.quantities.to_dicts(),
            "oddities": self.oddities.to_dicts(),
            "overlap": self.overlap.to_dicts(),
            "repeats": self.repeats.to_dicts(),
            "targets": targets,
            "assumptions": ds.facts.get("assumptions", {}),
        }


def summarise(ds: Dataset) -> Summary:
    """Count what a data set holds, by split and in all.

    Parameters
    ----------
    ds : Dataset
        Any data set.

    Returns
    -------
    Summary
        Counts, shares and oddities; published numbers stand beside those of a known release.
    """
    splits = sorted({split for name in ("annotations", "preferences", "prompts") for split in _splits(ds, name)})
    parts: list[str | None] = [None, *splits]
    rows = [(q, level, split, value, unit) for split in parts for q, level, value, unit in _counts(ds, split)]
    quantities = pl.DataFrame(rows, schema=_QUANTITIES, orient="row")
    oddities = ds.problems.group_by("file", "kind", "action").agg(pl.len().alias("rows")).sort("file", "kind")
    return Summary(ds, _beside(quantities, ds), oddities, prompt_overlap(ds), response_repeats(ds))


def _splits(ds: Dataset, table: str) -> list[str]:
    return ds.table(table)["split"].drop_nulls().unique().to_list()


def _part(ds: Dataset, table: str, split: str | None) -> pl.DataFrame:
    frame = ds.table(table)
    return frame if split is None else frame.filter(pl.col("split") == split)


def _counts(ds: Dataset, split: str | None) -> Iterator[Quantity]:
    annotations = _part(ds, "annotations", split)
    if annotations.height:
        yield from _of_annotations(annotations)
        yield from _of_categories(ds, split)
        yield from _of_words(ds, annotations)
    preferences = _part(ds, "preferences", split)
    if preferences.height:
        yield from _of_preferences(preferences)
    prompts = _part(ds, "prompts", split)
    if prompts.height:
        yield "prompts", None, prompts.height, "count"
        yield "unique_prompts", None, prompts["prompt_id"].n_unique(), "count"


def _of_annotations(rows: pl.DataFrame) -> Iterator[Quantity]:
    pairs = rows.group_by("pair_id").agg(pl.len().alias("n"), (~pl.col("is_safe")).sum().alias("unsafe"))
    unsafe = rows.height - int(rows["is_safe"].sum())
    yield "rows", None, rows.height, "count"
    yield "unique_pairs", None, pairs.height, "count"
    yield "unique_prompts", None, rows["prompt_id"].n_unique(), "count"
    yield "unsafe_rows", None, unsafe, "count"
    yield "share_safe", None, 1 - unsafe / rows.height, "share"
    yield "annotations_per_pair", None, rows.height / pairs.height, "mean"
    for n, count in pairs["n"].value_counts().sort("n").iter_rows():
        yield "pairs_with_annotations", str(n), count, "count"
    repeated = pairs.filter(pl.col("n") > 1)
    split_votes = repeated.filter((pl.col("unsafe") > 0) & (pl.col("unsafe") < pl.col("n")))
    if repeated.height:
        yield "disputed_pairs", None, split_votes.height, "count"


def _of_categories(ds: Dataset, split: str | None) -> Iterator[Quantity]:
    table = category_counts(ds, by=None if split is None else "split")
    if split is not None:
        table = table.filter(pl.col("split") == split)
    for category, count in table.select("category", "n_category").iter_rows():
        yield "category_count", category, count, "count"


def _of_words(ds: Dataset, annotations: pl.DataFrame) -> Iterator[Quantity]:
    rows = annotations.select("pair_id").join(ds.pairs.select("pair_id", "prompt_words", "response_words"), on="pair_id")
    for name in ("prompt_words", "response_words"):
        yield f"mean_{name}", None, rows.get_column(name).cast(pl.Float64).sum() / rows.height, "mean"


def _of_preferences(rows: pl.DataFrame) -> Iterator[Quantity]:
    yield "comparisons", None, rows.height, "count"
    yield "compared_prompts", None, rows["prompt_id"].n_unique(), "count"
    safe = rows.select((pl.col("is_safe_0").cast(pl.UInt8) + pl.col("is_safe_1").cast(pl.UInt8)).alias("safe"))["safe"]
    for count, level in ((2, "both_safe"), (1, "mixed"), (0, "both_unsafe")):
        if safe.null_count() < len(safe):
            yield "safety_configuration", level, int((safe == count).sum()), "count"
    both = rows.filter(pl.col("better").is_not_null(), pl.col("safer").is_not_null())
    if both.height:
        yield "same_selected_response", None, both.filter(pl.col("better") == pl.col("safer")).height, "count"


def _beside(quantities: pl.DataFrame, ds: Dataset) -> pl.DataFrame:
    """Put what is published beside what was counted; nothing beside synthetic data."""
    names = ["quantity", "level", "split", "published", "source", "grade", "note"]
    known = published.numbers(ds.release).rename({"value": "published"}).select(names) if ds.release else None
    if known is None:
        return quantities.with_columns(pl.lit(None, t).alias(n) for n, t in zip(names[3:], _PUBLISHED, strict=True))
    best = known.unique(names[:3], keep="first", maintain_order=True)
    return quantities.join(best, on=names[:3], how="left", nulls_equal=True, maintain_order="left")


_PUBLISHED = (pl.Float64(), pl.String(), pl.String(), pl.String())
