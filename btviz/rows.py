"""What reading a file gives: canonical rows, and every problem named by file and line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from btviz.errors import DataError
from btviz.files import damage_of
from btviz.flags import flagged
from btviz.layouts import Finding, Layout
from btviz.records import Item, Record, describe

PROBLEMS = pl.Schema(
    {
        "file": pl.String(),
        "line": pl.UInt64(),
        "kind": pl.String(),
        "action": pl.String(),
        "detail": pl.String(),
    }
)


@dataclass(frozen=True)
class Parsed:
    """Canonical rows of one file, or of one block of it.

    Attributes
    ----------
    layout : Layout
        Shape of the file.
    rows : DataFrame
        One row per row kept: the layout's columns and `line` (from 1).
    problems : DataFrame
        `file`, `line`, `kind`, `action` (rejected or kept), `detail`.
    rows_in : int
        Rows found in the file: those kept and those rejected.
    """

    layout: Layout
    rows: pl.DataFrame
    problems: pl.DataFrame
    rows_in: int


Problem = tuple[str, int | None, str, str, str]


def checked(layout: Layout, items: Iterable[tuple[int | None, Item]], *, file: str) -> Parsed:
    """Check parsed rows one by one; what cannot be kept is reported and left out."""
    rows: list[list[Any]] = []
    problems: list[Problem] = []
    rows_in = 0
    for line, item in items:
        values, findings = (None, [item]) if isinstance(item, Finding) else layout.check(item)
        if isinstance(item, Record):
            findings += item.findings()
        rejected = any(finding.rejects for finding in findings)
        rows_in += rejected or values is not None
        problems += [(file, line, f.kind, "rejected" if rejected else "kept", f.detail) for f in findings]
        if values is not None and not rejected:
            rows.append([*values, line])
    frame = pl.DataFrame(rows, schema={**layout.schema, "line": pl.UInt64()}, orient="row")
    return finished(layout, frame, file=file, rows_in=rows_in, problems=problems)


def finished(
    layout: Layout, rows: pl.DataFrame, *, file: str, rows_in: int, problems: Sequence[Problem] = ()
) -> Parsed:
    """Add what whole columns show to the problems found row by row."""
    by_row = pl.DataFrame(problems, schema=PROBLEMS, orient="row")
    by_column = flagged(rows).select(
        pl.lit(file).alias("file"), "line", "kind", pl.lit("kept").alias("action"), "detail"
    )
    found = pl.concat([by_row, by_column]).sort("line", nulls_last=True, maintain_order=True)
    return Parsed(layout, rows, found, rows_in)


def unrecognised(path: Path, found: Record | dict[str, Any] | None) -> DataError:
    """Say which keys a file has, where no layout fits them, or why it has none."""
    damage = None if found else damage_of(path)
    if damage:
        return DataError(
            f"{path.name} was to be read as a released file; its archive is damaged before the first whole row "
            f"({damage}). Fetch or copy it again."
        )
    return DataError(
        f"{path.name} was to be read as a released file; {describe(found)}. "
        "Rows of annotations need prompt, response, is_safe and category (or harm_category); "
        "comparisons need prompt, response_0, response_1 and safer_response_id or better_response_id."
    )


def joined(parts: list[Parsed]) -> Parsed:
    """Join what parts of one file gave, in the order of its lines."""
    if len(parts) == 1:
        return parts[0]
    rows = pl.concat([part.rows for part in parts])
    problems = pl.concat([part.problems for part in parts])
    return Parsed(
        parts[0].layout,
        rows if rows["line"].is_sorted() else rows.sort("line"),
        problems.sort("line", nulls_last=True, maintain_order=True),
        sum(part.rows_in for part in parts),
    )
