"""How many pairs of a known graph are found, and how many others: ``python -m benchmarks.structure [draws]``.

Then how often intervals of few prompts hold the truth: of all pairs of 8 labels, with answers to one prompt that are
independent, partly alike, and copies of each other.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from itertools import combinations, product

import numpy as np
import scipy.optimize  # noqa: F401 - loaded before `one_core_each`, which reaches what is loaded by then
from numpy.typing import NDArray

from btviz.labels.network import CategoryNetwork
from btviz.machine.threads import one_core_each
from btviz.stats import ising
from btviz.stats.clustered import FEW_RARER, effective_number
from btviz.stats.resampling import cluster_sums

Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]
Clustered = tuple[Flags, Integers]

LABELS, PROMPTS = 10, 1200
EDGES = {(0, 1): 1.5, (1, 2): 1.5, (3, 4): 2.5, (5, 6): -1.5, (0, 7): -2.0, (8, 9): 0.8}
"""Log odds ratios of the pairs that are associated; all other pairs are independent given the rest."""

ALONE = np.linspace(-3.6, -1.2, LABELS)

FEW_LABELS = 8
FEW_ALONE = np.linspace(-3.8, -1.4, FEW_LABELS)
FEW_EDGES = {(0, 7): -2.0, (1, 6): 2.5, (1, 2): -1.5, (4, 5): 1.0, (0, 1): 2.0, (3, 7): -3.0, (2, 6): 1.5}
"""Pairs of which some meet often and some hardly ever; all others are independent given the rest."""


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


def clustered(rng: np.random.Generator, *, prompts: int, uneven: bool, copied: float, kept_for_any: bool) -> Clustered:
    """Two answers to each prompt, or 1 to 12; each copies the labels of its prompt with a probability."""
    bits = np.arange(2**FEW_LABELS)[:, None] >> np.arange(FEW_LABELS) & 1
    log_share = bits @ FEW_ALONE + sum(value * bits[:, i] * bits[:, j] for (i, j), value in FEW_EDGES.items())
    share = np.exp(log_share - log_share.max())
    if kept_for_any:
        share[0] = 0
    sizes = np.minimum(rng.geometric(0.4, prompts), 12) if uneven else np.full(prompts, 2)
    prompt = np.repeat(np.arange(prompts), sizes)
    own, shared = (rng.choice(len(bits), size=size, p=share / share.sum()) for size in (len(prompt), prompts))
    return bits[np.where(rng.random(len(prompt)) < copied, shared[prompt], own)].astype(bool), prompt


def held(sets: ising.LabelSets, truth: dict[tuple[int, int], float], *, found: ising.Stability) -> tuple[Flags, Flags]:
    """Which intervals of each pair hold the truth, and which of them are of few prompts."""
    network = CategoryNetwork(sets, found)
    true = np.array([truth.get(pair, 0.0) for pair in zip(*(axis.tolist() for axis in network.above), strict=True)])
    columns = network.columns()
    low, high = (np.nan_to_num(columns[f"partial_{end}"], nan=np.inf) for end in ("low", "high"))
    return (low <= true) & (true <= high), columns["few_prompts"]


def of_few_prompts(draws: int) -> Iterator[str]:
    """Coverage by cell of intervals of few prompts, of the others, and of both; pairs of rare labels left out."""
    everything = np.ones(math.comb(FEW_LABELS, 2))
    nothing = ising.Stability(0 * everything, 1.0, 0, 0.0, 1.0, 0.0, 0.0)
    for kept, prompts, uneven, copied in product((False, True), (150, 400, 1200), (False, True), (0, 0.6, 1)):
        rng, cells = np.random.default_rng(1), []
        for _ in range(draws):
            flags, prompt = clustered(rng, prompts=prompts, uneven=uneven, copied=copied, kept_for_any=kept)
            part = effective_number(cluster_sums(flags, clusters=prompt)) >= FEW_RARER
            row, col = np.triu_indices(FEW_LABELS, 1)
            holds, few = held(ising.label_sets(flags, clusters=prompt, kept_for_any=kept), FEW_EDGES, found=nothing)
            cells.append(np.array([holds, few])[:, part[row] & part[col]])
        holds, few = np.concatenate(cells, axis=1)
        of = "items with a label" if kept else "all items"
        sizes = "1 to 12 answers" if uneven else "2 answers"
        seen = "; ".join(_share(cell) for cell in (holds[few], holds[~few], holds))
        yield f"{of}, {prompts} prompts, {sizes}, copied {copied}: {seen}"


def _share(cell: Flags) -> str:
    share = float(cell.mean()) if len(cell) else float("nan")
    return f"{100 * share:.1f} ± {100 * np.sqrt(share * (1 - share) / max(len(cell), 1)):.1f} % of {len(cell)}"


def of_a_graph(draws: int, *, kept_for_any: bool) -> Iterator[str]:
    """Mean number of false pairs with its Monte-Carlo error, the bound, how many edges are found, and coverage."""
    real = np.array([pair in EDGES for pair in combinations(range(LABELS), 2)])
    rng, false, found, bounds, covered = np.random.default_rng(0), [], [], [], []
    for seed in range(draws):
        sets = draw(rng, kept_for_any=kept_for_any)
        result = ising.stability(sets, n_selected=len(real) / 3, most_false=1.0, random_state=seed)
        stable = result.share >= result.threshold
        false.append((stable & ~real).sum())
        found.append((stable & real).sum())
        bounds.append(result.expected_false)
        covered.append(held(sets, EDGES, found=result)[0][real])
    error = np.std(false, ddof=1) / np.sqrt(draws)
    yield f"{'items with a label' if kept_for_any else 'all items'}, {draws} draws"
    yield f"  {np.mean(false):.2f} ± {error:.2f} false pairs, bound {np.mean(bounds):.2f}"
    yield f"  {np.mean(found):.1f} of {real.sum()} found"
    yield f"  intervals of the true pairs hold {_share(np.concatenate(covered))}"


def main(draws: int) -> None:
    """Print both parts; the second has five times as many draws."""
    with one_core_each():
        for kept in (False, True):
            for line in of_a_graph(draws, kept_for_any=kept):
                print(line, flush=True)
        print("intervals of few prompts; of other pairs; of both")
        for line in of_few_prompts(5 * draws):
            print(line, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
