"""`btviz demo`: everything end to end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from btviz.cli.figures import draw, out_option, print_figures
from btviz.cli.page import write_report
from btviz.cli.report import json_option, print_json, print_table, say, tell
from btviz.errors import BtvizError, NotFoundError
from btviz.store import figures_dir, notebooks_dir

if TYPE_CHECKING:
    import polars as pl

    from btviz.data import Dataset


@click.command("demo")
@click.argument("name", default="sample")
@out_option
@json_option
def demo_command(name: str, *, out: Path | None, as_json: bool) -> None:
    """Load NAME (the embedded sample, or a released data set, fetched first), count, score, draw, and write a report.

    Scores are those of three small probes, fitted here to words: they show what is drawn of scores, and no more.
    """
    from btviz import category_counts, cooccurrence

    say(f"Loading {name}")
    ds = _loaded(name)
    tables = {"annotations": ds.annotations, "pairs": ds.pairs, "preferences": ds.preferences}
    if not ds.annotations.is_empty():
        say("Counting the harm categories, and how they go together")
        tables |= {"category counts": category_counts(ds), "associations of two": cooccurrence(ds)}
    folder = out or figures_dir() / ds.name
    scores = _probe_scores(ds)
    manifest = draw(ds, folder, scores=scores)
    page = write_report(ds, folder / "report.html", scores=scores)
    made = {what: table.height for what, table in tables.items()}
    if as_json:
        files = manifest.to_dicts()
        print_json(
            {"name": ds.name, "is_synthetic": ds.is_synthetic, "made": made, "files": files, "report": str(page)}
        )
        return
    tell("")
    print_table(made.items(), ["table", "rows"], title=f"Made from {ds.population}")
    tell("")
    print_figures(ds, manifest, folder=folder)
    _say_how_to_open(page)


def _loaded(name: str) -> Dataset:
    from btviz import load
    from btviz.data import RELEASES, add, fetch

    try:
        return load(name)
    except NotFoundError:
        if name not in RELEASES:
            raise
        return add(name, fetch(name))


def _probe_scores(ds: Dataset) -> pl.DataFrame | None:
    """Scores by probes of words, of answers kept out of their training; None where nothing can be fitted."""
    import polars as pl

    from btviz import embed, fit_probe

    scores = []
    try:
        embeddings = embed(ds, text="qa", encoder="words")
        for kind in ("reward", "cost", "moderation"):
            say(f"Fitting a probe: {kind}")
            scores.append(fit_probe(ds, embeddings, kind=kind, name=f"{kind} probe").out_of_fold)
    except BtvizError as error:
        say(f"No probe was fitted: {error}")
    return pl.concat(scores) if scores else None


def _say_how_to_open(page: Path) -> None:
    lab = "make lab, or btviz lab" if notebooks_dir() else "btviz lab"
    tell(f"\nOpen the report in any browser: {page}")
    tell(f"Explore the data in JupyterLab: {lab}, then 00_start_here.ipynb")
