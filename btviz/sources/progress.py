"""Show how far a download is: a bar where somebody looks at it, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened while a release was fetched.

    Attributes
    ----------
    file : str
        Path inside the hub repository; empty for a remark on the whole release.
    done : int
        Bytes that are here.
    total : int or None
        Bytes of the whole file, if announced.
    remark : str
        Something a person should read; empty for a mere step of the bar.
    """

    file: str
    done: int = 0
    total: int | None = None
    remark: str = ""


Report = Callable[[Step], None]


@contextmanager
def shown() -> Iterator[Report]:
    """Report to standard error: bars on a terminal, otherwise one line per remark and per file."""
    from rich import console as consoles  # noqa: PLC0415 - `btviz.load` needs the registry, not bars
    from rich import progress  # noqa: PLC0415

    console = consoles.Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
    if not sys.stderr.isatty():
        yield _lines(console)
        return
    columns = (
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=console) as bars:
        yield _bars(bars)


def _lines(console: Console) -> Report:
    started: set[str] = set()

    def report(step: Step) -> None:
        if step.remark:
            console.print(f"{step.file}: {step.remark}" if step.file else step.remark)
        elif step.file not in started:
            started.add(step.file)
            size = "size unknown" if step.total is None else f"{step.total:,} bytes"
            console.print(f"{step.file}: downloading, {size}, {step.done:,} already here")

    return report


def _bars(bars: Progress) -> Report:
    tasks: dict[str, TaskID] = {}

    def report(step: Step) -> None:
        if step.remark:
            bars.console.print(f"{step.file}: {step.remark}" if step.file else step.remark)
            return
        if step.file not in tasks:
            tasks[step.file] = bars.add_task(step.file, total=step.total)
        bars.update(tasks[step.file], completed=step.done, total=step.total)

    return report
