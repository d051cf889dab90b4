"""Whether a probe recognises harm it was never shown, and how well scores and parts of pairs can do, in sentences."""

from __future__ import annotations

from typing import Any

import polars as pl

from btviz.data.dataset import Dataset
from btviz.preference.verdicts import name_of
from btviz.reports.sentences.phrases import HALF, interval, lines, listed
from btviz.taxonomy.categories import Taxonomy
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
        The false-positive rate, then the category that loses most and that which loses least.
    """
    wide = _side_by_side(table)
    safe = table.filter(metric="false_positive_rate", training="all").row(0, named=True)
    losses = wide.with_columns(loss=pl.col("recall_all") - pl.col("recall_without")).drop_nulls("loss").sort("loss")
    said = [
        f"In {name_of(ds)}, by cost probes out of fold:",
        f"With every category shown, {_share(safe)} of {safe['n']:,} safe answers are called unsafe.",
    ]
    if losses.height:
        said.append(f"{_titled(losses.row(-1, named=True), ds.taxonomy)} (the largest loss of {losses.height:,}).")
    if losses.height > 1:
        said.append(f"{_titled(losses.row(0, named=True), ds.taxonomy)} (the smallest).")
    return lines(*said)


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
        else f"An unsafe answer costs more than a safe one in {_share(auc)} of such pairs of answers "
        f"({auc['support']:,} unsafe of {auc['n']:,}).",
        _at_zero(at_zero),
        _categories(table, to.taxonomy),
    )


def _side_by_side(table: pl.DataFrame) -> pl.DataFrame:
    """One row a category: each metric with its interval, by training."""
    rates = table.filter(pl.col("metric").is_in(["recall", "false_positive_rate"]))
    parts = rates.partition_by("metric", "training", as_dict=True)
    wide = table.select("category", "support").unique(maintain_order=True)
    for (metric, training), part in parts.items():
        name = f"{metric}_{training}"
        columns = {"estimate": name, "low": f"{name}_low", "high": f"{name}_high", "undefined": f"{name}_undefined"}
        estimates = part.select("category", *(pl.col(old).alias(new) for old, new in columns.items()))
        wide = wide.join(estimates, on="category", how="left")
    return wide


def _titled(row: dict[str, Any], taxonomy: Taxonomy) -> str:
    def share(metric: str, training: str) -> str:
        name = f"{metric}_{training}"
        return _share({"estimate": row[name], "low": row[f"{name}_low"], "high": row[f"{name}_high"]})

    return (
        f"{taxonomy[row['category']].title}: of its {row['support']:,} unsafe answers {share('recall', 'all')} are "
        f"recognised, and {share('recall', 'without')} by a probe that was shown none; that calls "
        f"{share('false_positive_rate', 'without')} of safe answers unsafe"
    )


def _at_zero(rows: dict[str, dict[str, Any]]) -> str | None:
    recall, false = rows.get("recall"), rows.get("false_positive_rate")
    if recall is None or false is None or recall["estimate"] is None or false["estimate"] is None:
        return None
    return (
        f"Above a cost of 0 are {_share(recall)} of {recall['n']:,} unsafe answers and {_share(false)} of "
        f"{false['n']:,} safe ones."
    )


def _categories(table: pl.DataFrame, taxonomy: Taxonomy) -> str | None:
    """Which categories are recognised best and worst; all of their answers are unsafe."""
    accuracies = table.filter(grouping="category", metric="sign_accuracy", unit="pair").drop_nulls(["estimate", "low"])
    if accuracies.height < 2:
        return None
    first, last = accuracies.sort("estimate").row(-1, named=True), accuracies.sort("estimate").row(0, named=True)
    best, worst = (f"{taxonomy[row['level']].title} ({_share(row)} of {row['n']:,})" for row in (first, last))
    return (
        f"Of {accuracies.height:,} categories with enough prompts for an interval, the cost has the right sign most "
        f"often for {best} and least often for {worst}."
    )


def _share(row: dict[str, Any]) -> str:
    if row["estimate"] is None:
        return "no known share"
    return percent(row["estimate"]) + interval(row["low"], row["high"])


_TOLD = {"unsafe": "which answers are unsafe", "better": "which answer is better", "safer": "which answer is safer"}

_FROM = {
    "prompt": "the prompt alone",
    "lengths": "lengths alone",
    "refusal": "refusal alone",
    "source": "the answering model alone",
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
    said = [_told(known.filter(outcome=outcome), what) for outcome, what in _TOLD.items()]
    return lines(
        f"In {name_of(ds)}, predicted for prompts that were held out, where an AUC of one half is chance:",
        *said,
        _told_categories(known, ds),
    )


def _told(rows: pl.DataFrame, what: str) -> str | None:
    areas = {row["baseline"]: row for row in rows.to_dicts()}
    if not areas:
        return None
    parts = [f"{_area(areas[name])} from {words}" for name, words in _FROM.items() if name in areas]
    whole = f"; from prompt and answer {_area(areas['qa'])}" if "qa" in areas else ""
    n, unit = rows.select("n", "unit").row(0)
    counted = f"{n:,} {'pairs' if unit == 'pair' else 'comparisons'} of {rows['prompts'][0]:,} prompts"
    return f"{what[0].upper()}{what[1:]} is told with an AUC of {listed(parts)}{whole} ({counted})."


def _told_categories(known: pl.DataFrame, ds: Dataset) -> str | None:
    """How many categories the whole pair tells better than the prompt, all of them at once."""
    rows = known.filter(~pl.col("outcome").is_in(list(_TOLD)), baseline="prompt").drop_nulls("low_joint")
    if rows.is_empty():
        return None
    told = rows.filter(pl.col("low_joint") > HALF)
    most = rows.sort("low", descending=True).row(0, named=True)
    return (
        f"Of {rows.height:,} categories with an interval the prompt alone tells {told.height:,} better than chance, all"
        f" intervals at once, most surely {ds.taxonomy[most['outcome']].title} (AUC {_area(most)}, of "
        f"{most['support']:,} pairs with it)."
    )


def _area(row: dict[str, Any]) -> str:
    """An area with its interval, and its doubt."""
    doubt = "" if row["undefined"] is None else f" ({row['undefined']})"
    return f"{row['auc']:.2f}{interval(row['low'], row['high'], scale=1, digits=2)}{doubt}"


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
