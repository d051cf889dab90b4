"""Objects and lists in a cell of text: as JSON, or as Python and NumPy print them. Nothing is evaluated."""

from __future__ import annotations

import json
import re
from typing import Any

from btviz.data.reading.record import Record

DEEPEST = 20
"""Levels of lists and objects inside one another that are followed."""

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    |(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
    |(?P<word>[A-Za-z_]+)
    |(?P<mark>[{}\[\](),:])
    )""",
    re.VERBOSE | re.DOTALL,
)

_WORDS = {"True": True, "true": True, "False": False, "false": False, "None": None, "null": None, "nan": None}

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "\n": ""}

_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)


def literal(text: str) -> Any:
    """The object or list that a text spells; ValueError if it spells none."""
    if text.lstrip()[:1] not in ("{", "[", "("):
        raise ValueError("no object and no list")
    try:
        return json.loads(text, object_pairs_hook=Record)
    except (ValueError, RecursionError):
        return _Parser(text).whole()


class _Parser:
    """Reads Python's literals; commas may be missing between items, as NumPy prints them."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0

    def whole(self) -> Any:
        """The value, if there is nothing after it."""
        value = self._value(0)
        if self._at < len(self._tokens):
            raise ValueError("more than one value")
        return value

    def _next(self) -> tuple[str, str]:
        if self._at == len(self._tokens):
            raise ValueError("the value does not end")
        self._at += 1
        return self._tokens[self._at - 1]

    def _meets(self, mark: str) -> bool:
        """Step over a mark if it comes next."""
        there = self._tokens[self._at : self._at + 1] == [("mark", mark)]
        self._at += there
        return there

    def _value(self, depth: int) -> Any:
        kind, token = self._next()
        if depth > DEEPEST:
            raise ValueError("too deep")
        if kind == "text":
            return _ESCAPE.sub(_unescaped, token[1:-1])
        if kind == "number":
            return float(token) if re.search("[.eE]", token) else int(token)
        if kind == "word":
            if token not in _WORDS:
                raise ValueError("a word that is no value")
            return _WORDS[token]
        match token:
            case "{":
                return self._object(depth)
            case "[":
                return self._list("]", depth)
            case "(":
                return self._list(")", depth)
        raise ValueError("no value")

    def _list(self, end: str, depth: int) -> list[Any]:
        items = []
        while not self._meets(end):
            items.append(self._value(depth + 1))
            self._meets(",")
        return items

    def _object(self, depth: int) -> Record:
        members = []
        while not self._meets("}"):
            key = self._value(depth + 1)
            if not self._meets(":") or isinstance(key, (list, dict)):
                raise ValueError("no key")
            members.append((str(key), self._value(depth + 1)))
            self._meets(",")
        return Record(members)


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens, at, end = [], 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError("a mark that no value has")
        tokens.append((str(match.lastgroup), match.group(str(match.lastgroup))))
        at = match.end()
    return tokens


def _unescaped(match: re.Match[str]) -> str:
    code = match.group(1)
    if code[0] in "xuU" and len(code) > 1:
        number = int(code[1:], 16)
        return chr(number) if number <= 0x10FFFF else ""
    return _ESCAPES.get(code, code)
