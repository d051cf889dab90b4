"""Figures for a paper: files that are the same on every run, and where they come from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from btviz.data.dataset import Dataset
from btviz.errors import DataError, UsageError
from btviz.plots.style.rendering import FORMATS, announce_boxes, rendered, undrawn
from btviz.plots.topics.datamap import topic_map
from btviz.reports.figures.registry import FIGURES, SCORE_FIGURES, Figure, Known, Subject, origin
from btviz.scores.collection import ScoreCollection
from btviz.store import Draft, Entry, Key, Store, fingerprint, write_file
from btviz.store.keys import JSON

if TYPE_CHECKING:
    import altair as alt

    from btviz.texts.topic_map import TopicMap


DRAWING = 4
"""Raised when the same map would be drawn another way; a test of `plots` says when to ask."""


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
    return _saved(rendered(chart, formats=formats), Path(path), provenance=provenance)


def _saved(pictures: Mapping[str, bytes], path: Path, *, provenance: Mapping[str, Any] | None) -> list[Path]:
    drawn = {path.with_name(f"{path.name}.{name}"): picture for name, picture in pictures.items()}
    record = {
        **(provenance or {}),
        "btviz": version("btviz"),
        "files": {file.name: hashlib.sha256(data).hexdigest() for file, data in drawn.items()},
    }
    written = [write_file(file, data) for file, data in drawn.items()]
    return [*written, write_file(path.with_name(f"{path.name}.provenance.json"), _document(record))]


def write_all(
    ds: Dataset,
    out: Path,
    *,
    scores: pl.DataFrame | None = None,
    override_sign: bool = False,
    progress: Callable[[str], None] | None = None,
) -> pl.DataFrame:
    """Write every figure of a data set and of its scores, and `manifest.json`.

    Parameters
    ----------
    ds : Dataset
        What to draw.
    out : path-like
        Folder to write to.
    scores : DataFrame, optional
        A table of scores; by default those that `btviz score` has kept for this data set.
    override_sign : bool
        Draw scores that point against the labels, too.
    progress : callable, optional
        Called with the title of each figure before it is drawn.

    Returns
    -------
    DataFrame
        One row per file, or per figure that could not be drawn: `figure`, `title`, `after` (the
        published figure it follows), `format`, `file` (path), `sha256`, `not_drawn` (why, or null).

    Warns
    -----
    SignWarning
        If the labels do not tell which way a score points.

    Raises
    ------
    StoreError
        If the files cannot be written.
    """
    out = Path(out)
    scored = ScoreCollection.of(ds, scores=scores, override_sign=override_sign)
    known: Known = {}
    say = progress or (lambda _: None)
    rows = [row for figure in FIGURES.values() for row in _written(figure, ds, out, known=known, say=say)]
    rows += [row for figure in SCORE_FIGURES.values() for row in _written(figure, scored, out, known=known, say=say)]
    return _listed(rows, ds, out)


def write_topic_map(made: TopicMap, out: Path) -> pl.DataFrame:
    """Write a topic map as a figure for print, and `manifest.json`; drawn once, and then read from the store.

    Parameters
    ----------
    made : TopicMap
        From `btviz.texts.topic_map.make_topic_map`.
    out : path-like
        Folder to write to.

    Returns
    -------
    DataFrame
        One row per file, with the columns of `write_all`.

    Raises
    ------
    StoreError
        If the files cannot be written.
    """
    out, ds, text = Path(out), made.ds, made.embeddings.text
    row: dict[str, str | None] = {"figure": f"topic_map_{text}", "title": "Topic map", "after": ""}
    provenance: dict[str, Any] = {
        **row,
        "data": origin(ds),
        "table": {
            "function": "btviz.fit_topics",
            "parameters": {**made.topics.facts, "scale": made.topics.scale},
            "quality": made.quality.to_dicts(),
        },
        "plot": {"function": "btviz.plots.topic_map", "parameters": {"text": text, "item": ds.item}},
    }
    entry = _drawn_topic_map(made)
    drawn = {name: entry.blob(f"map.{name}") for name in FORMATS}
    *pictures, _ = _saved(drawn, out / f"topic_map_{text}", provenance=provenance)
    return _listed(_rows(row, pictures), ds, out)


def _named(made: TopicMap) -> pl.DataFrame:
    """Topics, with whether they are unstable where that is known."""
    known = made.stability
    return (
        made.topics.topics if known is None else made.topics.topics.join(known.select("topic", "unstable"), on="topic")
    )


def _drawn_topic_map(made: TopicMap) -> Entry:
    topics, text = made.topics, made.embeddings.text
    shown = fingerprint(made.ds.population, topics.fingerprint, _named(made).write_json(), made.quality.write_json())
    boxes = undrawn("".join(topics.topics["name"]))
    packages = ("btviz", "altair", "vl-convert-python", "fonttools", "numpy")
    drawn_by: dict[str, JSON] = {name: version(name) for name in packages}
    if boxes:  # such a picture is another once a font has been installed
        drawn_by["boxes"] = fingerprint(boxes)
    key = Key("figures", (shown, str(DRAWING)), drawn_by)
    kept = Store().get(key)
    if kept is not None:
        announce_boxes(boxes)  # as drawing does
        return kept

    def make(draft: Draft) -> None:
        said = {"source": made.ds.population, "text": text, "item": made.ds.item}
        chart = topic_map(made.placed, _named(made), quality=made.quality, **said)
        for name, picture in rendered(chart, formats=FORMATS).items():
            draft.blob(f"map.{name}", picture)

    return Store().build(key, make)


def _listed(rows: Sequence[Mapping[str, str | None]], ds: Dataset, out: Path) -> pl.DataFrame:
    manifest = pl.DataFrame(rows, schema=MANIFEST)
    named = manifest.with_columns(pl.col("file").str.split("/").list.last())
    write_file(out / "manifest.json", _document({"data": ds.population, "files": named.to_dicts()}))
    return manifest


def _written(
    figure: Figure[Subject], subject: Subject, out: Path, *, known: Known, say: Callable[[str], None]
) -> list[dict[str, str | None]]:
    say(figure.title)
    row: dict[str, str | None] = {"figure": figure.key, "title": figure.title, "after": figure.after}
    try:
        chart = figure.draw(subject, known=known)
    except (DataError, UsageError) as error:  # these data have not what this figure shows
        return [{**row, "not_drawn": str(error)}]
    *pictures, _ = save_figure(chart, out / figure.key, provenance=figure.provenance(subject))
    return _rows(row, pictures)


def _rows(row: Mapping[str, str | None], pictures: Sequence[Path]) -> list[dict[str, str | None]]:
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
