"""``python -m benchmarks.annotators [--draws N]``: how often intervals of annotators' errors hold what was planted.

Each cell draws data sets of three votes a pair, one to three pairs a prompt whose classes correlate by 0.3, and counts
how often `annotator_noise` would show an interval, and how often it holds prevalence, sensitivity and false-positive
rate, with the Monte-Carlo error.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from btviz.labels.noise import parameter_intervals, why_no_model
from btviz.stats.latent_class import three_votes, two_classes
from btviz.stats.resampling import cluster_sums

CELLS = (
    (150, (0.3, 0.85, 0.05)),
    (200, (0.3, 0.8, 0.1)),
    (400, (0.1, 0.7, 0.03)),
    (400, (0.5, 0.9, 0.13)),
    (700, (0.1, 0.4, 0.02)),
    (700, (0.02, 0.8, 0.01)),
    (2000, (0.01, 0.8, 0.002)),
    (2000, (0.01, 0.5, 0.005)),
    (2000, (0.02, 0.3, 0.01)),
    (700, (0.3, 0.9, 0.0)),
)


@dataclass(frozen=True)
class Coverage:
    """Draws that showed an interval, and the share of them that held each parameter."""

    draws: int
    shown: int
    covered: np.ndarray


def coverage(*, prompts: int, truth: tuple[float, float, float], draws: int, seed: int = 0) -> Coverage:
    """Draw data sets of one kind, and count."""
    rng = np.random.default_rng(seed)
    shown, held = 0, np.zeros(3)
    for draw in range(draws):
        cells = _cells(rng, prompts=prompts, truth=truth)
        fitted = two_classes(cells.sum(axis=0))
        if why_no_model(cells[:, 0]) is not None:
            continue
        low, high = parameter_intervals(fitted, cells, n_boot=300, random_state=draw)
        if np.isnan(low).any():
            continue
        shown += 1
        held += ((low <= truth) & (truth <= high))[0]
    return Coverage(draws, shown, held / max(shown, 1))


def _cells(rng: np.random.Generator, *, prompts: int, truth: tuple[float, float, float]) -> np.ndarray:
    prevalence, high, low = truth
    tends = rng.beta(prevalence / 0.3 * 0.7, (1 - prevalence) / 0.3 * 0.7, prompts)
    prompt = np.repeat(np.arange(prompts), rng.integers(1, 4, prompts))
    is_positive = rng.random(len(prompt)) < tends[prompt]
    votes = rng.binomial(3, np.where(is_positive, high, low))
    return cluster_sums(three_votes(3, votes), clusters=prompt)[:, None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=400)
    draws = parser.parse_args().draws
    print("prompts | prevalence, sensitivity, false positives | shown | coverage of each | error")
    for prompts, truth in CELLS:
        seen = coverage(prompts=prompts, truth=truth, draws=draws)
        error = np.sqrt(seen.covered * (1 - seen.covered) / max(seen.shown, 1)).max()
        covered = ", ".join(f"{share:.1%}" for share in seen.covered)
        print(f"{prompts} | {truth} | {seen.shown / seen.draws:.0%} | {covered} | ± {error:.1%}", flush=True)


if __name__ == "__main__":
    main()
