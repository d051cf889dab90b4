"""Binned scores as coordinates: where bins lie, what their axis says, and their quartiles."""

from __future__ import annotations

import altair as alt
import polars as pl

KINDS = {
    "reward": "Reward (high: more helpful)",
    "cost": "Cost (high: more harmful)",
    "moderation": "Highest probability of a category",
}
"""What an axis of scores says."""

MIDDLE = (pl.col("left") + pl.col("right")) / 2
"""Middle of a bin."""


def span_of(part: pl.DataFrame) -> tuple[float, float]:
    """Ends of the lowest and of the highest bin."""
    return float(part["left"].min()), float(part["right"].max())  # type: ignore[arg-type]  # numbers


def score_scale(part: pl.DataFrame) -> alt.Scale:
    """Scale of the axis of scores, which ends where the scores do."""
    return alt.Scale(domain=list(span_of(part)), nice=False, zero=False)


def score_title(part: pl.DataFrame) -> str:
    """Title of the axis: what the score is, or for margins (with a column `label`) what is subtracted."""
    kind = part["kind"][0]
    if "label" in part.columns:
        return f"{kind.capitalize()} of the {part['label'][0]} answer less that of the other"
    return KINDS.get(kind, str(kind))


def quartiles(group: pl.DataFrame) -> list[float]:
    """Quartiles of one group by linear interpolation within its bins."""
    cumulative, left, right = (group[name].to_list() for name in ("cumulative", "left", "right"))
    found = []
    for share in (0.25, 0.5, 0.75):
        place = next(i for i, value in enumerate(cumulative) if value >= share - 1e-12)
        before = cumulative[place - 1] if place else 0.0
        inside = (share - before) / (cumulative[place] - before) if cumulative[place] > before else 0.5
        found.append(left[place] + inside * (right[place] - left[place]))
    return found
