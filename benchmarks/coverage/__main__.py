"""``python -m benchmarks.coverage [--draws N] [--prompts 20,50] [--only areas]``: how often intervals hold the truth.

Each cell draws data sets of one kind, and counts. Columns: effective prompts, how often an interval is shown, how often
what is shown holds the truth and its Monte-Carlo standard error, how often that is so over all draws (an interval that
is not shown holds nothing), and how often it was the bounded one. LOW marks coverage more than two errors below 93 %,
HIGH more than two above 97 % where ``effective prompts * p * (1 - p)`` is 10 or more.
"""

from __future__ import annotations

import argparse

from benchmarks.coverage import grids, judged, pooled
from benchmarks.coverage.cells import COLUMNS, quantiles_by_scipy

GRIDS = {
    "shares": grids.shares,
    "phis": grids.phis,
    "lifts": grids.lifts,
    "ratios": grids.ratios,
    "areas": grids.areas,
    "agreement": pooled.agreement,
    "measures": pooled.measures,
    "curves": pooled.curves,
    "topics": pooled.topics,
    "flips": pooled.flips,
    "corrections": pooled.corrections,
    "judgements": judged.judgements,
}
"""Grids by name. The last seven draw data sets one by one: ask for fewer draws."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage", description="Coverage of intervals.")
    parser.add_argument("--draws", type=int, default=4000)
    parser.add_argument("--prompts", default="20,50,100,300,1000,2000,5000", help="numbers, divided by commas")
    parser.add_argument("--only", choices=tuple(GRIDS), help="one of the grids")
    asked = parser.parse_args()
    quantiles_by_scipy()
    print(" | ".join(COLUMNS))
    print(" | ".join(["---"] * len(COLUMNS)))
    for prompts in (int(part) for part in asked.prompts.split(",")):
        for name, grid in GRIDS.items():
            if asked.only in {None, name}:
                for line in grid(prompts, draws=asked.draws):
                    print(line, flush=True)


if __name__ == "__main__":
    main()
