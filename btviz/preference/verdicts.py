"""What a share of comparisons means, in words that are made from the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from btviz.data.dataset import Dataset
from btviz.data.releases import RELEASES
from btviz.errors import UsageError
from btviz.preference.comparisons import STRATA, Comparisons
from btviz.stats.resampling import Level
from btviz.taxonomy.findings import Decision, Finding

ASSOCIATED = "associated"
ORTHOGONAL = "practically orthogonal"
UNDECIDED = "undecided"

HALF = 0.5

_FIRST = ("grouping", "level", "n", "prompts", "p", "p_low", "p_high", "p_value", "verdict")


@dataclass(frozen=True)
class Margin:
    """How far p may lie from 1/2 and still count as practically orthogonal."""

    width: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.width < 1:
            raise UsageError(
                f"A margin of {self.width} on |2p - 1| was asked for; it lies above 0 and below 1. Use 0.1, say."
            )

    @property
    def low(self) -> float:
        """Smallest p inside the margin."""
        return (1 - self.width) / 2

    @property
    def high(self) -> float:
        """Largest p inside the margin."""
        return (1 + self.width) / 2

    def kind(self, low: float | None, high: float | None) -> str:
        """Conclusion from an interval of p: associated, practically orthogonal or undecided.

        Associated means that the whole interval lies beyond the margin, practically orthogonal
        that it lies inside. Whether a test was significant plays no part.
        """
        if low is None or high is None:
            return UNDECIDED
        if low > self.high or high < self.low:
            return ASSOCIATED
        return ORTHOGONAL if low > self.low and high < self.high else UNDECIDED

    def __str__(self) -> str:
        return f"{100 * self.low:.4g} to {100 * self.high:.4g} %"


def name_of(ds: Dataset) -> str:
    """How a verdict names the data: the release, synthetic, or the file of which no release is known."""
    if ds.is_synthetic:
        return ds.population
    if ds.release is not None:
        title = RELEASES[ds.release].title
        return f"{title}, {ds.extent}" if ds.extent else title
    return f"{ds.name} (your own file)"


def could_show(detectable: float | None) -> str:
    """What prompts could have shown, in words."""
    if detectable is None:
        return "so few prompts show no |2p − 1| with 80 % power at a level of 5 %"
    return f"these prompts show a |2p − 1| of {detectable:.2g} or more with 80 % power at a level of 5 %"


def verdict(share: Finding, *, level: str, named: str, margin: Margin, detectable: float | None = None) -> str:
    """Sentence on a share of real comparisons; where it is undecided, with what could have been shown."""
    kind = margin.kind(share.low, share.high)
    place = named if level == "all" else f"{named}, {level}"
    if share.value is None:
        return f"{kind}: in {place}, {share.doubt}"
    observed = f"in {place}, the better answer is the safer one in {share}"
    side = "more" if share.value > HALF else "less"
    forced = "; there the safety labels force which answer is safer" if level == "mixed" else ""
    return Decision({ASSOCIATED: 1, ORTHOGONAL: -1, UNDECIDED: 0}[kind]).words(
        below=f"{kind}: {observed}; the whole interval lies inside the margin of {margin}",
        undecided=f"{kind}: {observed}"
        + (f"; the interval lies neither inside nor outside the margin of {margin}" if share.has_interval else "")
        + f"; {could_show(detectable)}",
        above=f"{kind}: {observed}, {side} often than the margin of {margin}{forced}",
    )


@dataclass(frozen=True)
class Planted:
    """Values of p that were planted in synthetic data."""

    by_stratum: Mapping[str, float]

    def verdict(self, share: Finding, *, mix: Mapping[str, int], is_planted: bool) -> str:
        """Sentence on a share of synthetic comparisons, which says nothing about any release."""
        if not self.by_stratum or set(mix) - set(self.by_stratum) or not sum(mix.values()):
            return f"synthetic, true p unknown; found {share}"
        p = sum(self.by_stratum[stratum] * n for stratum, n in mix.items()) / sum(mix.values())
        how = "" if len(mix) == 1 else " as the mean of its strata"
        if not is_planted:
            how = " if its strata alone mattered, though other things matter too"
        return f"synthetic, true p = {p:.3f}{how}; found {share}"


def planted_in(ds: Dataset) -> Planted:
    """What the facts of a synthetic data set tell of the p it was made with."""
    assumed = ds.facts.get("assumptions", {})
    return Planted({s: float(assumed[f"p_{s}"]) for s in STRATA if f"p_{s}" in assumed})


def with_verdicts(
    shares: pl.DataFrame, comparisons: Comparisons, *, levels: Sequence[Level], ds: Dataset, margin: Margin
) -> pl.DataFrame:
    """Name the levels, count what breaks the rule, and put the numbers in words."""
    planted, named = planted_in(ds), name_of(ds)
    broken = comparisons.frame["broken"].fill_null(value=False).to_numpy()
    strata = comparisons.frame["stratum"]
    rows = []
    for level, row in zip(levels, shares.iter_rows(named=True), strict=True):
        share = Finding.of(row, "p", items="comparisons")
        if ds.is_synthetic:
            mix = strata.filter(pl.Series(level.member)).fill_null("unknown").value_counts()
            is_planted = level.grouping in {"all", "stratum"}
            sentence, kind = planted.verdict(share, mix=dict(mix.iter_rows()), is_planted=is_planted), None
        else:
            detectable = row["smallest_detectable"]
            sentence = verdict(share, level=level.name, named=named, margin=margin, detectable=detectable)
            kind = margin.kind(share.low, share.high)
        rows.append((level.grouping, level.name, sentence, kind, int(broken[level.member].sum())))
    names = ["grouping", "level", "verdict", "conclusion", "rule_broken"]
    words = pl.DataFrame(rows, schema={**dict.fromkeys(names[:4], pl.String), "rule_broken": pl.Int64}, orient="row")
    table = pl.concat([words, shares], how="horizontal")
    rest = [name for name in ("conclusion", *shares.columns, "rule_broken") if name not in _FIRST]
    return table.select(*_FIRST, *[n for n in rest if n != "undefined"], "undefined")
