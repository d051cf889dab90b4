"""From a released file to canonical rows, with every problem named by file and line.

Counts in = counts kept + counts rejected: a row is kept as it is, kept and reported, or rejected and reported; none
is altered.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import polars as pl

from btviz.data.reading.apostrophes import unguarded
from btviz.data.reading.columns import Constant, printed
from btviz.data.reading.files import Digest
from btviz.data.reading.formats import Form, batches, form_of, sample_of
from btviz.data.reading.frames import Table
from btviz.data.reading.label_column import Labels
from btviz.data.reading.layouts import Layout
from btviz.data.reading.proposals import Place, nothing_kept, of_doubtful_numbers, unrecognised
from btviz.data.reading.recognition import LABELS, recognise
from btviz.data.reading.record import Batch, Progress
from btviz.data.reading.shapes import Step, planned, renaming, unfolded
from btviz.data.tables import PROBLEMS
from btviz.errors import DataError
from btviz.taxonomy.categories import Taxonomy

LONG_TEXT = 1 << 20
"""Bytes from which a text is reported as very long."""


@dataclass(frozen=True)
class Parsed:
    """Canonical rows of one file, or of one block of it."""

    layout: Layout
    rows: pl.DataFrame
    problems: pl.DataFrame
    rows_in: int
    sha256: str | None = None
    """Of a whole file, the hash of the bytes that these rows were read from."""


class _Rows(Protocol):
    """What rows come from: a file, or a table in memory."""

    @property
    def name(self) -> str: ...

    @property
    def path(self) -> Path | None: ...

    def sample(self) -> Batch: ...

    def batches(self, *, then: Callable[[Batch], Parsed]) -> Iterator[Parsed]: ...


@dataclass(frozen=True)
class _File:
    """The rows of a file."""

    path: Path
    form: Form
    progress: Progress | None
    digest: Digest | None

    @property
    def name(self) -> str:
        return self.path.name

    def sample(self) -> Batch:
        return sample_of(self.path, self.form)

    def batches(self, *, then: Callable[[Batch], Parsed]) -> Iterator[Parsed]:
        return batches(self.path, self.form, then=then, progress=self.progress, digest=self.digest)


def parse(
    data: Path | Table,
    *,
    progress: Progress | None = None,
    taxonomy: Taxonomy | None = None,
    columns: Mapping[str, str] | None = None,
) -> Parsed:
    """Read one file of any supported format, or a table in memory."""
    if isinstance(data, Table):
        return replace(_joined(list(_blocks(data, taxonomy=taxonomy, columns=columns))), sha256=data.sha256)
    digest = Digest()
    blocks = list(parse_blocks(data, progress=progress, taxonomy=taxonomy, columns=columns, digest=digest))
    return replace(_joined(blocks), sha256=digest.sha256)


def parse_blocks(
    path: Path,
    *,
    progress: Progress | None = None,
    taxonomy: Taxonomy | None = None,
    columns: Mapping[str, str] | None = None,
    digest: Digest | None = None,
) -> Iterator[Parsed]:
    """Read one file block by block, for files larger than memory; at least one block."""
    return _blocks(_File(path, form_of(path), progress, digest), taxonomy=taxonomy, columns=columns)


def _blocks(rows: _Rows, *, taxonomy: Taxonomy | None, columns: Mapping[str, str] | None) -> Iterator[Parsed]:
    sample = rows.sample()
    layout, steps = shape_of(sample, taxonomy=taxonomy, columns=columns, path=rows.path)
    if layout is None:
        raise unrecognised(Place(rows.name, rows.path), sample)
    if layout.doubt:
        raise of_doubtful_numbers(Place(rows.name, rows.path), layout, sample=sample)

    def parsed(batch: Batch) -> Parsed:
        return parsed_batch(layout, unfolded(batch, steps), file=rows.name)

    blocks = rows.batches(then=parsed)
    account = _Account(layout)
    yield account.of(_joined([_of_the_file(layout, rows.name), *itertools.islice(blocks, 1)]))
    yield from map(account.of, blocks)
    if account.is_lost:
        raise account.error(Place(rows.name, rows.path), sample)


def shape_of(
    sample: Batch, *, taxonomy: Taxonomy | None, columns: Mapping[str, str] | None, path: Path | None = None
) -> tuple[Layout | None, list[Step]]:
    """The layout of a file by a sample of its rows, None if none fits, and what makes its texts plain before."""
    steps: list[Step]
    steps, mapping = planned(sample, columns, path=path)  # type: ignore[assignment]  # each of them is a step
    layout = recognise(unfolded(sample, steps), taxonomy=taxonomy, columns=mapping)
    if not columns and (renamed := renaming(sample)) is not None:
        other, more = shape_of(renamed.of(sample), taxonomy=taxonomy, columns=None, path=path)
        if layout is None or (other is not None and len(other.labels_not_kept) < len(layout.labels_not_kept)):
            return other and replace(other, said=(*renamed.said, *other.said)), [renamed, *more]
    if layout is None:
        return None, steps
    left = {key for step in steps for key in step.left if key in sample.columns}
    said = [sentence for step in steps for sentence in step.said]
    return replace(layout, not_kept=layout.not_kept | left, said=(*said, *layout.said)), steps


class _Account:
    """Whether anything was kept of a file, and of its labels, if it is of a layout that has any."""

    def __init__(self, layout: Layout) -> None:
        self._labels = [f.column for f in layout.fields if f.column in LABELS and not isinstance(f.reader, Constant)]
        self._layout = layout
        self._categories = [f for f in layout.fields if isinstance(f.reader, Labels)]
        self.rows_in = self._kept = self._labelled = self._named = 0
        self.problems = PROBLEMS.to_frame()

    def of(self, block: Parsed) -> Parsed:
        """The block, counted."""
        self.rows_in += block.rows_in
        self._kept += block.rows.height
        self._labelled += sum(block.rows[name].count() for name in self._labels if name in block.rows.columns)
        columns = [f.column for f in self._categories if f.column in block.rows.columns]
        self._named += sum(int((block.rows[name] > 0).sum()) for name in columns)
        if not (self._kept and self._labelled and self._named):
            self.problems = pl.concat([self.problems, block.problems]).head(_MOST_PROBLEMS)
        return block

    def error(self, place: Place, sample: Batch) -> DataError:
        """What to say where nothing was kept."""
        return nothing_kept(place, self._layout, problems=self.problems, rows_in=self.rows_in, sample=sample)

    @property
    def is_lost(self) -> bool:
        """Whether rows were there and none is kept, or none of the labels that were there."""
        wrong = ~pl.col("detail").str.contains(" is (null|empty)$") & pl.col("kind").is_in(_WRONG)
        lost_labels = bool(self._labels) and not self._labelled and not self.problems.filter(wrong).is_empty()
        return self.rows_in > 0 and (not self._kept or lost_labels or self._lost_names())

    def _lost_names(self) -> bool:
        """Whether only rows without a category are kept, because no category can be read: half a file is none."""
        if self._named or not self._categories:
            return False
        wrong = pl.any_horizontal(
            pl.col("detail").str.starts_with(f"{end}{f.key} is")
            for f in self._categories
            for end in ("", "an item of ")
        )
        faults = self.problems.filter(
            (pl.col("kind").is_in(["unknown category", "missing category"]) | wrong)
            & ~pl.col("detail").str.contains(" is (null|empty)$")
            & (pl.col("action") == "rejected")
        )
        return faults["line"].n_unique() >= max(2, self.rows_in // 10)


_MOST_PROBLEMS = 100_000

_WRONG = ("wrong type", "out of range", "unknown category", "missing category")


def _of_the_file(layout: Layout, file: str) -> Parsed:
    """What is to be said of a file as a whole."""
    rows = pl.DataFrame(schema={**layout.schema, "line": pl.UInt64()})
    unknown = [(file, None, "key not kept", "kept", printed(key)) for key in sorted(layout.unknown)]
    return Parsed(layout, rows, pl.DataFrame(unknown, schema=PROBLEMS, orient="row"), 0)


def parsed_batch(layout: Layout, batch: Batch, *, file: str) -> Parsed:
    """Canonical rows of one batch, and what was found odd in it."""
    rows, problems, rows_in = layout.rows_of(unguarded(batch))
    problems = pl.concat([problems, *_remarks(rows)]).select(pl.lit(file).alias("file"), pl.all())
    problems = problems.cast(PROBLEMS).sort("line", nulls_last=True, maintain_order=True)
    return Parsed(layout, rows, problems, rows_in)


def _remarks(rows: pl.DataFrame) -> list[pl.DataFrame]:
    """What rows that are kept show to be odd."""
    checks = [*_odd_texts(rows), *_contradictions(rows), *_lost_labels(rows)]
    if not checks:
        return []
    seen = rows.select(flag.any().alias(str(i)) for i, (flag, _, _) in enumerate(checks)).row(0)  # most are nowhere
    return [
        rows.filter(flag).select("line", kind=pl.lit(kind), action=pl.lit("kept"), detail=pl.lit(detail))
        for flag, kind, detail in itertools.compress(checks, seen)
    ]


def _odd_texts(rows: pl.DataFrame) -> Iterator[tuple[pl.Expr, str, str]]:
    for name in ("prompt", "response", "response_0", "response_1"):
        if name in rows.columns:
            text = pl.col(name)
            yield text.str.strip_chars() == "", f"empty {name.partition('_')[0]}", name
            yield text.str.contains("\0", literal=True), "null byte", name
            yield text.str.len_bytes() > LONG_TEXT, "very long text", name
    if "response_0" in rows.columns:
        yield pl.col("response_0") == pl.col("response_1"), "identical answers", "response_0, response_1"


def _contradictions(rows: pl.DataFrame) -> Iterator[tuple[pl.Expr, str, str]]:
    columns = set(rows.columns)
    for suffix in ("", "_0", "_1"):
        safe, labels, severity = f"is_safe{suffix}", f"labels{suffix}", f"severity{suffix}"
        if {safe, labels} <= columns:
            kind = "is_safe contradicts the categories"
            yield pl.col(safe) & (pl.col(labels) != 0), kind, f"{safe} is true, a category is flagged"
            yield ~pl.col(safe) & (pl.col(labels) == 0), kind, f"{safe} is false, no category is flagged"
        if {safe, severity} <= columns:
            yield pl.col(safe) != (pl.col(severity) == 0), "is_safe contradicts the severity", severity
    if {"safer", "is_safe_0", "is_safe_1"} <= columns:
        safer_is_safe = pl.when(pl.col("safer") == 0).then("is_safe_0").when(pl.col("safer") == 1).then("is_safe_1")
        mixed = pl.col("is_safe_0") != pl.col("is_safe_1")
        yield mixed & ~safer_is_safe, "the safer answer is the unsafe one", "safer_response_id"


def _lost_labels(rows: pl.DataFrame) -> Iterator[tuple[pl.Expr, str, str]]:
    """Labels of an answer that is missing, and of a comparison with one: they are of nothing that can be named."""
    for missing, columns in labels_by_answer(rows.columns):
        for column in columns:
            yield missing & pl.col(column).is_not_null(), "label of a missing answer", column


def labels_by_answer(columns: Sequence[str]) -> Iterator[tuple[pl.Expr, list[str]]]:
    """When an answer is missing, and the labels that go with it."""
    for answer, suffix in (("response", ""), ("response_0", "_0"), ("response_1", "_1")):
        if answer in columns:
            names = [f"{name}{suffix}" for name in ("is_safe", "labels", "severity")]
            yield pl.col(answer).is_null(), [name for name in names if name in columns]
    if "response_0" in columns:
        either = pl.col("response_0").is_null() | pl.col("response_1").is_null()
        yield either, [name for name in ("better", "safer", "overall") if name in columns]


def _joined(parts: list[Parsed]) -> Parsed:
    """Join what parts of one file gave, in the order of its lines."""
    if len(parts) == 1:
        return parts[0]
    rows = pl.concat([part.rows for part in parts], how="diagonal")
    problems = pl.concat([part.problems for part in parts])
    return Parsed(
        parts[0].layout,
        rows if rows["line"].is_sorted() else rows.sort("line"),
        problems.sort("line", nulls_last=True, maintain_order=True),
        sum(part.rows_in for part in parts),
    )
