"""Which smallest topic sizes are offered, and which one is shown first."""

from __future__ import annotations

import math
from collections.abc import Mapping

from btviz.arguments import whole_number
from btviz.topics.density import Clusters, DensityTree

SIZES: tuple[int, ...] = tuple(step * 10**power for power in range(6) for step in (2, 3, 5, 7, 10, 15))
FEWEST_TOPICS = 3
"""Topics that the scale shown first should have, where any scale has them."""

_SMALLEST = 5


def usual_scale(n: int) -> int:
    """Smallest topic size that suits n texts: near ``0.5 sqrt(n)``, 5 or more; 30 for 3,000 texts."""
    wanted = max(_SMALLEST, 0.5 * math.sqrt(n))
    return min((size for size in SIZES if size >= _SMALLEST), key=lambda size: abs(math.log(size / wanted)))


def offered_scales(n: int, *, asked: int | None = None) -> tuple[int, ...]:
    """Sizes worth looking at for n texts, ascending: about a third to six times the usual one, and `asked`.

    Raises
    ------
    UsageError
        If `asked` is no whole number of 2 or more.
    """
    if asked is not None:
        whole_number(asked, name="scale", least=2)
    usual = usual_scale(n)
    around = {size for size in SIZES if max(_SMALLEST, usual / 3) <= size <= min(6 * usual, n / 4)}
    return tuple(sorted(around | {usual} | ({asked} if asked else set())))


def cut_all(tree: DensityTree, *, asked: int | None = None) -> dict[int, Clusters]:
    """Clusters at every offered scale that has two topics or more; the usual and the asked one always."""
    kept = {usual_scale(tree.n), asked}
    cuts = {size: tree.cut(size) for size in offered_scales(tree.n, asked=asked)}
    return {size: clusters for size, clusters in cuts.items() if size in kept or clusters.labels.max(initial=-1) > 0}


def first_scale(cuts: Mapping[int, Clusters], *, n: int) -> int:
    """The usual scale, or the next smaller one with three topics or more, if there is one."""
    usual = usual_scale(n)
    smaller = sorted((size for size in cuts if size <= usual), reverse=True)
    return next((size for size in smaller if cuts[size].labels.max(initial=-1) + 1 >= FEWEST_TOPICS), usual)
