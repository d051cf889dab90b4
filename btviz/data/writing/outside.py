"""What pairs are called outside, as columns beside released rows: hashes, ids, file and line."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from btviz.data.dataset import Dataset
from btviz.data.keys import LINE, key_names, side_of, with_keys

_BETWEEN = " | "


def outside_keys(
    ds: Dataset, rows: pl.DataFrame, *, texts: bool, taken: Iterable[str]
) -> tuple[pl.DataFrame, dict[str, str]]:
    """A column for each key that the data set has, and where a key is left out and why.

    A pair may stand in many rows of a file. What a row itself is called is then not known, and it is left empty; unless
    there are no texts: then all that its pair is called stands there, divided by " | ", and file and line, too.
    """
    names = [name for name in key_names(ds) if name not in taken and not (texts and name == LINE)]
    columns: list[pl.Series] = []
    untold: dict[str, str] = {}
    for name in names:
        for column, values in _values(ds, rows, name):
            if column in taken:
                continue
            several = values.list.len() > 1
            if texts and several.any():
                untold[column] = f"in {several.sum():,} rows, whose pair has several"
            whole = values.list.join(_BETWEEN)
            blank = whole == "" if not texts else (whole == "") | several
            columns.append(whole.set(blank, None).alias(column))
    return pl.DataFrame([column for column in columns if column.null_count() < rows.height]), untold


def _values(ds: Dataset, rows: pl.DataFrame, name: str) -> list[tuple[str, pl.Series]]:
    """Values of a key for each row, as columns of lists."""
    if "pair_id" in rows.columns:
        return [(name, _lists(ds, rows["pair_id"], name))]
    keys = [key for key in ds.keys["key"].unique().sort() if side_of(key)[0] == name and side_of(key)[1] is not None]
    lists = {key: _lists(ds, rows[f"pair_id_{side_of(key)[1]}"].alias("pair_id"), key) for key in keys}
    ends = [key for key in keys if key in (f"{name}_0", f"{name}_1")]
    if len(ends) == len(keys) == 2:  # the file may have had one such column for the row, or one for each answer
        shared = lists[ends[0]].list.set_intersection(lists[ends[1]])
        if shared.list.len().ge(1).all():
            return [(name, shared)]
    return list(lists.items())


def _lists(ds: Dataset, pair_ids: pl.Series, key: str) -> pl.Series:
    return with_keys(pair_ids.to_frame(), ds, keys=[key])[key]
