"""`inspect`: what the columns of files hold, what shapes they have, and what would be kept of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from btviz.arguments import whole_number
from btviz.data.catalog import drop_received, held_files
from btviz.data.reading.cells import Column, column_at, parts
from btviz.data.reading.formats import form_of, sample_of
from btviz.data.reading.frames import tables_of
from btviz.data.reading.label_column import Labels, names_in
from btviz.data.reading.mapping import mapped_fields
from btviz.data.reading.parse import parsed_batch, shape_of
from btviz.data.reading.proposals import NO_HEADER, Place, lacks_header, proposal, several_answers
from btviz.data.reading.recognition import recognise
from btviz.data.reading.record import Batch
from btviz.data.reading.shapes import unfolded
from btviz.data.reading.shapes.unfolding import Unfolding
from btviz.data.reading.summaries import Summary, summaries
from btviz.data.sources import STANDARD_INPUT, Holding, Source, labelled
from btviz.errors import DataError, UsageError
from btviz.store import expanded
from btviz.taxonomy import Taxonomy
from btviz.taxonomy.draft import divider_of, drafted
from btviz.taxonomy.spelling import DIVIDERS
from btviz.taxonomy.taxonomy_file import own_taxonomy


@dataclass(frozen=True)
class Inspection:
    """What the first rows of a file show of it, or of each shape that files of a folder have.

    Attributes
    ----------
    file : str
        Its name.
    files : tuple of str
        Names of all files of this shape: of the same columns, read in the same way. What is said is of the first.
    others : tuple of Inspection
        One of each other shape that is there.
    passed_over : dict of str to str
        Files that hold no data, and why; of all shapes together.
    form : str
        How its rows are written down: "lines" or "values" of JSON, "csv", "parquet", "arrow".
    n_rows : int
        Rows that were looked at, from the first.
    columns : tuple of Summary
        What each column holds; examples of labels, never of texts.
    layout : str or None
        The shape that was recognised; None if none fits.
    table : str or None
        The table that its rows become.
    sources : dict of str to str
        Columns of the data set, and the keys that they are read from.
    unfolded : dict of str to tuple of str
        Keys whose texts are made plain first, as those of chats are, and what they become together.
    taxonomy : str or None
        Of its categories.
    kept, rejected : int
        Of these rows; 0 where no shape fits.
    problems : dict of str to int
        What was found, and how often.
    keys_not_kept, labels_not_kept : tuple of str
        Keys that would not be kept, and those among them that look like labels.
    said : tuple of str
        How the file is read, where that is not obvious.
    proposal : dict of str to str
        A mapping for `btviz.load`, by what columns look like.
    command, call : str
        The same as a line for a shell and for Python; empty if no column looks like a prompt.
    """

    file: str
    form: str
    n_rows: int
    columns: tuple[Summary, ...]
    layout: str | None = None
    table: str | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    taxonomy: str | None = None
    kept: int = 0
    rejected: int = 0
    problems: Mapping[str, int] = field(default_factory=dict)
    keys_not_kept: tuple[str, ...] = ()
    labels_not_kept: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    proposal: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    call: str = ""
    files: tuple[str, ...] = ()
    others: tuple[Inspection, ...] = ()
    passed_over: Mapping[str, str] = field(default_factory=dict)
    unfolded: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def shapes(self) -> tuple[Inspection, ...]:
        """The first shape and the others."""
        return (self, *self.others)

    @property
    def and_files(self) -> str:
        """How many more files are of this shape, in words, with the first names; empty for one."""
        more = self.files[1:]
        if not more:
            return ""
        named = ", ".join(more[:_NAMED]) + (", …" if len(more) > _NAMED else "")
        return f"and {len(more):,} file{'s' * (len(more) > 1)} of the same shape ({named})"

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON."""
        return asdict(self)

    def __repr__(self) -> str:
        passed = [f"Passed over: {name} ({why})." for name, why in self.passed_over.items()]
        return "\n\n".join([*(seen._described() for seen in self.shapes), *passed])

    def _described(self) -> str:
        lines = [f"{self.file} ({self.form}), first {self.n_rows:,} rows{' ' * bool(self.and_files)}{self.and_files}"]
        width = max((len(summary.key) for summary in self.columns), default=0)
        lines += [f"  {summary.key:<{width}}  {summary.words}" for summary in self.columns]
        if self.layout is None:
            lines.append("No known shape. Map its columns:")
        else:
            read = ", ".join(
                column if column == key else f"{column} from {key}" for column, key in self.sources.items()
            )
            lines.append(
                f"Read as {self.layout} ({self.table}): {read}. Kept {self.kept:,}, rejected {self.rejected:,}."
            )
        if self.labels_not_kept:
            lines.append(f"Not kept, and named like labels: {', '.join(self.labels_not_kept)}.")
        return "\n".join([*lines, *self.said, *([self.call] if self.layout is None and self.call else [])])


def inspect(
    data: str | os.PathLike[str] | object,
    *,
    columns: Mapping[str, str] | None = None,
    taxonomy: Taxonomy | str | os.PathLike[str] | None = None,
    rows: int = 1000,
) -> Inspection:
    """Look at files or a table without loading them.

    Parameters
    ----------
    data : str, path-like, or a table in memory
        A file in any form that `load` reads, a folder of files, OWNER/NAME of a data set in the hub's cache, a name
        that was given to files, or "-" for standard input; or one of the tables that `load` takes.
    columns : Mapping, optional
        What you say of its columns, as `load` takes it: what would be kept then.
    taxonomy : Taxonomy or path-like, optional
        Harm categories of your own, or the file that lists them.
    rows : int
        How many rows of each file are looked at, from the first.

    Returns
    -------
    Inspection
        Prints as a summary. It holds labels and names of columns, and no text of a row. Of several files, the shape
        that most have; `others` has one of each other shape.

    Raises
    ------
    UsageError
        If `data` is neither a file nor a table, or `columns` name none of its columns.
    NotFoundError
        If nothing of that name is here.
    DataError
        If no row can be read.

    Examples
    --------
    >>> btviz.inspect("answers.csv")  # doctest: +SKIP
    """
    most = whole_number(rows, name="rows", least=1)
    own = own_taxonomy(taxonomy)
    if not isinstance(data, str | os.PathLike):
        return _seen(_of_table(data, rows=most), taxonomy=own, columns=columns)
    held = held_files(data)
    try:
        return _of_files(
            held.holding, rows=most, taxonomy=own or held.taxonomy, columns=columns or held.columns, data=data
        )
    finally:
        drop_received(held.holding.sources)


_NAMED = 3
"""Files that a summary names beside the first of their shape."""


def _of_files(
    holding: Holding,
    *,
    rows: int,
    taxonomy: Taxonomy | None,
    columns: Mapping[str, str] | None,
    data: str | os.PathLike[str],
) -> Inspection:
    """One answer for each distinct shape, that of most files first; files that are no data are passed over."""
    passed = {item.file: item.detail for item in holding.passed}
    shapes: dict[tuple[object, ...], list[Inspection]] = {}
    sources = labelled(holding.sources)
    for source in sources:
        try:
            beginning = _of_file(source, rows=rows, is_input=os.fspath(data) == STANDARD_INPUT)
            seen = _seen(beginning, taxonomy=taxonomy, columns=columns)
        except DataError as error:
            if len(sources) == 1:
                raise
            passed[source.label] = str(error)
            continue
        shapes.setdefault((seen.layout, seen.table, seen.said, frozenset(s.key for s in seen.columns)), []).append(seen)
    if not shapes:
        raise DataError(
            f"{len(sources):,} files were to be inspected; none holds rows: {'; '.join(passed.values())[:1000]}"
        )
    first, *others = [
        replace(alike[0], files=tuple(seen.file for seen in alike))
        for alike in sorted(shapes.values(), key=len, reverse=True)
    ]
    return replace(first, others=tuple(others), passed_over=passed)


@dataclass(frozen=True)
class _Beginning:
    """What messages call a file or a table, its form, and its first rows."""

    place: Place
    form: str
    sample: Batch


def _seen(beginning: _Beginning, *, taxonomy: Taxonomy | None, columns: Mapping[str, str] | None) -> Inspection:
    """What the first rows of one file or table show."""
    place, sample = beginning.place, beginning.sample
    if not sample.columns:
        raise DataError(f"{place.name} was to be inspected; no row of it can be read. Look at it, or fetch it again.")
    layout, steps = shape_of(sample, taxonomy=taxonomy, columns=columns, path=place.path)
    seen = tuple(summaries(sample))
    if layout is None and lacks_header(seen):  # a first line that is no header
        seen = tuple(replace(summary, key=f"column {place}") for place, summary in enumerate(seen, 1))
        return Inspection(place.name, beginning.form, len(sample.lines), seen, said=(NO_HEADER,), files=(place.name,))
    proposed = dict(columns or {}) or proposal(seen)
    command, call = place.lines(proposed) if "prompt" in proposed or columns else ("", "")
    bare = Inspection(
        place.name,
        beginning.form,
        len(sample.lines),
        seen,
        proposal=proposed,
        command=command,
        call=call,
        files=(place.name,),
    )
    if layout is None and not columns and (several := several_answers(place, seen, proposed=proposed)):
        return replace(bare, command="", call="", said=(several,))
    if layout is None or layout.doubt:
        return bare
    parsed = parsed_batch(layout, unfolded(sample, steps), file=place.name)
    return replace(
        bare,
        layout=layout.name,
        table=layout.produces,
        sources={field.column: field.key for field in layout.fields},
        taxonomy=layout.taxonomy.name if layout.has_labels and layout.taxonomy is not None else None,
        kept=parsed.rows.height,
        rejected=parsed.rows_in - parsed.rows.height,
        problems=dict(parsed.problems.group_by("kind").len().sort("len", "kind").rows()),
        keys_not_kept=tuple(sorted(layout.not_kept)),
        labels_not_kept=tuple(layout.labels_not_kept),
        said=layout.said,
        unfolded={
            key: (*step.makes, *(name for name in step.canonical if not name.startswith("turns")))
            for step in steps
            if isinstance(step, Unfolding)
            for key in (*step.needs, *step.takes)
            if key in sample.columns and key not in {*step.left, *step.makes}
        },
    )


def _of_table(data: object, *, rows: int) -> _Beginning:
    table = tables_of(data)[0]
    batch = table.sample()
    few = replace(batch, lines=batch.lines[:rows], columns={k: c[:rows] for k, c in batch.columns.items()})
    return _Beginning(Place(table.name), "table in memory", few)


def _of_file(source: Source, *, rows: int, is_input: bool = False) -> _Beginning:
    form = form_of(source.content)
    place = Place(source.label, Path(STANDARD_INPUT) if is_input else Path(source.path))
    return _Beginning(place, form.kind, sample_of(source.content, form, rows=rows))


_MANY_ROWS = 100_000
"""Rows in which the names of categories are looked for."""


def category_names(path: str | os.PathLike[str], *, columns: Mapping[str, str] | None = None) -> list[str]:
    """What a file calls its categories, in the order of their first occurrence.

    Parameters
    ----------
    path : path-like
        One file.
    columns : Mapping, optional
        Which column they are in: ``{"labels": "tags"}``; by default the one that looks like it.

    Returns
    -------
    list of str
        Each name once.

    Raises
    ------
    UsageError
        If `path` is no file, or names none of its columns.
    DataError
        If nothing in it looks like categories.
    """
    file = expanded(path)
    if not file.is_file():
        raise UsageError(f"The categories of a file were to be listed; {file} is none. Name one file.")
    beginning = _of_file(Source(str(file), file.name, None, ""), rows=_MANY_ROWS)
    place, sample = beginning.place, beginning.sample
    said = {column: value for column, value in (columns or {}).items() if column.startswith("labels")}
    layout = recognise(sample, columns=columns)
    known = layout.fields if layout is not None else mapped_fields(said or proposal(summaries(sample)), sample).values()
    for fields in (known, mapped_fields(proposal(summaries(sample)), sample).values()):
        readers = [(f.reader, f.key) for f in fields if isinstance(f.reader, Labels)]
        cells = [(reader, column_at(sample.columns, key)) for reader, key in readers]
        names = [name for reader, column in cells if column is not None for name in _names(column, reader)]
        if names:
            return list(dict.fromkeys(names))
    raise DataError(
        f"The categories of {place.name} were to be listed; no column of it looks like categories. Say which does: "
        "--columns labels=COLUMN"
    )


def _names(column: Column, reader: Labels) -> list[str]:
    """Names in a column, divided as a user says, or else by the mark that leaves names that occur elsewhere, too."""
    if reader.dividers != DIVIDERS:
        return names_in(column, dividers=reader.dividers)
    texts = names_in(column)
    if any(part.kind in {"object", "list"} for part in parts(column)):
        return texts
    return names_in(column, dividers=divider_of(texts))


def draft_taxonomy(
    path: str | os.PathLike[str], *, name: str | None = None, columns: Mapping[str, str] | None = None
) -> str:
    """Draft a taxonomy file from the categories that a file of data names.

    Parameters
    ----------
    path : path-like
        One file.
    name : str, optional
        Name of the taxonomy; by default made from that of the file.
    columns : Mapping, optional
        Which column the categories are in: ``{"labels": "tags"}``.

    Returns
    -------
    str
        TOML, as `btviz.taxonomy.read_taxonomy` reads it: edit titles and groups, and save it.

    Raises
    ------
    DataError
        If the file names no categories, or more than there is room for.
    """
    file = expanded(path)
    return drafted(category_names(file, columns=columns), name=name or file.name.split(".")[0], file=file.name)
