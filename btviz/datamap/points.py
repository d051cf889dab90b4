"""What the table of a data map has to have."""

from __future__ import annotations

from btviz.arguments import expect_table

_COLUMNS = {"pair_id": "whole numbers", "x": "numbers", "y": "numbers"}


def expect_points(points: object) -> None:
    """Check that something is a table of points.

    Raises
    ------
    UsageError
        Unless it has `pair_id`, `x` and `y`, all numbers.
    """
    expect_table(points, _COLUMNS, name="points", source="btviz.fit_data_map(embeddings)")
