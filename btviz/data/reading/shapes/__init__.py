"""Shapes of files beyond the released ones: how texts are written (`unfolding`), and layouts of the neighbours."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from btviz.data.reading.record import Batch
from btviz.data.reading.shapes.chat import CHAT_UNFOLDINGS
from btviz.data.reading.shapes.comparisons import COMPARISONS
from btviz.data.reading.shapes.neighbours import NEIGHBOUR_UNFOLDINGS
from btviz.data.reading.shapes.ratings import rated
from btviz.data.reading.shapes.unfolding import Unfolding

UNFOLDINGS: tuple[Unfolding, ...] = (*NEIGHBOUR_UNFOLDINGS, *COMPARISONS, *CHAT_UNFOLDINGS)
"""Ways in which texts are written; the first that fits a sample of a file is taken."""


def unfoldings(sample: Batch, *, kept: Collection[str] = ()) -> list[Unfolding]:
    """What makes the texts of a file plain: one way in which they are written, then an order by ratings.

    Keys that are to be `kept`, because a user has said what they are, are not taken up.
    """
    others = [unfolding for unfolding in UNFOLDINGS if not {*unfolding.needs, *unfolding.takes} & {*kept}]
    found = [unfolding for unfolding in others if unfolding.recognises(sample)][:1]
    ratings = rated(unfolded(sample, found))
    return found if ratings is None else [*found, ratings]


def unfolded(batch: Batch, steps: Sequence[Unfolding]) -> Batch:
    """A batch with its texts made plain."""
    for step in steps:
        batch = step.of(batch)
    return batch
