"""Tables in memory, of whatever library: their columns as those of a file, and a hash of what they hold."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from btviz.data.reading.class_labels import METADATA, Features, features_of, named
from btviz.data.reading.files import split_named
from btviz.data.reading.record import ABSENT, Batch, Cells, Record, batch_of, cells_of
from btviz.errors import UsageError, a_type
from btviz.store import table_bytes_as

T = TypeVar("T")

_SAMPLE_ROWS, _BATCH_ROWS = 1000, 50_000

_PLAIN = (str, bool, int, float)

_KINDS = (
    "a Polars, pandas or Arrow table, a Dataset of `datasets`, a list of dicts, a list of prompts, or a dict of tables "
    "by split"
)


@dataclass(frozen=True)
class Table:
    """A table in memory.

    Attributes
    ----------
    name : str
        What problems and messages call it.
    columns : dict
        As `Batch` has them.
    height : int
        Rows.
    sha256 : str
        Hash of names, types and values.
    split : str or None
        Its key in a dict of tables, or the split that the key speaks of.
    """

    name: str
    columns: dict[str, Cells]
    height: int
    sha256: str
    split: str | None = None
    path: Path | None = None

    def sample(self) -> Batch:
        """The first rows, to tell what the table holds."""
        return self._batch(0, _SAMPLE_ROWS)

    def batches(self, *, then: Callable[[Batch], T]) -> Iterator[T]:
        """What `then` makes of the rows, some thousands at a time."""
        for start in range(0, self.height, _BATCH_ROWS):
            yield then(self._batch(start, _BATCH_ROWS))

    def written(self) -> bytes:
        """The table as a file that is read like it: as Arrow, or JSON lines where a column is of several types."""
        if all(isinstance(cells, pl.Series) for cells in self.columns.values()):
            return table_bytes_as(pl.DataFrame([cells.alias(name) for name, cells in self.columns.items()]), "arrow")  # type: ignore[union-attr]  # just seen to be series
        cells = [column.to_list() if isinstance(column, pl.Series) else column for column in self.columns.values()]
        rows = (
            {k: v for k, v in zip(self.columns, row, strict=True) if v is not ABSENT}
            for row in zip(*cells, strict=True)
        )
        return "".join(f"{json.dumps(row, default=_typed)}\n" for row in rows).encode()

    def _batch(self, start: int, rows: int) -> Batch:
        """Some rows; a line is the number of a row."""
        end = min(start + rows, self.height)
        lines = pl.int_range(start + 1, end + 1, dtype=pl.UInt64, eager=True).alias("line")
        return Batch(lines, {name: cells[start:end] for name, cells in self.columns.items()})


def tables_of(data: object) -> list[Table]:
    """A table, or each of a dict of tables, which is called by its key.

    Raises
    ------
    UsageError
        If it is no table.
    """
    if isinstance(data, Mapping) and data and all(_is_table(value) for value in data.values()):
        return [
            replace(_table(value, name=str(name)), split=split_named(str(name)) or str(name))
            for name, value in data.items()
        ]
    return [_table(data, name="table")]


def _is_table(value: object) -> bool:
    """Whether a value of a dict is a table of its own, and no column."""
    return isinstance(value, pl.DataFrame | pl.LazyFrame) or (
        not isinstance(value, pl.Series | str | bytes | Sequence) and _columns_of_library(value) is not None
    )


def _table(data: object, *, name: str) -> Table:
    columns = _columns_of(data)
    heights = {len(cells) for cells in columns.values()}
    if len(heights) > 1:
        raise UsageError(
            f"A table in memory was to be read; its columns are of different lengths, {sorted(heights)}. Give {_KINDS}."
        )
    return Table(name, columns, heights.pop() if heights else 0, _hash(columns))


def _columns_of(data: object) -> dict[str, Cells]:
    if isinstance(data, pl.LazyFrame):
        data = data.collect()
    if isinstance(data, pl.DataFrame):
        return {column.name: _plain_series(column) for column in data}
    if isinstance(data, Mapping):
        return _columns_of_dict(data)
    if isinstance(data, Iterable) and not isinstance(data, str | bytes):
        columns = _columns_of_library(data)
        return _columns_of_rows(data) if columns is None else columns
    columns = _columns_of_library(data)
    if columns is None:
        raise UsageError(f"A table was to be read, and this is {a_type(data)}. Give {_KINDS}.")
    return columns


def _columns_of_dict(columns: Mapping[Any, Any]) -> dict[str, Cells]:
    single = [
        name for name, cells in columns.items() if isinstance(cells, str | bytes) or not hasattr(cells, "__iter__")
    ]
    if single:
        raise UsageError(
            f"A dict of columns was to be read; {str(single[0])[:40]!r} holds one value and no list. If it is one row, "
            "put it into a list."
        )
    return {str(name): _plain_list(list(cells)) for name, cells in columns.items()}


def _columns_of_rows(rows: Iterable[Any]) -> dict[str, Cells]:
    items = list(rows)
    if items and all(isinstance(item, str) for item in items):
        return {"prompt": cells_of(items)}
    strange = next((item for item in items if not isinstance(item, Mapping)), None)
    if strange is not None:
        raise UsageError(f"A list of rows was to be read; one of them is {a_type(strange)}. Give {_KINDS}.")
    records = (Record((str(key), _plain(value)) for key, value in item.items()) for item in items)
    return batch_of(enumerate(records, 1)).columns


def _columns_of_library(data: object) -> dict[str, Cells] | None:
    """Columns of a table of another library; None if it is of none that is known."""
    if type(data).__module__.partition(".")[0] == "pandas" and hasattr(data, "columns"):
        return _columns_of_pandas(data)
    if callable(getattr(data, "to_polars", None)):  # `datasets`, which applies what was selected and shuffled
        return _columns_of(named(data.to_polars(), _features_of(data)))  # type: ignore[attr-defined]  # just seen to be there
    if hasattr(data, "__arrow_c_stream__"):
        return _columns_of(named(pl.DataFrame(data), _features_of(data)))
    import narwhals  # noqa: PLC0415  # of no use to most

    frame = narwhals.from_native(data, pass_through=True)
    if isinstance(frame, narwhals.LazyFrame):
        frame = frame.collect()
    return _columns_of(frame.to_polars()) if isinstance(frame, narwhals.DataFrame) else None


def _features_of(table: Any) -> Features:
    """What `datasets` says of the columns of a table of its own, or of an Arrow table that comes from it."""
    features = getattr(table, "features", None)
    if callable(getattr(features, "to_dict", None)):
        return features.to_dict()  # type: ignore[no-any-return, union-attr]  # just seen to be there
    metadata = getattr(getattr(table, "schema", None), "metadata", None)
    return features_of(metadata.get(METADATA.encode())) if isinstance(metadata, Mapping) else {}


def _columns_of_pandas(frame: Any) -> dict[str, Cells]:
    """Columns of pandas, whose columns of objects may hold anything; a named index is a column, too."""
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    return {
        str(name): _plain_list(values.to_list()) if values.dtype == object else _plain_series(pl.from_pandas(values))  # type: ignore[arg-type]  # a column gives a series
        for name, values in ((name, frame.iloc[:, place]) for place, name in enumerate(frame.columns))
    }


def _plain_series(series: pl.Series) -> Cells:
    return _plain_list(series.to_list()) if series.dtype == pl.Object else series


def _plain_list(values: list[Any]) -> Cells:
    return cells_of([_plain(value) for value in values])


def _plain(value: Any) -> Any:
    """A value as JSON would have it: NumPy's numbers and lists as Python's, what says "missing" as None."""
    if type(value) in _PLAIN or value is None or value is ABSENT:
        return None if value != value else value  # noqa: PLR0124  # NaN, as tables of numbers mark what is missing
    if isinstance(value, Mapping):
        return {str(key): _plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if callable(getattr(value, "tolist", None)):  # numbers and arrays of NumPy
        return _plain(value.tolist())
    return None if type(value).__name__ in {"NAType", "NaTType"} else value


def _hash(columns: Mapping[str, Cells]) -> str:
    digest = hashlib.sha256(b"btviz:table")
    for name, cells in columns.items():
        digest.update(json.dumps([name, len(cells), isinstance(cells, pl.Series)]).encode())
        if isinstance(cells, pl.Series):
            digest.update(table_bytes_as(cells.alias("cells").to_frame().rechunk(), "arrow"))
        else:  # what JSON cannot say is told by its type alone: no reader keeps it
            digest.update(json.dumps(cells, default=_typed).encode())
    return digest.hexdigest()


def _typed(value: object) -> str:
    return f"<{type(value).__name__}>"
