"""Orders of two answers from a rating of each: the higher one is preferred, equal ones are a tie."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from btviz.data.reading.record import Batch
from btviz.data.reading.shapes.unfolding import Row, Unfolding

_RATED = re.compile(r"(?:.*[_.\- ])?(?:rating|score|rate|grade|points)s?(?:_[01])?", re.IGNORECASE)

_SIDE = re.compile(r"(.*?)_([01])(_.*)?")

_KINDS = (
    ("better", re.compile(r"helpful|quality", re.IGNORECASE)),
    ("safer", re.compile(r"harmless|safe", re.IGNORECASE)),
)
"""What a rating is of, by a word in its name, where more of it is better; any other is of an unstated kind."""

_IDS = {"better": "better_response_id", "safer": "safer_response_id"}

_COMPARED = ("prompt", "response_0", "response_1")

_SIDES = 2


def rated(sample: Batch) -> Unfolding | None:
    """How ratings of two answers order them; None where there are none, or ids say it already."""
    if any(key not in sample.columns for key in _COMPARED):
        return None
    rating_keys = _by_kind(list(sample.columns))
    if not rating_keys:
        return None
    keys = tuple(key for pair in rating_keys.values() for key in pair)
    listed = ", ".join(f"{' and '.join(pair)} ({kind})" for kind, pair in rating_keys.items())
    return Unfolding(
        name="rated answers",
        needs=(),
        takes=keys,
        makes=(),
        of_row=lambda cells: _of_row(cells, rating_keys),
        canonical=dict.fromkeys(rating_keys, pl.UInt8()),
        said=(f"Ratings order the answers: {listed}; the higher is preferred, and sizes are not kept.",),
    )


def _by_kind(keys: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Two keys, or one of a list, for each kind of order that no id gives."""
    pairs: dict[str, dict[str, str]] = {}
    for key in filter(_RATED.fullmatch, keys):
        parts = _SIDE.fullmatch(key)
        if parts is not None:
            pairs.setdefault(parts[1] + (parts[3] or ""), {})[parts[2]] = key
        elif key in {"ratings", "scores"}:
            pairs[key] = {"list": key}
    whole = {name: tuple(by_side[s] for s in sorted(by_side)) for name, by_side in pairs.items()}
    found: dict[str, tuple[str, ...]] = {}
    for name, rating_keys in whole.items():
        kind = next((kind for kind, word in _KINDS if word.search(name)), "overall")
        complete = len(rating_keys) == _SIDES or rating_keys == (name,)
        if complete and _IDS.get(kind) not in keys and kind not in found:
            found[kind] = rating_keys
    return found


def _of_row(cells: Mapping[str, Any], rating_keys: Mapping[str, tuple[str, ...]]) -> Row:
    orders, remarks = {}, []
    for kind, keys in rating_keys.items():
        values = [cells.get(key) for key in keys]
        ratings = [_number(value) for value in (values if len(keys) == _SIDES else values[0] or [])]
        if len(ratings) != _SIDES or None in ratings:
            remarks.append(f"{' and '.join(keys)} are no two numbers")
            continue
        first, second = (rating or 0.0 for rating in ratings)
        orders[kind] = None if first == second else int(second > first)
    return Row({}, orders, remarks)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
