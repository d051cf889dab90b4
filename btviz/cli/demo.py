"""`btviz demo`: everything end to end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from btviz.cli.report import json_option, print_json, print_table, say
from btviz.errors import NotFoundError
from btviz.paths import figures_dir, notebooks_dir

if TYPE_CHECKING:
    from btviz.dataset import Dataset


@click.command("demo")
@click.argument("name", default="sample")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for figures.")
@json_option
def demo_command(name: str, *, out: Path | None, as_json: bool) -> None:
    """Load NAME (the embedded sample, or a released data set, fetched first), count, draw."""
    from btviz import category_counts, cooccurrence, figures

    ds = _loaded(name)
    say("Counting categories, and how they go together ...")
    counts, pairs = category_counts(ds), cooccurrence(ds)
    say("Drawing ...")
    files = [str(path) for path in figures.write_all(ds, figures_dir(out))]
    made = {
        "annotations": ds.annotations.height,
        "pairs": ds.pairs.height,
        "preferences": ds.preferences.height,
        "categories": counts.height,
        "associations": pairs.height,
        "figures": len(files),
    }
    if as_json:
        print_json({"name": ds.name, "is_synthetic": ds.is_synthetic, "made": made, "files": files})
        return
    print_table(made.items(), ["made", "number"], title=f"From {ds.population}")
    click.echo("")
    print_table([[file] for file in files], ["file"])
    _say_how_to_open()


def _loaded(name: str) -> Dataset:
    from btviz import catalog, load, sources

    say(f"Loading {name} ...")
    try:
        return load(name)
    except NotFoundError:
        if name not in sources.RELEASES:
            raise
        return catalog.add(name, sources.fetch(name))


def _say_how_to_open() -> None:
    here = notebooks_dir() is not None
    click.echo("\nOpen the pictures in a browser or a PDF reader.")
    click.echo(f"Explore the data in JupyterLab: {'make lab, or btviz lab' if here else 'btviz lab'}")
