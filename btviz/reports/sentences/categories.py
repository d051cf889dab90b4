"""What is associated with what among the harm categories, all others given, and how many factors lie behind them."""

from __future__ import annotations

import math
from typing import Any

import polars as pl

from btviz.data.dataset import Dataset
from btviz.labels.structure import CategoryStructure
from btviz.preference.verdicts import name_of
from btviz.reports.sentences.phrases import lines, listed
from btviz.taxonomy.findings import NUMBER, Finding
from btviz.taxonomy.words import title_of

_STRONGEST = 3


def structure(found: CategoryStructure, ds: Dataset, *, with_pairs: bool = True) -> str:
    """Say which categories go together given all others, and how many factors exceed chance.

    Parameters
    ----------
    found : CategoryStructure
        From `btviz.category_structure`.
    ds : Dataset
        What it was found in.
    with_pairs : bool
        Whether to name the strongest pairs, which a table beside it may show.

    Returns
    -------
    str
        A few lines: what was selected and the bound on false pairs; the strongest pairs either way, each with its
        interval or why it has none; signs that differ from phi's; factors, with the rules that lead to others; who
        takes no part; the doubts.
    """
    row = found.selection.row(0, named=True)
    stable = found.pairs.filter("is_stable")
    named = stable if with_pairs else stable.clear()
    return lines(
        f"{name_of(ds)}: {row['n_stable']} of {row['n_pairs']} pairs of categories are associated given all others, "
        f"selected in {100 * row['threshold']:.0f} % or more of {row['n_halves']} halves of the prompts; at most "
        f"{row['expected_false']:.1f} of them are expected to be noise "
        f"({row['where']} {row['population']}, n = {row['n']:,}, {row['n_prompts']:,} prompts).",
        _strongest(named.filter(pl.col("log_odds_ratio") > 0), ds, way="More often together"),
        _strongest(named.filter(pl.col("log_odds_ratio") < 0), ds, way="Less often together"),
        _signs(stable, ds),
        _partial_signs(found.pairs),
        _factors(found),
        _absent(found, ds),
        *(f"{doubt[0].upper()}{doubt[1:]}." for doubt in found.doubts),
    )


def _names(row: dict[str, Any], ds: Dataset) -> str:
    return f"{title_of(row['row'], ds.taxonomy)} with {title_of(row['col'], ds.taxonomy)}"


def _strongest(pairs: pl.DataFrame, ds: Dataset, *, way: str) -> str | None:
    """The strongest pairs with their odds ratios and intervals; those without an interval are counted alone."""
    if pairs.is_empty():
        return None
    known = _with_interval(pairs).sort(pl.col("log_odds_ratio").abs(), descending=True)
    parts = [f"{_names(row, ds)}, {_odds(row)}" for row in known.head(_STRONGEST).to_dicts()]
    if (more := known.height - len(parts)) > 0:
        parts.append(f"{more} more")
    if known.height < pairs.height:
        parts.append(f"{pairs.height - known.height} of too few prompts for an interval")
    return f"{way} than the other categories let expect: {'; '.join(parts)}."


def _odds(row: dict[str, Any]) -> str:
    ends = (("low", 0.0), ("high", math.inf))
    low, high = (beyond if row[name] is None else math.exp(row[name]) for name, beyond in ends)
    n, value = row["n_informative"], math.exp(row["log_odds_ratio"])
    return f"odds ratio {Finding(value, low, high, n, 'informative items', row['undefined'], NUMBER)}"


def _with_interval(pairs: pl.DataFrame, *, prefix: str = "") -> pl.DataFrame:
    """Pairs of which at least one end is known; nothing bounds the other."""
    return pairs.filter(pl.any_horizontal(pl.col(f"{prefix}low", f"{prefix}high").is_not_null()))


def _signs(stable: pl.DataFrame, ds: Dataset) -> str | None:
    differing = stable.filter("sign_differs")
    if differing.is_empty():
        return None
    named = listed([_names(row, ds) for row in differing.to_dicts()])
    return f"Of {stable.height} signs {differing.height} differ from that of phi: {named}."


def _partial_signs(pairs: pl.DataFrame) -> str:
    """How many signs of all pairs differ from phi's, by how much is known of the pair."""
    known = _with_interval(pairs, prefix="partial_")
    sure = known.filter("partial_sign_differs", (pl.col("partial_low") > 0) | (pl.col("partial_high") < 0))
    return (
        f"With no pair taken for absent, the sign given all others differs from that of phi in "
        f"{known['partial_sign_differs'].sum()} of {known.height} pairs with an interval; {sure.height} of these "
        "intervals exclude 0."
    )


def _factors(found: CategoryStructure) -> str:
    draws, fit = found.eigenvalues["n_draws"][0], found.fit.row(0, named=True)
    rmsr = fit["rmsr"]
    left = "" if rmsr is None else f", which leave residuals of {rmsr:.3f} (root mean square)"
    return (
        f"{found.n_factors} factors of the tetrachoric correlations exceed 95 % of {draws} draws without association"
        f"{left}; {found.n_factors_by_mean} exceed their mean, and {found.n_components} components exceed 95 %."
        f"{_measures(fit)}"
    )


def _measures(fit: dict[str, Any]) -> str:
    if fit["tli"] is None:
        return ""
    said = f" TLI {fit['tli']:.2f}, RMSEA {fit['rmsea']:.3f}, CFI {fit['cfi']:.2f}"
    return (
        f"{said}; they say little, as smoothing made the determinant on which they rest."
        if fit["doubt"]
        else f"{said}."
    )


def _absent(found: CategoryStructure, ds: Dataset) -> str | None:
    absent = found.categories.drop_nulls("undefined")
    if absent.is_empty():
        return None
    named = listed([title_of(key, ds.taxonomy) for key in absent["category"]])
    return f"Without part, because too few prompts vary in it: {named}."
