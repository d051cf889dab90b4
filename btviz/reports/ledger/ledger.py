"""`check`: every published number of a release held against the data that are here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import polars as pl

from btviz.data.dataset import Dataset, expect_dataset
from btviz.reports.ledger.contradictions import contradiction_table
from btviz.reports.ledger.numbers import Holdings, number_table
from btviz.reports.ledger.part import Resampling
from btviz.reports.ledger.phis import PHIS, phi_by_population


@dataclass(frozen=True, eq=False)
class Ledger:
    """Published numbers beside recomputed ones; each table is computed when first read.

    Attributes
    ----------
    ds : Dataset
        The data set that is checked.
    n_boot, random_state : int
        Bootstrap replicates, drawn over prompts, and seed.
    """

    ds: Dataset
    n_boot: int = 2000
    random_state: int = 0

    @cached_property
    def numbers(self) -> pl.DataFrame:
        """One row per published number; see `check`."""
        return number_table(self.ds, Resampling(self.n_boot, self.random_state))

    @cached_property
    def phis(self) -> pl.DataFrame:
        """Phi of every two categories in every population; see `phi_by_population`.

        Empty where there is nothing printed to hold it against.
        """
        if self.ds.release is None or self.ds.is_synthetic:
            return PHIS.to_frame()
        return phi_by_population(self.ds, n_boot=self.n_boot, random_state=self.random_state)

    @cached_property
    def contradictions(self) -> pl.DataFrame:
        """Contradictions with their arithmetic; see `btviz.reports.ledger.contradictions.contradiction_table`."""
        return contradiction_table(self.ds, numbers=self.numbers, phis=self.phis)

    @property
    def splits(self) -> dict[str, int]:
        """Rows that are here, by split."""
        return Holdings(self.ds).rows

    @property
    def title(self) -> str:
        """What was checked, in words."""
        ds = self.ds
        if ds.is_synthetic:
            return f"{ds.population}: nothing can be reproduced on synthetic data; it was made to come near targets"
        if ds.release is None:
            return f"{ds.name}: these files are of no known release, so no published number is about them"
        return f"{ds.name}, release {ds.release}: {Holdings(ds).described()}"

    @property
    def has_difference(self) -> bool:
        """Whether a number of which all rows are here differs from what is printed."""
        return "differs" in self.numbers["kind"]


def check(ds: Dataset, *, n_boot: int = 2000, random_state: int = 0) -> pl.DataFrame:
    """Hold every published number of a release against the data.

    Parameters
    ----------
    ds : Dataset
        Any data set; for one of no known release the table is empty.
    n_boot, random_state : int
        Bootstrap replicates, drawn over prompts, and seed: for statistics of which only a part
        of the release is here.

    Returns
    -------
    DataFrame
        One row per published number, those about the whole release first: `id`, `quantity`,
        `category`, `other`, `level`, `population`, `where`, `split` (null: the whole release),
        `unit`, `published`, `recomputed`, `difference`, `low` and `high` (95 %, resampling
        prompts; of partial statistics), `tolerance`, `kind` (one of
        `btviz.reports.ledger.numbers.KINDS`), `verdict` (in words), `grade` (evidence), `source`,
        `note`. Synthetic data have a row per target, whose verdict is "synthetic" and which
        names no published value.
    """
    expect_dataset(ds)
    return Ledger(ds, n_boot, random_state).numbers
