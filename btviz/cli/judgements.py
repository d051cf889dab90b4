"""`btviz stats judgements`: which models' answers judges preferred, and how far the judges can be relied on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from btviz.cli.report import json_option, print_json, print_reasons, print_table, say, table_rows
from btviz.errors import BtvizError, UsageError

if TYPE_CHECKING:
    import polars as pl

_RATES = ("judge", "aspect", "before", "after", "n", "prompts", "wins", "ties", "losses", "estimate", "low", "high")
_RATINGS = ("judge", "aspect", "policy", "n", "prompts", "win_rate", "elo", "low", "high")
_STATISTICS = ("judge", "aspect", "statistic", "n", "prompts", "estimate", "low", "high")
_AGREEMENT = (
    *("aspect", "first", "second", "n", "prompts", "agreement", "agreement_low", "agreement_high"),
    *("n_decided", "agreement_decided", "kappa", "kappa_low", "kappa_high"),
)
_SECTIONS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "win_rates": ("Win rates of *after* over *before*, ties count ½; n: judgements", _RATES),
    "ratings": ("Ratings (Bradley-Terry, in Elo points); n: judgements of the model", _RATINGS),
    "judge_position_bias": (
        "Position bias: 0.5 where the order does not matter; n: judgements whose order is known",
        _STATISTICS,
    ),
    "swap_consistency": ("The same answers in both orders; n: items that one judge judged in both", _STATISTICS),
    "judge_agreement": ("Agreement of judges (kappa; of all: alpha); n: items that both judged", _AGREEMENT),
}


@click.command("judgements")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="WHAT=COLUMN",
    help="prompt, first, second (the two models), winner, judge, aspect or order, and its column; may be repeated",
)
@click.option("--reference", metavar="MODEL", help="model that all others are compared with, and whose rating is 0")
@click.option("--order", help="listed: the first model named was shown first, where the files do not say it")
@click.option("--judge", metavar="NAME", help="who judged, where the files do not say it; by default the file's name")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="folder for the win rates over --reference as HTML, LaTeX and CSV",
)
@json_option
def stats_judgements(
    files: tuple[str, ...],
    *,
    columns: tuple[str, ...],
    reference: str | None,
    order: str | None,
    judge: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Measure judgements of two models' answers in FILE: win rates, ratings, and the judges themselves.

    A row has a prompt, two models and the winner or a tie; of use are the judge, an aspect, and which answer was shown
    first. Intervals are 95 %, by prompt.
    """
    from btviz.reports import write_judgements
    from btviz.scores import read_judgements

    if out is not None and reference is None:
        raise UsageError(
            "A table of win rates was to be written; it has no reference. Name a model: --reference MODEL."
        )
    judgements = read_judgements(list(files), columns=_mapping(columns), order=order, judge=judge)
    tables, absent = _tables(judgements, reference)
    if out is not None and reference is not None:
        for (path,) in write_judgements(judgements, out, reference=reference).select("file").rows():
            say(f"Written: {path}")
    silent = judgements["winner"].null_count()
    if as_json:
        about = {
            "judgements": judgements.height,
            "without_verdict": silent,
            "prompts": judgements["prompt_id"].n_unique(),
        }
        documents = {name: table.to_dicts() for name, table in tables.items()}
        print_json(about | documents | {"does_not_apply": absent})
        return
    of = f"{judgements.height - silent:,} judgements of {judgements['prompt_id'].n_unique():,} prompts"
    left_out = f"; {silent:,} without a verdict are left out" if silent else ""
    click.echo(f"{of}{left_out}.")
    if reference is not None:
        _print_against(tables["win_rates"], reference)
    for name, table in tables.items():
        title, shown = _SECTIONS[name]
        click.echo("")
        print_table(table_rows(table, shown), shown, title=title)
        print_reasons(table)
    for name, reason in absent.items():
        click.echo(f"\nDoes not apply ({_SECTIONS[name][0]}): {reason}")


def _mapping(columns: tuple[str, ...]) -> dict[str, str]:
    pairs = [column.partition("=") for column in columns]
    wrong = [column for column, (what, _, name) in zip(columns, pairs, strict=True) if not what or not name]
    if wrong:
        raise UsageError(f"Columns of judgements were named as {wrong}; write WHAT=COLUMN, such as winner=verdict.")
    return {what: name for what, _, name in pairs}


def _tables(judgements: pl.DataFrame, reference: str | None) -> tuple[dict[str, pl.DataFrame], dict[str, str]]:
    from btviz.machine import bar
    from btviz.scores import (
        judge_agreement,
        judge_position_bias,
        judgement_ratings,
        judgement_win_rates,
        swap_consistency,
    )

    measures: dict[str, Callable[[], pl.DataFrame]] = {
        "win_rates": partial(judgement_win_rates, judgements, reference=reference),
        "ratings": partial(judgement_ratings, judgements, reference=reference),
        "judge_position_bias": partial(judge_position_bias, judgements),
        "swap_consistency": partial(swap_consistency, judgements),
        "judge_agreement": partial(judge_agreement, judgements),
    }
    tables, absent = {}, {}
    with bar("Measuring judgements", total=len(measures)) as update:
        for done, (name, measure) in enumerate(measures.items()):
            update(done)
            try:
                tables[name] = measure()
            except BtvizError as error:  # one that does not apply must not lose the others
                if name not in _OF_JUDGES:
                    raise
                absent[name] = str(error)
    return tables, absent


_OF_JUDGES = ("judge_position_bias", "swap_consistency", "judge_agreement")


def _print_against(rates: pl.DataFrame, reference: str) -> None:
    """Print the win rates of all models over one, in the form of Table 2 of BeaverTails."""
    models = rates["after"].unique(maintain_order=True).to_list()
    rows = []
    for (judge, aspect), part in rates.group_by("judge", "aspect", maintain_order=True):
        by_model = {row["after"]: row for row in part.iter_rows(named=True)}
        rows.append([judge, aspect, *(_percent(by_model.get(model)) for model in models)])
    click.echo("")
    title = f"Win rates over {reference}, % of judgements, ties count ½, 95 % by prompt"
    print_table(rows, ("judge", "aspect", *models), title=title)


def _percent(row: dict[str, float] | None) -> str | None:
    if row is None:
        return None
    ends = "" if row["low"] is None else f" [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"
    return f"{100 * row['estimate']:.2f}{ends}"
