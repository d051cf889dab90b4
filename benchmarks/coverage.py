"""``python -m benchmarks.coverage [--draws N] [--prompts 20,50]``: how often intervals hold the truth, cell by cell.

Each cell draws data sets of one kind, and counts. Columns: effective prompts, how often an interval is shown, how often
what is shown holds the truth and its Monte-Carlo standard error, how often that is so over all draws (an interval that
is not shown holds nothing), and how often it was the bounded one. LOW marks coverage more than two errors below 93 %,
HIGH more than two above 97 % where ``effective prompts * p * (1 - p)`` is 10 or more.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from btviz.stats.clustered import ClusterInterval, phi_interval, share_interval

SHARES = (0.02, 0.05, 0.1, 0.3, 0.5, 0.8, 0.95, 0.98)
MARGINS = ((0.01, 0.05), (0.05, 0.05), (0.05, 0.3), (0.1, 0.1), (0.2, 0.4), (0.5, 0.8))
SIZES = ("single", "equal", "uneven", "one has 30 %", "five have 60 %")
CELLS = 2_000_000


@dataclass
class Seen:
    """What the draws of one cell showed."""

    draws: int = 0
    shown: int = 0
    held: int = 0
    bounded: int = 0
    effective: float = 0.0

    def add(self, found: ClusterInterval, truth: float) -> None:
        shown = np.isfinite(found.low)
        self.draws += len(shown)
        self.shown += int(shown.sum())
        self.held += int(((found.low <= truth) & (truth <= found.high))[shown].sum())
        self.bounded += int(found.is_bounded[shown].sum())
        self.effective += float(found.effective.sum())

    def line(self, name: str, *, p: float) -> str:
        effective = self.effective / self.draws
        if not self.shown:
            return f"{name} | {effective:.0f} | 0 % | – | – | –"
        cover = self.held / self.shown
        error = math.sqrt(cover * (1 - cover) / self.shown)
        flag = " LOW" if cover < 0.93 - 2 * math.sqrt(0.93 * 0.07 / self.shown) else ""
        if effective * p * (1 - p) >= 10 and cover > 0.97 + 2 * math.sqrt(0.97 * 0.03 / self.shown):
            flag = " HIGH"
        return (
            f"{name} | {effective:.0f} | {self.shown / self.draws:.1%} | {cover:.1%} ± {error:.1%} | "
            f"{self.held / self.draws:.1%} | {self.bounded / self.shown:.0%}{flag}"
        )


def sizes(rng: np.random.Generator, kind: str, *, prompts: int, draws: int) -> np.ndarray:
    """Items of each prompt, shape (prompts, draws)."""
    if kind == "uneven":
        return np.ceil(rng.lognormal(1, 1, (prompts, draws))).astype(int)
    n = np.full((prompts, draws), {"single": 1, "equal": 5}.get(kind, 4))
    if kind == "one has 30 %":
        n[0] = round(0.3 / 0.7 * 4 * (prompts - 1))
    if kind == "five have 60 %":
        n[:5] = round(0.6 / 0.4 * 4 * (prompts - 5) / 5)
    return n


def blocks(prompts: int, draws: int) -> Iterator[int]:
    """Draws at a time, so that a block fits memory."""
    most = max(1, CELLS // prompts)
    for first in range(0, draws, most):
        yield min(most, draws - first)


def shares(prompts: int, *, draws: int) -> Iterator[str]:
    """Shares of items whose prompts have inclinations of a beta distribution."""
    for kind, correlation, p in itertools.product(SIZES, (0.0, 0.3, 0.8), SHARES):
        if kind == "single" and correlation:
            continue
        seed = [prompts, SIZES.index(kind), round(1000 * correlation), round(1000 * p)]
        rng, seen = np.random.default_rng(seed), Seen()
        for some in blocks(prompts, draws):
            n = sizes(rng, kind, prompts=prompts, draws=some)
            k = (1 - correlation) / correlation if correlation else math.inf
            inclined = rng.beta(p * k, (1 - p) * k, n.shape) if correlation else np.full(n.shape, p)
            seen.add(share_interval(rng.binomial(n, inclined), n), p)
        yield seen.line(f"share {p:g}, {prompts} prompts, {kind}, correlation {correlation:g}", p=p)


def phis(prompts: int, *, draws: int) -> Iterator[str]:
    """Phi of labels that a prompt invites: one, the other, both or none; four of five items follow."""
    for kind, (first, second), together in itertools.product(SIZES[:3], MARGINS, ("never", "by chance", "often")):
        follow = 1.0 if kind == "single" else 0.8
        x, y = first / follow, second / follow
        apart = max(x + y - 1, 0.0)
        if y > 1 or (together == "never" and apart):
            continue
        both = {"never": 0.0, "by chance": x * y, "often": x * y + (min(x, y) - x * y) / 2}[together]
        margins, joint = (x * follow, y * follow), both * follow**2
        spread = math.sqrt(np.prod([m * (1 - m) for m in margins]))
        truth = (joint - margins[0] * margins[1]) / spread
        rng, seen = np.random.default_rng([prompts, *(round(1000 * m) for m in (first, second)), len(together)]), Seen()
        for some in blocks(prompts, draws):
            n = sizes(rng, kind, prompts=prompts, draws=some)
            invited = rng.choice(4, n.shape, p=[1 - x - y + both, x - both, y - both, both])
            met = rng.binomial(n, follow**2)
            only = rng.binomial(n - met, (follow - follow**2) / (1 - follow**2) if follow < 1 else 0.0)
            rest = rng.binomial(n - met - only, (follow - follow**2) / (1 - follow) if follow < 1 else 0.0)
            alone = rng.binomial(n, follow)
            of = np.where(invited == 3, met, 0)
            row = np.where(invited == 3, met + only, np.where(invited == 1, alone, 0))
            col = np.where(invited == 3, met + rest, np.where(invited == 2, alone, 0))
            seen.add(phi_interval(row, col, both=of, n=n), truth)
        yield seen.line(f"phi {truth:.3f}, margins {first:g} and {second:g}, {prompts} prompts, {kind}", p=0.0)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage", description="Coverage of intervals.")
    parser.add_argument("--draws", type=int, default=4000)
    parser.add_argument("--prompts", default="20,50,100,300,1000,5000", help="numbers of prompts, divided by commas")
    parser.add_argument("--only", choices=("shares", "phis"), help="one of the two grids")
    asked = parser.parse_args()
    print("cell | effective prompts | shown | covers, if shown | covers, of all | bounded")
    print(" | ".join(["---"] * 6))
    for prompts in (int(part) for part in asked.prompts.split(",")):
        for name, grid in {"shares": shares, "phis": phis}.items():
            if asked.only in {None, name}:
                for line in grid(prompts, draws=asked.draws):
                    print(line, flush=True)


if __name__ == "__main__":
    main()
