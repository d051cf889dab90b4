"""`btviz data`: what was released, what is here, and what is in it."""

from __future__ import annotations

from pathlib import Path

import click

from btviz.cli.report import json_option, print_json


@click.group("data")
def data_group() -> None:
    """List, fetch, adopt and describe data sets."""
