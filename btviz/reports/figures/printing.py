"""How figures are printed: widths of venues, text sizes, names, and what goes with a figure: data, caption, LaTeX."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from btviz.data.reading.apostrophes import guarded
from btviz.errors import UsageError, choice
from btviz.plots.style.rendering import FORMATS, rendered, rendered_to_width
from btviz.plots.style.theme import TEXT_SIZE, WIDTHS
from btviz.store import table_bytes_as
from btviz.taxonomy import STEERING

if TYPE_CHECKING:
    import altair as alt

    from btviz.reports.figures.registry import Figure, Tables

INCH = 72.0

STYLES: dict[str, dict[str, float]] = {
    "default": {"column": WIDTHS["single"], "text": WIDTHS["double"]},
    "neurips": {"column": 5.5 * INCH, "text": 5.5 * INCH},
    "icml": {"column": 3.25 * INCH, "text": 6.75 * INCH},
    "acl": {"column": 7.7 / 2.54 * INCH, "text": 16.0 / 2.54 * INCH},
}
"""Widths in points of one column and of the whole text, as the templates of conferences set them."""

SLIDE = 10 * INCH
"""Width of a figure on a slide of 13.33 by 7.5 inches."""

SLIDE_SIZE = 16.0

UNITS = {"in": INCH, "cm": INCH / 2.54, "mm": INCH / 25.4, "pt": 1.0}

NARROWEST, WIDEST = 100.0, 2000.0

READABLE = 7.0
"""Size in points of text below which a figure takes the wider width, if there is one."""

SIZES = (4.0, 48.0)
"""Text sizes that can be asked for, in points."""


@dataclass(frozen=True)
class Printing:
    """What is asked of every figure.

    Attributes
    ----------
    width : float or None
        In points; None: as wide as each figure comes out.
    size : float
        Of labels, in points.
    formats : tuple of str
        Of `FORMATS`.
    has_title : bool
        Whether the picture says its title and what was counted; its caption does so in any case.
    form : str or None
        Another form of figures that have several.
    scope : str or None
        Rows that figures of categories are of: "all" or "unsafe".
    names : Mapping
        What models and policies are called instead.
    wider : float or None
        Width of figures whose text would be smaller than `READABLE` otherwise.
    """

    width: float | None = None
    size: float = TEXT_SIZE
    formats: tuple[str, ...] = FORMATS
    has_title: bool = True
    form: str | None = None
    scope: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    wider: float | None = None

    @classmethod
    def of(  # one for each option
        cls,
        *,
        width: str | float | None,
        style: str,
        font_size: float | None,
        formats: Sequence[str],
        title: bool,
        form: str | None,
        scope: str | None,
        rename: Mapping[str, str] | None,
    ) -> Printing:
        """What a user asks for, checked."""
        for name in formats:
            choice(name, FORMATS, what="figure format")
        if scope is not None:
            choice(scope, ("all", "unsafe"), what="scope")
        size = font_size if font_size is not None else SLIDE_SIZE if width == "slide" else TEXT_SIZE
        if not SIZES[0] <= size <= SIZES[1]:
            raise UsageError(
                f"Text of {size:g} points was asked for; {SIZES[0]:g} to {SIZES[1]:g} can be drawn. Use 8, say."
            )
        points = None if width is None else width_in_points(width, style=style)
        if points is None and size != TEXT_SIZE:
            points = STYLES[choice(style, STYLES, what="style")]["text"]  # a text size is of a width
        return cls(points, size, tuple(dict.fromkeys(formats)), title, form, scope, dict(rename or {}))

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Printing:
        """What `document` gave, checked like what a user asks for."""
        return cls.of(
            width=document["width_points"],
            style="default",
            font_size=document["text_points"] if document["width_points"] is not None else None,
            formats=document["formats"],
            title=document["title"],
            form=document["form"],
            scope=document["scope"],
            rename=document["names"],
        )._with_wider(document["wider_points"])

    def _with_wider(self, width: float | None) -> Printing:
        return self if width is None else replace(self, wider=width_in_points(width))

    def document(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {
            "width_points": self.width,
            "text_points": self.size,
            "formats": list(self.formats),
            "title": self.has_title,
            "form": self.form,
            "scope": self.scope,
            "names": dict(self.names),
            "wider_points": self.wider,
        }


def width_in_points(width: str | float, *, style: str = "default") -> float:
    """Width in points: of "column", "text" or "slide", of a length such as "5.5in" or "14cm", or as a number."""
    widths = STYLES[choice(style, STYLES, what="style")] | {"slide": SLIDE} | WIDTHS
    if isinstance(width, str) and width in widths:
        return widths[width]
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(in|cm|mm|pt)?\s*", str(width))
    points = float(match[1]) * UNITS[match[2] or "pt"] if match else 0.0
    if not NARROWEST <= points <= WIDEST:
        raise UsageError(
            f"A width of {width!r} was asked for; it is {', '.join(('column', 'text', 'slide'))}, or a length between "
            f"{NARROWEST / INCH:.1f} and {WIDEST / INCH:.0f} inches. Use --width column, or --width 5.5in."
        )
    return points


@dataclass(frozen=True)
class Printed:
    """One figure as it is written: files by their endings, and its words."""

    files: dict[str, bytes]
    caption: str
    description: str
    text_points: float


def printed(figure: Figure[Any], tables: Tables, *, printing: Printing, draw: Any) -> Printed:
    """Draw a figure of its tables, `draw` being a function of options of its plot, and add what goes with it."""
    drawing: dict[str, Any] = {**figure.drawing, **figure.form(printing.form)}

    def chart_of(width: float | None) -> alt.TopLevelMixin:
        return draw(*tables, **drawing, **({} if width is None else {"width": width}))  # type: ignore[no-any-return]

    def shown(chart: alt.TopLevelMixin) -> alt.TopLevelMixin:
        return chart if printing.has_title else without_title(chart)

    def drawn(width: float) -> tuple[dict[str, bytes], float]:
        pictures, _, points = rendered_to_width(
            lambda room: shown(chart_of(room)), width=width, size=printing.size, formats=printing.formats
        )
        return pictures, points

    chart, width = chart_of(None), printing.width
    if width is None:
        pictures, points = rendered(shown(chart), formats=printing.formats), TEXT_SIZE
    else:
        pictures, points = drawn(width)
        if points < READABLE and printing.wider is not None:
            width = printing.wider
            pictures, points = drawn(width)
    caption = caption_of(chart, figure.title)
    files = {f".{name}": picture for name, picture in pictures.items()}
    files |= data_of(tables)
    files[".tex"] = latex_of(figure.key, caption=caption, width=width).encode()
    return Printed(files, caption, str(getattr(chart, "description", "")), points)


def without_title(chart: alt.TopLevelMixin) -> alt.TopLevelMixin:
    """A copy that does not say what its caption says; titles of its panels stay."""
    import altair as alt

    bare = copy.copy(chart)
    bare.title = alt.Undefined  # type: ignore[attr-defined]  # charts of every kind have one
    return bare


def caption_of(chart: Any, title: str) -> str:
    """Caption of a chart: its title, and the lines below it."""
    heading = getattr(chart, "title", None)
    lines = getattr(heading, "subtitle", None)
    said = [line for line in lines if isinstance(line, str)] if isinstance(lines, list) else []
    return " ".join(f"{part.rstrip('.')}." for part in (title, " · ".join(said)) if part)


def data_of(tables: Sequence[Any]) -> dict[str, bytes]:
    """The tables that a figure shows, as CSV and Parquet, by the endings of their names."""
    frames = [table for table in tables if isinstance(table, pl.DataFrame)]
    ends = [""] if len(frames) == 1 else [f"_{place}" for place in range(1, len(frames) + 1)]
    files = {}
    for end, frame in zip(ends, frames, strict=True):
        plain = frame.with_columns(pl.col(pl.Float64).round_sig_figs(10))  # the last bits differ from run to run
        files[f"{end}.csv"] = csv_of(plain).encode()
        files[f"{end}.parquet"] = table_bytes_as(plain, "parquet")
    return files


def csv_of(table: pl.DataFrame) -> str:
    """A table as CSV that no spreadsheet runs: lists joined by blanks, names that steer a reader without that."""
    nested = [
        pl.col(name).list.eval(pl.element().cast(pl.String)).list.join(" ")
        for name, dtype in table.schema.items()
        if isinstance(dtype, pl.List)
    ]
    flat = table.with_columns(nested).with_columns(pl.col(pl.String).str.replace_all(STEERING, "\ufffd"))
    return guarded(flat).write_csv()


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "·": r"\textperiodcentered{}",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "≥": r"$\ge$",
    "≤": r"$\le$",
    "≈": r"$\approx$",
    "½": r"$\tfrac{1}{2}$",
    "²": r"$^2$",
    "α": r"$\alpha$",  # noqa: RUF001 - the letter of the coefficient
    "κ": r"$\kappa$",
    "φ": r"$\varphi$",
    "ϕ": r"$\varphi$",
    "λ": r"$\lambda$",
    "χ": r"$\chi$",
    "→": r"$\to$",
    "–": "--",
    "—": "---",
    "…": r"\ldots{}",
    "’": "'",
}


def latex_text(text: str) -> str:
    """A text as LaTeX sets it: its special signs written out; letters that its fonts lack become question marks."""
    return "".join(
        _LATEX.get(letter, letter if ord(letter) < 0x180 and letter.isprintable() else "?") for letter in text
    )


def latex_of(key: str, *, caption: str, width: float | None) -> str:
    """A figure environment for LaTeX."""
    across = r"\linewidth" if width is None else f"{width / INCH:.4g}in"
    size = rf"width={across},height=0.82\textheight,keepaspectratio"  # stacked panels may be taller than a page
    wide = width is not None and width > 4 * INCH
    name = "figure*" if wide else "figure"
    return (
        f"\\begin{{{name}}}[t]\n  \\centering\n  \\includegraphics[{size}]{{{key}.pdf}}\n"
        f"  \\caption{{{latex_text(caption)}}}\n  \\label{{fig:{key}}}\n\\end{{{name}}}\n"
    )
