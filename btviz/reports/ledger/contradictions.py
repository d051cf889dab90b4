"""Contradictions between what is printed and what the data hold, each with its arithmetic.

Some follow from printed numbers alone, others from the rows that are here. Nothing is adjusted
to hide one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import polars as pl

from btviz.data.dataset import Dataset
from btviz.reports.ledger.printed import CONSISTENT, CONTRADICTS, UNDECIDED, Finding, findings_in_print

CONTRADICTIONS = pl.Schema(dict.fromkeys(("id", "claim", "arithmetic", "finding", "rests_on"), pl.String()))
"""Columns of the table of findings."""


def contradiction_table(ds: Dataset, *, numbers: pl.DataFrame, phis: pl.DataFrame) -> pl.DataFrame:
    """Look for contradictions in what is printed about the release of a data set."""
    found: list[Finding] = []
    if ds.release is not None and not ds.is_synthetic:
        found += findings_in_print(ds.release)
        found += [*_of_phi(phis, ds.name), *_of_violence(phis, ds.name), *_of_samples(numbers, ds.name)]
    return pl.DataFrame([asdict(entry) for entry in found], schema=CONTRADICTIONS)


def _of_phi(phis: pl.DataFrame, name: str) -> Iterator[Finding]:
    """For which populations the interval of a printed coefficient's own pair holds it, and which others do."""
    for row in phis.drop_nulls(["published", "low"]).iter_rows(named=True):
        target, tolerance = row["published"], row["tolerance"]
        rest = phis.filter(pl.col("published").is_null(), population=row["population"], where=row["where"])
        meeting = rest.filter(pl.col("low") <= target + tolerance, pl.col("high") >= target - tolerance)
        caution = ", so a match alone is no evidence" if meeting.height else ""
        nearest = rest.drop_nulls("phi").sort((pl.col("phi") - target).abs()).head(1)
        others = "".join(
            f"; of them all {other['row']} and {other['col']} come nearest with {other['phi']:.5f}"
            for other in nearest.iter_rows(named=True)
        )
        yield Finding(
            f"phi/{row['row']}/{row['col']}/{row['population']}/{row['where']}",
            f"coefficient of {row['row']} and {row['col']}: {target}",
            f"over {row['where']} {row['population']} phi = {row['phi']:.3f} [{row['low']:.3f}, {row['high']:.3f}]; "
            f"{target} is also in the intervals of {meeting.height} other pairs{caution}{others}",
            CONSISTENT if row["holds_published"] else CONTRADICTS,
            f"rows of {name}",
        )


def _of_violence(phis: pl.DataFrame, name: str) -> Iterator[Finding]:
    """The association called notable, against 0 and against what selecting unsafe rows alone makes."""
    couple = {"non_violent_unethical_behavior", "violence,aiding_and_abetting,incitement"}
    rows = phis.filter(pl.col("row").is_in(couple), pl.col("col").is_in(couple), population="annotations")
    for row in rows.drop_nulls("low").iter_rows(named=True):
        null = row["phi_expected"] or 0.0
        found, said = _direction(row, null)
        selection = f", where independent categories would give {null:.3f}" if row["where"] == "unsafe" else ""
        yield Finding(
            f"violence-unethical/{row['where']}",
            "violence and non-violent unethical behaviour are notably correlated",
            f"over {row['where']} rows phi = {row['phi']:.3f} [{row['low']:.3f}, {row['high']:.3f}]{selection}: "
            + said,
            found,
            f"rows of {name}",
        )


def _direction(row: Mapping[str, Any], null: float) -> tuple[str, str]:
    """What an interval of phi says of "notably correlated", and in words."""
    if row["high"] < null:
        return CONTRADICTS, "a negative association"
    if row["low"] > null:
        return CONSISTENT, "a positive association"
    return UNDECIDED, "no association that differs from that"


def _of_samples(numbers: pl.DataFrame, name: str) -> Iterator[Finding]:
    """Printed shares and means that lie outside the interval of a part of the release."""
    held = numbers.filter(pl.col("quantity").is_in(["category_share", "mean_prompt_words", "mean_response_words"]))
    for row in held.drop_nulls("low").iter_rows(named=True):
        inside = row["low"] - row["tolerance"] <= row["published"] <= row["high"] + row["tolerance"]
        doubt = " (fewer than 50 prompts have it, so the interval is doubtful)" if "doubtful" in row["verdict"] else ""
        what = row["category"] or row["quantity"].replace("_", " ")
        unit = " % of unsafe rows" if row["unit"] == "percent" else ""
        yield Finding(
            f"{row['id']}/interval",
            f"{what}: {row['published']:g}{unit} ({row['source']})",
            f"{row['recomputed']:.2f} [{row['low']:.2f}, {row['high']:.2f}]{doubt}",
            CONSISTENT if inside else UNDECIDED if doubt else CONTRADICTS,
            f"rows of {name}",
        )
