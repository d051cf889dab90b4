"""Structure of the harm categories: which are associated given all others, and the factors and clusters behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as cs
from numpy.typing import NDArray

from btviz.arguments import seed
from btviz.data.dataset import Dataset, expect_dataset
from btviz.errors import UsageError, choice, require
from btviz.labels.factors import Draw, Factoring, Scree, draws_of, factor_tables
from btviz.labels.network import TOO_RARE, CategoryNetwork, category_network, no_interval
from btviz.labels.population import POPULATIONS, SUBSETS, LabelledItems, label_histogram, labelled_items
from btviz.machine.progress import bar
from btviz.machine.threads import one_core_each
from btviz.stats import ising
from btviz.stats.association import Floats, Integers, TwoByTwo, drawn_share, phi, ratio
from btviz.stats.binning import seriation
from btviz.stats.clustered import FEW_RARER, effective_number
from btviz.stats.factors import shuffled_counts
from btviz.stats.resampling import cluster_sums, generator

_FEWEST = 3  # categories: with two there is nothing else to be given


@dataclass(frozen=True, eq=False)
class CategoryStructure:
    """Which categories are associated given all others, and the factors and clusters behind them.

    Every table has `n`, `n_prompts`, `population`, `where` and `rule`; categories by released key.

    Attributes
    ----------
    categories : DataFrame
        One row a category: `category`, `n_category`, `n_informative` (items that tell of it: among unsafe items those
        with another category), `effective_prompts` (with the category), `order` (its place, 0 .., when categories that
        the dendrogram joins stand side by side), `undefined` (why it takes no part).
    pairs : DataFrame
        One row a pair, k (k - 1) / 2 in all: `row`, `col`, their places `row_order` and `col_order`, `n_row`, `n_col`,
        `n_both`, `n_informative` (items that tell of both), `phi` (-1 .. 1); `selected` (0 .. 1, share of the halves
        that select the pair) and `is_stable`; of stable pairs `log_odds_ratio` given all other categories, `low`,
        `high` (95 %, by prompt; an end is null where nothing bounds it), `low_joint`, `high_joint` (for all
        `selection.n_pairs` at once, Bonferroni),
        `sign_differs` (from that of phi); of all pairs `partial`, the log odds ratio given all others where no pair is
        taken for absent, `partial_low`, `partial_high` (95 %, by prompt), `partial_sign_differs` (from that of phi),
        `partial_undefined` (why it lacks an end); `few_prompts`, whether one of the four cells occurs in fewer than 8
        effective prompts, or a few prompts decide, so that intervals are wide ones of the odds ratio among items with
        the same other categories, as if answers to one prompt were copies of each other;
        `tetrachoric`, `tetrachoric_smoothed` (-1 .. 1) and
        `has_empty_cell`; `undefined`.
    selection : DataFrame
        One row: `n_halves`, `penalty` (on the scale of phi), `n_pairs`, `n_selected` (pairs a half selects, on
        average), `threshold` (share from which a pair is stable), `n_stable`, `expected_false` and
        `expected_false_at_worst` (bounds on stable pairs that are noise, see
        `btviz.stats.ising.expected_false`).
    eigenvalues : DataFrame
        One row an eigenvalue of the smoothed tetrachoric matrix: `place` (1 ..), `component` and `factor` (with the
        communalities of one factor on the diagonal), and of data without association `component_mean`,
        `component_high`, `factor_mean`, `factor_high` (95 % quantile); `n_draws`.
    n_factors, n_factors_by_mean, n_components : int
        Leading factors above the 95 % quantile, those above the mean, and components above the quantile.
    loadings : DataFrame
        One row a category and factor: `category`, `order`, `factor` (1 ..), `loading`, `communality` (0 .. 1; above 1
        in a Heywood case),
        `rotation`.
    factor_correlations : DataFrame
        One row a pair of factors: `factor`, `other`, `correlation`.
    fit : DataFrame
        One row: `n_factors`, `freedom`, `rmsr`, `chi_squared`, `tli`, `rmsea`, `cfi`, `doubt` (of the last four, where
        the matrix had to be smoothed), `undefined`; see `btviz.stats.factors.Fit`.
    sensitivity : DataFrame
        One row a rule for empty cells: `empty_cells`, `added`, `n_empty` (pairs), `mean_filled` (their mean
        correlation), `least_eigenvalue` (before smoothing), `largest_change` (of a correlation, by smoothing),
        `n_factors`, `n_components`.
    merges : DataFrame
        The dendrogram, one row a merge: `left` and `right` (lists of categories, in the order of leaves), `height` (1
        - mean phi between the two, 0 .. 2).
    doubts : tuple of str
        What is doubtful.
    """

    categories: pl.DataFrame
    pairs: pl.DataFrame
    selection: pl.DataFrame
    eigenvalues: pl.DataFrame
    n_factors: int
    n_factors_by_mean: int
    n_components: int
    loadings: pl.DataFrame
    factor_correlations: pl.DataFrame
    fit: pl.DataFrame
    sensitivity: pl.DataFrame
    merges: pl.DataFrame
    doubts: tuple[str, ...]


def category_structure(
    ds: Dataset,
    *,
    population: str = "pairs",
    where: str = "all",
    max_false: float = 1.0,
    factoring: Factoring | None = None,
    random_state: int = 0,
) -> CategoryStructure:
    """Find which harm categories are associated given all others, and the factors and clusters behind them.

    Parameters
    ----------
    ds : Dataset
        Data set with labels by category.
    population : {"annotations", "pairs", "prompts"}
        What is counted.
    where : {"all", "unsafe"}
        All items, or the unsafe ones that have a category. Such an item was kept for having one, so it is left out of
        the regression of a category where it has no other.
    max_false : float
        Stable pairs that may be noise, expected; it sets the threshold.
    factoring : Factoring, optional
        How factors are found.
    random_state : int
        Seed of halves and draws.

    Returns
    -------
    CategoryStructure
        A category that too few prompts have takes no part, with the reason in `categories.undefined`.

    Raises
    ------
    UsageError
        If an option is unknown, or fewer than three categories are frequent enough.

    Notes
    -----
    Pairs: l1-penalised pseudo-likelihood of a pairwise log-linear (Ising) model (Ravikumar, Wainwright & Lafferty
    2010, with one coefficient a pair), at one penalty in 50 complementary pairs of halves of the prompts (Shah &
    Samworth 2013), then refitted without penalty on the stable pairs. Intervals of few prompts:
    `btviz.stats.ising.given_others`. Factors: `btviz.stats.factors`. The tree joins by mean phi between groups
    (average linkage).
    """
    expect_dataset(ds)
    choice(population, POPULATIONS, what="population")
    choice(where, SUBSETS, what="subset")
    seed(random_state)
    if not max_false > 0:
        raise UsageError(f"max_false={max_false} was asked for; it is a number of pairs above 0. Use 1.")
    method = Factoring() if factoring is None else factoring
    histogram = label_histogram(ds, population=population, where=where)  # says why where no row names a category
    everything = labelled_items(ds, population=population, where="all", random_state=random_state)
    items, part = _counted(ds, everything, population=population, where=where, random_state=random_state)
    for module in ("scipy.optimize", "scipy.special", "scipy.cluster.hierarchy"):
        require(module, extra="stats")  # `one_core_each` reaches what is loaded by then
    total = ising.STEPS + draws_of(method)
    with one_core_each(), bar("Categories given each other", total=total) as update:
        network = category_network(
            items, part.bits, where=where, max_false=max_false, random_state=random_state, progress=update
        )
        draw = _without_association(items, part, everything=everything, method=method, where=where, seed=random_state)
        scree = factor_tables(
            part.joint(items), len(items.flags), keys=part.keys, method=method, draw=draw,
            progress=lambda done: update(ising.STEPS + done),
        )  # fmt: skip
    stamp = {
        "n": len(items.flags),
        "n_prompts": len(np.unique(items.prompts)),
        "population": population,
        "where": where,
        "rule": histogram.rule + "; items without a category are left out" * (where == "unsafe"),
    }
    made = _Made(items, part, network, scree, where)
    tables = {name: _stamped(table, stamp) for name, table in made.tables(ds.taxonomy.keys).items()}
    return CategoryStructure(
        **tables,
        n_factors=scree.n_factors,
        n_factors_by_mean=scree.n_factors_by_mean,
        n_components=scree.n_components,
        doubts=made.doubts(asked=method.n_factors),
    )


@dataclass(frozen=True, eq=False)
class _Part:
    """Categories that take part, by their bits, and the effective prompts of every one."""

    bits: Integers
    keys: tuple[str, ...]
    effective: Floats

    def joint(self, items: LabelledItems) -> Integers:
        """Items with both of two of these categories."""
        flags = items.flags[:, self.bits].astype(np.int64)
        joint: Integers = flags.T @ flags
        return joint


def _counted(
    ds: Dataset, everything: LabelledItems, *, population: str, where: str, random_state: int
) -> tuple[LabelledItems, _Part]:
    """Items that count, and the categories among them that take part; an unsafe item counts for one of these."""
    if where == "all":
        return everything, _taking_part(everything, keys=ds.taxonomy.keys)
    unsafe = labelled_items(ds, population=population, where=where, random_state=random_state)
    part = _taking_part(unsafe, keys=ds.taxonomy.keys)
    known = unsafe.flags[:, part.bits].any(axis=1)
    return LabelledItems(unsafe.flags[known], unsafe.prompts[known]), part


def _taking_part(items: LabelledItems, *, keys: Sequence[str]) -> _Part:
    flags = np.column_stack([items.flags, ~items.flags])
    effective = effective_number(cluster_sums(flags, clusters=items.prompts)) if len(flags) else np.zeros(2 * len(keys))
    rarer = effective.reshape(2, -1).min(axis=0)
    bits = np.flatnonzero(rarer >= FEW_RARER)
    if len(bits) < _FEWEST:
        raise UsageError(
            f"The structure of {len(keys)} categories was asked for; {len(bits)} of them vary over {FEW_RARER} or more "
            f"effective prompts among {len(flags):,} items, and it needs {_FEWEST}. Use more data."
        )
    return _Part(bits, tuple(keys[bit] for bit in bits.tolist()), effective.reshape(2, -1)[0])


def _without_association(
    items: LabelledItems, part: _Part, *, everything: LabelledItems, method: Factoring, where: str, seed: int
) -> Draw:
    """Draws of the parallel analysis; beside unsafe items, as many others as chance would leave without a category."""
    flags, prompts, n_labelled = items.flags[:, part.bits], items.prompts, None
    if where == "unsafe":
        n_labelled = len(flags)
        missing = round(n_labelled / drawn_share(ratio(flags.sum(axis=0), n_labelled))) - n_labelled
        others = everything.prompts[~everything.flags[:, part.bits].any(axis=1)]
        added = generator(seed).permutation(others)[:missing]
        # where there are fewer, the rest are prompts of their own
        unused = np.setdiff1d(np.arange(missing + len(everything.prompts), dtype=np.uint64), everything.prompts)
        added = np.r_[added, unused[: missing - len(added)]]
        flags = np.concatenate([flags, np.zeros((len(added), flags.shape[1]), np.bool_)])
        prompts = np.r_[prompts, added]
    clusters = prompts if method.shuffled == "prompts" else np.arange(len(flags))

    def draw(progress: Callable[[int], None]) -> tuple[Integers, Integers]:
        return shuffled_counts(
            flags,
            clusters=clusters,
            n_labelled=n_labelled,
            n_draws=method.n_draws,
            random_state=seed,
            progress=progress,
        )

    return draw


@dataclass(frozen=True, eq=False)
class _Made:
    """What was found, as tables."""

    items: LabelledItems
    part: _Part
    network: CategoryNetwork
    scree: Scree
    where: str

    @cached_property
    def phi(self) -> Floats:
        """Phi of the categories that take part, the diagonal 1."""
        joint = self.part.joint(self.items)
        margins, n = joint.diagonal(), np.asarray(len(self.items.flags))
        return np.where(
            np.eye(len(joint), dtype=bool), 1.0, phi(TwoByTwo(n, margins[:, None], margins[None, :], joint))
        )

    @cached_property
    def order(self) -> dict[str, int]:
        """Place of each category that takes part among the leaves of the dendrogram."""
        return {key: place for place, key in enumerate(seriation(self.phi, keys=self.part.keys))}

    def tables(self, keys: Sequence[str]) -> dict[str, pl.DataFrame]:
        """Every table of `CategoryStructure`, without what all share."""
        places = pl.DataFrame(
            {"category": list(self.order), "order": list(self.order.values())},
            schema={"category": pl.String, "order": pl.Int64},
        )
        tables = dict(self.scree.tables)
        loadings = tables["loadings"].join(places, on="category", how="left", maintain_order="left")
        tables["loadings"] = loadings.select("category", "order", "factor", "loading", "communality", "rotation")
        return {
            "categories": self._categories(keys).join(places, on="category", how="left", maintain_order="left"),
            "pairs": self._pairs(keys),
            "selection": self.network.selection(),
            **tables,
            "merges": self._merges(),
        }

    def _categories(self, keys: Sequence[str]) -> pl.DataFrame:
        others = self.items.flags.sum(axis=1)[:, None] - self.items.flags
        tells = others > 0 if self.where == "unsafe" else np.ones_like(self.items.flags)
        why = pl.format("its items, or those without it, have fewer than {} effective prompts", pl.lit(FEW_RARER))
        return pl.DataFrame(
            {
                "category": list(keys),
                "n_category": self.items.flags.sum(axis=0),
                "n_informative": tells.sum(axis=0),
                "effective_prompts": self.part.effective,
            }
        ).with_columns(pl.when(~pl.col("category").is_in(list(self.part.keys))).then(why).alias("undefined"))

    def _pairs(self, keys: Sequence[str]) -> pl.DataFrame:
        flags, place = self.items.flags, {bit: place for place, bit in enumerate(self.part.bits.tolist())}
        row, col = np.triu_indices(len(keys), 1)
        known = np.array([i in place and j in place for i, j in zip(row.tolist(), col.tolist(), strict=True)], np.bool_)
        columns: dict[str, Any] = {
            "row": [keys[bit] for bit in row.tolist()],
            "col": [keys[bit] for bit in col.tolist()],
            "row_order": [self.order.get(keys[bit]) for bit in row.tolist()],
            "col_order": [self.order.get(keys[bit]) for bit in col.tolist()],
            "n_row": flags[:, row].sum(axis=0),
            "n_col": flags[:, col].sum(axis=0),
            "n_both": (flags[:, row] & flags[:, col]).sum(axis=0),
            "n_informative": self._informative(row, col),
        }
        above, matrix = self.network.above, self.scree.matrix
        of_known = {
            "phi": self.phi[above],
            **self.network.columns(),
            "tetrachoric": matrix.raw[above],
            "tetrachoric_smoothed": matrix.smoothed[above],
            "has_empty_cell": matrix.has_empty[above],
        }
        for name, values in of_known.items():
            spread = np.full(len(row), None, object)
            spread[known] = values
            columns[name] = pl.Series(name, spread.tolist(), pl.Boolean if values.dtype == np.bool_ else pl.Float64)
        number = cs.float()
        table = pl.DataFrame(columns).with_columns(pl.when(number.is_finite()).then(number))
        return self._explained(table, known)

    def _explained(self, table: pl.DataFrame, known: NDArray[np.bool_]) -> pl.DataFrame:
        """Add which signs differ from phi's, and why something is null."""
        too_rare = pl.when(~pl.lit(pl.Series(known))).then(pl.lit(TOO_RARE))
        unstable = pl.format(
            "selected in {} of the halves, below {}",
            pl.col("selected").round(2),
            pl.lit(self.network.stability.threshold),
        )
        return table.with_columns(
            (pl.col("is_stable") & (pl.col("log_odds_ratio") * pl.col("phi") < 0)).alias("sign_differs"),
            (pl.col("partial") * pl.col("phi") < 0).alias("partial_sign_differs"),
            too_rare.otherwise(no_interval("partial_")).alias("partial_undefined"),
            too_rare.when(~pl.col("is_stable")).then(unstable).otherwise(no_interval()).alias("undefined"),
        )

    def _informative(self, row: Integers, col: Integers) -> Integers:
        """Items that have another category than the one, and another than the other; all, unless only unsafe count."""
        if self.where == "all":
            return np.full(len(row), len(self.items.flags))
        of_item = self.items.flags.sum(axis=1)
        pair = self.items.flags[:, row].astype(np.int64) + self.items.flags[:, col]
        informative: Integers = ((of_item[:, None] > pair) | (pair == 2)).sum(axis=0)
        return informative

    def _merges(self) -> pl.DataFrame:
        hierarchy = require("scipy.cluster.hierarchy", extra="stats")
        above = np.triu_indices(len(self.part.bits), 1)
        tree = hierarchy.linkage(1 - self.phi[above], method="average")
        leaves = [[key] for key in self.part.keys]
        rows = []
        for one, other, height, _ in tree:
            left, right = sorted((leaves[int(one)], leaves[int(other)]), key=lambda keys: self.order[keys[0]])
            rows.append({"left": left, "right": right, "height": float(height)})
            leaves.append(sorted([*left, *right], key=lambda key: self.order[key]))
        return pl.DataFrame(rows)

    def doubts(self, *, asked: int | None) -> tuple[str, ...]:
        """What a reader should know before he quotes a number."""
        found, sensitivity = self.network.stability, self.scree.tables["sensitivity"]
        first = sensitivity.row(0, named=True)
        fewest, most = min(sensitivity["n_factors"]), max(sensitivity["n_factors"])
        spread = str(fewest) if fewest == most else f"{fewest} to {most}"
        without = f"{found.expected_false_at_worst:.1f}"
        said = [
            f"the bound on false pairs takes shares of selection for unimodal; it is {without} pairs without that",
            "intervals of stable pairs take the other pairs for absent and do not allow for the selection",
        ]
        if first["n_empty"]:
            said.append(
                f"{first['n_empty']} of {len(found.share)} pairs have an empty cell, and rules for it lead to {spread} "
                "factors"
            )
        if first["largest_change"]:
            said.append(
                f"the tetrachoric matrix was made positive definite, which moved a correlation by up to "
                f"{first['largest_change']:.2f}"
            )
        if (heywood := self.scree.tables["loadings"].filter(pl.col("communality") > 1)["category"].n_unique()) > 0:
            said.append(f"factors explain more than all of the variance of {heywood} categories (Heywood cases)")
        if self.where == "unsafe":
            said.append(
                "unsafe items were kept for having a category, which makes phi and tetrachoric correlations lean below "
                "0; the log odds ratios and the draws of the parallel analysis allow for that, loadings do not"
            )
        if asked is not None and asked != self.scree.n_factors:
            said.append(f"{asked} factors were asked for, and parallel analysis finds {self.scree.n_factors}")
        return tuple(said)


def _stamped(table: pl.DataFrame, stamp: dict[str, Any]) -> pl.DataFrame:
    return table.with_columns(cs.float().fill_nan(None), cs.integer().cast(pl.Int64)).with_columns(
        pl.lit(value, pl.Int64 if isinstance(value, int) else pl.String).alias(name) for name, value in stamp.items()
    )
