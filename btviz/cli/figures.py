"""`btviz figures`."""

from __future__ import annotations

from pathlib import Path

import click

from btviz.cli.report import json_option, print_json, print_table, say
from btviz.paths import figures_dir


@click.command("figures")
@click.argument("name")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder; figures/NAME by default.")
@json_option
def figures_command(name: str, *, out: Path | None, as_json: bool) -> None:
    """Write every figure of NAME as SVG, PDF and PNG, with where it comes from."""
    from btviz import figures, load

    say(f"Reading {name} ...")
    ds = load(name)
    written = figures.write_all(ds, figures_dir(out))
    files = [str(path) for path in written]
    if as_json:
        print_json({"name": ds.name, "is_synthetic": ds.is_synthetic, "files": files})
    else:
        print_table([[file] for file in files], ["figure"], title=f"Figures of {ds.population}")
