"""JSON that is no JSON lines: lists of rows, objects of lists, of columns, or of rows, as tools write them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import polars as pl

from btviz.data.reading.json_text import Decoder, Window, items_of, rows_of
from btviz.data.reading.record import ABSENT, Batch, Finding, Item, Record, batch_of, batched
from btviz.errors import DataError

_ROWS_AT_ONCE = 5_000

_LOOKED_AT = 100
"""Members, and items of each, that tell what an object holds."""

_LARGEST = 512 << 20
"""Bytes of columns that are held at once, since each row needs all of them."""

_LISTS = {
    *("data", "rows", "examples", "instances", "items", "records", "samples", "results", "entries", "questions"),
    *("prompts", "pairs", "train", "test", "validation", "dev", "valid", "eval"),
}
"""Under what, beside members that are no lists, rows are listed."""

_ABOUT = {"features", "schema", "columns", "fields", "citations", "licenses", "categories", "splits"}
"""Lists of objects beside those of rows, which tell of them."""

_TURN = ({"role", "content"}, {"from", "value"}, {"role", "text"})
"""Keys of a turn of a conversation, which is no row."""


@dataclass
class _Member:
    """A member of the outermost object."""

    kind: Literal["object", "list", "scalar"]
    count: int = 0
    kinds: set[type] = field(default_factory=set)
    keys: list[str] = field(default_factory=list)
    """Of an object its first keys; of a list those of its first object."""
    value: list[Any] = field(default_factory=list)
    """First items of a list."""

    @property
    def lists_rows(self) -> bool:
        """Whether it is a list of objects that are no turns of a conversation."""
        turns = any(turn <= set(self.keys) for turn in _TURN)
        return self.kind == "list" and self.kinds == {dict} and not turns


@dataclass(frozen=True)
class Plan:
    """How the rows of a file are to be read.

    `rows`: objects, or lists of objects, one after the other. `lines`: the same, each on a line. `lists`: those in the
    lists under `keys`. `viewer`: the same, each under "row" there. `texts`: a list of texts, each a
    prompt. `table`: lists of values under "data", whose columns are `keys`. `columns`: an object or a list of values
    for each column. `index`: an object of objects, each a row.
    """

    kind: Literal["rows", "lines", "lists", "texts", "viewer", "table", "columns", "index"] = "rows"
    keys: tuple[str, ...] = ()


def plan_of(pieces: Iterable[bytes]) -> Plan:
    """Tell how rows are written, from all of the text: an object's last member may be the one that counts."""
    window = Window(pieces)
    if window.peek() == "[":
        some = list(itertools.islice(_elements(window, window.value), _LOOKED_AT))
        texts = [item for item in some if isinstance(item, str) and item.lstrip()[:1] not in ("{", "[")]
        return Plan("texts") if len(texts) * 2 > len(some) else Plan()
    if window.peek() != "{":
        return Plan()
    first = window.line
    members = _outline(window)
    last = window.line
    if members is not None and window.peek() == "{":  # a row followed by others
        return Plan("lines" if first == last < window.line else "rows")
    return Plan() if members is None else _plan_of(members)


def _outline(window: Window) -> dict[str, _Member] | None:
    """What an object holds; None where it is no sound one. Of many members only the first are kept."""
    members: dict[str, _Member] = {}
    for key in _entries(window):
        if key is None:
            return None
        match window.peek():
            case "{":
                member = _Member("object")
                for name, value in _values(window):
                    if name is None or isinstance(value, Finding):
                        return None
                    _note(member, value, name)
            case "[":
                member = _Member("list")
                for value in _elements(window, window.value):
                    if isinstance(value, Finding):
                        return None
                    _note(member, value, None)
            case _:
                member = _Member("scalar")
                member.value.append(window.value())
                if isinstance(member.value[0], Finding):
                    return None
        if len(members) < _LOOKED_AT:
            members[key] = member
    return members


def _note(member: _Member, value: Any, name: str | None) -> None:
    member.count += 1
    if member.count > _LOOKED_AT:
        return
    member.kinds.add(dict if isinstance(value, dict) else type(value))
    if name is not None:
        member.keys.append(name)
    else:
        member.value.append(value if isinstance(value, str) else None)
        if isinstance(value, dict) and not member.keys:
            member.keys.extend(value)


def _plan_of(members: dict[str, _Member]) -> Plan:
    kinds = {member.kind for member in members.values()}
    rows = members.get("rows")
    if rows is not None and rows.lists_rows and "row" in rows.keys:
        return Plan("viewer", ("rows",))
    if {"columns", "data"} <= set(members) and members["data"].kinds <= {list} and members["columns"].kinds == {str}:
        return Plan("table", tuple(members["columns"].value))
    if kinds == {"object"}:
        return _plan_of_objects(members)
    if kinds == {"list"} and not all(member.lists_rows or not member.count for member in members.values()):
        columns = len({member.count for member in members.values()}) == 1
        turns = all(member.kinds <= {dict} for member in members.values())
        return Plan("columns") if columns and not turns else Plan()
    lists = tuple(key for key, member in members.items() if member.lists_rows and key not in _ABOUT)
    return Plan("lists", lists) if lists and (kinds == {"list"} or _LISTS & set(lists)) else Plan()


def _plan_of_objects(members: dict[str, _Member]) -> Plan:
    """Columns by the names of rows, or rows by their names: pandas numbers rows."""
    if all(key.isdecimal() for key in members):
        return Plan("index")
    names = [tuple(member.keys) for member in members.values()]
    same = len(set(names)) == 1 and len(names) > 1
    numbered = all(name.isdecimal() for name in itertools.chain.from_iterable(names))
    return Plan("columns") if names and (same or numbered) else Plan()


def _entries(window: Window) -> Iterator[str | None]:
    """Keys of the object that begins here; the value of each must be taken. None where it is no sound object."""
    window.step()
    while (char := window.peek()) != "}":
        key = window.value() if char == '"' else None
        if not isinstance(key, str) or window.peek() != ":":
            yield None
            return
        window.step()
        window.peek()  # blanks may stand before the value
        yield key
    window.step()


def _values(window: Window) -> Iterator[tuple[str | None, Any]]:
    for key in _entries(window):
        yield key, None if key is None else window.value()


def _elements(window: Window, take: Callable[[], Any]) -> Iterator[Any]:
    window.step()
    while (char := window.peek()) != "]":
        if not char:
            yield Finding("malformed JSON", "the list does not end", rejects=True)
            return
        yield take()
    window.step()


def batches_of(pieces: Iterable[bytes], plan: Plan, *, path: Path) -> Iterator[Batch]:
    """Rows of a file as its plan says, and after those whatever else stands in it."""
    window = Window(pieces)
    if plan.kind == "columns" and window.peek() == "{":
        yield from _of_columns(window, path)
    if plan.kind == "texts" and window.peek() == "[":
        yield from batched(_of_texts(window), letters=lambda: window.letters)
    items = (
        _planned(window, plan) if plan.kind not in ("rows", "columns", "texts") and window.peek() == "{" else iter(())
    )
    yield from batched(itertools.chain(items, rows_of(window)), letters=lambda: window.letters)


def _of_texts(window: Window) -> Iterator[tuple[int | None, Item]]:
    """Prompts of a list of texts; what else stands in it is a row, or none."""
    yield None, Finding("plain text", "each text of the list is taken for a prompt")
    line = window.line
    for value in _elements(window, window.value):
        yield from ((line, item) for item in ([{"prompt": value}] if isinstance(value, str) else items_of(value)))
        line = window.line


def _planned(window: Window, plan: Plan) -> Iterator[tuple[int | None, Item]]:
    readers: dict[str, Callable[[Any], Iterable[Item]]] = {
        "viewer": _of_viewer,
        "table": lambda value: [_of_table(value, plan.keys)],
    }
    wanted = ("data",) if plan.kind == "table" else plan.keys
    for key in _entries(window):
        line = window.line
        if key is None:
            yield line, Finding("malformed JSON", "the object is none from here on", rejects=True)
        elif plan.kind == "index":
            yield from ((line, item) for item in items_of(window.value()))
        elif window.peek() == "[":
            for value in _elements(window, window.value):
                if key in wanted:
                    yield from ((line, item) for item in readers.get(plan.kind, items_of)(value))
                line = window.line
        else:
            window.value()


def _of_viewer(value: Any) -> Iterator[Item]:
    yield from items_of(value["row"] if isinstance(value, dict) and "row" in value else value)
    if isinstance(value, dict) and value.get("truncated_cells"):
        yield Finding("cut by the viewer", f"{len(value['truncated_cells'])} values of a row are not whole")


def _of_table(value: Any, columns: tuple[str, ...]) -> Item:
    if not isinstance(value, list) or len(value) != len(columns):
        return Finding("not an object", f"not a list of {len(columns)} values", rejects=True)
    return dict(zip(columns, value, strict=True))


@dataclass
class _Column:
    """One column: its rows by name, and their values as they are written, which takes the least memory."""

    names: list[str]
    written: pl.Series

    @classmethod
    def of(cls, window: Window) -> _Column | None:
        """The column that begins here, if it is sound."""
        if window.peek() == "{":
            pairs = ((str(name), window.source()) for name in _entries(window))
        else:
            pairs = ((str(i), value) for i, value in enumerate(_elements(window, window.source)))
        names: list[str] = []
        written = [pl.Series([], dtype=pl.String)]
        while some := list(itertools.islice(pairs, _ROWS_AT_ONCE)):
            names += [name for name, _ in some]
            written.append(pl.Series([value for _, value in some], dtype=pl.String))
        column = cls(names, pl.concat(written))
        return None if column.written.has_nulls() or len(set(names)) < len(names) else column

    def aligned(self, names: list[str]) -> pl.Series:
        """The values in the order of all rows; null where a row has none."""
        if self.names == names:
            return self.written
        places = {name: place for place, name in enumerate(self.names)}
        return self.written.gather(pl.Series([places.get(name) for name in names], dtype=pl.UInt32))


def _of_columns(window: Window, path: Path) -> Iterator[Batch]:
    columns: dict[str, _Column] = {}
    size = 0.0
    for key in _entries(window):
        column = None if key is None or key in columns else _Column.of(window)
        if key is None or column is None:
            raise DataError(
                f"{path.name} was to be read as an object of columns; it is damaged, or has a column or row twice. "
                "Write it again."
            )
        columns[key] = column
        size += column.written.estimated_size()
        if size > _LARGEST:
            raise DataError(
                f"{path.name} was to be read; it is one object of columns, and more than {_LARGEST >> 20} MiB of them "
                "would have to be held at once. Write its rows one by one: "
                'frame.to_json(path, orient="records", lines=True).'
            )
    names = list(dict.fromkeys(itertools.chain.from_iterable(column.names for column in columns.values())))
    series = {key: column.aligned(names) for key, column in columns.items()}
    for start in range(0, len(names), _ROWS_AT_ONCE):
        parts = [_decoded(written[start : start + _ROWS_AT_ONCE]) for written in series.values()]
        yield batch_of(enumerate((_row(series, values) for values in zip(*parts, strict=True)), start + 1))


def _decoded(written: pl.Series) -> list[Any]:
    decoder = Decoder()
    return [ABSENT if text is None else decoder.decode(text, 0)[0] for text in written]


def _row(keys: Iterable[str], values: tuple[Any, ...]) -> Item:
    members = {key: value for key, value in zip(keys, values, strict=True) if value is not ABSENT}
    repeated = [pair for value in values if isinstance(value, Record) for pair in value.repeated]
    return Record(members.items(), repeated=repeated) if repeated else members
