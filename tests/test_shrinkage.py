"""Shares drawn towards each other, and Bayesian intervals of rare cells: against SciPy, integrals, and draws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_topics import made_topics

import btviz
from btviz.errors import UsageError
from btviz.stats import shrinkage
from btviz.stats.clustered import jeffreys_phi, jeffreys_share, phi_interval, share_interval


def single(hits, n):
    """Groups whose every item is a prompt of its own: sums by prompt, shape (C, m)."""
    rows = [
        (group, place < hit) for group, (hit, items) in enumerate(zip(hits, n, strict=True)) for place in range(items)
    ]
    n_of = np.zeros((len(rows), len(n)))
    n_of[np.arange(len(rows)), [group for group, _ in rows]] = 1
    return n_of * np.array([[is_hit] for _, is_hit in rows]), n_of


HITS, ITEMS = [0, 2, 9, 30, 1, 4], [4, 10, 20, 100, 3, 40]


def test_posterior_is_that_of_direct_integration():
    from scipy.special import betaln

    h, n = np.array(HITS, float), np.array(ITEMS, float)
    usual = len(n) / (1 / n).sum()

    grid_pull, grid_mean = np.linspace(0.0025, 0.9975, 200), np.linspace(0.001, 0.999, 400)
    pull, mean = np.meshgrid(grid_pull, grid_mean, indexing="ij")
    strength = usual * pull / (1 - pull)
    a, b = mean * strength, (1 - mean) * strength
    logs = (betaln(a[..., None] + h, b[..., None] + n - h) - betaln(a, b)[..., None]).sum(axis=-1)
    weight = np.exp(logs - logs.max())
    weight /= weight.sum()
    by_hand = [(weight * (a + hits) / (strength + items)).sum() for hits, items in zip(h, n, strict=True)]
    found = shrinkage.shrunken_shares(*single(HITS, ITEMS))
    assert found.effective == pytest.approx(n)
    assert found.estimate == pytest.approx(by_hand, abs=0.004)
    assert found.mean == pytest.approx(float((weight * mean).sum()), abs=0.004)
    assert found.strength == pytest.approx(float((weight * pull).sum()), abs=0.01)


def test_small_groups_move_more_and_never_beyond_what_they_move_to():
    found = shrinkage.shrunken_shares(*single(HITS, ITEMS))
    raw = np.array(HITS) / ITEMS
    between = (np.minimum(raw, found.mean) - 0.03 <= found.estimate) & (
        found.estimate <= np.maximum(raw, found.mean) + 0.03
    )
    assert between.all()
    moved = np.abs(found.estimate - raw) / np.abs(raw - found.mean)
    assert moved[0] > moved[3]
    assert ((found.low < found.estimate) & (found.estimate < found.high)).all()


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 12)), min_size=3, max_size=6))
@settings(max_examples=15)
def test_values_are_shares_in_their_intervals(groups):
    hits, n = [min(pair) for pair in groups], [pair[1] for pair in groups]
    found = shrinkage.shrunken_shares(*single(hits, n))
    if found.undefined is not None:
        assert sum(hits) in {0, sum(n)}
        return
    assert ((found.low > 0) & (found.low < found.estimate) & (found.estimate < found.high) & (found.high < 1)).all()


def test_answers_that_copy_each_other_count_once_a_prompt():
    draw = np.random.default_rng(0)
    n = np.full((40, 1), 3.0)
    copies = 3.0 * (draw.random((40, 1)) < 0.4)
    assert shrinkage.effective_items(copies, n) == pytest.approx([40], abs=1)
    alone = draw.binomial(3, 0.4, (400, 1)).astype(float)
    assert shrinkage.effective_items(alone, np.full((400, 1), 3.0)) == pytest.approx([1200], rel=0.15)


def test_too_few_groups_and_groups_without_contrast_say_why():
    few = shrinkage.shrunken_shares(*single([1, 2], [5, 5]))
    assert "2 groups" in str(few.undefined)
    assert np.isnan(few.estimate).all()
    assert shrinkage.shrunken_shares(*single([0, 0, 0], [5, 5, 9])).undefined == "all items of all groups are alike"


@pytest.mark.slow
def test_intervals_hold_groups_drawn_by_the_model():
    """Coverage over groups; 93.1 to 94.7 % (± 0.5) in four cells of 150 draws of 5 to 30 groups."""
    draw = np.random.default_rng(1)
    held, errors = [], []
    for _ in range(25):
        truth = draw.beta(2, 8, 8)
        n = draw.integers(5, 30, 8)
        hits = draw.binomial(n, truth)
        if not 0 < hits.sum() < n.sum():
            continue
        found = shrinkage.shrunken_shares(*single(hits, n))
        held += ((found.low <= truth) & (truth <= found.high)).tolist()
        errors.append((((found.estimate - truth) ** 2).mean(), ((hits / n - truth) ** 2).mean()))
    assert np.mean(held) > 0.95 - 3 * math.sqrt(0.95 * 0.05 / len(held))
    ours, raw = np.mean(errors, axis=0)
    assert ours < raw


# --- rare cells


def test_jeffreys_is_scipys_beta_where_prompts_have_one_item():
    from scipy.stats import beta

    hits, n = single([30, 0], [200, 200])
    found = jeffreys_share(hits, n)
    worth = 199  # the variance of a share of n independent items is estimated with n - 1
    assert [found.low[0], found.high[0]] == pytest.approx(
        beta.ppf([0.025, 0.975], 0.15 * worth + 0.5, 0.85 * worth + 0.5), abs=1e-3
    )
    assert found.low[1] == 0
    assert found.high[1] == pytest.approx(beta.ppf(0.975, 0.5, 200.5), abs=1e-6)
    assert found.high[1] < share_interval(hits, n).high[1]


def test_jeffreys_phi_holds_phi_and_is_near_the_other_where_cells_are_filled():
    draw = np.random.default_rng(0)
    row = draw.random((400, 2)) < 0.4
    col = np.where(draw.random((400, 2)) < 0.3, row, draw.random((400, 2)) < 0.4)
    both, n = row & col, np.ones((400, 2))
    bayes, other = (f(row, col, both=both, n=n) for f in (jeffreys_phi, phi_interval))
    assert bayes.estimate == pytest.approx(other.estimate)
    assert bayes.low == pytest.approx(other.low, abs=0.03)
    assert bayes.high == pytest.approx(other.high, abs=0.03)


def test_jeffreys_intervals_are_an_option_of_tables(make_dataset, tiny):
    ds, _, _, topics = made_topics(make_dataset)
    plain, bayes = (btviz.topic_categories(ds, topics, interval=name) for name in ("confidence", "jeffreys"))
    assert bayes["interval"].unique().to_list() == ["jeffreys"]
    assert bayes["share"].to_list() == plain["share"].to_list()
    assert bayes["share_shrunken"].to_list() == plain["share_shrunken"].to_list()
    with pytest.raises(UsageError, match="jeffreys"):
        btviz.topic_categories(ds, topics, interval="jeffrey")
    with pytest.raises(UsageError, match="jeffreys"):
        btviz.cooccurrence_tests(tiny, interval="jefreys")


@pytest.mark.slow
def test_groups_of_comparisons_are_drawn_together(samples):
    table = btviz.orthogonality(samples["sample"], n_boot=50).table
    assert table.filter(grouping="all")["p_shrunken"].to_list() == [None]
    rare = table.filter(level="terrorism,organized_crime").row(0, named=True)
    pooled = table.filter(grouping="all")["p"][0]
    assert abs(rare["p_shrunken"] - pooled) < abs(rare["p"] - pooled)
    assert rare["p_low"] is None
    assert table.filter(grouping="all")["undefined_shrunken"][0].startswith("there are 1 groups")
    assert rare["undefined_shrunken"] is None
    assert rare["p_shrunken_low"] < rare["p_shrunken"] < rare["p_shrunken_high"]
