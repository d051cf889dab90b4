"""Figures for a paper: files that are the same on every run, and where they come from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from btviz import labels, plots
from btviz.dataset import Dataset
from btviz.errors import UsageError, choice
from btviz.plots.rendering import FORMATS, render
from btviz.store import write_file

if TYPE_CHECKING:
    import altair as alt

MANIFEST = pl.Schema(
    {
        "figure": pl.String(),
        "title": pl.String(),
        "after": pl.String(),
        "format": pl.String(),
        "file": pl.String(),
        "sha256": pl.String(),
        "not_drawn": pl.String(),
    }
)
"""Columns of what `write_all` returns."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One entry of the registry: a table, and the picture drawn from it.

    Attributes
    ----------
    key : str
        Name of its files.
    title : str
        What it shows.
    after : str
        The published figure that it follows; empty where there is none.
    table : str
        Function of `btviz.labels` that counts.
    plot : str
        Function of `btviz.plots` that draws.
    where : str
        Whether all items are counted, or the unsafe ones.
    drawing : Mapping
        Keyword arguments of the plot.
    names_categories : bool
        Whether category titles appear in it.
    """

    key: str
    title: str
    after: str
    table: str
    plot: str
    where: str = "all"
    drawing: Mapping[str, str | int] = field(default_factory=dict)
    names_categories: bool = True

    def draw(self, ds: Dataset) -> alt.TopLevelMixin:
        """Count and draw; the picture says "synthetic sample" where the data are one."""
        table = getattr(labels, self.table)(ds, **self.counting(ds))
        taxonomy = {"taxonomy": ds.taxonomy} if self.names_categories else {}
        chart: alt.TopLevelMixin = getattr(plots, self.plot)(table, source=ds.population, **taxonomy, **self.drawing)
        return chart

    def counting(self, ds: Dataset) -> dict[str, str]:
        """Keyword arguments of the table: annotations are counted or, where there are none, compared answers."""
        compared = ds.annotations.is_empty() and not ds.preferences.is_empty()
        return {"population": "pairs" if compared else "annotations", "where": self.where}

    def provenance(self, ds: Dataset) -> dict[str, Any]:
        """What a reader needs to make the figure again."""
        return {
            "figure": self.key,
            "title": self.title,
            "after": self.after,
            "data": {
                "name": ds.name,
                "fingerprint": ds.fingerprint,
                "release": ds.release,
                "is_synthetic": ds.is_synthetic,
            },
            "table": {"function": f"btviz.{self.table}", "parameters": self.counting(ds)},
            "plot": {"function": f"btviz.plots.{self.plot}", "parameters": dict(self.drawing)},
        }


_MATRIX = {"coefficient": "phi", "order": "similarity"}
FIGURES = {
    figure.key: figure
    for figure in (
        Figure("category_shares", "Category shares", "BeaverTails Fig 1", "category_counts", "category_shares"),
        Figure(
            "association",
            "Association of harm categories",
            "BeaverTails Fig 3",
            "cooccurrence",
            "association_matrix",
            drawing=_MATRIX,
        ),
        Figure(
            "association_unsafe",
            "Association among unsafe items",
            "BeaverTails Fig 3",
            "cooccurrence",
            "association_matrix",
            where="unsafe",
            drawing=_MATRIX,
        ),
        Figure("label_sets", "Label sets", "", "label_sets", "label_sets", where="unsafe", drawing={"top": 20}),
        Figure("labels_per_item", "Labels per item", "", "labels_per_item", "labels_per_item", names_categories=False),
    )
}
"""The figures of a data set, by key."""


def save_figure(
    chart: alt.TopLevelMixin,
    path: Path,
    *,
    formats: Sequence[str] = FORMATS,
    provenance: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write a chart as SVG, PDF and PNG, and a record of where it comes from.

    Parameters
    ----------
    chart : alt.Chart
        A chart of `btviz.plots`, or any other.
    path : path-like
        Where, without an ending: ``figures/association`` becomes ``association.svg`` and so on.
    formats : sequence of {"svg", "pdf", "png"}
        What to write.
    provenance : Mapping, optional
        What to record besides the version of btviz and the hash of each file.

    Returns
    -------
    list of Path
        The pictures, in the order of `formats`, and last ``<name>.provenance.json``.

    Raises
    ------
    UsageError
        If a format is unknown.
    StoreError
        If the files cannot be written.
    """
    for name in formats:
        choice(name, FORMATS, what="figure format")
    path = Path(path)
    drawn = {path.with_name(f"{path.name}.{name}"): render(chart, format=name) for name in formats}
    record = {
        **(provenance or {}),
        "btviz": version("btviz"),
        "files": {file.name: hashlib.sha256(data).hexdigest() for file, data in drawn.items()},
    }
    written = [write_file(file, data) for file, data in drawn.items()]
    return [*written, write_file(path.with_name(f"{path.name}.provenance.json"), _document(record))]


def write_all(ds: Dataset, out: Path, *, progress: Callable[[str], None] | None = None) -> pl.DataFrame:
    """Write every figure of a data set, and `manifest.json`.

    Parameters
    ----------
    ds : Dataset
        What to draw.
    out : path-like
        Folder to write to.
    progress : callable, optional
        Called with the title of each figure before it is drawn.

    Returns
    -------
    DataFrame
        One row per file, or per figure that could not be drawn: `figure`, `title`, `after` (the
        published figure it follows), `format`, `file` (path), `sha256`, `not_drawn` (why, or null).

    Raises
    ------
    StoreError
        If the files cannot be written.
    """
    out = Path(out)
    rows = []
    for figure in FIGURES.values():
        if progress is not None:
            progress(figure.title)
        rows += _written(figure, ds, out)
    manifest = pl.DataFrame(rows, schema=MANIFEST)
    named = manifest.with_columns(pl.col("file").str.split("/").list.last())
    write_file(out / "manifest.json", _document({"data": ds.population, "files": named.to_dicts()}))
    return manifest


def _written(figure: Figure, ds: Dataset, out: Path) -> list[dict[str, str | None]]:
    row: dict[str, str | None] = {"figure": figure.key, "title": figure.title, "after": figure.after}
    try:
        chart = figure.draw(ds)
    except UsageError as error:  # these data have not what this figure shows
        return [{**row, "not_drawn": str(error)}]
    *pictures, _ = save_figure(chart, out / figure.key, provenance=figure.provenance(ds))
    return [
        {
            **row,
            "format": file.suffix[1:],
            "file": file.as_posix(),
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        }
        for file in pictures
    ]


def _document(record: Mapping[str, Any]) -> bytes:
    return (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode()
