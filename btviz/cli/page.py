"""`btviz report`: one offline page about a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from btviz.cli.report import json_option, print_json, say, tell

if TYPE_CHECKING:
    import polars as pl

    from btviz.data import Dataset
    from btviz.texts import TopicMap


@click.command("report")
@click.argument("name")
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write; NAME.html by default."
)
@click.option("--compare", "other", metavar="OTHER", help="Another data set, whose verdicts stand beside.")
@click.option("--map", "text", type=click.Choice(["prompt", "response", "qa"]), help="Add topics of these texts.")
@click.option("--encoder", default="minilm", show_default=True, help="What reads the texts for topics.")
@json_option
def report_command(  # one for each option
    name: str, *, out: Path | None, other: str | None, text: str | None, encoder: str, as_json: bool
) -> None:
    """Write a report of NAME: verdicts, figures and tables on one page that needs no network.

    The page holds no text of the data. It can be mailed, printed, and opened in any browser.
    """
    from btviz import load

    ds = load(name)
    made = None if text is None else _topic_map(ds, text=text, encoder=encoder)
    beside = None if other is None else load(other)
    path = write_report(ds, out or Path(f"{ds.name}.html"), topic_map=made, compare=beside)
    if as_json:
        print_json({"name": ds.name, "file": str(path), "size": path.stat().st_size})
        return
    tell(f"Report of {ds.population}: {path}")


def write_report(
    ds: Dataset,
    path: Path,
    *,
    scores: pl.DataFrame | None = None,
    topic_map: TopicMap | None = None,
    compare: Dataset | None = None,
) -> Path:
    """Write a report as `btviz.report` does, saying on standard error what is on its way."""
    from btviz.reports import report

    return report(ds, path, scores=scores, topic_map=topic_map, compare=compare, progress=say)


def _topic_map(ds: Dataset, *, text: str, encoder: str) -> TopicMap:
    from btviz.texts import make_topic_map

    return make_topic_map(ds, text=text, encoder=encoder, progress=say)
