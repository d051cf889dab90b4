"""Tables for a paper: numbers rounded as their intervals allow, as HTML, as LaTeX (booktabs) and as CSV.

Cells are text when they come here, and each form is a dozen lines; so no library for tables is used.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from btviz.data.dataset import Dataset
from btviz.errors import BtvizError, UsageError
from btviz.labels.agreement import annotator_agreement
from btviz.labels.structure import category_structure
from btviz.preference import orthogonality
from btviz.preference.mix import category_shares_by_prompt
from btviz.reports.figures.printing import csv_of, latex_text
from btviz.scores.collection import kept_answers, kept_scores
from btviz.scores.judgements import judgement_win_rates
from btviz.scores.metrics import score_metrics
from btviz.scores.policies import compare_policies, policy_scores
from btviz.store import write_file
from btviz.taxonomy.words import GROUPINGS, level_name, titles

FORMATS = ("html", "tex", "csv")

ABSENT = "–"

_DIGITS = 2
"""Significant digits of half an interval that decide how many decimals are printed."""

_MOST_DECIMALS = 4


@dataclass(frozen=True)
class Sheet:
    """A table ready to be printed: what it is, what was counted, and cells of text."""

    key: str
    title: str
    population: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def caption(self) -> str:
        """Title and population."""
        return f"{self.title}. {self.population}."


def decimals(low: float | None, high: float | None) -> int:
    """Decimals that an estimate deserves: so many that half of its interval has two digits, 4 at most."""
    half = None if low is None or high is None else (high - low) / 2
    if not half:
        return _DIGITS
    return min(_MOST_DECIMALS, max(0, _DIGITS - 1 - math.floor(math.log10(half))))


def estimate(value: float | None, *, low: float | None, high: float | None, scale: float = 1.0) -> str:
    """An estimate with its interval, rounded by it: ``24.0 [22.4, 25.5]``; without an interval two decimals."""
    if value is None or not math.isfinite(value):
        return ABSENT
    value, low, high = (None if each is None else each * scale for each in (value, low, high))
    places = decimals(low, high)
    shown = f"{value:,.{places}f}"
    if low is None or high is None:
        return shown
    return f"{shown} [{low:,.{places}f}, {high:,.{places}f}]"


def _categories(ds: Dataset) -> Sheet:
    every, unsafe = (category_shares_by_prompt(ds, where=where) for where in ("all", "unsafe"))
    named = titles(every["category"], taxonomy=ds.taxonomy)
    beside = unsafe.select("category", "share", "low", "high").rename(
        {"share": "share_2", "low": "low_2", "high": "high_2"}
    )
    joined = every.join(beside, on="category", maintain_order="left").sort("n_category", descending=True)
    rows = tuple(
        (
            named[row["category"]],
            f"{row['n_category']:,}",
            *(
                estimate(row[f"share{end}"], low=row[f"low{end}"], high=row[f"high{end}"], scale=100)
                for end in ("", "_2")
            ),
        )
        for row in joined.iter_rows(named=True)
    )
    first, there = every.row(0, named=True), unsafe.row(0, named=True)
    counted = f"{ds.population}, {first['n']:,} rows, unsafe {there['n']:,}, of {first['prompts']:,} prompts"
    head = ("Category", "n", "% of all", "% of unsafe")
    return Sheet("categories", "Harm categories", f"{counted}; 95 % intervals by prompt", head, rows)


def _agreement(ds: Dataset) -> Sheet:
    table = annotator_agreement(ds)
    if not table["agreement"].count():
        raise UsageError(
            f"Agreement in {ds.name!r} was asked for: {table['undefined'][0]}. Use data with several votes."
        )
    named = titles(table["category"], taxonomy=ds.taxonomy) | {"is_safe": "Safe or unsafe"}
    measures = (("agreement", 100.0), ("krippendorff_alpha", 1.0), ("gwet_ac1", 1.0))
    rows = tuple(
        (
            named[row["category"]],
            f"{row['n_pairs']:,}",
            *(
                estimate(row[name], low=row[f"{name}_low"], high=row[f"{name}_high"], scale=scale)
                for name, scale in measures
            ),
        )
        for row in table.iter_rows(named=True)
    )
    head = ("Label", "Pairs", "Agreement, %", "Krippendorff's α", "Gwet's AC1")  # noqa: RUF001 - the coefficient's letter
    counted = f"{ds.population}, pairs annotated twice or more; 95 % intervals by prompt"
    return Sheet("agreement", "Agreement of annotators", counted, head, rows)


def _preferences(ds: Dataset) -> Sheet:
    table = orthogonality(ds).table
    if not table["p"].count():
        raise UsageError(f"Preferences of {ds.name!r} were asked for; no comparison has both labels. Use other data.")
    rows = tuple(
        (
            GROUPINGS[row["grouping"]],
            level_name(row["grouping"], level=row["level"], taxonomy=ds.taxonomy),
            f"{row['n']:,}",
            f"{row['prompts']:,}",
            estimate(row["p"], low=row["p_low"], high=row["p_high"], scale=100),
        )
        for row in table.filter(pl.col("n") > 0).iter_rows(named=True)
    )
    head = ("By", "Level", "Comparisons", "Prompts", "Better is safer, %")
    counted = f"{ds.population}, comparisons with both labels; 95 % intervals by prompt"
    return Sheet("preferences", "The better answer is the safer one", counted, head, rows)


def _structure(ds: Dataset) -> Sheet:
    stable = category_structure(ds).pairs.filter("is_stable").sort("log_odds_ratio", descending=True)
    if stable.is_empty():
        raise UsageError(f"Associated categories of {ds.name!r} were asked for; no pair is stable. Use more data.")
    named = titles([*stable["row"], *stable["col"]], taxonomy=ds.taxonomy)
    rows = tuple(
        (
            named[row["row"]],
            named[row["col"]],
            f"{row['n_both']:,}",
            estimate(row["phi"], low=None, high=None),
            estimate(row["log_odds_ratio"], low=row["low"], high=row["high"]),
        )
        for row in stable.iter_rows(named=True)
    )
    head = ("Category", "Category", "Both", "φ", "Log odds ratio, others given")
    first = stable.row(0, named=True)
    counted = f"{ds.population}, {first['population']}, n = {first['n']:,} of {first['n_prompts']:,} prompts"
    return Sheet("structure", "Pairs of categories that are associated given all others", counted, head, rows)


def _kept(ds: Dataset) -> pl.DataFrame:
    scores = kept_scores(ds)
    if scores.is_empty():
        raise UsageError(
            f"Scores of {ds.name!r} were asked for; none are kept. Make some: btviz score {ds.name} --probes."
        )
    return scores


def _scores(ds: Dataset) -> Sheet:
    scores = _kept(ds)
    metrics = score_metrics(scores, ds).filter(pl.col("target").is_null(), grouping="all").filter(pl.col("n") > 0)
    rows = tuple(
        (
            row["model"],
            row["metric"].replace("_", " "),
            row["unit"],
            f"{row['n']:,}",
            estimate(row["estimate"], low=row["low"], high=row["high"]),
        )
        for row in metrics.iter_rows(named=True)
    )
    counted = f"{ds.population}; 95 % intervals by prompt"
    return Sheet("scores", "Scores against labels", counted, ("Model", "Metric", "Unit", "n", "Estimate"), rows)


_TABLE_1 = (
    ("reward", "pair_accuracy", "Reward: the better of two answers scores higher", "78.13"),
    ("cost", "sign_accuracy", "Cost: its sign tells unsafe from safe answers", "95.62"),
    ("cost", "pair_accuracy", "Cost: the safer of two answers scores lower", "74.37"),
)
"""What Table 1 of BeaverTails (arXiv 2307.04657 v3) measures, and the percentages that it prints."""


def _accuracies(ds: Dataset) -> Sheet:
    """Table 1 of BeaverTails, with its own numbers beside those of the scores that are kept."""
    metrics = score_metrics(_kept(ds), ds).filter(pl.col("estimate").is_not_null(), grouping="all")
    rows = []
    for kind, metric, what, printed in _TABLE_1:
        found = metrics.filter(kind=kind, metric=metric).sort("unit").unique("model", keep="first", maintain_order=True)
        for row in found.iter_rows(named=True):
            ours = estimate(row["estimate"], low=row["low"], high=row["high"], scale=100)
            rows.append((what, row["model"], f"{row['n']:,}", row["unit"], ours, printed))
    if not rows:
        raise UsageError(
            f"Accuracies of preference models on {ds.name!r} were asked for; no reward or cost model that is kept has "
            "scored answers with labels. Score data that were labelled."
        )
    head = ("What is right", "Model", "n", "Unit", "Accuracy, %", "BeaverTails Table 1, %")
    counted = (
        f"{ds.population}; 95 % intervals by prompt. BeaverTails printed its models' on a tenth of its comparisons"
    )
    return Sheet("accuracies", "Accuracy of preference models", counted, head, tuple(rows))


_TABLE_2 = {"reward": "helpfulness", "cost": "harmlessness"}


def _win_rates(ds: Dataset) -> Sheet:
    """Table 2 of BeaverTails: win rates of policies over the reference, by scores instead of a judge."""
    table = policy_scores(kept_answers(ds), _kept(ds).filter(pl.col("kind").is_in(list(_TABLE_2))))
    known = table["policy"].unique().sort().to_list()
    named = [name for name in ds.facts.get("policies", []) if name in known] or known
    if len(named) < 2:
        raise UsageError(
            f"Win rates of {ds.name!r} were asked for; it has one policy. Keep answers of two: --from A --from B."
        )
    pairs = [compare_policies(table, before=named[0], after=after) for after in named[1:]]
    rates = pl.concat(pairs).filter(statistic="win rate")
    rows = tuple(
        (
            row["after"],
            f"{row['model']} ({_TABLE_2[row['kind']]})",
            f"{row['n']:,}",
            estimate(row["estimate"], low=row["low"], high=row["high"], scale=100),
        )
        for row in rates.iter_rows(named=True)
    )
    head = ("Policy", "By", "Items", f"Wins over {named[0]}, %")
    counted = f"{ds.population}; items that both answered, ties count one half; 95 % intervals by prompt"
    return Sheet("win_rates", f"Win rates over {named[0]}", counted, head, rows)


TABLES: dict[str, Callable[[Dataset], Sheet]] = {
    "categories": _categories,
    "agreement": _agreement,
    "preferences": _preferences,
    "structure": _structure,
    "accuracies": _accuracies,
    "win_rates": _win_rates,
    "scores": _scores,
}
"""What makes each table, by key."""

WRITTEN = pl.Schema({"table": pl.String(), "title": pl.String(), "file": pl.String(), "not_made": pl.String()})
"""Columns of what `write_tables` returns."""


def write_tables(ds: Dataset, out: Path | str, *, only: Iterable[str] | None = None) -> pl.DataFrame:
    """Write tables of a data set as HTML, LaTeX and CSV.

    Parameters
    ----------
    ds : Dataset
        What they are of.
    out : path-like
        Folder to write to.
    only : iterable of str, optional
        Keys of `TABLES`; by default all.

    Returns
    -------
    DataFrame
        One row per file, or per table that could not be made: `table`, `title`, `file` (path), `not_made` (why, else
        null).

    Raises
    ------
    UsageError
        If no table has such a key.
    StoreError
        If the files cannot be written.
    """
    wanted = list(TABLES) if only is None else list(only)
    if strange := [name for name in wanted if name not in TABLES]:
        raise UsageError(
            f"Tables {strange} were asked for; there are {', '.join(TABLES)}. Use --only {next(iter(TABLES))}."
        )
    rows: list[tuple[str, str | None, str | None, str | None]] = []
    for key in wanted:
        try:
            sheet = TABLES[key](ds)
        except BtvizError as error:
            rows.append((key, None, None, str(error)))
            continue
        rows += _written(sheet, out)
    return pl.DataFrame(rows, schema=WRITTEN, orient="row")


def write_judgements(judgements: pl.DataFrame, out: Path | str, *, reference: str) -> pl.DataFrame:
    """Write the win rates of models over one, as judges see them, as HTML, LaTeX and CSV.

    This is the form of Table 2 of BeaverTails: a row for each judge and aspect, a column for each model.

    Parameters
    ----------
    judgements : DataFrame
        From `btviz.read_judgements`.
    out : path-like
        Folder to write to.
    reference : str
        Model that the others are compared with.

    Returns
    -------
    DataFrame
        As `write_tables` returns: a row for each of the three files.

    Raises
    ------
    UsageError
        If these are no judgements, or the reference is none of the models.
    StoreError
        If the files cannot be written.
    """
    rates = judgement_win_rates(judgements, reference=reference)
    models = rates["after"].unique(maintain_order=True).to_list()
    rows = []
    for (judge, aspect), part in rates.group_by("judge", "aspect", maintain_order=True):
        by_model = {row["after"]: row for row in part.iter_rows(named=True)}
        cells = (by_model.get(model, dict.fromkeys(("estimate", "low", "high"))) for model in models)
        shown = (estimate(row["estimate"], low=row["low"], high=row["high"], scale=100) for row in cells)
        rows.append((str(judge), str(aspect), f"{part['n'].sum():,}", *shown))
    judged = judgements.drop_nulls("winner")
    counted = (
        f"{judged.height:,} judgements of {judged['prompt_id'].n_unique():,} prompts, of which n are of {reference}; "
        "ties count one half; 95 % intervals by prompt"
    )
    head = ("Judge", "Aspect", "n", *(f"{model}, %" for model in models))
    sheet = Sheet("judgements", f"Win rates over {reference}", counted, head, tuple(rows))
    return pl.DataFrame(_written(sheet, out), schema=WRITTEN, orient="row")


def _written(sheet: Sheet, out: Path | str) -> list[tuple[str, str | None, str | None, str | None]]:
    """A row for each form in which a table was written."""
    paths = [write_file(Path(out) / name, content.encode()).as_posix() for name, content in _forms(sheet)]
    return [(sheet.key, sheet.title, path, None) for path in paths]


def _forms(sheet: Sheet) -> Iterator[tuple[str, str]]:
    names = enumerate(sheet.columns)
    named = {name if sheet.columns.count(name) == 1 else f"{name} {place + 1}": place for place, name in names}
    table = pl.DataFrame({name: [row[place] for row in sheet.rows] for name, place in named.items()})
    yield f"{sheet.key}.html", _html(sheet)
    yield f"{sheet.key}.tex", latex(sheet)
    yield f"{sheet.key}.csv", csv_of(table)


def _is_number(cells: Iterable[str]) -> bool:
    return all(cell == ABSENT or cell[:1].isdigit() or cell[:2].strip("-−").isdigit() for cell in cells)


def _aligned(sheet: Sheet) -> list[bool]:
    """Which columns are numbers."""
    return [_is_number(row[place] for row in sheet.rows) for place, _ in enumerate(sheet.columns)]


def _html(sheet: Sheet) -> str:
    kinds = [' style="text-align:right"' if number else "" for number in _aligned(sheet)]
    head = "".join(f"<th{kind}>{html.escape(name)}</th>" for name, kind in zip(sheet.columns, kinds, strict=True))
    body = "\n".join(
        "<tr>" + "".join(f"<td{kind}>{html.escape(cell)}</td>" for cell, kind in zip(row, kinds, strict=True)) + "</tr>"
        for row in sheet.rows
    )
    return (
        f"<table>\n<caption>{html.escape(sheet.caption)}</caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody>\n</table>\n"
    )


def latex(sheet: Sheet) -> str:
    """A table environment for LaTeX, with the rules of booktabs."""
    letters = "".join("r" if number else "l" for number in _aligned(sheet))
    return "\n".join(
        [
            "\\begin{table*}[t]",
            "  \\centering",
            "  \\footnotesize",
            "  \\setlength{\\tabcolsep}{3pt}",
            f"  \\caption{{{latex_text(sheet.caption)}}}",
            f"  \\label{{tab:{sheet.key}}}",
            f"  \\begin{{tabular}}{{@{{}}{letters}@{{}}}}",
            "    \\toprule",
            f"    {_latex_row(sheet.columns)}",
            "    \\midrule",
            *(f"    {_latex_row(row)}" for row in sheet.rows),
            "    \\bottomrule",
            "  \\end{tabular}",
            "\\end{table*}",
            "",
        ]
    )


def _latex_row(cells: Sequence[Any]) -> str:
    return " & ".join(map(latex_text, cells)) + " \\\\"
