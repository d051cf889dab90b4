"""Distributions of label sets, and of what annotators make of one pair.

Two maximum-entropy fits, both over an explicit list of label sets: the distribution of sets
that has the published counts, and the kernel by which an annotator's set departs from the
set behind the pair, which has the published disagreement.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from btviz.data.releases.published import label_statistics
from btviz.data.synthetic import facts
from btviz.data.synthetic.facts import Floats, Ints
from btviz.taxonomy.categories import BEAVERTAILS, PKU_SAFERLHF

MOST_LABELS = 4
"""Largest label set of the SafeRLHF-like data: the smallest limit that all published joint counts allow."""


@dataclass(frozen=True, eq=False)
class Population:
    """Label sets and how often each occurs; state 0 is the safe one.

    Attributes
    ----------
    masks : (s,) int64
        Label set of each state, as a bit mask.
    shares : (s,) float64
        Probability of each state; sums to 1.
    severities : (s,) int64 or None
        Severity of each state, where the release has severities.
    kernel : (s, s) float64 or None
        Probability that an annotator reports column's set where row's set is the one behind
        the pair; None where every pair is annotated once, without error.
    """

    masks: Ints
    shares: Floats
    severities: Ints | None = None
    kernel: Floats | None = None


def rake(weights: Floats, *, features: Sequence[Ints], goals: Sequence[float], sweeps: int = 400) -> Floats:
    """Iterative proportional fitting: the distribution nearest to `weights` that meets all goals.

    Parameters
    ----------
    weights : (s,) float64
        Starting weights, at least 0.
    features : sequence of int arrays
        States that have each feature.
    goals : sequence of float
        Share of the total that each feature must have, in [0, 1).
    sweeps : int
        Most passes over all features; it stops earlier once every share is within 1e-4 of
        its goal, relatively.

    Returns
    -------
    (s,) float64
        Shares that sum to 1. Source: Deming and Stephan (1940).
    """
    fitted: Floats = weights / weights.sum()
    for _ in range(sweeps):
        worst, total = 0.0, 1.0
        for states, goal in zip(features, goals, strict=True):
            share = fitted[states].sum() / total
            if goal == 0 or share == 0:
                fitted[states] = 0.0
                total -= share * total
                continue
            worst = max(worst, abs(share / goal - 1))
            odds = goal * (1 - share) / (share * (1 - goal))
            fitted[states] *= odds
            total *= 1 + (odds - 1) * share
        fitted /= fitted.sum()
        if worst < 1e-4:
            break
    return fitted


def agreeing_kernel(shares: Floats, *, differs: npt.NDArray[np.bool_], goals: Floats) -> Floats:
    """Annotator kernel under which three annotators disagree as often as published.

    The joint probability of the set behind a pair and an annotator's set is
    ``u[i] u[j] exp(-sum_f w[f] differs[f, i, j])``, scaled so that both margins are `shares`:
    annotating changes no count. One weight per feature is moved until three independent
    annotators disagree on that feature with the probability asked for.
    """
    weights = np.full(len(goals), 1.0)
    scale = np.sqrt(shares)
    kernel = np.empty_like(differs[0], dtype=np.float64)
    for _ in range(250):
        energy = np.zeros(kernel.shape)
        for weight, different in zip(weights, differs, strict=True):
            energy += weight * different
        affinity = np.exp(-energy)
        for _ in range(8):
            scale = np.sqrt(scale * shares / (affinity * scale).sum(axis=1))
        kernel = affinity * scale
        kernel /= kernel.sum(axis=1, keepdims=True)
        disagreements = disagreement(shares, kernel=kernel, differs=differs)
        weights += np.log(disagreements / goals)
        if np.abs(disagreements / goals - 1).max() < 1e-4:
            break
    return kernel


def disagreement(shares: Floats, *, kernel: Floats, differs: npt.NDArray[np.bool_]) -> Floats:
    """Probability, per feature, that three annotators of one pair are not unanimous.

    A feature that only says "another set" (the last one) is unanimous if all three sets are
    equal; any other splits the states in two, by whether they differ from state 0.
    """
    flagged = [(kernel * different[0]).sum(axis=1) for different in differs[:-1]]
    split = [3 * (shares * p * (1 - p)).sum() for p in flagged]
    return np.array([*split, 1 - (shares * (kernel**3).sum(axis=1)).sum()])


@functools.cache
def beavertails() -> Population:
    """Sets of `30k_test`, reweighted to the counts of 330k; annotators as in 330k."""
    published, keys = label_statistics(), BEAVERTAILS.keys
    many = published["beavertails_330k"]
    sets = sorted(
        (
            (BEAVERTAILS.mask(entry["categories"]), entry["n"])
            for entry in published["beavertails_30k_test"]["label_sets"]
        ),
    )
    masks = np.array([mask for mask, _ in sets], dtype=np.int64)
    flags = np.stack([*BEAVERTAILS.flags(masks).T, masks > 0])
    counts = facts.by_bit(many["train_category_true_counts"], BEAVERTAILS)
    shares = rake(
        np.array([n for _, n in sets], dtype=np.float64),
        features=[np.flatnonzero(flag) for flag in flags],
        goals=[*(counts / many["train_rows"]), facts.UNSAFE_SHARE],
    )
    differs = np.concatenate([flags[:, :, None] != flags[:, None, :], [masks[:, None] != masks]])
    unlike = 1 - many["pairs_agreeing_on_full_category_vector_train"] / many["train_unique_pairs"]
    percent = many["share_of_pairs_with_disagreement_pct_train"]
    goals = np.array([*(percent[key] / 100 for key in keys), percent["is_safe"] / 100, unlike])
    return Population(masks, shares, kernel=agreeing_kernel(shares, differs=differs, goals=goals))


@functools.cache
def saferlhf() -> Population:
    """Sets of up to four categories with the published severities and joint counts."""
    published = label_statistics()["pku_saferlhf_dual_train"]
    unsafe = published["response_level_marginals"]["is_safe"]["unsafe"]
    n = len(PKU_SAFERLHF)
    members = [c for k in range(1, MOST_LABELS + 1) for c in itertools.combinations(range(n), k)]
    masks = np.tile(np.array([sum(1 << bit for bit in chosen) for chosen in members]), 3)
    severities = np.repeat([1, 2, 3], len(members))
    features, goals = zip(*_saferlhf_goals(masks, severities), strict=True)
    sizes = np.tile([len(chosen) for chosen in members], 3)
    fitted = rake(0.3**sizes, features=features, goals=[goal / unsafe for goal in goals])
    share = unsafe / (2 * published["rows"])
    return Population(
        np.concatenate([[0], masks]),
        np.concatenate([[1 - share], share * fitted]),
        severities=np.concatenate([[0], severities]),
    )


def _saferlhf_goals(masks: Ints, severities: Ints) -> list[tuple[Ints, float]]:
    """States with a feature, and the response positions that have it, for every published count."""
    published = label_statistics()["pku_saferlhf_dual_train"]
    has = dict(zip(PKU_SAFERLHF.keys, PKU_SAFERLHF.flags(masks).T, strict=True))
    at = {level: severities == level for level in (1, 2, 3)}
    single = [
        (np.flatnonzero(has[key] & at[level]), counts[str(level)])
        for key, counts in published["category_by_severity_response_positions"].items()
        for level in at
    ]
    joint = [
        (np.flatnonzero(has[a] & has[b]), count)
        for a, b, count in published["category_joint_counts"]
        if a < b  # each unordered pair is listed in both orders
    ]
    margins = published["response_level_marginals"]["severity_level"]
    return [*single, *joint, *((np.flatnonzero(at[level]), margins[str(level)]) for level in (1, 2))]
