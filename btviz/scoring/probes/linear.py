"""Linear heads on standardised vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from btviz.scoring.probes.examples import Examples
from btviz.scoring.probes.logistic import fit_logistic
from btviz.threads import one_core_each

Floats = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float32]

FEWEST = 10
"""Groups of prompts with, and without, what a head looks for; below that it is not fitted."""

_BLOCK = 4096


@dataclass(frozen=True, eq=False)
class LinearHeads:
    """Affine functions of a vector, one a head.

    Attributes
    ----------
    weights : ndarray, shape (d, h)
        Of the vectors as they are; NaN for a head that could not be fitted.
    intercepts : ndarray, shape (h,)
    """

    weights: Floats
    intercepts: Floats

    @one_core_each()
    def margins(self, vectors: Vectors) -> Floats:
        """Value of each head for each vector, shape (n, h)."""
        return np.asarray((vectors @ self.weights.astype(np.float32)).astype(np.float64) + self.intercepts)


def fit_heads(
    vectors: Vectors, examples: Examples, *, rows: npt.NDArray[np.bool_], groups: npt.NDArray[np.uint64], l2: float
) -> LinearHeads:
    """Fit the heads on some rows of the examples.

    Parameters
    ----------
    vectors : ndarray of float32, shape (m, d)
        One a answer.
    examples : Examples
        n rows.
    rows : ndarray of bool, shape (n,)
        Those to learn from.
    groups : ndarray, shape (m,)
        Group of each answer's prompt.
    l2 : float
        Ridge penalty on the weights of the standardised vectors.

    Returns
    -------
    LinearHeads
    """
    signs, owners = examples.signs[rows], examples.answer[rows]
    mean, spread = _moments(vectors, np.unique(owners))
    weights = np.full((vectors.shape[1], signs.shape[1]), np.nan)
    intercepts = np.full(signs.shape[1], np.nan)
    contrasts = examples.contrasts[rows]
    enough = learnable(contrasts, signs, groups=groups[owners])
    if enough.any():
        design = np.ones((len(vectors), vectors.shape[1] + 1), np.float32)
        np.subtract(vectors, mean.astype(np.float32), out=design[:, :-1])
        design[:, :-1] /= spread.astype(np.float32)
        found = fit_logistic(design, contrasts, signs=signs[:, enough], l2=l2)
        weights[:, enough] = found[:-1] / spread[:, None]
        intercepts[enough] = found[-1] - mean @ weights[:, enough]
    return LinearHeads(weights, intercepts)


def _moments(vectors: Vectors, rows: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Mean and standard deviation (1 where it is 0) of some rows, a block at a time: they may be many."""
    blocks = [rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK)]
    n = max(len(rows), 1)
    mean = sum((vectors[block].sum(axis=0, dtype=np.float64) for block in blocks), np.zeros(vectors.shape[1])) / n
    squares = np.zeros(vectors.shape[1])
    for block in blocks:
        centred = vectors[block] - mean
        squares += np.einsum("nd,nd->d", centred, centred)
    spread = np.sqrt(squares / n)
    spread[spread == 0] = 1
    return mean, spread


def learnable(contrasts: object, signs: Floats, *, groups: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """Which heads have at least `FEWEST` groups of either sign; differences need one sign only."""
    singles = np.abs(contrasts).sum(axis=1) == 1  # type: ignore[call-overload]  # SciPy's arrays are numbers
    enough = np.empty(signs.shape[1], bool)
    for head, sign in enumerate(signs.T):
        with_sign = [len(np.unique(groups[singles & (sign == wanted)])) for wanted in (1, -1)]
        enough[head] = min(with_sign) >= FEWEST or len(np.unique(groups[~singles])) >= FEWEST
    return enough
