"""One split of a data set, or all of it, and what can be estimated from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from btviz.dataset import Dataset
from btviz.items import answers
from btviz.stats.association import Floats, ratio
from btviz.stats.resampling import FEW_CLUSTERS, Statistic, bootstrap, cluster_sums
from btviz.tables import majority


@dataclass(frozen=True)
class Resampling:
    """Bootstrap replicates, drawn over prompts, and their seed."""

    n_boot: int
    random_state: int


@dataclass(frozen=True, eq=False)
class Sample:
    """A statistic of sums over items, so that it has an interval by prompt.

    Attributes
    ----------
    values : array of float, shape (n, k)
        One row per item; the first column is what makes an item count as positive.
    prompt : array, shape (n,)
        Prompt of each item.
    statistic : callable
        From sums, shape (R, k), to values, shape (R, m).
    """

    values: Floats
    prompt: NDArray[np.uint64]
    statistic: Statistic

    @property
    def value(self) -> float:
        """The statistic of all items; NaN where undefined."""
        return float(self.statistic(self.values.sum(axis=0)[None]).flat[0])

    @property
    def is_doubtful(self) -> bool:
        """Whether too few prompts have a positive item for an interval to be trusted."""
        return len(np.unique(self.prompt[self.values[:, 0] > 0])) < FEW_CLUSTERS

    def interval(self, resampling: Resampling) -> tuple[float, float]:
        """95 % interval, resampling prompts; NaN where undefined."""
        found = bootstrap(
            cluster_sums(self.values, clusters=self.prompt),
            self.statistic,
            n_boot=resampling.n_boot,
            random_state=resampling.random_state,
        )
        return float(found.low[0]), float(found.high[0])


def mean_of(values: ArrayLike, *, among: ArrayLike, prompt: pl.Series, scale: float = 1.0) -> Sample:
    """Sample whose statistic is ``scale * sum(values) / sum(among)``."""
    columns = np.column_stack([np.asarray(values, np.float64), np.asarray(among, np.float64)])
    return Sample(columns, prompt.to_numpy(), lambda sums: scale * ratio(sums[:, :1], sums[:, 1:2]))


def phi_of_sums(sums: Floats) -> Floats:
    """Phi from sums of both labels, the first, the second, and one, shape (R, 4)."""
    both, row, col, n = sums.T
    spread = np.sqrt(row * (n - row)) * np.sqrt(col * (n - col))
    return ratio(n * both - row * col, spread)[:, None]


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of one split, or of all.

    Attributes
    ----------
    ds : Dataset
        The data set.
    split : str or None
        The split; None for all rows.
    """

    ds: Dataset
    split: str | None

    def table(self, name: str) -> pl.DataFrame:
        """Rows of `annotations`, `preferences` or `prompts`."""
        frame = self.ds.table(name)
        return frame if self.split is None else frame.filter(pl.col("split") == self.split)

    @cached_property
    def annotations(self) -> pl.DataFrame:
        """Released labellings."""
        return self.table("annotations")

    @cached_property
    def preferences(self) -> pl.DataFrame:
        """Released comparisons."""
        return self.table("preferences")

    @cached_property
    def prompts(self) -> pl.DataFrame:
        """Prompts released without an answer."""
        return self.table("prompts")

    @cached_property
    def answers(self) -> pl.DataFrame:
        """Both answers of every comparison, with the labels of its own row."""
        return answers(self.preferences)

    @cached_property
    def pairs(self) -> pl.DataFrame:
        """Annotated pairs with the majority of this part's own rows, and the most any label set has."""
        most = pl.col("labels").unique_counts().max().alias("n_largest_set")
        return self.annotations.group_by("pair_id").agg(pl.col("prompt_id").first(), most, *majority(self.ds.taxonomy))

    @cached_property
    def rows(self) -> int:
        """Released rows of any kind."""
        return sum(frame.height for frame in (self.annotations, self.preferences, self.prompts))

    def items(self, population: str | None) -> pl.DataFrame:
        """Items with `labels`, `is_safe` and `prompt_id`, one row each."""
        tables: dict[str, Callable[[], pl.DataFrame]] = {
            "annotations": lambda: self.annotations,
            "pairs": lambda: self.pairs,
            "answers": lambda: self.answers,
            "prompts": lambda: self.prompts,
        }
        return tables[population or "annotations"]()
