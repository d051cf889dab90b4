"""`btviz figures`: every figure of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from btviz.cli.report import json_option, print_json, print_table, say
from btviz.errors import DataError, UsageError
from btviz.store import figures_dir

if TYPE_CHECKING:
    import polars as pl

    from btviz.data import Dataset

out_option = click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Folder to write to; figures/NAME by default."
)


@click.command("figures")
@click.argument("name")
@out_option
@click.option(
    "--model", "models", multiple=True, metavar="MODEL", help="draw only this model's scores; may be repeated"
)
@click.option("--override-sign", is_flag=True, help="draw scores that point against the labels")
@json_option
def figures_command(
    name: str, *, out: Path | None, models: tuple[str, ...], override_sign: bool, as_json: bool
) -> None:
    """Write every figure of NAME as SVG, PDF and PNG, with where it comes from.

    Figures of scores show those that `btviz score NAME` has kept.
    """
    from btviz import load

    ds = load(name)
    folder = out or figures_dir() / ds.name
    manifest = draw(ds, folder, scores=_scores_of(ds, models), override_sign=override_sign)
    if not manifest["file"].count():
        fault = DataError if ds.item == "prompt" else UsageError
        raise fault(f"Figures of {ds.name!r} were asked for; none could be drawn. {manifest['not_drawn'][0]}")
    if as_json:
        print_json({"name": ds.name, "is_synthetic": ds.is_synthetic, "files": manifest.to_dicts()})
        return
    print_figures(ds, manifest, folder=folder)


def draw(ds: Dataset, folder: Path, *, scores: pl.DataFrame | None = None, override_sign: bool = False) -> pl.DataFrame:
    """Draw every figure into a folder, saying on standard error which is on its way."""
    from btviz.reports import write_all

    return write_all(
        ds,
        folder,
        scores=scores,
        override_sign=override_sign,
        progress=lambda title: say(f"Drawing: {title}"),
    )


def _scores_of(ds: Dataset, models: Sequence[str]) -> pl.DataFrame:
    """Scores kept for a data set: all, or those of some models."""
    import polars as pl

    from btviz.scores import kept_scores

    scores = kept_scores(ds)
    known = scores["model"].unique().sort().to_list()
    if strange := [model for model in models if model not in known]:
        raise UsageError(
            f"Figures of the scores of {strange} were asked for; {ds.name!r} has scores of {known or 'no model'}. "
            f"Make them first: btviz score {ds.name} --model MODEL."
        )
    return scores.filter(pl.col("model").is_in(models)) if models else scores


def print_figures(ds: Dataset, manifest: pl.DataFrame, *, folder: Path) -> None:
    """Print one row per figure: its title and its files; then, once each, why others are missing."""
    cells = []
    for (_, title), rows in manifest.group_by("figure", "title", maintain_order=True):
        files = [Path(file) for file in rows["file"].drop_nulls()]
        drawn = files and f"{files[0].stem}{' '.join(file.suffix for file in files)}"
        cells.append([title, drawn or "not drawn"])
    print_table(cells, ["figure", "files"], title=f"Figures of {ds.population}, in {folder}")
    missing = manifest.drop_nulls("not_drawn").group_by("not_drawn", maintain_order=True).agg("title")
    for reason, titles in missing.rows():
        click.echo(f"Not drawn ({'; '.join(titles)}): {reason}")
