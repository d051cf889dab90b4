"""`btviz demo`."""

from __future__ import annotations

import click


@click.command("demo")
@click.argument("name", default="sample")
def demo_command(name: str) -> None:
    """Everything end to end on NAME, the embedded sample by default."""
