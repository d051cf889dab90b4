"""What is known of scores beside their numbers: what 0 means, what they range over, where they come from.

A table of scores carries its records, so that they go wherever the scores go: `threshold` and `boundary` are columns
of their own, all else is in the column `record`, as JSON, the same in all rows of a model and target.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from typing import Any

from btviz.errors import UsageError, choice

DIRECTIONS = {"reward": "more helpful", "cost": "more harmful", "moderation": "more likely harmful"}
"""What a higher score of each kind says."""

PRESUMED, UNKNOWN = "presumed", "unknown"

BOUNDARIES = (None, PRESUMED, UNKNOWN)
"""Null: it does, as the convention of costs says. Of costs from a file nobody said so (unless some lie below 0 and some
above, it is doubted); or their sign was turned, and nothing is known of their 0."""

LOG_ODDS, PROBABILITY, VERDICT, OTHER = "log-odds", "probability", "verdict", "other"

SCALES = (LOG_ODDS, PROBABILITY, VERDICT, OTHER)
"""How a score speaks of probability: 1 / (1 + exp(-score)) is one, or of rewards their difference's; it is one itself;
it is 0 or 1; or it does not."""


@dataclass(frozen=True)
class ScoreRecord:
    """What is known of the scores of one model, for one target.

    Attributes
    ----------
    kind : str
        "reward", "cost" or "moderation".
    threshold : float or None
        Probability above which a moderation model flags.
    threshold_source : str or None
        Who says so.
    boundary : str or None
        One of `BOUNDARIES`: whether a cost of 0 parts safe from harmful.
    scale : str or None
        One of `SCALES`; None where nobody said.
    low, high : float or None
        Ends of what the scores range over by their making; None where there is none, or it is not known.
    turned : bool
        Whether high meant the opposite in the file they were read from.
    direction_source : str or None
        Who says what a higher score means; None of a model that was run, whose kind says it.
    rescaled : str or None
        What else was done with the numbers of the file.
    revision, template, max_tokens, maker : optional
        Version of the model; what it read an answer in; tokens after which a text was cut off; who made the scores.

    Raises
    ------
    UsageError
        If a value is none of these, or the ends are not in order.
    """

    kind: str
    threshold: float | None = None
    threshold_source: str | None = None
    boundary: str | None = None
    scale: str | None = None
    low: float | None = None
    high: float | None = None
    turned: bool = False
    direction_source: str | None = None
    rescaled: str | None = None
    revision: str | None = None
    template: str | None = None
    max_tokens: int | None = None
    maker: str | None = None

    def __post_init__(self) -> None:
        choice(self.kind, list(DIRECTIONS), what="kind of score")
        if self.boundary is not None:
            choice(self.boundary, [name for name in BOUNDARIES if name], what="boundary of a cost")
        if self.scale is not None:
            choice(self.scale, SCALES, what="scale of a score")
        wrong = [f.name for f in fields(self) if not _fits(f.name, getattr(self, f.name))]
        if wrong or (self.low is not None and self.high is not None and self.low > self.high):
            raise UsageError(
                f"A record of scores was to be made; its {wrong or ['low', 'high']} fit no scores. Give numbers as "
                "numbers, low at most high, true or false for turned, and all else as text."
            )

    @property
    def direction(self) -> str:
        """What a higher score says."""
        return DIRECTIONS[self.kind]

    @property
    def zero(self) -> str:
        """What 0 means: "boundary", "presumed boundary", "unknown", or "nothing" of kinds that have none there."""
        if self.kind != "cost":
            return "nothing"
        return {None: "boundary", PRESUMED: "presumed boundary", UNKNOWN: "unknown"}[self.boundary]

    def columns(self) -> dict[str, float | str | None]:
        """Values of the columns of a table of scores that hold it."""
        others = {k: v for k, v in asdict(self).items() if k not in _OWN_COLUMNS and v is not None and v is not False}
        text = json.dumps(others, sort_keys=True, ensure_ascii=False) if others else None
        return {"threshold": self.threshold, "boundary": self.boundary, "record": text}

    @classmethod
    def of(
        cls, kind: str, *, records: Iterable[str | None], threshold: float | None = None, boundary: str | None = None
    ) -> ScoreRecord:
        """Read it back; of several records, as of scores from several files, what all say, and every doubt."""
        first, *others = [_parsed(text) for text in dict.fromkeys(records)] or [{}]
        known = cls(kind, threshold, boundary=boundary, **first)
        for other in others:
            known = known.joined(cls(kind, threshold, boundary=boundary, **other))
        return known

    def joined(self, other: ScoreRecord) -> ScoreRecord:
        """The record of scores of both together."""
        changes: dict[str, Any] = {"turned": self.turned or other.turned}
        if self.scale != other.scale:
            changes["scale"] = OTHER
        changes |= {k: None for k in ("low", "high", "max_tokens") if getattr(self, k) != getattr(other, k)}
        for name in ("threshold_source", "direction_source", "rescaled", "revision", "template", "maker"):
            said = [text for text in (getattr(self, name), getattr(other, name)) if text]
            changes[name] = "; ".join(dict.fromkeys(part for text in said for part in text.split("; "))) or None
        return replace(self, **changes)


_OWN_COLUMNS = ("kind", "threshold", "boundary")
_NUMBERS = ("threshold", "low", "high")


def _fits(name: str, value: object) -> bool:
    if name == "turned":
        return isinstance(value, bool)
    if value is None:
        return True
    if name == "max_tokens":
        return isinstance(value, int) and not isinstance(value, bool) and value > 0
    if name in _NUMBERS:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(value, str)


@lru_cache(maxsize=512)
def _parsed(text: str | None) -> Mapping[str, Any]:
    """Fields of a record that is kept as JSON."""
    if text is None:
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    names = {f.name for f in fields(ScoreRecord)} - set(_OWN_COLUMNS)
    if not isinstance(found, dict) or set(found) - names:
        raise UsageError(
            "A table of scores was to be read; its column 'record' holds what is no record of scores. Take the column "
            "out, or write what btviz.models.ScoreRecord.columns gives."
        )
    return found
