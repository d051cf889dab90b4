"""`btviz stats orthogonality`: how often the better of two answers is the safer one, and what stands beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from btviz.cli.report import json_option, print_json, print_table, table_rows

if TYPE_CHECKING:
    import polars as pl

    from btviz.preference import Orthogonality


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
