"""Layouts of files: which canonical column comes from which key, and by which reader.

A `Layout` turns a `Batch`, rows as columns of whatever a file holds, into canonical rows and problems. It judges no
value itself: that is what the readers of columns do (`btviz.data.reading.columns`).

To add a shape:

1. List its fields: ``Field("prompt", "question")`` is the canonical column, the key as it is in the file (a path such
   as ``meta.source`` goes into objects), and a reader (`TEXT` unless another is named). Two fields may have one key;
   of several fields for one column the first whose key a file has is taken.
2. Say for each field what a row without it is worth: "reject" (the row means nothing), "report" (it is kept with a
   null, and reported), or "allow" (a null is nothing odd). Fields that a file need not have at all are `optional`.
3. Name the table its rows become (`produces`; rows of prompt and answer are "annotations", labelled or not), its
   taxonomy if the shape tells it, keys that are known and not kept (`not_kept`), and what is to be `said` of it.
   Where its keys alone would fit other files, too, `fits` looks at a sample.
4. Put it into `btviz.data.reading.known_layouts.LAYOUTS`, before every layout whose required keys it has, too.
5. If a value needs a reader of its own, write one (`dtype`, `of_part`) beside those in `columns`: it is given whole
   columns of one JSON type, and says which rows are at fault.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import polars as pl

from btviz.data.reading.cells import column_at, everywhere, takes_part
from btviz.data.reading.columns import NO_FAULTS, TEXT, Reader, Reading, faults_where, printed, read
from btviz.data.reading.label_column import Labels, Unflagged
from btviz.data.reading.record import ABSENT, Batch, Cells
from btviz.data.tables import PROBLEMS
from btviz.taxonomy.categories import Taxonomy
from btviz.taxonomy.spelling import bit_of

Produces = Literal["annotations", "preferences", "prompts"]

Without = Literal["reject", "report", "allow"]

FOUND = pl.Schema({name: dtype for name, dtype in PROBLEMS.items() if name != "file"})
"""Problems of a file, by line."""


@dataclass(frozen=True)
class Field:
    """Where a canonical column comes from, and what a row without it is worth."""

    column: str
    key: str
    reader: Reader = TEXT
    without: Without = "reject"
    optional: bool = False

    @property
    def allows_null(self) -> bool:
        """Whether a null is a value like another here."""
        return self.without == "allow"


@dataclass(frozen=True)
class Layout:
    """The fields of one kind of file, and the table its rows become.

    `not_kept` are keys that most rows have and none of which is kept, `unknown` those among them that no release has;
    `doubt` is a key whose numbers may begin at 0 or at 1, so that nobody can say what they mean.
    """

    name: str
    produces: Produces
    fields: tuple[Field, ...]
    taxonomy: Taxonomy | None = None
    not_kept: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()
    said: tuple[str, ...] = ()
    fits: Callable[[Batch], bool] | None = None
    doubt: str = ""

    @property
    def required(self) -> tuple[Field, ...]:
        """Fields without which a file is not of this layout."""
        return tuple(field for field in self.fields if not field.optional)

    @property
    def labels_not_kept(self) -> list[str]:
        """Keys that look as if they held labels, and are not kept; those of releases are known for what they are."""
        return sorted(key for key in self.unknown if looks_like_label(key))

    def narrowed(self, columns: Mapping[str, Cells]) -> Layout:
        """The layout with the fields that a file with these columns has, the first for each canonical column."""
        fields: dict[str, Field] = {}
        for field in self.fields:
            if field.column not in fields and (not field.optional or column_at(columns, field.key) is not None):
                fields[field.column] = field
        return replace(self, fields=tuple(fields.values()))

    @property
    def has_labels(self) -> bool:
        """Whether some field is read by a taxonomy."""
        return any(isinstance(field.reader, Labels) for field in self.fields)

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """Canonical columns and their types."""
        return {field.column: field.reader.dtype for field in self.fields}

    def with_taxonomy(self, taxonomy: Taxonomy) -> Layout:
        """The layout whose categories are those of `taxonomy`."""
        fields = tuple(
            replace(f, reader=replace(f.reader, taxonomy=taxonomy)) if isinstance(f.reader, Labels) else f
            for f in self.fields
        )
        return replace(self, fields=fields, taxonomy=taxonomy)

    def rows_of(self, batch: Batch) -> tuple[pl.DataFrame, pl.DataFrame, int]:
        """Canonical rows with their line, problems by line, and how many rows the batch was of."""
        height = len(batch.lines)
        readings = [(field, self._read(field, batch)) for field in self.fields]
        problems = [self._rated(field, reading) for field, reading in readings]
        extra = [key for key in (batch.recurring.columns if batch.recurring else ()) if not self.knows(key)]
        problems += [self._extra(key, cells) for key, cells in batch.columns.items() if not self.knows(key)]
        problems += [faults_where(everywhere(height), kind="extra key", detail=printed(k), lost=False) for k in extra]
        of_rows = pl.concat([NO_FAULTS, *problems])
        rejected = of_rows.filter("lost")["row"].unique()
        columns = [reading.values.cast(field.reader.dtype).alias(field.column) for field, reading in readings]
        rows = pl.DataFrame([*columns, *batch.canonical.values(), batch.lines.alias("line")])
        if len(rejected):
            rows = rows.filter(~pl.int_range(height, dtype=pl.UInt32, eager=True).is_in(rejected.implode()))
        listed, n_none = _of_findings(batch)
        found = of_rows.select(
            batch.lines.gather(of_rows["row"]).alias("line"),
            "kind",
            pl.when(pl.col("row").is_in(rejected.implode()))
            .then(pl.lit("rejected"))
            .otherwise(pl.lit("kept"))
            .alias("action"),
            "detail",
        )
        return rows, pl.concat([listed, found.cast(FOUND)]), height + n_none

    def _read(self, field: Field, batch: Batch) -> Reading:
        column = column_at(batch.columns, field.key)
        if batch.recurring is not None and (distinct := column_at(batch.recurring.columns, field.key)) is not None:
            if column is not None:  # an object of which each holds a part
                return self._read(field, batch.spread())
            return read(field.reader, distinct, name=field.key).spread(batch.recurring.places)
        return read(field.reader, [ABSENT] * len(batch.lines) if column is None else column, name=field.key)

    @staticmethod
    def _rated(field: Field, reading: Reading) -> pl.DataFrame:
        """Faults of a field: those that lose its value cost the row where that means nothing without it."""
        if field.without == "reject" or reading.faults.is_empty():
            return reading.faults
        faults = reading.faults
        if field.allows_null:
            none = pl.col("kind").is_in(["missing key", "missing answer", "missing prompt", "missing name"])
            is_none = none | pl.col("detail").str.contains(" is (null|empty)$")
            faults = faults.filter(~is_none)
        return faults.with_columns(lost=pl.lit(value=False))

    def knows(self, key: str) -> bool:
        """Whether a key of a file is read, or is known not to be kept."""
        if key in self.not_kept:
            return True
        return any(key == f.key or f.key.startswith(f"{key}.") or _has_part(f, key) for f in self.fields)

    @staticmethod
    def _extra(key: str, cells: Cells) -> pl.DataFrame:
        there = pl.Series([cell is not ABSENT for cell in cells], dtype=pl.Boolean) if isinstance(cells, list) else None
        flags = everywhere(len(cells)) if there is None else there
        return faults_where(flags, kind="extra key", detail=printed(key), lost=False)


def _of_findings(batch: Batch) -> tuple[pl.DataFrame, int]:
    """Findings as problems, and how many rows are none by them."""
    rejected = [line for line, finding in batch.findings if finding.rejects]  # one line may hold a whole array
    lost = set(rejected) - {None}
    rows = [(line, f.kind, "rejected" if f.rejects or line in lost else "kept", f.detail) for line, f in batch.findings]
    return pl.DataFrame(rows, schema=FOUND, orient="row"), len(rejected)


def _has_part(field: Field, key: str) -> bool:
    """Whether a column is part of the object that a field is read from."""
    part = takes_part(key, field.key)
    reader = field.reader.labels if isinstance(field.reader, Unflagged) else field.reader
    if part is None or not isinstance(reader, Labels) or not reader.is_among_others:
        return part is not None
    return bit_of(part, reader.taxonomy) is not None


_LABEL = re.compile(
    r"(^|[_.\- ])(labels?|chosen|rejected|is|categor\w*|scores?|harm\w*|unsafe|safe\w*|severity\w*|better|prefer\w*"
    r"|toxic\w*|flag\w*|violat\w*|ratings?|rank\w*|rewards?(?!_model)|costs?|annotat\w*|moderation|verdict|risk\w*|overall)"
    r"([_.\- \[/:]|$)"
)


def looks_like_label(key: str) -> bool:
    """Whether a key is named as keys of labels are."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower()
    return bool(_LABEL.search(words))
