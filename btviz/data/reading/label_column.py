"""The reader of categories: from whatever a file says of them to a mask of bits.

A cell may hold an object with a flag or a score for each category, a list of names or of numbers, one of these as text
(as JSON, or as Python prints it), names in one text with a mark between any two, one name, or the number of a category.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from btviz.data.reading.cells import Column, Lists, Objects, Part, everywhere, parts
from btviz.data.reading.columns import (
    NO_FAULTS,
    SHOWN,
    Cut,
    Flag,
    Reading,
    faults_where,
    nothing,
    printed,
    read,
    repeated,
    wrong_type,
)
from btviz.data.reading.literals import literal
from btviz.taxonomy.categories import BEAVERTAILS, Taxonomy
from btviz.taxonomy.spelling import DIVIDERS, NOTHING, bit_of, bits_of, plain_name

MASK = pl.UInt32()


@dataclass(frozen=True)
class Labels:
    """Categories of a row.

    Attributes
    ----------
    taxonomy : Taxonomy
        What names and numbers stand for.
    dividers : str
        Marks that may stand between two names in one text.
    cut : Cut, optional
        Where the score of a category flags it; without one, values are flags.
    first : int, optional
        Number of the first category; without one, numbers name none: files begin to count at 0 or at 1.
    is_partial : bool
        Whether an object names only what it has to say: a category that it lacks is not flagged.
    is_among_others : bool
        Whether an object has members that are no categories, of which nothing is to be said.
    empty_is_none : bool, optional
        Whether a null or an empty text says that there is no category; else it says nothing, and is at fault. None
        where that is for a sample to tell: it does where categories are names in a text.
    """

    taxonomy: Taxonomy = BEAVERTAILS
    dividers: str = DIVIDERS
    cut: Cut | None = None
    first: int | None = None
    is_partial: bool = False
    is_among_others: bool = False
    empty_is_none: bool | None = None
    dtype: pl.DataType = field(default_factory=pl.UInt32)

    @property
    def wants(self) -> str:
        """What it reads, in a few words."""
        what = "numbers" if self.cut is not None else "flags"
        forms = f"an object of {what} by category, a list of names, or names in one text"
        return f"categories of {self.taxonomy.name} ({forms})"

    def of_part(self, part: Part, *, name: str) -> Reading:
        """Read objects, lists, texts and numbers."""
        if isinstance(part.nested, Objects):
            return self._of_objects(part.nested)
        if isinstance(part.nested, Lists):
            return self._of_lists(part.nested, name=name)
        if part.kind == "null" and self.empty_is_none:
            return Reading(repeated(0, part.height, dtype=MASK))
        if part.kind == "number":
            return self._of_numbers(part, name=name)
        if part.values is None or part.kind != "string":
            return wrong_type(part, self.dtype, name=name)
        return self._of_texts(part.values, name=name)

    def _of_numbers(self, part: Part, *, name: str) -> Reading:
        numbers = part.values
        if self.first is None or numbers is None:
            return wrong_type(part, self.dtype, name=name)
        number = float if numbers.dtype.is_float() else int
        masks = {number(c.bit + self.first): 1 << c.bit for c in self.taxonomy.categories}
        values = numbers.replace_strict(masks, default=None, return_dtype=MASK)
        shown = name + " is " + numbers.cast(pl.String).str.strip_suffix(".0")
        return Reading(values, faults_where(values.is_null(), kind="unknown category", detail=shown))

    def _of_texts(self, texts: pl.Series, *, name: str) -> Reading:
        """Each distinct text is read once."""
        if texts.is_empty():
            return Reading(pl.Series(dtype=MASK))
        distinct = texts.unique(maintain_order=True)
        cells = [_spelled(text) for text in distinct]
        nested = [cell for cell in cells if not isinstance(cell, str)]
        readings = iter(read(self, [cell], name=name) for cell in nested)
        known = [self._of_text(cell, name=name) if isinstance(cell, str) else next(readings) for cell in cells]
        place = texts.replace_strict(distinct, pl.int_range(len(distinct), dtype=pl.UInt32, eager=True))
        values = pl.concat([reading.values for reading in known])
        faults = pl.concat([r.faults.with_columns(row=pl.lit(i, pl.UInt32)) for i, r in enumerate(known)])
        return Reading(values, faults).spread(place)

    def _of_text(self, text: str, *, name: str) -> Reading:
        one = Part("string", None, 1)
        if not text.strip():
            if self.empty_is_none:
                return Reading(repeated(0, 1, dtype=MASK))
            return nothing(one, self.dtype, kind="wrong type", detail=f"{name} is empty")
        bits = bits_of(text, self.taxonomy, dividers=self.dividers)
        if (
            bits is None
            and self.first is not None
            and all(_is_number(piece) for piece in _divided(text, self.dividers))
        ):
            return self._of_lists(_one_list([int(float(p)) for p in _divided(text, self.dividers)]), name=name)
        if bits is None:
            return nothing(one, self.dtype, kind="unknown category", detail=_unknown(text, name=name))
        return Reading(repeated(sum(1 << bit for bit in bits), 1, dtype=MASK))

    def _of_lists(self, lists: Lists, *, name: str) -> Reading:
        """The categories of all items of a list."""
        items = read(_Items(self), lists.items, name=f"an item of {name}")
        by_row = pl.DataFrame({"row": lists.rows.cast(pl.UInt32), "mask": items.values.cast(MASK)})
        masks = by_row.group_by("row").agg(pl.col("mask").fill_null(0).bitwise_or())
        values = pl.int_range(lists.height, dtype=pl.UInt32, eager=True).alias("row").to_frame()
        found = values.join(masks, on="row", how="left", maintain_order="left")["mask"].fill_null(0)
        faults = items.faults.with_columns(row=by_row["row"].gather(items.faults["row"])).unique(maintain_order=True)
        return _without_lost(found, faults)

    def _of_objects(self, objects: Objects) -> Reading:
        masks = np.zeros(objects.height, np.uint32)
        faults, named = [NO_FAULTS], self._members(objects)
        for category in self.taxonomy.categories:
            if not named.get(category.bit) and not self.is_partial:
                faults.append(faults_where(everywhere(objects.height), kind="missing category", detail=category.key))
            for member in named.get(category.bit, ()):
                column = objects.member(member)
                if column is None:
                    continue
                reading = read(Flag(cut=self.cut), column, name=f"category {printed(category.key)}")
                masks |= reading.values.fill_null(value=False).to_numpy().astype(np.uint32) << category.bit
                faults.append(self._of_missing(reading.faults, category.key))
        known = {member for members in named.values() for member in members}
        others = [] if self.is_among_others else [name for name in objects.members if name not in known]
        faults += [self._of_unknown(objects, name) for name in others]
        return _without_lost(pl.Series(masks, dtype=MASK), pl.concat(faults))

    def _members(self, objects: Objects) -> Mapping[int, list[str]]:
        """Members of objects that name a category, by its bit."""
        named: dict[int, list[str]] = {}
        for member in objects.members:
            bit = bit_of(member, self.taxonomy)
            if bit is not None:
                named.setdefault(bit, []).append(member)
        return named

    def _of_missing(self, faults: pl.DataFrame, key: str) -> pl.DataFrame:
        if faults.is_empty():
            return faults
        missing = pl.col("kind") == "missing key"
        if self.is_partial:
            return faults.filter(~missing)
        return faults.with_columns(
            kind=pl.when(missing).then(pl.lit("missing category")).otherwise("kind"),
            detail=pl.when(missing).then(pl.lit(key)).otherwise("detail"),
        )

    def _of_unknown(self, objects: Objects, name: str) -> pl.DataFrame:
        """A flag that is false loses nothing; one that is true could not be kept, and a null claims nothing."""
        rows, cells = objects.members[name]
        reading = read(Flag(cut=self.cut), cells, name=f"category {printed(name)}")
        claims = faults_where(reading.values.is_not_null(), kind="unknown category", detail=printed(name))
        claims = claims.with_columns(lost=reading.values.gather(claims["row"]))
        odd = reading.faults.filter(~pl.col("kind").eq("missing key") & ~pl.col("detail").str.ends_with(" is null"))
        found = pl.concat([claims, odd])
        return found if rows is None else found.with_columns(row=rows.gather(found["row"]))


@dataclass(frozen=True)
class _Items:
    """What stands in a list: names and numbers, and no further lists."""

    labels: Labels
    dtype: pl.DataType = field(default_factory=pl.UInt32)
    wants = "names and numbers"

    def of_part(self, part: Part, *, name: str) -> Reading:
        """Read names and numbers."""
        if part.values is None or part.kind not in {"string", "number"}:
            return wrong_type(part, self.dtype, name=name)
        return self.labels.of_part(part, name=name)


@dataclass(frozen=True)
class Unflagged:
    """Whether no category is named: safety, where a file says nothing else of it."""

    labels: Labels
    dtype: pl.DataType = field(default_factory=pl.Boolean)
    wants = "categories"

    def of_part(self, part: Part, *, name: str) -> Reading:
        """Read categories; what is wrong with them is said once, by their own reader."""
        return Reading(self.labels.of_part(part, name=name).values == 0)


def numbers_in(column: Column) -> list[float]:
    """Numbers that stand for categories in a column: alone, in lists, or in lists written as text."""
    numbers: list[float] = []
    for part in parts(column):
        if part.kind == "number" and part.values is not None:
            numbers += part.values.unique().to_list()
        elif isinstance(part.nested, Lists):
            numbers += numbers_in(part.nested.items)
        elif part.kind == "string" and part.values is not None:
            cells = [_spelled(text) for text in part.values.unique()]
            lists = [cell for cell in cells if isinstance(cell, list)]
            numbers += numbers_in(lists) if lists else []
            divided = [_divided(cell, DIVIDERS) for cell in cells if isinstance(cell, str)]
            numbers += [float(piece) for pieces in divided if all(map(_is_number, pieces)) for piece in pieces]
    return numbers


def names_in(column: Column, *, dividers: str = "") -> list[str]:
    """What a column calls categories: members of its objects, texts in its lists, and its texts, each once."""
    names: dict[str, None] = {}
    for part in parts(column):
        if isinstance(part.nested, Objects):
            names |= dict.fromkeys(part.nested.members)
        elif isinstance(part.nested, Lists):
            names |= dict.fromkeys(names_in(part.nested.items, dividers=dividers))
        elif part.kind == "string" and part.values is not None:
            cells = [_spelled(text) for text in part.values.unique(maintain_order=True)]
            texts = [cell for cell in cells if isinstance(cell, str)]
            pieces = [
                piece
                for text in texts
                for piece in (re.split(f"[{re.escape(dividers)}]", text) if dividers else [text])
            ]
            names |= dict.fromkeys(piece.strip() for piece in pieces if plain_name(piece) not in NOTHING)
            nested = [cell for cell in cells if not isinstance(cell, str)]
            names |= dict.fromkeys(names_in(nested, dividers=dividers)) if nested else {}
    return list(names)


def _unknown(text: str, *, name: str) -> str:
    """A fault of a name that no category has: shown where it is one, and no text that a row may hold."""
    is_name = len(text.split()) <= _NAME_WORDS and len(text) <= SHOWN
    return f"{name} is {printed(text)}" if is_name else f"{name} is a string"


_NAME_WORDS = 4
"""Words of a name of a category at most, of one that may be shown."""


def _without_lost(masks: pl.Series, faults: pl.DataFrame) -> Reading:
    lost = faults.filter("lost")["row"].unique()
    return Reading(masks.scatter(lost, None) if len(lost) else masks, faults)


def _one_list(items: list[Any]) -> Lists:
    return Lists(1, repeated(0, len(items), dtype=pl.UInt32()), items)


def _divided(text: str, dividers: str) -> list[str]:
    for mark in dividers:
        text = text.replace(mark, " ")
    return text.split()


def _is_number(text: str) -> bool:
    return text.removesuffix(".0").isdecimal()


def _spelled(text: str) -> Any:
    """The object or list that a text spells, else the text."""
    try:
        return literal(text)
    except ValueError:
        return text
