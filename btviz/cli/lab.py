"""`btviz lab`: JupyterLab on the notebooks, with nothing in it that calls out."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import NoReturn

import click

from btviz.cli.report import plain, tell
from btviz.errors import NotFoundError, UsageError, require
from btviz.store import notebooks_dir, released_notebooks, write_file

# Read by packages that report usage unless told otherwise: several tools, the hub client, Ray.
NO_TELEMETRY = {
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def lab_environment(environ: Mapping[str, str] | None = None, /) -> dict[str, str]:
    """Environment in which JupyterLab and its kernels keep to this machine."""
    environment = {**(os.environ if environ is None else environ), **NO_TELEMETRY}
    ours = str(files("btviz") / "resources" / "jupyter")
    others = environment.get("JUPYTER_CONFIG_PATH")
    environment["JUPYTER_CONFIG_PATH"] = f"{ours}{os.pathsep}{others}" if others else ours
    return environment


def lab_arguments(*, browser: bool = True, port: int | None = None, folder: Path | None = None) -> list[str]:
    """Command that opens JupyterLab on a folder, by default that of the notebooks."""
    folder = notebooks_dir() if folder is None else folder
    if folder is None:
        raise NotFoundError(
            "The notebooks were asked for; only the package is installed here, and they are to be worked in. Copy them "
            "first: btviz notebooks DIR, then jupyter lab DIR."
        )
    require("jupyterlab", extra="lab")
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}"]
    # In a container root is the usual user; the server listens on this machine only, with a token.
    command += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    command += [] if browser else ["--no-browser"]
    command += [] if port is None else [f"--port={port}"]
    return command


def open_lab(*, browser: bool = True, port: int | None = None) -> NoReturn:
    """Become JupyterLab on the notebooks: this call does not return."""
    command = lab_arguments(browser=browser, port=port)
    sys.stdout.flush()
    os.execve(command[0], command, lab_environment())  # noqa: S606  # signals go straight to the server


@click.command("lab")
@click.option("--no-browser", is_flag=True, help="Print the address only; open no window.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on; a free one by default.")
def lab_command(*, no_browser: bool, port: int | None) -> None:
    """Open JupyterLab on the notebooks, without its news feed."""
    open_lab(browser=not no_browser, port=port)


@click.command("notebooks")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--overwrite", is_flag=True, help="Replace notebooks of the same names that are there.")
def notebooks_command(folder: Path, *, overwrite: bool) -> None:
    """Copy the notebooks into FOLDER, to be run and changed there."""
    came = released_notebooks()
    if not came:
        raise NotFoundError(
            "The notebooks were asked for; this installation has none. Install btviz again from its wheel, or get a "
            "copy of its repository."
        )
    there = [path.name for path in came if (folder / path.name).exists()]
    if there and not overwrite:
        raise UsageError(
            f"{len(came)} notebooks were to be copied into {plain(str(folder))}; {len(there)} are there, such as "
            f"{there[0]}, perhaps with work in them. Name another folder, or say --overwrite."
        )
    for path in came:
        write_file(folder / path.name, path.read_bytes())
    tell(f"{len(came)} notebooks are in {plain(str(folder))}. Begin: jupyter lab {shlex.quote(str(folder))}")
