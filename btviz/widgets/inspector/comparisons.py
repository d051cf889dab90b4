"""The preference inspector: two answers side by side, what was said of either, and the comparisons it lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
import traitlets
from numpy.typing import NDArray

from btviz.data.dataset import Dataset
from btviz.errors import UsageError, choice
from btviz.session import ContentPolicy, Selection, hex_id
from btviz.taxonomy.categories import Taxonomy
from btviz.widgets import front
from btviz.widgets.inspector.index import Rows
from btviz.widgets.inspector.inspector import Inspector, Message
from btviz.widgets.inspector.listing import Place


class PreferenceInspector(Inspector):
    """List comparisons, without their texts until those are asked for.

    Each shows its two answers side by side, with the words that differ marked, which of them was
    called better and which safer, and the safety, harm categories and severity of each as
    released in the comparison's own row.

    Parameters
    ----------
    ds : Dataset
        The comparisons; a data set without any shows an empty list.
    selection : Selection, optional
        Shared with other views; when they choose pairs, the comparisons are listed in which one
        of those takes part.
    policy : ContentPolicy, optional
        Decides which texts may be read; the one of this session by default.

    Notes
    -----
    Traits that the browser shares (and a saved notebook keeps) hold counts, labels and
    hexadecimal ids. A text crosses only as a message that answers "reveal".

    Examples
    --------
    >>> inspector = PreferenceInspector(ds)
    >>> inspector.filter(agreement="other")  # the better answer is not the safer one
    >>> inspector.selected["pair_id_0"]
    """

    _esm = front.script("preferences")
    _css = front.style("preferences")

    view = traitlets.Dict(read_only=True).tag(sync=True)
    cards = traitlets.List[Any](read_only=True).tag(sync=True)

    def __init__(self, ds: Dataset, *, selection: Selection | None = None, policy: ContentPolicy | None = None) -> None:
        super().__init__(ds, policy=policy)
        self.selection = selection or Selection()
        self._comparing = Comparing(ds)
        self._choosing = False
        self._until_closed(self.selection.observe(self._selection_changed))
        self._selection_changed()

    @property
    def selected(self) -> pl.DataFrame:
        """Rows of ``ds.preferences`` that are listed, narrowed by the filter."""
        return self.ds.preferences[self._comparing.rows]

    def open_comparisons(self, rows: Iterable[int], *, origin: str = "Chosen in Python") -> None:
        """List some comparisons, and choose their answers in the selection.

        Parameters
        ----------
        rows : iterable of int
            Row numbers of ``ds.preferences``, in the order to list them.
        origin : str
            Where they came from, in words.

        Raises
        ------
        UsageError
            If a number is none of a row.
        """
        numbers = np.fromiter(rows, np.int64)
        n = self.ds.preferences.height
        if len(numbers) and not (numbers.min() >= 0 and numbers.max() < n):
            raise UsageError(
                f"Rows {numbers.min():,} to {numbers.max():,} were to be listed; {self.ds.name} has {n:,} comparisons, "
                "counted from 0. Pass row numbers of ds.preferences."
            )
        self._comparing.list_rows(numbers, origin=origin)
        answers = self.ds.preferences[numbers]
        self._choosing = True
        try:
            self.selection.set(pl.concat([answers["pair_id_0"], answers["pair_id_1"]]), origin=origin)
        finally:
            self._choosing = False
        self._show()

    def filter(self, *, agreement: str = "all") -> None:
        """Narrow the list by whether the better answer is the safer one.

        Parameters
        ----------
        agreement : {"all", "same", "other", "unknown"}
            All, those where it is, those where it is not, those where a label is missing.

        Raises
        ------
        UsageError
            If the option is unknown.
        """
        self._comparing.set_agreement(agreement)
        self._show()

    def _show(self) -> None:
        with self.hold_sync():
            self.set_trait("view", self._comparing.describe())
            self.set_trait("cards", self._comparing.cards)

    def _selection_changed(self) -> None:
        if self._choosing:
            return
        chosen = self.selection.pair_ids
        if chosen is None:
            self._comparing.list_all()
        else:
            self._comparing.list_rows(self._comparing.rows_with(chosen), origin=self.selection.origin)
        self._show()

    def _answers(self) -> dict[str, Callable[[Message], None]]:
        return super()._answers() | {
            "turn": self._turn,
            "agreement": lambda message: self.filter(agreement=message["agreement"]),
            "clear": lambda _: self.selection.clear(),
        }

    def _turn(self, message: Message) -> None:
        self._comparing.turn_to(message["offset"], size=message["size"])
        self._show()


AGREEMENT = ("all", "same", "other", "unknown")
"""Which comparisons are listed: all, those whose better answer is the safer one, those where it
is the other one, those where one of the two labels is missing."""

_LABEL_COLUMNS = {
    "better": ("better",),
    "safer": ("safer",),
    "safety": ("is_safe_0", "is_safe_1"),
    "categories": ("labels_0", "labels_1"),
    "severity": ("severity_0", "severity_1"),
}
"""What a row may tell, and its columns."""


class Comparing:
    """Rows of ``ds.preferences``, narrowed by agreement, and the page of them that is shown."""

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
        known = pairs.filter(pl.col("pair_id").is_in(pair_ids.implode()))
        return {pair: (prompt, response) for pair, prompt, response in known.iter_rows()}


def card_of(
    row: Mapping[str, Any], *, taxonomy: Taxonomy, words: Mapping[int, tuple[int | None, int | None]]
) -> dict[str, Any]:
    """Describe one comparison for the front end, its labels as released in its own row."""
    sides = [_answer(row, side, taxonomy=taxonomy, words=words) for side in (0, 1)]
    missing = [name for name, columns in _LABEL_COLUMNS.items() if any(row[column] is None for column in columns)]
    return {
        "row": row["row"],
        "better": row["better"],
        "safer": row["safer"],
        "overall": row["overall"],
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
