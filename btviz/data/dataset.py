"""The frozen `Dataset`: what a release is once its files have been read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from btviz.data.tables import SCHEMAS
from btviz.errors import UsageError, choice
from btviz.taxonomy.categories import Taxonomy


@dataclass(frozen=True, eq=False)
class Dataset:
    """Tables of one data set, with what is known about where they come from.

    Tables are read when first used. Nothing in a `Dataset` changes after it is made.

    Attributes
    ----------
    name : str
        Name it was loaded by.
    taxonomy : Taxonomy
        Harm categories that the bits of `labels` stand for.
    fingerprint : str
        Hexadecimal hash of the rows; equal for equal rows in any order.
    is_synthetic : bool
        True for data made by `btviz.data.synthetic`; every picture then says so.
    release : str or None
        Registry name of the released data set this is a copy of, if known.
    facts : Mapping
        Counts kept from reading: files, rows in and out, assumptions of synthetic data.

    Examples
    --------
    >>> import btviz
    >>> ds = btviz.load("sample")
    >>> ds.annotations.columns
    ['pair_id', 'prompt_id', 'split', 'is_safe', 'labels', 'severity']
    """

    name: str
    taxonomy: Taxonomy
    fingerprint: str
    is_synthetic: bool
    release: str | None
    facts: Mapping[str, Any]
    _read: Callable[[str], pl.DataFrame]
    _cache: dict[str, pl.DataFrame] = field(default_factory=dict, init=False)

    def __repr__(self) -> str:
        categories = f"{len(self.taxonomy.categories)} harm categories of {self.taxonomy.name!r}"
        return f"<Dataset {self.population}: {categories}; fingerprint {self.fingerprint[:8]}>"

    def table(self, name: str) -> pl.DataFrame:
        """One table by name; see `btviz.data.tables.SCHEMAS` for names and columns."""
        choice(name, [*SCHEMAS, "problems", "targets"], what="table")
        if name not in self._cache:
            self._cache[name] = self._read(name)
        return self._cache[name]

    @property
    def annotations(self) -> pl.DataFrame:
        """Released rows: one labelling of one pair each."""
        return self.table("annotations")

    @property
    def pairs(self) -> pl.DataFrame:
        """Unique (prompt, response) pairs with their majority labels."""
        return self.table("pairs")

    @property
    def votes(self) -> pl.DataFrame:
        """Votes per pair and category, where there was at least one."""
        return self.table("votes")

    @property
    def preferences(self) -> pl.DataFrame:
        """Comparisons of two answers; empty where a release has none."""
        return self.table("preferences")

    @property
    def prompts(self) -> pl.DataFrame:
        """Prompts released without an answer; empty for other releases."""
        return self.table("prompts")

    @property
    def conversations(self) -> pl.DataFrame:
        """Turns of conversations of several turns, whose last answers are in `pairs`; empty where there are none."""
        return self.table("conversations")

    @property
    def keys(self) -> pl.DataFrame:
        """What files call the pairs: `pair_id`, `key` (an id, a hash, ``line``), `value`; see `btviz.data.keys`."""
        return self.table("keys")

    @property
    def problems(self) -> pl.DataFrame:
        """What reading found: `file`, `line`, `kind`, `action` (rejected or kept), `detail`."""
        return self.table("problems")

    @property
    def targets(self) -> pl.DataFrame:
        """What synthetic data were aimed at: `statistic`, `level`, `target`, `obtained`, `kind`, `source`."""
        return self.table("targets")

    @property
    def population(self) -> str:
        """Short description for captions: the name, and that data are synthetic if they are."""
        return f"{self.name} (synthetic sample)" if self.is_synthetic else self.name

    def named(self, table: pl.DataFrame) -> pl.DataFrame:
        """Replace every `labels` mask of a table by the list of category keys it stands for."""
        columns = [c for c in table.columns if c.startswith("labels") and table.schema[c] == pl.UInt32]
        masks = {mask for c in columns for mask in table[c].unique().drop_nulls()}
        names = {mask: [category.key for category in self.taxonomy.members(mask)] for mask in masks}
        return table.with_columns(
            pl.col(c).replace_strict(names, default=None, return_dtype=pl.List(pl.String)) for c in columns
        )


def expect_dataset(ds: object) -> None:
    """Check that something is a data set: a name is easily passed in place of what it names."""
    if not isinstance(ds, Dataset):
        description = f"the text {ds!r}" if isinstance(ds, str) else f"a {type(ds).__name__}"
        raise UsageError(f"A data set was to be passed, and this is {description}. Pass what btviz.load(...) gives.")
