"""`check`: every published number of a release held against the data that are here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from btviz.data.dataset import Dataset, expect_dataset
from btviz.data.releases import RELEASES, published
from btviz.preference.shares import reasons_of
from btviz.reports.ledger.contradictions import contradiction_table
from btviz.reports.ledger.phis import PHIS, phi_by_population
from btviz.reports.ledger.quantities import QUANTITIES, Missing, Number, Part, Sample, value_of
from btviz.stats.resampling import check_draws
from btviz.taxonomy.findings import LEVEL

KINDS = ("agrees", "differs", "partial", "needs data", "not computable", "synthetic")
"""What a verdict begins with, shortened."""

NUMBERS = pl.Schema(
    {
        "id": pl.String(),
        "quantity": pl.String(),
        "category": pl.String(),
        "other": pl.String(),
        "level": pl.String(),
        "population": pl.String(),
        "where": pl.String(),
        "split": pl.String(),
        "unit": pl.String(),
        "published": pl.Float64(),
        "recomputed": pl.Float64(),
        "difference": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "low_joint": pl.Float64(),
        "high_joint": pl.Float64(),
        "family": pl.Int64(),
        "tolerance": pl.Float64(),
        "kind": pl.String(),
        "verdict": pl.String(),
        "grade": pl.String(),
        "source": pl.String(),
        "note": pl.String(),
    }
)

_TABLES = ("annotations", "preferences", "prompts")

_WITHOUT_DATA = ("preferences", "preferences_dual_and_single", "pair_accuracy")
_AIMED = {"id", "quantity", "level", "unit", "recomputed", "kind", "verdict", "source", "note"}


@dataclass(frozen=True, eq=False)
class Ledger:
    """Published numbers beside recomputed ones; each table is computed when first read.

    Attributes
    ----------
    ds : Dataset
        The data set that is checked.
    n_boot, random_state : int
        Checked; intervals are in closed form.
    """

    ds: Dataset
    n_boot: int = 2000
    random_state: int = 0

    def __post_init__(self) -> None:
        check_draws(self.n_boot, self.random_state)  # refuses what makes no sense

    @cached_property
    def numbers(self) -> pl.DataFrame:
        """One row per published number; see `check`."""
        return number_table(self.ds)

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
            return f"{ds.name}: these are your own files, so no published number is about them"
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
        Checked; intervals are in closed form.

    Returns
    -------
    DataFrame
        One row per published number, those about the whole release first: `id`, `quantity`,
        `category`, `other`, `level`, `population`, `where`, `split` (null: the whole release),
        `unit`, `published`, `recomputed`, `difference`, `low` and `high` (95 %, by
        prompt; of partial statistics), `low_joint` and `high_joint` (ends that hold for all `family` shares and means
        at once, by Bonferroni: a printed one is contradicted outside these alone), `tolerance`, `kind` (one of
        `btviz.reports.ledger.ledger.KINDS`), `verdict` (in words), `grade` (evidence), `source`,
        `note`. Synthetic data have a row per target, whose verdict is "synthetic" and which
        names no published value.
    """
    expect_dataset(ds)
    return Ledger(ds, n_boot, random_state).numbers


@dataclass(frozen=True, eq=False)
class Holdings:
    """Which splits of its release a data set holds, and how completely."""

    ds: Dataset

    @cached_property
    def rows(self) -> dict[str, int]:
        """Rows here, by split; rows that name none are of the only split, where there is but one."""
        splits = pl.concat(self.ds.table(name).select("split") for name in _TABLES)["split"]
        named = splits.fill_null(self.expected[0]) if len(self.expected) == 1 else splits.drop_nulls()
        return dict(named.value_counts().sort("split").iter_rows())

    @property
    def published_rows(self) -> int | None:
        """Rows of the whole release, if that was published."""
        return published.published_rows(self.ds.release or "")

    @cached_property
    def expected(self) -> tuple[str, ...]:
        """Splits that the release has."""
        return RELEASES[self.ds.release].splits if self.ds.release else ()

    def absent(self, split: str | None, *, of_whole: bool) -> tuple[str, ...]:
        """Splits that a number needs and that are not here, or not with all their files."""
        needed = self.expected if split is None or of_whole else (split,)
        return tuple(name for name in needed if not self._is_complete(name))

    def _is_complete(self, split: str) -> bool:
        if split not in self.rows:
            return False
        here = [file for file in self.ds.facts.get("files", ()) if file["split"] in {split, None}]
        released = [file for file in RELEASES[self.ds.release or ""].files if file.split == split]
        return not here or len(here) >= len(released)

    def described(self) -> str:
        """What is here, in words: "test is 3,021 of 30,207 rows"."""
        names, here = " and ".join(self.rows) or "this", sum(self.rows.values())
        verb = "are" if len(self.rows) > 1 else "is"
        return f"{names} {verb} {here:,}" + (f" of {self.published_rows:,} rows" if self.published_rows else " rows")


def number_table(ds: Dataset) -> pl.DataFrame:
    """Hold every published number of the release of a data set against the data."""
    if ds.is_synthetic:
        return _synthetic(ds)
    if ds.release is None:
        return NUMBERS.to_frame()
    holdings = Holdings(ds)
    parts = {split: Part(ds, None if len(holdings.expected) == 1 else split) for split in (None, *holdings.rows)}
    rows = [
        _held(number, holdings, parts=parts)
        for number in published.published_numbers(ds.release).rename({"value": "published"}).iter_rows(named=True)
    ]
    return pl.DataFrame(_with_joint_ends(rows), schema=NUMBERS)


_COMPARED_TOGETHER = ("category_share", "mean_prompt_words", "mean_response_words")


def _with_joint_ends(rows: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """Rows without their samples, and with the ends of shares and means that hold for all of them at once."""
    samples = [row.get("sample") if row["quantity"] in _COMPARED_TOGETHER else None for row in rows]
    family = sum(sample is not None for sample in samples)
    made = []
    for row, sample in zip(rows, samples, strict=True):
        plain = {name: value for name, value in row.items() if name != "sample"}
        if isinstance(sample, Sample):
            wide = sample.intervals(confidence=1 - LEVEL / family)
            plain |= {"low_joint": float(wide.low[0]), "high_joint": float(wide.high[0]), "family": family}
        made.append(plain)
    return made


def _held(number: Number, holdings: Holdings, *, parts: Mapping[str | None, Part]) -> dict[str, object]:
    """One number with its verdict."""
    named = {name: number[name] for name in NUMBERS if name in number}
    quantity, release = QUANTITIES[number["quantity"]], holdings.ds.release
    absent = holdings.absent(number["split"], of_whole=quantity.of_whole)
    unreleased = quantity.compute(parts[None], number) if number["quantity"] in _WITHOUT_DATA else None
    if isinstance(unreleased, Missing):
        return named | _missing(unreleased)
    if absent and (quantity.of_whole or number["split"] not in parts or not holdings.rows):
        why = "answers to one prompt are spread over the splits" if quantity.of_whole else ""
        return named | _missing(Missing(f"needs data set {release} ({' and '.join(absent)})", why))
    quantity_value = quantity.compute(parts[number["split"]], number)
    if isinstance(quantity_value, Missing):
        return named | _missing(quantity_value)
    value = value_of(quantity_value)
    if math.isnan(value):
        return named | _missing(Missing("not computable from released fields", "undefined on these data"))
    shown = {"recomputed": value, "difference": value - number["published"]}
    if absent:
        return named | shown | _partial(number, quantity_value, holdings=holdings)
    agrees = abs(value - number["published"]) <= number["tolerance"] * (1 + 1e-9)
    kind = "agrees" if agrees else "differs"
    return named | shown | {"kind": kind, "verdict": kind}


def _partial(number: Number, quantity_value: float | Sample, *, holdings: Holdings) -> dict[str, object]:
    here = f"partial: {holdings.described()}"
    if not isinstance(quantity_value, Sample):
        return {"kind": "partial", "verdict": f"{here}; a count of all cannot be held against it", "difference": None}
    interval = quantity_value.intervals()
    low, high = float(interval.low[0]), float(interval.high[0])
    slack = number["tolerance"]  # what is printed was rounded
    if math.isnan(low):
        why = reasons_of(interval, nothing="the value is undefined")[0]
        return {"kind": "partial", "verdict": f"{here}; no interval: {why}"}
    side = "inside" if low - slack <= number["published"] <= high + slack else "outside"
    doubt = ", a wide one because few prompts decide it" if interval.is_bounded[0] else ""
    words = f"{here}; the printed value lies {side} [{low:.4g}, {high:.4g}]{doubt}"
    return {"kind": "partial", "verdict": words, "low": low, "high": high, "sample": quantity_value}


def _missing(missing: Missing) -> dict[str, object]:
    kind = "needs data" if missing.verdict.startswith("needs") else "not computable"
    verdict = f"{missing.verdict}: {missing.reason}" if missing.reason else missing.verdict
    return {"kind": kind, "verdict": verdict}


def _synthetic(ds: Dataset) -> pl.DataFrame:
    """What synthetic data were aimed at: meeting a target is no reproduction of it."""
    aimed = pl.concat_str(pl.lit("aimed at "), pl.col("target").round(6), pl.lit(": "), "kind")
    return ds.targets.select(
        pl.concat_str("statistic", "level", separator="/").alias("id"),
        pl.col("statistic").alias("quantity"),
        "level",
        pl.when(pl.col("statistic").str.starts_with("rows")).then(pl.lit("count")).alias("unit"),
        pl.col("obtained").alias("recomputed"),
        pl.lit("synthetic").alias("kind"),
        pl.lit("synthetic: made to come near a target, so it reproduces nothing").alias("verdict"),
        "source",
        aimed.alias("note"),
    ).select((pl.col(name) if name in _AIMED else pl.lit(None, dtype)).alias(name) for name, dtype in NUMBERS.items())
