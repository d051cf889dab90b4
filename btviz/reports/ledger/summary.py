"""`summarise`: what exactly is in a data set, with the published number beside each count."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from btviz.data.dataset import Dataset
from btviz.data.releases import RELEASES, published
from btviz.data.words import rule_of
from btviz.labels.agreement import pair_votes
from btviz.labels.overlap import prompt_overlap, response_repeats
from btviz.reports.ledger.quantities import CONFIGURATIONS, COUNTED, Number, Part, value_of

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

_OF_SPLITS = ("annotations", "preferences", "prompts")
"""Tables that know splits."""

_SAME = ["quantity", "population", "category", "level", "split"]

_UNITS = {
    "share_safe": "percent",
    "category_share": "percent",
    "annotations_per_pair": "mean",
    "mean_prompt_words": "mean",
    "mean_response_words": "mean",
}
"""Units of what is no count."""


@dataclass(frozen=True)
class Summary:
    """What a data set holds."""

    ds: Dataset
    quantities: pl.DataFrame
    oddities: pl.DataFrame
    overlap: pl.DataFrame
    repeats: pl.DataFrame
    doubt: str | None

    @property
    def word_rule(self) -> str | None:
        """By which rule the words were counted whose means are shown; None where there are none."""
        shown = self.quantities["quantity"].is_in(["mean_prompt_words", "mean_response_words"]).any()
        return rule_of(self.ds.pairs["prompt"], self.ds.pairs["response"]) if shown else None

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
            "population": ds.population,
            "labels_not_kept": ds.labels_not_kept,
            "files": ds.facts["files"],
            "passed_over": ds.facts.get("passed_over", []),
            "doubts": [*ds.facts.get("doubts", []), *([self.doubt] if self.doubt else [])],
            "quantities": self.quantities.to_dicts(),
            "word_rule": self.word_rule,
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
    splits = sorted({split for name in _OF_SPLITS for split in _splits(ds, name)})
    parts = [Part(ds, split) for split in (None, *splits)]
    counted = pl.DataFrame([_counted(part, number) for part in parts for number in _shown(part)], schema=_COUNTED)
    oddities = (
        ds.problems.group_by("file", "kind", "action")
        .agg(pl.when(pl.col("line").count() > 0).then(pl.col("line").n_unique()).alias("rows"))
        .sort("file", "kind")
    )
    return Summary(
        ds,
        _beside(counted, ds, splits),
        oddities,
        prompt_overlap(ds),
        response_repeats(ds) if ds.preferences.height else pl.DataFrame(),
        pair_votes(ds).doubt,
    )


def _splits(ds: Dataset, table: str) -> list[str]:
    return ds.table(table)["split"].drop_nulls().unique().to_list()


def _counted(part: Part, number: Number) -> Number:
    """One row: a quantity computed as `check` computes it."""
    quantity = number["quantity"]
    value = value_of(COUNTED[quantity].compute(part, number))
    shown = {name: number[name] for name in ("quantity", "population", "category", "level")}
    value = 0.0 if math.isnan(value) else value  # where nothing is unsafe, no share of it has a category
    return shown | {"split": part.split, "value": value, "unit": _UNITS.get(quantity, "count")}


def _shown(part: Part) -> Iterator[Number]:
    """Which quantities are shown of a part, in the order of the tables."""
    if part.annotations.height:
        yield from _of_annotations(part)
    if part.preferences.height:
        yield from _of_comparisons(part)
    if _is_whole(part) and part.unlabelled.height:
        yield _number("unlabelled_pairs", "pairs")
        yield _number("prompts_of_unlabelled_pairs", "prompts")
    if part.prompts.height:
        yield _number("rows", "prompts")
        if part.annotations.is_empty():
            yield _number("unique_prompts", "prompts")
        if part.prompts["is_safe"].count():
            yield from (_number("prompts_by_safety", "prompts", level=level) for level in ("safe", "unsafe"))
        if part.prompts["labels"].count():
            yield from (_number("category_count", "prompts", category=key) for key in part.ds.taxonomy.keys)

    if part.ds.conversations.height and _is_whole(part):
        yield from (_number(quantity, "conversations") for quantity in ("conversations", "turns"))


def _is_whole(part: Part) -> bool:
    """Whether a part is all there is: tables without splits are counted once."""
    splits = {split for name in _OF_SPLITS for split in part.ds.table(name)["split"].unique()}
    return part.split is None or splits == {part.split}


def _of_annotations(part: Part) -> Iterator[Number]:
    yield _number("rows", "annotations")
    yield _number("unique_pairs", "pairs")
    yield _number("unique_prompts", "prompts")
    if part.annotations["is_safe"].count():
        yield from (_number(quantity, "annotations") for quantity in ("safe_rows", "unsafe_rows", "share_safe"))
    yield _number("annotations_per_pair", "pairs")
    multiplicity = part.pairs["n_annotations"].unique().sort()
    yield from (_number("pairs_with_annotations", "pairs", level=str(n)) for n in multiplicity)
    if (multiplicity > 1).any() and not _annotated_once(part.ds):
        yield _number("disputed_pairs", "pairs annotated twice or more", level="is_safe")
    if part.annotations["labels"].count():  # where no row names a category, zeros would be no counts
        for quantity, where in (("category_count", "all"), ("category_share", "unsafe")):
            yield from (_number(quantity, "annotations", category=key, where=where) for key in part.ds.taxonomy.keys)
    yield from (_number(f"mean_{text}_words", None) for text in ("prompt", "response"))


def _annotated_once(ds: Dataset) -> bool:
    # a few repeats in such a release are oddities: disagreement cannot be measured on them
    return ds.release is not None and RELEASES[ds.release].one_annotation_per_pair is True


def _of_comparisons(part: Part) -> Iterator[Number]:
    yield _number("rows", "preferences")
    yield _number("compared_prompts", "prompts")
    configurations = set(part.preferences.select("is_safe_0", "is_safe_1").drop_nulls().rows())
    for name, safe in CONFIGURATIONS.items():
        if safe in configurations:
            yield _number("safety_configuration", "preferences", level=name)
    if configurations:
        yield _number("rows_with_one_safe", "preferences")
    if part.preferences.select(pl.col("better", "safer").null_count()).row(0) != (0, 0):
        kinds = [kind for kind in ("better", "safer", "overall") if part.preferences[kind].count()]
        yield from (_number("order_known", "preferences", level=kind) for kind in kinds)
    if part.preferences.drop_nulls(["better", "safer"]).height:
        yield from (_number(quantity, "preferences") for quantity in ("same_selection", "different_selection"))
    yield from _of_answers(part)


def _of_answers(part: Part) -> Iterator[Number]:
    """Both answers of every comparison as that row labels them, repeated or not."""
    if part.answers["is_safe"].count():
        yield from (_number("answers_by_safety", "answers", level=level) for level in ("safe", "unsafe"))
    severities = [str(severity) for severity in part.answers["severity"].drop_nulls().unique().sort()]
    yield from (_number("severity_count", "answers", level=severity) for severity in severities)
    if part.answers["labels"].count():
        for key in part.ds.taxonomy.keys:
            yield _number("category_count", "answers", category=key)
            for severity in severities:
                yield _number("category_severity_count", "answers", category=key, level=severity)


def _number(
    quantity: str,
    population: str | None,
    *,
    category: str | None = None,
    level: str | None = None,
    where: str | None = None,
) -> Number:
    return {"quantity": quantity, "population": population, "category": category, "level": level, "where": where}


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
