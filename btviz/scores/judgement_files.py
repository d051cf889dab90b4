"""Judgements from files: which of two models' answers a judge preferred, in the columns in which people keep them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from btviz.data.reading.flat_tables import FileTable, open_tables
from btviz.data.reading.record import shown_columns
from btviz.data.tables import ID, prompt_id
from btviz.errors import DataError, UsageError, choice
from btviz.scores.judgements import FIRST, JUDGEMENTS, OVERALL, SECOND, TIE

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "prompt": ("prompt", "question", "instruction", "prompt_id", "question_id", "item", "id"),
    "judge": ("judge", "annotator", "rater", "evaluator", "judge_name"),
    "aspect": ("aspect", "criterion", "dimension", "metric"),
    "order": ("shown_first", "order", "swapped", "first_shown", "position"),
    "winner": ("winner", "preference", "verdict", "choice", "preferred", "better"),
}
"""What is looked for in a file of judgements, and the names by which it is known."""

MODELS = tuple(
    tuple(form.format(end) for end in ends)
    for form in ("model_{}", "model{}", "policy_{}", "generator_{}", "assistant_{}", "model-{}", "{}_model", "{}")
    for ends in (("a", "b"), ("A", "B"), ("1", "2"), ("0", "1"), ("first", "second"))
    if form != "{}" or ends == ("first", "second")
)
"""Pairs of columns that name the two models."""

LISTED = "listed"
"""Order of a file that lists the model shown first as the first of the two."""

_TIES = r"^(?:ties?|draw|equal|both|both ?bad|same|neither|c|0\.5)\b"
_NONE = ("", "error", "none", "null", "nan", "invalid", "n/a", "unclear")
_GAMES = ("g1_winner", "g2_winner")
"""Verdicts of a judge that was asked twice, with the first model shown first and then the second."""


def read_judgements(
    paths: str | Path | Sequence[str | Path],
    *,
    columns: Mapping[str, str] | None = None,
    order: str | None = None,
    judge: str | None = None,
) -> pl.DataFrame:
    """Read which of two models' answers judges preferred.

    Parameters
    ----------
    paths : path-like or sequence of them
        JSON lines, JSON, Parquet or CSV files with a row for each judgement: a prompt or its id, two models, the winner
        (its name, "model_a", "A", "first", 1 or 2, a tie as such or as the mean of both numbers), and, if known, the
        judge, an aspect such as helpfulness, and which was shown first (its name, "first", "second", "ab", "ba", or
        a column ``swapped`` of true and false). A winner may also stand in ``winner_model_a``, ``winner_model_b`` and
        ``winner_tie``; of a judge asked in both orders in ``g1_winner`` and ``g2_winner``.
    columns : Mapping, optional
        What to its column: "prompt", "first", "second" (the two models), "winner", "judge", "aspect", "order". By
        default the first that is there of `btviz.scores.judgement_files.COLUMNS` and `MODELS`.
    order : {"listed"}, optional
        The first model named is the one shown first, in files that do not say so. By default it is not known.
    judge : str, optional
        Name of the judge, in files that do not say so; by default that of the file.

    Returns
    -------
    DataFrame
        The columns of `btviz.scores.judgements.JUDGEMENTS`: `prompt_id`, `item` (what was judged: the prompt, and its
        turn where there is a column of that name), `judge`, `aspect` ("overall" where none is named), `first`, `second`
        (models), `winner` ("first", "second", "tie", null where the judge said nothing), `shown_first` ("first",
        "second", null where it is not known). In the order of the files; a judgement that is there twice counts twice.

    Raises
    ------
    UsageError
        If a column is missing or an option is unknown.
    DataError
        If a winner or an order is none of two models, a model meets itself, or a name is missing.
    """
    path_list = [paths] if isinstance(paths, str | Path) else list(paths)
    if not path_list:
        raise UsageError("Judgements were to be read; no file was named. Name one or more.")
    if order is not None:
        choice(order, [LISTED], what="order")
    for name in columns or {}:
        choice(name, [*COLUMNS, FIRST, SECOND], what="column of judgements")
    tables = open_tables([Path(path) for path in path_list])
    return pl.concat([_judgements(table, columns or {}, order=order, judge=judge) for table in tables])


def _judgements(table: FileTable, columns: Mapping[str, str], *, order: str | None, judge: str | None) -> pl.DataFrame:
    first, second = _model_columns(table, columns)
    prompt = _column(table, columns, what="prompt")
    optional = {what: _column(table, columns, what=what) for what in ("judge", "aspect", "order")}
    if prompt is None:
        raise _missing(table, "prompt", f"prompt or its id ({' / '.join(COLUMNS['prompt'])})")
    flat = [first, second, prompt, *(name for name in optional.values() if name)]
    table.check_flat(flat)
    names = [_names(table, column) for column in (first, second)]
    if (names[0] == names[1]).any():
        row = int((names[0] == names[1]).arg_true()[0]) + 1
        raise DataError(
            f"{table.path.name} was to be read for judgements; in row {row:,} a model meets itself. Mend it."
        )
    prompts = table.frame[prompt].cast(pl.String)
    if prompts.null_count():
        raise DataError(
            f"{table.path.name} was to be read for judgements; {prompts.null_count():,} rows have no prompt. Add it."
        )
    turn = table.frame["turn"].cast(pl.String) if "turn" in table.frame.columns else None
    ids = prompts.replace_strict({text: prompt_id(text) for text in prompts.unique()}, return_dtype=ID)
    rows = pl.DataFrame({"prompt_id": ids, FIRST: names[0], SECOND: names[1]}).with_columns(
        item=pl.col("prompt_id").cast(pl.String) + ("" if turn is None else " " + turn.fill_null("")),
        judge=pl.lit(judge or table.name) if optional["judge"] is None else _names(table, optional["judge"]),
        aspect=pl.lit(OVERALL) if optional["aspect"] is None else _names(table, optional["aspect"]),
    )
    ends = (_end(first, second), _end(second, first))  # by which winners call the two
    if _has_games(table, columns):
        games = [
            rows.with_columns(winner=_sides(table, name, names, ends=ends), shown_first=pl.lit(shown))
            for name, shown in zip(_GAMES, (FIRST, SECOND), strict=True)
        ]
        return pl.concat(games).select(list(JUDGEMENTS)).cast(JUDGEMENTS)
    if optional["order"] is None:
        shown = pl.Series([FIRST if order == LISTED else None] * rows.height, dtype=pl.String)
    else:
        shown = _shown(table, optional["order"], names, ends=ends)
    winner = _winner(table, columns, names, ends=ends)
    return rows.with_columns(winner=winner, shown_first=shown).select(list(JUDGEMENTS)).cast(JUDGEMENTS)


def _missing(table: FileTable, what: str, found: str) -> UsageError:
    return UsageError(
        f"{table.path.name} was to be read for judgements; it has no column of the {found}. It has "
        f"{shown_columns(table.frame.columns)}. Name yours: columns={{{what!r}: COLUMN}} (--column {what}=COLUMN)."
    )


def _column(table: FileTable, columns: Mapping[str, str], *, what: str) -> str | None:
    if what in columns:
        if columns[what] not in table.frame.columns:
            raise _missing(table, what, f"{what}, {columns[what]!r}")
        return columns[what]
    return table.first_of(COLUMNS[what])


def _model_columns(table: FileTable, columns: Mapping[str, str]) -> tuple[str, str]:
    there = table.frame.columns
    for what in (FIRST, SECOND):
        if what in columns and columns[what] not in there:
            raise _missing(table, what, f"{what} model, {columns[what]!r}")
    if FIRST in columns and SECOND in columns:
        return columns[FIRST], columns[SECOND]
    found = next((pair for pair in MODELS if set(pair) <= set(there)), None)
    if found is None:
        raise _missing(table, FIRST, "two models (model_a and model_b, or the like)")
    return columns.get(FIRST, found[0]), columns.get(SECOND, found[1])


def _names(table: FileTable, column: str) -> pl.Series:
    names = table.frame[column].cast(pl.String).str.strip_chars()
    lost = int((names.fill_null("") == "").sum())
    if lost:
        raise DataError(
            f"{table.path.name} was to be read for judgements; {lost:,} rows name nothing in the column {column!r}. "
            "Write a name in each."
        )
    return names


def _end(name: str, other: str) -> str:
    """What tells the name of a column from that of the other: ``a`` of ``model_a`` and ``model_b``."""
    same = next((i for i, (x, y) in enumerate(zip(name, other, strict=False)) if x != y), 0)
    tail = next((i for i, (x, y) in enumerate(zip(name[::-1], other[::-1], strict=False)) if x != y), 0)
    return name[same : len(name) - tail].lower() or name.lower()


def _has_games(table: FileTable, columns: Mapping[str, str]) -> bool:
    return "winner" not in columns and set(_GAMES) <= set(table.frame.columns)


def _winner(
    table: FileTable, columns: Mapping[str, str], names: Sequence[pl.Series], *, ends: tuple[str, str]
) -> pl.Series:
    column = _column(table, columns, what="winner")
    if column is not None:
        return _sides(table, column, names, ends=ends)
    marked = [f"winner_model_{ends[0]}", f"winner_model_{ends[1]}", "winner_tie"]
    if not set(marked) <= set(table.frame.columns):
        raise _missing(table, "winner", f"winner ({' / '.join(COLUMNS['winner'])})")
    flags = table.frame.select(pl.col(name).cast(pl.Float64, strict=False) for name in marked)
    single = flags.select(pl.sum_horizontal(pl.all().fill_null(0)) == 1).to_series()
    if not single.all():
        row = int((~single).arg_true()[0]) + 1
        raise DataError(
            f"{table.path.name} was to be read for judgements; in row {row:,} not exactly one of {marked} is 1. "
            "Mend it."
        )
    a, b = (pl.col(name) == 1 for name in marked[:2])
    return flags.select(pl.when(a).then(pl.lit(FIRST)).when(b).then(pl.lit(SECOND)).otherwise(pl.lit(TIE))).to_series()


def _sides(table: FileTable, column: str, names: Sequence[pl.Series], *, ends: tuple[str, str]) -> pl.Series:
    """Which of the two models each value names: "first", "second", "tie", or null for nothing."""
    table.check_flat([column])
    written = table.frame[column]
    numbers = written.cast(pl.Float64, strict=False)
    if numbers.count() == written.count() and numbers.drop_nulls().is_in([0.0, 0.5, 1.0, 1.5, 2.0]).all():
        middle = 1.5 if ends == ("1", "2") else 0.5
        written = numbers.cast(pl.String).set(numbers == middle, TIE).str.replace(r"\.0$", "")
    value = written.cast(pl.String).str.strip_chars()
    word = value.str.to_lowercase().str.strip_chars("[]().")
    value_of = pl.DataFrame({"value": value, "word": word, "a": names[0], "b": names[1]})
    tokens = [_tokens(place, end) for place, end in zip((FIRST, SECOND), ends, strict=True)]
    found = value_of.select(
        pl.when(pl.col("value") == pl.col("a")).then(pl.lit(FIRST))
        .when(pl.col("value") == pl.col("b")).then(pl.lit(SECOND))
        .when(pl.col("word").str.contains(_TIES) & ~pl.col("word").is_in([*tokens[0], *tokens[1]])).then(pl.lit(TIE))
        .when(pl.col("word").is_in(tokens[0])).then(pl.lit(FIRST))
        .when(pl.col("word").is_in(tokens[1])).then(pl.lit(SECOND))
    ).to_series()  # fmt: skip
    lost = found.is_null() & ~word.fill_null("").is_in(_NONE)
    if lost.any():
        row = int(lost.arg_true()[0]) + 1
        raise DataError(
            f"{table.path.name} was to be read for judgements; {int(lost.sum()):,} values of its column {column!r} "
            f"name neither model, the first in row {row:,}. Write the model's name, {tokens[0][0]!r}, {tokens[1][0]!r} "
            f"or {TIE!r}."
        )
    return found


def _tokens(place: str, end: str) -> list[str]:
    return [end, *(f"{form}{end}" for form in ("model_", "model ", "model", "assistant_", "assistant ")), place]


_SWAPPED = {
    **dict.fromkeys(("true", "1", "1.0", "yes"), SECOND),
    **dict.fromkeys(("false", "0", "0.0", "no"), FIRST),
}


def _shown(table: FileTable, column: str, names: Sequence[pl.Series], *, ends: tuple[str, str]) -> pl.Series:
    """Which model was shown first; of a column that says whether the two were swapped, true is the second."""
    values = table.frame[column]
    if "swap" in column.lower():
        said = values.cast(pl.String).str.to_lowercase()
        return said.replace_strict(_SWAPPED, default=None, return_dtype=pl.String)
    if values.dtype == pl.String:
        both = {"".join(ends): ends[0], "".join(ends[::-1]): ends[1]}
        is_name = (values == names[0]) | (values == names[1])
        short = values.str.replace_all(r"[\s,_/>-]+", "").str.to_lowercase()
        values = short.replace(both).set(is_name | ~short.is_in(list(both)), None).fill_null(values)
    frame = table.frame.with_columns(values.alias(column))
    read = _sides(replace(table, frame=frame), column, names, ends=ends)
    return read.set(read == TIE, None)
