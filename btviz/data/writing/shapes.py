"""What a data set becomes in each form: which of its tables, which rows of these, and what is skipped or left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import polars as pl

from btviz.data.dataset import Dataset
from btviz.data.writing.released import ALONE, TEXTS, Wanted, outside_keys, released_rows, wanted_rows
from btviz.data.writing.training import UNKNOWN_HISTORY, Examples, dpo_examples, hh_examples, kto_examples
from btviz.errors import UsageError, choice

FORMS = ("released", "parquet", "csv", "datasets", "dpo", "kto", "hh")
"""Shapes of an export."""

RELEASED = ("annotations", "preferences", "prompts", ALONE)
"""Tables whose rows are those of released files."""

POPULATIONS = ("annotations", "preferences", "prompts", "pairs")

_NEED_TEXTS = ("datasets", "dpo", "kto", "hh")

_NO_TEXTS = "texts were not asked for"

_NO_PLACE = "the form has no place for it"

_IDS = ("pair_id", "pair_id_0", "pair_id_1", "prompt_id", "split")

_MAJORITY = "a pair has the labels of the majority of its rows"


@dataclass(frozen=True)
class Shape:
    """A form, with what else decides how rows look."""

    form: str
    texts: bool = False
    population: str | None = None
    order: str | None = None

    def __post_init__(self) -> None:
        choice(self.form, FORMS, what="form of export")
        if self.population is not None:
            choice(self.population, POPULATIONS, what="population")
        if self.form in _NEED_TEXTS and not self.texts:
            raise UsageError(
                f"An export as {self.form!r} was asked for, without texts; nothing is left of it without them. Ask for "
                "texts, too (texts=True, --texts), or export labels and ids alone as csv, parquet or released."
            )
        self._check_population()

    def _check_population(self) -> None:
        if self.form not in ("dpo", "kto", "hh"):
            if self.order is not None:
                raise UsageError(
                    f"An order was given, {self.order!r}, and an export as {self.form!r}, which holds every order "
                    "there is. Leave the order out, or export as dpo, hh or kto."
                )
            return
        kinds = ("preferences",) if self.compares else ("pairs", "annotations")
        if self.population is not None and self.population not in kinds:
            raise UsageError(
                f"An export of {self.population} as {self.form!r} was asked for; that is made of {' or '.join(kinds)}. "
                "Leave the population out."
            )

    @property
    def compares(self) -> bool:
        """Whether rows say which of two answers was chosen."""
        return self.form in ("dpo", "hh") or (self.form == "kto" and self.order is not None)

    @property
    def chosen_by(self) -> str | None:
        """The order that "chosen" goes by: "better" where nothing else was said."""
        return (self.order or "better") if self.compares else None

    @property
    def sources(self) -> tuple[str, ...]:
        """Tables that are exported."""
        if self.compares:
            return ("preferences",)
        if self.form == "kto":
            return (self.population or "pairs",)
        return RELEASED if self.population is None else (self.population,)

    def tables(self, ds: Dataset, wanted: Wanted) -> Iterator[Table]:
        """Each table that is exported and has rows that are asked for."""
        for source in self.sources:
            selected = wanted_rows(ds, source, wanted=wanted)
            if selected.height:
                yield self._table(ds, source, selected)

    def _table(self, ds: Dataset, source: str, selected: pl.DataFrame) -> Table:
        found = released_rows(ds, selected)
        released = found.rows
        if self.form in ("dpo", "kto", "hh"):
            examples = self._examples(ds, selected)
            carried = {"split", "prompt_id", *TEXTS, *examples.rows.columns, *_CARRIED[self.compares]}
            carried |= {f"{self.chosen_by}_response_id"}
            left_out = dict.fromkeys((name for name in released.columns if name not in carried), _NO_PLACE)
            return Table(source, self.form, examples.rows, selected.height, examples.skipped, left_out)
        left_out = {name: _NO_TEXTS for name in released.columns if name in TEXTS and not self.texts}
        if source == "pairs" and ds.annotations.height:
            left_out |= {"split": _MAJORITY}
        if found.without_turns and self.texts:
            left_out |= {"turns before the last": f"in {found.without_turns:,} rows {UNKNOWN_HISTORY}"}
        kept = released.drop("prompt_id" if self.texts else left_out, strict=False)
        if source != "prompts":  # keys belong to answers
            keys, untold = outside_keys(ds, selected, texts=self.texts, taken=(*_IDS, *released.columns))
            kept, left_out = pl.concat([kept, keys], how="horizontal"), left_out | untold
        return Table(source, source, kept, selected.height, {}, left_out)

    def _examples(self, ds: Dataset, selected: pl.DataFrame) -> Examples:
        match self.form:
            case "dpo":
                return dpo_examples(ds, selected, order=self.order or "better")
            case "hh":
                return hh_examples(ds, selected, order=self.order or "better")
            case _:
                return kto_examples(ds, selected, order=self.order)


_CARRIED = {True: ("pair_id_0", "pair_id_1"), False: ("pair_id", "is_safe")}


@dataclass(frozen=True)
class Table:
    """Rows as they are written, and what became of those that were asked for."""

    source: str
    name: str
    rows: pl.DataFrame
    selected: int
    skipped: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
