"""The `btviz` command: parse, call, report."""

from btviz.cli.app import app

__all__ = ["app"]
