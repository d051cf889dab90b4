"""From the margins of linear heads to scores that mean the same in every fold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from btviz.scoring.probes.examples import SEVERITY
from btviz.scoring.probes.linear import LinearHeads, Vectors

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scorer:
    """Linear heads and the scale of their training answers.

    Attributes
    ----------
    heads : LinearHeads
        One head for reward and cost; one a category and severity level for moderation.
    kind : str
        "reward", "cost" or "moderation".
    names : tuple of str
        What the heads stand for.
    shift, scale : float
        Subtracted from, and divided into, the margin of a reward or cost.
    """

    heads: LinearHeads
    kind: str
    names: tuple[str, ...]
    shift: float = 0.0
    scale: float = 1.0

    def scores(self, vectors: Vectors) -> Floats:
        """Scores of vectors: shape (n,), or (n, k) with one column for each of `targets`."""
        margins = self.heads.margins(vectors)
        if self.kind != "moderation":
            return np.asarray((margins[:, 0] - self.shift) / self.scale)
        chances = (1 + np.tanh(margins / 2)) / 2  # the logistic function; NaN passes
        levels = np.array([name.startswith(f"{SEVERITY}>=") for name in self.names])
        if not levels.any():
            return chances
        # the expected level is the sum over levels of the chance to reach it
        return np.column_stack([chances[:, ~levels], chances[:, levels].sum(axis=1)])


def scaled(heads: LinearHeads, vectors: Vectors, *, kind: str, names: tuple[str, ...]) -> Scorer:
    """Give a reward mean 0 and standard deviation 1 on its training answers, and a cost the latter.

    Bradley-Terry leaves shift and scale of a reward free, so folds would not be comparable. The zero
    of a cost is its boundary between safe and unsafe, and stays.

    Parameters
    ----------
    heads : LinearHeads
        Fitted.
    vectors : ndarray of float32, shape (n, d)
        Of the answers they were fitted on.
    kind : str
        "reward", "cost" or "moderation" (probabilities, which need no scale).
    names : tuple of str
        What the heads stand for.

    Returns
    -------
    Scorer
    """
    if kind == "moderation" or np.isnan(heads.weights).any():  # no scale of a head that could not be fitted
        return Scorer(heads, kind, names)
    margins = heads.margins(vectors)[:, 0]
    return Scorer(
        heads,
        kind,
        names,
        shift=float(margins.mean()) if kind == "reward" else 0.0,
        scale=float(margins.std()) or 1.0,
    )


def targets(names: tuple[str, ...]) -> tuple[str, ...]:
    """Labels of a moderation probe: its categories, then severity where it has levels."""
    categories = tuple(name for name in names if not name.startswith(f"{SEVERITY}>="))
    return categories if len(categories) == len(names) else (*categories, SEVERITY)
