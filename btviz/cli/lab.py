"""`btviz lab`."""

from __future__ import annotations

import click

from btviz.lab import open_lab


@click.command("lab")
@click.option("--no-browser", is_flag=True, help="Print the address only; open no window.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on; a free one by default.")
def lab_command(*, no_browser: bool, port: int | None) -> None:
    """Open JupyterLab on the notebooks, without its news feed."""
    open_lab(browser=not no_browser, port=port)
