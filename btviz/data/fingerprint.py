"""What makes a data set what it is: the rows that count, and their hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

import polars as pl

_YOUNGER = (("better", "overall"), ("prompt", "is_safe"))
"""Columns younger than fingerprints, after one that their table has: while such a column is null throughout, the hash
is that of a table without it."""


def alone(pairs: pl.DataFrame, preferences: pl.DataFrame) -> pl.DataFrame:
    """Pairs that are neither annotated nor compared: without labels, or compared with an answer that is missing."""
    compared = pl.concat([preferences["pair_id_0"], preferences["pair_id_1"]]).drop_nulls()
    return pairs.filter((pl.col("n_annotations") == 0) & ~pl.col("pair_id").is_in(compared.implode()))


def identifying(tables: Mapping[str, pl.DataFrame]) -> list[pl.DataFrame]:
    """Tables that make a data set what it is.

    Of those that are younger than fingerprints only if they hold something: else the hash stays what it was.
    """
    rows = [tables[name] for name in ("annotations", "preferences", "prompts")]
    turns = tables["conversations"].select("conversation_id", "turn", "pair_id")
    rest = alone(tables["pairs"], tables["preferences"]).select("pair_id")
    return rows + [table for table in (turns, rest) if table.height]


def fingerprint_of(tables: Iterable[pl.DataFrame]) -> str:
    """Hexadecimal hash of sorted tables: of ids, labels and splits, not of texts, which ids stand for."""
    digest = hashlib.blake2b(digest_size=16, person=b"btviz:rows")
    for table in tables:
        younger = {name for sign, name in _YOUNGER if sign in table.columns}
        for column in table:
            if column.name in younger and column.null_count() == len(column):
                continue
            digest.update(f"{column.name}:{column.dtype}:{len(column)};".encode())
            digest.update(column.is_null().to_numpy().tobytes())
            words = column.drop_nulls().unique().sort() if column.dtype == pl.String else None
            digest.update(json.dumps(None if words is None else words.to_list()).encode())
            digest.update(_codes(column, words).fill_null(0).to_numpy().tobytes())
    return digest.hexdigest()


def _codes(column: pl.Series, words: pl.Series | None) -> pl.Series:
    if words is None:
        return column.cast(pl.UInt64)
    codes = pl.int_range(len(words), dtype=pl.UInt64, eager=True)
    return column.replace_strict(words, codes, default=None, return_dtype=pl.UInt64)
