"""`btviz demo`: everything end to end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from btviz.cli.figures import draw, out_option, print_figures
from btviz.cli.report import json_option, print_json, print_table, say
from btviz.errors import NotFoundError
from btviz.store import figures_dir, notebooks_dir

if TYPE_CHECKING:
    import polars as pl

    from btviz.data import Dataset


@click.command("demo")
@click.argument("name", default="sample")
@out_option
@json_option
def demo_command(name: str, *, out: Path | None, as_json: bool) -> None:
    """Load NAME (the embedded sample, or a released data set, fetched first), count, draw."""
    from btviz import category_counts, cooccurrence

    say(f"Loading {name}")
    ds = _loaded(name)
    tables = {"annotations": ds.annotations, "pairs": ds.pairs, "preferences": ds.preferences}
    if not ds.annotations.is_empty():
        say("Counting the harm categories, and how they go together")
        tables |= {"category counts": category_counts(ds), "associations of two": cooccurrence(ds)}
    folder = out or figures_dir() / ds.name
    manifest = draw(ds, folder)
    made = {what: table.height for what, table in tables.items()}
    if as_json:
        files = manifest.to_dicts()
        print_json({"name": ds.name, "is_synthetic": ds.is_synthetic, "made": made, "files": files})
        return
    click.echo("")
    print_table(made.items(), ["table", "rows"], title=f"Made from {ds.population}")
    click.echo("")
    print_figures(ds, manifest, folder=folder)
    _say_how_to_open(manifest)


def _loaded(name: str) -> Dataset:
    from btviz import load
    from btviz.data import RELEASES, add, fetch

    try:
        return load(name)
    except NotFoundError:
        if name not in RELEASES:
            raise
        return add(name, fetch(name))


def _say_how_to_open(manifest: pl.DataFrame) -> None:
    lab = "make lab, or btviz lab" if notebooks_dir() else "btviz lab"
    for picture in manifest["file"].drop_nulls()[:1]:
        click.echo(f"\nOpen a picture in any browser:  {picture}")
    click.echo(f"Explore the data in JupyterLab: {lab}, then 01_harm_categories.ipynb")
