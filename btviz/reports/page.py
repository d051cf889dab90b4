"""`report`: one page of HTML that needs no network, and holds no text of the data.

A policy in the page forbids every request, and every script but its own, whose hash it names. Figures stand as SVG:
Vega would have to compile its expressions in the browser, which such a policy forbids, and would add a megabyte; what a
figure shows is saved beside it as a table instead.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import polars as pl

from btviz.data.dataset import Dataset, expect_dataset
from btviz.errors import UsageError
from btviz.reports.sections import Drawing, Rows, Section, Subject, Verdicts, comparison, sections_of, verdicts
from btviz.store import write_file
from btviz.taxonomy import STEERING
from btviz.texts.topic_map import TopicMap

LARGEST = 10_000_000
"""Bytes of a page, at most: what people can send by mail."""

_LONG = 40
"""Rows of a table above which it is folded."""


def report(
    ds: Dataset,
    path: Path | str,
    *,
    scores: pl.DataFrame | None = None,
    topic_map: TopicMap | None = None,
    compare: Dataset | None = None,
    progress: Callable[[str], Any] | None = None,
) -> Path:
    """Write a report of a data set: verdicts, figures, tables and where they come from, in one file.

    Parameters
    ----------
    ds : Dataset
        What it is about.
    path : path-like
        Where; a file of that name is replaced.
    scores : DataFrame, optional
        A table of scores; by default those that `btviz score` has kept for this data set.
    topic_map : TopicMap, optional
        From `btviz.texts.make_topic_map`; its topics appear by their neutral names.
    compare : Dataset, optional
        Another data set: its verdicts stand beside, with what differs.
    progress : callable, optional
        Called with a line before each step.

    Returns
    -------
    Path
        The file. The same data give the same bytes, on one machine.

    Raises
    ------
    UsageError
        If the page would be larger than 10 MB.
    StoreError
        If the file cannot be written.

    Examples
    --------
    >>> import btviz
    >>> btviz.report(btviz.load("sample"), "report.html")  # doctest: +SKIP
    PosixPath('report.html')
    """
    expect_dataset(ds)
    say = progress or (lambda _: None)
    subject = Subject(ds, scores=scores, topic_map=topic_map, say=say)
    sections = sections_of(subject)
    beside = None
    if compare is not None:
        expect_dataset(compare)
        other = Subject(compare, say=say)
        beside = verdicts(other)
        sections.insert(1, comparison(subject, other))
    content = _page(subject, sections, beside=beside, other=compare).encode("utf-8", "replace")
    if len(content) > LARGEST:
        raise UsageError(
            f"A report of {ds.name!r} was to be written; it would have {len(content):,} bytes, and {LARGEST:,} are the "
            "most that can be sent about. Leave out the topic map or the scores."
        )
    return write_file(Path(path), content)


def _page(subject: Subject, sections: Sequence[Section], *, beside: Verdicts | None, other: Dataset | None) -> str:
    style, script = _resource("page.css"), _resource("page.js")
    title = f"Report of {subject.ds.population}"
    parts = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(script)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>{_text(title)}</title>",
        f"<style>{_font()}\n{style}</style>",
        "</head>",
        "<body>",
        '<div class="page">',
        _header(subject.ds, other),
        _contents(sections),
        "<main>",
        *(_section(section, beside=beside, names=_names(subject.ds, other)) for section in sections),
        _provenance(subject.ds, other),
        "</main>",
        "</div>",
        f"<script>{script}</script>",
        "</body>",
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def _resource(name: str) -> str:
    return (files("btviz") / "resources" / "report" / name).read_text("utf-8")


def _policy(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; font-src data:; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _font() -> str:
    """The font of the figures, once for the page."""
    faces = []
    for name, weight in (("Regular", 400), ("Bold", 700)):
        data = base64.b64encode((files("btviz") / "resources" / "fonts" / f"BtvizSans-{name}.ttf").read_bytes())
        source = f"url(data:font/ttf;base64,{data.decode()})"
        faces.append(f'@font-face {{ font-family: "Btviz Sans"; font-weight: {weight}; src: {source}; }}')
    return "\n".join(faces)


def _text(value: str) -> str:
    """A text as it is, as HTML; characters that steer its reader are named instead."""
    return html.escape(re.sub(STEERING, lambda found: f"\\u{{{ord(found.group()):x}}}", value))


def _names(ds: Dataset, other: Dataset | None) -> list[str]:
    return [data.population for data in (ds, other) if data is not None]


def _header(ds: Dataset, other: Dataset | None) -> str:
    parts = [f"<h1>{_text(ds.population)}</h1>"]
    if other is not None:
        parts.append(f"<p>beside {_text(other.population)}</p>")
    if ds.is_synthetic:
        said = "Synthetic: made by a generator; nothing here is about a release"
        parts.append(f'<p><span class="mark">{said}</span></p>')
    parts += [f'<p class="soft">Doubtful: {_text(doubt)}.</p>' for doubt in ds.facts.get("doubts", [])]
    parts.append('<p class="soft">This page holds no text of the data and asks nothing of any network.</p>')
    return f"<header>{''.join(parts)}</header>"


def _contents(sections: Sequence[Section]) -> str:
    links = [(section.key, section.title) for section in sections] + [("provenance", "Where it comes from")]
    items = "".join(f'<li><a href="#{key}">{_text(title)}</a></li>' for key, title in links)
    return f'<nav aria-label="Contents"><ol>{items}</ol></nav>'


def _section(section: Section, *, beside: Verdicts | None, names: Sequence[str]) -> str:
    head = f'<section id="{section.key}"><h2>{_text(section.title)}</h2>'
    if isinstance(section, Verdicts):
        return f"{head}{_answers(section, beside=beside, names=names)}</section>"
    parts = [
        *(f"<h3>{_text(what)}</h3>{''.join(map(_paragraph, said))}" for what, said in section.paragraphs.items()),
        *map(_figure, section.drawings),
        *map(_table, section.tables),
        _missing(section),
    ]
    return head + "\n".join(parts) + "</section>"


def _paragraph(text: str) -> str:
    return f"<p>{_text(text)}</p>"


def _answers(section: Verdicts, *, beside: Verdicts | None, names: Sequence[str]) -> str:
    """Questions and answers; of two data sets next to each other."""
    sides = [section] if beside is None else [section, beside]
    parts = []
    for place, (question, _) in enumerate(section.answers):
        answers = ["".join(map(_paragraph, side.answers[place][1])) for side in sides]
        if len(sides) > 1:
            named = zip(names, answers, strict=True)
            answers = [f"<div><p><strong>{_text(name)}</strong></p>{answer}</div>" for name, answer in named]
            answers = [f'<div class="sides">{"".join(answers)}</div>']
        parts.append(f"<dt>{_text(question)}</dt><dd>{''.join(answers)}</dd>")
    return f"<dl>{''.join(parts)}</dl>"


def _figure(drawing: Drawing) -> str:
    after = f" · after {_text(drawing.after)}" if drawing.after else ""
    buttons = "".join(
        f'<button type="button" hidden data-save="{name}">{label}</button>'
        for name, label in ((f"{drawing.key}.svg", "Save as SVG"), *((name, f"Save {name}") for name in drawing.data))
    )
    data = "".join(f'<template data-name="{name}">{_data(csv)}</template>' for name, csv in drawing.data.items())
    return (
        f'<figure id="figure-{drawing.key}"><div class="drawing">{_told_apart(drawing)}</div>'
        f'<figcaption><strong>{_text(drawing.title)}</strong><span class="soft">{after}</span><br>{buttons}'
        "</figcaption>"
        f"{data}</figure>"
    )


def _data(csv: str) -> str:
    return html.escape(csv, quote=False)


_ID = re.compile(r'(\bid="|url\(#|href="#)')


def _told_apart(drawing: Drawing) -> str:
    """The image with ids of its own, since all stand in one document, and with the page's font."""
    image = drawing.image[drawing.image.index("<svg") :]
    return _ID.sub(lambda match: f"{match[1]}{drawing.key}-", image)


def _table(rows: Rows) -> str:
    numeric = [_is_number(row[place] for row in rows.cells) for place in range(len(rows.columns))]
    classes = [' class="number"' if number else "" for number in numeric]
    head = "".join(
        f"<th{kind} scope='col'>{_text(name.replace('_', ' '))}</th>"
        for name, kind in zip(rows.columns, classes, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(f"<td{kind}>{_text(_cell(cell))}</td>" for cell, kind in zip(row, classes, strict=True))
        + "</tr>"
        for row in rows.cells
    )
    table = (
        f'<div class="wide"><table><caption>{_text(rows.title)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
    if len(rows.cells) <= _LONG:
        return table
    return f"<details><summary>{_text(rows.title)}: {len(rows.cells):,} rows</summary>{table}</details>"


def _is_number(cells: Iterable[Any]) -> bool:
    known = [cell for cell in cells if cell is not None]
    return bool(known) and all(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in known)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() and abs(value) >= 1 else f"{value:,.3f}"
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case list() | tuple():
            return ", ".join(map(str, value))
    return str(value)


def _missing(section: Section) -> str:
    """What is not shown, a line for each reason, folded."""
    if not section.missing:
        return ""
    reasons = [f"<p>{_text('; '.join(what))}: {_text(reason)}</p>" for reason, what in section.missing.items()]
    if section.is_empty and len(reasons) == 1:
        return f'<div class="soft">{reasons[0]}</div>'
    count = sum(map(len, section.missing.values()))
    return f"<details><summary>Not shown, with the reason: {count}</summary>{''.join(reasons)}</details>"


def _provenance(ds: Dataset, other: Dataset | None) -> str:
    cells: list[tuple[str, str]] = [("btviz", version("btviz"))]
    for data in (ds, other):
        if data is not None:
            cells += [("data", data.population), ("release", data.release or "none that is known")]
            cells.append(("fingerprint of the rows", data.fingerprint))
            cells += [(f"SHA-256 of {Path(file['path']).name}", file["sha256"]) for file in data.facts["files"]]
    table = _table(Rows("What this page was made of", ("what", "value"), cells))
    name = ds.name
    line = f"btviz report {name} -o report.html" + (f" --compare {other.name}" if other is not None else "")
    said = (
        "<p>Intervals are of 95 %, by prompt, unless a caption says otherwise. To make this page again: "
        f"<code>{_text(line)}</code></p>"
    )
    return f'<section id="provenance"><h2>Where it comes from</h2>{said}{table}</section>'
