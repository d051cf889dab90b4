"""Adjustment of p-values for the number of tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from btviz.stats.association import Floats


def holm(p_values: ArrayLike) -> Floats:
    """P-values adjusted by Holm (1979): the chance of any false rejection stays below the level.

    Valid under any dependence between the tests.

    Parameters
    ----------
    p_values : array of float, shape (m,)
        0 .. 1; NaN for a test that has none, which then does not count among the m.

    Returns
    -------
    array of float, shape (m,)
        0 .. 1, never below the p-value; NaN where that is.
    """
    return _adjusted(p_values, _holm)


def benjamini_hochberg(p_values: ArrayLike) -> Floats:
    """P-values adjusted by Benjamini and Hochberg (1995): bounds the expected share of false rejections.

    Valid for independent and for positively dependent tests.

    Parameters
    ----------
    p_values : array of float, shape (m,)
        0 .. 1; NaN for a test that has none, which then does not count among the m.

    Returns
    -------
    array of float, shape (m,)
        0 .. 1, never below the p-value; NaN where that is.
    """
    return _adjusted(p_values, _benjamini_hochberg)


def _holm(ascending: Floats) -> Floats:
    return np.maximum.accumulate(ascending * np.arange(len(ascending), 0, -1))


def _benjamini_hochberg(ascending: Floats) -> Floats:
    m = len(ascending)
    return np.minimum.accumulate((ascending * m / np.arange(1, m + 1))[::-1])[::-1]


def _adjusted(p_values: ArrayLike, method: Callable[[Floats], Floats]) -> Floats:
    p = np.asarray(p_values, np.float64)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    adjusted = np.full(p.shape, np.nan)
    adjusted[order] = np.minimum(method(p[order]), 1.0)
    return adjusted
