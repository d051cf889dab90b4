"""Figures for a paper: files that are the same on every run, and where they come from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from btviz.data.dataset import Dataset
from btviz.errors import DataError, UsageError
from btviz.plots.style.rendering import FORMATS, announce_boxes, rendered, undrawn
from btviz.plots.topics.datamap import topic_map
from btviz.reports.figures.of_data import FIGURES
from btviz.reports.figures.of_scores import SCORE_FIGURES
from btviz.reports.figures.printing import Printing, printed
from btviz.reports.figures.registry import Figure, Known, Subject, origin
from btviz.scores.collection import ScoreCollection
from btviz.store import Draft, Entry, Key, Store, fingerprint, write_file
from btviz.store.keys import JSON

if TYPE_CHECKING:
    import altair as alt

    from btviz.texts.topic_map import TopicMap


DRAWING = 6
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


def write_all(  # noqa: PLR0913  # one for each option
    ds: Dataset,
    out: Path,
    *,
    only: Sequence[str] | None = None,
    width: str | float | None = None,
    style: str = "default",
    font_size: float | None = None,
    formats: Sequence[str] = FORMATS,
    form: str | None = None,
    title: bool = True,
    rename: Mapping[str, str] | None = None,
    scope: str | None = None,
    scores: pl.DataFrame | None = None,
    override_sign: bool = False,
    progress: Callable[[str], None] | None = None,
) -> pl.DataFrame:
    """Write figures of a data set and of its scores, each with its data and its caption, and `manifest.json`.

    Parameters
    ----------
    ds : Dataset
        What to draw.
    out : path-like
        Folder to write to.
    only : sequence of str, optional
        Keys of figures, such as "agreement", or numbers of published ones, such as "fig3"; by default all.
    width : {"column", "text", "slide"}, str or float, optional
        Exact width of each picture: of the `style`, a length such as "5.5in" or "14cm", or points (1/72 inch). By
        default each is as wide as it comes out.
    style : {"default", "neurips", "icml", "acl"}
        Whose columns are meant.
    font_size : float, optional
        Size of labels in points, 4 to 48; 8, and 16 on slides.
    formats : sequence of {"svg", "pdf", "png"}
        What to write.
    form : str, optional
        Another form of those figures that have it: "density", "histogram", "ecdf", "violin" of distributions,
        "similarity" or "release" of the order of a matrix.
    title : bool
        Whether pictures say their title; captions do in any case.
    rename : Mapping of str to str, optional
        What models and policies are called instead.
    scope : {"all", "unsafe"}, optional
        Rows that figures of categories are of.
    scores : DataFrame, optional
        A table of scores; by default those that `btviz score` has kept for this data set.
    override_sign : bool
        Draw scores that point against the labels, too.
    progress : callable, optional
        Called with the title of each figure before it is drawn.

    Returns
    -------
    DataFrame
        One row per picture, or per figure that could not be drawn: `figure`, `title`, `after` (the
        published figure it follows), `format`, `file` (path), `sha256`, `not_drawn` (why, or null). Beside the pictures
        lie the data drawn (csv, parquet), a figure environment with the caption (tex), and a record (provenance).

    Warns
    -----
    SignWarning
        If the labels do not tell which way a score points.

    Raises
    ------
    UsageError
        If an option is unknown or out of its range, or no figure has such a name.
    StoreError
        If the files cannot be written.
    """
    printing = Printing.of(
        width=width,
        style=style,
        font_size=font_size,
        formats=formats,
        title=title,
        form=form,
        scope=scope,
        rename=rename,
    )
    return write_printed(
        ds, out, printing=printing, only=only, scores=scores, override_sign=override_sign, progress=progress
    )


def write_printed(
    ds: Dataset,
    out: Path,
    *,
    printing: Printing,
    only: Sequence[str] | None = None,
    scores: pl.DataFrame | None = None,
    override_sign: bool = False,
    progress: Callable[[str], None] | None = None,
) -> pl.DataFrame:
    """Write figures as `write_all` does, in one way of printing them."""
    drawn = _all_drawn(ds, printing, only=only, scores=scores, override_sign=override_sign, say=progress)
    out, rows, words = Path(out), [], []
    beside: dict[str, str] = {}
    for done in drawn:
        written = {write_file(out / name, data): _sha256(data) for name, data in done.files.items()}
        pictures = {path: digest for path, digest in written.items() if path.suffix[1:] in FORMATS}
        rows += [
            {**done.row, "format": path.suffix[1:], "file": path.as_posix(), "sha256": digest}
            for path, digest in pictures.items()
        ] or [done.row]
        words += [done.words] if done.words else []
        beside |= {path.name: digest for path, digest in written.items() if path not in pictures}
    asked = {"only": None if only is None else list(only), **printing.document()}
    return _listed(rows, ds, out, more={"printing": asked, "figures": words, "beside": beside})


_RECORD = ".provenance.json"


@dataclass(frozen=True)
class _Done:
    """One figure, ready to be written or compared: its row of the manifest, its files by name, and its words."""

    row: dict[str, str | None]
    files: dict[str, bytes] = field(default_factory=dict)
    words: dict[str, Any] = field(default_factory=dict)


def _all_drawn(
    ds: Dataset,
    printing: Printing,
    *,
    only: Sequence[str] | None,
    scores: pl.DataFrame | None,
    override_sign: bool,
    say: Callable[[str], None] | None,
) -> Iterator[_Done]:
    """Every figure that is asked for, one after the other."""
    wanted = chosen(only)
    known: Known = {}
    tell = say or (lambda _: None)
    for figure in FIGURES.values():
        if figure.key in wanted:
            yield _drawn(figure, ds, printing=printing, known=known, say=tell)
    if wanted.isdisjoint(SCORE_FIGURES):
        return
    scored = ScoreCollection.of(ds, scores=scores, override_sign=override_sign)
    for scoring in SCORE_FIGURES.values():
        if scoring.key in wanted:
            yield _drawn(scoring, scored, printing=printing, known=known, say=tell)


def chosen(only: Sequence[str] | None) -> set[str]:
    """Keys of the figures that are called so, by key or by the number of the published figure."""
    every: list[Figure[Any]] = [*FIGURES.values(), *SCORE_FIGURES.values()]
    if only is None:
        return {figure.key for figure in every}
    found: set[str] = set()
    for name in only:
        keys = {figure.key for figure in every if name.lower() in {figure.key, figure.number}}
        if not keys:
            numbers = sorted({figure.number for figure in every if figure.number})
            raise UsageError(
                f"A figure {name!r} was asked for; there are {', '.join(figure.key for figure in every)}, and those "
                f"after published ones: {', '.join(numbers)}. Use --only {every[1].key}."
            )
        found |= keys
    return found


def _drawn(
    figure: Figure[Subject], subject: Subject, *, printing: Printing, known: Known, say: Callable[[str], None]
) -> _Done:
    say(figure.title)
    row: dict[str, str | None] = {"figure": figure.key, "title": figure.title, "after": figure.after}
    figure = figure.of_scope(printing.scope)
    try:
        tables = _renamed(figure.table.tables(subject, known), printing.names)
        done = printed(figure, tables, printing=printing, draw=figure.plotted(subject))
    except (DataError, UsageError) as error:  # these data have not what this figure shows
        return _Done({**row, "not_drawn": str(error)})
    files = {f"{figure.key}{end}": data for end, data in done.files.items()}
    pictures = {name: _sha256(data) for name, data in files.items() if name.rpartition(".")[2] in FORMATS}
    record = {**figure.provenance(subject), "printing": printing.document()}
    files[f"{figure.key}{_RECORD}"] = _document({**record, "btviz": version("btviz"), "files": pictures})
    words: dict[str, Any] = {**row, "caption": done.caption, "alternative_text": done.description}
    words["text_points"] = round(done.text_points, 2)
    return _Done(row, files, words)


def _renamed(tables: Sequence[Any], names: Mapping[str, str]) -> tuple[Any, ...]:
    """Tables in which models and policies are called otherwise."""
    if not names:
        return tuple(tables)
    return tuple(
        table.with_columns(pl.col(pl.String).replace(names)) if isinstance(table, pl.DataFrame) else table
        for table in tables
    )


VERIFIED = pl.Schema({"file": pl.String(), "state": pl.String()})
"""Columns of what `verify_all` returns."""


def verify_all(
    ds: Dataset,
    out: Path,
    *,
    scores: pl.DataFrame | None = None,
    override_sign: bool = False,
    progress: Callable[[str], None] | None = None,
) -> pl.DataFrame:
    """Draw the figures of a folder again, as they were asked for, and say which files would differ now.

    Parameters
    ----------
    ds : Dataset
        What they show.
    out : path-like
        A folder that `write_all` wrote to; nothing is written.
    scores, override_sign, progress
        As for `write_all`.

    Returns
    -------
    DataFrame
        One row per file: `file` (name), `state` ("same", "would differ", "changed since" where the file is not the one
        that was written, "missing", "no longer drawn", "new").

    Raises
    ------
    DataError
        If there is no manifest, or it is not one of `write_all`.
    """
    out = Path(out)
    try:
        manifest = json.loads((out / "manifest.json").read_text("utf-8"))
        asked = manifest["printing"]
        before = {str(row["file"]): str(row["sha256"]) for row in manifest["files"] if row["file"]} | manifest["beside"]
        printing = Printing.from_document(asked)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"Figures in {out} were to be compared; it has no manifest that says how they were drawn "
            f"({type(error).__name__}). Draw them there first: btviz figures {ds.name} --out {out}."
        ) from error
    options: dict[str, Any] = {"scores": scores, "override_sign": override_sign, "say": progress}
    now = {
        name: _sha256(data)
        for done in _all_drawn(ds, printing, only=asked["only"], **options)
        for name, data in done.files.items()
    }
    rows = [(name, _state(out / name, before.get(name), now.get(name))) for name in sorted({*before, *now})]
    return pl.DataFrame(rows, schema=VERIFIED, orient="row")


def _state(path: Path, before: str | None, now: str | None) -> str:
    if before is None:
        return "new"
    if not path.is_file():
        return "missing"
    if now is None:
        return "no longer drawn"
    if _sha256(path.read_bytes()) != before:
        return "changed since"
    return "same" if before == now else "would differ"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


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


def _listed(
    rows: Sequence[Mapping[str, str | None]], ds: Dataset, out: Path, *, more: Mapping[str, Any] | None = None
) -> pl.DataFrame:
    manifest = pl.DataFrame(rows, schema=MANIFEST)
    named = manifest.with_columns(pl.col("file").str.split("/").list.last())
    write_file(out / "manifest.json", _document({"data": ds.population, **(more or {}), "files": named.to_dicts()}))
    return manifest


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
