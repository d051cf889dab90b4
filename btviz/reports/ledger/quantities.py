"""How each published quantity is computed again from released fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from btviz.reports.ledger.part import Part, Sample, couples_of, mean_of, phis_of

Number = Mapping[str, Any]
"""A row of `btviz.data.releases.published.numbers`."""


@dataclass(frozen=True)
class Missing:
    """Why a number cannot be computed."""

    verdict: str
    reason: str


@dataclass(frozen=True)
class Quantity:
    """How a quantity is computed."""

    compute: Callable[[Part, Number], float | Sample | Missing]
    of_whole: bool = False


def _rows(part: Part, number: Number) -> float:
    return part.table(number["population"]).height


def _unique_prompts(part: Part, _: Number) -> float:
    tables = (part.annotations, part.preferences, part.prompts)
    return pl.concat(table.select("prompt_id") for table in tables)["prompt_id"].n_unique()


def _unique_pairs(part: Part, _: Number) -> float:
    return part.annotations["pair_id"].n_unique()


def _of_safety(*, safe: bool, population: str) -> Quantity:
    return Quantity(lambda part, _: part.items(population).filter(pl.col("is_safe") == safe).height)


def _share_of_safety(*, safe: bool) -> Quantity:
    def compute(part: Part, _: Number) -> Sample:
        rows = part.annotations
        return mean_of(rows["is_safe"] == safe, among=np.ones(rows.height), prompt=rows["prompt_id"], scale=100)

    return Quantity(compute)


def _annotations_per_pair(part: Part, _: Number) -> Sample:
    pairs = part.pairs
    return mean_of(pairs["n_annotations"], among=np.ones(pairs.height), prompt=pairs["prompt_id"])


def _prompts_with_responses(part: Part, number: Number) -> float:
    counts = part.pairs.group_by("prompt_id").len()["len"]
    level: str = number["level"]
    met = counts > int(level[1:]) if level.startswith(">") else counts == int(level)
    return 100 * float(met.sum()) / max(counts.len(), 1)


def _prompts_with_both(part: Part, _: Number) -> float:
    return part.pairs.group_by("prompt_id").agg(pl.col("is_safe").n_unique()).filter(is_safe=2).height


def _mean_words(text: str) -> Quantity:
    def compute(part: Part, _: Number) -> Sample:
        words = part.ds.pairs.select("pair_id", f"{text}_words")
        rows = part.annotations.join(words, on="pair_id", how="left")
        return mean_of(rows[f"{text}_words"], among=np.ones(rows.height), prompt=rows["prompt_id"])

    return Quantity(compute)


def _category_share(part: Part, number: Number) -> Sample:
    rows = part.items(number["population"])
    counted = rows.filter(~pl.col("is_safe")) if number["where"] == "unsafe" else rows
    has = counted.select(part.ds.taxonomy.has(number["category"])).to_series()
    return mean_of(has, among=np.ones(counted.height), prompt=counted["prompt_id"], scale=100)


def _labels_per_unsafe(part: Part, _: Number) -> Sample:
    unsafe = part.annotations.filter(~pl.col("is_safe"))
    labels = unsafe["labels"].bitwise_count_ones()
    return mean_of(labels, among=np.ones(unsafe.height), prompt=unsafe["prompt_id"])


def _phi(part: Part, number: Number) -> Sample | Missing:
    if number["category"] is None:
        return Missing(_UNRELEASED, "the source does not name the two categories")
    taxonomy = part.ds.taxonomy
    rows = part.items(number["population"]).drop_nulls(["labels", "is_safe"])
    couple = sorted((taxonomy[number["category"]].bit, taxonomy[number["other"]].bit))
    place = couples_of(taxonomy).index((couple[0], couple[1]))
    # all couples are resampled together, as in the table of phis, so that the intervals are the same
    of_all = phis_of(rows, taxonomy=taxonomy)
    return replace(of_all, statistic=lambda sums: of_all.statistic(sums)[:, [place]], positive=place)


def _category_count(part: Part, number: Number) -> float:
    return part.items(number["population"]).filter(part.ds.taxonomy.has(number["category"])).height


def _label_set_count(part: Part, number: Number) -> float:
    mask = part.ds.taxonomy.mask(filter(None, number["level"].split(" | ")))
    return part.annotations.filter(pl.col("labels") == mask).height


def _pairs_with_annotations(part: Part, number: Number) -> float:
    return part.pairs.filter(pl.col("n_annotations") == int(number["level"])).height


def _share_disputed(part: Part, number: Number) -> Sample:
    flag = ~pl.col("is_safe") if number["category"] is None else part.ds.taxonomy.has(number["category"])
    pairs = part.annotations.group_by("pair_id").agg(pl.col("prompt_id").first(), (flag.n_unique() > 1).alias("split"))
    return mean_of(pairs["split"], among=np.ones(pairs.height), prompt=pairs["prompt_id"], scale=100)


def _agreeing_on_labels(part: Part, _: Number) -> float:
    return part.pairs.filter(pl.col("n_largest_set") == pl.col("n_annotations")).height


def _agreeing_on_safety(part: Part, _: Number) -> float:
    unsafe = pl.col("n_unsafe")
    return part.pairs.filter((unsafe == 0) | (unsafe == pl.col("n_annotations"))).height


def _rater_agreement(part: Part, number: Number) -> Sample | Missing:
    if number["level"] != "is_safe":
        return Missing(_UNRELEASED, "no comparison is released with the votes of several annotators")
    n, unsafe = (part.pairs[name].cast(pl.Float64) for name in ("n_annotations", "n_unsafe"))
    met = (unsafe * (unsafe - 1) + (n - unsafe) * (n - unsafe - 1)) / 2
    return mean_of(met, among=n * (n - 1) / 2, prompt=part.pairs["prompt_id"], scale=100)


def _shared_prompts(part: Part, _: Number) -> float:
    splits = Part(part.ds, None).annotations.group_by("prompt_id").agg(pl.col("split").n_unique())
    return splits.filter(pl.col("split") > 1).height


def _rows_seen_in_train(key: str) -> Quantity:
    def compute(part: Part, _: Number) -> float:
        train = Part(part.ds, "train").annotations
        return part.annotations.join(train, on=key, how="semi").height

    return Quantity(compute, of_whole=True)


def _same_selection(*, same: bool) -> Quantity:
    def compute(part: Part, _: Number) -> float:
        return part.preferences.filter((pl.col("better") == pl.col("safer")) == same).height

    return Quantity(compute)


def _configuration(part: Part, number: Number) -> float:
    wanted = {
        "both_safe": (True, True),
        "response_0_safe_response_1_unsafe": (True, False),
        "response_0_unsafe_response_1_safe": (False, True),
        "both_unsafe": (False, False),
    }[number["level"]]
    return part.preferences.filter(pl.col("is_safe_0") == wanted[0], pl.col("is_safe_1") == wanted[1]).height


def _one_safe(part: Part, _: Number) -> float:
    return part.preferences.filter(pl.col("is_safe_0") != pl.col("is_safe_1")).height


def _answers_by_safety(part: Part, number: Number) -> float:
    return part.answers.filter(pl.col("is_safe") == (number["level"] == "safe")).height


def _severity_count(part: Part, number: Number) -> float:
    rows = part.items(number["population"]).filter(pl.col("severity") == int(number["level"]))
    return (rows if number["category"] is None else rows.filter(part.ds.taxonomy.has(number["category"]))).height


def _joint_count(part: Part, number: Number) -> float:
    has = part.ds.taxonomy.has
    return part.items(number["population"]).filter(has(number["category"]), has(number["other"])).height


def _missing(verdict: str, reason: str) -> Quantity:
    return Quantity(lambda _, __: Missing(verdict, reason))


_UNRELEASED = "not computable from released fields"


QUANTITIES: Mapping[str, Quantity] = {
    "rows": Quantity(_rows),
    "unique_prompts": Quantity(_unique_prompts),
    "unique_pairs": Quantity(_unique_pairs),
    "safe_rows": _of_safety(safe=True, population="annotations"),
    "unsafe_rows": _of_safety(safe=False, population="annotations"),
    "safe_pairs": _of_safety(safe=True, population="pairs"),
    "unsafe_pairs": _of_safety(safe=False, population="pairs"),
    "share_safe": _share_of_safety(safe=True),
    "share_unsafe": _share_of_safety(safe=False),
    "annotations_per_pair": Quantity(_annotations_per_pair),
    "share_prompts_with_responses": Quantity(_prompts_with_responses, of_whole=True),
    "prompts_with_safe_and_unsafe": Quantity(_prompts_with_both, of_whole=True),
    "mean_prompt_words": _mean_words("prompt"),
    "mean_response_words": _mean_words("response"),
    "category_share": Quantity(_category_share),
    "labels_per_unsafe": Quantity(_labels_per_unsafe),
    "phi": Quantity(_phi),
    "category_count": Quantity(_category_count),
    "label_set_count": Quantity(_label_set_count),
    "pairs_with_annotations": Quantity(_pairs_with_annotations),
    "share_pairs_disputed": Quantity(_share_disputed),
    "pairs_agreeing_on_labels": Quantity(_agreeing_on_labels),
    "pairs_agreeing_on_is_safe": Quantity(_agreeing_on_safety),
    "rater_agreement": Quantity(_rater_agreement),
    "shared_prompts": Quantity(_shared_prompts, of_whole=True),
    "rows_with_train_prompt": _rows_seen_in_train("prompt_id"),
    "rows_with_train_pair": _rows_seen_in_train("pair_id"),
    "same_selection": _same_selection(same=True),
    "different_selection": _same_selection(same=False),
    "safety_configuration": Quantity(_configuration),
    "rows_with_one_safe": Quantity(_one_safe),
    "answers_by_safety": Quantity(_answers_by_safety),
    "severity_count": Quantity(_severity_count),
    "category_severity_count": Quantity(_severity_count),
    "joint_count": Quantity(_joint_count),
    "preferences": _missing(_UNRELEASED, "these comparisons are not part of the release"),
    "preferences_dual_and_single": _missing(
        "needs data set pku-saferlhf-single-dimension", "the sum of two releases, of which this is one"
    ),
    "pair_accuracy": _missing(_UNRELEASED, "the scores of the named models are needed"),
}
"""By the names of `published.toml`."""
