"""How texts are written in a row, made plain before anything else of the row is read.

An `Unfolding` takes up some keys of a batch and gives it others that layouts know: ``prompt`` and ``response``, or
``response_0`` and ``response_1``. All other keys stay as they are, so labels beside a chat are read as labels beside a
plain answer. What it knows beyond texts, the turns of a chat or which answer was chosen, it gives as canonical columns.

To add one: write what it makes of one row, a function of the values of its keys that returns a `Row` or raises
`TalkError`, and list it in `btviz.data.reading.shapes.UNFOLDINGS`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from btviz.data.conversations import TURNS
from btviz.data.reading.record import ABSENT, Batch, Cells, Finding, cells_of
from btviz.data.reading.shapes.messages import Talk, TalkError


@dataclass(frozen=True)
class Row:
    """What one row is, in keys that layouts know and canonical columns, and what is to be said of it."""

    values: Mapping[str, Any]
    canonical: Mapping[str, Any] = field(default_factory=dict)
    remarks: Sequence[str] = ()


@dataclass(frozen=True)
class Unfolding:
    """One way in which texts are written.

    Attributes
    ----------
    name : str
        What messages call it.
    needs, takes, left : tuple of str
        Keys without which a row is none of these, others that it takes up where they are there, and those among the
        two of which nothing is kept.
    makes : tuple of str
        Keys that it gives.
    of_row : callable
        From the values of the keys to a `Row`; a key that the row lacks is not among them.
    canonical : Mapping
        Canonical columns that it makes, and their types.
    said : tuple of str
        What a user should know of how such files are read.
    fits : callable, optional
        Whether a sample with these keys is of this kind; by default, keys decide.
    """

    name: str
    needs: tuple[str, ...]
    makes: tuple[str, ...]
    of_row: Callable[[Mapping[str, Any]], Row]
    takes: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    canonical: Mapping[str, pl.DataType] = field(default_factory=dict)
    said: tuple[str, ...] = ()
    fits: Callable[[Batch], bool] | None = None

    def without(self, keys: Collection[str]) -> Unfolding:
        """The same, but for some keys that it would take up."""
        takes, left = (tuple(key for key in names if key not in keys) for names in (self.takes, self.left))
        return replace(self, takes=takes, left=left)

    def recognises(self, sample: Batch) -> bool:
        """Whether at least half of the rows of a sample have the keys, and the rest of it fits."""
        if not len(sample.lines) or any(key not in sample.columns for key in self.needs):
            return False
        there = [_there(sample.columns[key]) for key in self.needs]
        whole = sum(all(flags) for flags in zip(*there, strict=True)) * 2 >= len(sample.lines)
        return whole and (self.fits is None or self.fits(sample))

    def of(self, batch: Batch) -> Batch:
        """The batch with its texts made plain; rows that hold none are findings that reject."""
        taken = {key: listed(batch.columns[key]) for key in (*self.needs, *self.takes) if key in batch.columns}
        rows, findings, kept = self._rows(batch.lines.to_list(), taken)
        keeps = pl.Series(kept, dtype=pl.UInt32)
        others = {key: _chosen(cells, keeps) for key, cells in batch.columns.items() if key not in taken}
        made = {key: cells_of([row.values.get(key, ABSENT) for row in rows]) for key in self.makes}
        canonical = {
            name: _canonical([row.canonical.get(name) for row in rows], dtype).alias(name)
            for name, dtype in self.canonical.items()
        }
        there = {key: cells for key, cells in made.items() if rows and any(_there(cells))}
        return replace(
            batch,
            lines=batch.lines.gather(keeps),
            columns=there | others,
            findings=[*batch.findings, *findings],
            canonical=canonical,
        )

    def _row(self, cells: Mapping[str, Any]) -> Row:
        missing = next((key for key in self.needs if key not in cells), None)
        if missing is not None:
            raise TalkError("missing key", missing)
        return self.of_row(cells)

    def _rows(
        self, lines: Sequence[int | None], taken: Mapping[str, list[Any]]
    ) -> tuple[list[Row], list[tuple[int | None, Finding]], list[int]]:
        rows, findings, kept = [], [], []
        for place, line in enumerate(lines):
            cells = {key: values[place] for key, values in taken.items() if values[place] is not ABSENT}
            try:
                row = self._row(cells)
            except TalkError as none:
                findings.append((line, Finding(none.kind, none.detail, rejects=True)))
                continue
            findings += [(line, Finding("text unfolded", remark)) for remark in row.remarks]
            rows.append(row)
            kept.append(place)
        return rows, findings, kept


@dataclass(frozen=True)
class Renaming:
    """Keys that are written otherwise than layouts know them, such as ``Is Safe``; a step like an `Unfolding`."""

    keys: Mapping[str, str]
    left: tuple[str, ...] = ()
    canonical: Mapping[str, pl.DataType] = field(default_factory=dict)

    @property
    def said(self) -> tuple[str, ...]:
        """What a user should know of it."""
        renamed = ", ".join(f"{known} from {key!r}" for key, known in self.keys.items())
        return (f"Columns are read whatever their capitals and blanks: {renamed}.",)

    def of(self, batch: Batch) -> Batch:
        """The batch with its columns under the keys that layouts know."""
        return replace(batch, columns={self.keys.get(key, key): cells for key, cells in batch.columns.items()})


def listed(cells: Cells) -> list[Any]:
    """The values of a column, as Python has them."""
    return cells if isinstance(cells, list) else cells.to_list()


def _there(cells: Cells) -> list[bool]:
    return [cell is not ABSENT for cell in cells] if isinstance(cells, list) else [True] * len(cells)


def _chosen(cells: Cells, places: pl.Series) -> Cells:
    return cells.gather(places) if isinstance(cells, pl.Series) else [cells[place] for place in places]


def turns_of(talk: Talk) -> tuple[tuple[str, str], ...] | None:
    """Turns as canonical rows hold them: all that are answered, where there is more than one question."""
    return talk.turns if talk.before else None


def _canonical(values: Sequence[Any], dtype: pl.DataType) -> pl.Series:
    """A canonical column; of turns the texts of all rows are put down first, as lists of objects are slow to make."""
    if dtype != TURNS:
        return pl.Series(values, dtype=dtype, strict=False)
    lengths = [0 if turns is None else len(turns) for turns in values]
    texts = [turn for turns in values for turn in turns or ()]
    flat = pl.DataFrame(texts, schema={"prompt": pl.String, "response": pl.String}, orient="row")
    owners = pl.Series("row", range(len(values)), pl.UInt32).repeat_by(pl.Series(lengths, dtype=pl.UInt32)).explode()
    lists = pl.DataFrame({"row": owners.drop_nulls(), "turns": flat.to_struct()}).group_by("row").agg("turns")
    rows = pl.DataFrame({"row": pl.Series(range(len(values)), dtype=pl.UInt32)})
    return rows.join(lists, on="row", how="left", maintain_order="left")["turns"].cast(TURNS)
