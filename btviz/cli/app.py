"""The command group: what exists, and how a failure is reported."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

import click

from btviz.cli.check import check_command
from btviz.cli.corrections import corrections_group
from btviz.cli.data import data_group
from btviz.cli.demo import demo_command
from btviz.cli.explore import explore_command
from btviz.cli.export import export_command
from btviz.cli.figures import figures_command, paper_command, tables_command
from btviz.cli.lab import NO_TELEMETRY, lab_command, notebooks_command
from btviz.cli.map import map_command
from btviz.cli.page import report_command
from btviz.cli.report import say
from btviz.cli.score import models_command, score_command
from btviz.cli.stats import stats_group
from btviz.errors import BtvizError

INTERRUPTED = 130
UNEXPECTED = 70


class App(click.Group):
    """Group whose commands fail with a message, never with a traceback that nobody asked for."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command on streams that take every letter; turn what it raises into a message and an exit code."""
        _prepare_streams()
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _warn  # type: ignore[assignment]  # it needs no more than the message
                return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except Exception as error:
            if ctx.params["debug"] or getattr(error, "errno", None) == errno.EPIPE:
                raise
            message, code = _explained(error)
            say(f"Error: {message}")
            ctx.exit(code)


def _prepare_streams() -> None:
    """Take a closed stream for one that nobody reads, and show letters that a terminal's encoding lacks as escapes."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, io.StringIO())
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


def _explained(error: Exception) -> tuple[str, int]:
    if isinstance(error, BtvizError):
        return str(error), error.exit_code
    if isinstance(error, OSError) and error.errno in _FULL:
        with contextlib.suppress(OSError, ValueError):  # what is left unwritten would fail once more at the end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return f"The output could not be written: {os.strerror(error.errno)}. Make room, or write elsewhere.", 5
    # An unforeseen message may quote the data, so only its kind and its place are shown.
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{type(error).__name__} in {Path(frame.filename).name}, line {frame.lineno}"
    return f"Something unforeseen: {place}. For the traceback, run btviz --debug; it may quote data.", UNEXPECTED


def _warn(message: Warning | str, *_: object) -> None:
    say(f"Warning: {message}")


@click.group("btviz", cls=App, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="btviz", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def app(*, debug: bool) -> None:  # noqa: ARG001  # read by App.invoke
    """See what is in the BeaverTails family of safety-alignment data.

    NAME is `sample` (made on the spot, benign), a data set of `btviz data list`, a file or folder, or OWNER/NAME of
    a data set in the hub's cache. A name that is known wins over a folder that is called so: write ./NAME for that.

    Exit codes: 0 done, 1 a number differs (check --strict), 2 wrong request, 3 data not here,
    4 bad data, 5 store or disk, 6 download, 70 a fault of ours, 130 interrupted.
    """
    os.environ.update(NO_TELEMETRY)


app.add_command(demo_command)
app.add_command(data_group)
app.add_command(stats_group)
app.add_command(score_command)
app.add_command(models_command)
app.add_command(check_command)
app.add_command(map_command)
app.add_command(figures_command)
app.add_command(tables_command)
app.add_command(paper_command)
app.add_command(corrections_group)
app.add_command(report_command)
app.add_command(export_command)
app.add_command(explore_command)
app.add_command(lab_command)
app.add_command(notebooks_command)
