"""What an Altair chart shows: its rows, the columns it draws, its words."""

from __future__ import annotations

import re

from btviz.plots.style.rendering import svg


def rows_of(chart):
    """Every row of data in the specification."""
    return [row for rows in chart.to_dict()["datasets"].values() for row in rows]


def fields_of(node):
    """Names of data columns that a specification mentions, in encodings and in expressions."""
    if isinstance(node, dict):
        return set().union(*(fields_of(value) for key, value in node.items() if key != "datasets"), {node.get("field")})
    if isinstance(node, list):
        return set().union(*map(fields_of, node), {name for name in node if isinstance(name, str)})
    return set(re.findall(r"datum\.(\w+)", str(node)))


def words(chart):
    """All that is written in the picture."""
    return " ".join(re.findall(r">([^<]+)</t(?:ext|span)", svg(chart)))
