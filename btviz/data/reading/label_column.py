"""The reader of categories: from what a file says of them to a mask of bits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl

from btviz.data.reading.cells import Objects, Part, everywhere
from btviz.data.reading.columns import FAULTS, Flag, Reading, faults_where, printed, read, wrong_type
from btviz.data.reading.literals import literal
from btviz.taxonomy.categories import BEAVERTAILS, Taxonomy


@dataclass(frozen=True)
class Labels:
    """Categories of a row: an object with a flag for each, or, where `single`, the key of one."""

    taxonomy: Taxonomy = BEAVERTAILS
    single: bool = False
    dtype: pl.DataType = field(default_factory=pl.UInt32)

    def of_part(self, part: Part, *, name: str) -> Reading:
        """Read objects of flags, or keys."""
        if isinstance(part.nested, Objects) and not self.single:
            return self._of_objects(part.nested)
        if part.values is None or part.kind != "string":
            return wrong_type(part, self.dtype, name=name)
        return self._of_names(part.values, name=name) if self.single else self._of_texts(part.values, name=name)

    def _of_names(self, values: pl.Series, *, name: str) -> Reading:
        masks = {key: self.taxonomy.mask([key]) for key in self.taxonomy.keys}
        known = values.replace_strict(masks, default=None, return_dtype=pl.UInt32)
        return Reading(known, faults_where(known.is_null(), kind="unknown category", detail=f"{name} is a string"))

    def _of_texts(self, values: pl.Series, *, name: str) -> Reading:
        """Objects that are written as text: each distinct one is read once."""
        distinct = values.unique(maintain_order=True)
        reading = read(self, [_object_or_none(text) for text in distinct], name=name)
        place = values.replace_strict(distinct, pl.int_range(len(distinct), dtype=pl.UInt32, eager=True))
        rows = pl.DataFrame({"row": place, "at": pl.int_range(len(values), dtype=pl.UInt32, eager=True)})
        faults = rows.join(reading.faults, on="row").with_columns(row="at").select(list(FAULTS))
        return Reading(reading.values.gather(place), faults)

    def _of_objects(self, objects: Objects) -> Reading:
        masks = pl.repeat(0, objects.height, dtype=pl.UInt32, eager=True)
        faults = [FAULTS.to_frame()]
        for category in self.taxonomy.categories:
            member = objects.member(category.key)
            if member is None:
                faults.append(faults_where(everywhere(objects.height), kind="missing category", detail=category.key))
                continue
            reading = read(Flag(), member, name=f"category {printed(category.key)}")
            masks |= reading.values.fill_null(value=False).cast(pl.UInt32) * (1 << category.bit)
            faults.append(_named(reading.faults, category.key))
        faults += [self._of_unknown(objects, name) for name in objects.members if name not in self.taxonomy.keys]
        found = pl.concat(faults)
        lost = found.filter("lost")["row"].unique()
        if len(lost):
            masks = masks.scatter(lost, None)
        return Reading(masks, found)

    @staticmethod
    def _of_unknown(objects: Objects, name: str) -> pl.DataFrame:
        """A flag that is false loses nothing; one that is true could not be kept, and a null claims nothing."""
        rows, cells = objects.members[name]
        reading = read(Flag(), cells, name=f"category {printed(name)}")
        claims = faults_where(reading.values.is_not_null(), kind="unknown category", detail=printed(name))
        claims = claims.with_columns(lost=reading.values.gather(claims["row"]))
        odd = reading.faults.filter(~pl.col("kind").eq("missing key") & ~pl.col("detail").str.ends_with(" is null"))
        found = pl.concat([claims, odd])
        return found if rows is None else found.with_columns(row=rows.gather(found["row"]))


def _object_or_none(text: str) -> Any:
    try:
        return literal(text)
    except ValueError:
        return None


def _named(faults: pl.DataFrame, key: str) -> pl.DataFrame:
    missing = pl.col("kind") == "missing key"
    return faults.with_columns(
        kind=pl.when(missing).then(pl.lit("missing category")).otherwise("kind"),
        detail=pl.when(missing).then(pl.lit(key)).otherwise("detail"),
    )
