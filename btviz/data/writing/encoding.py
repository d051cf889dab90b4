"""Rows as the content of a file: JSON lines or CSV as they come, Parquet, each told by the ending of the name."""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Protocol

import polars as pl
import polars.selectors as cs
import zstandard

from btviz.data.reading.apostrophes import guarded
from btviz.errors import UsageError
from btviz.store import table_bytes_as

BLOCK_ROWS = 20_000
"""Rows that are text at one time."""

ENDINGS = (".jsonl", ".csv", ".parquet")

COMPRESSED = (".gz", ".xz", ".zst")

_ID = r"^(pair|prompt)_id(_\w+)?$"


@dataclass(frozen=True)
class Encoding:
    """How rows are written down: one of `ENDINGS`, and how that is compressed."""

    ending: str
    compression: str = ""

    @classmethod
    def of(cls, name: str) -> Encoding | None:
        """What the ending of a name says; None where it says nothing known."""
        endings = PurePath(name.lower()).suffixes
        compression = endings.pop() if endings and endings[-1] in COMPRESSED else ""
        return cls(endings[-1], compression) if endings and endings[-1] in ENDINGS else None

    def encode(self, rows: pl.DataFrame) -> Iterator[bytes]:
        """Content of the file, in pieces.

        Ids become ``0x`` and 16 hexadecimal digits in text, because other programs round long numbers. In a CSV an
        object becomes a column ``name.key`` for each key, and a text that a spreadsheet would take for a formula gets
        an apostrophe in front, as a column says.
        """
        if self.ending == ".parquet":
            if self.compression:
                raise UsageError(
                    f"Parquet was to be compressed again as {self.compression}; it is compressed inside. "
                    "End the name in .parquet."
                )
            return iter([table_bytes_as(rows, "parquet")])
        pieces = _csv(rows) if self.ending == ".csv" else _json_lines(rows)
        return compressed(pieces, self.compression) if self.compression else pieces


def _json_lines(rows: pl.DataFrame) -> Iterator[bytes]:
    for block in with_hex_ids(rows).iter_slices(BLOCK_ROWS):
        yield block.write_ndjson().encode()


def _csv(rows: pl.DataFrame) -> Iterator[bytes]:
    cells = guarded(_flat(with_hex_ids(rows)))
    header = cells.clear().write_csv()
    yield header.encode()
    for block in cells.iter_slices(BLOCK_ROWS):
        yield block.write_csv().removeprefix(header).encode()


def _flat(rows: pl.DataFrame) -> pl.DataFrame:
    """One column a cell: objects unfolded, lists of texts joined, other lists as JSON."""
    columns: list[pl.Expr] = []
    for name, dtype in rows.schema.items():
        column = pl.col(name)
        if isinstance(dtype, pl.Struct):
            columns += [column.struct.field(key).alias(f"{name}.{key}") for key in dtype.to_schema()]
        elif isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.Struct):
            columns.append(_as_json(column).alias(name))
        else:
            columns.append(column.list.join(" | ") if isinstance(dtype, pl.List) else column)
    return rows.select(columns)


def _as_json(lists: pl.Expr) -> pl.Expr:
    items = pl.format("[{}]", lists.list.eval(pl.element().struct.json_encode()).list.join(","))
    return pl.when(lists.is_not_null()).then(items)


def with_hex_ids(rows: pl.DataFrame) -> pl.DataFrame:
    """Ids of pairs and prompts as text, ``0x`` and 16 hexadecimal digits; times as ISO 8601."""
    ids = cs.matches(_ID) & cs.by_dtype(pl.UInt64)
    return rows.with_columns(
        *(_hex(rows[name]) for name in rows.select(ids).columns), cs.datetime().dt.to_string("iso:strict")
    )


def _hex(ids: pl.Series) -> pl.Series:
    digits = ids.fill_null(0).to_numpy().astype(">u8").tobytes().hex()
    texts = pl.Series(ids.name, [f"0x{digits[at : at + 16]}" for at in range(0, 16 * len(ids), 16)], pl.String)
    return texts.zip_with(ids.is_not_null(), pl.Series([None], dtype=pl.String))


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


def compressed(pieces: Iterable[bytes], ending: str) -> Iterator[bytes]:
    """Compress as the ending says; the same content gives the same bytes at any time of day."""
    compressor: _Compressor
    match ending:
        case ".gz":
            compressor = zlib.compressobj(wbits=31)
        case ".xz":
            compressor = lzma.LZMACompressor()
        case _:
            compressor = zstandard.ZstdCompressor().compressobj()
    for piece in pieces:
        yield compressor.compress(piece)
    yield compressor.flush()
