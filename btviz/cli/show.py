"""`btviz data show`: what a data set holds, with the published number beside each count."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from btviz.cli.report import ABSENT, json_option, print_json, print_table

if TYPE_CHECKING:
    import polars as pl

    from btviz.dataset import Dataset
    from btviz.taxonomy import Taxonomy

Row = dict[str, Any]
_CATEGORY = {"category_count": "count", "category_share": "share"}


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
    _print_origin(summary.ds)
    rows = _merged(summary.quantities.to_dicts())
    _print_counts([row for row in rows if row["category"] is None])
    by_category = [row for row in rows if row["quantity"] in _CATEGORY]
    if by_category:  # of answers in comparisons only where there are no annotations: --json has both
        first = by_category[0]["population"]
        _print_categories([row for row in by_category if row["population"] == first], summary.ds.taxonomy)
    _print_frame(summary.oddities, "Oddities found in reading")
    _print_frame(summary.overlap.drop("rule", strict=False), "Shared by two splits")
    _print_across(summary.repeats.drop("rule", strict=False), "Answers repeated in comparisons")
    if summary.ds.is_synthetic:
        _print_targets(summary.ds)


def _print_origin(ds: Dataset) -> None:
    release = f"release {ds.release}" if ds.release else "no known release"
    made = "made by btviz, benign text" if ds.is_synthetic else release
    click.echo(f"{ds.population}: {made}, taxonomy of {len(ds.taxonomy)} categories, fingerprint {ds.fingerprint}\n")
    if ds.facts["files"]:
        columns = ["label", "split", "rows_in", "rows_kept", "rows_rejected"]
        rows = [[file[column] for column in columns] for file in ds.facts["files"]]
        print_table(rows, ["file", "split", "rows", "kept", "rejected"])
        click.echo("")


def _print_counts(rows: list[Row]) -> None:
    columns, lines = _side_by_side(rows, line=lambda row: (_words(row), row["population"]), column=_split)
    print_table(lines, ["quantity", "of", *columns])


def _print_categories(rows: list[Row], taxonomy: Taxonomy) -> None:
    told = {(row["quantity"], row["split"]) for row in rows if row["published"]}
    if not _has_one_split(rows):  # --json has every split; here only those of which something was published
        rows = [row for row in rows if row["split"] is None or (row["quantity"], row["split"]) in told]
    columns, lines = _side_by_side(
        sorted(rows, key=lambda row: row["quantity"]),
        line=lambda row: (taxonomy[row["category"]].slug,),
        column=lambda row: f"{_CATEGORY[row['quantity']]}, {_split(row)}",
    )
    title = f"Categories of {rows[0]['population']}"
    shares = any(row["quantity"] == "category_share" for row in rows)
    click.echo("")
    print_table(lines, ["category", *columns], title=f"{title}; a share is of the unsafe ones" if shares else title)


def _side_by_side(
    rows: list[Row], *, line: Callable[[Row], tuple[str, ...]], column: Callable[[Row], str]
) -> tuple[list[str], list[list[Any]]]:
    """One line per quantity; one column per split, and after it what was published of it, if anything."""
    one_split = _has_one_split(rows)
    lines: dict[tuple[str, ...], dict[tuple[str, bool], str]] = {}
    for row in sorted(rows, key=lambda row: one_split and row["split"] is None):
        cells = lines.setdefault(line(row), {})
        if row["split"] or not one_split:  # with one split, the whole only repeats its numbers
            cells[column(row), False] = _number(row["value"], row["unit"])
        if row["published"]:
            cells[column(row), True] = row["published"]
    filled = dict.fromkeys(key for cells in lines.values() for key in cells)
    names = dict.fromkeys(name for name, _ in filled)
    order = [key for name in names for key in ((name, False), (name, True)) if key in filled]
    headings = [
        name if not is_published else "published" if (name, False) in filled else f"published, {name}"
        for name, is_published in order
    ]
    return headings, [[*words, *(cells.get(key) for key in order)] for words, cells in lines.items()]


def _has_one_split(rows: list[Row]) -> bool:
    return len({row["split"] for row in rows} - {None}) == 1


def _split(row: Row) -> str:
    return row["split"] or "all"


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
        click.echo("")
        print_table(table.rows(), [name.replace("_", " ") for name in table.columns], title=title)


def _print_across(table: pl.DataFrame, title: str) -> None:
    """Print a wide table of few rows with a column for each row."""
    if table.height:
        unit, *columns = table.columns
        click.echo("")
        lines = [[name.replace("_", " "), *table[name]] for name in columns]
        print_table(lines, ["", *table[unit]], title=title)


def _print_targets(ds: Dataset) -> None:
    keys = {category.key: category.slug for category in ds.taxonomy.categories}
    cells = [
        [row["statistic"], keys.get(row["level"], row["level"]), _short(row["target"]), _short(row["obtained"]),
         row["source"]]
        for row in ds.targets.to_dicts()
    ]  # fmt: skip
    click.echo("")
    columns = ["statistic", "level", "target", "obtained", "source"]
    print_table(cells, columns, title="What the generator aimed at, and what came out")


def _words(row: Row) -> str:
    words = f"{row['quantity']}, {row['level']}" if row["level"] else row["quantity"]
    return str(words.replace("_", " "))


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return ABSENT
    digits = 0 if unit == "count" else 2
    return f"{value:,.{digits}f}" + " %" * (unit == "percent")


def _short(value: float | None) -> str:
    if value is None:
        return ABSENT
    if value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.{4 if abs(value) < 1 else 2 if abs(value) < 1000 else 0}f}"
