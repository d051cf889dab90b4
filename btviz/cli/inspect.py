"""`btviz data inspect` and `btviz data taxonomy`: what a file holds before it is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from btviz.cli.columns import TakesColumns, columns_option, mapping_of
from btviz.cli.report import json_option, print_json, print_table, tell

if TYPE_CHECKING:
    from btviz.data import Inspection


@click.command("inspect", cls=TakesColumns)
@click.argument("data", metavar="FILE")
@columns_option
@click.option("--taxonomy", metavar="FILE", help="Categories of your own.")
@json_option
def data_inspect(data: str, *, pairs: tuple[str, ...], taxonomy: str | None, as_json: bool) -> None:
    """Show the columns of FILE, examples of its labels (never of texts), its shape, and what would be kept.

    FILE may also be a folder, a name, OWNER/NAME in the hub's cache, or - for standard input; files of one shape are
    described once.
    """
    from btviz import inspect

    found = inspect(data, columns=mapping_of(pairs), taxonomy=taxonomy)
    if as_json:
        print_json(found.to_dict())
        return
    for place, seen in enumerate(found.shapes):
        if place:
            tell("")
        _print_shape(seen)
    for name, why in found.passed_over.items():
        tell(f"\nPassed over: {name} ({why})")


def _print_shape(seen: Inspection) -> None:
    more = f" {seen.and_files}" if seen.and_files else ""
    tell(f"{seen.file}: {seen.form}, its first {seen.n_rows:,} rows{more}\n")
    sources: dict[str, list[str]] = {}
    for column, key in seen.sources.items():
        sources.setdefault(key, []).append(column)
    for key, made in seen.unfolded.items():
        sources.setdefault(key, [*made])
    rows = [[s.key, s.words, _examples(s.labels), ", ".join(sources.get(s.key, []))] for s in seen.columns]
    print_table(rows, ["column", "holds", "labels, with rows", "becomes"])
    tell("")
    if not seen.n_rows:
        tell("It has columns, and no row.")
    elif seen.layout is None:
        none = "" if seen.proposal else " None of its columns looks like a prompt."
        tell(f"It fits no known shape.{' Its columns look like this:' if seen.command else none}")
    else:
        tell(f"Read as {seen.layout}, for the table {seen.table}: {seen.kept:,} rows kept, {seen.rejected:,} rejected.")
        if seen.taxonomy:
            tell(f"Categories are those of {seen.taxonomy}.")
    for kind, count in seen.problems.items():
        tell(f"  {kind}: {count:,}")
    for sentence in seen.said:
        tell(sentence)
    if seen.labels_not_kept:
        tell(f"Not kept, and named like labels: {', '.join(seen.labels_not_kept)}.")
    if seen.command and (seen.layout is None or seen.labels_not_kept):
        tell("\n".join(filter(None, ["", seen.command, seen.call])))


def _examples(labels: dict[str, int] | object, most: int = 6) -> str:
    if not isinstance(labels, dict):
        return ""
    shown = [f"{label!r} {count:,}" for label, count in list(labels.items())[:most]]
    return ", ".join(shown) + (f" and {len(labels) - most:,} more" if len(labels) > most else "")


@click.command("taxonomy", cls=TakesColumns)
@click.argument("file")
@columns_option
@click.option("--name", help="Name of the taxonomy; by default that of the file.")
@json_option
def data_taxonomy(file: str, *, pairs: tuple[str, ...], name: str | None, as_json: bool) -> None:
    """Draft a taxonomy file from the categories that FILE names.

    Save it with: btviz data taxonomy FILE > mine.toml
    """
    import tomllib

    from btviz.data import draft_taxonomy

    draft = draft_taxonomy(file, name=name, columns=mapping_of(pairs))
    if as_json:
        print_json(tomllib.loads(draft))
        return
    tell(draft.rstrip("\n"))
