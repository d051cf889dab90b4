"""JSON read value by value through a window that slides over a text, whatever stands between the values."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from btviz.data.reading.archives import Truncated
from btviz.data.reading.files import LONGEST_ROW
from btviz.data.reading.record import Finding, Item, Record

_GROWTH = 16 << 20

_TAIL = 16  # a number, a word or an escape may be cut so short of the end of what was read

_DEEP = 100_000  # letters for which what is nested too deeply counts

_MOST_WASTED = 64 << 20  # and four times what was read; what is damaged so much more is given up

_MOST_FAILURES = 10_000  # without a sound value in between

_BETWEEN = re.compile(r"[ \t\r\n,\ufeff\x1e]*")

BLANKS = " \t\r\n\x1e"
"""What may stand around a row; the last of these begins each text of a JSON text sequence."""

_JUNK = re.compile(r"[^,\[\]{}\n]*")

_TOKENS = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[\]{}]', re.DOTALL)

_FIRST_KEY = re.compile(r'\{\s*("(?:[^"\\]++|\\.)*+")\s*:', re.DOTALL)

_UNDECODED = re.compile("[\udc80-\udcff]")


def items_of(value: Any) -> Iterator[Item]:
    """The rows that a JSON value is: an object is one, a list of objects several."""
    if isinstance(value, (dict, Finding)):
        yield value
    elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        yield from value
    else:
        yield Finding("not an object", f"it is {kind_of(value)}", rejects=True)


def kind_of(value: Any) -> str:
    """What a JSON value is, in words."""
    kinds = {type(None): "null", bool: "a boolean", int: "a number", float: "a number", str: "a string"}
    return kinds.get(type(value), "a list")


def items_of_line(line: bytes) -> Iterator[Item]:
    """The rows that a line holds, one as a rule, or why it holds none; a blank line holds nothing."""
    if not line.strip():
        return
    decoder = Decoder()
    try:
        text = line.decode().strip(BLANKS)
        value, end = decoder.decode(text, 0)
    except UnicodeDecodeError as error:
        yield Finding("invalid UTF-8", f"at byte {error.start:,} of the line", rejects=True)
    except json.JSONDecodeError as error:
        rows = [] if text[:1] == "{" else _rows_in(line)
        fault = Finding("malformed JSON", f"{malformed(error).detail} at column {error.colno:,}", rejects=True)
        yield from rows if any(isinstance(item, dict) for item in rows) else [fault]
    except (ValueError, RecursionError) as error:
        yield malformed(error)
    else:
        yield from items_of(value) if end == len(text) else _rows_in(line)


def _rows_in(line: bytes) -> list[Item]:
    """What a line holds besides one object."""
    return [item for _, item in rows_of(Window([line]))]


def malformed(error: BaseException) -> Finding:
    """Why a parser gave up, without the text it was given."""
    if isinstance(error, json.JSONDecodeError):
        detail = error.msg.partition(":")[0]  # what follows is quoted
    else:
        detail = "nested too deeply" if isinstance(error, RecursionError) else "a number of too many digits"
    return Finding("malformed JSON", detail, rejects=True)


class Decoder:
    """Decodes values, and notes which keys of an object were given twice."""

    def __init__(self) -> None:
        self._repeated: list[tuple[str, bool]] = []
        self._decoder = json.JSONDecoder(object_pairs_hook=self._object)

    def decode(self, text: str, at: int) -> tuple[Any, int]:
        """The value that begins at `at`, and where it ends."""
        self._repeated = []
        value, end = self._decoder.raw_decode(text, at)
        if self._repeated and isinstance(value, dict):
            value = Record(value.items(), repeated=self._repeated)
        return value, end

    def _object(self, members: list[tuple[str, Any]]) -> dict[str, Any]:
        row = dict(members)
        if len(row) < len(members):
            self._repeated += Record(members).repeated
        return row


class Window:
    """The part of a text that is being read. Bytes that are no UTF-8 cost the value that they stand in."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.line = 1
        self.damage: str | None = None
        self._pieces = iter(pieces)
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="surrogateescape")
        self._decoder = Decoder()
        self._text, self._at = "", 0
        self._loaded = 0
        self._began = 0
        self._wasted = 0  # letters that were looked at in vain
        self._failures = 0
        self._ended = False
        self._broken = False  # whether some byte was no UTF-8
        self._row_start: re.Pattern[str] | None = None

    @property
    def letters(self) -> int:
        """Letters of the text before this place."""
        return self._loaded - len(self._text) + self._at

    def peek(self) -> str:
        """The character at which the next value or bracket begins, past blanks and commas; none at the end."""
        while True:
            between = _BETWEEN.match(self._text, self._at)
            self._move(self._at if between is None else between.end())
            if self._at < len(self._text) or not self._grow():
                return self._text[self._at : self._at + 1]

    def step(self) -> None:
        """Move past a bracket or colon."""
        self._at += 1

    def value(self) -> Any:
        """The value that comes next, or a finding: then what follows is what can be read again."""
        self.peek()
        while True:
            try:
                value, end = self._decoder.decode(self._text, self._at)
            except json.JSONDecodeError as error:
                self._wasted += error.pos - self._at
                if not self._may_go_on(error):
                    return self._unreadable(malformed(error))
            except (ValueError, RecursionError) as error:
                self._wasted += _DEEP
                return self._unreadable(malformed(error))
            else:
                if end < len(self._text) or self._ended:
                    return self._taken(value, end)
            if len(self._text) - self._at > LONGEST_ROW:
                return self._unreadable(
                    Finding("row too long", f"at most {LONGEST_ROW:,} bytes are read", rejects=True)
                )
            self._grow()

    def reopen(self) -> None:
        """Go back to a bracket in the value that was read last: a quote too many may have made a string of it."""
        bracket = self._text.find("{", self._began, self._at)
        self._at = bracket if bracket >= 0 else self._at

    def source(self) -> str | None:
        """The value that begins here, as it is written; None where there is none that can be read."""
        return None if isinstance(self.value(), Finding) else self._text[self._began : self._at]

    def _may_go_on(self, error: json.JSONDecodeError) -> bool:
        """Whether more of the text could mend this."""
        cut = error.msg.startswith("Unterminated string") or error.pos > len(self._text) - _TAIL
        return cut and not self._ended

    def _taken(self, value: Any, end: int) -> Any:
        start = self._began = self._at
        self._failures = 0 if isinstance(value, dict) else self._failures
        if isinstance(value, dict) and self._row_start is None and (key := _FIRST_KEY.match(self._text, start)):
            self._row_start = re.compile(r"\{\s*" + re.escape(key[1]) + r"\s*:")
        undecoded = self._broken and _UNDECODED.search(self._text, start, end)
        self._move(end)
        return Finding("invalid UTF-8", "", rejects=True) if undecoded else value

    def _move(self, to: int) -> None:
        self.line += self._text.count("\n", self._at, to)
        self._at = to

    def _grow(self) -> bool:
        """Take in more of the text, about as much as there is; False at its end."""
        left = self._text[self._at :]
        wanted = min(max(len(left), 1), _GROWTH)
        parts, found = [left], 0
        while found < wanted and not self._ended:
            try:
                piece = next(self._pieces, None)
            except Truncated as error:
                self.damage, piece = str(error), None
            self._ended = piece is None
            part = self._utf8.decode(piece or b"", final=self._ended)
            self._broken = self._broken or (not part.isascii() and _UNDECODED.search(part) is not None)
            parts.append(part)
            found += len(part)
            self._loaded += len(part)
        self._text, self._at = "".join(parts), 0
        return found > 0

    def _unreadable(self, finding: Finding) -> Finding:
        """Go to where a value can begin again."""
        self._failures += 1
        if self._text[self._at : self._at + 1] not in ("{", "["):
            while (
                (junk := self._junk_end()) == len(self._text) and len(self._text) - self._at < _GROWTH and self._grow()
            ):
                pass
            self._move(min(max(junk, self._at + 1), len(self._text)))
            return finding
        while (end := self._end_of_broken()) is None:
            if len(self._text) - self._at > LONGEST_ROW or self._is_hopeless:
                self._move(max(len(self._text) - _TAIL, self._at))  # it is given up
            if not self._grow():
                detail = f"{finding.detail}; nothing can be read from here on"
                self._move(len(self._text))
                return Finding(finding.kind, detail, rejects=True)
        self._move(end)
        return finding

    @property
    def _is_hopeless(self) -> bool:
        return self._wasted > _MOST_WASTED + 4 * self._loaded or self._failures > _MOST_FAILURES

    def _junk_end(self) -> int:
        junk = _JUNK.match(self._text, self._at)
        return self._at if junk is None else junk.end()

    def _end_of_broken(self) -> int | None:
        """Where an object or list with an error ends: at its last bracket, or before what begins as the others do."""
        key = _FIRST_KEY.match(self._text, self._at)
        starts = [self._row_start, key and re.compile(r"\{\s*" + re.escape(key[1]) + r"\s*:")]
        if self._row_start is None and (key is None or self._ended):  # nobody knows how rows begin
            starts.append(_FIRST_KEY)
        found = (start.search(self._text, self._at + 1) for start in starts if start is not None)
        following = next((match for match in found if match is not None), None)
        limit = len(self._text) if following is None else following.start()
        self._wasted += (limit - self._at) * (8 if following is None else 1)  # brackets are counted one by one
        if self._is_hopeless:
            return None
        depth = 0
        for token in _TOKENS.finditer(self._text, self._at, limit):
            depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(token[0], 0)
            if not depth and token[0] in "}]":
                after = _BETWEEN.match(self._text, token.end())
                at = token.end() if after is None else after.end()
                if self._text[at : at + 1] in ("", "{", "[", "}", "]"):
                    return token.end()
                break
        return None if following is None else limit


def rows_of(window: Window) -> Iterator[tuple[int | None, Item]]:
    """Rows of a sequence of objects and lists of objects; what stands between them is reported, too."""
    inside = False
    while char := window.peek():
        line = window.line
        if char == ("]" if inside else "["):
            inside = not inside
            window.step()
        else:
            value = window.value()
            if isinstance(value, str):
                window.reopen()
            for item in items_of(value):
                yield line, item
    if inside or window.damage:
        yield None, Finding("truncated archive", window.damage or "the list does not end")
