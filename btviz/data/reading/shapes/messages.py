"""Messages of a chat, however they are written: as turns of a question and its answer, and what was left out of them.

A cell holds messages as a list of objects (``role`` and ``content``, or ``from`` and ``value``), as one such object, as
pairs of texts, as one text with "Human:" and "Assistant:" before each turn, or as any of these written as text in a
cell of a table. What cannot be told is a `TalkError`; nothing is guessed from the position of a message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from btviz.data.reading.cells import is_whole
from btviz.data.reading.literals import literal

ROLES: Mapping[str, str] = {
    **dict.fromkeys(("user", "human", "prompter", "question", "instruction"), "user"),
    **dict.fromkeys(("assistant", "gpt", "bot", "chatgpt", "model", "ai", "answer"), "assistant"),
    **dict.fromkeys(("system", "developer", "context"), "system message"),
    **dict.fromkeys(
        ("tool", "function", "function_call", "function_response", "observation", "ipython"), "message of a tool"
    ),
}
"""Who speaks, by the names that are in use; messages of neither side are left out, and that is said."""

ROLE_KEYS = ("role", "from", "speaker")
TEXT_KEYS = ("content", "value", "text")

_MARK = re.compile(r"(?:^|\n\n)(Human|Assistant):", re.ASCII)
_BEGINNING = re.compile(r"\s*Human:", re.ASCII)

_SIDES = ("user", "assistant")


class TalkError(ValueError):
    """These cells hold no messages; `kind` and `detail` say why, without any text."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(kind, detail)
        self.kind, self.detail = kind, detail


@dataclass(frozen=True)
class Talk:
    """Turns of a chat.

    Attributes
    ----------
    turns : tuple of (str, str)
        Questions with their answers, in order.
    pending : str or None
        The last question, where no answer follows it.
    remarks : tuple of str
        What was left out or put together.
    """

    turns: tuple[tuple[str, str], ...] = ()
    pending: str | None = None
    remarks: tuple[str, ...] = ()

    @property
    def prompt(self) -> str | None:
        """The last question."""
        return self.pending if self.pending is not None else self.turns[-1][0] if self.turns else None

    @property
    def answer(self) -> str | None:
        """The answer to the last question."""
        return self.turns[-1][1] if self.turns and self.pending is None else None

    @property
    def before(self) -> tuple[tuple[str, str], ...]:
        """Turns before the last question."""
        return self.turns if self.pending is not None else self.turns[:-1]


@dataclass
class _Teller:
    """Puts messages together to turns, one after the other."""

    turns: list[tuple[str, str]] = field(default_factory=list)
    asked: str | None = None
    last: str | None = None
    remarks: dict[str, None] = field(default_factory=dict)

    def hear(self, role: str, text: str) -> None:
        """Take the next message."""
        if role not in _SIDES:
            self.remarks[f"{role} left out"] = None
            return
        if not is_whole(text):
            raise TalkError("lone surrogate", f"a message of the {role}")
        if role == self.last:
            self.remarks["two messages of one role in a row"] = None
        if role == "user":
            self.asked = text if self.asked is None else f"{self.asked}\n\n{text}"
        elif self.last == "assistant":
            asked, answer = self.turns.pop()
            self.turns.append((asked, f"{answer}\n\n{text}"))
        else:
            if self.asked is None:
                self.remarks["an answer before any question"] = None
            self.turns.append((self.asked or "", text))
            self.asked = None
        self.last = role

    def talk(self) -> Talk:
        """What was told."""
        return Talk(tuple(self.turns), self.asked, tuple(self.remarks))


def talk_of(cell: Any, *, speaker: str = "user") -> Talk:
    """Turns of one cell; a text without marks is one message of `speaker`. Raises `TalkError`."""
    teller = _Teller()
    for role, text in _messages(cell, speaker=speaker):
        teller.hear(role, text)
    if not teller.turns and teller.asked is None:
        raise TalkError("no message", "a chat without a question and an answer")
    return teller.talk()


def continued(before: Talk, cell: Any) -> Talk:
    """The chat that answers, in `cell`, the last question of another; the answer may repeat the chat before it."""
    after = talk_of(cell, speaker="assistant")
    if before.pending is None:
        raise TalkError("no question", "the prompt ends with an answer")
    if after.turns and after.turns[0][0] == "" and after.pending is None and len(after.turns) == 1:
        turns = (*before.turns, (before.pending, after.turns[0][1]))
    elif after.answer is not None and after.prompt == before.pending:
        turns = after.turns if len(after.turns) > len(before.turns) else (*before.turns, after.turns[-1])
    else:
        raise TalkError("another question", "the answer belongs to another question than the prompt")
    remarks = [r for r in (*before.remarks, *after.remarks) if r != "an answer before any question"]
    return Talk(turns, None, tuple(dict.fromkeys(remarks)))


def is_marked(text: str) -> bool:
    """Whether a text is a whole chat, with "Human:" and "Assistant:" before its turns."""
    return bool(_BEGINNING.match(text)) and "\n\nAssistant:" in text


def is_plain(cell: Any) -> bool:
    """Whether a cell is a text that is no chat, neither marked nor spelled."""
    return isinstance(cell, str) and not is_marked(cell) and (not _begins_chat(cell) or _literal(cell) is None)


def _begins_chat(text: str) -> bool:
    return text.lstrip()[:1] in {"[", "{"}


def _messages(cell: Any, *, speaker: str) -> Iterator[tuple[str, str]]:
    if isinstance(cell, str):
        yield from _of_text(cell, speaker=speaker)
    elif isinstance(cell, Mapping):
        yield from _of_object(cell)
    elif isinstance(cell, Sequence):
        yield from _of_list(cell)
    else:
        raise TalkError("wrong type", "messages are null" if cell is None else "messages are no list, object or text")


def _of_text(text: str, *, speaker: str) -> Iterator[tuple[str, str]]:
    if is_marked(text):
        yield from _marked(text)
    elif _begins_chat(text) and (cell := _literal(text)) is not None:
        yield from _messages(cell, speaker=speaker)
    else:
        yield speaker, text


def _literal(text: str) -> Any:
    """Messages that a cell of a table spells; None where it is a text that only begins like them."""
    cell = spelled(text)
    items = cell if isinstance(cell, list) else [cell]
    return cell if items and all(isinstance(item, Mapping) and _key(item, ROLE_KEYS) for item in items) else None


def spelled(cell: Any) -> Any:
    """The list or object that a cell of text spells; any other cell as it is."""
    if not isinstance(cell, str):
        return cell
    try:
        return literal(cell)
    except ValueError:
        return cell


def _marked(text: str) -> Iterator[tuple[str, str]]:
    """Turns of one text; the blank after a mark belongs to it, and an "Assistant:" at the end asks for an answer."""
    body = text if text.startswith("\n\n") else f"\n\n{text.lstrip()}"
    pieces = _MARK.split(body)[1:]
    for place in range(0, len(pieces), 2):
        said = pieces[place + 1].removeprefix(" ")
        if pieces[place] == "Assistant" and not said.strip() and place + 2 == len(pieces):
            return
        yield ROLES[pieces[place].lower()], said


def _of_list(cells: Sequence[Any]) -> Iterator[tuple[str, str]]:
    for cell in cells:
        if isinstance(cell, Mapping):
            yield from _of_object(cell)
        elif isinstance(cell, Sequence) and not isinstance(cell, str) and len(cell) == len(_SIDES):
            yield from _of_pair(cell)
        else:
            raise TalkError("wrong type", "a message is no object with a role")


def _of_pair(pair: Iterable[Any]) -> Iterator[tuple[str, str]]:
    for role, text in zip(_SIDES, pair, strict=True):
        if not isinstance(text, str):
            raise TalkError("wrong type", f"a message of the {role} is no text")
        yield role, text


def _of_object(message: Mapping[Any, Any]) -> Iterator[tuple[str, str]]:
    role_key, text_key = _key(message, ROLE_KEYS), _key(message, TEXT_KEYS)
    if role_key is None:
        raise TalkError("missing key", "a message without role")
    name = message[role_key]
    role = ROLES.get(name.strip().lower()) if isinstance(name, str) else None
    if role is None:
        raise TalkError("unknown role", "a message of a role that is neither user nor assistant")
    content = None if text_key is None else message[text_key]
    if role not in _SIDES:
        yield role, ""
    elif content is None and message.get("tool_calls"):
        yield "message of a tool", ""
    else:
        yield from _of_content(content, role=role)


def _key(message: Mapping[Any, Any], names: Sequence[str]) -> str | None:
    return next((name for name in names if name in message), None)


def _of_content(content: Any, *, role: str) -> Iterator[tuple[str, str]]:
    """The text of a message; of one in parts, the parts that are text."""
    if isinstance(content, str):
        yield role, content
        return
    parts = content if isinstance(content, Sequence) else []
    texts = [part["text"] for part in parts if isinstance(part, Mapping) and isinstance(part.get("text"), str)]
    if not texts:
        raise TalkError("missing key" if content is None else "wrong type", f"a message of the {role} has no text")
    if len(texts) < len(parts):
        yield "picture or other part of a message", ""
    yield role, "\n\n".join(texts)
