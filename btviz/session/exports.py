"""What leaves for other programs: data sets in the shapes that others read, and single tables as CSV or JSON lines."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from btviz.data.corrections import CARD
from btviz.data.dataset import Dataset, expect_dataset
from btviz.data.writing.card import card_of
from btviz.data.writing.encoding import ENDINGS, Encoding
from btviz.data.writing.files import File, folder_files, is_own, saved_dataset, single_file, unnamed_among_named
from btviz.data.writing.released import SUBSETS, Wanted, all_rows
from btviz.data.writing.shapes import FORMS, RELEASED, Shape, Table
from btviz.errors import UsageError, choice
from btviz.session.selection import Selection
from btviz.store import write_file, write_output, write_outputs
from btviz.taxonomy import NEIGHBOUR_TAXONOMIES, TAXONOMIES

FORMATS = (".csv", ".jsonl")
"""Endings of the names of single tables."""

_ENDING = {"released": ".jsonl", "parquet": ".parquet", "csv": ".csv"}

_BY_ENDING = {ending: form for form, ending in _ENDING.items()}


@dataclass(frozen=True)
class Export:
    """What was written, and what was not.

    Attributes
    ----------
    path : Path
        The file or folder.
    name : str
        Of the data set.
    form : str
        One of "released", "parquet", "csv", "datasets", "dpo", "kto" and "hh".
    texts : bool
        Whether prompts and answers are in it.
    order : str or None
        What "chosen" goes by, where the form has it.
    is_synthetic : bool
        Whether btviz made the rows up.
    remarks : tuple of str
        What else should be known, a sentence each.
    files : DataFrame
        `file`, `table`, `split` (null where it holds several, or none), `rows`.
    rows : DataFrame
        `table`, `in_data`, `selected`, `skipped`, `written`: numbers of rows; of tables that are not exported, too.
    skipped : DataFrame
        `table`, `reason`, `rows`: rows asked for that the form has no place for.
    left_out : DataFrame
        `column`, `reason`: released columns that hold something and are not in the files.
    """

    path: Path
    name: str
    form: str
    texts: bool
    order: str | None
    is_synthetic: bool
    remarks: tuple[str, ...]
    files: pl.DataFrame
    rows: pl.DataFrame
    skipped: pl.DataFrame
    left_out: pl.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON.

        Returns
        -------
        dict
            Tables as lists of rows.
        """
        tables = {name: getattr(self, name).to_dicts() for name in ("files", "rows", "skipped", "left_out")}
        names = ("name", "form", "texts", "order", "is_synthetic", "remarks")
        return {"path": str(self.path), **{name: getattr(self, name) for name in names}, **tables}

    def sentences(self) -> list[str]:
        """What was written and what was not, in words.

        Returns
        -------
        list of str
            A sentence each.
        """
        made = f"{self.name}{' (synthetic sample)' if self.is_synthetic else ''}"
        said = [
            f"{written:,} rows of {made} written: {_of(selected, in_data)} {table} asked for."
            if written
            else f"{in_data:,} {table} are not in it."
            for table, in_data, selected, _, written in self.rows.rows()
        ]
        said += [f"{n:,} {table} skipped: {reason}." for table, reason, n in self.skipped.rows()]
        for reason, columns in self.left_out.group_by("reason", maintain_order=True).agg("column").rows():
            said.append(f"Left out, {', '.join(columns)}: {reason}.")
        said += self.remarks
        if self.order is not None:
            said.append(f"What was chosen goes by the order {self.order!r}.")
        if self.texts:
            said.append("Texts are in it, whole and whatever they hold.")
        return said

    def __repr__(self) -> str:
        return f"<Export {self.path} as {self.form}: {' '.join(self.sentences())}>"


def _of(some: int, total: int) -> str:
    return "all" if some == total else f"{some:,} of {total:,}"


def export(  # noqa: PLR0913  # one for each thing that may be chosen, all but two by name
    ds: Dataset,
    path: str | os.PathLike[str],
    *,
    form: str | None = None,
    texts: bool = False,
    population: str | None = None,
    where: str = "all",
    categories: Iterable[str] | str | None = None,
    split: str | Sequence[str | None] | None = None,
    pairs: Selection | pl.Series | pl.DataFrame | pl.Expr | Iterable[int] | None = None,
    order: str | None = None,
    replace: bool = False,
) -> Export:
    """Write a data set, or a part of it, in a shape that other programs read.

    Parameters
    ----------
    ds : Dataset
        Any: loaded, synthetic, corrected.
    path : path-like
        A file that ends in ``.jsonl`` or ``.csv`` (each also ``.gz``, ``.xz``, ``.zst``) or ``.parquet``; or, without
        such an ending, a folder, which gets a file for each table and split.
    form : {"released", "parquet", "csv", "datasets", "dpo", "kto", "hh"}, optional
        "released", "parquet" and "csv" hold rows as they were released, labels with the category keys of the data
        set's taxonomy; "datasets" does, too, as a folder for ``datasets.load_from_disk``. "dpo" has `prompt`,
        `chosen`, `rejected`; "kto" `prompt`, `completion`, `label`; "hh" `chosen` and `rejected`, each a whole
        conversation in one string. By default what the ending of `path` says: "released" for a folder.
    texts : bool
        Write prompts and answers. Without them the ids of pairs (`pair_id`) join labels and scores to the texts
        where those are. Training data and "datasets" are nothing without texts.
    population : {"annotations", "preferences", "prompts", "pairs"}, optional
        What a row is. By default rows as they were released, of every kind there is; for "dpo" and "hh"
        comparisons; for "kto" pairs, or comparisons if `order` is given. "pairs" has the labels of the majority.
    where : {"all", "safe", "unsafe"}
        Rows of that safety. A comparison is safe if both answers are, and unsafe if one is.
    categories : str or iterable of str, optional
        Rows that have one of these categories, by key, slug or title; of a comparison, either answer.
    split : str or sequence of str, optional
        Rows of these splits.
    pairs : Selection, Expr over `pairs`, table with `pair_id`, or ids, optional
        Rows about these pairs; of a comparison, either answer.
    order : {"better", "safer", "overall"}, optional
        What "chosen" goes by; "better" by default. With "kto", chosen answers are the good ones, instead of safe ones.
    replace : bool
        Take the place of what an earlier export wrote there.

    Returns
    -------
    Export
        The files, the number of rows, and what was skipped or left out.

    Raises
    ------
    UsageError
        If an option is unknown or has no effect, texts are needed and were not asked for, no row is asked for, rows of
        several kinds were to go to one file, or something is at `path` and may not be replaced.
    StoreError
        If the disk is full or the folder cannot be written.

    Notes
    -----
    The content policy of a session decides what views show. An export with texts holds them all. Beside corrected data
    goes a data card that says what was changed: CORRECTIONS.md in a folder, else the file's name and ``.md``.

    Examples
    --------
    >>> import btviz
    >>> ds = btviz.load("sample")
    >>> btviz.export(ds, "unsafe.csv", where="unsafe").rows["written"].sum()  # doctest: +SKIP
    1524
    """
    expect_dataset(ds)
    target = Path(path)
    form, encoding = _form(target, form)
    shape = Shape(form, texts=texts, population=population, order=order)
    wanted = Wanted(
        choice(where, SUBSETS, what="subset"),
        None if categories is None else ds.taxonomy.mask([categories] if isinstance(categories, str) else categories),
        None if split is None else _splits(ds, [split] if isinstance(split, str) else split),
        None if pairs is None else _pair_ids(ds, pairs),
    )
    tables = _some_rows(ds, list(shape.tables(ds, wanted)), shape)
    files = _write(ds, target, tables, encoding=encoding, replace=replace)
    return _report(ds, target, shape, tables=tables, files=files, remarks=_remarks(ds, wanted, shape, files=files))


def _form(target: Path, form: str | None) -> tuple[str, Encoding | None]:
    """The form, and how files are written down; None for the folder of `datasets`."""
    encoding = Encoding.of(target.name)
    if encoding is None and target.suffix[1:].isalpha():
        raise UsageError(
            f"An export to {target.name} was asked for; {target.suffix} is none of the endings {list(ENDINGS)} (all "
            "but the last also with .gz, .xz, .zst). Use one of them, or a name without an ending for a folder."
        )
    if form is None:
        form = "released" if encoding is None else _BY_ENDING[encoding.ending]
    usual = _ENDING.get(choice(form, FORMS, what="form of export"), ".jsonl")
    if encoding is not None and (form == "datasets" or (form in ("csv", "parquet") and encoding.ending != usual)):
        wants = "is a folder" if form == "datasets" else f"ends in {usual}"
        raise UsageError(
            f"An export as {form!r} to {target.name} was asked for; what that writes {wants}. Change the name, or "
            "leave the form out."
        )
    return form, None if form == "datasets" else encoding or Encoding(usual)


def _splits(ds: Dataset, splits: Sequence[str | None]) -> tuple[str | None, ...]:
    tables = [all_rows(ds, name) for name in RELEASED]
    known = {split for table in tables if "split" in table.columns for split in table["split"].unique()}
    for split in splits:
        choice(split, sorted(known, key=str), what="split")  # type: ignore[arg-type]  # None is a split
    return tuple(splits)


def _pair_ids(ds: Dataset, pairs: Selection | pl.Series | pl.DataFrame | pl.Expr | Iterable[int]) -> pl.Series:
    selection = pairs if isinstance(pairs, Selection) else Selection()
    if isinstance(pairs, pl.Expr):
        selection.set(ds.pairs.filter(pairs))
    elif not isinstance(pairs, Selection):
        selection.set(pairs)
    ids = ds.pairs["pair_id"]
    return ids if selection.pair_ids is None else selection.pair_ids


def _some_rows(ds: Dataset, tables: list[Table], shape: Shape) -> list[Table]:
    if any(table.rows.height for table in tables):
        return [table for table in tables if table.rows.height]
    held = " and ".join(f"{n:,} {name}" for name in shape.sources if (n := all_rows(ds, name).height))
    if not held:
        raise UsageError(
            f"Rows of {ds.name} were to be exported as {shape.form!r}; that form is made of "
            f"{' and '.join(shape.sources)}, and there are none. Choose another form: released, parquet, csv."
        )
    skipped = ", ".join(f"{n:,} because {reason}" for table in tables for reason, n in table.skipped.items())
    found = f"all that are asked for are skipped ({skipped})" if skipped else f"of its {held} none is asked for"
    raise UsageError(
        f"Rows of {ds.name} were to be exported as {shape.form!r}; {found}. Ask for others, or for another form."
    )


def _write(
    ds: Dataset, target: Path, tables: Sequence[Table], *, encoding: Encoding | None, replace: bool
) -> list[File]:
    is_file = encoding is not None and Encoding.of(target.name) is not None
    if len(tables) > 1 and (is_file or encoding is None):
        held = " and ".join(f"{table.rows.height:,} {table.source}" for table in tables)
        raise UsageError(
            f"Rows were to be exported to {target.name}, which holds rows of one kind; there are {held}. Choose "
            "one kind with population=, --population, or name a folder, which gets a file for each."
        )
    documents: dict[str, Iterable[bytes]] = {}
    if encoding is None:
        files, documents = saved_dataset(target, tables[0].name, rows=tables[0].rows)
    elif is_file:
        files = [single_file(target, tables[0].name, rows=tables[0].rows, encoding=encoding)]
        write_output(target, files[0].chunks, replace=replace)
        if _is_corrected(ds):
            write_output(_card_beside(target), [_card(ds, target, files)], replace=True)
        return files
    else:
        files = folder_files(target, {table.name: table.rows for table in tables}, encoding=encoding)
    contents = {file.name: file.chunks for file in files} | documents
    if _is_corrected(ds):
        contents[CARD] = [_card(ds, target, files)]
    write_outputs(target, contents, replace=replace, replaceable=is_own)
    return files


def _is_corrected(ds: Dataset) -> bool:
    return "corrected" in ds.facts


def _card(ds: Dataset, target: Path, files: Sequence[File]) -> bytes:
    return card_of(ds, files=[(file.name or target.name, file.rows.height) for file in files])


def _card_beside(target: Path) -> Path:
    """Where the data card of a single file is."""
    return target.with_name(f"{target.name}.md")


def _remarks(ds: Dataset, wanted: Wanted, shape: Shape, *, files: Sequence[File]) -> Iterator[str]:
    if wanted.pair_ids is not None and (absent := ~wanted.pair_ids.is_in(ds.pairs["pair_id"].implode())).any():
        yield f"{absent.sum():,} pairs asked for are not in the data."
    if ds.taxonomy not in (*TAXONOMIES.values(), *NEIGHBOUR_TAXONOMIES.values()) and not shape.compares:
        yield f"The categories are those of {ds.taxonomy.name!r}: who reads the labels needs its file, too."
    if _is_corrected(ds):
        card = CARD if not (files and not files[0].name) else "the name of the file and .md"
        yield f"What was corrected is said in the data card beside it ({card})."
    if shape.texts and (n := sum(map(unnamed_among_named, files))):
        yield (
            f"{n:,} rows without categories are in one file with rows that have some, where btviz takes a row without "
            "for a fault. In a folder they get a file of their own."
        )


def _report(
    ds: Dataset, target: Path, shape: Shape, *, tables: Sequence[Table], files: Sequence[File], remarks: Iterable[str]
) -> Export:
    written = {table.source: table for table in tables}
    rows = [
        (name, in_data, *((table.selected, sum(table.skipped.values()), table.rows.height)
         if (table := written.get(name)) else (0, 0, 0)))
        for name in ((*written,) if "pairs" in written else RELEASED)  # pairs are what those come to
        if (in_data := all_rows(ds, name).height)
    ]  # fmt: skip
    skipped = [(table.source, reason, n) for table in tables for reason, n in table.skipped.items()]
    left_out = {column: reason for table in tables for column, reason in table.left_out.items()}
    return Export(
        target,
        ds.name,
        shape.form,
        shape.texts,
        shape.chosen_by,
        ds.is_synthetic,
        tuple(remarks),
        pl.DataFrame(
            [
                (str(target / file.name) if file.name else str(target), file.table, file.split, file.rows.height)
                for file in files
            ],
            schema=_FILES,
            orient="row",
        ),
        pl.DataFrame(rows, schema=_ROWS, orient="row"),
        pl.DataFrame(skipped, schema=_SKIPPED, orient="row"),
        pl.DataFrame(list(left_out.items()), schema=_LEFT_OUT, orient="row"),
    )


_FILES = pl.Schema({"file": pl.String(), "table": pl.String(), "split": pl.String(), "rows": pl.Int64()})
_ROWS = pl.Schema({"table": pl.String(), **dict.fromkeys(("in_data", "selected", "skipped", "written"), pl.Int64())})
_SKIPPED = pl.Schema({"table": pl.String(), "reason": pl.String(), "rows": pl.Int64()})
_LEFT_OUT = pl.Schema({"column": pl.String(), "reason": pl.String()})


def export_table(path: str | Path, table: pl.DataFrame) -> Path:
    """Write a table of text, numbers and ids to a file.

    Parameters
    ----------
    path : path-like
        Ends in ``.csv`` or ``.jsonl``.
    table : DataFrame
        Texts in it must have passed the content policy.

    Returns
    -------
    Path
        The file. Ids become ``0x`` and 16 hexadecimal digits, because spreadsheets round long
        numbers; times become ISO 8601; lists are joined by ``" | "`` in a CSV. In a CSV a cell that a
        spreadsheet would take for a formula gets an apostrophe in front, and a column `apostrophe_added` says so.

    Raises
    ------
    UsageError
        If the name ends in anything else.
    """
    target = Path(path)
    return write_file(target, table_bytes(table, suffix=target.suffix))


def table_bytes(table: pl.DataFrame, *, suffix: str) -> bytes:
    """What `export_table` writes to a file whose name ends in `suffix`.

    Parameters
    ----------
    table : DataFrame
        Texts in it must have passed the content policy.
    suffix : {".csv", ".jsonl"}
        Ending of the name.

    Returns
    -------
    bytes
        The whole content, in UTF-8.

    Raises
    ------
    UsageError
        If that is none of `FORMATS`.
    """
    return b"".join(Encoding(choice(suffix, FORMATS, what="format for exports")).encode(table))
