"""Harm categories of topics: how often each holds there, and how well topics and categories coincide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import polars.selectors as cs
from numpy.typing import ArrayLike

from btviz.data.dataset import Dataset
from btviz.errors import UsageError, choice, require
from btviz.stats.association import Floats, ratio
from btviz.stats.clustered import FEWEST_EFFECTIVE, INTERVALS, effective_number, lift_interval
from btviz.stats.quantiles import normal_quantile
from btviz.stats.resampling import check_repeats, cluster_sums, generator
from btviz.stats.shrinkage import shrunken_shares
from btviz.taxonomy.categories import Taxonomy
from btviz.texts.topics.result import Topics
from btviz.texts.topics.tables import labelled_pairs

_ROUNDING = 1e-9

NO_PAIR = "no pair of this topic is counted"

RULE = "a category holds for a pair if at least half of its annotations flag it (a tie counts)"


def topic_categories(ds: Dataset, topics: Topics, *, where: str = "all", interval: str = "confidence") -> pl.DataFrame:
    """Category profile of every topic, with lift and intervals.

    Parameters
    ----------
    ds : Dataset
        The data set the topics were fitted on.
    topics : Topics
        From `fit_topics`.
    where : {"all", "unsafe"}
        Count all pairs, or the unsafe ones only.
    interval : {"confidence", "jeffreys"}
        Of shares: `btviz.stats.clustered.share_interval`, or its Bayesian form for rare cells.

    Returns
    -------
    DataFrame
        One row per topic and category, outliers as topic -1:

        - `topic`, `name`, `category` (released key);
        - `n` (pairs of the topic whose labels are known), `n_category` (those with the category),
          `prompts` (their prompts);
        - `share` = `n_category` / `n` (0 .. 1), `share_low`, `share_high`; `share_all`: the same
          over all pairs counted; `lift` = `share` / `share_all` (0 ..), `lift_low`, `lift_high`:
          95 % intervals by prompt (`btviz.stats.clustered`), never of zero width; `interval`: which of the share;
        - `share_shrunken`, `share_shrunken_low`, `share_shrunken_high`: the share drawn towards those of the category
          in all topics, the more the smaller the topic is, with its 95 % interval (`btviz.stats.shrinkage`); null
          where a category is in no pair, or where fewer than 3 topics have pairs, as `undefined_shrunken` says;
        - `lift_low_joint`, `lift_high_joint`: the same for all lifts at once, each at ``1 - 0.05 / family``
          (Bonferroni); `family`: lifts of the table that have an interval;
        - `few_prompts`: the topic has fewer than 20 effective prompts, so that there is no interval,
          or the rarer outcome occurs in fewer than 8 of them, or a few weigh most, so that the interval is a wide one;
        - `undefined`: why a value is null;
        - `n_all` (pairs counted), `population` ("pairs" or "prompts"), `where`, `rule`.

    Raises
    ------
    UsageError
        If an option is unknown, or no pair of a topic is labelled by category.
    """
    choice(where, ("all", "unsafe"), what="subset")
    choice(interval, INTERVALS, what="interval")
    rows = labelled_pairs(ds, topics.assignments)
    if where == "unsafe":
        rows = rows.filter(~pl.col("is_safe"))
    if rows.is_empty():
        raise UsageError(
            f"Categories by topic were asked for, but no {'unsafe ' * (where == 'unsafe')}{ds.item} of {ds.name!r} "
            "that has a topic is labelled by category. Use data with labels."
        )
    names = {-1: "outliers", **dict(topics.topics.select("topic", "name").iter_rows())}
    numbers = sorted(set(topics.assignments["topic"]))
    table = _beside_joint(_profiles(rows, numbers, taxonomy=ds.taxonomy, interval=interval))
    table = table.hstack(_shrunken(rows, numbers, taxonomy=ds.taxonomy))
    stamp = {"n_all": pl.lit(rows.height, pl.Int64), "population": pl.lit(f"{ds.item}s"), "where": pl.lit(where)}
    stamp["interval"] = pl.lit(interval)
    return (
        table.with_columns(cs.float().fill_nan(None))
        .with_columns(_undefined().alias("undefined"), **stamp, rule=pl.lit(RULE))
        .insert_column(1, pl.Series("name", [names[topic] for topic in table["topic"]], pl.String))
        .drop("effective")
    )


def _shrunken(rows: pl.DataFrame, numbers: list[int], *, taxonomy: Taxonomy) -> list[pl.Series]:
    """Shares of each category drawn towards its shares in all topics; one row a topic and category."""
    inside = rows["topic"].to_numpy()[:, None] == np.array(numbers)
    n = cluster_sums(inside.astype(np.float64), clusters=rows["prompt_id"].to_numpy())
    found: list[list[Floats]] = []
    reasons: list[list[str | None]] = []
    for flag in taxonomy.flags(rows["labels"]).T:
        hits = cluster_sums((inside & flag[:, None]).astype(np.float64), clusters=rows["prompt_id"].to_numpy())
        drawn = shrunken_shares(hits, n)
        found.append([drawn.estimate, drawn.low, drawn.high])
        reasons.append([drawn.undefined or (None if there else NO_PAIR) for there in np.count_nonzero(n, axis=0)])
    of_topics = np.array(found).transpose(1, 2, 0).reshape(3, -1)
    names = ("share_shrunken", "share_shrunken_low", "share_shrunken_high")
    of_rows = [why for of_topic in zip(*reasons, strict=True) for why in of_topic]
    shares = [pl.Series(name, values) for name, values in zip(names, of_topics, strict=True)]
    return [*shares, pl.Series("undefined_shrunken", of_rows, pl.String)]


def _profiles(
    rows: pl.DataFrame, numbers: list[int], *, taxonomy: Taxonomy, interval: str
) -> Callable[[float], pl.DataFrame]:
    """Shares and lifts of all topics, as a function of the level of their intervals."""
    flags = taxonomy.flags(rows["labels"]).astype(np.float64)
    prompts, topics = rows["prompt_id"].to_numpy(), rows["topic"].to_numpy()
    everything = cluster_sums(np.column_stack([np.ones(rows.height), flags]), clusters=prompts)

    def at(confidence: float) -> pl.DataFrame:
        return pl.concat(
            _of_topic(
                number,
                cluster_sums(np.column_stack([inside, flags * inside[:, None]]), clusters=prompts),
                everything=everything,
                keys=taxonomy.keys,
                confidence=confidence,
                interval=interval,
            )
            for number in numbers
            for inside in [(topics == number).astype(np.float64)]
        )

    return at


def _of_topic(
    number: int, inside: Floats, *, everything: Floats, keys: Sequence[str], confidence: float, interval: str
) -> pl.DataFrame:
    """Profile of one topic from the sums by prompt of its pairs, and of all pairs, counted and by category."""
    share = INTERVALS[interval](inside[:, 1:], inside[:, :1], confidence=confidence)
    lift = lift_interval(inside[:, 1:], inside[:, :1], of=(everything[:, 1:], everything[:, :1]), confidence=confidence)
    counts = inside.sum(axis=0).astype(np.int64)
    totals = everything.sum(axis=0)
    return pl.DataFrame(
        {
            "topic": pl.Series(np.repeat(number, len(keys)), dtype=pl.Int64),
            "category": keys,
            "n": np.repeat(counts[0], len(keys)),
            "n_category": counts[1:],
            "prompts": np.repeat(np.count_nonzero(inside[:, 0]), len(keys)).astype(np.int64),
            "share": share.estimate,
            "share_low": share.low,
            "share_high": share.high,
            "share_all": ratio(totals[1:], totals[0]),
            "lift": lift.estimate,
            "lift_low": lift.low,
            "lift_high": lift.high,
            "few_prompts": lift.is_bounded | (share.effective < FEWEST_EFFECTIVE),
            "effective": share.effective,
        }
    )


def _beside_joint(profiles: Callable[[float], pl.DataFrame]) -> pl.DataFrame:
    """Intervals one by one, and beside them those that hold together."""
    table = profiles(0.95)
    family = int(table["lift_low"].is_finite().sum())
    joint = profiles(1 - 0.05 / max(family, 1))
    ends = (joint[name].alias(f"{name}_joint") for name in ("lift_low", "lift_high"))
    return table.with_columns(*ends, pl.lit(family, pl.Int64).alias("family"))


def _undefined() -> pl.Expr:
    too_few = pl.format(
        "the effective number of its prompts is {}, and an interval needs " + str(FEWEST_EFFECTIVE),
        pl.col("effective").floor().cast(pl.Int64),
    )
    return (
        pl.when(pl.col("n") == 0)
        .then(pl.lit(NO_PAIR))
        .when(pl.col("lift").is_null())
        .then(pl.lit("no pair has this category"))
        .when(pl.col("lift_low").is_null() & (pl.col("effective") >= FEWEST_EFFECTIVE))
        .then(pl.lit("every pair is of this topic, so its lift is 1 by construction"))
        .when(pl.col("lift_low").is_null())
        .then(too_few)
    )


DESCRIBING_SHARE = 0.5
"""Share of a topic's unsafe pairs that a category needs in order to describe the topic."""


@dataclass(frozen=True, eq=False)
class TopicAgreement:
    """Agreement of topics with harm categories, over unsafe pairs.

    Attributes
    ----------
    ami : float or None
        Adjusted mutual information of topic and exact label set, about 0 for chance and 1 for
        the same partition; outliers are one group. None where `undefined` says why.
    ami_inside : float or None
        The same without outliers.
    ami_first : float or None
        The same with the first category of each label set, as a single-label user would have it.
    intervals : dict of str to tuple of two floats, or None
        95 % interval of each of these three, a conservative one. Its reach are 1.96 standard deviations of the values
        in random halves of the prompts, drawn without replacement (the jackknife that leaves out half, Shao & Wu 1989;
        a bootstrap would draw prompts twice, whose pairs agree with themselves and inflate it). It goes up from the
        estimate, and down from what is left of it above `by_prompt`. None below 20 effective prompts, or where all
        halves agree alike.
    by_prompt : dict of str to float, or None
        What each of the three would be if topics knew nothing of label sets but what prompts make of both: the mean
        over exchanges of label sets between whole prompts of like size. AMI takes pairs for independent; answers to
        one prompt share a topic and labels, so it is above 0 by that alone.
    n, n_label_sets, n_topics : int
        Unsafe pairs counted, label sets among them, topics among them.
    outlier_share : float or None
        Share of these pairs with topic -1.
    undefined : str or None
        Why a value is None.
    categories : DataFrame
        `btviz.topic_categories` over unsafe pairs, plus `describes`: the category holds for at
        least half of the topic's unsafe pairs, and the lift's interval lies above 1.
    undescribed : DataFrame
        Topics that no category describes, outliers left out: `topic`, `name`, `n` (unsafe
        pairs), `category` (the most frequent one), `share`, `lift`, `why`.
    """

    ami: float | None
    ami_inside: float | None
    ami_first: float | None
    intervals: dict[str, tuple[float, float] | None]
    by_prompt: dict[str, float | None]
    n: int
    n_label_sets: int
    n_topics: int
    outlier_share: float | None
    undefined: str | None
    categories: pl.DataFrame
    undescribed: pl.DataFrame


def topic_agreement(ds: Dataset, topics: Topics, *, n_boot: int = 200, random_state: int = 0) -> TopicAgreement:
    """Compare topics with the label sets of unsafe pairs.

    Parameters
    ----------
    ds : Dataset
        The data set the topics were fitted on.
    topics : Topics
        From `fit_topics`.
    n_boot, random_state : int
        Halves of the prompts that are drawn for the intervals, and seed.

    Returns
    -------
    TopicAgreement
        Adjusted mutual information is that of Vinh, Epps and Bailey (2010), arithmetic mean.

    Raises
    ------
    UsageError
        If no unsafe pair with a topic is labelled by category.
    """
    rows = labelled_pairs(ds, topics.assignments).filter(~pl.col("is_safe"))
    categories = topic_categories(ds, topics, where="unsafe")
    describes = (pl.col("share") >= DESCRIBING_SHARE) & (pl.col("lift_low") > 1)
    categories = categories.with_columns(describes.fill_null(value=False).alias("describes"))
    inside = rows.filter(pl.col("topic") >= 0)
    lowest = pl.col("labels").cast(pl.Int64) & -pl.col("labels").cast(pl.Int64)
    compared = {"ami": rows, "ami_inside": inside, "ami_first": rows.with_columns(lowest.alias("labels"))}
    found = {name: _ami(part["labels"], part["topic"]) for name, part in compared.items()}
    shared = {
        name: None if found[name][0] is None else _by_prompt(part, random_state) for name, part in compared.items()
    }
    intervals = {
        name: None
        if shared[name] is None
        else _by_halves(part, n_halves=n_boot, random_state=random_state, shared=shared[name] or 0.0)
        for name, part in compared.items()
    }
    return TopicAgreement(
        **{name: value for name, (value, _) in found.items()},
        intervals=intervals,
        by_prompt=shared,
        n=rows.height,
        n_label_sets=rows["labels"].n_unique(),
        n_topics=inside["topic"].n_unique(),
        outlier_share=1 - inside.height / rows.height if rows.height else None,
        undefined=found["ami"][1],
        categories=categories,
        undescribed=_undescribed(categories),
    )


_EXCHANGES = 50
_LIKE_SIZE = 8  # prompts, at least, among which label sets are exchanged


def _by_prompt(rows: pl.DataFrame, random_state: int) -> float:
    """Agreement of topics and label sets where the latter are exchanged between prompts of like size."""
    ordered = rows.sort("prompt_id", maintain_order=True)
    labels, topics = ordered["labels"].to_numpy(), ordered["topic"].to_numpy()
    prompt = ordered["prompt_id"].rank("dense").cast(pl.Int64).to_numpy() - 1
    sizes = np.bincount(prompt)
    starts = np.cumsum(sizes) - sizes
    place = np.arange(len(prompt)) - starts[prompt]
    by_size = np.argsort(sizes, kind="stable")
    first = [0]
    for step in (1 + np.flatnonzero(np.diff(sizes[by_size]))).tolist():
        if min(step - first[-1], len(sizes) - step) >= _LIKE_SIZE:
            first.append(step)
    blocks = np.split(by_size, first[1:])
    rng, found = generator(random_state), []
    for _ in range(_EXCHANGES):
        partner = np.empty(len(sizes), np.int64)
        for block in blocks:
            partner[block] = rng.permutation(block)
        other = partner[prompt]
        turn = rng.integers(2**31, size=len(sizes))[prompt]
        found.append(_ami(labels[starts[other] + (place + turn) % sizes[other]], topics)[0] or 0.0)
    return float(np.mean(found))


def _by_halves(
    rows: pl.DataFrame, *, n_halves: int, random_state: int, shared: float = 0.0
) -> tuple[float, float] | None:
    """Interval of the agreement of topics and label sets from halves of the prompts; see `TopicAgreement`."""
    check_repeats(n_halves)
    prompt = rows["prompt_id"].rank("dense").cast(pl.Int64).to_numpy() - 1
    labels, topics = rows["labels"].to_numpy(), rows["topic"].to_numpy()
    weights = np.bincount(prompt)
    if effective_number(weights) < FEWEST_EFFECTIVE:
        return None
    rng = generator(random_state)
    drawn = []
    for _ in range(n_halves):
        inside = (rng.permutation(len(weights)) < len(weights) // 2)[prompt]
        drawn.append(_ami(labels[inside], topics[inside])[0])
    known = np.array([value for value in drawn if value is not None])
    if len(known) < n_halves or known.std() < _ROUNDING:
        return None
    estimate, reach = _ami(labels, topics)[0] or 0.0, normal_quantile(0.95) * float(known.std())
    above = (estimate - shared) / (1 - shared) if shared < 1 else estimate
    return min(above, estimate) - reach, min(estimate + reach, 1.0)


def _ami(first: ArrayLike, second: ArrayLike) -> tuple[float | None, str | None]:
    first_codes, second_codes = np.asarray(first), np.asarray(second)
    if min(len(np.unique(first_codes)), len(np.unique(second_codes))) < 2:
        return None, "all these pairs have one topic, or one label set: there is nothing to agree on"
    metrics = require("sklearn.metrics", extra="topics")
    return float(metrics.adjusted_mutual_info_score(first_codes, second_codes)), None


def _undescribed(categories: pl.DataFrame) -> pl.DataFrame:
    described = categories.filter("describes")["topic"].unique()
    best = (
        categories.filter((pl.col("topic") >= 0) & ~pl.col("topic").is_in(described.implode()))
        .sort("topic", "share", descending=[False, True], nulls_last=True, maintain_order=True)
        .group_by("topic", maintain_order=True)
        .first()
    )
    why = (
        pl.when(pl.col("n") == 0)
        .then(pl.lit("no unsafe pair"))
        .when(pl.col("share") < DESCRIBING_SHARE)
        .then(pl.lit("no category holds for half of its unsafe pairs"))
        .otherwise(pl.lit("the most frequent category is not shown to be more frequent here than elsewhere"))
    )
    return best.select("topic", "name", "n", "category", "share", "lift", why.alias("why"))
