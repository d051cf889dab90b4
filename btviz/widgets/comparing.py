"""The comparisons a preference inspector pages through, and what a page of them shows: never a text."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.dataset import Dataset
from btviz.errors import choice
from btviz.selection import hex_id
from btviz.taxonomy import Taxonomy
from btviz.widgets.listing import Place
from btviz.widgets.pairindex import Rows

AGREEMENT = ("all", "same", "other", "unknown")
"""Which comparisons are listed: all, those whose better answer is the safer one, those where it
is the other one, those where one of the two labels is missing."""

_TOLD = {
    "better": ("better",),
    "safer": ("safer",),
    "safety": ("is_safe_0", "is_safe_1"),
    "categories": ("labels_0", "labels_1"),
    "severity": ("severity_0", "severity_1"),
}
"""What a row may tell, and its columns."""


class Comparing:
    """Rows of ``ds.preferences``, narrowed by agreement, and the page of them that is shown.

    Parameters
    ----------
    ds : Dataset
        The comparisons.
    """

    def __init__(self, ds: Dataset) -> None:
        self._ds = ds
        self.agreement = "all"
        self.origin = "All comparisons"
        self.list_all()

    def list_all(self) -> None:
        """List every comparison."""
        self.list_rows(np.arange(self._ds.preferences.height), origin="All comparisons")

    def list_rows(self, rows: Rows, *, origin: str) -> None:
        """List some comparisons, from the first page on."""
        self._chosen, self.origin = rows, origin
        self.place = Place(size=getattr(self, "place", Place()).size)
        self._narrow()

    def set_agreement(self, agreement: str) -> None:
        """Narrow the list; see `AGREEMENT`."""
        self.agreement = choice(agreement, AGREEMENT, what="agreement")
        self.place = Place(size=self.place.size)
        self._narrow()

    def rows_with(self, pair_ids: pl.Series) -> Rows:
        """Rows of the comparisons in which one of these pairs takes part."""
        frame, wanted = self._ds.preferences, pair_ids.implode()
        return np.flatnonzero(
            frame.select(pl.any_horizontal(pl.col("pair_id_0", "pair_id_1").is_in(wanted))).to_series().to_numpy()
        )

    def turn_to(self, offset: int, *, size: int | None = None) -> None:
        """Show the page that holds the row at `offset` of the list."""
        self.place = self.place.turned(offset, size=size, n=len(self.rows))

    def _narrow(self) -> None:
        passes = True if self.agreement == "all" else self._agreement[self._chosen] == self.agreement
        self.rows: Rows = self._chosen[passes] if self.agreement != "all" else self._chosen

    @cached_property
    def _agreement(self) -> NDArray[np.object_]:
        same = pl.col("better") == pl.col("safer")
        kind = pl.when(same).then(pl.lit("same")).when(~same).then(pl.lit("other")).otherwise(pl.lit("unknown"))
        return self._ds.preferences.select(kind.alias("kind"))["kind"].to_numpy()

    def describe(self) -> dict[str, Any]:
        """Counts and words for the head of the list; no text of the data among them."""
        return {
            "name": self._ds.population,
            "origin": self.origin,
            "agreement": self.agreement,
            "all": self._ds.preferences.height,
            "chosen": len(self._chosen),
            "listed": len(self.rows),
            "offset": self.place.offset,
            "size": self.place.size,
        }

    @property
    def cards(self) -> list[dict[str, Any]]:
        """The comparisons of the page; see `card_of`."""
        shown = self.rows[self.place.offset : self.place.offset + self.place.size]
        rows = self._ds.preferences[shown].with_columns(pl.Series("row", shown))
        words = self._words(pl.concat([rows["pair_id_0"], rows["pair_id_1"]]))
        return [card_of(row, taxonomy=self._ds.taxonomy, words=words) for row in rows.iter_rows(named=True)]

    def _words(self, pair_ids: pl.Series) -> dict[int, tuple[int | None, int | None]]:
        pairs = self._ds.pairs.select("pair_id", "prompt_words", "response_words")
        found = pairs.filter(pl.col("pair_id").is_in(pair_ids.implode()))
        return {pair: (prompt, response) for pair, prompt, response in found.iter_rows()}


def card_of(
    row: Mapping[str, Any], *, taxonomy: Taxonomy, words: Mapping[int, tuple[int | None, int | None]]
) -> dict[str, Any]:
    """Describe one comparison for the front end, its labels as released in its own row.

    Parameters
    ----------
    row : Mapping
        A row of ``ds.preferences``, with its number as `row`.
    taxonomy : Taxonomy
        What the bits of labels and the levels of severity stand for.
    words : Mapping
        Words of prompt and response by pair id.

    Returns
    -------
    dict
        `row`, `better` and `safer` (0, 1 or null), `answers` (for both: hexadecimal id `pair`,
        `safe`, `bits`, `severity`, `source`, `words`, null where not released), `prompt_words`,
        `split`, `prompt_source`, and `missing`: what the row does not tell, in words.
    """
    sides = [_answer(row, side, taxonomy=taxonomy, words=words) for side in (0, 1)]
    missing = [name for name, columns in _TOLD.items() if any(row[column] is None for column in columns)]
    return {
        "row": row["row"],
        "better": row["better"],
        "safer": row["safer"],
        "answers": sides,
        "prompt_words": words.get(row["pair_id_0"], (None, None))[0],
        "split": row["split"],
        "prompt_source": row["prompt_source"],
        "missing": [name for name in missing if name != "severity" or taxonomy.severities],
    }


def _answer(
    row: Mapping[str, Any], side: int, *, taxonomy: Taxonomy, words: Mapping[int, tuple[int | None, int | None]]
) -> dict[str, Any]:
    labels, severity = row[f"labels_{side}"], row[f"severity_{side}"]
    levels = taxonomy.severities
    named = None if severity is None else levels[severity] if severity < len(levels) else str(severity)
    return {
        "pair": hex_id(row[f"pair_id_{side}"]),
        "safe": row[f"is_safe_{side}"],
        "bits": None if labels is None else [category.bit for category in taxonomy.members(labels)],
        "severity": named,
        "source": row[f"source_{side}"],
        "words": words.get(row[f"pair_id_{side}"], (None, None))[1],
    }
