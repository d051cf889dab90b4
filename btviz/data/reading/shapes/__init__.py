"""Shapes of files beyond the released ones: how texts are written (`unfolding`), and layouts of the neighbours."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from btviz.data.reading.known_layouts import LAYOUTS
from btviz.data.reading.mapping import Order, meaning_of_chosen, used_keys
from btviz.data.reading.record import Batch, shown_columns
from btviz.data.reading.shapes.chat import CHAT_UNFOLDINGS, holds_chats
from btviz.data.reading.shapes.comparisons import TWO_ANSWERS, choices, order_of
from btviz.data.reading.shapes.neighbours import NEIGHBOUR_UNFOLDINGS
from btviz.data.reading.shapes.ratings import rated
from btviz.data.reading.shapes.unfolding import Renaming, Row, Unfolding
from btviz.errors import UsageError

Step = Unfolding | Renaming
"""What is done to the keys of a file before a layout reads them."""


_SPOKEN = ("prompt", "response", "response_0", "response_1")
"""Columns that may hold chats under any key."""


def planned(
    sample: Batch, columns: Mapping[str, str] | None = None, *, path: Path | None = None
) -> tuple[list[Unfolding], dict[str, str]]:
    """What makes the texts of a file plain, and what a user says of the columns that are left after it."""
    order, rest = meaning_of_chosen(columns or {})
    kept = used_keys(rest, sample)
    steps = unfoldings(sample, kept=kept, order=order, path=path)
    named = {name: key for name in _SPOKEN if (key := rest.get(name, name)) in sample.columns}
    if any(name != key for name, key in named.items()):
        first = _named(named, [name for name in _SPOKEN if name in sample.columns])
        more = unfoldings(first.of(sample), kept=kept - {*named.values()}, order=order)
        if more:
            steps, rest = [first, *more], rest | {name: name for name in named}
    if order is not None and not any(order in step.canonical and "chosen" in step.needs for step in steps):
        raise UsageError(
            f"What chosen means was given as {order!r}; the file has no chosen and rejected answers, but "
            f"{shown_columns(list(sample.columns))}. Leave it out, or map {order} to the column that says which is."
        )
    return steps, rest


def unfoldings(
    sample: Batch, *, kept: Collection[str] = (), order: Order | None = None, path: Path | None = None
) -> list[Unfolding]:
    """What makes the texts of a file plain: one way in which they are written, then an order by ratings.

    Keys that are to be `kept`, because a user has said what they are, are not taken up; `order` is what a user says
    it means that an answer was chosen.
    """
    marked = "chosen" in sample.columns and holds_chats(sample, "chosen") and "prompt" not in sample.columns
    of_folder = order_of(path) if marked and order is None else None
    chosen = choices(order or of_folder or "overall", marked=marked, by_folder=of_folder is not None)
    known = (*NEIGHBOUR_UNFOLDINGS, chosen, *TWO_ANSWERS, *CHAT_UNFOLDINGS)
    others = [unfolding.without(kept) for unfolding in known if not {*unfolding.needs} & {*kept}]
    found = [unfolding for unfolding in others if unfolding.recognises(sample)][:1]
    ratings = rated(unfolded(sample, found))
    return found if ratings is None else [*found, ratings]


def _named(named: Mapping[str, str], there: Sequence[str]) -> Unfolding:
    """The prompts and answers of a file under their usual names; what was under these is left."""
    keys = tuple(dict.fromkeys(named.values()))
    left = tuple(name for name in there if name in named and name not in keys)

    def of_row(cells: Mapping[str, Any]) -> Row:
        return Row({name: cells[key] for name, key in named.items() if key in cells})

    return Unfolding("columns as mapped", (), tuple(named), of_row, takes=(*keys, *left), left=left)


def renaming(sample: Batch) -> Renaming | None:
    """Keys of a sample that are known ones but for capitals, camelCase, blanks, hyphens and a # at the beginning."""
    heads = {key: key.partition(".") for key in sample.columns}
    plain = {key: _plain(head) for key, (head, _, _) in heads.items()}
    keys = {
        key: plain[key] + dot + rest
        for key, (head, dot, rest) in heads.items()
        if plain[key] != head and plain[key] in _KNOWN_KEYS
    }
    made = [keys.get(key, key) for key in sample.columns]
    return Renaming(keys) if keys and len(set(made)) == len(made) else None


def _plain(key: str) -> str:
    words = key.strip().lstrip("#").strip()
    if re.search(r"[a-z][A-Z]", words):
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[a-z])(?=\d)", "_", words)
    return words.lower().replace(" ", "_").replace("-", "_")


_KNOWN_KEYS = frozenset(
    {field.key.partition(".")[0] for layout in LAYOUTS for field in layout.fields}
    | {key for step in (choices("overall"), *TWO_ANSWERS, *CHAT_UNFOLDINGS) for key in (*step.needs, *step.takes)}
)


def unfolded(batch: Batch, steps: Sequence[Step]) -> Batch:
    """A batch with its texts made plain."""
    for step in steps:
        batch = step.of(batch.spread())
    return batch
