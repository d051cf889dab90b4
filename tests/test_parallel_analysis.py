"""Parallel analysis against one written from its definition (Horn 1965): other draws, correlations and eigenvalues."""

import itertools
import math

import numpy as np
import polars as pl
import pytest
from small_data import dataset_from_rows

from btviz.labels import Factoring, category_structure

LABELS, PROMPTS, DRAWS, TERMS = 6, 500, 80, 60
BITS = (0, 3, 5, 6, 9, 11)
TRUE = np.array([[0.85, 0], [0.75, 0], [0.8, 0], [0, 0.8], [0, 0.75], [0, 0.7]])


@pytest.fixture(scope="module")
def flags():
    """Labels of both answers to each prompt, shape (prompts, 2, labels): two factors, and answers much alike."""
    rng = np.random.default_rng(20)
    own, shared = rng.normal(size=(PROMPTS, 2, 2)), rng.normal(size=(PROMPTS, 1, 2))
    unique, alike = rng.normal(size=(PROMPTS, 2, LABELS)), rng.normal(size=(PROMPTS, 1, LABELS))
    factors = math.sqrt(0.9) * shared + math.sqrt(0.1) * own
    rest = math.sqrt(0.9) * alike + math.sqrt(0.1) * unique
    return factors @ TRUE.T + rest * np.sqrt(1 - (TRUE**2).sum(axis=1)) > np.array([0.5, 0.7, 0.9, 0.6, 0.8, 1.0])


@pytest.fixture(scope="module")
def ds(flags):
    masks = (flags * 2 ** np.array(BITS)).sum(axis=2)
    rows = [
        (f"tea number {prompt}", f"warm, {prompt} {answer}", "train", not masks[prompt, answer], masks[prompt, answer])
        for prompt, answer in np.ndindex(masks.shape)
    ]
    schema = {"prompt": str, "response": str, "split": str, "is_safe": bool, "labels": pl.UInt32}
    return dataset_from_rows(pl.DataFrame(rows, schema=schema, orient="row"))


# -- the other implementation -------------------------------------------------------------------------


def correlation(x, y):
    """Root of Pearson's tetrachoric series (1900), by bisection, of labels whose table has no empty cell."""
    from scipy.special import gammaln
    from scipy.stats import norm

    n = len(x)
    h, k = -norm.ppf(x.sum() / n), -norm.ppf(y.sum() / n)
    hermite = [np.array([1.0, 1.0]), np.array([h, k])]
    for order in range(1, TERMS):
        hermite.append(np.array([h, k]) * hermite[-1] - order * hermite[-2])
    power = np.arange(1, TERMS + 1)
    terms = np.prod(hermite[:TERMS], axis=1) * np.exp(-gammaln(power + 1)) * norm.pdf(h) * norm.pdf(k)
    excess = (x & y).sum() / n - x.sum() * y.sum() / n**2
    low, high = -0.95, 0.95
    for _ in range(45):
        middle = (low + high) / 2
        low, high = (middle, high) if terms @ middle**power < excess else (low, middle)
    return (low + high) / 2


def eigenvalues(labels):
    """Of the correlations of labels, shape (n, k): of components, and of one factor by iterated principal axes."""
    from scipy.linalg import eigh, eigvalsh

    matrix = np.eye(labels.shape[1])
    for i, j in itertools.combinations(range(labels.shape[1]), 2):
        matrix[i, j] = matrix[j, i] = correlation(labels[:, i], labels[:, j])
    reduced = matrix.copy()
    for _ in range(400):
        values, vectors = eigh(reduced)
        before = reduced.diagonal().copy()
        np.fill_diagonal(reduced, np.clip(vectors[:, -1] ** 2 * values[-1], 0, 0.995))
        if np.abs(reduced.diagonal() - before).max() < 1e-7:
            break
    return matrix, eigvalsh(matrix)[::-1], eigvalsh(reduced)[::-1]


def of_prompts(flags, rng):
    """Labels that know nothing of each other: both answers of each label are those of some prompt, with replacement."""
    return np.column_stack([flags[rng.integers(PROMPTS, size=PROMPTS), :, label].ravel() for label in range(LABELS)])


def of_items(flags, rng):
    """The same from shares alone, as if answers to one prompt were independent."""
    return rng.random((2 * PROMPTS, LABELS)) < flags.mean(axis=(0, 1))


def of_labelled_items(flags, rng):
    """Independent labels of items that are kept for having one, with the shares that labelled items have."""
    from scipy.optimize import brentq

    items = flags.reshape(-1, LABELS)
    kept = items[items.any(axis=1)]
    shares = kept.mean(axis=0)
    drawn = brentq(lambda known: 1 - np.prod(1 - shares * known) - known, 0.05, 0.999)
    labels = rng.random((round(len(kept) / drawn), LABELS)) < shares * drawn
    return labels[labels.any(axis=1)]


def by_chance(draw, flags):
    rng = np.random.default_rng(21)
    drawn = [eigenvalues(draw(flags, rng))[1:] for _ in range(DRAWS)]
    return {kind: np.array([one[place] for one in drawn]) for place, kind in enumerate(("component", "factor"))}


def gaps(found, drawn, kind):
    """How far means and 95 % quantiles lie apart, in standard errors of normal draws on both sides."""
    values = drawn[kind]
    spread = values.std(axis=0, ddof=1) * math.sqrt(1 / DRAWS + 1 / found.eigenvalues["n_draws"][0])
    density = math.exp(-(1.645**2) / 2) / math.sqrt(2 * math.pi)
    return np.concatenate(
        [
            (found.eigenvalues[f"{kind}_mean"].to_numpy() - values.mean(axis=0)) / spread,
            (found.eigenvalues[f"{kind}_high"].to_numpy() - np.quantile(values, 0.95, axis=0))
            / (spread * math.sqrt(0.05 * 0.95) / density),
        ]
    )


def leading(observed, drawn):
    below = observed <= np.quantile(drawn, 0.95, axis=0)
    return int(below.argmax())


# -- do both agree? ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_parallel_analysis_agrees_with_one_written_from_its_definition(ds, flags):
    found = category_structure(ds, factoring=Factoring(n_draws=DRAWS))
    matrix, *observed = eigenvalues(flags.reshape(-1, LABELS))
    assert found.pairs.drop_nulls("tetrachoric")["tetrachoric"].to_numpy() == pytest.approx(
        matrix[np.triu_indices(LABELS, 1)], abs=1e-5
    )
    drawn = by_chance(of_prompts, flags)
    for kind, values, count in zip(drawn, observed, (found.n_components, found.n_factors), strict=True):
        assert found.eigenvalues[kind].to_numpy() == pytest.approx(values, abs=1e-4)
        assert np.abs(gaps(found, drawn, kind)).max() < 4
        assert count == leading(values, drawn[kind]) == 2
    # the check can fail: draws that ignore prompts are told apart
    assert np.abs(gaps(found, by_chance(of_items, flags), "component")).max() > 6


@pytest.mark.slow
def test_parallel_analysis_of_labelled_items_agrees_with_independent_labels_of_which_these_are_kept(ds, flags):
    found = category_structure(ds, where="unsafe", factoring=Factoring(n_draws=DRAWS, shuffled="items"))
    drawn = by_chance(of_labelled_items, flags)
    for kind in drawn:
        assert np.abs(gaps(found, drawn, kind)).max() < 4
    items = flags.reshape(-1, LABELS)
    _, components, factors = eigenvalues(items[items.any(axis=1)])
    assert found.n_components == leading(components, drawn["component"])
    assert found.n_factors == leading(factors, drawn["factor"])
    assert np.abs(gaps(found, by_chance(of_items, flags), "component")).max() > 6
