"""`btviz explore`: the one page of a data set, in JupyterLab on a document that is written for it."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from btviz.cli.lab import lab_arguments, lab_environment
from btviz.cli.report import say, tell
from btviz.store import data_dir, write_file

LOAD = """import btviz

ds = btviz.load({name!r})
"""

MAP = """
embeddings = btviz.embed(ds)
points = btviz.fit_data_map(embeddings)
topics = btviz.fit_topics(ds, points, embeddings=embeddings)
"""

SHOW = {False: "btviz.explore(ds)", True: "btviz.explore(ds, points=points, topics=topics)"}


def document_of(name: str, *, with_map: bool) -> dict[str, Any]:
    """The notebook of the page: what to do, and one cell."""
    source = LOAD.format(name=name) + (MAP if with_map else "") + "\n" + SHOW[with_map]
    asks = f"# {Path(name).name}\n\n**Run ▸ Run All Cells** shows the page; texts stay hidden until you reveal them."
    return {
        "cells": [
            {"cell_type": "markdown", "id": "how", "metadata": {}, "source": asks},
            {
                "cell_type": "code",
                "id": "page",
                "metadata": {},
                "execution_count": None,
                "outputs": [],
                "source": source,
            },
        ],
        "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def write_document(name: str, *, with_map: bool) -> Path:
    """Write the document of a data set into the data folder, and say where it is.

    One that is there is written anew: it is made by this command, and nothing of a reader's is in it.
    """
    plain = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in Path(name).stem)[:40]
    digest = hashlib.blake2b(name.encode(), digest_size=3).hexdigest()
    path = data_dir() / "pages" / f"{plain}-{digest}.ipynb"
    return write_file(path, json.dumps(document_of(name, with_map=with_map), indent=1, ensure_ascii=False).encode())


@click.command("explore")
@click.argument("name")
@click.option("--open", "opens", is_flag=True, help="Open a browser window; else the address is printed.")
@click.option("--map", "with_map", is_flag=True, help="Lay out the texts and find topics first: minutes at first.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on; a free one by default.")
@click.option("--write-only", is_flag=True, help="Write the document, print where it is, and start nothing.")
def explore_command(name: str, *, opens: bool, with_map: bool, port: int | None, write_only: bool) -> None:
    """Explore NAME on one page: choose, read, and keep what you chose.

    A document of one cell is written into the data folder, and JupyterLab started on it. Scores that are kept for NAME
    are on the page.
    """
    from btviz import load

    given = str(Path(name).resolve()) if Path(name).exists() else name
    load(given)  # whatever is wrong with NAME is said here, not in a notebook
    path = write_document(given, with_map=with_map)
    if write_only:
        tell(str(path))
        return
    say(f"Starting JupyterLab on {path.name}; in it, choose Run, Run All Cells.")
    command = [
        *lab_arguments(browser=opens, port=port, folder=path.parent),
        f"--LabApp.default_url=/doc/tree/{path.name}",
    ]
    sys.stdout.flush()
    os.execve(command[0], command, lab_environment())  # noqa: S606  # signals go straight to the server
