"""Texts as points of the plane: the data map, and how far it can be trusted."""

from btviz.datamap.fit import fit_data_map
from btviz.datamap.quality import map_quality

__all__ = ["fit_data_map", "map_quality"]
