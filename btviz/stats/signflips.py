"""Sign-flip test of sums over clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from btviz.stats.association import Floats, ratio
from btviz.stats.kinds import CELLS, check_repeats, generator, kinds_of


@dataclass(frozen=True, eq=False)
class SignFlip:
    """Sign-flip test of a sum over clusters.

    Attributes
    ----------
    statistic : float, or array of shape (k,)
        Studentised sum ``S / sqrt(sum of s**2)``, -sqrt(C) .. sqrt(C); NaN where every s is 0.
    p_value : float, or array of shape (k,)
        Two-sided, ``(1 + #{|t*| >= |t|}) / (R + 1)``; NaN where the statistic is.
    null : array of float, shape (R,) or (R, k)
        The statistic with signs drawn at random.
    """

    statistic: Floats
    p_value: Floats
    null: Floats


def sign_flip(sums: ArrayLike, *, n_flips: int = 9999, random_state: int = 0) -> SignFlip:
    """Test that a sum over clusters is 0, by turning the signs of whole clusters.

    Exact where each cluster's sum is as likely as its opposite. The sum of squares is the same
    under every turn of signs, so the studentised sum and the plain one have the same p-value.

    Parameters
    ----------
    sums : array of float, shape (C,) or (C, k)
        Sum of each cluster; each of k columns is a test of its own.
    n_flips : int
        Random turns of signs, 1 or more.
    random_state : int
        Seed.

    Returns
    -------
    SignFlip
        Of floats for (C,), of arrays for (C, k).

    Raises
    ------
    UsageError
        If `n_flips` is below 1, the seed is negative, or a sum is not finite.
    """
    check_repeats(n_flips)
    given = np.asarray(sums, np.float64)
    kinds, counts = kinds_of(given[:, None] if given.ndim == 1 else given)
    rng = generator(random_state)
    block = max(1, CELLS // max(1, len(counts)))
    turned = [
        (2.0 * rng.binomial(counts, 0.5, size=(min(block, n_flips - first), len(counts))) - counts) @ kinds
        for first in range(0, n_flips, block)
    ]
    null = np.concatenate(turned)
    observed = counts.astype(np.float64) @ kinds
    exceeding = (np.abs(null) >= np.abs(observed)).sum(axis=0)
    scale = np.sqrt((counts[:, None] * kinds**2).sum(axis=0))
    p_value = np.where(scale > 0, (1 + exceeding) / (n_flips + 1), np.nan)
    shape = given.shape[1:]
    return SignFlip(
        ratio(observed, scale).reshape(shape)[()],
        p_value.reshape(shape)[()],
        ratio(null, scale).reshape(n_flips, *shape),
    )
