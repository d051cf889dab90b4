"""What speaks against labels: similar texts, a probe that did not see them, and how votes split.

A label is held against what its text would lead one to expect. Two kinds of evidence read texts, the labels of
neighbours from other prompts (`btviz.texts.label_noise`) and linear heads fitted without the prompts of a fold. Both
are log-odds of harm less those of all pairs; a logistic regression weighs them, again without the prompts of a fold.
Its weights of a target are drawn towards those of all targets, because a rare category has too few labels for weights
of its own. By Bayes' rule the odds that a label is wrong are its odds before, times the odds of the other value given
the text (over those of all pairs), times how much likelier such a split of votes is if the majority is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.data.dataset import Dataset
from btviz.machine.threads import one_core_each
from btviz.models.label_noise.splits import Counts, split_evidence, votes_of
from btviz.models.probes.examples import singles
from btviz.models.probes.fit import grouped_folds, prompt_groups
from btviz.models.probes.regression import FEWEST, fit_logistic
from btviz.texts.embedding import Embeddings
from btviz.texts.label_noise import Neighborhoods, contradiction, neighborhoods

SAFETY = "is_safe"

KINDS = ("neighbors", "probe", "votes")
"""Kinds of evidence."""

Values = npt.NDArray[np.float64]

N_FOLDS = 5

RIDGE = 0.1
"""Penalty of the heads; rankings are flat within a factor of three."""

_PULL = 10.0
"""Penalty that draws the weights of a target towards those of all targets."""

_PRIOR = 2.0
"""Average neighbours that each pair has beside its own: a share of 0 or 1 among few is no certainty."""


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels of n pairs by target (harm 1, none 0, unknown nan), and the votes against each; shape (n, targets)."""

    harm: Values
    against: Counts


@dataclass(frozen=True, eq=False)
class Weighed:
    """What is known of each label without itself; shape (n, targets)."""

    wrong: Values
    """Log-odds that it is wrong; nan where nothing can be held against it."""
    contradiction: Values
    n_neighbors: Values
    expected: Values
    """Probability of harm by the probe alone; nan where there is none."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """Texts and votes of n pairs, by id, and folds of their prompts."""

    targets: tuple[str, ...]
    pair_id: npt.NDArray[np.uint64]
    labels: Labels
    n_votes: Counts
    near: Neighborhoods
    design: npt.NDArray[np.float32]
    groups: npt.NDArray[np.uint64]
    fold: npt.NDArray[np.int64]

    @classmethod
    def of(cls, ds: Dataset, emb: Embeddings) -> Evidence:
        """Read the labels of a data set, and find who is near whom; raises where a pair has no vector."""
        near = neighborhoods(ds, emb)
        items = ds.items.sort("pair_id")
        flags = [~pl.col(SAFETY), *(ds.taxonomy.has(key) for key in ds.taxonomy.keys)]
        harm = items.select(
            flag.cast(pl.Float64).fill_null(float("nan")).alias(str(place)) for place, flag in enumerate(flags)
        ).to_numpy()
        n_votes, seen = votes_of(ds)
        groups = items.join(
            prompt_groups(items.select("prompt_id", "prompt").unique("prompt_id")),
            on="prompt_id",
            maintain_order="left",
        )["group"].to_numpy()
        n_folds = min(N_FOLDS, len(np.unique(groups)))
        fold = (
            grouped_folds(groups, n_folds=n_folds, random_state=0) if n_folds > 1 else np.zeros(len(groups), np.int64)
        )
        labels = Labels(harm, np.where(harm == 1, n_votes - seen, seen))
        design = _design(emb.of_pairs(items["pair_id"]))
        targets = (SAFETY, *ds.taxonomy.keys)
        return cls(targets, items["pair_id"].to_numpy(), labels, n_votes, near, design, groups, fold)

    @one_core_each()
    def weighed(self, labels: Labels, *, rate: float, kinds: Sequence[str] = KINDS) -> Weighed:
        """Hold labels against what else is known, each against what does not rest on it.

        `rate` is the share of harms that are missed; as many labels see harm where there is none.
        """
        against, count = np.full(labels.harm.shape, np.nan), np.zeros(labels.harm.shape)
        for place in np.flatnonzero(varies(labels.harm)):
            against[:, place], count[:, place] = contradiction(self.near, labels.harm[:, place])
        margins = self.held_out(labels.harm) if "probe" in kinds else np.full(labels.harm.shape, np.nan)
        return self.judged(labels, (against, count, margins), rate=rate, kinds=kinds)

    @one_core_each()
    def judged(
        self, labels: Labels, seen: tuple[Values, Values, Values], *, rate: float, kinds: Sequence[str]
    ) -> Weighed:
        """Weigh some kinds of what was seen: contradiction, number of neighbours, margins of the probe."""
        against, count, margins = seen
        base = average_odds(labels.harm)
        texts = []
        if "neighbors" in kinds:
            texts.append(_near_odds(labels.harm, against, count, base=base))
        if "probe" in kinds:
            texts.append(np.where(np.isnan(margins), 0.0, margins - base))
        odds = combined(np.stack(texts), labels.harm, fold=self.fold) if texts else np.zeros(labels.harm.shape)
        wrong = prior_odds(labels.harm, rate=rate) + np.where(labels.harm == 1, -odds, odds)
        if "votes" in kinds:
            columns = zip(self.n_votes.T, labels.against.T, labels.harm.T, strict=True)
            wrong += np.column_stack([split_evidence(n, votes, harm=harm) for n, votes, harm in columns])
        wrong[(count == 0) | np.isnan(labels.harm)] = np.nan
        return Weighed(wrong, against, count, logistic(margins))

    def held_out(self, harm: Values) -> Values:
        """Margins of linear heads fitted without the prompts of a fold; nan for targets that a fold cannot learn."""
        margins = np.full(harm.shape, np.nan)
        signs = np.where(np.isnan(harm), 0.0, 2 * np.nan_to_num(harm) - 1)
        folds = [np.flatnonzero(self.fold != number) for number in np.unique(self.fold)]
        able = np.array(
            [all(_learnable(signs[rows, t], self.groups[rows]) for rows in folds) for t in range(harm.shape[1])]
        )
        for number, rows in enumerate(folds):
            if not able.any() or not len(rows):
                continue
            weights = fit_logistic(
                self.design, singles(rows, n_answers=len(self.design)), signs=signs[rows][:, able], l2=RIDGE
            )
            held = np.flatnonzero(self.fold == number)
            margins[np.ix_(held, able)] = self.design[held] @ weights
        return margins


def _learnable(signs: Values, groups: npt.NDArray[np.uint64]) -> bool:
    return all(len(np.unique(groups[signs == side])) >= FEWEST for side in (-1, 1))


def _design(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Vectors with mean 0 and standard deviation 1, and a column of ones."""
    if not len(vectors):
        return np.ones((0, vectors.shape[1] + 1), np.float32)
    mean, spread = (vectors.mean(axis=0, dtype=np.float64), vectors.std(axis=0, dtype=np.float64))
    design = np.ones((len(vectors), vectors.shape[1] + 1), np.float32)
    design[:, :-1] = (vectors - mean) / np.where(spread > 0, spread, 1)
    return design


def logistic(values: Values) -> Values:
    """1 / (1 + exp(-x)), without overflow; nan passes."""
    return np.asarray((1 + np.tanh(values / 2)) / 2)


def varies(harm: Values) -> npt.NDArray[np.bool_]:
    """Which targets have labels of either value; of others no label can be told to be wrong."""
    return np.asarray((np.nansum(harm, axis=0) > 0) & (np.nansum(1 - harm, axis=0) > 0))


def average_odds(harm: Values) -> Values:
    """Log-odds of harm among the labels of each target, half a label of either value added."""
    positive, known = np.nansum(harm, axis=0) + 0.5, (~np.isnan(harm)).sum(axis=0) + 1.0
    return np.asarray(np.log(positive / (known - positive)))


def prior_odds(harm: Values, *, rate: float) -> Values:
    """Log-odds that a label is wrong, knowing its value alone: `rate` of the harms are missed, and as many made up."""
    n_harm, n_none = np.nansum(harm, axis=0), np.nansum(1 - harm, axis=0)
    wrong = np.minimum(rate * n_harm, 0.5 * n_none)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(harm == 1, wrong / n_harm, wrong / n_none)
        return np.asarray(np.log(share / (1 - share)))


def _near_odds(harm: Values, against: Values, count: Values, *, base: Values) -> Values:
    """Log-odds of harm among neighbours, less the average."""
    share = np.where(harm == 1, 1 - against, against)
    average = logistic(base)
    share = (np.where(count > 0, share, average) * count + _PRIOR * average) / (count + _PRIOR)
    return np.asarray(np.log(share / (1 - share)) - base)


def combined(texts: Values, harm: Values, *, fold: npt.NDArray[np.int64]) -> Values:
    """Log-odds of harm given what texts say, less the average: kinds of evidence (f, n, targets) to (n, targets)."""
    odds, varied = np.full(harm.shape, np.nan), np.flatnonzero(varies(harm))
    for number in np.unique(fold):
        fitted, held = fold != number, fold == number
        base = average_odds(harm[fitted])
        shared = _shared_weights(texts[:, fitted][:, :, varied], harm[fitted][:, varied], base=base[varied])
        for t in varied:
            known = fitted & ~np.isnan(harm[:, t])
            start = np.concatenate([shared[:1] + base[t], shared[1:]])
            own = _logistic_fit(_with_ones(texts[:, known, t]), harm[known, t], towards=start, pull=_PULL)
            odds[held, t] = _with_ones(texts[:, held, t]) @ own - base[t]
    return odds


def _shared_weights(texts: Values, harm: Values, *, base: Values) -> Values:
    """Intercept and weights that all targets share, each beside its own average."""
    known = ~np.isnan(harm)
    offset = np.broadcast_to(base, harm.shape)[known]
    design = _with_ones(texts[:, known])
    return _logistic_fit(design, harm[known], towards=np.zeros(design.shape[1]), pull=1.0, offset=offset)


def _with_ones(texts: Values) -> Values:
    return np.column_stack([np.ones(texts.shape[1]), *texts])


_STEPS = 50


def _logistic_fit(
    design: Values, label: Values, *, towards: Values, pull: float, offset: Values | float = 0.0
) -> Values:
    """Logistic regression by Newton's method with a ridge penalty towards some weights; the intercept is free."""
    penalty = np.full(len(towards), pull)
    penalty[0] = 0.5 if label.min(initial=1) == label.max(initial=0) else 1e-6
    weights = towards.copy()
    for _ in range(_STEPS):
        p = logistic(design @ weights + offset)
        curvature = design.T @ (design * (p * (1 - p))[:, None]) + np.diag(penalty)
        step = np.linalg.solve(curvature, design.T @ (label - p) - penalty * (weights - towards))
        weights += np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-9:
            break
    return weights
