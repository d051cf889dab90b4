"""Whether a probe recognises harm it was never shown, and how well scores and parts of pairs can do, in sentences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl

from btviz.data.dataset import Dataset
from btviz.preference.verdicts import name_of
from btviz.reports.sentences.phrases import HALF, lines
from btviz.taxonomy.categories import Taxonomy
from btviz.taxonomy.findings import NUMBER, RATE, Finding, extremes, together
from btviz.taxonomy.words import percent


def left_out(table: pl.DataFrame, ds: Dataset) -> str:
    """Say how a probe fares on the categories that were left out of its training.

    Parameters
    ----------
    table : DataFrame
        From `btviz.leave_one_category_out`.
    ds : Dataset
        The data set of both.

    Returns
    -------
    str
        The false-positive rate, the categories at both ends of the estimates, and whether the losses differ.
    """
    rates = {(row["category"], row["metric"], row["training"]): row for row in table.iter_rows(named=True)}
    safe = table.filter(metric="false_positive_rate", training="all").row(0, named=True)
    losses = [(ds.taxonomy[key].title, _loss(rates, key)) for key in table["category"].unique(maintain_order=True)]
    ranked = sorted((loss.value, place) for place, (_, loss) in enumerate(losses) if loss.value is not None)
    keys = table["category"].unique(maintain_order=True).to_list()
    shown = [ranked[-1][1], *([ranked[0][1]] if len(ranked) > 1 else [])] if ranked else []
    ends = extremes(losses, what="categories")
    return lines(
        f"In {name_of(ds)}, by cost probes out of fold:",
        f"With every category shown, {_rate(safe, 'safe answers')} are called unsafe.",
        *(f"{_titled(rates, keys[place], ds.taxonomy)}." for place in shown),
        f"What recall loses when a category is hidden runs {ends}." if ends else None,
    )


def transferred(table: pl.DataFrame, ds: Dataset, *, to: Dataset) -> str:
    """Say how a probe of one data set fares on another.

    Parameters
    ----------
    table : DataFrame
        From `btviz.transfer_metrics`.
    ds, to : Dataset
        What the probe was fitted on, and what it was measured on.

    Returns
    -------
    str
        A line each for what was left out, all answers, a cost of 0, and the categories.
    """
    left = table["left_out"][0]
    overall = {row["metric"]: row for row in table.filter(grouping="all", unit="pair").iter_rows(named=True)}
    at_zero = {row["metric"]: row for row in table.filter(grouping="threshold", threshold=0.0).iter_rows(named=True)}
    auc = overall.get("auc")
    return lines(
        f"Fitted on {name_of(ds)}, measured on {name_of(to)}; {left:,} of its {to.pairs.height:,} pairs are left out, "
        "because their prompts nearly repeat one that the probe has seen.",
        None
        if auc is None or auc["estimate"] is None
        else f"Of pairs of an unsafe and a safe answer, the unsafe one costs more in "
        f"{Finding.of(auc, 'estimate', items='answers', unit=RATE)}, {auc['support']:,} of them unsafe.",
        _at_zero(at_zero),
        _categories(table, to.taxonomy),
    )


Rates = dict[tuple[str, str, str], dict[str, Any]]
"""Rows of `btviz.leave_one_category_out` by category, metric and training."""


def _rate(row: dict[str, Any], items: str) -> Finding:
    return Finding.of(row, "estimate", items=items)


def _loss(rates: Rates, category: str) -> Finding:
    """Recall with every category shown less that without one: of the same answers, so its interval is rather wide."""
    shown, hidden = (_rate(rates[category, "recall", training], "unsafe answers") for training in ("all", "without"))
    return shown.less(hidden)


def _titled(rates: Rates, category: str, taxonomy: Taxonomy) -> str:
    shown, hidden = (_rate(rates[category, "recall", training], "unsafe answers") for training in ("all", "without"))
    safe = _rate(rates[category, "false_positive_rate", "without"], "safe answers")
    return (
        f"{taxonomy[category].title}: a probe that was shown all categories recognises {shown}; one that was not shown "
        f"this one recognises {hidden}, and calls {safe} unsafe"
    )


def _at_zero(rows: dict[str, dict[str, Any]]) -> str | None:
    recall, false = rows.get("recall"), rows.get("false_positive_rate")
    if recall is None or false is None or recall["estimate"] is None or false["estimate"] is None:
        return None
    return f"Above a cost of 0 are {_rate(recall, 'unsafe answers')}, and {_rate(false, 'safe answers')}."


def _categories(table: pl.DataFrame, taxonomy: Taxonomy) -> str | None:
    """How often harms of each category are recognised; all of their answers are unsafe."""
    accuracies = table.filter(grouping="category", metric="sign_accuracy", unit="pair")
    ends = extremes(
        [(taxonomy[row["level"]].title, _rate(row, "answers")) for row in accuracies.iter_rows(named=True)],
        what="categories",
    )
    return None if ends is None else f"By category, the cost has the right sign {ends}."


_TOLD = {"unsafe": "which answers are unsafe", "better": "which answer is better", "safer": "which answer is safer"}

_FROM = {
    "prompt": "the prompt alone",
    "lengths": "lengths alone",
    "refusal": "refusal alone",
    "source": "the answering model alone",
    "qa": "prompt and answer",
}


def artefacts(table: pl.DataFrame, ds: Dataset) -> str:
    """Say how far labels are told by parts of a pair, beside the whole pair.

    Parameters
    ----------
    table : DataFrame
        From `btviz.artefact_baselines`.
    ds : Dataset
        The data set with the labels.

    Returns
    -------
    str
        A line for safety, *better* and *safer* each, as far as the table has them; one for the categories.
    """
    known = table.drop_nulls("auc")
    if known.is_empty():
        return lines(f"In {name_of(ds)}, nothing is told from parts of pairs: {table['undefined'][0]}.")
    said = [_told(known.filter(outcome=outcome), what) for outcome, what in _TOLD.items()]
    return lines(
        f"In {name_of(ds)}, predicted for prompts that were held out, where an AUC of one half is chance:",
        *said,
        _told_categories(known, ds),
    )


def _told(rows: pl.DataFrame, what: str) -> str | None:
    areas = {row["baseline"]: _area(row) for row in rows.to_dicts()}
    if not areas:
        return None
    parts = together((f"from {words}", areas[name]) for name, words in _FROM.items() if name in areas)
    return f"{what[0].upper()}{what[1:]}, AUC: {'; '.join(parts)}."


def _told_categories(known: pl.DataFrame, ds: Dataset) -> str | None:
    """How many categories the prompt tells better than chance, all of them at once, and which least and most."""
    rows = known.filter(~pl.col("outcome").is_in(list(_TOLD)), baseline="prompt").drop_nulls("low_joint")
    if rows.is_empty():
        return None
    told = sum(_told_at_once(row) for row in rows.to_dicts())
    ends = extremes(
        ((ds.taxonomy[row["outcome"]].title, _area(row)) for row in rows.to_dicts()),
        what="categories",
    )
    return (
        f"Of {rows.height:,} categories with an interval the prompt alone tells {told:,} better than chance, "
        f"all intervals at once{'' if ends is None else f'; their AUC goes {ends}'}."
    )


def _told_at_once(row: dict[str, Any]) -> bool:
    """Whether the interval that holds together with those of all categories lies above chance."""
    joint = replace(_area(row), low=row["low_joint"], high=row["high_joint"])
    return joint.against(HALF).side > 0


def _area(row: dict[str, Any]) -> Finding:
    return Finding.of(row, "auc", items="pairs" if row["unit"] == "pair" else "comparisons", unit=NUMBER)


_ITEMS = {"comparison": "comparisons", "answer of a comparison": "answers"}

_LABELS = {"better": "which answer is better", "safer": "which answer is safer", "is_safe": "whether an answer is safe"}


def attainable(table: pl.DataFrame, ds: Dataset) -> str:
    """Say where labels contradict each other, and what accuracy that leaves.

    Parameters
    ----------
    table : DataFrame
        From `btviz.score_ceilings`.
    ds : Dataset
        The data set with the labels.

    Returns
    -------
    str
        A line a label that is known.
    """
    said = [_line(row) for row in table.drop_nulls("ceiling").to_dicts()]
    if not said:
        return f"In {name_of(ds)} no comparison has a label."
    return lines(f"In {name_of(ds)}:", *said)


def _line(row: dict[str, Any]) -> str:
    items = _ITEMS[row["unit"]]
    about = _LABELS[row["label"]]
    if not row["n_contradictory"]:
        return f"no two labels contradict each other on {about}, over {row['n_distinct']:,} distinct {items}."
    return (
        f"labels contradict each other on {about} in {row['n_contradictory']:,} of {row['n_distinct']:,} distinct "
        f"{items}, so that no score can agree with more than {percent(row['ceiling'])} of {row['n']:,} labels."
    )
