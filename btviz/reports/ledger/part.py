"""One split of a data set, or all of it, and what can be estimated from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from btviz.data.dataset import Dataset
from btviz.data.tables import majority
from btviz.labels.population import answers
from btviz.stats.association import Floats, TwoByTwo, phi, ratio
from btviz.stats.resampling import FEW_CLUSTERS, Interval, Statistic, bootstrap, cluster_sums
from btviz.taxonomy.categories import Taxonomy


@dataclass(frozen=True)
class Resampling:
    """Bootstrap replicates, drawn over prompts, and their seed."""

    n_boot: int
    random_state: int


@dataclass(frozen=True, eq=False)
class Sample:
    """A statistic of sums over items, so that it has an interval by prompt."""

    values: Floats
    prompt: NDArray[np.uint64]
    statistic: Statistic
    positive: int = 0

    @property
    def value(self) -> float:
        """The statistic of all items; NaN where undefined."""
        return float(self.statistic(self.values.sum(axis=0)[None]).flat[0])

    @property
    def is_doubtful(self) -> bool:
        """Whether too few prompts have a positive item for an interval to be trusted."""
        return len(np.unique(self.prompt[self.values[:, self.positive] > 0])) < FEW_CLUSTERS

    @cached_property
    def sums(self) -> Floats:
        """Sums of the values by prompt, shape (prompts, k)."""
        return cluster_sums(self.values, clusters=self.prompt)

    def intervals(self, resampling: Resampling) -> Interval:
        """95 % interval of each value of the statistic, resampling prompts."""
        return bootstrap(self.sums, self.statistic, **asdict(resampling))

    def interval(self, resampling: Resampling) -> tuple[float, float]:
        """95 % interval of the only value; NaN where undefined."""
        found = self.intervals(resampling)
        return float(found.low[0]), float(found.high[0])


def mean_of(values: ArrayLike, *, among: ArrayLike, prompt: pl.Series, scale: float = 1.0) -> Sample:
    """Sample whose statistic is ``scale * sum(values) / sum(among)``."""
    columns = np.column_stack([np.asarray(values, np.float64), np.asarray(among, np.float64)])
    return Sample(columns, prompt.to_numpy(), lambda sums: scale * ratio(sums[:, :1], sums[:, 1:2]))


def couples_of(taxonomy: Taxonomy) -> list[tuple[int, int]]:
    """Every two categories, by their bits."""
    return list(combinations(range(len(taxonomy)), 2))


def phis_of(rows: pl.DataFrame, *, taxonomy: Taxonomy) -> Sample:
    """Sample whose statistics are phi of every two categories, in the order of `couples_of`."""
    first, second = np.array(couples_of(taxonomy)).T
    flags = taxonomy.flags(rows["labels"]).astype(np.float64)
    values = np.column_stack([flags[:, first] * flags[:, second], flags, np.ones(rows.height)])

    def statistic(sums: Floats) -> Floats:
        both, margins, n = np.split(sums.astype(np.int64), [len(first), -1], axis=1)
        return phi(TwoByTwo(n, margins[:, first], margins[:, second], both))

    return Sample(values, rows["prompt_id"].to_numpy(), statistic)


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of one split, or of all."""

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
