"""P(better = safer) from the counts that a release publishes about itself, where its rows are not here."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import polars as pl

from btviz.data.releases import RELEASES, published
from btviz.errors import UsageError
from btviz.preference.verdicts import ASSOCIATED, UNDECIDED, Margin
from btviz.stats.association import ratio, wilson
from btviz.taxonomy import percent

NO_PROMPTS = "counts do not tell which comparisons share a prompt, so only the naive interval exists"
"""Why there is no interval by prompt: the naive one holds the sampling error of independent comparisons alone."""


def orthogonality_of_counts(
    release: str = "pku-saferlhf", *, split: str = "train", margin: float = 0.1
) -> pl.DataFrame:
    """Measure P(better = safer) from a release's published counts.

    Parameters
    ----------
    release : str
        Registry name of a release of which the counts `same_selection`,
        `different_selection` and `rows_with_one_safe` were published.
    split : str
        Split that the counts are of.
    margin : float
        Bound on |2p - 1| below which labels count as practically orthogonal, 0 .. 1.

    Returns
    -------
    DataFrame
        Three rows: all comparisons; and those outside the forced stratum, with the least and
        the greatest p that the counts allow, whatever happens in the forced one. Columns as in
        `Orthogonality.table` as far as counts carry them (`p_low`, `p_high` and `p_value` are
        null: see `undefined`), and `smallest_worth`: so many independent comparisons would
        already put the naive interval beyond the margin; null inside it. The verdict says
        "associated" where that is at most a hundredth of the comparisons.

    Raises
    ------
    UsageError
        If a count was not published.
    """
    bounds = Margin(margin)
    same, other, forced = (
        _count(release, quantity, split=split)
        for quantity in ("same_selection", "different_selection", "rows_with_one_safe")
    )
    outside, least, greatest = agreements_outside(same, other, forced=forced)
    levels = ("all", "not mixed, least", "not mixed, greatest")
    n = np.array([same + other, outside, outside])
    hits = np.array([same, least, greatest])
    low, high = wilson(hits, n=n)
    worth = [_smallest_worth(p, bounds) for p in ratio(hits, n).tolist()]
    named = f"{RELEASES[release].title} ({split})"
    verdicts = [
        _verdict(p, level=level, n=total, worth=enough, named=named, margin=bounds)
        for p, level, total, enough in zip(ratio(hits, n).tolist(), levels, n.tolist(), worth, strict=True)
    ]
    return pl.DataFrame(
        {
            "grouping": ["all", "stratum", "stratum"],
            "level": levels,
            "n": n,
            "p": ratio(hits, n),
            "naive_low": low,
            "naive_high": high,
            "smallest_worth": pl.Series(worth, dtype=pl.Int64),
            "verdict": verdicts,
        }
    ).select(
        *("grouping", "level", "n"),
        pl.lit(None, pl.Int64).alias("prompts"),
        "p",
        *(pl.lit(None, pl.Float64).alias(name) for name in ("p_low", "p_high", "p_value")),
        *("verdict", "naive_low", "naive_high", "smallest_worth"),
        pl.lit(NO_PROMPTS).alias("undefined"),
    )


def agreements_outside(same: int, other: int, *, forced: int) -> tuple[int, int, int]:
    """Comparisons outside the forced ones, and the least and the most of them that can agree, whatever those do."""
    outside = same + other - forced
    return outside, max(same - forced, 0), min(same, outside)


NO_ROWS = "the rows are not here, and published counts do not tell it"
"""Why the rest has no value."""


def counts_known(release: str, *, split: str = "train") -> bool:
    """Say whether the counts that `orthogonality_of_counts` needs were published about a release.

    Parameters
    ----------
    release : str
        Any name.
    split : str
        Split that the counts are of.

    Returns
    -------
    bool
    """
    return not published.find(release, "same_selection", split=split).is_empty()


def counts_source(release: str, *, split: str = "train") -> str:
    """Where the counts of a release come from, in words."""
    return str(published.find(release, "same_selection", split=split)["source"][0])


def counted_safe_places(release: str, *, split: str = "train") -> tuple[int, int]:
    """Comparisons of one safe and one unsafe answer whose second answer is the safe one, and all of them."""
    rows = published.find(release, "safety_configuration", split=split).select("level", "value").rows()
    by_level = {level: int(value) for level, value in rows}
    second = by_level["response_0_unsafe_response_1_safe"]
    return second, second + by_level["response_0_safe_response_1_unsafe"]


def _count(release: str, quantity: str, *, split: str) -> int:
    printed = published.find(release, quantity, split=split)
    if printed.is_empty():
        raise UsageError(
            f"P(better = safer) of {release!r}, {split}, was asked for, but no count of {quantity} was published. "
            "Counts of PKU-SafeRLHF, train, were."
        )
    return int(printed["value"][0])


def _smallest_worth(p: float, margin: Margin) -> int | None:
    """Independent comparisons at which the Wilson interval around p first leaves the margin."""
    edge = margin.high if p > 0.5 else margin.low
    if margin.low <= p <= margin.high:
        return None
    z = NormalDist().inv_cdf(0.975)
    return math.ceil(z * z * edge * (1 - edge) / (p - edge) ** 2)


def _verdict(p: float, *, level: str, n: int, worth: int | None, named: str, margin: Margin) -> str:
    place = named if level == "all" else f"{named}, {level}"
    observed = f"in {place}, the better answer is the safer one in {percent(p)} of {n:,} comparisons"
    if worth is None or 100 * worth > n:
        return (
            f"{UNDECIDED}: {observed}; without the prompts of the comparisons that is too near the margin of {margin}"
        )
    return (
        f"{ASSOCIATED}: {observed}, beyond the margin of {margin} unless they are worth "
        f"fewer than {worth:,} independent ones"
    )
