"""Arrangements of numbers for pictures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike


def seriation(similarity: ArrayLike, *, keys: Sequence[str]) -> list[str]:
    """Order in which similar things stand side by side.

    Average-linkage clustering; where two clusters merge, each is turned so that the most
    similar ends touch (Gruvaeus & Wainer 1972). Ties go to what comes first in `keys`, so the
    order depends on the input alone.

    Parameters
    ----------
    similarity : array, shape (k, k)
        Symmetric, high where alike; NaN counts as 0 and the diagonal is not read.
    keys : sequence of str
        Names of the k things.

    Returns
    -------
    list of str
        `keys`, rearranged. Its two ends are oriented so that the earlier key comes first.
    """
    alike = np.nan_to_num(np.asarray(similarity, np.float64), nan=0.0)
    clusters = [[index] for index in range(len(keys))]
    while len(clusters) > 1:
        first, second = max(
            combinations(range(len(clusters)), 2),
            key=lambda two: (alike[np.ix_(clusters[two[0]], clusters[two[1]])].mean(), -two[0], -two[1]),
        )
        joined = _joined(clusters[first], clusters.pop(second), alike=alike)
        clusters[first] = joined
    order = clusters[0] if clusters else []
    if order and order[0] > order[-1]:
        order = order[::-1]
    return [keys[index] for index in order]


def _joined(left: list[int], right: list[int], *, alike: np.ndarray) -> list[int]:
    turns = [(one, two) for one in (left, left[::-1]) for two in (right, right[::-1])]
    one, two = max(turns, key=lambda ends: alike[ends[0][-1], ends[1][0]])
    return one + two
