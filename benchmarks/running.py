"""One case after the other, each in a process of its own; what fails or takes too long says so."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

PATIENCE = 600.0
"""Seconds that a case may take; the peers' spectral start may not come to an end."""


class Skipped(Exception):  # noqa: N818  # nothing went wrong
    """A case has nothing to run on; its words say what is missing."""


@dataclass(frozen=True)
class Stage:
    """One step of a case: its seconds, and the largest memory of the process during it, NaN if that is not its own."""

    name: str
    seconds: float
    peak_mb: float


@dataclass(frozen=True)
class Outcome:
    """What came of a case.

    Attributes
    ----------
    seconds : float
        Median of its runs; infinite if it took longer than anyone waits, NaN if there is no time.
    peak_mb : float
        Largest memory of a run, in MB; NaN likewise.
    said : str
        Why there is no time; empty otherwise.
    table : str
        What a case without a time found, as Markdown.
    stages : tuple of Stage
        As far as the last run came.
    """

    seconds: float = math.nan
    peak_mb: float = math.nan
    said: str = ""
    table: str = ""
    stages: tuple[Stage, ...] = ()


def measure(name: str, folder: Path, *, repeats: int = 1, patience: float = PATIENCE) -> Outcome:
    """Run a case a few times."""
    runs = []
    for _ in range(repeats):
        code, lines = _run([sys.executable, "-m", "benchmarks", "case", name, str(folder)], folder, patience=patience)
        stages = tuple(Stage(**line["stage"]) for line in lines if "stage" in line)
        if code is None:
            return Outcome(seconds=math.inf, said=f"did not finish in {patience:.0f} s", stages=stages)
        last = lines[-1] if lines else {}
        if "skipped" in last:
            return Outcome(said=f"skipped: {last['skipped']}")
        if code != 0 or "seconds" not in last:
            ended = f"signal {-code}" if code < 0 else f"status {code}"
            return Outcome(said=f"failed with {ended}; its error is above", stages=stages)
        runs.append(last)
    seconds = sorted(run["seconds"] for run in runs)[repeats // 2]
    return Outcome(seconds, max(run["peak_mb"] for run in runs), table=runs[-1].get("table", ""), stages=stages)


def _run(command: list[str], folder: Path, *, patience: float) -> tuple[int | None, list[dict[str, Any]]]:
    """Exit status, None if it was stopped for taking too long, and the objects that it wrote."""
    environment = os.environ | {"BTVIZ_DATA_DIR": str(folder)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        written, code = process.communicate(timeout=patience)[0], process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # with all that it started
        written, code = process.communicate()[0], None
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return code, [json.loads(line) for line in written.splitlines() if line.startswith("{") and line.endswith("}")]


def run_case(case: Callable[[Path], float | str], folder: Path) -> None:
    """Run one case in this process and print what came of it, as JSON."""
    start = perf_counter()
    try:
        found = case(folder)
    except Skipped as reason:
        print(json.dumps({"skipped": str(reason)}), flush=True)
        return
    result = {"seconds": found} if not isinstance(found, str) else {"seconds": perf_counter() - start, "table": found}
    print(json.dumps(result | {"peak_mb": max(_peak_mb(), _PEAK_BEFORE[0])}), flush=True)


_PEAK_BEFORE = [0.0]
"""Largest memory up to the last stage."""


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Time one step of a case and take its memory, and print both at once: a later step may not end."""
    _reset_peak()
    start = perf_counter()
    yield
    seconds, peak = perf_counter() - start, _peak_mb()
    print(json.dumps({"stage": {"name": name, "seconds": seconds, "peak_mb": peak}}), flush=True)


def _reset_peak() -> None:
    _PEAK_BEFORE[0] = max(_PEAK_BEFORE[0], _peak_mb())
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return  # not Linux: the peak is then that of the process so far


def _peak_mb() -> float:
    """Largest memory since the last reset; `getrusage` would count that of the program which started this one."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024
