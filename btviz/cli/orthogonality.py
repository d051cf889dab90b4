"""`btviz stats orthogonality`: whether the better answer is the safer one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from btviz.cli.report import json_option, print_json, print_table

if TYPE_CHECKING:
    from btviz.preference import Orthogonality

_SHARES = ("n", "prompts", "p", "p_low", "p_high", "p_value")


@click.command("orthogonality")
@click.argument("name")
@click.option("--n-boot", default=2000, show_default=True, help="bootstrap replicates, drawn over prompts")
@click.option("--seed", default=0, show_default=True, help="seed of bootstrap and sign flips")
@click.option("--margin", default=0.1, show_default=True, help="bound on |2p - 1| that counts as orthogonal")
@json_option
def orthogonality_command(name: str, *, n_boot: int, seed: int, margin: float, as_json: bool) -> None:
    """Measure how often the better of two answers in NAME is the safer one."""
    from btviz import load
    from btviz.preference import orthogonality

    ds = load(name)
    found = orthogonality(ds, n_boot=n_boot, random_state=seed, margin=margin)
    if as_json:
        print_json({"name": ds.name, "release": ds.release, "is_synthetic": ds.is_synthetic, **_document(found)})
        return
    _print(found, title=f"P(better = safer) in {ds.population}")


def _document(found: Orthogonality) -> dict[str, Any]:
    """Every table but the turns of the null distribution, of which the spread is given."""
    import polars as pl

    spread = found.null.group_by("grouping", "level", maintain_order=True).agg(
        pl.len().alias("turns"), pl.col("p").std().alias("sd"), pl.col("observed").first()
    )
    tables = {name: getattr(found, name).to_dicts() for name in ("table", "bias", "pooled", "adjusted")}
    return {"margin": found.margin, **tables, "null": spread.to_dicts(), "cycles": _cycles(found)}


def _cycles(found: Orthogonality) -> dict[str, int]:
    import polars as pl

    counted = [name for name, dtype in found.cycles.schema.items() if dtype == pl.Int64]
    return {"prompts": found.cycles.height, **found.cycles.select(pl.col(counted).sum()).row(0, named=True)}


def _print(found: Orthogonality, *, title: str) -> None:
    table = found.table
    print_table(table.select("grouping", "level", *_SHARES).rows(), ["grouping", "level", *_SHARES], title=title)
    click.echo("")
    for grouping, level, verdict in table.select("grouping", "level", "verdict").rows():
        if grouping in {"all", "stratum"}:
            click.echo(f"{level}: {verdict}.")
    click.echo("")
    print_table(
        found.bias.select("label", *_SHARES).rows(), ["label", *_SHARES], title="How often each label names response_1"
    )
    click.echo("")
    columns = ["measure", "estimate", "low", "high", "p_value"]
    print_table(found.pooled.select(columns).rows(), columns, title="Over all comparisons")
    cycles = ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in _cycles(found).items())
    click.echo(f"\nPrompts with three or more answers: {cycles}.")
