"""`btviz check`: published numbers against the data that are here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from btviz.cli.report import json_option, print_json, print_table, tell

if TYPE_CHECKING:
    import polars as pl

    from btviz.reports import Ledger

DIFFERS = 1
MANY = 20


@click.command("check")
@click.argument("name")
@json_option
@click.option("--strict", is_flag=True, help=f"Exit with {DIFFERS} if a number differs.")
@click.pass_context
def check_command(ctx: click.Context, name: str, *, as_json: bool, strict: bool) -> None:
    """Hold every number published about NAME against its data."""
    from btviz import load
    from btviz.reports import Ledger

    ledger = Ledger(load(name))
    if as_json:
        print_json(_document(ledger))
    else:
        _print(ledger)
    if strict and ledger.has_difference:
        ctx.exit(DIFFERS)


def _document(ledger: Ledger) -> dict[str, Any]:
    ds = ledger.ds
    return {
        "name": ds.name,
        "release": ds.release,
        "is_synthetic": ds.is_synthetic,
        "fingerprint": ds.fingerprint,
        "splits": ledger.splits,
        "title": ledger.title,
        "numbers": ledger.numbers.to_dicts(),
        "phis": _printed(ledger).to_dicts(),
        "contradictions": ledger.contradictions.to_dicts(),
    }


def _printed(ledger: Ledger) -> pl.DataFrame:
    return ledger.phis.drop_nulls("published")


def _print(ledger: Ledger) -> None:
    tell(f"{ledger.title}\n")
    numbers = _shortened(ledger)
    rows = [row for family in _families(numbers) for row in _shown(family)]
    if rows:
        print_table(rows, ["quantity", "split", "published", "recomputed", "difference", "verdict", "grade"])
    phis = _printed(ledger)
    if phis.height:
        tell("")
        columns = ["population", "where", "n", "phi", "low", "high", "published", "holds_published"]
        title = f"Which populations hold the printed phi of {phis['row'][0]} and {phis['col'][0]}"
        heads = [*columns[:-1], "held"]
        print_table(phis.select(columns).rows(), heads, title=title)
    if ledger.contradictions.height:
        tell("")
        columns = ["finding", "claim", "arithmetic"]
        print_table(ledger.contradictions.select(columns).rows(), columns, title="Claims held against numbers")


def _shortened(ledger: Ledger) -> pl.DataFrame:
    """Categories by slug, and verdicts without what the title says already."""
    import polars as pl

    slugs = {category.key: category.slug for category in ledger.ds.taxonomy.categories}
    said = r"^partial: [^;]*; (.*)$"
    return ledger.numbers.with_columns(
        pl.col("category", "other").replace(slugs), pl.col("verdict").str.replace(said, "partial: $1")
    )


def _families(numbers: pl.DataFrame) -> list[pl.DataFrame]:
    """Numbers of one published table together, by the part of their id before a slash."""
    import polars as pl

    family = pl.col("id").str.split("/").list.first()
    return numbers.with_columns(family.alias("family")).partition_by("family", maintain_order=True, include_key=True)


def _shown(family: pl.DataFrame) -> list[list[Any]]:
    """Rows to print; what agrees in a large table is counted instead."""
    agreeing = family.filter(kind="agrees")
    if family.height <= MANY or not agreeing.height:
        return [_cells(row) for row in family.iter_rows(named=True)]
    first = agreeing.row(0, named=True)
    words = f"{agreeing.height} of {family.height} agree"
    summary = [first["quantity"].replace("_", " "), first["split"] or "all", None, None, None, words, first["grade"]]
    others = family.filter(family["kind"] != "agrees")
    return [summary, *(_cells(row) for row in others.iter_rows(named=True))]


def _cells(row: dict[str, Any]) -> list[Any]:
    what = ", ".join(str(row[name]) for name in ("category", "other", "level") if row[name])
    quantity = row["quantity"].replace("_", " ") + (f": {what}" if what else "")
    return [quantity, row["split"] or "all", *(_number(row, n) for n in _NUMBERS), row["verdict"], row["grade"]]


_NUMBERS = ("published", "recomputed", "difference")


def _number(row: dict[str, Any], name: str) -> Any:
    value = row[name]
    return int(value) if value is not None and row["unit"] == "count" and float(value).is_integer() else value
