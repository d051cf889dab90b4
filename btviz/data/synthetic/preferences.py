"""Comparisons of two answers to one prompt, with the published joint structure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from btviz.data.synthetic import facts
from btviz.data.synthetic.design import Design
from btviz.data.synthetic.facts import Floats, Ints, apportion
from btviz.data.synthetic.label_model import Population

STRATA = ("both_safe", "mixed", "both_unsafe")
"""By how many of the two answers are unsafe."""

P_BOTH_SAFE, P_MIXED = 0.80, 0.60
"""Assumed shares of comparisons whose better answer is also the safer one."""

SEVERITY_GAP = 1.5
"""How far one level of severity moves the safer label, in standard deviations."""

FORCED_GAP = 100.0
"""Far enough that a safe answer always ranks above an unsafe one, as the releases demand."""


@dataclass(frozen=True, eq=False)
class Comparisons:
    """Numbers of the two pairs, and which of them (0 or 1) is better and which safer."""

    first: Ints
    second: Ints
    better: Ints
    safer: Ints


def strata_shares() -> Floats:
    """Published shares of the strata, in the order of `STRATA`."""
    seen = facts.comparisons()
    return np.array([seen["both_safe"], seen["safe_0"] + seen["safe_1"], seen["both_unsafe"]]) / seen["train"]


def p_by_stratum() -> Floats:
    """Share, by stratum, of comparisons whose better answer is the safer one.

    Two are assumed, and the third makes the published share over all strata.
    """
    seen, (safe, mixed, unsafe) = facts.comparisons(), strata_shares()
    rest = (seen["same"] / seen["train"] - safe * P_BOTH_SAFE - mixed * P_MIXED) / unsafe
    return np.array([P_BOTH_SAFE, P_MIXED, rest])


def compare(design: Design, population: Population, *, total: int, rng: np.random.Generator) -> Comparisons:
    """Choose `total` comparisons, or fewer where the answers do not allow as many in a stratum."""
    left, right = _candidates(design.prompt)
    unsafe = design.state > 0
    level = unsafe if population.severities is None else population.severities[design.state]
    n_unsafe = unsafe[left].astype(np.int64) + unsafe[right]
    shuffled = rng.permutation(len(left))
    wanted = apportion(strata_shares(), total)
    chosen = [shuffled[n_unsafe[shuffled] == stratum][:quota] for stratum, quota in enumerate(wanted)]
    strata = np.repeat(np.arange(3), [len(rows) for rows in chosen])
    rows = np.concatenate(chosen)
    safety = design.safety - SEVERITY_GAP * level - np.where(unsafe, FORCED_GAP, 0.0)
    first, second = _oriented(left[rows], right[rows], unsafe=unsafe, strata=strata, rng=rng)
    safer = (safety[second] > safety[first]).astype(np.int64)
    lead = design.helpfulness[second] - design.helpfulness[first]
    concordant = _concordant(np.where(safer == 1, lead, -lead), strata=strata)
    better = np.where(concordant, safer, 1 - safer)
    shuffle = rng.permutation(len(rows))
    return Comparisons(first[shuffle], second[shuffle], better[shuffle], safer[shuffle])


def _candidates(prompt: Ints) -> tuple[Ints, Ints]:
    """All pairs of answers of one prompt; `prompt` does not decrease."""
    n = len(prompt)
    end = np.searchsorted(prompt, prompt, side="right")
    partners = end - np.arange(n) - 1
    left = np.repeat(np.arange(n), partners)
    offset = np.arange(len(left)) - np.repeat(np.cumsum(partners) - partners, partners)
    return left, left + 1 + offset


def _oriented(
    left: Ints, right: Ints, *, unsafe: npt.NDArray[np.bool_], strata: Ints, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """Answers as 0 and 1: at random, but the published share of mixed pairs has the safe one as 1."""
    seen = facts.comparisons()
    swap = rng.random(len(left)) < 0.5
    mixed = rng.permutation(np.flatnonzero(strata == 1))
    last_safe = apportion([seen["safe_0"], seen["safe_1"]], len(mixed))[1]
    swap[mixed] = (np.arange(len(mixed)) < last_safe) ^ unsafe[left[mixed]]
    return np.where(swap, right, left), np.where(swap, left, right)


def _concordant(lead: Floats, *, strata: Ints) -> npt.NDArray[np.bool_]:
    """In each stratum, the assumed share of comparisons in which the safer answer leads most."""
    chosen = np.zeros(len(lead), dtype=bool)
    for stratum, p in enumerate(p_by_stratum()):
        rows = np.flatnonzero(strata == stratum)
        most = rows[np.argsort(-lead[rows], kind="stable")]
        chosen[most[: round(p * len(rows))]] = True
    return chosen
