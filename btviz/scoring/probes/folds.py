"""Folds of groups: all rows of a group are in the same one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def grouped_folds(groups: npt.NDArray[np.uint64], *, n_folds: int, random_state: int) -> npt.NDArray[np.int64]:
    """Fold of each row: groups in random order, each put into the fold with the fewest rows so far.

    Parameters
    ----------
    groups : ndarray, shape (n,)
        Group of each row.
    n_folds : int
        Number of folds, at least 2.
    random_state : int
        Seed of the order.

    Returns
    -------
    ndarray of int64, shape (n,)
        0 .. n_folds - 1; a function of the groups and their sizes alone, whatever the order of the rows.
    """
    _, member, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.random.default_rng(random_state).permutation(len(sizes))
    # large groups first, or the last of them would unbalance the folds
    order = order[np.argsort(-sizes[order], kind="stable")]
    fold = np.empty(len(sizes), np.int64)
    rows = np.zeros(n_folds, np.int64)
    for group in order:
        fold[group] = rows.argmin()
        rows[fold[group]] += sizes[group]
    return np.asarray(fold[member])
