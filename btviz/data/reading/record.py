"""A row as it was read: a `Record`, or a `Finding` where there is none."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """Something odd about one row: what kind, a detail without any text, whether it rejects."""

    kind: str
    detail: str
    rejects: bool = False


class Record(dict[str, Any]):
    """A row that remembers which keys it was given twice, and whether the values differed."""

    def __init__(self, members: Iterable[tuple[str, Any]] = ()) -> None:
        super().__init__()
        self.repeated: list[tuple[str, bool]] = []
        for key, value in members:
            if key in self:
                self.repeated.append((key, self[key] != value))
            self[key] = value

    def findings(self) -> list[Finding]:
        """One finding per repeated key; a repeat that differs leaves no honest value."""
        nested = (value.repeated for value in self.values() if isinstance(value, Record))
        return [
            Finding("repeated key", f"{key!s:.60}, {'differing' if differs else 'equal'} values", rejects=differs)
            for key, differs in itertools.chain(self.repeated, *nested)
        ]


Item = Record | Finding

Progress = Callable[[int], None]
