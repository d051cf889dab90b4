"""`btviz figures`: every figure of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from btviz.cli.report import json_option, print_json, print_table, say, tell
from btviz.errors import DataError, UsageError
from btviz.store import figures_dir

if TYPE_CHECKING:
    import polars as pl

    from btviz.data import Dataset

out_option = click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Folder to write to; figures/NAME by default."
)


_STYLES = click.Choice(["default", "neurips", "icml", "acl"])


def _separated(value: str | None) -> list[str] | None:
    return None if value is None else [part.strip() for part in value.split(",") if part.strip()]


def _renamed(pairs: Sequence[str]) -> dict[str, str]:
    names = dict(pair.partition("=")[::2] for pair in pairs)
    if not all(names.values()):
        raise UsageError(
            f"Names were to be changed by {list(pairs)}; each is OLD=NEW. Use --rename qwen_grpo='Qwen 3B'."
        )
    return names


@click.command("figures")
@click.argument("name")
@out_option
@click.option("--only", metavar="A,B", help="these figures only: keys, or numbers of published ones such as fig3")
@click.option("--width", metavar="WIDTH", help="column, text, slide, or a length such as 5.5in: exactly so wide")
@click.option(
    "--style",
    type=click.Choice(["default", "neurips", "icml", "acl"]),
    default="default",
    help="whose columns are meant",
)
@click.option("--font-size", type=float, metavar="POINTS", help="size of labels; 8, and 16 on slides")
@click.option("--format", "formats", default="svg,pdf,png", show_default=True, metavar="A,B", help="what to write")
@click.option("--form", metavar="FORM", help="of distributions: density, histogram, ecdf, violin; of matrices: release")
@click.option("--no-title", is_flag=True, help="leave titles to the captions")
@click.option("--rename", "renames", multiple=True, metavar="OLD=NEW", help="call a model or policy otherwise")
@click.option("--scope", type=click.Choice(["all", "unsafe"]), help="rows that figures of categories are of")
@click.option("--verify", is_flag=True, help="write nothing; say which files of the folder would differ now")
@click.option(
    "--model", "models", multiple=True, metavar="MODEL", help="draw only this model's scores; may be repeated"
)
@click.option("--override-sign", is_flag=True, help="draw scores that point against the labels")
@json_option
def figures_command(  # noqa: PLR0913  # one for each option
    name: str,
    *,
    out: Path | None,
    only: str | None,
    width: str | None,
    style: str,
    font_size: float | None,
    formats: str,
    form: str | None,
    no_title: bool,
    renames: tuple[str, ...],
    scope: str | None,
    verify: bool,
    models: tuple[str, ...],
    override_sign: bool,
    as_json: bool,
) -> None:
    """Write figures of NAME, each with its data, its caption for LaTeX, and where it comes from.

    Figures of scores show those that `btviz score NAME` has kept.
    """
    from btviz import load
    from btviz.reports import write_all

    ds = load(name)
    folder = out or figures_dir() / ds.name
    scores = _scores_of(ds, models)
    if verify:
        _verify(ds, folder, scores=scores, override_sign=override_sign, as_json=as_json)
        return
    manifest = write_all(
        ds,
        folder,
        only=_separated(only),
        width=width,
        style=style,
        font_size=font_size,
        formats=_separated(formats) or (),
        form=form,
        title=not no_title,
        rename=_renamed(renames),
        scope=scope,
        scores=scores,
        override_sign=override_sign,
        progress=_drawing,
    )
    if not manifest["file"].count():
        fault = DataError if ds.item == "prompt" else UsageError
        raise fault(f"Figures of {ds.name!r} were asked for; none could be drawn. {manifest['not_drawn'][0]}")
    if as_json:
        print_json({"name": ds.name, "is_synthetic": ds.is_synthetic, "files": manifest.to_dicts()})
        return
    print_figures(ds, manifest, folder=folder)


@click.command("tables")
@click.argument("name")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="folder; figures/NAME/tables by default")
@click.option("--only", metavar="A,B", help="these tables only")
@json_option
def tables_command(name: str, *, out: Path | None, only: str | None, as_json: bool) -> None:
    """Write tables of NAME as HTML, LaTeX and CSV, rounded by their intervals."""
    from btviz import load
    from btviz.reports import write_tables

    ds = load(name)
    folder = out or figures_dir() / ds.name / "tables"
    written = write_tables(ds, folder, only=_separated(only))
    if as_json:
        print_json({"name": ds.name, "files": written.to_dicts()})
        return
    cells = [
        (row["table"], row["title"], Path(row["file"]).name) for row in written.drop_nulls("file").iter_rows(named=True)
    ]
    print_table(cells, ["table", "title", "file"], title=f"Tables of {ds.population}, in {folder}")
    for key, reason in written.drop_nulls("not_made").select("table", "not_made").rows():
        tell(f"Not made ({key}): {reason}")


@click.command("paper")
@click.argument("name")
@click.option("-o", "--out", type=click.Path(file_okay=False, path_type=Path), help="folder; paper-NAME by default")
@click.option("--only", metavar="A,B", help="these figures only: keys, or numbers of published ones such as fig3")
@click.option("--style", type=_STYLES, default="default", help="whose columns")
@json_option
def paper_command(name: str, *, out: Path | None, only: str | None, style: str, as_json: bool) -> None:
    """Write the figures of NAME with their captions, in a document that LaTeX compiles."""
    from btviz import load
    from btviz.reports import write_paper

    ds = load(name)
    page = write_paper(ds, out or Path(f"paper-{ds.name}"), only=_separated(only), style=style, progress=_drawing)
    if as_json:
        print_json({"name": ds.name, "file": str(page)})
        return
    tell(f"Figures of {ds.population} for LaTeX: {page}\nMake the page: cd {page.parent} && pdflatex main.tex")


def _drawing(title: str) -> None:
    say(f"Drawing: {title}")


def _verify(ds: Dataset, folder: Path, *, scores: pl.DataFrame, override_sign: bool, as_json: bool) -> None:
    """Say which figures of a folder would differ now; exit with 1 if any would."""
    import polars as pl

    from btviz.reports import verify_all

    table = verify_all(ds, folder, scores=scores, override_sign=override_sign, progress=_drawing)
    others = table.filter(pl.col("state") != "same")
    if as_json:
        print_json({"name": ds.name, "files": table.to_dicts()})
    else:
        if others.height:
            print_table(others.rows(), ["file", "now"], title=f"Figures of {ds.population}, in {folder}")
        tell(f"{table.height - others.height} of {table.height} files would be the same.")
    if others.height:
        raise click.exceptions.Exit(1)


def draw(ds: Dataset, folder: Path, *, scores: pl.DataFrame | None = None) -> pl.DataFrame:
    """Draw every figure into a folder, saying on standard error which is on its way."""
    from btviz.reports import write_all

    return write_all(ds, folder, scores=scores, progress=_drawing)


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
        tell(f"Not drawn ({'; '.join(titles)}): {reason}")
