"""Which answer each row of a score file is about: by its texts or by an id; a row about two answers becomes two."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from btviz.data.dataset import Dataset
from btviz.data.keys import PAIR_ID, is_hash, matched_pairs, named_key
from btviz.data.reading.flat_tables import FileTable
from btviz.data.reading.record import shown_columns
from btviz.data.tables import ID, pair_ids_in, prompt_id, with_ids
from btviz.errors import DataError, UsageError

PROMPT_COLUMNS = ("prompt", "question", "instruction")
RESPONSE_COLUMNS = ("response", "answer", "output", "completion")
ITEM_COLUMNS = ("index", "id")
POLICY_COLUMNS = ("policy", "source")

CHOSEN = ("chosen", "rejected")

SIDES = (("0", "1"), ("1", "2"), ("a", "b"), ("A", "B"), CHOSEN)
"""Words that tell the two answers of a row apart, in names of columns: ``response_0``, ``reward_chosen``, ``cost1``."""

TEXTS = "texts"


@dataclass(frozen=True)
class AnswerColumns:
    """Columns that the user named; None where one of the usual names is to be found."""

    prompt: str | None = None
    response: str | None = None
    policy: str | None = None
    by: str | None = None


@dataclass(frozen=True, eq=False)
class AnswerFile:
    """A score file with a row for each answer.

    Attributes
    ----------
    table : FileTable
        The file; of one with two answers in a row, unfolded.
    sides : Series or None
        Then, which of the two answers each row is.
    stems : Mapping
        And the columns there, by their names in the file.
    ends : tuple of str
        And the words that tell the two apart, one of `SIDES`; empty otherwise.
    """

    table: FileTable
    sides: pl.Series | None = None
    stems: Mapping[str, str] = field(default_factory=dict)
    ends: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class AnswerRows:
    """Rows of a score file and the answers that they are about.

    Attributes
    ----------
    file : AnswerFile
    rows : DataFrame
        `pair_id` (null where nothing matched), `prompt_id`, `policy`, `item`, and `prompt`, `response` where these
        were matched; as many rows as the file has answers.
    by : str
        What was matched by, in words.
    n_ambiguous : int
        Rows whose id is that of several answers.
    """

    file: AnswerFile
    rows: pl.DataFrame
    by: str
    n_ambiguous: int = 0


def answer_rows(
    table: FileTable, columns: AnswerColumns, *, ds: Dataset | None, policies: Sequence[str] = ()
) -> AnswerRows:
    """Identify the answer of each row of a file."""
    file = unfolded(table, columns, ds=ds)
    found = _identified(file, columns, ds=ds)
    table = file.table
    policy, item = _policy_column(table, columns.policy), table.first_of(ITEM_COLUMNS)
    table.check_flat([name for name in (policy, item) if name])
    rows = found.rows.with_columns(
        policy=_texts(table, policy, otherwise=table.name if ds is None or table.name in policies else None),
        item=_texts(table, item, otherwise=None),
    )
    return replace(found, rows=rows)


def _identified(file: AnswerFile, columns: AnswerColumns, *, ds: Dataset | None) -> AnswerRows:
    table = file.table
    if columns.by is not None:
        if ds is None:
            raise UsageError(
                f"{table.path.name} was to be matched by {columns.by!r}; it makes a data set of its own, and has "
                "nothing to be matched with. Name the data set whose answers were scored, or leave that out."
            )
        return _by_key(file, columns, ds)
    has_texts = _has_texts(table, columns)
    named = bool(columns.prompt or columns.response)
    if ds is not None and PAIR_ID in table.frame.columns and not named:
        rows = _by_pair_id(table, ds, has_texts=has_texts)
        if rows is not None:
            return AnswerRows(file, rows, PAIR_ID)
    if ds is not None and not has_texts and not named and named_key(table.frame.columns, ds):
        return _by_key(file, columns, ds)
    return AnswerRows(file, _by_texts(table, columns), TEXTS)


def _has_texts(table: FileTable, columns: AnswerColumns) -> bool:
    prompt, response = columns.prompt or PROMPT_COLUMNS, columns.response or RESPONSE_COLUMNS
    wanted = ((name,) if isinstance(name, str) else name for name in (prompt, response))
    return all(table.first_of(names) for names in wanted)


def _by_pair_id(table: FileTable, ds: Dataset, *, has_texts: bool) -> pl.DataFrame | None:
    """Rows by the ids that they state; None where these are ids of the file's own, beside texts to go by."""
    try:
        ids = pair_ids_in(table.frame[PAIR_ID])
    except DataError:
        if has_texts:
            return None
        raise
    if has_texts and not ids.is_in(ds.pairs["pair_id"].implode()).any():
        return None
    return pl.DataFrame({"pair_id": ids}).with_columns(pl.lit(None, ID).alias("prompt_id"))


def _by_key(file: AnswerFile, columns: AnswerColumns, ds: Dataset) -> AnswerRows:
    """Rows by an id that the data set knows; of two answers in a row each by its own."""
    frame = file.table.frame.with_row_index("row of the file")
    prompt = file.table.first_of([columns.prompt] if columns.prompt else PROMPT_COLUMNS)
    prompts = None if prompt is None else _prompt_ids(frame[prompt])
    sides: list[int | None] = [None] if file.sides is None else [0, 1]
    parts, by, n_ambiguous = [], "", 0
    for side in sides:
        inside = None if file.sides is None else file.sides == side
        part = frame if inside is None else frame.filter(inside)
        asked = prompts if prompts is None or inside is None else prompts.filter(inside)
        matches = matched_pairs(part.drop("row of the file"), ds, by=columns.by, side=side, prompts=asked)
        parts.append(part.select("row of the file").with_columns(matches.pair_ids.alias("pair_id")))
        by, n_ambiguous = matches.by, n_ambiguous + matches.n_ambiguous
    named = named_key(frame.columns, ds, by=columns.by)
    if file.ends == CHOSEN and named is not None and named[1] != PAIR_ID and not is_hash(named[1]):
        parts = _in_order(parts, ds)
    rows = pl.concat(parts).sort("row of the file").select("pair_id", pl.lit(None, ID).alias("prompt_id"))
    return AnswerRows(file, rows, by, n_ambiguous)


def _in_order(parts: Sequence[pl.DataFrame], ds: Dataset) -> list[pl.DataFrame]:
    """Chosen and rejected answers, by what the data set says of the two; neither where that is not known."""
    pair = ["pair_id_0", "pair_id_1"]
    order = pl.coalesce("overall", "better", "safer").alias("order")
    known = ds.preferences.select(*pair, order).drop_nulls().unique()
    known = known.filter(~known.select(pair).is_duplicated())
    first, second = (part["pair_id"] for part in parts)
    both = pl.DataFrame({"pair_id_0": first, "pair_id_1": second}).join(
        known, on=pair, how="left", maintain_order="left"
    )
    chosen = pl.when(pl.col("order") == 0).then("pair_id_0").when(pl.col("order") == 1).then("pair_id_1")
    rejected = pl.when(pl.col("order") == 1).then("pair_id_0").when(pl.col("order") == 0).then("pair_id_1")
    ids = both.select(chosen=chosen, rejected=rejected)
    return [part.with_columns(ids[name].alias("pair_id")) for part, name in zip(parts, CHOSEN, strict=True)]


def _prompt_ids(texts: pl.Series) -> pl.Series | None:
    if texts.dtype != pl.String:
        return None
    known = {text: prompt_id(text) for text in texts.unique().drop_nulls()}
    return texts.replace_strict(known, default=None, return_dtype=ID)


def _by_texts(table: FileTable, columns: AnswerColumns) -> pl.DataFrame:
    """Rows by the exact prompt and answer; one that lacks a text matches nothing."""
    text_columns = {
        "prompt": _text_column(table, "prompt", column=columns.prompt, usual=PROMPT_COLUMNS),
        "response": _text_column(table, "response", column=columns.response, usual=RESPONSE_COLUMNS),
    }
    table.check_flat(list(text_columns.values()))
    written = table.frame.select(pl.col(column).cast(pl.String).alias(name) for name, column in text_columns.items())
    numbered = written.with_row_index("row of the file")
    whole = with_ids(numbered.drop_nulls())
    ids = whole.select("row of the file", "prompt_id", "pair_id")
    return numbered.join(ids, on="row of the file", how="left", maintain_order="left").drop("row of the file")


def _text_column(table: FileTable, name: str, *, column: str | None, usual: tuple[str, ...]) -> str:
    column_name = table.first_of([column] if column else usual)
    if column_name is None:
        raise UsageError(
            f"{table.path.name} was to be read for a {name}; it has the columns "
            f"{shown_columns(table.frame.columns)}, and {column or ' / '.join(usual)} is not among "
            f"them. Name yours: {name}=COLUMN (--{name} COLUMN), or match by an id: by=COLUMN=KEY (--by); a "
            "column 'line' may say which line of the data each row is about."
        )
    return column_name


def _policy_column(table: FileTable, column: str | None) -> str | None:
    if column and column not in table.frame.columns:
        raise UsageError(
            f"{table.path.name} was to be read for policies; it has no column {column!r}. It has "
            f"{shown_columns(table.frame.columns)}. Name one of these."
        )
    return column or table.first_of(POLICY_COLUMNS)


def _texts(table: FileTable, column: str | None, *, otherwise: str | None) -> pl.Series | pl.Expr:
    return pl.lit(otherwise, pl.String) if column is None else table.frame[column].cast(pl.String).replace("", None)


# -- two answers in a row -------------------------------------------------------------------------


def unfolded(table: FileTable, columns: AnswerColumns, *, ds: Dataset | None) -> AnswerFile:
    """A file with a row for each answer: where its rows are about two, each becomes two.

    Two answers are columns such as ``response_0`` and ``response_1`` (see `SIDES`), or a list of texts in one
    column, with the scores in columns or lists alike.
    """
    listed = _list_column(table, columns)
    if listed is not None:
        return _exploded(table, listed)
    table = _spread(table)
    names = table.frame.columns
    singles = [name for name in names if name in (*RESPONSE_COLUMNS, PAIR_ID) or is_hash(name)]
    sided = {name for ends in SIDES for pair in paired_columns(names, ends).values() for name in pair}
    if columns.response in names or set(singles) - sided:
        return AnswerFile(table)
    for ends in SIDES:
        pairs = paired_columns(names, ends)
        if any(stem in ("", columns.response, *RESPONSE_COLUMNS, PAIR_ID) or is_hash(stem) for stem in pairs):
            return _stacked(table, pairs, ends=ends)
        if pairs and ds is not None and _names_comparisons(names, columns, ds=ds):
            return _stacked(table, pairs, ends=ends)
    return AnswerFile(table)


def paired_columns(names: Sequence[str], ends: tuple[str, str]) -> dict[str, tuple[str, str]]:
    """Columns that differ by one of two words alone, by what is left of their names."""
    first, second = (dict(_stems(names, end)) for end in ends)
    return {stem: (first[stem], second[stem]) for stem in first if stem in second}


def _stems(names: Sequence[str], end: str) -> Iterator[tuple[str, str]]:
    apart = re.compile(rf"(?:(.+?)[_.\- ])?{end}(?:[_.\- ](.+))?")
    for name in names:
        words = apart.fullmatch(name) or (re.fullmatch(rf"(.*[A-Za-z]){end}", name) if end.isdigit() else None)
        if words:
            yield "_".join(word for word in words.groups() if word), name


def _names_comparisons(names: Sequence[str], columns: AnswerColumns, *, ds: Dataset) -> bool:
    """Whether the rows state an id that is that of two answers, as of a comparison."""
    found = named_key(names, ds, by=columns.by)
    return found is not None and f"{found[1]}_0" in ds.keys["key"]


def _stacked(table: FileTable, pairs: Mapping[str, tuple[str, str]], *, ends: tuple[str, str]) -> AnswerFile:
    frame = table.frame
    stems = {name: stem or RESPONSE_COLUMNS[0] for stem, pair in pairs.items() for name in pair}
    shared = [name for name in frame.columns if name not in stems]
    doubtful = sorted(set(shared) & set(stems.values()))
    if doubtful:
        raise DataError(
            f"{table.path.name} was to be read for scores of two answers in a row; of its columns "
            f"{shown_columns(doubtful)} there is one without the answer that it is of, and one for each. Take it out, "
            "or rename it."
        )
    parts = [
        frame.select(*shared, *(pl.col(pair[side]).alias(stems[pair[side]]) for pair in pairs.values()))
        for side in (0, 1)
    ]
    sides = pl.Series("side", [0] * frame.height + [1] * frame.height, dtype=pl.UInt8)
    return AnswerFile(replace(table, frame=pl.concat(parts, how="vertical_relaxed")), sides, stems, ends)


def _spread(table: FileTable) -> FileTable:
    """A file whose objects hold a score of either answer, as ``{"chosen": 3.8, "rejected": -1.0}``, in columns."""
    frame = table.frame
    for name, dtype in frame.schema.items():
        if isinstance(dtype, pl.Struct) and any({f.name for f in dtype.fields} == set(ends) for ends in SIDES):
            spread = [f"{name}_{f.name}" for f in dtype.fields]
            if not set(spread) & set(frame.columns):
                frame = frame.with_columns(frame[name].struct.rename_fields(spread)).unnest(name)
    ends = dict(zip(CHOSEN, ("score_chosen", "score_rejected"), strict=True))
    if all(frame.schema.get(end, pl.Null()).is_numeric() and ends[end] not in frame.columns for end in CHOSEN):
        frame = frame.rename({end: ends[end] for end in CHOSEN})  # a row that is such an object
    return replace(table, frame=frame)


def _list_column(table: FileTable, columns: AnswerColumns) -> str | None:
    """The column whose rows are lists of answers."""
    usual = (*RESPONSE_COLUMNS, *(f"{name}s" for name in RESPONSE_COLUMNS))
    names = [columns.response] if columns.response else usual
    return next((name for name in names if table.frame.schema.get(name) == pl.List(pl.String)), None)


def _exploded(table: FileTable, listed: str) -> AnswerFile:
    """A row for each text of a list, with its entry in every list that is as long."""
    frame = table.frame
    lengths = frame[listed].list.len()
    alike = [
        name
        for name, dtype in frame.schema.items()
        if isinstance(dtype, pl.List) and frame[name].list.len().equals(lengths)
    ]
    single = listed.removesuffix("s") if listed.removesuffix("s") in RESPONSE_COLUMNS else listed
    sides = frame.select(pl.int_ranges(pl.max_horizontal(pl.lit(1), pl.col(listed).list.len().fill_null(0))))
    rows = frame.explode(alike).rename({listed: single})
    return AnswerFile(replace(table, frame=rows), sides.to_series().explode().cast(pl.UInt8), {listed: single})
