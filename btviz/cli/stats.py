"""`btviz stats`: the numbers behind the pictures, of categories, annotators and preferences."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from btviz.cli.annotators import stats_agreement, stats_annotators
from btviz.cli.preference import orthogonality_command
from btviz.cli.report import json_option, print_json, print_table, say
from btviz.cli.scores import stats_artefacts, stats_scores

if TYPE_CHECKING:
    import polars as pl

    from btviz.data import Dataset


Command = Callable[..., Any]
SHOWN = 20

_OPTIONS = (
    click.argument("name"),
    click.option("--population", help="annotations, pairs or prompts; by default annotations, or pairs without any"),
    click.option("--where", default="all", show_default=True, help="all or unsafe"),
    click.option("--by", help="a table for each split or severity"),
    json_option,
)


def _with_options(command: Command) -> Command:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.group("stats")
def stats_group() -> None:
    """Print statistics of the harm categories."""


@stats_group.command("categories")
@_with_options
def stats_categories(name: str, *, population: str | None, where: str, by: str | None, as_json: bool) -> None:
    """Count each harm category of NAME."""
    from btviz import category_counts, load

    ds = load(name)
    table = category_counts(ds, population=population, where=where, by=by)
    _say_population(ds, population)
    if as_json:
        print_json(table.to_dicts())
        return
    _print(ds, table, ["category", "n_category", "share"], by=by, title=f"Harm categories of {ds.population}")


@stats_group.command("cooccurrence")
@_with_options
def stats_cooccurrence(name: str, *, population: str | None, where: str, by: str | None, as_json: bool) -> None:
    """Associate every two harm categories of NAME; the strongest are shown, --json has all."""
    import polars as pl

    from btviz import cooccurrence, load

    ds = load(name)
    table = cooccurrence(ds, population=population, where=where, by=by)
    _say_population(ds, population)
    if as_json:
        print_json(table.to_dicts())
        return
    once = table.filter(pl.col("row_order") < pl.col("col_order")).sort("phi", descending=True, nulls_last=True)
    columns = ["row", "col", "n_both", "phi", "lift"]
    _print(ds, once.head(SHOWN), columns, by=by, title=f"The {SHOWN} strongest associations in {ds.population}")


def _say_population(ds: Dataset, population: str | None) -> None:
    """Say what is counted where that is not the usual."""
    if population is None and ds.annotations.is_empty():
        say(f"{ds.name} has no annotations of its own: its pairs are counted, as --population pairs does.")


def _print(ds: Dataset, table: pl.DataFrame, columns: list[str], *, by: str | None, title: str) -> None:
    shown = [by, *columns] if by else columns
    cells = [[_short(ds, column, row[column]) for column in shown] for row in table.to_dicts()]
    print_table(cells, shown, title=title)
    if table.height:
        first = table.row(0, named=True)
        n = "" if by else f"n = {first['n']:,} "
        click.echo(f"\n{n}{first['population']}, where {first['where']}: {first['rule']}.")


def _short(ds: Dataset, column: str, value: Any) -> Any:
    return ds.taxonomy[value].slug if column in {"category", "row", "col"} else value


@stats_group.command("specifications")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option(
    "--of", type=click.Choice(["p", "phi"]), help="P(better = safer), or an association; by default p if known"
)
@click.option("--categories", nargs=2, metavar="A B", help="two categories; by default those of which phi was printed")
@json_option
def stats_specifications(
    names: tuple[str, ...], *, of: str | None, categories: tuple[str, str] | None, as_json: bool
) -> None:
    """Estimate one quantity of NAME under every defensible choice of rows, rules and coefficient."""
    from btviz import load, specification_curve
    from btviz.reports import sentences

    data_sets = [load(name) for name in names]
    table = specification_curve(data_sets, of=of, categories=categories)
    if as_json:
        print_json(table.to_dicts())
        return
    varied = [name for name in _CHOICES if table[name].n_unique() > 1]
    columns = [*varied, "n", "prompts", "estimate", "low", "high", "holds_printed"]
    print_table(table.select(columns).rows(), [name.replace("_", " ") for name in columns], title="Specifications")
    click.echo(f"\n{sentences.specifications(table, data_sets[0])}")


_CHOICES = ("data", "split", "counted", "subset", "duplicates", "ties", "weighting", "coefficient")


stats_group.add_command(stats_agreement)

stats_group.add_command(stats_annotators)

stats_group.add_command(orthogonality_command)

stats_group.add_command(stats_scores)

stats_group.add_command(stats_artefacts)
