"""Connected components: what edges join, directly or through others."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Nodes = npt.NDArray[np.int64]


def components(first: Nodes, second: Nodes, *, known: Nodes) -> Nodes:
    """Smallest node of the component of each of n nodes."""
    smallest = known.copy()
    while (apart := smallest[first] != smallest[second]).any():
        first, second = smallest[first[apart]], smallest[second[apart]]
        np.minimum.at(smallest, np.maximum(first, second), np.minimum(first, second))
        while not np.array_equal(shorter := smallest[smallest], smallest):
            smallest = shorter
    return smallest
