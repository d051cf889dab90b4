"""``python -m benchmarks [FOLDER] [--only NAMES]``: cases in processes of their own, then the tables."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from benchmarks.cases import CASES, NEED_FILES, ONCE, prepare
from benchmarks.running import measure, run_case
from benchmarks.table import tables

REPEATS = 3


def chosen(only: str) -> list[str]:
    """Cases whose name begins with one of a list of prefixes, divided by commas; all of them without."""
    prefixes = [part.strip() for part in only.split(",") if part.strip()]
    unknown = [prefix for prefix in prefixes if not any(name.startswith(prefix) for name in CASES)]
    if unknown:
        raise SystemExit(f"No case begins with {', '.join(unknown)}. There are: {', '.join(CASES)}.")
    return [name for name in CASES if not prefixes or name.startswith(tuple(prefixes))]


def report(folder: Path, *, only: str = "") -> str:
    """Run cases and return the tables as Markdown."""
    names = chosen(only)
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["BTVIZ_DATA_DIR"] = str(folder)
    if any(name.startswith(NEED_FILES) for name in names):
        prepare(folder)
    seen = {}
    for name in names:
        print(f"{name} ...", end=" ", file=sys.stderr, flush=True)
        seen[name] = measure(name, folder, repeats=1 if name in ONCE else REPEATS)
        print(seen[name].said or f"{seen[name].seconds:.3f} s", file=sys.stderr, flush=True)
    return tables(seen, folder)


def main() -> None:
    if sys.argv[1:2] == ["case"]:
        run_case(CASES[sys.argv[2]], Path(sys.argv[3]))
        return
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Time and memory, against peers.")
    parser.add_argument("folder", nargs="?", default="data/bench", help="where data are made and kept")
    parser.add_argument("--only", default="", help="beginnings of case names, divided by commas")
    asked = parser.parse_args()
    print(report(Path(asked.folder).absolute(), only=asked.only))


if __name__ == "__main__":
    main()
