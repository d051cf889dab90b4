"""A folder that LaTeX compiles: tables, and figures as wide as a column, or as the page where that is too narrow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from btviz.data.dataset import Dataset
from btviz.errors import choice
from btviz.reports.figures.printing import INCH, STYLES, Printing, latex_text
from btviz.reports.figures.write import write_printed
from btviz.reports.tables import write_tables
from btviz.store import write_file


def write_paper(
    ds: Dataset,
    out: Path | str,
    *,
    only: Sequence[str] | None = None,
    style: str = "default",
    scores: pl.DataFrame | None = None,
    progress: Callable[[str], Any] | None = None,
) -> Path:
    """Write figures with their captions and a document that holds them all, ready for LaTeX.

    Parameters
    ----------
    ds : Dataset
        What is drawn.
    out : path-like
        Folder: `main.tex`, `figures/` with each figure as PDF, its data, and its environment for LaTeX, and `tables/`;
        these only where every figure is asked for.
    only, scores, progress
        As for `btviz.figures.write_all`.
    style : {"default", "neurips", "icml", "acl"}
        Whose columns are meant.

    Returns
    -------
    Path
        ``main.tex``; ``pdflatex main.tex``, in that folder, makes the page.

    Raises
    ------
    UsageError
        If an option is unknown.
    StoreError
        If the files cannot be written.
    """
    folder, widths = Path(out) / "figures", STYLES[choice(style, STYLES, what="style")]
    printing = Printing(widths["column"], formats=("pdf",), has_title=False, wider=widths["text"])
    written = write_printed(ds, folder, printing=printing, only=only, scores=scores, progress=progress)
    keys = written.drop_nulls("file")["figure"].unique(maintain_order=True).to_list()
    made = write_tables(ds, Path(out) / "tables", only=None if only is None else [])
    tables = made.drop_nulls("file")["table"].unique(maintain_order=True).to_list()
    document = _document(ds, keys, tables=tables, style=style)
    return write_file(Path(out) / "main.tex", document.encode())


def _document(ds: Dataset, keys: Sequence[str], *, tables: Sequence[str], style: str) -> str:
    widths = STYLES[style]
    twice = widths["text"] >= 2 * widths["column"]
    text = f"{widths['text'] / INCH:.4f}in"
    gap = f"{(widths['text'] - 2 * widths['column']) / INCH:.4f}in"
    lines = [
        f"\\documentclass[10pt{',twocolumn' if twice else ''}]{{article}}",
        f"\\usepackage[letterpaper,textwidth={text},textheight=9in{f',columnsep={gap}' if twice else ''}]{{geometry}}",
        "\\usepackage[T1]{fontenc}",
        "\\usepackage[utf8]{inputenc}",
        "\\usepackage{booktabs}",
        "\\usepackage{graphicx}",
        "\\usepackage{textcomp}",
        "\\graphicspath{{figures/}}",
        f"\\title{{{latex_text(ds.population)}}}",
        "\\date{}",
        "\\begin{document}",
        "\\maketitle",
        *(f"\\input{{tables/{key}.tex}}" for key in tables),
        *(part for key in keys for part in (f"\\input{{figures/{key}.tex}}", "\\clearpage" if not twice else "")),
        "\\end{document}",
    ]
    return "\n".join(line for line in lines if line) + "\n"
