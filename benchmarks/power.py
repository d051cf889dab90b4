"""``python -m benchmarks.power [--draws N]``: how often tests find what they are said to find with 80 % power.

Each line draws data sets with exactly the smallest effect that `btviz.stats.power` calls detectable, and prints how
often the test rejects, with the Monte-Carlo standard error; the last lines how often `btviz.split_shift` rejects,
without a shift and with one.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Iterator

import numpy as np
import polars as pl

from btviz import load
from btviz.labels import split_shift
from btviz.stats.clustered import share_interval
from btviz.stats.permutation import permute_clusters
from btviz.stats.power import smallest_phi, smallest_share_effect
from btviz.taxonomy import BEAVERTAILS

CLUSTERS = ((1, 0.0), (6, 0.3), (12, 0.6))
"""Items of a prompt, and their correlation."""

MARGINS = ((0.3, 0.2), (0.1, 0.08), (0.05, 0.04), (0.03, 0.02), (0.01, 0.01))
SHUFFLES = 399
BIAS, HATE = "discrimination,stereotype,injustice", "hate_speech,offensive_language"


def shares(rng: np.random.Generator, draws: int) -> Iterator[str]:
    """Intervals of p that exclude one half."""
    for prompts, (size, alike) in itertools.product((40, 100, 400), CLUSTERS):
        worth = prompts * size / (1 + (size - 1) * alike)
        effect = float(smallest_share_effect(worth, freedom=prompts - 1))
        p, shape = (1 + effect) / 2, (prompts, draws)
        spread = (1 - alike) / alike if alike else math.inf
        of_prompt = rng.beta(p * spread, (1 - p) * spread, size=shape) if alike else np.full(shape, p)
        hits = rng.binomial(size, of_prompt).astype(np.float64)
        held = share_interval(hits, np.full(shape, float(size)))
        found = float(np.mean((held.low > 0.5) | (held.high < 0.5)))
        yield _line(f"p, {prompts} prompts of {size}, alike by {alike}, |2p - 1| = {effect:.3f}", found, draws=draws)


def phis(rng: np.random.Generator, draws: int) -> Iterator[str]:
    """Permutation tests of two labels; items copy their prompt's labels with a probability of the root of `alike`."""
    for (prompts, size, alike), (row, col) in itertools.product(((2500, 1, 0.0), (800, 3, 0.4)), MARGINS):
        n = prompts * size
        worth = (n / (1 + (size - 1) * alike**2), n / (1 + (size - 1) * alike))
        phi = float(smallest_phi(row, col, worth=worth, freedom=prompts - 1))
        joint = row * col + phi * math.sqrt(row * (1 - row) * col * (1 - col))
        cells = [joint, row - joint, col - joint, 1 - row - col + joint]
        ids, found = np.repeat(np.arange(prompts), size), 0
        for _ in range(draws):
            own, new = rng.choice(4, prompts, p=cells), rng.choice(4, n, p=cells)
            kind = np.where(rng.random(n) < math.sqrt(alike), own[ids], new)
            flags = np.column_stack([kind <= 1, kind % 2 == 0])
            test = permute_clusters(flags, clusters=ids, n_permutations=SHUFFLES, random_state=int(rng.integers(2**31)))
            found += int(test.p_value[0, 1] <= 0.05)
        said = f"phi, {prompts} prompts of {size}, alike by {alike}, margins {row} and {col}, phi = {phi:.3f}"
        yield _line(said, found / draws, draws=draws)


def shifts(rng: np.random.Generator, draws: int) -> Iterator[str]:
    """Splits that share all prompts, or none; a label that is as frequent in both, or more frequent by .35."""
    for shared, shift in itertools.product((True, False), (0.0, 0.35)):
        found = sum(_is_shifted(rng, shared=shared, shift=shift) for _ in range(draws))
        said = f"split_shift, prompts {'in both splits' if shared else 'in one split each'}, shift {shift}"
        yield _line(said, found / draws, draws=draws)


def _is_shifted(rng: np.random.Generator, *, shared: bool, shift: float) -> bool:
    rows = []
    for prompt in range(60):
        lean = rng.random() * 0.6
        for answer in range(4):
            is_test = answer % 2 if shared else prompt % 2
            named = {BIAS: rng.random() < lean + shift * is_test, HATE: rng.random() < 0.4}
            texts = (f"what is {prompt}", f"answer {answer}", "test" if is_test else "train")
            rows.append((*texts, not any(named.values()), dict.fromkeys(BEAVERTAILS.keys, False) | named))
    ds = load(pl.DataFrame(rows, schema=["prompt", "response", "split", "is_safe", "category"], orient="row"))
    found = split_shift(ds, n_permutations=99, random_state=int(rng.integers(2**31)))
    return bool(found["p_value"][0] <= 0.05)


def _line(said: str, found: float, *, draws: int) -> str:
    error = math.sqrt(max(found * (1 - found), 1 / draws) / draws)
    return f"{said}: {100 * found:.1f} % (± {100 * error:.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.power", description="Power at the smallest effects.")
    parser.add_argument("--draws", type=int, default=2000, help="of shares; a tenth of them of the other lines")
    asked = parser.parse_args()
    rng = np.random.default_rng(0)
    few = max(asked.draws // 10, 1)
    for line in itertools.chain(shares(rng, asked.draws), phis(rng, few), shifts(rng, few)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
