"""The data card beside a corrected release: what it was made from, and what reviewers changed, without any text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from btviz.data.corrected import CORRECTION_STATUSES
from btviz.data.dataset import Dataset

_MOST = 40
"""Kinds of changes listed; the others are counted together."""


def card_of(ds: Dataset, *, files: Sequence[tuple[str, int]]) -> bytes:
    """The card of a corrected data set: Markdown that reads as plain text.

    Parameters
    ----------
    ds : Dataset
        From `Dataset.corrected`.
    files : sequence of (str, int)
        What was written beside it: names, and rows of each.

    Returns
    -------
    bytes
        UTF-8. No prompt, no answer and no reason of a reviewer is in it.
    """
    return ("\n".join(_lines(ds, files)) + "\n").encode()


def _lines(ds: Dataset, files: Sequence[tuple[str, int]]) -> Iterator[str]:
    before, found = ds.facts["corrected"], ds.corrections
    yield f"# {_plain(ds.population)}"
    yield ""
    yield (
        f"Labels of {_plain(before['name'])} as reviewers corrected them: {before['n']:,} fields of "
        f"{_changed_pairs(found):,} pairs are other than released. This is no release of its authors, and its terms "
        "are those of the data it was made from."
    )
    yield ""
    yield f"- Fingerprint of the released data: `{before['fingerprint']}`"
    yield f"- Fingerprint of the corrected data: `{ds.fingerprint}`"
    yield f"- Categories: those of {_plain(ds.taxonomy.name)}"
    yield f"- Reviewers: {found['reviewer'].n_unique():,}{_period(found)}"
    if n := before["n_contradictory"]:
        yield f"- {n:,} corrected pairs are called safe and have a category, or are called unsafe and have none."
    if ds.is_synthetic:
        yield "- The released data are a synthetic sample."
    yield from _table("What is here", ("file", "rows"), files)
    yield from _table("What became of the corrections", ("status", "rows", "meaning"), _statuses(found))
    yield from _table("What was changed", ("field", "before", "after", "pairs"), _changes(found))
    yield from ("", "## How", "")
    yield (
        "A correction goes into every row that speaks of its pair: all its annotations, whose number stays, and its "
        "side of all comparisons. Of one reviewer the latest correction of a field counts; where reviewers contradict "
        "each other, the field stays as released. What a correction says and the majority of annotations says already "
        "changes nothing. Agreement of annotators on these data is therefore not that of those who annotated alone."
    )


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    yield from ("", f"## {title}", "")
    if not rows:
        yield "Nothing."
        return
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(f'{cell:,}' if isinstance(cell, int) else _plain(str(cell)) for cell in row)} |"


def _changed_pairs(found: pl.DataFrame) -> int:
    return _done(found)["pair_id"].n_unique()


def _done(found: pl.DataFrame) -> pl.DataFrame:
    return found.filter(pl.col("status").str.starts_with("applied"))


def _period(found: pl.DataFrame) -> str:
    first, last = (found.select(end).item() for end in (pl.col("time").min(), pl.col("time").max()))
    if first is None:
        return ""
    days = (f"{time:%Y-%m-%d}" for time in (first, last))
    return ", {} to {}".format(*days) if first.date() != last.date() else f", {first:%Y-%m-%d}"


def _statuses(found: pl.DataFrame) -> list[tuple[str, int, str]]:
    counts = dict(found["status"].value_counts().iter_rows())
    return [(status, counts[status], meaning) for status, meaning in CORRECTION_STATUSES.items() if status in counts]


def _changes(found: pl.DataFrame) -> list[tuple[str, str, str, int]]:
    """Kinds of changes by how many pairs have them; comparisons by their kind, for ids name nobody's reason."""
    kinds = (
        _done(found)
        .select("pair_id", pl.col("field").str.split(":").list.first(), pl.col("before").fill_null("unknown"), "after")
        .group_by("field", "before", "after")
        .agg(pl.col("pair_id").n_unique().alias("pairs"))
        .sort("pairs", "field", "before", "after", descending=[True, False, False, False])
    )
    rows: list[tuple[str, str, str, int]] = kinds.head(_MOST).rows()
    rest = kinds.slice(_MOST)
    return [*rows, (f"{rest.height:,} other kinds", "", "", int(rest["pairs"].sum()))] if rest.height else rows


def _plain(text: str) -> str:
    """A name in a line of a table: no line break, nothing that Markdown or HTML would take for its own."""
    return "".join({"|": "/", "<": "(", ">": ")", "`": "'"}.get(letter, letter) for letter in " ".join(text.split()))
