"""Data sets: what was released, read from files or made up, as typed tables.

`load` gives a `Dataset` by the name, file or folder of what it holds; `scan` streams files larger than memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from btviz.lazy import lazy_exports

if TYPE_CHECKING:
    from btviz.data.catalog import add, adopted, find, load, remove
    from btviz.data.corrected import CORRECTION_STATUSES
    from btviz.data.corrections import CORRECTIONS
    from btviz.data.dataset import Dataset, expect_answers
    from btviz.data.holdings import Held, inventory
    from btviz.data.inspection import Inspection, draft_taxonomy, inspect
    from btviz.data.keys import matched_pairs, with_keys
    from btviz.data.reading.files import format_of
    from btviz.data.reading.flat_tables import read_frame
    from btviz.data.reading.scan import scan
    from btviz.data.releases import NEIGHBOURS, RELEASES, Neighbour, Release, fetch
    from btviz.data.releases.hub_cache import cached_release
    from btviz.data.releases.published import label_statistics, published_numbers
    from btviz.data.stored import unkept_labels
    from btviz.data.synthetic import SYNTHETIC_NAMES, generate
    from btviz.data.synthetic.conversations import sample_conversations
    from btviz.data.tables import ANNOTATIONS

__getattr__, __dir__, __all__ = lazy_exports(__name__)
