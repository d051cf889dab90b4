"""Numbers that stand for names, as `datasets` writes them (its ClassLabel): the names are put in their place.

Which number means what is said beside the rows, in the metadata of Parquet and Arrow. Without it a 0 under ``is_safe``
would be taken for false, whatever the first of the names is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import polars as pl

METADATA = "huggingface"
"""Key of the metadata of Parquet and Arrow under which `datasets` describes the columns."""

Features = Mapping[str, Any]
"""What `datasets` says of each column."""


def features_of(metadata: str | bytes | None) -> Features:
    """What the metadata of a file say of its columns; nothing if they are none that `datasets` wrote."""
    try:
        features = json.loads(metadata or "{}")["info"]["features"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return features if isinstance(features, dict) else {}


def named(frame: pl.DataFrame, features: Features) -> pl.DataFrame:
    """The table with names in the place of the numbers that stand for them, alone or in lists; -1 stands for none."""
    columns = [
        _named(frame[key], feature).alias(key)
        for key, feature in features.items()
        if key in frame.columns and _names_of(feature) is not None
    ]
    return frame.with_columns(columns) if columns else frame


def _named(column: pl.Series, feature: Any) -> pl.Series:
    names = _names_of(feature) or []
    told = pl.Series(range(len(names)), dtype=pl.Int64), pl.Series(names, dtype=pl.String)
    if column.dtype.is_integer():
        return column.cast(pl.Int64).replace_strict(*told, default=None, return_dtype=pl.String)
    if isinstance(column.dtype, pl.List) and column.dtype.inner.is_integer():
        one = pl.element().cast(pl.Int64).replace_strict(*told, default=None, return_dtype=pl.String)
        return column.list.eval(one)
    return column


def _names_of(feature: Any) -> list[str] | None:
    """Names of a ClassLabel, or of a list of such; None of anything else."""
    if isinstance(feature, list) and len(feature) == 1:  # as older versions write a list
        feature = feature[0]
    if isinstance(feature, dict) and feature.get("_type") in ("Sequence", "List", "LargeList"):
        feature = feature.get("feature")
    if not isinstance(feature, dict) or feature.get("_type") != "ClassLabel":
        return None
    names = feature.get("names")
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else None
