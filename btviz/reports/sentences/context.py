"""How far annotators agree, what was published, and the verdict."""

from __future__ import annotations

from typing import Any

import polars as pl

from btviz.data.dataset import Dataset
from btviz.preference import Orthogonality
from btviz.preference.verdicts import name_of
from btviz.reports.sentences.phrases import lines, listed, p_value
from btviz.stats.clustered import FEWEST_EFFECTIVE
from btviz.taxonomy.categories import Taxonomy
from btviz.taxonomy.findings import NUMBER, POINTS, SHARE, SMALL, Decision, Finding, Unit, extremes, together
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
    counted = f"pairs with two or more, of {row['n_prompts']:,} prompts"
    agreed = _coefficient(row, "agreement", counted, unit=SHARE)
    of_target = [
        (title_of(each["category"], ds.taxonomy), _alpha(each))
        for each in table.filter(pl.col("category") != "is_safe").iter_rows(named=True)
    ]
    ends = extremes(of_target, what="categories")
    printed = row["published_agreement"]
    return lines(
        f"In {name_of(ds)}, two annotations of one pair agree on safety in {agreed}."
        + (f" Published: {percent(printed)}." if printed is not None else ""),
        f"Krippendorff's alpha is {_alpha(row)}.",
        f"By harm category, alpha runs {ends}." if ends else None,
        f"This is doubtful: {row['doubt']}." if row.get("doubt") else None,
    )


def _alpha(row: dict[str, Any]) -> Finding:
    return _coefficient(row, "krippendorff_alpha", "pairs", unit=NUMBER)


def _coefficient(row: dict[str, Any], name: str, items: str, *, unit: Unit) -> Finding:
    """One of several coefficients of a row, whose reasons are about all of them together."""
    doubt = None
    if row[name] is None:
        doubt = row["undefined"]
    elif row[f"{name}_low"] is None:
        doubt = f"it has fewer than {FEWEST_EFFECTIVE} effective prompts, which an interval needs"
    elif row["few_prompts"]:
        doubt = "few prompts have either vote, or a dispute, so the interval is a wide one"
    return Finding.of(row | {"undefined": doubt}, name, n="n_pairs", items=items, unit=unit)


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
        return lines(f"{name_of(ds)}: these are your own files, so no published number is about them.")
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


def specifications(table: pl.DataFrame, ds: Dataset) -> str:
    """Say how far an estimate depends on choices, and in how many of them its interval holds the printed value.

    Parameters
    ----------
    table : DataFrame
        From `btviz.specification_curve`.
    ds : Dataset
        What it was estimated in.

    Returns
    -------
    str
        Three lines.
    """
    known = table.drop_nulls("estimate")
    if known.is_empty():
        return lines(f"In {name_of(ds)}, no specification has an estimate: {table['undefined'][0]}.")
    is_share = table["of"][0] == "p"
    asked = "P(better = safer)"
    if not is_share:
        asked = " and ".join(title_of(table[name][0], ds.taxonomy) for name in ("row", "col"))
    ends = [
        Finding.of(row, "estimate", items="items", unit=SHARE if is_share else SMALL)
        for row in (known.row(0, named=True), known.row(-1, named=True))
    ]
    fewest, most = known.select(pl.col("n").min().alias("fewest"), pl.col("n").max().alias("most")).row(0)
    return lines(
        f"In {name_of(ds)}, {asked}: {known.height:,} specifications, from {ends[0]} to {ends[1]}, over "
        f"{fewest:,} to {most:,} items.",
        _held(known, is_share=is_share),
        "They share their rows, so many that agree are not many confirmations.",
    )


def _number(value: float, *, is_share: bool) -> str:
    return percent(value) if is_share else f"{value:.3f}"


def _held(known: pl.DataFrame, *, is_share: bool) -> str | None:
    """How many intervals hold the printed value, and which choice they have in common."""
    printed, with_interval = known["printed"][0], known.drop_nulls("holds_printed")
    if printed is None:
        return None
    holding, other = (with_interval.filter(pl.col("holds_printed") == held) for held in (True, False))
    value = _number(printed, is_share=is_share)
    common = [
        f"{name} {holding[name][0]!r}"
        for name in ("split", "counted", "subset", "duplicates", "weighting", "coefficient")
        if holding.height and other.height and holding[name].n_unique() == 1 and other[name].n_unique() > 1
    ]
    return (
        f"The 95 % interval by prompt holds the printed {value} in {holding.height:,} of {with_interval.height:,}."
        + (f" What these have in common, and others have not: {listed(common)}." if common else "")
    )


def shift(table: pl.DataFrame, ds: Dataset) -> str:
    """Say whether two splits are exchangeable given their prompts, and which labels differ.

    Parameters
    ----------
    table : DataFrame
        From `btviz.split_shift`.
    ds : Dataset
        What was tested.

    Returns
    -------
    str
        Two or three lines.
    """
    row = table.row(0, named=True)
    first, second = row["split_a"], row["split_b"]
    prompts = (
        f"In {name_of(ds)}, {first} and {second} share {row['prompts_shared']:,} of {row['prompts_a']:,} and "
        f"{row['prompts_b']:,} prompts; {row['n_exchanged']:,} of {row['n_a'] + row['n_b']:,} rows can be exchanged."
    )
    if row["p_value"] is None:
        return lines(prompts, f"Whether labels differ is not tested: {row['undefined']}.")
    tested = table.drop_nulls("p_holm").select("what", "p_holm").rows()
    differing = [what for what, adjusted in tested if Decision.of_p(adjusted).side]
    named = [title_of(what, ds.taxonomy) if what in ds.taxonomy.keys else "unsafe" for what in differing]
    said = Decision.of_p(row["p_value"]).words(
        below="", undecided="no shift of labels was shown", above="labels differ between the splits"
    )
    return lines(
        prompts,
        f"Given the prompts, {said} ({p_value(row['p_value'])}, chi-square of {row['label_sets']:,} label sets).",
        f"By category, all tests taken together, there differ: {listed(named)}." if named else None,
    )


def mix(table: pl.DataFrame, taxonomy: Taxonomy) -> str:
    """Say which harm categories are more frequent in one data set than in another.

    Parameters
    ----------
    table : DataFrame
        From `btviz.category_mix`.
    taxonomy : Taxonomy
        Of its categories.

    Returns
    -------
    str
        One line for each pair of data sets.
    """
    said = []
    for (name, against), rows in table.drop_nulls("against").group_by("name", "against", maintain_order=True):
        counted = [_rows_of(table, each) for each in (name, against)]
        known = [(row["category"], _joint(row, sum(counted))) for row in rows.sort(pl.col("share").abs()).to_dicts()]
        apart = [(title_of(key, taxonomy), found) for key, found in reversed(known) if found.against(0).side != 0]
        counts = " and ".join(f"{n:,}" for n in counted)
        compared = f"Shares in {name} less those in {against} ({counts} rows), all differences taken together"
        said.append(f"{compared}: {listed(together(apart)) if apart else 'they differ in no category'}.")
    return lines(*said)


def _joint(row: dict[str, Any], n: int) -> Finding:
    """A difference with the interval that holds together with all others."""
    return Finding(row["share"], row["low_joint"], row["high_joint"], n, "rows of both", row["undefined"], POINTS)


def _rows_of(table: pl.DataFrame, name: str) -> int:
    return max(table.filter(pl.col("against").is_null(), name=name)["n"].to_list(), default=0)
