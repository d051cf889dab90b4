"""How far annotators agree, what was published, and the verdict."""

from __future__ import annotations

import polars as pl

from btviz.data.dataset import Dataset
from btviz.preference import Orthogonality
from btviz.preference.verdicts import name_of
from btviz.reports.sentences.phrases import interval, lines
from btviz.taxonomy.words import LEVELS, percent, title_of

KINDS = {
    "agrees": "agree with the data",
    "differs": "differ from the data",
    "partial": "are about more rows than are here",
    "needs data": "need other data",
    "not computable": "cannot be computed from what was released",
}
"""What is said of published numbers, by `btviz.reports.ledger.ledger.KINDS`."""


def agreement(table: pl.DataFrame, ds: Dataset) -> str:
    """Say how far annotators agree on safety, and on categories.

    Parameters
    ----------
    table : DataFrame
        From `btviz.annotator_agreement`.
    ds : Dataset
        What it was measured in.

    Returns
    -------
    str
        One to three lines.
    """
    row = table.filter(category="is_safe").row(0, named=True)
    if row["agreement"] is None:
        return lines(f"In {name_of(ds)}, agreement has no value: {row['undefined']}.")
    alpha, others = row["krippendorff_alpha"], table.filter(pl.col("category") != "is_safe")
    corrected = "" if alpha is None else f" (Krippendorff's alpha {alpha:.2f}{_plain(row, 'krippendorff_alpha')})"
    known = others.drop_nulls("krippendorff_alpha").sort("krippendorff_alpha")
    ends = [
        f"{end['krippendorff_alpha']:.2f} ({title_of(end['category'], ds.taxonomy)})"
        for end in (known.head(1).to_dicts() + known.tail(1).to_dicts())
    ]
    printed = row["published_agreement"]
    return lines(
        f"In {name_of(ds)}, two annotations of one pair agree on safety in {percent(row['agreement'])}"
        f"{interval(row['agreement_low'], row['agreement_high'])}{corrected}, over {row['n_pairs']:,} pairs with two "
        "or more." + (f" Published: {percent(printed)}." if printed is not None else ""),
        f"By harm category, alpha lies from {ends[0]} to {ends[1]}." if known.height > 1 else None,
        f"This is doubtful: {row['doubt']}." if row.get("doubt") else None,
    )


def _plain(row: dict[str, float], name: str) -> str:
    return interval(row[f"{name}_low"], row[f"{name}_high"], scale=1, digits=2)


def published_numbers(table: pl.DataFrame, ds: Dataset) -> str:
    """Say how many published numbers these data confirm, contradict or cannot reach.

    Parameters
    ----------
    table : DataFrame
        From `btviz.check`.
    ds : Dataset
        What was checked.

    Returns
    -------
    str
        One line.
    """
    if table.is_empty():
        return lines(f"{name_of(ds)}: these files are of no known release, so no published number is about them.")
    if ds.is_synthetic:
        return lines(
            f"{name_of(ds)}: made to come near {table.height:,} targets, so it cannot confirm or contradict any "
            "published number."
        )
    counts = table["kind"].value_counts(sort=True).rows()
    return lines(
        f"{name_of(ds)}, {table.height:,} published numbers: "
        + ", ".join(f"{n:,} {KINDS[kind]}" for kind, n in counts)
        + "."
    )


def published_counts(table: pl.DataFrame) -> str:
    """Say what counts that a release publishes about itself tell of better and safer.

    Parameters
    ----------
    table : DataFrame
        From `btviz.orthogonality_of_counts`.

    Returns
    -------
    str
        One line each: the verdicts of the table.
    """
    return lines(*(f"{sentence[0].upper()}{sentence[1:]}." for sentence in table["verdict"]))


def verdicts(found: Orthogonality) -> str:
    """The verdicts over all comparisons and by stratum, as they stand in the table.

    Parameters
    ----------
    found : Orthogonality
        From `btviz.orthogonality`.

    Returns
    -------
    str
        One line each; the margin stands in those on real data.
    """
    rows = found.table.filter(pl.col("grouping").is_in(["all", "stratum"]))
    return lines(*(f"{LEVELS[level]}: {sentence}." for level, sentence in rows.select("level", "verdict").rows()))
