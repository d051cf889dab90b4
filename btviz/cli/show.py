"""`btviz data show`: what a data set holds, with the published number beside each count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from btviz.cli.report import ABSENT, json_option, print_json, print_table

if TYPE_CHECKING:
    import polars as pl

    from btviz.summary import Summary
    from btviz.taxonomy import Taxonomy

Row = dict[str, Any]
_CATEGORY = ("category_count", "category_share")


@click.command("show")
@click.argument("name")
@json_option
def data_show(name: str, *, as_json: bool) -> None:
    """Describe NAME: rows, pairs, labels, oddities; published numbers beside them."""
    from btviz import load
    from btviz.summary import summarise

    summary = summarise(load(name))
    if as_json:
        print_json(summary.to_dict())
        return
    _print_origin(summary)
    rows = summary.quantities.to_dicts()
    _print_counts(rows)
    _print_categories(rows, summary.ds.taxonomy)
    for title, table in (
        ("Oddities found in reading", summary.oddities),
        ("Shared by two splits", summary.overlap),
        ("Answers repeated in comparisons", summary.repeats),
    ):
        _print_frame(table, title)
    if summary.ds.is_synthetic:
        _print_frame(summary.ds.targets, "What the generator aimed at, and what came out")


def _print_origin(summary: Summary) -> None:
    ds = summary.ds
    release = f"release {ds.release}" if ds.release else "no known release"
    made = "made by btviz, benign text" if ds.is_synthetic else release
    click.echo(f"{ds.population}: {made}, {len(ds.taxonomy)} categories, fingerprint {ds.fingerprint}\n")
    if ds.facts["files"]:
        columns = ["label", "split", "rows_in", "rows_kept", "rows_rejected"]
        rows = [[file[column] for column in columns] for file in ds.facts["files"]]
        print_table(rows, ["file", "split", "rows", "kept", "rejected"])
        click.echo("")


def _print_counts(rows: list[Row]) -> None:
    merged = _merged([row for row in rows if row["quantity"] not in _CATEGORY])
    # With one split its rows equal those of the whole: keep of the whole what is published of it.
    one_split = len({row["split"] for row in merged} - {None}) == 1
    shown = [row for row in merged if row["split"] or row["published"] or not one_split]
    cells = [
        [_words(row), row["population"], row["split"] or "all", _number(row["value"], row["unit"]), row["published"]]
        for row in shown
    ]
    print_table(cells, ["quantity", "of", "split", "here", "published"])
    if any(row["published"] for row in shown):
        click.echo("A published number is of the whole release, or of the split that is named.")


def _print_categories(rows: list[Row], taxonomy: Taxonomy) -> None:
    whole = _merged([row for row in rows if row["quantity"] in _CATEGORY and row["split"] is None])
    found = {(row["quantity"], row["category"]): row for row in whole}
    categories = list(dict.fromkeys(row["category"] for row in whole))
    if not categories:
        return
    cells = []
    for category in categories:
        count, share = (found[quantity, category] for quantity in _CATEGORY)
        numbers = [(_number(row["value"], row["unit"]), row["published"]) for row in (count, share)]
        cells.append([taxonomy[category].slug, *numbers[0], *numbers[1]])
    click.echo("")
    print_table(cells, ["category", "rows", "published", "share", "published"])


def _merged(rows: list[Row]) -> list[Row]:
    """One row per quantity; where several numbers were printed, all of them in one cell."""
    merged: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        key = tuple(row[name] for name in ("quantity", "population", "category", "level", "split"))
        kept = merged.setdefault(key, {**row, "published": None})
        if row["published"] is not None:
            number = _number(row["published"], row["unit"])
            kept["published"] = f"{kept['published']} or {number}" if kept["published"] else number
    return list(merged.values())


def _print_frame(table: pl.DataFrame, title: str) -> None:
    if table.height:
        columns = [column for column in table.columns if column != "rule"]
        click.echo("")
        print_table(table.select(columns).rows(), [name.replace("_", " ") for name in columns], title=title)


def _words(row: Row) -> str:
    level = f", {row['level']}" if row["level"] else ""
    return f"{row['quantity'].replace('_', ' ')}{level}"


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return ABSENT
    digits = 0 if unit == "count" else 2
    return f"{value:,.{digits}f}" + " %" * (unit == "percent")
