"""`summarise`: what exactly is in a data set, with the published number beside each count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from btviz.data.dataset import Dataset
from btviz.data.releases import RELEASES, published
from btviz.labels.counts import category_counts
from btviz.labels.overlap import prompt_overlap, response_repeats
from btviz.labels.population import answers

_COUNTED = pl.Schema(
    {
        "quantity": pl.String(),
        "population": pl.String(),
        "category": pl.String(),
        "level": pl.String(),
        "split": pl.String(),
        "value": pl.Float64(),
        "unit": pl.String(),
    }
)


_PUBLISHED = {"published": pl.Float64(), "source": pl.String(), "grade": pl.String(), "note": pl.String()}


_SAME = ["quantity", "population", "category", "level", "split"]


class _Part:
    """Rows of one split, or of all, and the quantities counted in them so far."""

    def __init__(self, ds: Dataset, split: str | None) -> None:
        self.ds = ds
        self.split = split
        self.rows: list[tuple[object, ...]] = []

    def table(self, name: str) -> pl.DataFrame:
        frame = self.ds.table(name)
        return frame if self.split is None else frame.filter(pl.col("split") == self.split)

    def add(
        self,
        quantity: str,
        value: float,
        *,
        of: str | None,
        unit: str = "count",
        category: str | None = None,
        level: str | None = None,
    ) -> None:
        self.rows.append((quantity, of, category, level, self.split, value, unit))


@dataclass(frozen=True)
class Summary:
    """What a data set holds."""

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
    parts = [_Part(ds, split) for split in (None, *splits)]
    for part in parts:
        _count(part)
    counted = pl.DataFrame([row for part in parts for row in part.rows], schema=_COUNTED, orient="row")
    oddities = (
        ds.problems.group_by("file", "kind", "action").agg(pl.col("line").n_unique().alias("rows")).sort("file", "kind")
    )
    return Summary(
        ds,
        _beside(counted, ds, splits),
        oddities,
        prompt_overlap(ds),
        response_repeats(ds) if ds.preferences.height else pl.DataFrame(),
    )


def _splits(ds: Dataset, table: str) -> list[str]:
    return ds.table(table)["split"].drop_nulls().unique().to_list()


def _count(part: _Part) -> None:
    if (annotations := part.table("annotations")).height:
        _count_annotations(part, annotations)
        _count_categories(part)
        _count_words(part, annotations)
    if (preferences := part.table("preferences")).height:
        _count_preferences(part, preferences)
    if (prompts := part.table("prompts")).height:
        part.add("rows", prompts.height, of="prompts")
        part.add("unique_prompts", prompts["prompt_id"].n_unique(), of="prompts")
        if prompts["labels"].count():
            for category in part.ds.taxonomy.categories:
                named = prompts.filter(part.ds.taxonomy.has(category.key)).height
                part.add("category_count", named, of="prompts", category=category.key)


def _count_annotations(part: _Part, rows: pl.DataFrame) -> None:
    pairs = rows.group_by("pair_id").agg(pl.len().alias("n"), (~pl.col("is_safe")).sum().alias("unsafe"))
    safe = int(rows["is_safe"].sum())
    part.add("rows", rows.height, of="annotations")
    part.add("unique_pairs", pairs.height, of="pairs")
    part.add("unique_prompts", rows["prompt_id"].n_unique(), of="prompts")
    part.add("safe_rows", safe, of="annotations")
    part.add("unsafe_rows", rows.height - safe, of="annotations")
    part.add("share_safe", 100 * safe / rows.height, of="annotations", unit="percent")
    part.add("annotations_per_pair", rows.height / pairs.height, of="pairs", unit="mean")
    for n, count in pairs["n"].value_counts().sort("n").iter_rows():
        part.add("pairs_with_annotations", count, of="pairs", level=str(n))
    repeated = pairs.filter(pl.col("n") > 1)
    if repeated.height and not _annotated_once(part.ds):
        disputed = repeated.filter((pl.col("unsafe") > 0) & (pl.col("unsafe") < pl.col("n"))).height
        part.add("disputed_pairs", disputed, of="pairs annotated twice or more", level="is_safe")


def _annotated_once(ds: Dataset) -> bool:
    # a few repeats in such a release are oddities: disagreement cannot be measured on them
    return ds.release is not None and RELEASES[ds.release].one_annotation_per_pair is True


def _count_categories(part: _Part) -> None:
    for where, quantity in (("all", "category_count"), ("unsafe", "category_share")):
        table = category_counts(part.ds, where=where, by=None if part.split is None else "split")
        if part.split is not None:
            table = table.filter(pl.col("split") == part.split)
        for row in table.iter_rows(named=True):
            value, unit = (row["n_category"], "count") if where == "all" else (100 * (row["share"] or 0), "percent")
            part.add(quantity, value, of="annotations", unit=unit, category=row["category"])


def _count_words(part: _Part, annotations: pl.DataFrame) -> None:
    words = part.ds.pairs.select("pair_id", "prompt_words", "response_words")
    means = annotations.select("pair_id").join(words, on="pair_id").drop("pair_id").cast(pl.Float64).mean()
    for name, mean in means.row(0, named=True).items():
        part.add(f"mean_{name}", mean, of=None, unit="mean")


def _count_preferences(part: _Part, rows: pl.DataFrame) -> None:
    part.add("rows", rows.height, of="preferences")
    part.add("compared_prompts", rows["prompt_id"].n_unique(), of="prompts")
    labelled = rows.drop_nulls(["is_safe_0", "is_safe_1"])
    configurations = labelled.group_by("is_safe_0", "is_safe_1").len().sort("is_safe_0", "is_safe_1", descending=True)
    for safe_0, safe_1, count in configurations.iter_rows():
        part.add("safety_configuration", count, of="preferences", level=_CONFIGURATION[safe_0, safe_1])
    if labelled.height:
        one_safe = labelled.filter(pl.col("is_safe_0") != pl.col("is_safe_1"))
        part.add("rows_with_one_safe", one_safe.height, of="preferences")
    both = rows.drop_nulls(["better", "safer"])
    if both.height:
        same = both.filter(pl.col("better") == pl.col("safer")).height
        part.add("same_selection", same, of="preferences")
        part.add("different_selection", both.height - same, of="preferences")
    _count_answers(part, answers(rows))


def _count_answers(part: _Part, rows: pl.DataFrame) -> None:
    """Count both answers of every comparison as that row labels them, repeated or not."""
    for is_safe, level in ((True, "safe"), (False, "unsafe")):
        if rows["is_safe"].count():
            part.add("answers_by_safety", rows.filter(is_safe=is_safe).height, of="answers", level=level)
    severities = rows["severity"].drop_nulls().unique().sort().to_list()
    for severity in severities:
        part.add("severity_count", rows.filter(severity=severity).height, of="answers", level=str(severity))
    if not rows["labels"].count():
        return
    for category in part.ds.taxonomy.categories:
        flagged = rows.filter(part.ds.taxonomy.has(category.key))
        part.add("category_count", flagged.height, of="answers", category=category.key)
        for severity in severities:
            found = flagged.filter(severity=severity).height
            part.add("category_severity_count", found, of="answers", category=category.key, level=str(severity))


_CONFIGURATION = {
    (True, True): "both_safe",
    (True, False): "response_0_safe_response_1_unsafe",
    (False, True): "response_0_unsafe_response_1_safe",
    (False, False): "both_unsafe",
}


def _beside(counted: pl.DataFrame, ds: Dataset, splits: list[str]) -> pl.DataFrame:
    """Put what was printed beside what was counted; nothing beside synthetic data."""
    if ds.release is None:
        return counted.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in _PUBLISHED.items())
    printed = published.published_numbers(ds.release).rename({"value": "published"}).select(*_SAME, *_PUBLISHED)
    missing = sorted(set(RELEASES[ds.release].splits) - set(splits))
    about_all = f"printed for the whole release, of which {', '.join(missing)} is not here"
    if missing:
        note = pl.when(pl.col("split").is_null()).then(
            pl.concat_str(pl.lit(about_all), "note", separator="; ", ignore_nulls=True)
        )
        printed = printed.with_columns(note.otherwise("note").alias("note"))
    return counted.join(printed, on=_SAME, how="left", nulls_equal=True, maintain_order="left_right")
