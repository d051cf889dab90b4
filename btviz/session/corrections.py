"""Corrections kept on disk: what reviewers say is right, row by row, never changed and never deleted.

Like a note, a correction belongs to a pair, not to a file. What fields and values there are, and which of several
corrections holds, is in `btviz.data.corrections`; what they make of a data set, in `Dataset.corrected`.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from btviz.data.corrections import (
    AS_RELEASED,
    CORRECTIONS,
    REVIEW,
    Stated,
    claims_of,
    corrections_table,
    field_text,
    labels_word,
    stated,
    value_text,
)
from btviz.data.dataset import Dataset
from btviz.data.keys import matched_pairs, with_keys
from btviz.data.reading.flat_tables import read_frame
from btviz.data.reading.record import shown_columns
from btviz.data.tables import ORDERS
from btviz.errors import DataError, NotFoundError, UsageError
from btviz.session.exports import table_bytes
from btviz.session.ids import from_hex, hex_id
from btviz.store import RowFile, data_dir, table_bytes_as, write_file

LONGEST_REVIEWER = 60

_TEXTS = ("field", "after", "reviewer")

_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True)
class CorrectionsRead:
    """What was read from a file of corrections.

    Attributes
    ----------
    by : str
        What its rows were matched by.
    rows, added : int
        Rows of the file, and those of them that were added.
    known : int
        Rows that were here already.
    unmatched, ambiguous : int
        Rows of no pair of the data set, and rows whose id several pairs have; they were not added.
    not_understood : int
        Rows whose field or value the data set does not have; they were not added.
    """

    by: str
    rows: int
    added: int
    known: int
    unmatched: int
    ambiguous: int
    not_understood: int


class Corrections:
    """A reviewer's, and everybody's, corrections of the pairs of one data set.

    Parameters
    ----------
    ds : Dataset
        Corrections of pairs that it does not hold are kept, but not shown.
    reviewer : str, optional
        Who says so: one line of 1 to 60 characters. By default ``BTVIZ_REVIEWER`` or the name of the account.
    folder : Path, optional
        Where they are kept; ``corrections/`` in the data folder by default.

    Examples
    --------
    >>> from btviz.session import Corrections
    >>> corrections = Corrections(ds, reviewer="AB")
    >>> corrections.add(pair_id, field="labels", after=["privacy", "unethical"], why="names a person")
    >>> ds.corrected(corrections)
    """

    def __init__(self, ds: Dataset, *, reviewer: str | None = None, folder: Path | None = None) -> None:
        self._ds = ds
        self.reviewer = _reviewer(reviewer)
        self._file = RowFile((folder or data_dir() / "corrections") / "corrections.jsonl", is_row=_is_row)
        self._rows_seen: Sequence[Mapping[str, Any]] | None = None
        self._seen, self._table = 0, CORRECTIONS.to_frame()

    @property
    def table(self) -> pl.DataFrame:
        """Every row about a pair of the data set, with the columns of `btviz.data.corrections.CORRECTIONS`, by time."""
        table = self._whole()
        return table.join(self._ds.items.select("pair_id"), on="pair_id", how="semi", maintain_order="left")

    def _whole(self) -> pl.DataFrame:
        """Rows of all data sets by time; made of those that are new where the file only grew."""
        rows = self._file.read()
        if rows is not self._rows_seen:
            self._rows_seen, self._seen, self._table = rows, 0, CORRECTIONS.to_frame()
        if len(rows) > self._seen:
            self._table = pl.concat([self._table, _table(rows[self._seen :])])
            self._seen = len(rows)
        return self._table.sort("time", maintain_order=True)

    def add(self, pair_ids: int | Iterable[int], *, field: str, after: object, why: str = "") -> int:
        """Correct a field of pairs, in one step.

        Parameters
        ----------
        pair_ids : int or iterable of int
            Pairs of the data set.
        field : str
            One of those in `btviz.data.corrections`: "is_safe", "labels", a category, "severity", "review", or
            "safer:ID" with the other answer of a comparison (of an answer that is compared with one other, "safer").
        after : bool, str, list of str or None
            What is right. None, or "as released", takes an earlier correction back.
        why : str
            Anything.

        Returns
        -------
        int
            Rows added, one a pair.

        Raises
        ------
        UsageError
            If there is no such field or value, or no such comparison.
        NotFoundError
            If a pair is not in the data set; nothing is added then.
        """
        return self.add_all([(pair, field, after) for pair in _ids(pair_ids)], why=why)

    def add_all(self, rows: Iterable[tuple[int, str, object]], *, why: str = "") -> int:
        """Correct several fields in one step, which one `undo` takes back: pairs, fields and what is right.

        Raises
        ------
        UsageError
            If there is no such field or value, or no such comparison.
        NotFoundError
            If a pair is not in the data set; nothing is added then.
        """
        given = list(rows)
        self._check_known({pair for pair, _, _ in given})
        said = [self._stated(pair, field, after) for pair, field, after in given]
        return len(self._file.append(lambda kept: self._rows(kept, said, why=why)))

    def values_of(self, pair_id: int, rows: pl.DataFrame) -> dict[str, Any]:
        """What rows of one reviewer make of a pair: `is_safe`, and `labels` as a mask; what they do not say is absent.

        Parameters
        ----------
        pair_id : int
            The pair.
        rows : DataFrame
            Of the table; those of other pairs say nothing.
        """
        settled = claims_of(rows, self._ds.taxonomy).settled.filter(pair_id=pair_id)
        said: dict[str, int] = dict(settled.select("target", "value").iter_rows())
        values: dict[str, Any] = {"is_safe": bool(said["is_safe"])} if "is_safe" in said else {}
        bits = {int(target[1:]): value for target, value in said.items() if target.startswith("#")}
        if bits:
            items = self._ds.items
            mask = items["labels"][items["pair_id"].search_sorted(pair_id)] or 0
            for bit, value in bits.items():
                mask = mask | 1 << bit if value else mask & ~(1 << bit)
            values["labels"] = mask
        return values

    def undo(self) -> int:
        """Take back the latest step of this reviewer that is not taken back yet, by further rows.

        Returns
        -------
        int
            Fields that were put back to what this reviewer said of them before, or as released; 0 if no step is left.
        """
        return len(self._file.append(self._undoing))

    def read(self, path: str | Path, *, by: str | None = None, reviewer: str | None = None) -> CorrectionsRead:
        """Take in corrections that others made, or that `export` wrote; rows that are here already stay as they are.

        Parameters
        ----------
        path : path-like
            JSON lines, JSON, Parquet or CSV with the columns `field`, `after` and an id of the pair, and perhaps
            `before`, `reviewer`, `why`, `time`.
        by : str, optional
            Which column has the id, and of what kind it is, as ``COLUMN`` or ``COLUMN=KEY``: ``pair_id``, a hash of
            the answer, ``line``, or a key in ``ds.keys``; see `btviz.data.keys.matched_pairs`, also for the default.
        reviewer : str, optional
            Who says so, where the file has no such column.

        Returns
        -------
        CorrectionsRead
            How many rows were added, and why others were not.

        Raises
        ------
        UsageError
            If a column is missing.
        DataError
            If no row is of a pair in the data set, or times are none.
        """
        frame = read_frame(Path(path))
        missing = [name for name in ("field", "after") if name not in frame.columns]
        if missing:
            raise UsageError(
                f"Corrections were to be read from {Path(path).name}; it has {shown_columns(frame.columns)}, and "
                f"{missing[0]!r} is not among them. Name the column so."
            )
        matches = matched_pairs(frame, self._ds, by=by)
        held = matches.pair_ids.is_in(self._ds.items["pair_id"].implode()).fill_null(value=False)
        if frame.height and not held.any():
            raise DataError(
                f"Corrections were to be read from {Path(path).name}; by {matches.by} none of its {frame.height:,} "
                f"rows is of one pair of {self._ds.name!r}. Name the id that both have: by=COLUMN=KEY."
            )
        named = frame.with_columns(matches.pair_ids.alias("pair_id"))
        if "reviewer" not in frame.columns or reviewer is not None:
            named = named.with_columns(pl.lit(reviewer or self.reviewer).alias("reviewer"))
        return self._taken_in(_of_file(named.filter(held)), matches.by, frame.height, matches.n_ambiguous)

    def export(self, path: str | Path, *, keys: Iterable[str] = ()) -> Path:
        """Write all rows of the data set; there is no text among them but what reviewers wrote as reasons.

        Parameters
        ----------
        path : path-like
            Ends in ``.parquet``, ``.csv`` or ``.jsonl``.
        keys : iterable of str
            Keys in ``ds.keys`` that go along, so that others find the pairs by them: ``line``, a hash, an id.

        Returns
        -------
        Path
            The file.
        """
        target = Path(path)
        rows = with_keys(self.table, self._ds, keys=keys)
        if target.suffix == ".parquet":
            return write_file(target, table_bytes_as(rows, "parquet"))
        return write_file(target, table_bytes(rows, suffix=target.suffix))

    def _stated(self, pair: int, field: str, after: object) -> Stated:
        word = value_text(after) or AS_RELEASED
        return stated(pair, self._named(pair, field), after=word, taxonomy=self._ds.taxonomy)

    def _named(self, pair: int, field: str) -> str:
        """A field of comparisons with the other answer, where an answer is compared with one other."""
        if field.strip() not in ORDERS:
            return field
        pairs = self._ds.preferences.select("pair_id_0", "pair_id_1")
        others = {*pairs.filter(pair_id_0=pair)["pair_id_1"], *pairs.filter(pair_id_1=pair)["pair_id_0"]} - {pair}
        if len(others) != 1:
            raise UsageError(
                f"{field!r} of pair {hex_id(pair)} was to be corrected; it is compared with {len(others):,} other "
                f"answers. Name one: {field}:ID."
            )
        return f"{field.strip()}:{hex_id(others.pop())}"

    def _check_known(self, ids: set[int]) -> None:
        known = set(self._ds.items.filter(pl.col("pair_id").is_in(list(ids)))["pair_id"])
        if missing := sorted(ids - known):
            others = f" (nor {len(missing) - 1:,} others)" if missing[1:] else ""
            raise NotFoundError(
                f"Pairs of {self._ds.name!r} were to be corrected; it has no pair {hex_id(missing[0])}{others}. "
                "Take ids from its table 'pairs'."
            )

    def _rows(self, kept: Sequence[Mapping[str, Any]], said: Sequence[Stated], *, why: str) -> list[dict[str, Any]]:
        own = _of(kept, self.reviewer, {row.pair_id for row in said})
        before = self._said_before(own, {row.pair_id for row in said})
        time = _after(kept, self.reviewer)
        return [_row(row.pair_id, row.field, before(row.pair_id, row.field), row.after, self.reviewer, why, time)
                for row in said]  # fmt: skip

    def _undoing(self, kept: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        own = [row for row in kept if row["reviewer"] == self.reviewer]
        held = {int(pair) for pair in self._ds.items["pair_id"]} if own else set()
        own = [row for row in own if from_hex(row["pair"]) in held]
        undone = {row.get("undoes") for row in own}
        steps = [row["time"] for row in own if not row.get("undoes") and row["time"] not in undone]
        if not steps:
            return []
        step = max(steps)
        last = [row for row in own if row["time"] == step]
        gone = {*undone, step}
        earlier = [row for row in own if row["time"] not in gone and not row.get("undoes")]
        about = {row["pair"] for row in last}
        said = self._own_values([row for row in earlier if row["pair"] in about])
        now = self._said_before([row for row in own if row["pair"] in about], {from_hex(pair) for pair in about})
        time = _after(kept, self.reviewer)
        return [
            _row(pair, field, now(pair, field), after, self.reviewer, "undone", time, undoes=step)
            for pair, name in dict.fromkeys((from_hex(row["pair"]), row["field"]) for row in last)
            for field, after in self._put_back(said, pair, name)
        ]

    def _put_back(self, said: Mapping[tuple[int, str], str], pair: int, field: str) -> list[tuple[str, str]]:
        """Rows that bring a field back to what was said before: a list of labels may need its categories one by one."""
        if field == "labels":
            slugs = {category.slug: said.get((pair, category.slug)) for category in self._ds.taxonomy.categories}
            rest = [(slug, after) for slug, after in slugs.items() if after is not None]
            return [("labels", AS_RELEASED), *rest]
        return [(field, said.get((pair, field), AS_RELEASED))]

    def _own_values(self, rows: Sequence[Mapping[str, Any]]) -> dict[tuple[int, str], str]:
        """What a reviewer says of each field, categories one by one."""
        table = _table(rows)
        claims = claims_of(table, self._ds.taxonomy)
        named = {f"#{category.bit}": category.slug for category in self._ds.taxonomy.categories}
        values = {}
        for pair, target, value in claims.settled.rows():
            values[pair, named.get(target, target)] = self._word(target, value)
        for pair, after in table.filter(field=REVIEW).select("pair_id", "after").rows():
            values[pair, REVIEW] = after
        return values

    def _word(self, target: str, value: int) -> str:
        if target == "severity":
            levels = self._ds.taxonomy.severities
            return levels[value] if value < len(levels) else str(value)
        return ("false", "true", "undecided")[value]

    def _said_before(self, own: Sequence[Mapping[str, Any]], pairs: set[int]) -> Callable[[int, str], str | None]:
        """What a reviewer has before a step: as released, with the own corrections so far."""
        values = self._own_values(own)
        taxonomy = self._ds.taxonomy
        released = self._ds.items.filter(pl.col("pair_id").is_in([*pairs]))
        rows = {row["pair_id"]: row for row in released.select("pair_id", "is_safe", "labels", "severity").to_dicts()}

        def before(pair: int, field: str) -> str | None:
            if field == REVIEW or field.partition(":")[0] in ORDERS:
                return values.get((pair, field)) or self._released_order(pair, field)
            row = rows[pair]
            if field == "labels":
                mask = row["labels"] or 0
                named = [category for category in taxonomy.categories if (pair, category.slug) in values]
                for category in named:
                    bit = 1 << category.bit
                    mask = mask | bit if values[pair, category.slug] == "true" else mask & ~bit
                return None if row["labels"] is None and not named else labels_word(mask, taxonomy)
            return values.get((pair, field)) or field_text(field, row, taxonomy=taxonomy)

        return before

    def _released_order(self, pair: int, field: str) -> str | None:
        kind, _, other = field.partition(":")
        if kind not in ORDERS:
            return None
        ids = (pair, from_hex(other))
        rows = self._ds.preferences.filter(pl.col("pair_id_0").is_in(ids) & pl.col("pair_id_1").is_in(ids))
        preferred = {
            None if row[kind] is None else row[f"pair_id_{row[kind]}"]
            for row in rows.select("pair_id_0", "pair_id_1", kind).iter_rows(named=True)
        }
        if len(preferred) != 1:
            return None
        chosen = preferred.pop()
        return "undecided" if chosen is None else "true" if chosen == pair else "false"

    def _taken_in(self, rows: pl.DataFrame, by: str, n: int, ambiguous: int) -> CorrectionsRead:
        """Add the rows of a file that are understood and not here yet."""
        now = _stamp(datetime.now(UTC))
        new, wrong = [], 0
        for pair, field, before, after, reviewer, why, time, undoes in rows.iter_rows():
            try:
                said = stated(pair, field or "", after=after or "", taxonomy=self._ds.taxonomy)
            except UsageError:
                wrong += 1
                continue
            who = _reviewer(reviewer or self.reviewer)
            new.append(_row(said.pair_id, said.field, before, said.after, who, why or "", _stamp(time) if time else now,
                            undoes=_stamp(undoes) if undoes else None))  # fmt: skip
        added = len(self._file.append(lambda kept: _unknown(kept, new, now=now)))
        return CorrectionsRead(by, n, added, len(new) - added, n - rows.height - ambiguous, ambiguous, wrong)


def _ids(pair_ids: int | Iterable[int]) -> list[int]:
    return [int(pair) for pair in (pair_ids if isinstance(pair_ids, Iterable) else [pair_ids])]


def _reviewer(name: str | None) -> str:
    word = (name or os.environ.get("BTVIZ_REVIEWER") or _account()).strip()
    if not 0 < len(word) <= LONGEST_REVIEWER or len(word.splitlines()) != 1:
        raise UsageError(
            f"A reviewer is named by one line of 1 to {LONGEST_REVIEWER} characters; this has {len(word)} in "
            f"{len(word.splitlines())} lines. Use initials: reviewer='AB', or BTVIZ_REVIEWER."
        )
    return word


def _account() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # an account without a name, as in containers
        return "somebody"


def _row(
    pair: int, field: str, before: str | None, after: str, reviewer: str, why: str, time: str,
    *, undoes: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    row = {"pair": hex_id(pair), "field": field, "before": before, "after": after, "reviewer": reviewer, "why": why}
    return {**row, "time": time, **({"undoes": undoes} if undoes else {})}


def _is_row(row: Mapping[str, Any]) -> bool:
    """Whether a line of the file is a correction."""
    if not all(isinstance(row.get(name), str) and row[name] for name in _TEXTS):
        return False
    if not all(row.get(name) is None or isinstance(row[name], str) for name in ("before", "why", "undoes")):
        return False
    try:
        from_hex(row["pair"])
        times = [datetime.fromisoformat(row[name]) for name in ("time", "undoes") if row.get(name) is not None]
    except (UsageError, ValueError, TypeError, KeyError, AttributeError):
        return False
    return "time" in row and row["time"] is not None and all(time.tzinfo is not None for time in times)


def _table(rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    found = [
        (
            from_hex(row["pair"]), row["field"], row.get("before"), row["after"], row["reviewer"], row.get("why") or "",
            datetime.fromisoformat(row["time"]), datetime.fromisoformat(row["undoes"]) if row.get("undoes") else None,
        )
        for row in rows
    ]  # fmt: skip
    return pl.DataFrame(found, schema=CORRECTIONS, orient="row").sort("time", maintain_order=True)


def _of(kept: Sequence[Mapping[str, Any]], reviewer: str, pairs: set[int]) -> list[Mapping[str, Any]]:
    about = {hex_id(pair) for pair in pairs}
    return [row for row in kept if row["reviewer"] == reviewer and row["pair"] in about]


def _after(kept: Sequence[Mapping[str, Any]], reviewer: str) -> str:
    """A time later than that of every row of a reviewer, whatever the clock says: it orders their steps."""
    times = [datetime.fromisoformat(row["time"]) for row in kept if row["reviewer"] == reviewer]
    return _stamp(max([datetime.now(UTC), *(time + _INSTANT for time in times)]))


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def _unknown(kept: Sequence[Mapping[str, Any]], new: Iterable[dict[str, Any]], *, now: str) -> list[dict[str, Any]]:
    """Rows that are not kept yet; those without a time of their own (`now`) are known where their reviewer says so."""
    seen = {_identity(row) for row in kept}
    latest = {_about(row): row["after"] for row in sorted(kept, key=lambda row: datetime.fromisoformat(row["time"]))}
    fresh = {}
    for row in new:
        is_known = latest.get(_about(row)) == row["after"] if row["time"] == now else _identity(row) in seen
        if not is_known:
            fresh[_identity(row)] = row
    return list(fresh.values())


def _about(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["pair"], row["field"], row["reviewer"]


def _identity(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return (*_about(row), row["after"], datetime.fromisoformat(row["time"]))


def _of_file(frame: pl.DataFrame) -> pl.DataFrame:
    """Corrections in a file, in which what is empty is not known."""
    named = frame.select(name for name in CORRECTIONS if name in frame.columns)
    texts = [name for name, dtype in named.schema.items() if dtype == pl.String]
    empty = (pl.when(pl.col(name).str.strip_chars() != "").then(name).alias(name) for name in texts)
    return corrections_table(named.with_columns(empty))
