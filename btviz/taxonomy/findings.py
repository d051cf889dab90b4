"""Findings in words: an estimate is never said without its interval, its number of items and its doubt.

A `Finding` is made from a row of a table, and its text holds all of that whether its author thinks of it or not.
Whether a difference may be claimed is decided here and nowhere else: `Finding.against` a value, `apart` for two of
several, and `extremes` for the ends of a list. Each gives a `Decision`, which turns into words one of three ways.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any, NamedTuple

LEVEL = 0.05
"""Chance of a claim where there is nothing to claim: of one decision, or of any among those compared together."""

NOT_DECIDED = "not decided"


class Unit(NamedTuple):
    """How numbers of a kind are written: a factor, digits, what follows, and what leads to the number of items.

    `least` and `most` are the values that one can have at all.
    """

    scale: float
    digits: int
    name: str
    leads: str
    least: float = -math.inf
    most: float = math.inf


SHARE = Unit(100, 1, " %", " of ", 0, 1)
RATE = Unit(100, 1, " %", " over ", 0, 1)
POINTS = Unit(100, 1, " points", " over ", -1, 1)
NUMBER = Unit(1, 2, "", " over ")
SMALL = Unit(1, 3, "", " over ")


@dataclass(frozen=True)
class Decision:
    """What an interval says of a difference: -1 below, 1 above, 0 not decided."""

    side: int

    def words(self, *, below: str, undecided: str, above: str) -> str:
        """The words that the decision allows."""
        return (undecided, above, below)[self.side]

    @classmethod
    def of_p(cls, p_value: float | None, *, level: float = LEVEL) -> Decision:
        """That of a test without direction: 1 where it rejects."""
        return cls(int(p_value is not None and p_value < level))


@dataclass(frozen=True)
class Finding:
    """An estimate that cannot be put into words without what it rests on.

    Attributes
    ----------
    value, low, high : float or None
        Estimate and ends of its 95 % interval; None where undefined.
    n : int
        Items it was made from.
    items : str
        What these are: "comparisons", or "comparisons of 734 prompts".
    doubt : str or None
        Why the value or its interval is missing, or what to mind of it.
    unit : Unit
        How it is written.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    items: str
    doubt: str | None = None
    unit: Unit = SHARE

    @classmethod
    def of(cls, row: Mapping[str, Any], value: str, /, *, items: str, n: str = "n", unit: Unit = SHARE) -> Finding:
        """That of a row: `value`, its ends in columns of its name or in ``low`` and ``high``, `n` and ``undefined``."""
        low, high = (f"{value}_low", f"{value}_high") if f"{value}_low" in row else ("low", "high")
        return cls(row[value], row[low], row[high], int(row[n] or 0), items, row.get("undefined"), unit)

    @property
    def has_interval(self) -> bool:
        """Whether there is an interval, without which nothing is claimed."""
        return self.value is not None and self.low is not None and self.high is not None

    @property
    def is_plain(self) -> bool:
        """Whether there is an interval and nothing to mind of it, such as few prompts."""
        return self.has_interval and self.doubt is None

    def __str__(self) -> str:
        """Estimate, interval, number of items, and what to mind: ``59.0 % [55.1, 62.8] of 900 comparisons``."""
        counted = f"{self.n:,} {self.items}"
        if self.value is None:
            return f"no value over {counted} ({self.doubt or 'nothing to measure'})"
        if not self.has_interval:
            why = self.doubt or "none was computed"
            return f"{self._number(self.value)}{self.unit.leads}{counted} (no interval: {why})"
        mind = "" if self.doubt is None else f" (note: {self.doubt})"
        return f"{self._number(self.value)} {self.interval}{self.unit.leads}{counted}{mind}"

    @property
    def interval(self) -> str:
        """Ends of the interval: ``[55.1, 62.8]``, ``[above 55.1]`` if nothing bounds it; empty where there is none."""
        if self.low is None or self.high is None:
            return ""
        if math.isinf(self.high):
            return f"[above {self.unit.scale * self.low:.{self.unit.digits}f}]"
        ends = ", ".join(f"{self.unit.scale * end:.{self.unit.digits}f}" for end in (self.low, self.high))
        return f"[{ends}]"

    def _number(self, value: float) -> str:
        if self.unit.name == SHARE.name and 0 < value < 0.0005:
            return "< 0.1 %"  # rounding would hide that there is one
        return f"{self.unit.scale * value:.{self.unit.digits}f}{self.unit.name}"

    def against(self, value: float, *, among: int = 1) -> Decision:
        """Which side of a value the whole interval lies on, adjusted for so many that are claimed of together."""
        wide = self.widened(among)
        if wide.low is None or wide.high is None or wide.value is None:
            return Decision(0)
        return Decision(int(wide.low > value) - int(wide.high < value))

    def widened(self, among: int) -> Finding:
        """The same with the interval of level 1 - 0.05 / among, so that all of them hold at once (Bonferroni).

        Ends move as those of a normal interval do, on the scale of the log-odds between the least and the most that
        the unit allows, which they so never leave. Where the value is such a bound they move as exact ones do.
        """
        if self.value is None or self.low is None or self.high is None or among < 2:
            return self
        low, high = (_further(self.value, end, among=among, unit=self.unit) for end in (self.low, self.high))
        return replace(self, low=low, high=high)

    def less(self, other: Finding, *, unit: Unit = POINTS) -> Finding:
        """Difference of two by MOVER (Zou and Donner 2008): as if independent, so wide where they go together."""
        if self.value is None or other.value is None:
            return Finding(None, None, None, self.n, self.items, self.doubt or other.doubt, unit)
        gap, doubt = self.value - other.value, self.doubt or other.doubt
        if None in (self.low, self.high, other.low, other.high):
            return Finding(gap, None, None, self.n, self.items, doubt, unit)
        down = math.hypot(self.value - (self.low or 0.0), (other.high or 0.0) - other.value)
        up = math.hypot((self.high or 0.0) - self.value, other.value - (other.low or 0.0))
        return Finding(gap, gap - down, gap + up, self.n, self.items, doubt, unit)


_LARGEST_LOG = 700.0  # of what exp still takes


def _further(value: float, end: float, *, among: int, unit: Unit) -> float:
    """An end of an interval moved away from the value, to the level for so many intervals."""
    times = _quantile(LEVEL / among) / _quantile(LEVEL)
    if not (math.isfinite(unit.least) and math.isfinite(unit.most)):
        return value + times * (end - value)
    width = unit.most - unit.least
    share, at = (min(max((number - unit.least) / width, 0.0), 1.0) for number in (value, end))
    if share in {0.0, 1.0}:  # 0 of n: 1 - (level / 2)**(1 / n), Clopper and Pearson 1934
        left = abs(share - at)
        moved: float = 1 - (1 - left) ** (math.log(LEVEL / among / 2) / math.log(LEVEL / 2))
        return unit.least + width * abs(share - moved)
    if at in {0.0, 1.0}:
        return unit.least + width * at
    odds = [math.log(part / (1 - part)) for part in (share, at)]
    return unit.least + width / (1 + math.exp(min(-odds[0] - times * (odds[1] - odds[0]), _LARGEST_LOG)))


def _quantile(level: float) -> float:
    return NormalDist().inv_cdf(1 - level / 2)


def apart(first: Finding, second: Finding, *, among: int = 2) -> Decision:
    """Whether the first lies above or below the second, of so many whose ends were compared.

    Their intervals at level ``1 - 0.05 / among`` may not meet. That holds however the estimates depend on each other,
    and whichever two of them were picked after looking.
    """
    one, two = first.widened(among), second.widened(among)
    if one.low is None or one.high is None or two.low is None or two.high is None:
        return Decision(0)
    return Decision(int(one.low > two.high) - int(one.high < two.low))


def together(findings: Iterable[tuple[str, Finding]]) -> list[str]:
    """Several findings, each after its name, with the items said once, at the end, where all rest on the same ones."""
    known = list(findings)
    counts = {(found.n, found.items, found.unit.leads) for _, found in known if found.is_plain}
    if len(known) < 2 or len(counts) != 1 or not all(found.is_plain for _, found in known):
        return [f"{name} {found}" for name, found in known]
    ((n, items, leads),) = counts
    numbers = [f"{name} {found._number(found.value or 0.0)} {found.interval}" for name, found in known]
    return [*numbers[:-1], f"{numbers[-1]}, each{leads}{n:,} {items}"]


def extremes(findings: Iterable[tuple[str, Finding]], *, what: str) -> str | None:
    """The lowest and the highest of several, and whether they differ at all.

    Those without an interval, or with one that rests on few prompts, are not named as an extreme: chance alone puts
    them at the ends. They count among those that were compared.

    Parameters
    ----------
    findings : iterable of (str, Finding)
        Names and findings.
    what : str
        What they are, in the plural: "categories".

    Returns
    -------
    str or None
        ``from 40.0 % [..] of 90 answers (A) to 60.0 % [..] of 80 answers (B), which differ``; None where fewer than two
        have a plain interval.
    """
    known = list(findings)
    plain = sorted(((name, found) for name, found in known if found.is_plain), key=lambda pair: pair[1].value or 0.0)
    if len(plain) < 2:
        return None
    (low_name, lowest), (high_name, highest) = plain[0], plain[-1]
    decided = apart(highest, lowest, among=sum(found.has_interval for _, found in known))
    ends = f"from {lowest} ({low_name}) to {highest} ({high_name})"
    verdict = decided.words(
        below="", undecided=f"; whether any of the {len(plain)} {what} differ is {NOT_DECIDED}", above=", which differ"
    )
    return f"{ends}{verdict}{_left_out(len(known) - len(plain), len(known))}"


def _left_out(left: int, total: int) -> str:
    return f"; {left} of {total} rest on too few prompts to be named" if left else ""
