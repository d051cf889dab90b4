"""`btviz stats`: the numbers behind the pictures, of categories, annotators and preferences."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from btviz.cli.report import json_option, print_json, print_table, say, table_rows
from btviz.cli.scores import stats_scores

if TYPE_CHECKING:
    import polars as pl

    from btviz.data import Dataset
    from btviz.preference import Orthogonality


_AGREEMENT_COLUMNS = {
    "prevalence": "prevalence",
    "agreement": "agreement",
    "kappa": "fleiss_kappa_mode",
    "alpha": "krippendorff_alpha",
    "AC1": "gwet_ac1",
    "published": "published_agreement",
}


@click.command("agreement")
@click.argument("name")
@json_option
def stats_agreement(name: str, *, as_json: bool) -> None:
    """Measure how far the annotators of NAME agree; --json has intervals and counts."""
    from btviz import load
    from btviz.labels import annotator_agreement, safe_share_by_rule

    ds = load(name)
    table, rules = annotator_agreement(ds), safe_share_by_rule(ds)
    if as_json:
        print_json({"agreement": table.to_dicts(), "safe_share_by_rule": rules.to_dicts()})
        return
    safety = table.row(-1, named=True)
    if safety["agreement"] is None:
        click.echo(f"Agreement of annotators in {ds.population} is not measured. {safety['undefined'].capitalize()}.")
        return
    _print_agreement(ds, table, rules)


def _print_agreement(ds: Dataset, table: pl.DataFrame, rules: pl.DataFrame) -> None:
    rows = [
        [_target_name(ds, row["category"]), *(row[name] for name in _AGREEMENT_COLUMNS.values())]
        for row in table.to_dicts()
    ]
    safety = table.row(-1, named=True)
    title = f"Agreement of annotators in {ds.population}"
    doubt = f"\nDoubtful: {safety['doubt']}." if safety["doubt"] else ""
    print_table(rows, ["category", *_AGREEMENT_COLUMNS], title=title + doubt)
    click.echo(
        f"\n{safety['n_pairs']:,} pairs annotated twice or more, {safety['n_prompts']:,} prompts. Agreement: share of "
        "pairs of annotators.\nKappa is that of Fleiss over the "
        f"{safety['n_pairs_mode']:,} pairs with {safety['n_ratings_mode']} annotations; alpha that of "
        "Krippendorff; AC1 that of Gwet.\n"
    )
    shares = [[row["share_safe"], row["meaning"]] for row in rules.to_dicts()]
    print_table(shares, ["safe", "rule"])


def _target_name(ds: Dataset, target: str) -> str:
    return ds.taxonomy[target].slug if target in ds.taxonomy.keys else target  # not a mapping


_SHARES = ("n", "prompts", "p", "p_low", "p_high", "p_value")

_BESIDE = {"p_prompt_weighted": "p by prompt", "naive_low": "naive low", "naive_high": "naive high"}
"""Columns that stand beside them for contrast, and what they are called."""


@click.command("orthogonality")
@click.argument("name")
@click.option("--n-boot", default=2000, show_default=True, help="bootstrap replicates, drawn over prompts")
@click.option("--seed", default=0, show_default=True, help="seed of bootstrap and sign flips")
@click.option("--margin", default=0.1, show_default=True, help="bound on |2p - 1| that counts as orthogonal")
@json_option
def orthogonality_command(name: str, *, n_boot: int, seed: int, margin: float, as_json: bool) -> None:
    """Measure how often the better of two answers in NAME is the safer one."""
    from btviz import load
    from btviz.preference import lacking, orthogonality

    ds = load(name)
    result = orthogonality(ds, n_boot=n_boot, random_state=seed, margin=margin)
    if as_json:
        print_json(
            {
                "name": ds.name,
                "release": ds.release,
                "is_synthetic": ds.is_synthetic,
                "lacking": lacking(ds),
                **_document(result),
            }
        )
        return
    if (reason := lacking(ds)) is not None:
        click.echo(f"Over all comparisons nothing is measured: {reason}\n")
        if result.bias["n"].sum():
            _print_bias(result)
        return
    _print_orthogonality(result, title=f"P(better = safer) in {ds.population}", is_synthetic=ds.is_synthetic)


def _document(result: Orthogonality) -> dict[str, Any]:
    """Every table but the turns of the null distribution, of which the spread is given."""
    import polars as pl

    spread = result.null.group_by("grouping", "level", maintain_order=True).agg(
        pl.len().alias("turns"), pl.col("p").std().alias("sd"), pl.col("observed").first()
    )
    tables = {name: getattr(result, name).to_dicts() for name in ("table", "bias", "pooled", "adjusted")}
    corrected = _correction(result)
    return {
        "margin": result.margin,
        **tables,
        "reliability": None if corrected is None else corrected.row(0, named=True),
        "null": spread.to_dicts(),
        "cycles": _cycles(result),
    }


def _correction(result: Orthogonality) -> pl.DataFrame | None:
    """What published agreement on preferences would make of p; None where it has no interval."""
    from btviz.preference import agreement_correction

    p, low, high = result.table.select("p", "p_low", "p_high").row(0)
    return None if low is None else agreement_correction(p, low=low, high=high)


def _cycles(result: Orthogonality) -> dict[str, int]:
    import polars as pl

    counted = [name for name, dtype in result.cycles.schema.items() if dtype == pl.Int64]
    return {"prompts": result.cycles.height, **result.cycles.select(pl.col(counted).sum()).row(0, named=True)}


def _print_orthogonality(result: Orthogonality, *, title: str, is_synthetic: bool) -> None:
    table = result.table
    columns = ["grouping", "level", *_SHARES, *_BESIDE]
    print_table(table_rows(table, columns), [_BESIDE.get(name, name) for name in columns], title=title)
    click.echo("")
    for grouping, level, verdict in table.select("grouping", "level", "verdict").rows():
        if grouping in {"all", "stratum"}:
            click.echo(f"{level}: {verdict}.")
    for broken, n in table.filter(grouping="stratum", level="mixed").select("rule_broken", "n").rows():
        click.echo(f"Of {n:,} mixed comparisons, {broken:,} break the rule: they call the unsafe answer the safer one.")
    if not is_synthetic and (corrected := _correction(result)) is not None:
        click.echo(f"Errors of the labels: {corrected['verdict'][0]}.")
    click.echo("")
    _print_bias(result)
    click.echo("")
    _print_pooled(result.pooled)
    if result.cycles.height:
        cycles = ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in _cycles(result).items())
        click.echo(f"\nPrompts with three or more answers: {cycles}.")


def _print_bias(result: Orthogonality) -> None:
    shares = ["label", *_SHARES]
    known = result.bias.filter(result.bias["n"] > 0)
    print_table(table_rows(known, shares), shares, title="How often each label names response_1")


def _print_pooled(pooled: pl.DataFrame) -> None:
    if not pooled["estimate"].count():
        click.echo(f"Over all comparisons nothing is measured: {pooled['undefined'][0]}.")
        return
    columns = ["measure", "estimate", "low", "high", "p_value", "naive_p_value"]
    print_table(table_rows(pooled, columns), columns, title="Over all comparisons")


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

stats_group.add_command(orthogonality_command)

stats_group.add_command(stats_scores)
