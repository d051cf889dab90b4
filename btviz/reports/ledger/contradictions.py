"""Contradictions between what is printed and what the data hold, each with its arithmetic.

Some follow from printed numbers alone, others from the rows that are here. Nothing is adjusted
to hide one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from btviz.data.dataset import Dataset
from btviz.data.releases import published
from btviz.preference.counts import orthogonality_of_counts
from btviz.preference.reliability import agreement_correction
from btviz.stats.association import TwoByTwo, phi, wilson
from btviz.taxonomy import percent
from btviz.taxonomy.categories import PKU_SAFERLHF

CONTRADICTIONS = pl.Schema(dict.fromkeys(("id", "claim", "arithmetic", "finding", "rests_on"), pl.String()))
"""Columns of the table of findings."""

CONTRADICTS, CONSISTENT, UNDECIDED = "contradicts", "consistent", "undecided"


@dataclass(frozen=True)
class Finding:
    """One claim held against numbers."""

    id: str
    claim: str
    arithmetic: str
    finding: str
    rests_on: str = "printed numbers"


def contradiction_table(ds: Dataset, *, numbers: pl.DataFrame, phis: pl.DataFrame) -> pl.DataFrame:
    """Look for contradictions in what is printed about the release of a data set."""
    findings: list[Finding] = []
    if ds.release is not None and not ds.is_synthetic:
        findings += findings_in_print(ds.release)
        findings += [*_of_phi(phis, ds.name), *_of_violence(phis, ds.name), *_of_samples(numbers, ds.name)]
    return pl.DataFrame([asdict(entry) for entry in findings], schema=CONTRADICTIONS)


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
        verdict, said = _direction(row, null)
        selection = f", where independent categories would give {null:.3f}" if row["where"] == "unsafe" else ""
        yield Finding(
            f"violence-unethical/{row['where']}",
            "violence and non-violent unethical behaviour are notably correlated",
            f"over {row['where']} rows phi = {row['phi']:.3f} [{row['low']:.3f}, {row['high']:.3f}]{selection}: "
            + said,
            verdict,
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
    for row in numbers.drop_nulls("low_joint").iter_rows(named=True):
        what = row["category"] or row["quantity"].replace("_", " ")
        unit = " % of unsafe rows" if row["unit"] == "percent" else ""
        yield Finding(
            f"{row['id']}/interval",
            f"{what}: {row['published']:g}{unit} ({row['source']})",
            f"{row['recomputed']:.2f} [{row['low']:.2f}, {row['high']:.2f}], all {row['family']} at once "
            f"[{row['low_joint']:.2f}, {row['high_joint']:.2f}]",
            _of_several(row),
            f"rows of {name}",
        )


def _of_several(row: Mapping[str, Any]) -> str:
    """The verdict on one of several printed values.

    A value contradicts only the interval that holds at once with those of the others: of so many, one in twenty lies
    outside its own by chance alone. One between the two is undecided.
    """
    inside, inside_wide = (
        row[low] - row["tolerance"] <= row["published"] <= row[high] + row["tolerance"]
        for low, high in (("low", "high"), ("low_joint", "high_joint"))
    )
    return CONSISTENT if inside else UNDECIDED if inside_wide else CONTRADICTS


def findings_in_print(release: str) -> Iterator[Finding]:
    """Findings that follow from what is printed about a release, without any of its rows."""
    yield from _splits_against_whole(release)
    for make in _BY_RELEASE.get(release, ()):
        yield from make()


def _value(release: str, quantity: str, *, split: str | None, level: str | None = None) -> float | None:
    rows = published.find(release, quantity).filter(pl.col("split").eq_missing(pl.lit(split)))
    rows = rows if level is None else rows.filter(level=level)
    return None if rows.is_empty() else float(rows["value"][0])


def _splits_against_whole(release: str) -> Iterator[Finding]:
    """Counts printed of all, against the sum of the two splits less what they share."""
    for quantity, shared in (("rows", None), ("unique_prompts", "shared_prompts"), ("unique_pairs", None)):
        whole = published.find(release, quantity).filter(pl.col("split").is_null())
        train, test = (_value(release, quantity, split=split) for split in ("train", "test"))
        both = 0.0 if shared is None else _value(release, shared, split=None)
        if train is None or test is None or both is None:
            continue
        total = train + test - both
        terms = f"{train:,.0f} (train) + {test:,.0f} (test)" + (f" - {both:,.0f} (in both)" if both else "")
        for row in whole.iter_rows(named=True):
            met = abs(row["value"] - total) <= row["tolerance"]
            alone = f"; {row['value']:,.0f} is the train split alone" if row["value"] == train else ""
            yield Finding(
                f"{row['id']}-against-splits",
                f"{quantity.replace('_', ' ')} of {release}: {row['value']:,.0f} ({row['source']})",
                f"{terms} = {total:,.0f}, a difference of {row['value'] - total:+,.0f}{alone}",
                CONSISTENT if met else CONTRADICTS,
            )


def _multiplicity() -> Iterator[Finding]:
    release = "beavertails-330k"
    rows, printed = (_value(release, name, split=None) or 0 for name in ("rows", "annotations_per_pair"))
    train, test = (_value(release, "unique_pairs", split=split) or 0 for split in ("train", "test"))
    real = rows / (train + test)
    yield Finding(
        "330k-annotations-per-pair",
        f"annotations per pair of {release}: {printed}",
        f"{rows:,.0f} rows / {train:,.0f} pairs of train alone = {rows / train:.4f}; "
        f"over the pairs of both splits {rows:,.0f} / {train + test:,.0f} = {real:.4f}",
        CONTRADICTS if abs(real - printed) > 0.01 else CONSISTENT,
    )


def _safe_share() -> Iterator[Finding]:
    release = "beavertails-330k"
    rows, safe, share = (_value(release, name, split=None) or 0 for name in ("rows", "safe_rows", "share_safe"))
    derived = 100 * safe / rows
    yield Finding(
        "330k-share-safe",
        f"safe rows of {release}: {share} %",
        f"{safe:,.0f} (from a copy of the safe rows) / {rows:,.0f} = {derived:.2f} %, if that copy is complete",
        CONSISTENT if abs(derived - share) <= 0.05 else UNDECIDED,
    )


def _leak(release: str) -> Iterator[Finding]:
    shared, prompts = _value(release, "shared_prompts", split=None), _value(release, "unique_prompts", split="test")
    rows, test = (_value(release, name, split="test") for name in ("rows_with_train_prompt", "rows"))
    pairs = _value(release, "rows_with_train_pair", split="test")
    if shared is None or prompts is None or rows is None or test is None:
        return
    yield Finding(
        f"{release}-shared-prompts",
        f"the test split of {release} is held out",
        f"{shared:,.0f} of its {prompts:,.0f} prompts are in train ({percent(shared / prompts)}), and "
        f"{rows:,.0f} of its {test:,.0f} rows have such a prompt ({percent(rows / test)}); "
        f"{pairs or 0:,.0f} rows repeat a pair of train",
        CONTRADICTS if shared else CONSISTENT,
    )


def _independence() -> Iterator[Finding]:
    table = orthogonality_of_counts("pku-saferlhf")
    whole, least, greatest = table.iter_rows(named=True)
    same, forced = (
        int(_value("pku-saferlhf", n, split="train") or 0) for n in ("same_selection", "rows_with_one_safe")
    )
    refuted = agreement_correction(whole["p"], low=whole["naive_low"], high=whole["naive_high"])["verdict"][0]
    yield Finding(
        "saferlhf-independence",
        "helpfulness is independent of harmlessness (PKU-SafeRLHF, train)",
        f"{same:,} of {whole['n']:,} pairs have the same answer better and safer: p = {whole['p']:.3f}, 2p - 1 = "
        f"{2 * whole['p'] - 1:.3f}; outside the {forced:,} forced pairs p is between ({same:,} - {forced:,}) / "
        f"{least['n']:,} = {least['p']:.3f} and {same:,} / {greatest['n']:,} = {greatest['p']:.3f}; {refuted}",
        CONTRADICTS if least["p"] > 0.55 else UNDECIDED,
    )


def _order() -> Iterator[Finding]:
    levels = ("response_0_safe_response_1_unsafe", "response_0_unsafe_response_1_safe")
    first, second = (_value("pku-saferlhf", "safety_configuration", split="train", level=x) or 0 for x in levels)
    low, high = (float(end) for end in wilson(second, n=first + second))
    yield Finding(
        "saferlhf-order",
        "the order of the two answers carries no meaning (PKU-SafeRLHF, train)",
        f"among {first + second:,.0f} pairs with exactly one safe answer, response_1 is the safe one in "
        f"{second:,.0f}: {percent(second / (first + second))} [{100 * low:.1f}, {100 * high:.1f}], "
        "comparisons taken for independent",
        CONTRADICTS if low > 0.5 or high < 0.5 else UNDECIDED,
    )


def _sum_of_family() -> Iterator[Finding]:
    printed = _value("pku-saferlhf", "preferences_dual_and_single", split=None) or 0
    dual = _value("pku-saferlhf", "rows", split=None) or 0
    single = _value("pku-saferlhf-single-dimension", "rows", split=None) or 0
    yield Finding(
        "saferlhf-all-preferences",
        f"preferences of the PKU-SafeRLHF family: {printed:,.0f}",
        f"{dual:,.0f} (dual) + {single:,.0f} (single) = {dual + single:,.0f}, {printed - dual - single:,.0f} fewer",
        CONSISTENT if abs(printed - dual - single) <= 100 else CONTRADICTS,
    )


def _economic_crime() -> Iterator[Finding]:
    """Phi from printed joint counts; a category's own count is the sum over its severities."""
    release, first, second = "pku-saferlhf", "Economic Crime", "White-Collar Crime"
    printed = published.find(release, "phi", category=first)["value"][0]
    by_category = published.find(release, "category_severity_count").group_by("category").agg(pl.col("value").sum())
    counts = dict(by_category.iter_rows())
    row, col = (int(counts[PKU_SAFERLHF[key].key]) for key in (first, second))
    both = int(published.find(release, "joint_count", category=first).filter(other=second)["value"][0])
    sizes = {level: int(_value(release, "answers_by_safety", split="train", level=level) or 0) for level in _ANSWERS}
    n, unsafe = sum(sizes.values()), sizes["unsafe"]
    of_all, of_unsafe = (float(phi(TwoByTwo(*(np.array(x) for x in (total, row, col, both))))) for total in (n, unsafe))
    near = min(abs(of_all - printed), abs(of_unsafe - printed))
    yield Finding(
        "saferlhf-economic-white-collar",
        f"correlation of {first} and {second}: {printed}",
        f"from {both:,} answers with both of {row:,} and {col:,}: phi = {of_all:.3f} over {n:,} answers and "
        f"{of_unsafe:.3f} over {unsafe:,} unsafe ones",
        CONSISTENT if near <= 0.005 else CONTRADICTS,
    )


_ANSWERS = ("safe", "unsafe")

_BY_RELEASE = {
    "beavertails-30k": (lambda: _leak("beavertails-30k"),),
    "beavertails-330k": (_multiplicity, _safe_share, lambda: _leak("beavertails-330k")),
    "pku-saferlhf": (_independence, _order, _sum_of_family, _economic_crime),
    "pku-saferlhf-single-dimension": (_sum_of_family,),
}
