"""How often areas of artefact baselines miss one half where nothing is told: ``python -m benchmarks.artefacts``.

Labels and columns of pairs both cling to prompts and know nothing of each other; every prediction comes from a fit that
did not see its prompt. Beside the shipped interval stands that of fixed predictions, which does not know that the
predictions of a fold rest on the others.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass

import numpy as np
import scipy.sparse

from btviz.models.probes.fit import grouped_folds
from btviz.scores.artefacts import _Features, _held_out, _Task
from btviz.stats.separation import auc_interval

COLUMNS = (1, 3, 30)
PROMPTS = 60


@dataclass(frozen=True)
class Misses:
    """Draws in which an interval lies above one half, or below; and those of fixed predictions on either side."""

    above: int
    below: int
    fixed: int


def null_misses(rng: np.random.Generator, *, draws: int, columns: int) -> Misses:
    """Draw pairs of 60 prompts, 1 to 4 each, whose columns tell nothing of their label."""
    above = below = fixed = 0
    for _ in range(draws):
        prompt = np.repeat(np.arange(PROMPTS), rng.integers(1, 5, PROMPTS))
        shared = rng.normal(size=(PROMPTS, columns + 1))[prompt] + rng.normal(size=(len(prompt), columns + 1))
        label, group = shared[:, 0] > 0, prompt.astype(np.uint64)
        fold = grouped_folds(group, n_folds=5, random_state=int(rng.integers(1_000_000)))
        items = scipy.sparse.csr_array(scipy.sparse.eye_array(len(prompt)))
        task = _Task("pair", ("made",), items, label[:, None], np.arange(len(prompt)), group)
        score = _held_out(task, _Features("made", shared[:, 1:]), groups=group, fold=fold)[:, 0]
        shipped, plain = (auc_interval(score, label, clusters=prompt, is_cross_fitted=held) for held in (True, False))
        above += bool(shipped.low[0] > 0.5)
        below += bool(shipped.high[0] < 0.5)
        fixed += bool(plain.low[0] > 0.5 or plain.high[0] < 0.5)
    return Misses(above, below, fixed)


def main() -> None:
    """Print a line for each number of columns, with the Monte-Carlo standard error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=600)
    draws = parser.parse_args().draws
    for columns in COLUMNS:
        seen = null_misses(np.random.default_rng(columns), draws=draws, columns=columns)
        held = 1 - (seen.above + seen.below) / draws
        error = math.sqrt(held * (1 - held) / draws)
        print(
            f"{PROMPTS} prompts, {columns} columns: {100 * held:.1f} ± {100 * error:.1f} % of {draws} hold one half "
            f"({seen.above} above, {seen.below} below); fixed predictions {100 * (1 - seen.fixed / draws):.1f} %",
            flush=True,
        )


if __name__ == "__main__":
    main()
