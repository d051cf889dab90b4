"""How many pairs of a known graph are found, and how many others: ``python -m benchmarks.structure [draws]``."""

from __future__ import annotations

import sys
from itertools import combinations

import numpy as np
import scipy.optimize  # noqa: F401 - loaded before `one_core_each`, which reaches what is loaded by then

from btviz.machine.threads import one_core_each
from btviz.stats import ising

LABELS, PROMPTS = 10, 1200
EDGES = {(0, 1): 1.5, (1, 2): 1.5, (3, 4): 2.5, (5, 6): -1.5, (0, 7): -2.0, (8, 9): 0.8}
"""Log odds ratios of the pairs that are associated; all other pairs are independent given the rest."""

ALONE = np.linspace(-3.6, -1.2, LABELS)


def draw(rng: np.random.Generator, *, kept_for_any: bool) -> ising.LabelSets:
    """Two answers to each prompt; in a third of the prompts both have the same labels."""
    bits = np.arange(2**LABELS)[:, None] >> np.arange(LABELS) & 1
    log_share = bits @ ALONE + sum(value * bits[:, i] * bits[:, j] for (i, j), value in EDGES.items())
    share = np.exp(log_share - log_share.max())
    if kept_for_any:
        share[0] = 0
    first, second = rng.choice(len(bits), size=(2, PROMPTS), p=share / share.sum())
    second = np.where(rng.random(PROMPTS) < 1 / 3, first, second)
    flags = bits[np.r_[first, second]].astype(bool)
    return ising.label_sets(flags, clusters=np.tile(np.arange(PROMPTS), 2), kept_for_any=kept_for_any)


def main(draws: int) -> None:
    """Print the mean number of false pairs with its Monte-Carlo error, the bound, and how many edges were found."""
    pairs = list(combinations(range(LABELS), 2))
    real = np.array([pair in EDGES for pair in pairs])
    row, col = np.array(pairs).T
    truth = np.array([EDGES.get(pair, 0.0) for pair in pairs])
    for kept in (False, True):
        rng, false, found, bounds, covered = np.random.default_rng(0), [], [], [], []
        for seed in range(draws):
            sets = draw(rng, kept_for_any=kept)
            with one_core_each():
                result = ising.stability(sets, n_selected=len(pairs) / 3, most_false=1.0, random_state=seed)
                stable = result.share >= result.threshold
                fit = ising.refit(sets, (row[real], col[real]))
            false.append((stable & ~real).sum())
            found.append((stable & real).sum())
            bounds.append(result.expected_false)
            covered.extend(np.abs(fit.log_odds_ratio - truth[real]) <= 1.96 * fit.error)
        error = np.std(false, ddof=1) / np.sqrt(draws)
        of_cover = np.sqrt(np.mean(covered) * (1 - np.mean(covered)) / len(covered))
        print(f"{'items with a label' if kept else 'all items'}, {draws} draws")
        print(f"  {np.mean(false):.2f} ± {error:.2f} false pairs, bound {np.mean(bounds):.2f}")
        print(f"  {np.mean(found):.1f} of {real.sum()} found")
        print(f"  intervals of the true pairs cover {100 * np.mean(covered):.1f} ± {100 * of_cover:.1f} %")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
