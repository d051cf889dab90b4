"""`python -m btviz` is the `btviz` command."""

from btviz.cli import app

app(prog_name="btviz")
