"""What pairs are called outside: ids and hashes that files carry, file and line; and rows found again by these.

A key belongs to an answer. Where a row holds two, as a comparison does, the key's name says whose it is:
``response_0_sha256`` as released; ``id_0``, ``id_1`` and ``line_0``, ``line_1`` of what names the row as a whole.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from btviz.data.reading.record import shown_columns
from btviz.data.tables import ID, KEYS, pair_ids_in
from btviz.errors import DataError, UsageError

if TYPE_CHECKING:
    from btviz.data.dataset import Dataset

PREFIX = "key:"
"""Canonical columns that hold keys begin with it; the file's name of the key follows."""

LINE = "line"
"""Key of every row that was read: ``FILE:LINE``, or the number of the row where a file has no lines."""

PAIR_ID = "pair_id"

ORIGINS = {"pair_id": ID, "side": pl.UInt8(), "file": pl.String(), "line": pl.UInt64()}
"""How keys are stored: a row for each answer that a file holds, with a column for each of its keys."""

_WORDS = "id|ids|uid|uuid|guid|qid|idx|index|sha256|sha1|md5|hash"
_KEY = re.compile(rf"(?:.*[_.\- ])?(?i:{_WORDS})(?:_[01])?|.*[a-z](?:Id|ID|Uuid|UUID)")
_NO_KEY = re.compile(r"better|safer|overall|categor|label|class|severity|level|score|annotator|worker", re.IGNORECASE)
_HASH = re.compile(r"sha256|sha1|md5|hash", re.IGNORECASE)
_SIDE = re.compile(r"(.*?)_([01])(_.*)?")


def is_key(name: str) -> bool:
    """Whether a column of this name holds ids of what its rows are about.

    Its last word decides: ``id``, ``uid``, ``uuid``, ``guid``, ``qid``, ``index`` or a hash, alone or after others
    (``conversation_id``, ``promptId``, ``response_0_sha256``). Numbers of labels (``category_id``,
    ``safer_response_id``) and of people (``annotator_id``) are none.
    """
    return bool(_KEY.fullmatch(name)) and not _NO_KEY.search(name)


def is_hash(name: str) -> bool:
    """Whether a key of this name is the hash of an answer."""
    return bool(_HASH.search(name)) and "prompt" not in name.lower()


def side_of(name: str) -> tuple[str, int | None]:
    """Name of a column without the answer that it is of, 0 or 1, and that: ``response_0_sha256`` is of the first."""
    parts = _SIDE.fullmatch(name)
    return (name, None) if parts is None else (parts[1] + (parts[3] or ""), int(parts[2]))


def key_text(column: pl.Series) -> pl.Series:
    """Values of a key as text; a whole number is written without a point, a list of one value is that value.

    What is no text and no number is null.
    """
    if isinstance(column.dtype, pl.List):
        is_alone = (column.list.len() == 1).fill_null(value=False)
        return key_text(column.list.first().set(~is_alone, None))
    if column.dtype == pl.String:
        text = column.str.strip_chars()
        return text.set(text == "", None)
    if column.dtype.is_float():
        whole = column.is_finite() & (column == column.round())
        exact = whole & (column.abs() < 2**63)
        return pl.select(
            pl.when(exact).then(column.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(column.cast(pl.String))
        ).to_series()
    if column.dtype.is_integer():
        return column.cast(pl.String)
    return pl.Series(column.name, [None] * len(column), dtype=pl.String)


def origins(rows: pl.DataFrame, compared: pl.DataFrame) -> pl.DataFrame:
    """Where answers come from, as it is stored: rows with their ids, of annotations and of comparisons."""
    found = [_origins(rows, side=None), *(_origins(compared, side=side) for side in (0, 1))]
    return pl.concat([pl.DataFrame(schema=ORIGINS), *found], how="diagonal")


def _origins(rows: pl.DataFrame, *, side: int | None) -> pl.DataFrame:
    if "line" not in rows.columns or "file" not in rows.columns:  # rows that were made, and not read
        return pl.DataFrame(schema=ORIGINS)
    pair = "pair_id" if side is None else f"pair_id_{side}"
    names = [name for name in rows.columns if name.startswith(PREFIX) and side_of(name)[1] in (None, side)]
    if f"{PREFIX}{pair}" in names and _is_own(rows[f"{PREFIX}{pair}"], rows[pair]):  # as exports write it
        names.remove(f"{PREFIX}{pair}")
    return rows.select(
        pl.col(pair).alias("pair_id"),
        pl.lit(side, pl.UInt8).alias("side"),
        pl.col("file").cast(pl.String),
        pl.col("line").cast(pl.UInt64),
        *names,
    ).drop_nulls("pair_id")


def _is_own(key: pl.Series, pair_ids: pl.Series) -> bool:
    """Whether a column holds the ids that pairs have anyway, so that it adds nothing."""
    try:
        return bool(pair_ids_in(key).eq_missing(pair_ids).all())
    except DataError:  # ids of others under the same name
        return False


def keys_of(stored: pl.DataFrame) -> pl.DataFrame:
    """Table `keys` of what `origins` made."""
    tables = [KEYS.to_frame()]
    for (side,), part in stored.group_by("side"):
        end = "" if side is None else f"_{side}"
        place = pl.format("{}:{}", "file", "line")
        tables.append(part.select("pair_id", pl.lit(LINE + end).alias("key"), place.alias("value")))
        for name in part.columns:
            if name.startswith(PREFIX):
                key = name.removeprefix(PREFIX)
                whose = key if side_of(key)[1] is not None else key + end
                tables.append(part.select("pair_id", pl.lit(whose).alias("key"), pl.col(name).alias("value")))
    return pl.concat(tables).drop_nulls("value").unique().sort("pair_id", "key", "value")


@dataclass(frozen=True, eq=False)
class Matches:
    """Pairs that rows of a table are about.

    Attributes
    ----------
    pair_ids : Series
        One for each row, null where no pair or several have the key.
    by : str
        What was matched by, in words.
    n_ambiguous : int
        Rows whose key several pairs have.
    """

    pair_ids: pl.Series
    by: str
    n_ambiguous: int = 0


def matched_pairs(
    frame: pl.DataFrame,
    ds: Dataset,
    *,
    by: str | None = None,
    side: int | None = None,
    prompts: pl.Series | None = None,
) -> Matches:
    """Find the pair that each row of a table is about, by an id in one of its columns.

    Parameters
    ----------
    frame : DataFrame
        With a column of ids.
    ds : Dataset
        Whose pairs they are.
    by : str, optional
        ``COLUMN``, or ``COLUMN=KEY`` where the data set calls it otherwise. KEY is ``pair_id``, ``line`` (beside
        a column ``file`` where the data set has several), ``sha256`` or a key in ``ds.keys``. By default the first
        that is there of: ``pair_id``, a hash of the answer, a column of the name of a key, ``line``.
    side : int, optional
        Which of two compared answers these rows are about, 0 or 1, where a key names both.
    prompts : Series, optional
        Id of each row's prompt, which tells one answer to several prompts apart.

    Returns
    -------
    Matches
        A pair for each row, and by what it was found.

    Raises
    ------
    UsageError
        If there is no such column or key.
    DataError
        If a column of pair ids holds others.
    """
    known = named_key(frame.columns, ds, by=by)
    if known is None:
        raise UsageError(
            f"Rows were to be matched with the answers of {ds.name!r} by an id; of the columns "
            f"{shown_columns(frame.columns)} none holds one. There are {shown_columns([PAIR_ID, *key_names(ds)])}: "
            "name the column that has one of these, and which, as COLUMN=KEY (--by)."
        )
    column, key = known
    if key == PAIR_ID:
        return Matches(pair_ids_in(frame[column]), PAIR_ID)
    values = _places(frame, column, ds) if key == LINE else key_text(frame[column])
    rows = pl.DataFrame({"value": values})
    if prompts is not None:
        rows = rows.with_columns(prompts.alias("prompt_id"))
    if is_hash(key):
        return _by_hash(rows.with_columns(pl.col("value").str.to_lowercase()), ds, key=key)
    return _looked_up(rows, _known(ds, [key], side=side), by="file and line" if key == LINE else key)


def named_key(columns: Sequence[str], ds: Dataset, *, by: str | None = None) -> tuple[str, str] | None:
    """Column to match by, and the key that it holds; None where none is named and none is known."""
    names, exact = key_names(ds), set(ds.keys["key"].unique())
    if by is None:
        usual = [
            PAIR_ID,
            *filter(is_hash, columns),
            *(name for name in columns if name in names or name in exact),
            LINE,
        ]
        column = next((name for name in usual if name in columns), None)
        return None if column is None else (column, column)
    column, _, key = (by, "", by) if by in columns else by.rpartition("=")
    if column not in columns:
        raise UsageError(
            f"Rows were to be matched by {by!r}; there is no column {column or by!r}, but {shown_columns(columns)}. "
            "Write COLUMN, or COLUMN=KEY."
        )
    if key != PAIR_ID and key not in {*names, *exact} and not is_hash(key):
        raise UsageError(
            f"Rows were to be matched by the key {key!r}; {ds.name!r} has {shown_columns([PAIR_ID, *names])}. "
            f"Write {column}=KEY with one of these."
        )
    return column, key


def key_names(ds: Dataset) -> list[str]:
    """Names of the keys of a data set, without that of the answer in a comparison."""
    return sorted({side_of(key)[0] for key in ds.keys["key"].unique()})


def _known(ds: Dataset, names: Sequence[str], *, side: int | None) -> pl.DataFrame:
    """Values of some keys, with `pair_id` and `prompt_id`; of a comparison those of one answer, or of both."""
    wanted = [
        key
        for key in ds.keys["key"].unique()
        if key in names or (side_of(key)[0] in names and side in (None, side_of(key)[1]))
    ]
    values = ds.keys.filter(pl.col("key").is_in(wanted)).select("value", "pair_id").unique()
    return values.join(ds.pairs.select("pair_id", "prompt_id"), on="pair_id")


def _by_hash(rows: pl.DataFrame, ds: Dataset, *, key: str) -> Matches:
    """By the hashes that the data have or, where these match nothing, by the SHA-256 of each answer."""
    names = [name for name in key_names(ds) if is_hash(name)]
    released = _known(ds, names, side=None).with_columns(pl.col("value").str.to_lowercase()).unique()
    matches = _looked_up(rows, released, by=key)
    if matches.pair_ids.count() or matches.n_ambiguous or not rows["value"].str.contains("^[0-9a-f]{64}$").any():
        return matches
    answers = ds.pairs.select("response").unique().drop_nulls()
    digests = [hashlib.sha256(text.encode()).hexdigest() for text in answers["response"]]
    computed = answers.with_columns(pl.Series("value", digests, pl.String))
    by_pair = ds.pairs.select("pair_id", "prompt_id", "response").join(computed, on="response").drop("response")
    return _looked_up(rows, by_pair, by="SHA-256 of the answer")


def _places(frame: pl.DataFrame, column: str, ds: Dataset) -> pl.Series:
    """``FILE:LINE`` of each row; the file may be left out where the data set has one."""
    line = key_text(frame[column])
    if line.str.contains(":", literal=True).any():  # as `ds.keys` has them
        return line
    files = [file["label"] for file in ds.facts["files"]]
    if "file" in frame.columns:
        return key_text(frame["file"]) + ":" + line
    if len(files) != 1:
        raise UsageError(
            f"Rows were to be matched by their line; {ds.name!r} was read from {len(files):,} files, and no column "
            f"'file' says of which. Add it: {shown_columns(files)}."
        )
    return f"{files[0]}:" + line


def _looked_up(rows: pl.DataFrame, known: pl.DataFrame, *, by: str) -> Matches:
    """Pairs by the value of a key, and by prompt where the rows say which; none where several have it."""
    on = rows.columns
    single = known.group_by(on).agg(pl.col(PAIR_ID).first(), pl.len().alias("n"))
    found = rows.join(single, on=on, how="left", maintain_order="left")
    several = pl.col("n") > 1
    pair_ids = found.select(pl.when(~several).then(PAIR_ID).alias(PAIR_ID)).to_series()
    return Matches(pair_ids, by, int(found.select(several.sum()).item()))


def with_keys(table: pl.DataFrame, ds: Dataset, *, keys: Iterable[str]) -> pl.DataFrame:
    """Add columns of outside ids to a table of pairs, so that others can match its rows without the texts.

    Parameters
    ----------
    table : DataFrame
        With a column `pair_id`.
    ds : Dataset
        Whose pairs they are.
    keys : iterable of str
        Keys in ``ds.keys``, with or without the answer of a comparison: ``response_sha256`` stands for
        ``response_0_sha256`` and ``response_1_sha256``; ``line`` is ``FILE:LINE``.

    Returns
    -------
    DataFrame
        With a column of lists for each key, empty where a pair has none: a pair may stand in many rows.

    Raises
    ------
    UsageError
        If the data set has no such key.
    """
    for key in keys:
        values = _known(ds, [key], side=None)
        if values.is_empty():
            raise UsageError(
                f"A table was to get the key {key!r} of each pair; {ds.name!r} has {shown_columns(key_names(ds))}. "
                "Name one of these."
            )
        lists = values.group_by(PAIR_ID).agg(pl.col("value").sort().alias(key))
        table = table.join(lists, on=PAIR_ID, how="left", maintain_order="left")
        table = table.with_columns(pl.col(key).fill_null([]))
    return table
