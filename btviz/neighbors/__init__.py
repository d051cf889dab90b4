"""One graph of nearest neighbours per embedding, and what follows from it."""

from btviz.neighbors.duplicates import near_duplicates
from btviz.neighbors.graph import Neighbors, nearest_neighbors
from btviz.neighbors.similar import more_like

__all__ = ["Neighbors", "more_like", "near_duplicates", "nearest_neighbors"]
