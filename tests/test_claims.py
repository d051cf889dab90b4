"""Nothing is claimed that the interval does not decide: findings by construction, and every sentence on null data."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import btviz
from benchmarks.claims import CLAIM_BY_SELECTION, CLAIM_NOTHING, Seen, claims_of, tried
from btviz import sentences
from btviz.stats.clustered import median_interval
from btviz.taxonomy.findings import NUMBER, POINTS, Decision, Finding, apart, extremes

UNIT = st.floats(0, 1)


@pytest.fixture(scope="module")
def seen(samples_folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BTVIZ_DATA_DIR", str(samples_folder))
        return tried({"compared": 2, "scored": 2, "categories": 8})


@pytest.mark.slow
def test_every_sentence_is_fed_with_data_in_which_there_is_nothing(seen):
    """A new sentence needs a generator in benchmarks/claims.py, or a reason why it decides nothing."""
    exempt = CLAIM_NOTHING.keys() | CLAIM_BY_SELECTION.keys()
    assert seen.keys() | exempt == {*sentences.__all__}
    assert not seen.keys() & exempt


@pytest.mark.slow
def test_no_sentence_claims_more_often_than_it_may(seen):
    """Of 5 % at most; the large version is `python -m benchmarks.claims`."""
    assert {name: found for name, found in seen.items() if found.is_too_often} == {}
    total = Seen(*(sum(getattr(found, part) for found in seen.values()) for part in ("draws", "decided", "claims")))
    assert total.decided > 250
    assert total.claims <= 0.05 * total.decided + 3 * np.sqrt(0.05 * 0.95 * total.decided)


def test_a_rate_of_claims_is_held_against_its_error():
    often, seldom = Seen(), Seen()
    for draw in range(200):
        often.add([int(draw % 8 == 0), 0])
        seldom.add([int(draw % 12 == 0), 0])
    assert often.rate == pytest.approx(25 / 400)
    assert not often.is_too_often
    for _ in range(40):
        often.add([1, -1])
    assert often.is_too_often
    assert not seldom.is_too_often


@pytest.mark.parametrize(
    "text",
    [
        "better answers are safe 0.4 points more often than worse ones.",
        "F1 is highest for Violence and lowest for Drugs.",
        "the better answer scores higher.",
        "Both views agree: positive.",
        "no value over 3 answers (nan)",
        "0.5 of 3 answers (no interval: none was computed)",
    ],
)
def test_a_claim_without_a_decision_is_found(text):
    with pytest.raises(AssertionError, match=r"decides nothing|does not say why"):
        claims_of("made", text, [0])


def test_what_is_open_may_be_named():
    text = "whether better answers are safe more or less often is not decided."
    assert claims_of("made", text, [0, 0]) == [0, 0]
    assert claims_of("made", "response_1 is favoured", [1]) == [1]


def test_a_finding_is_said_with_all_that_it_rests_on():
    row = {"p": 0.919, "p_low": 0.826, "p_high": 1.0, "n": 1234, "undefined": "few prompts weigh most"}
    assert str(Finding.of(row, "p", items="comparisons")) == (
        "91.9 % [82.6, 100.0] of 1,234 comparisons (note: few prompts weigh most)"
    )
    without = row | {"p_low": None, "p_high": None}
    assert str(Finding.of(without, "p", items="comparisons")) == (
        "91.9 % of 1,234 comparisons (no interval: few prompts weigh most)"
    )
    nothing = without | {"p": None, "n": 0, "undefined": "no comparison has both labels"}
    assert str(Finding.of(nothing, "p", items="pairs")) == "no value over 0 pairs (no comparison has both labels)"
    plain = {"estimate": -0.034, "low": -0.1, "high": 0.05, "n": 9}
    assert str(Finding.of(plain, "estimate", items="answers", unit=NUMBER)) == "-0.03 [-0.10, 0.05] over 9 answers"
    assert str(Finding.of(plain, "estimate", items="answers", unit=POINTS)).startswith("-3.4 points [-10.0, 5.0] over")
    assert str(Finding(0.0003, 0.0, 0.01, 5000, "answers")).startswith("< 0.1 % [0.0, 1.0]")


@given(value=UNIT, below=UNIT, above=UNIT, n=st.integers(0, 10**6), doubt=st.text("abc", min_size=1))
def test_no_finding_is_said_without_interval_number_and_doubt(value, below, above, n, doubt):
    found = Finding(value, value - below, value + above, n, "answers", doubt)
    assert found.interval in str(found)
    assert found.interval != ""
    assert f"{n:,} answers" in str(found)
    assert doubt in str(found)
    assert doubt in str(Finding(value, None, None, n, "answers", doubt))


def test_a_difference_is_decided_by_the_whole_interval():
    found = Finding(0.6, 0.52, 0.68, 200, "comparisons")
    assert [found.against(value).side for value in (0.5, 0.6, 0.7)] == [1, 0, -1]
    assert found.against(0.5, among=10).side == 0  # 2.8 errors instead of 1.96
    assert Finding(0.6, None, None, 9, "comparisons", "few").against(0.0).side == 0
    said = {"below": "less", "undecided": "open", "above": "more"}
    assert [Decision(side).words(**said) for side in (-1, 0, 1)] == ["less", "open", "more"]
    assert [Decision.of_p(p).side for p in (0.049, 0.05, None)] == [1, 0, 0]


def test_the_widened_interval_is_that_of_bonferroni():
    found = Finding(0.0, -1.959964, 1.959964, 9, "answers", unit=NUMBER).widened(14)
    assert found.high == pytest.approx(2.913, abs=0.001)  # quantile of the normal at 1 - 0.025 / 14
    assert found.low == pytest.approx(-found.high)


@given(value=UNIT, below=UNIT, above=UNIT, among=st.integers(2, 400))
def test_a_widened_interval_of_a_share_holds_the_narrow_one_and_never_leaves_0_to_1(value, below, above, among):
    found = Finding(value, value * below, value + (1 - value) * above, 90, "answers")
    wide = found.widened(among)
    assert 0 <= wide.low <= found.low + 1e-9
    assert found.high - 1e-9 <= wide.high <= 1
    if 0.01 < value < 0.99:  # nearer to a bound, 2p - 1 is rounded more coarsely than p
        gap = Finding(2 * value - 1, 2 * found.low - 1, 2 * found.high - 1, 90, "answers", unit=POINTS).widened(among)
        assert (gap.low, gap.high) == pytest.approx((2 * wide.low - 1, 2 * wide.high - 1), abs=1e-6)


def test_a_widened_interval_of_nothing_is_exact():
    """0 of 40 and 40 of 40: Clopper and Pearson at 1 - 0.05 / 14."""
    exact = 1 - (0.025 / 14) ** (1 / 40)
    none = Finding(0.0, 0.0, 1 - 0.025 ** (1 / 40), 40, "answers").widened(14)
    every = Finding(1.0, 0.025 ** (1 / 40), 1.0, 40, "answers").widened(14)
    assert (none.low, none.high) == pytest.approx((0, exact))
    assert (every.low, every.high) == pytest.approx((1 - exact, 1))


def test_a_widened_interval_of_a_share_is_that_of_its_log_odds():
    p, n = 0.03, 400
    error = 1 / np.sqrt(n * p * (1 - p))
    at = {k: 1 / (1 + np.exp(-np.log(p / (1 - p)) - k * error)) for k in (-2.913, -1.959964, 1.959964, 2.913)}
    wide = Finding(p, at[-1.959964], at[1.959964], n, "answers").widened(14)
    assert (wide.low, wide.high) == pytest.approx((at[-2.913], at[2.913]), rel=1e-3)


def by_hand(source):
    """Lines that open a bracket before a value, which is how an interval is written without a `Finding`."""
    opened = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            parts = zip(node.values, node.values[1:], strict=False)
            opened += [
                text.lineno
                for text, value in parts
                if isinstance(text, ast.Constant)
                and str(text.value).rstrip().endswith("[")
                and isinstance(value, ast.FormattedValue)
            ]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "[{" in node.value:
            opened.append(node.lineno)
    return opened


SENTENCES = sorted((Path(btviz.__file__).parent / "reports" / "sentences").glob("*.py"))


def test_no_sentence_writes_an_interval_by_hand():
    assert len(SENTENCES) > 5
    assert {file.name: found for file in SENTENCES if (found := by_hand(file.read_text("utf-8")))} == {}


@pytest.mark.parametrize("made", ['f"p in [{low}, {high}]"', '" [{}, {}]".format(low, high)', 'f"{p:.1f} [{low}"'])
def test_an_interval_by_hand_is_found(made):
    assert by_hand(made) == [1]
    assert by_hand('f"{found} and [none]"') == []


def test_the_difference_of_two_is_that_of_newcombe():
    """Newcombe (1998), Statistics in Medicine 17, 873, table II, method 10: 56/70 less 48/80 is [0.0524, 0.3339]."""
    first, second = Finding(0.8, 0.6918, 0.8769, 70, "items"), Finding(0.6, 0.4904, 0.7000, 80, "items")
    gap = first.less(second)
    assert (gap.value, gap.low, gap.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=3e-4)


def test_extremes_are_named_with_their_intervals_and_never_from_few_prompts():
    low, high = Finding(0.3, 0.25, 0.35, 400, "answers"), Finding(0.6, 0.55, 0.65, 500, "answers")
    few = Finding(1.0, 0.7, 1.0, 9, "answers", "all are alike: the interval is that of 9 effective prompts")
    none = Finding(0.0, None, None, 2, "answers", "the effective number of its prompts is 2")
    said = extremes([("A", low), ("few", few), ("B", high), ("none", none)], what="categories")
    assert said == (
        "from 30.0 % [25.0, 35.0] of 400 answers (A) to 60.0 % [55.0, 65.0] of 500 answers (B), which differ; "
        "2 of 4 rest on too few prompts to be named"
    )
    near = Finding(0.36, 0.31, 0.41, 500, "answers")
    assert "; whether any of the 2 categories differ is not decided" in str(
        extremes([("A", low), ("B", near)], what="categories")
    )
    assert extremes([("A", low), ("few", few)], what="categories") is None


def test_extremes_of_shares_that_are_the_same_differ_in_5_percent_at_most():
    """Ten shares of one whole: they depend on each other negatively, and the ends are picked after looking."""
    draws, n, k = 400, 300, 10
    counts = np.random.default_rng(0).multinomial(n, np.full(k, 1 / k), draws)
    error = np.sqrt(counts / n * (1 - counts / n) / n)
    claims = 0
    for shares, errors in zip(counts / n, error, strict=True):
        found = [Finding(p, p - 1.96 * e, p + 1.96 * e, n, "items") for p, e in zip(shares, errors, strict=True)]
        claims += apart(found[int(np.argmax(shares))], found[int(np.argmin(shares))], among=k).side
    assert claims <= 0.05 * draws + 3 * np.sqrt(0.05 * 0.95 * draws)
    lone = Finding(0.5, 0.45, 0.55, n, "items")
    assert apart(Finding(0.9, 0.85, 0.95, n, "items"), lone, among=k).side == 1  # it can claim


def test_the_interval_of_a_median_is_that_of_binomial_order_statistics():
    """Reference: ranks (n ± 1.96 sqrt(n)) / 2 of independent values, and coverage where prompts are alike inside."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=400)
    middle, low, high = median_interval(values, clusters=np.arange(400))
    ordered = np.sort(values)
    assert middle == np.median(values)
    assert (low, high) == pytest.approx((ordered[180], ordered[219]), abs=0.03)
    held = 0
    for _ in range(200):
        prompt = np.repeat(np.arange(60), rng.integers(1, 6, 60))
        drawn = rng.normal(size=60)[prompt] + rng.normal(size=len(prompt)) / 2
        _, low, high = median_interval(drawn, clusters=prompt)
        held += low <= 0 <= high
    assert held >= 0.93 * 200 - 3 * np.sqrt(0.93 * 0.07 * 200)
    assert np.isnan(median_interval(np.arange(9.0), clusters=np.arange(9))[1])
