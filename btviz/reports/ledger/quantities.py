"""How each quantity is computed from released fields: the one table behind `check` and `data show`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from btviz.data.dataset import Dataset
from btviz.data.votes import majority
from btviz.labels.population import answers
from btviz.stats.association import Floats, TwoByTwo, phi, ratio
from btviz.stats.clustered import ClusterInterval, phi_interval, share_interval
from btviz.stats.resampling import Statistic, cluster_sums
from btviz.stats.smooth import smooth_interval
from btviz.taxonomy.categories import Taxonomy

Number = Mapping[str, Any]
"""What of a quantity is meant: `category`, `other`, `level`, `population` and `where`, as in the published numbers."""


@dataclass(frozen=True, eq=False)
class Sample:
    """A statistic of sums over items, so that it has an interval by prompt."""

    values: Floats
    prompt: NDArray[np.uint64]
    statistic: Statistic
    interval: Callable[[Floats, float], ClusterInterval]

    @property
    def value(self) -> float:
        """The statistic of all items; NaN where undefined."""
        return float(self.statistic(self.values.sum(axis=0)[None]).flat[0])

    @cached_property
    def sums(self) -> Floats:
        """Sums of the values by prompt, shape (prompts, k)."""
        return cluster_sums(self.values, clusters=self.prompt)

    def intervals(self, *, confidence: float = 0.95) -> ClusterInterval:
        """Interval of each value of the statistic, by prompt."""
        return self.interval(self.sums, confidence)


def mean_of(values: ArrayLike, *, prompt: pl.Series, among: ArrayLike = 1.0, scale: float = 1.0) -> Sample:
    """Sample whose statistic is ``scale * sum(values) / sum(among)``."""
    counted = np.asarray(values, np.float64)
    columns = np.column_stack([counted, np.broadcast_to(np.asarray(among, np.float64), counted.shape)])
    is_share = bool(((columns[:, 0] >= 0) & (columns[:, 0] <= columns[:, 1])).all())

    def statistic(sums: Floats) -> Floats:
        return scale * ratio(sums[:, :1], sums[:, 1:2])

    def interval(sums: Floats, confidence: float) -> ClusterInterval:
        if not is_share:
            return smooth_interval(sums, statistic, informative=sums[:, 1], confidence=confidence)
        share = share_interval(sums[:, :1], sums[:, 1:], confidence=confidence)
        return replace(share, estimate=scale * share.estimate, low=scale * share.low, high=scale * share.high)

    return Sample(columns, prompt.to_numpy(), statistic, interval)


def couples_of(taxonomy: Taxonomy) -> list[tuple[int, int]]:
    """Every two categories, by their bits."""
    return list(combinations(range(len(taxonomy)), 2))


def phis_of(rows: pl.DataFrame, *, taxonomy: Taxonomy, couples: Sequence[tuple[int, int]] | None = None) -> Sample:
    """Sample whose statistics are phi of every two categories, in the order of `couples_of`, or of some `couples`."""
    first, second = np.array(couples or couples_of(taxonomy)).T
    flags = taxonomy.flags(rows["labels"]).astype(np.float64)
    values = np.column_stack([flags[:, first] * flags[:, second], flags, np.ones(rows.height)])

    def parts(sums: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        both, margins, n = np.split(sums, [len(first), -1], axis=1)
        return margins[:, first], margins[:, second], both, n

    def statistic(sums: Floats) -> Floats:
        row, col, both, n = (part.astype(np.int64) for part in parts(sums))
        return phi(TwoByTwo(n, row, col, both))

    def interval(sums: Floats, confidence: float) -> ClusterInterval:
        row, col, both, n = parts(sums)
        return phi_interval(row, col, both=both, n=n, confidence=confidence)

    return Sample(values, rows["prompt_id"].to_numpy(), statistic, interval)


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of one split, or of all."""

    ds: Dataset
    split: str | None

    def table(self, name: str) -> pl.DataFrame:
        """Rows of `annotations`, `preferences` or `prompts`."""
        frame = self.ds.table(name)
        return frame if self.split is None else frame.filter(pl.col("split") == self.split)

    @cached_property
    def annotations(self) -> pl.DataFrame:
        """Released labellings."""
        return self.table("annotations")

    @cached_property
    def preferences(self) -> pl.DataFrame:
        """Released comparisons."""
        return self.table("preferences")

    @cached_property
    def prompts(self) -> pl.DataFrame:
        """Prompts released without an answer."""
        return self.table("prompts")

    @cached_property
    def answers(self) -> pl.DataFrame:
        """Both answers of every comparison, with the labels of its own row."""
        return answers(self.preferences)

    @cached_property
    def pairs(self) -> pl.DataFrame:
        """Annotated pairs with the majority of this part's own rows, and the most any label set has."""
        most = pl.col("labels").unique_counts().max().alias("n_largest_set")
        return self.annotations.group_by("pair_id").agg(pl.col("prompt_id").first(), most, *majority(self.ds.taxonomy))

    @cached_property
    def unlabelled(self) -> pl.DataFrame:
        """Answers of the whole data set that no row labels or compares."""
        compared = pl.concat(self.ds.preferences[f"pair_id_{side}"] for side in (0, 1))
        told = pl.any_horizontal(pl.col("is_safe", "labels", "severity").is_not_null())
        alone = ~pl.col("pair_id").is_in(compared.implode())
        return self.ds.pairs.filter(pl.col("n_annotations") == 0, ~told, alone)

    def items(self, population: str | None) -> pl.DataFrame:
        """Items with `labels`, `is_safe` and `prompt_id`, one row each."""
        tables: dict[str, Callable[[], pl.DataFrame]] = {
            "annotations": lambda: self.annotations,
            "pairs": lambda: self.pairs,
            "answers": lambda: self.answers,
            "prompts": lambda: self.prompts,
        }
        return tables[population or "annotations"]()


@dataclass(frozen=True)
class Missing:
    """Why a number cannot be computed."""

    verdict: str
    reason: str


def value_of(quantity: float | Sample | Missing) -> float:
    """The number itself; NaN where there is none."""
    if isinstance(quantity, Missing):
        return math.nan
    return quantity.value if isinstance(quantity, Sample) else float(quantity)


@dataclass(frozen=True)
class Quantity:
    """How a quantity is computed."""

    compute: Callable[[Part, Number], float | Sample | Missing]
    of_whole: bool = False


def _rows(part: Part, number: Number) -> float:
    return part.table(number["population"]).height


def _unique_prompts(part: Part, _: Number) -> float:
    """Prompts of answers that were labelled or of none; where there are neither, of comparisons."""
    alone = [table.select("prompt_id") for table in (part.annotations, part.prompts)]
    rows = pl.concat(alone)
    return (part.preferences if rows.is_empty() else rows)["prompt_id"].n_unique()


def _compared_prompts(part: Part, _: Number) -> float:
    return part.preferences["prompt_id"].n_unique()


def _unique_pairs(part: Part, _: Number) -> float:
    return part.annotations["pair_id"].n_unique()


def _of_safety(*, safe: bool, population: str) -> Quantity:
    return Quantity(lambda part, _: part.items(population).filter(pl.col("is_safe") == safe).height)


def _share_of_safety(*, safe: bool) -> Quantity:
    def compute(part: Part, _: Number) -> Sample:
        rows = part.annotations
        return mean_of(rows["is_safe"] == safe, prompt=rows["prompt_id"], scale=100)

    return Quantity(compute)


def _annotations_per_pair(part: Part, _: Number) -> Sample:
    pairs = part.pairs
    return mean_of(pairs["n_annotations"], prompt=pairs["prompt_id"])


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
        return mean_of(rows[f"{text}_words"], prompt=rows["prompt_id"])

    return Quantity(compute)


def _category_share(part: Part, number: Number) -> Sample:
    rows = part.items(number["population"])
    counted = rows.filter(~pl.col("is_safe")) if number["where"] == "unsafe" else rows
    has = counted.select(part.ds.taxonomy.has(number["category"])).to_series()
    return mean_of(has, prompt=counted["prompt_id"], scale=100)


def _labels_per_unsafe(part: Part, _: Number) -> Sample:
    unsafe = part.annotations.filter(~pl.col("is_safe"))
    labels = unsafe["labels"].bitwise_count_ones()
    return mean_of(labels, prompt=unsafe["prompt_id"])


def _phi(part: Part, number: Number) -> Sample | Missing:
    if number["category"] is None:
        return Missing(_UNRELEASED, "the source does not name the two categories")
    taxonomy = part.ds.taxonomy
    rows = part.items(number["population"]).drop_nulls(["labels", "is_safe"])
    first, second = sorted((taxonomy[number["category"]].bit, taxonomy[number["other"]].bit))
    return phis_of(rows, taxonomy=taxonomy, couples=[(first, second)])


def _category_count(part: Part, number: Number) -> float:
    rows = part.items(number["population"])
    if number["population"] == "annotations":  # rows of unknown safety are excluded, as in `category_counts`
        rows = rows.drop_nulls("is_safe")
    return rows.filter(part.ds.taxonomy.has(number["category"])).height


def _label_set_count(part: Part, number: Number) -> float:
    mask = part.ds.taxonomy.mask(filter(None, number["level"].split(" | ")))
    return part.annotations.filter(pl.col("labels") == mask).height


def _pairs_with_annotations(part: Part, number: Number) -> float:
    return part.pairs.filter(pl.col("n_annotations") == int(number["level"])).height


def _disputed_pairs(part: Part, _: Number) -> float:
    unsafe = pl.col("n_unsafe")
    return part.pairs.filter(unsafe > 0, unsafe < pl.col("n_annotations")).height


def _share_disputed(part: Part, number: Number) -> Sample:
    flag = ~pl.col("is_safe") if number["category"] is None else part.ds.taxonomy.has(number["category"])
    pairs = part.annotations.group_by("pair_id").agg(pl.col("prompt_id").first(), (flag.n_unique() > 1).alias("split"))
    return mean_of(pairs["split"], prompt=pairs["prompt_id"], scale=100)


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


CONFIGURATIONS = {
    "both_safe": (True, True),
    "response_0_safe_response_1_unsafe": (True, False),
    "response_0_unsafe_response_1_safe": (False, True),
    "both_unsafe": (False, False),
}
"""Safety of the first and of the second answer."""


def _configuration(part: Part, number: Number) -> float:
    first, second = CONFIGURATIONS[number["level"]]
    return part.preferences.filter(pl.col("is_safe_0") == first, pl.col("is_safe_1") == second).height


def _one_safe(part: Part, _: Number) -> float:
    return part.preferences.filter(pl.col("is_safe_0") != pl.col("is_safe_1")).height


def _answers_by_safety(part: Part, number: Number) -> float:
    return part.answers.filter(pl.col("is_safe") == (number["level"] == "safe")).height


def _known_order(part: Part, number: Number) -> float:
    known = part.preferences[number["level"]].count()
    return float(known)


def _unlabelled_pairs(part: Part, _: Number) -> float:
    return part.unlabelled.height


def _unlabelled_prompts(part: Part, _: Number) -> float:
    return part.unlabelled["prompt_id"].n_unique()


def _prompts_by_safety(part: Part, number: Number) -> float:
    return part.prompts.filter(pl.col("is_safe") == (number["level"] == "safe")).height


def _conversations(part: Part, _: Number) -> float:
    return part.ds.conversations["conversation_id"].n_unique()


def _turns(part: Part, _: Number) -> float:
    return part.ds.conversations.height


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
    "compared_prompts": Quantity(_compared_prompts),
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
    "disputed_pairs": Quantity(_disputed_pairs),
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
"""Every quantity that is counted or printed, by the names of `published.toml`."""

COUNTED: Mapping[str, Quantity] = {
    **QUANTITIES,
    "order_known": Quantity(_known_order),
    "prompts_by_safety": Quantity(_prompts_by_safety),
    "conversations": Quantity(_conversations, of_whole=True),
    "turns": Quantity(_turns, of_whole=True),
    "unlabelled_pairs": Quantity(_unlabelled_pairs, of_whole=True),
    "prompts_of_unlabelled_pairs": Quantity(_unlabelled_prompts, of_whole=True),
}
"""Those, and what is counted of other files and was never printed."""
