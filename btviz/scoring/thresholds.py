"""Where a moderation model begins to flag: where it is told to, where its scores record it, or at one half."""

from __future__ import annotations

from dataclasses import dataclass

from btviz.errors import UsageError

THRESHOLD = 0.5
"""Probability above which a model flags that says nothing of its own."""

GIVEN = "as asked"
RECORDED = "recorded by the model"
USUAL = "the usual one; these scores record none"


@dataclass(frozen=True, slots=True)
class Threshold:
    """Probability above which a moderation model flags.

    Attributes
    ----------
    value : float
        0 .. 1.
    origin : str
        "as asked", "recorded by the model" or "the usual one; these scores record none".
    """

    value: float
    origin: str


def threshold_of(recorded: float | None, *, asked: float | None) -> Threshold:
    """Choose a threshold: the one asked for, else the one recorded with the scores, else 0.5.

    Parameters
    ----------
    recorded : float or None
        What the model records, see `btviz.scoring.judged.ModelScores`.
    asked : float or None
        What the caller wants for every model.

    Raises
    ------
    UsageError
        If the one asked for is no probability.
    """
    if asked is not None:
        if not 0 <= asked <= 1:
            raise UsageError(f"Asked for the threshold {asked:g}; probabilities are 0 .. 1. Give one of these.")
        return Threshold(asked, GIVEN)
    if recorded is not None:
        return Threshold(recorded, RECORDED)
    return Threshold(THRESHOLD, USUAL)
