"""Harm categories: of BeaverTails (14), PKU-SafeRLHF (19) and their neighbours, a user's own; how they correspond."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btviz.lazy import lazy_exports

if TYPE_CHECKING:
    from btviz.taxonomy.categories import BEAVERTAILS, PKU_SAFERLHF, TAXONOMIES, Category, Taxonomy
    from btviz.taxonomy.crosswalk import carried_over, counterparts, unmatched
    from btviz.taxonomy.neighbours import NEIGHBOUR_TAXONOMIES
    from btviz.taxonomy.taxonomy_file import read_taxonomy
    from btviz.taxonomy.words import LEVELS, STEERING, STRATA, folded, percent, title_of, titles

__getattr__, __dir__, __all__ = lazy_exports(__name__)
