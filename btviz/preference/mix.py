"""Which harms data sets hold, beside each other: shares by category from rows, or from what a release publishes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.data.dataset import Dataset, expect_dataset
from btviz.data.releases import RELEASES, published, release
from btviz.errors import UsageError, choice
from btviz.preference.shares import reasons_of
from btviz.preference.verdicts import name_of
from btviz.stats.association import Floats, wilson
from btviz.stats.clustered import ClusterInterval, moved, share_interval
from btviz.stats.resampling import cluster_sums
from btviz.taxonomy.categories import TAXONOMIES, Taxonomy
from btviz.taxonomy.crosswalk import carried_over, counterparts

SUBSETS = ("all", "unsafe")

MIX = pl.Schema(
    {
        "category": pl.String(),
        "name": pl.String(),
        "against": pl.String(),
        "where": pl.String(),
        "n_category": pl.Int64(),
        "n": pl.Int64(),
        "prompts": pl.Int64(),
        "share": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "low_joint": pl.Float64(),
        "high_joint": pl.Float64(),
        "source": pl.String(),
        "undefined": pl.String(),
    }
)

_ROWS, _ANSWERS = "rows: annotations", "rows: both answers of each comparison"
_PUBLISHED = "published counts of {}; answers to one prompt are taken for copies of each other"


@dataclass(frozen=True, eq=False)
class _Mix:
    """Shares of all categories in one data set: of single intervals, and of intervals that hold together."""

    name: str
    counts: list[int | None]
    n: int
    prompts: int | None
    single: ClusterInterval
    joint: ClusterInterval
    source: str
    undefined: list[str | None]


def category_mix(datasets: Sequence[Dataset | str], *, where: str = "all") -> pl.DataFrame:
    """Compare how often each harm category occurs in data sets, or splits, or in what was published of a release.

    Parameters
    ----------
    datasets : sequence of Dataset or str
        Two or more. A Dataset is counted by its rows: annotations, or both answers of each comparison where it has
        none. A str is the name of a release whose rows are not here, of which counts were published: "beavertails-30k"
        (Figure 1), "beavertails-330k" and "pku-saferlhf" (train splits).
    where : {"all", "unsafe"}
        Shares of all rows, or of the unsafe ones.

    Returns
    -------
    DataFrame
        One row per category of the first data set and data set, `against` null, then one per category and pair of data
        sets, whose `share` is the first's less the second's: `category` (released key), `name`, `against`, `where`,
        `n_category`, `n` (rows; null in differences), `prompts`, `share` (0 .. 1, or -1 .. 1), `low`, `high` (95 % by
        prompt), `low_joint`, `high_joint` (all categories and pairs of the table at once, Bonferroni), `source` (rows,
        or published counts and how), `undefined`.

    Raises
    ------
    UsageError
        If there are fewer than two, an option is unknown, no counts were published, or two taxonomies do not
        correspond.

    Notes
    -----
    Intervals of shares are those of `btviz.stats.clustered.share_interval`. Published counts do not tell which rows
    share a prompt, so their interval is Wilson's with as many items as there are prompts, which is wide rather than
    narrow. Differences are by Newcombe (1998), who puts the ends of both together as if data sets were independent of
    each other: too wide, not too narrow, where they share prompts.
    """
    choice(where, SUBSETS, what="subset")
    if len(datasets) < 2:
        raise UsageError(f"{len(datasets)} data sets were to be compared; two are needed. Load another one.")
    taxonomy = _taxonomy(datasets[0])
    pairs = len(datasets) * (len(datasets) - 1) // 2
    level = 1 - 0.05 / (len(taxonomy) * pairs)
    mixes = _told_apart([_mix(each, taxonomy, where=where, level=level) for each in datasets])
    rows = [row for mix in mixes for row in _shares(mix, taxonomy)]
    rows += [row for two in combinations(mixes, 2) for row in _differences(*two, taxonomy=taxonomy)]
    table = pl.DataFrame(rows, schema={name: kind for name, kind in MIX.items() if name != "where"})
    return table.with_columns(pl.lit(where).alias("where"), pl.col(pl.Float64).fill_nan(None)).select(list(MIX))


def category_shares_by_prompt(ds: Dataset, *, where: str = "all") -> pl.DataFrame:
    """The rows of `category_mix` that are of one data set: shares of its rows with intervals by prompt."""
    choice(where, SUBSETS, what="subset")
    mix = _mix(ds, ds.taxonomy, where=where, level=1 - 0.05 / len(ds.taxonomy))
    table = pl.DataFrame(
        _shares(mix, ds.taxonomy), schema={name: kind for name, kind in MIX.items() if name != "where"}
    )
    return table.with_columns(pl.lit(where).alias("where"), pl.col(pl.Float64).fill_nan(None)).select(list(MIX))


def _told_apart(mixes: list[_Mix]) -> list[_Mix]:
    """Data sets of one name get a number after it."""
    names = [mix.name for mix in mixes]
    times = [names[:place].count(name) + 1 for place, name in enumerate(names)]
    return [replace(mix, name=f"{mix.name} ({n})") if n > 1 else mix for mix, n in zip(mixes, times, strict=True)]


def _taxonomy(source: Dataset | str) -> Taxonomy:
    if isinstance(source, str):
        return TAXONOMIES[release(source).taxonomy]
    expect_dataset(source)
    return source.taxonomy


def _mix(source: Dataset | str, taxonomy: Taxonomy, *, where: str, level: float) -> _Mix:
    if isinstance(source, str):
        return _of_counts(source, taxonomy, where=where, level=level)
    expect_dataset(source)
    kin = counterparts(source.taxonomy, taxonomy)
    reached = {key for keys in kin.values() for key in keys}
    rows = source.annotations if source.annotations.height else _answers(source.preferences)
    known = rows.drop_nulls(["labels", "is_safe"])
    if known.is_empty():
        raise UsageError(
            f"The category mix of {source.name!r} was asked for; no row of it names a category and says what is safe. "
            "Use data that were labelled by category."
        )
    counted = known if where == "all" else known.filter(~pl.col("is_safe"))
    carried = counted.select("prompt_id", carried_over(source.taxonomy, taxonomy).alias("labels"))
    flags = carried.select(taxonomy.has(key).alias(key) for key in taxonomy.keys).to_numpy()
    sums = cluster_sums(np.column_stack([np.ones(len(flags)), flags]), clusters=carried["prompt_id"].to_numpy())
    n, hits = (np.repeat(sums[:, :1], len(taxonomy), axis=1), sums[:, 1:])
    known_here = np.array([key in reached for key in taxonomy.keys])
    single, joint = (_where(known_here, share_interval(hits, n, confidence=confidence)) for confidence in (0.95, level))
    reasons = reasons_of(single, nothing="no row of it names a category")
    absent = [None if key in reached else f"{source.taxonomy.name} has no such category" for key in taxonomy.keys]
    return _Mix(
        name_of(source),
        counts=[int(n) if known else None for n, known in zip(hits.sum(axis=0), known_here, strict=True)],
        n=len(flags),
        prompts=len(sums),
        single=single,
        joint=joint,
        source=_ROWS if source.annotations.height else _ANSWERS,
        undefined=[lack or reason for lack, reason in zip(absent, reasons, strict=True)],
    )


def _where(known: NDArray[np.bool_], interval: ClusterInterval) -> ClusterInterval:
    """Intervals of categories that the data can have; a category that they cannot have is not 0."""
    estimate, low, high = (np.where(known, v, np.nan) for v in (interval.estimate, interval.low, interval.high))
    return replace(interval, estimate=estimate, low=low, high=high)


def _answers(preferences: pl.DataFrame) -> pl.DataFrame:
    return pl.concat(
        preferences.select(
            "prompt_id", pl.col(f"labels_{side}").alias("labels"), pl.col(f"is_safe_{side}").alias("is_safe")
        )
        for side in (0, 1)
    )


def _of_counts(name: str, taxonomy: Taxonomy, *, where: str, level: float) -> _Mix:
    """Shares from what was published of a release whose rows are not here."""
    if release(name).taxonomy != taxonomy.name:
        raise UsageError(
            f"Published counts of {name!r} were to be compared with categories of {taxonomy.name!r}; its own are those "
            f"of {release(name).taxonomy!r}, and counts cannot be carried over. Put data with these first."
        )
    counts, n, prompts, split = _published(name, taxonomy, where=where)
    shares = counts / n
    whole = _whole(shares, prompts=prompts)
    told = RELEASES[name].title + (f", {split} split" if split else "")
    return _Mix(
        told,
        counts=[round(count) for count in counts],
        n=n,
        prompts=None if where == "unsafe" else int(prompts),
        single=whole(0.95),
        joint=whole(level),
        source=_PUBLISHED.format(f"the {split} split" if split else "the whole release"),
        undefined=[None] * len(counts),
    )


def _whole(shares: Floats, *, prompts: float) -> Callable[[float], ClusterInterval]:
    """Intervals of shares in which the answers to one prompt are copies."""

    def at(confidence: float) -> ClusterInterval:
        low, high = wilson(shares * prompts, n=np.full(len(shares), prompts), level=confidence)
        worth = np.full(len(shares), float(prompts))
        return ClusterInterval(shares, low, high, worth, worth * shares, np.ones(len(shares), bool))

    return at


def _published(name: str, taxonomy: Taxonomy, *, where: str) -> tuple[Floats, int, float, str | None]:
    """Rows with each category, all rows, their prompts, and the split, as they were published."""
    if (by_severity := _by_severity(name, taxonomy, where=where)) is not None:
        return by_severity
    counted = published.find(name, "category_count").filter(population="annotations")
    shares = published.find(name, "category_share").filter(population="annotations", where="unsafe")
    printed = counted if counted.height else shares
    if set(printed["category"]) != set(taxonomy.keys):
        raise UsageError(
            f"The category mix of {name!r} was asked for; its rows are not here, and its counts by category were not "
            f"published. Get it: btviz data fetch {name}."
        )
    split = printed["split"][0]
    n, prompts = (_number(name, quantity, split=split) for quantity in ("rows", "unique_prompts"))
    unsafe = _number(name, "share_unsafe", split=None) / 100
    values = np.array([printed.filter(category=key)["value"][0] for key in taxonomy.keys], np.float64)
    counts = values if counted.height else values / 100 * unsafe * n
    if where == "unsafe":  # of how many prompts unsafe rows are was not published: at least of as large a share
        n, prompts = n * unsafe, prompts * unsafe
    return counts, round(n), prompts, split


def _by_severity(name: str, taxonomy: Taxonomy, *, where: str) -> tuple[Floats, int, float, str] | None:
    """The same from counts by severity of both answers of comparisons, where level 0 is what is safe.

    Prompts were counted in the release as a whole: of its split there are taken to be as many as it has of the rows.
    """
    counted = published.find(name, "category_severity_count")
    if set(counted["category"]) != set(taxonomy.keys):
        return None
    split = str(counted["split"][0])
    levels = published.find(name, "severity_count", split=split)
    answers, safe = (
        float(levels["value"].sum()),
        float(levels.filter(pl.col("level").cast(pl.Int64) == 0)["value"].sum()),
    )
    rows = published.find(name, "rows").drop_nulls("split")
    of_split = float(rows.filter(split=split)["value"].sum()) / float(rows["value"].sum())
    prompts = math.floor(_number(name, "unique_prompts", split=None) * of_split)
    counts = np.array([counted.filter(category=key)["value"].sum() for key in taxonomy.keys], np.float64)
    kept = (answers - safe) / answers if where == "unsafe" else 1.0
    return counts, round(answers * kept), prompts * kept, split


def _number(name: str, quantity: str, *, split: str | None) -> float:
    known = published.find(name, quantity).filter(pl.col("split").eq_missing(split))
    if known.is_empty():
        raise UsageError(f"The category mix of {name!r} was asked for; its {quantity} were not published. Fetch it.")
    return float(known["value"][0])


def _shares(mix: _Mix, taxonomy: Taxonomy) -> Iterator[dict[str, Any]]:
    for place, key in enumerate(taxonomy.keys):
        yield {
            "category": key,
            "name": mix.name,
            "n": mix.n,
            "prompts": mix.prompts,
            "source": mix.source,
            "n_category": mix.counts[place],
            "share": float(mix.single.estimate[place]),
            "low": float(mix.single.low[place]),
            "high": float(mix.single.high[place]),
            "low_joint": float(mix.joint.low[place]),
            "high_joint": float(mix.joint.high[place]),
            "undefined": mix.undefined[place],
        }


def _differences(first: _Mix, second: _Mix, *, taxonomy: Taxonomy) -> Iterator[dict[str, Any]]:
    """First less second."""
    single, joint = (moved(np.subtract, *two) for two in ((first.single, second.single), (first.joint, second.joint)))
    for place, key in enumerate(taxonomy.keys):
        reasons = [mix.undefined[place] for mix in (first, second)]
        named = [f"{mix.name}: {reason}" for mix, reason in zip((first, second), reasons, strict=True) if reason]
        yield {
            "category": key,
            "name": first.name,
            "against": second.name,
            "share": float(first.single.estimate[place] - second.single.estimate[place]),
            "low": float(single[0][place]),
            "high": float(single[1][place]),
            "low_joint": float(joint[0][place]),
            "high_joint": float(joint[1][place]),
            "source": " | ".join(dict.fromkeys([first.source, second.source])),
            "undefined": "; ".join(named) or None,
        }
