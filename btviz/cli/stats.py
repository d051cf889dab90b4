"""`btviz stats`: the numbers behind the pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from btviz.cli.report import json_option, print_json, print_table

Command = Callable[..., Any]
SHOWN_PAIRS = 20


@click.group("stats")
def stats_group() -> None:
    """Print statistics of the harm categories."""


def _choices(command: Command) -> Command:
    options = [
        click.argument("name"),
        click.option(
            "--population", default="annotations", show_default=True, help="annotations, pairs, prompts."
        ),
        click.option("--where", default="all", show_default=True, help="all, unsafe."),
        click.option("--by", help="One table per value of this column: split, severity."),
        json_option,
    ]
    for option in reversed(options):
        command = option(command)
    return command


@stats_group.command("categories")
@_choices
def stats_categories(name: str, *, population: str, where: str, by: str | None, as_json: bool) -> None:
    """Count and share of each harm category of NAME."""
    from btviz import labels, load

    ds = load(name)
    table = labels.category_counts(ds, population=population, where=where, by=by)
    if as_json:
        print_json(table.to_dicts())
        return
    print_table(
        table.rows(), table.columns, title=f"Harm categories of {ds.population}, {where} {population}"
    )


@stats_group.command("cooccurrence")
@_choices
def stats_cooccurrence(name: str, *, population: str, where: str, by: str | None, as_json: bool) -> None:
    """Association of every two harm categories of NAME; the strongest are printed."""
    from btviz import labels, load

    ds = load(name)
    table = labels.cooccurrence(ds, population=population, where=where, by=by)
    if as_json:
        print_json(table.to_dicts())
        return
