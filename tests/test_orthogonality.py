"""P(better = safer): hand-worked, against references, and recovered where it was planted."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from wording import says

import btviz
from btviz.data.dataset import Dataset
from btviz.errors import UsageError
from btviz.preference import (
    Orthogonality,
    agreement_correction,
    compare_categories,
    compare_releases,
    flags_against_safer,
    implied_trade_off,
    orthogonality,
    orthogonality_of_counts,
    reliability_surface,
    score_association,
)
from btviz.preference.adjusted import AVERAGE_EFFECT, REFUSAL
from btviz.preference.comparisons import STRATA
from btviz.preference.shares import share_table, sums_of
from btviz.preference.verdicts import Margin, Planted, verdict
from btviz.stats.ordering import spearman
from btviz.stats.resampling import Resampling
from btviz.taxonomy.categories import BEAVERTAILS, PKU_SAFERLHF
from btviz.taxonomy.findings import Finding

Made = Callable[..., Dataset]
NO_ROWS = pl.DataFrame(
    schema={"prompt": pl.String, "response": pl.String, "split": pl.String, "is_safe": pl.Boolean, "labels": pl.UInt32}
)


def compared(make_dataset: Made, frame: pl.DataFrame, *, release: str | None = None) -> Dataset:
    ds = make_dataset(NO_ROWS, taxonomy=PKU_SAFERLHF, name="made up", comparisons=frame)
    return replace(ds, release=release)


def row(ds_or_table: Orthogonality | pl.DataFrame, level: str) -> dict[str, Any]:
    table = ds_or_table.table if isinstance(ds_or_table, Orthogonality) else ds_or_table
    found = table.filter(level=level)
    assert found.height == 1, found
    return found.row(0, named=True)


def simulated(*, p: dict[str, float], prompts: int = 400, position: float = 0.58, seed: int = 0) -> pl.DataFrame:
    """Comparisons with known p by stratum, shared by the answers of a prompt, and a position bias."""
    rng = np.random.default_rng(seed)
    size = rng.integers(2, 9, prompts)
    prompt = np.repeat(np.arange(prompts), size)
    stratum = rng.choice(3, size=prompts, p=[0.4, 0.2, 0.4])[prompt]
    mean = np.array([p[name] for name in STRATA])[stratum]
    own = rng.beta(2, 2, prompts)[prompt] - 0.5  # of each prompt, mean 0
    same = rng.random(len(prompt)) < mean + own * 2 * np.minimum(mean, 1 - mean)
    better = rng.random(len(prompt)) < position
    safer = np.where(same, better, ~better)
    safe_1 = np.select([stratum == 0, stratum == 2], [True, False], safer)
    safe_0 = np.select([stratum == 0, stratum == 2], [True, False], ~safer)
    numbers = np.arange(len(prompt))
    words = [" ".join(["tea"] * (1 + int(n))) for n in rng.integers(1, 40, 2 * len(prompt))]
    return pl.DataFrame(
        {
            "prompt": [f"question {i}" for i in prompt],
            "response_0": [f"left {i} {words[i]}" for i in numbers],
            "response_1": [f"right {i} {words[-1 - i]}" for i in numbers],
            "split": "train",
            "better": better.astype(np.uint8),
            "safer": safer.astype(np.uint8),
            "is_safe_0": safe_0,
            "is_safe_1": safe_1,
            "labels_0": np.where(safe_0, 0, 4).astype(np.uint32),
            "labels_1": np.where(safe_1, 0, 32).astype(np.uint32),
            "severity_0": np.where(safe_0, 0, 2).astype(np.uint8),
            "severity_1": np.where(safe_1, 0, 3).astype(np.uint8),
            "source_0": pl.Series(["model-b", "model-a"]).gather(numbers % 2),
            "source_1": "model-a",
            "prompt_source": pl.Series(["maker-x", "maker-y"]).gather(prompt % 2),
        }
    )


PLANTED = {"both_safe": 0.8, "mixed": 0.3, "both_unsafe": 0.62}


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    return simulated(p=PLANTED, prompts=900, seed=5)


@pytest.fixture(scope="module")
def known(make_dataset: Made, frame: pl.DataFrame) -> Dataset:
    return compared(make_dataset, frame, release="pku-saferlhf")


@pytest.fixture(scope="module")
def found(known: Dataset) -> Orthogonality:
    return orthogonality(known, n_boot=600)


# -- the planted truth ---------------------------------------------------------------------------


def test_planted_shares_come_back_within_their_intervals(found: Orthogonality) -> None:
    for stratum, p in PLANTED.items():
        entry = row(found, stratum)
        assert entry["p_low"] < p < entry["p_high"], entry
        assert entry["p_high"] - entry["p_low"] > entry["naive_high"] - entry["naive_low"]
        assert entry["conclusion"] == "associated"
    assert (found.table["rule_broken"] == 0).all()


def test_planted_position_bias_comes_back(known: Dataset, found: Orthogonality) -> None:
    bias = {entry["label"]: entry for entry in found.bias.iter_rows(named=True)}
    assert bias["better"]["p_low"] < 0.58 < bias["better"]["p_high"]
    p_mixed = PLANTED["mixed"]
    assert bias["is_safe"]["p_low"] < 0.58 * p_mixed + 0.42 * (1 - p_mixed) < bias["is_safe"]["p_high"]
    assert bias["is_safe"]["n"] == known.preferences.filter(pl.col("is_safe_0") != pl.col("is_safe_1")).height


def coverage(p: float, *, simulations: int = 150, prompts: int = 80) -> tuple[float, float]:
    rng = np.random.default_rng(11)
    inside = np.zeros((simulations, 2), bool)
    for number in range(simulations):
        size = rng.integers(2, 12, prompts)
        prompt = np.repeat(np.arange(prompts), size)
        hit = rng.random(len(prompt)) < rng.beta(2 * p, 2 * (1 - p), prompts)[prompt]
        table = share_table(sums_of(np.ones((len(hit), 1), bool), hit=hit, prompt=prompt), Resampling(300, number))
        low, high, naive_low, naive_high = table.select("p_low", "p_high", "naive_low", "naive_high").row(0)
        inside[number] = low <= p <= high, naive_low <= p <= naive_high
    by_prompt, naive = inside.mean(axis=0)
    return float(by_prompt), float(naive)


@pytest.mark.slow
def test_intervals_by_prompt_cover_where_naive_ones_do_not() -> None:
    by_prompt, naive = coverage(0.55)
    assert 0.90 <= by_prompt <= 0.99  # 150 simulations: +- 3.5 points
    assert naive < 0.85


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sample", "sample-saferlhf"])
def test_synthetic_data_only_say_what_was_planted(name: str, samples: dict[str, Dataset]) -> None:
    ds = samples[name]
    found = orthogonality(ds, n_boot=500)
    assert found.table["verdict"].str.starts_with("synthetic, true p = ").all()
    assert found.table["conclusion"].null_count() == found.table.height
    for stratum in STRATA:
        planted, entry = ds.facts["assumptions"][f"p_{stratum}"], row(found, stratum)
        assert entry["verdict"].startswith(f"synthetic, true p = {planted:.3f};")
        assert entry["p_low"] < planted < entry["p_high"]
    assert abs(row(found, "all")["p"] - 56_109 / 73_907) < 0.002
    assert "PKU" not in " ".join(found.table["verdict"])


# -- by hand ---------------------------------------------------------------------------------------


def small() -> pl.DataFrame:
    """Three answers to each of two questions, and two comparisons that lack a label."""
    rows = [
        # prompt, answers, better, safer, safe, severity
        ("q1", "a", "b", 0, 0, True, True),
        ("q1", "b", "c", 0, 1, True, True),
        ("q1", "a", "c", 0, 1, True, False),  # the unsafe answer is called safer
        ("q2", "a", "b", 1, 1, False, True),
        ("q2", "b", "c", 1, 0, False, False),
        ("q2", "c", "a", 1, 1, False, False),  # closes a cycle of better: b > a, c > b, a > c
        ("q3", "a", "b", None, 1, True, True),
        ("q3", "a", "c", 1, None, True, True),
    ]
    names = ["prompt", "response_0", "response_1", "better", "safer", "is_safe_0", "is_safe_1"]
    types = {"better": pl.Int8, "safer": pl.Int8}
    return pl.DataFrame(rows, schema=names, schema_overrides=types, orient="row").with_columns(
        pl.lit("train").alias("split")
    )


def test_counts_of_a_small_table(make_dataset: Made) -> None:
    found = orthogonality(compared(make_dataset, small()), n_boot=50)
    entry = row(found, "all")
    assert (entry["n"], entry["prompts"], entry["p"]) == (6, 2, pytest.approx(3 / 6))
    assert entry["p_prompt_weighted"] == pytest.approx((1 / 3 + 2 / 3) / 2)
    assert entry["rule_broken"] == 1
    assert entry["p_low"] is None
    assert "the effective number of its prompts is 2" in entry["undefined"]
    assert [row(found, stratum)["n"] for stratum in STRATA] == [2, 2, 2]
    assert "your own file" in entry["verdict"]
    bias = found.bias.select("label", "n", "p").rows()
    assert bias == [
        ("better", 7, pytest.approx(4 / 7)),
        ("safer", 7, pytest.approx(5 / 7)),
        ("is_safe", 2, pytest.approx(1 / 2)),
    ]


def test_orders_are_rebuilt_and_cycles_counted(make_dataset: Made) -> None:
    cycles = orthogonality(compared(make_dataset, small()), n_boot=50).cycles
    assert cycles["answers"].to_list() == [3, 3]
    q1 = cycles.filter("is_order_better").row(0, named=True)
    # better: a > b > c; safer: c > a > b, so two of three pairs are turned round
    assert (q1["tau_b"], q1["triples"], q1["cycles_better"]) == (pytest.approx(-1 / 3), 1, 0)
    q2 = cycles.filter(~pl.col("is_order_better")).row(0, named=True)
    assert (q2["tau_b"], q2["cycles_better"], q2["cycles_safer"]) == (None, 1, 0)
    assert q2["is_order_safer"]
    assert "cycles" in q2["undefined"]


def test_comparisons_both_ways_are_contradictions(make_dataset: Made) -> None:
    twice = small().head(3).vstack(small().head(1).with_columns(pl.lit(1, pl.Int8).alias("better")))
    entry = orthogonality(compared(make_dataset, twice), n_boot=50).cycles.row(0, named=True)
    assert (entry["contradictions_better"], entry["contradictions_safer"], entry["cycles_better"]) == (1, 0, 0)
    assert not entry["is_order_better"]
    # of better only a > c and b > c remain; of safer c > a > b: product -1 - 1 over sqrt(2 * 3)
    assert entry["tau_b"] == pytest.approx(-2 / np.sqrt(6))


def test_a_pair_preferred_both_ways_closes_no_cyclic_triple(make_dataset: Made) -> None:
    cycle = small().slice(3, 3)
    both_ways = cycle.vstack(cycle.tail(1).with_columns(pl.lit(0, pl.Int8).alias("better")))
    found = [orthogonality(compared(make_dataset, rows), n_boot=40).cycles for rows in (cycle, both_ways)]
    assert [entry["cycles_better"][0] for entry in found] == [1, 0]
    assert [entry["contradictions_better"][0] for entry in found] == [0, 1]


def test_tau_b_of_complete_orders_is_kendalls(make_dataset: Made) -> None:
    from scipy.stats import kendalltau

    rng = np.random.default_rng(2)
    rows, wanted = [], {}
    for prompt in range(20):
        k = int(rng.integers(3, 8))
        good, harmless = rng.permutation(k), rng.permutation(k)
        wanted[f"q{prompt}"] = kendalltau(good, harmless).statistic
        rows += [
            (f"q{prompt}", f"answer {i}", f"answer {j}", int(good[j] > good[i]), int(harmless[j] > harmless[i]))
            for i in range(k)
            for j in range(i + 1, k)
        ]
    names = ["prompt", "response_0", "response_1", "better", "safer"]
    ds = compared(make_dataset, pl.DataFrame(rows, schema=names, orient="row").with_columns(split=pl.lit("train")))
    cycles = orthogonality(ds, n_boot=40).cycles
    prompts = dict(ds.pairs.select("prompt_id", "prompt").unique().iter_rows())
    found = {prompts[entry["prompt_id"]]: entry["tau_b"] for entry in cycles.iter_rows(named=True)}
    assert found == pytest.approx(wanted)
    assert cycles["is_order_better"].all()


# -- nothing to estimate ------------------------------------------------------------------------------


@pytest.mark.slow
def test_without_both_labels_values_are_null_with_a_reason(tiny: Dataset, shared_data: Path) -> None:
    for ds in (tiny, btviz.load(shared_data / "pku-saferlhf" / "one_safe_pairs.jsonl")):
        found = orthogonality(ds, n_boot=50)
        entry = row(found, "all")
        assert (entry["p"], entry["p_value"], entry["undefined"]) == (None, None, "no comparison has both labels")
        assert entry["verdict"].startswith("undecided: ")
        assert found.pooled["undefined"].null_count() == 0
        assert found.adjusted["undefined"].null_count() == 0
        assert found.null.is_empty()
        assert found.cycles.is_empty()


def test_position_bias_needs_no_better_label(shared_data: Path) -> None:
    ds = btviz.load(shared_data / "pku-saferlhf" / "one_safe_pairs.jsonl")
    bias = orthogonality(ds, n_boot=500).bias
    assert bias["n"].to_list() == [0, 4114, 4114]
    assert bias["undefined"].to_list() == ["no comparison has this label", None, None]
    safer = bias.row(1, named=True)
    assert safer["p_low"] < 0.5 < safer["p_high"]  # the order was drawn anew


def test_comparisons_that_all_agree_have_an_interval_to_one_side() -> None:
    prompt = np.arange(80)
    table = share_table(sums_of(np.ones((80, 1), bool), hit=np.ones(80, bool), prompt=prompt), Resampling(50, 0))
    entry = table.row(0, named=True)
    assert (entry["p"], entry["p_high"], entry["p_value"]) == (1.0, 1.0, pytest.approx(1e-4))
    assert entry["p_low"] == pytest.approx(0.025 ** (1 / 80))
    assert "alike" in entry["undefined"]


# -- verdicts --------------------------------------------------------------------------------------------


def share_of(p: float, low: float | None, high: float | None, doubt: str | None) -> Finding:
    return Finding(p, low, high, 900, "comparisons", doubt)


@pytest.mark.parametrize(
    ("low", "high", "kind"),
    [
        (0.46, 0.54, "practically orthogonal"),
        (0.51, 0.54, "practically orthogonal"),  # significant, and negligible
        (0.52, 0.58, "undecided"),
        (0.30, 0.70, "undecided"),  # not significant is not orthogonal
        (0.56, 0.60, "associated"),
        (0.40, 0.44, "associated"),
        (None, None, "undecided"),
    ],
)
def test_conclusions_follow_from_the_interval_alone(low: float | None, high: float | None, kind: str) -> None:
    assert Margin(0.1).kind(low, high) == kind
    words = verdict(share_of(0.5, low, high, None), level="all", named="PKU-SafeRLHF", margin=Margin(0.1))
    assert words.startswith(f"{kind}: in PKU-SafeRLHF, ")


def test_what_to_mind_about_an_interval_stands_in_the_verdict() -> None:
    doubt = "the rarer outcome occurs in 9 prompts"
    for low, high in ((0.46, 0.54), (0.52, 0.58), (0.56, 0.60)):
        assert (
            verdict(share_of(0.5, low, high, doubt), level="all", named="X", margin=Margin()).count(f"(note: {doubt})")
            == 1
        )


@pytest.mark.parametrize(
    ("n_boot", "seed", "said"), [(1, 0, "39 or more"), (38, 0, "39 or more"), (50, -1, "0 or more")]
)
def test_options_that_give_no_interval_are_refused(make_dataset: Made, n_boot: int, seed: int, said: str) -> None:
    """One replicate would make an interval without width, and so a verdict."""
    with pytest.raises(UsageError, match=said):
        orthogonality(compared(make_dataset, small()), n_boot=n_boot, random_state=seed)


def test_a_wider_margin_excuses_more() -> None:
    assert Margin(0.1).kind(0.56, 0.60) == "associated"
    assert Margin(0.3).kind(0.56, 0.60) == "practically orthogonal"
    for width in (0, 1, -0.2):
        with pytest.raises(UsageError, match="margin"):
            Margin(width)


def test_directions_are_stated_in_words() -> None:
    less = verdict(share_of(0.4, 0.38, 0.42, None), level="both_unsafe", named="X", margin=Margin())
    assert less.startswith("associated: in X, both_unsafe, ")
    assert "40.0 % [38.0, 42.0]" in less
    assert says(less, "less often", "45 to 55 %")
    assert "force" in verdict(share_of(0.4, 0.38, 0.42, None), level="mixed", named="X", margin=Margin())
    assert (
        Planted({})
        .verdict(share_of(0.4, None, None, None), mix={"mixed": 2}, is_planted=True)
        .startswith("synthetic, true p unknown")
    )


def test_a_synthetic_level_expects_the_mean_of_its_strata() -> None:
    planted, share = Planted({"both_safe": 0.8, "mixed": 0.6}), share_of(0.7, 0.6, 0.8, None)
    mix = {"both_safe": 1, "mixed": 3}
    words = planted.verdict(share, mix=mix, is_planted=True)
    assert says(words, "synthetic", "p = 0.650", "strata", "70.0 % [60.0, 80.0]")
    assert "if its strata alone mattered" in planted.verdict(share, mix=mix, is_planted=False)


# -- against other implementations ---------------------------------------------------------------------


def stratified(frame: pl.DataFrame) -> list[NDArray[np.float64]]:
    safe = frame["is_safe_0"].cast(pl.Int8) + frame["is_safe_1"].cast(pl.Int8)
    tables = []
    for n_safe in (2, 1, 0):
        part = frame.filter(safe == n_safe)
        cells = [[((part["better"] == b) & (part["safer"] == s)).sum() for s in (1, 0)] for b in (1, 0)]
        tables.append(np.array(cells, float))
    return tables


def test_mantel_haenszel_is_that_of_statsmodels(found: Orthogonality, frame: pl.DataFrame) -> None:
    from statsmodels.stats.contingency_tables import StratifiedTable

    pooled = {entry["measure"]: entry for entry in found.pooled.iter_rows(named=True)}
    tables = stratified(frame)
    reference = StratifiedTable(tables)
    ours = pooled["odds_ratio_mh_by_position"]
    assert ours["estimate"] == pytest.approx(reference.oddsratio_pooled)
    assert ours["naive_p_value"] == pytest.approx(reference.test_null_odds(correction=False).pvalue)
    wanted = reference.test_equal_odds(adjust=True).pvalue
    assert pooled["homogeneity"]["naive_p_value"] == pytest.approx(wanted)
    both_orders = [(table + table[::-1, ::-1]) / 2 for table in tables]
    assert pooled["odds_ratio_mh"]["estimate"] == pytest.approx(StratifiedTable(both_orders).oddsratio_pooled)
    assert pooled["odds_ratio_mh"]["low"] < pooled["odds_ratio_mh"]["estimate"] < pooled["odds_ratio_mh"]["high"]
    assert pooled["homogeneity"]["p_value"] < 1e-6


def test_phi_and_kappa_by_position(found: Orthogonality, frame: pl.DataFrame) -> None:
    from sklearn.metrics import cohen_kappa_score, matthews_corrcoef

    better, safer = frame["better"].to_numpy(), frame["safer"].to_numpy()
    pooled = dict(found.pooled.select("measure", "estimate").iter_rows())
    assert pooled["phi_by_position"] == pytest.approx(matthews_corrcoef(better, safer))
    assert pooled["kappa_by_position"] == pytest.approx(cohen_kappa_score(better, safer))
    turned = np.r_[better, 1 - better], np.r_[safer, 1 - safer]
    assert pooled["two_p_minus_1"] == pytest.approx(matthews_corrcoef(*turned))
    assert pooled["two_p_minus_1"] == pytest.approx(cohen_kappa_score(*turned))


@pytest.mark.slow
def test_the_order_of_answers_changes_only_what_says_so(make_dataset: Made, frame: pl.DataFrame) -> None:
    first, second = "response_0", "response_1"
    sides = ("response", "is_safe", "labels", "severity", "source")
    swap = pl.int_range(pl.len()) % 3 == 0
    exchanged = [
        pl.when(swap).then(f"{name}_{1 - side}").otherwise(f"{name}_{side}").alias(f"{name}_{side}")
        for name in sides
        for side in (0, 1)
    ]
    labels = [pl.when(swap).then(1 - pl.col(name)).otherwise(name).alias(name) for name in ("better", "safer")]
    assert {first, second} <= set(frame.columns)
    one, other = (
        orthogonality(compared(make_dataset, made), n_boot=200)
        for made in (frame, frame.with_columns(*exchanged, *labels))
    )
    assert one.table.equals(other.table)
    pooled = [dict(found.pooled.select("measure", "estimate").iter_rows()) for found in (one, other)]
    assert pooled[0]["odds_ratio_mh"] == pooled[1]["odds_ratio_mh"]
    assert pooled[0]["phi_by_position"] != pooled[1]["phi_by_position"]
    assert one.bias["p"][0] > other.bias["p"][0]


def test_the_null_distribution_is_that_of_turned_prompts(found: Orthogonality) -> None:
    for level in ("all", *STRATA):
        null, entry = found.null.filter(level=level), row(found, level)
        observed = null["observed"][0]
        assert observed == pytest.approx(entry["p"])
        assert abs(null["p"].mean() - 0.5) < 0.002
        beyond = ((null["p"] - 0.5).abs() >= abs(observed - 0.5) - 1e-12).sum()
        assert entry["p_value"] == pytest.approx((1 + beyond) / (1 + null.height))


@pytest.mark.slow
def test_results_depend_on_the_seed_alone(known: Dataset) -> None:
    one, again, other = (orthogonality(known, n_boot=100, random_state=seed).table for seed in (3, 3, 4))
    assert one.equals(again)
    assert not one["p_value"].equals(other["p_value"])
    assert one["p_low"].equals(other["p_low"])


# -- regression -------------------------------------------------------------------------------------------


def effect(found: Orthogonality, specification: str, term: str, model: str = "logistic") -> dict[str, Any]:
    return found.adjusted.filter(specification=specification, term=term, model=model).row(0, named=True)


def test_regression_alone_gives_the_conditional_shares(found: Orthogonality, frame: pl.DataFrame) -> None:
    y, safer = frame["better"].to_numpy(), frame["safer"].to_numpy()
    share = [y[safer == side].mean() for side in (0, 1)]
    for model in ("logistic", "linear probability"):
        assert effect(found, "safer alone", AVERAGE_EFFECT, model)["estimate"] == pytest.approx(share[1] - share[0])
    odds = np.log(share / (1 - np.array(share)))
    assert effect(found, "safer alone", "safer")["estimate"] == pytest.approx((odds[1] - odds[0]) / 2)
    assert effect(found, "safer alone", "intercept")["estimate"] == pytest.approx(odds.mean())


def test_clustered_errors_are_those_of_refitting_without_each_prompt(found: Orthogonality, frame: pl.DataFrame) -> None:
    import statsmodels.api as sm

    entry = effect(found, "safer alone", "safer", "linear probability")
    x = np.column_stack([np.ones(frame.height), 2.0 * frame["safer"].to_numpy() - 1])
    y = frame["better"].to_numpy().astype(float)
    prompts = frame["prompt"].to_numpy()
    slopes = np.array([np.linalg.lstsq(x[prompts != p], y[prompts != p], rcond=None)[0][1] for p in np.unique(prompts)])
    jackknife = np.sqrt((len(slopes) - 1) * slopes.var())
    assert entry["std_error"] == pytest.approx(jackknife, rel=1e-6)
    sandwich = sm.OLS(y, x).fit(cov_type="cluster", cov_kwds={"groups": np.unique(prompts, return_inverse=True)[1]})
    assert entry["std_error"] == pytest.approx(sandwich.bse[1], rel=0.02)  # many prompts of like size


def test_interactions_and_differences_are_named(found: Orthogonality) -> None:
    adjusted = found.adjusted
    assert adjusted["undefined"].null_count() == adjusted.height
    terms = set(adjusted["term"])
    assert {"length", "model model-b", "safer x mixed", "safer x severity", "safer x Violence"} <= terms
    stratum = adjusted.filter(specification="stratum", term="safer x mixed", model="logistic").row(0, named=True)
    assert stratum["high"] < 0  # p = 0.3 where the other strata have 0.8 and 0.62
    effects = adjusted.filter(term=AVERAGE_EFFECT)["estimate"].to_numpy()
    assert np.ptp(effects) < 0.05


def test_length_explains_what_it_makes(make_dataset: Made) -> None:
    """The longer answer is better, and safer: nothing is left once length is controlled for."""
    rng = np.random.default_rng(8)
    n = 1500
    words = rng.integers(5, 60, (n, 2))
    lead = np.log1p(words[:, 1]) - np.log1p(words[:, 0])
    chosen = {name: (rng.random(n) < 1 / (1 + np.exp(-2 * lead))).astype(np.uint8) for name in ("better", "safer")}
    frame = pl.DataFrame(
        {
            "prompt": [f"question {i % 500}" for i in range(n)],
            "response_0": [f"left{i} " + "tea " * int(k - 1) for i, k in enumerate(words[:, 0])],
            "response_1": [f"right{i} " + "tea " * int(k - 1) for i, k in enumerate(words[:, 1])],
            "split": "train",
            **chosen,
        }
    )
    found = orthogonality(compared(make_dataset, frame), n_boot=40)
    assert effect(found, "safer alone", AVERAGE_EFFECT)["low"] > 0.1
    adjusted = effect(found, "adjusted", AVERAGE_EFFECT)
    assert adjusted["low"] < 0 < adjusted["high"]
    assert effect(found, "adjusted", "length")["low"] < 2 < effect(found, "adjusted", "length")["high"]


@pytest.mark.slow
def test_without_the_extra_the_rest_is_there(known: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("scipy.special", "statsmodels.discrete.discrete_model"):
        monkeypatch.setitem(sys.modules, module, None)
    found = orthogonality(known, n_boot=40)
    assert found.adjusted.height == 1
    assert "pip install 'btviz[stats]'" in found.adjusted["undefined"][0]
    assert found.pooled["naive_p_value"].null_count() == found.pooled.height
    assert found.pooled["estimate"].null_count() == 0


@pytest.mark.parametrize(
    ("text", "refuses"),
    [
        ("I'm sorry, but no.", True),
        ("We cannot go there", True),
        ("as an AI I prefer tea", True),
        ("Tea is fine", False),
        ("a sorry sight", False),
    ],
)
def test_refusal_markers(text: str, refuses: bool) -> None:
    assert pl.Series([text]).str.contains(REFUSAL)[0] is refuses


def test_labels_that_are_always_the_same_have_no_logistic_coefficient(make_dataset: Made) -> None:
    rows = simulated(p=dict.fromkeys(STRATA, 1.0), prompts=80, seed=3)
    adjusted = orthogonality(compared(make_dataset, rows), n_boot=40).adjusted
    logistic = adjusted.filter(specification="safer alone", model="logistic")
    assert logistic["estimate"].to_list() == [None]
    assert "separate the labels" in logistic["undefined"][0]
    linear = adjusted.filter(specification="safer alone", model="linear probability")
    assert linear["estimate"][0] == pytest.approx(1)


# -- several data sets -------------------------------------------------------------------------------------------


def test_a_difference_of_mix_alone_vanishes_once_standardised(make_dataset: Made, frame: pl.DataFrame) -> None:
    """The same p in every stratum, but one data set lacks most of its both_safe comparisons."""
    kept = pl.col("is_safe_0") & pl.col("is_safe_1") & (pl.int_range(pl.len()) % 6 > 0)
    one, other = frame, simulated(p=PLANTED, prompts=900, seed=10).filter(~kept)
    names = ("one", "other")
    sets = [replace(compared(make_dataset, rows), name=name) for name, rows in zip(names, (one, other), strict=True)]
    table = compare_releases(sets, n_boot=400)
    difference = table.filter(pl.col("against").is_not_null()).row(0, named=True)
    assert difference["crude"] > 0.03
    assert difference["low"] < 0 < difference["high"]
    each = table.filter(pl.col("against").is_null())
    assert each["name"].to_list() == ["one (your own file)", "other (your own file)"]
    assert difference["standardised"] == pytest.approx(each["standardised"][0] - each["standardised"][1])


@pytest.mark.slow
def test_standardised_shares_are_weighted_by_the_mean_mix(make_dataset: Made, frame: pl.DataFrame) -> None:
    other = frame.filter(~(pl.col("is_safe_0") & pl.col("is_safe_1")))
    sets = [compared(make_dataset, rows) for rows in (frame, other)]
    table = compare_releases(sets, strata=("mixed", "both_unsafe"), n_boot=50)
    assert table["crude"][0] == table["crude"][1]
    assert table["standardised"][0] == pytest.approx(table["crude"][0])
    whole = compare_releases(sets, n_boot=50)  # both_safe is not in the second
    parts = orthogonality(sets[0], n_boot=40)
    n = [row(parts, name)["n"] for name in STRATA]
    mix = (np.array(n[1:]) / sum(n) + np.array(n[1:]) / sum(n[1:])) / 2
    wanted = mix @ [row(parts, name)["p"] for name in STRATA[1:]] / mix.sum()
    assert whole["standardised"][0] == pytest.approx(wanted)


def test_what_cannot_be_compared_is_refused(make_dataset: Made, tiny: Dataset) -> None:
    with pytest.raises(UsageError, match="two are needed"):
        compare_releases([tiny])
    with pytest.raises(UsageError, match="none is in all of them"):
        compare_releases([tiny, compared(make_dataset, small())])
    few = compare_releases([compared(make_dataset, small())] * 2, n_boot=40)
    assert few["low"].null_count() == few.height
    assert few["undefined"].null_count() == 0


def test_categories_are_compared_across_taxonomies(known: Dataset, frame: pl.DataFrame, make_dataset: Made) -> None:
    beaver = make_dataset(NO_ROWS, taxonomy=BEAVERTAILS, name="beaver", comparisons=frame)
    table = compare_categories(known, other=beaver, n_boot=200)
    assert table["category"].to_list() == list(PKU_SAFERLHF.keys)
    # bit 2 is controversial topics, which has no counterpart; bit 5 is financial crime
    economic = table.filter(category="Economic Crime").row(0, named=True)
    assert (economic["n"], economic["p"]) == (0, None)
    unsafe = (~frame["is_safe_1"]).sum()
    assert economic["n_other"] == unsafe
    assert table.filter(category="Cybercrime")["undefined"][0] == "beavertails has no such category"
    same = compare_categories(known, other=known, n_boot=200).filter(category="Violence").row(0, named=True)
    assert (same["difference"], same["n"]) == (0, same["n_other"])
    assert same["low"] < 0 < same["high"]


def test_a_group_without_contrast_has_a_wide_interval_or_none(make_dataset: Made) -> None:
    """Comparisons that are all alike say nothing of how they vary."""
    alike = [simulated(p=PLANTED | {"both_unsafe": 1.0}, prompts=400, seed=seed) for seed in (20, 21)]
    one, other = (compared(make_dataset, rows) for rows in alike)
    within = compare_categories(one, other=other, n_boot=40).filter(category="Violence").row(0, named=True)
    assert within["low"] is not None
    only_unsafe = [rows.filter(~(pl.col("is_safe_0") | pl.col("is_safe_1"))) for rows in alike]
    unsafe = [compared(make_dataset, rows) for rows in only_unsafe]
    table = compare_categories(unsafe[0], other=unsafe[1], n_boot=40).drop_nulls("p")
    assert (table["difference"] == 0).all()
    assert (table["low"] < -0.005).all()
    assert (table["high"] > 0.005).all()
    assert table["undefined"].str.contains("alike").all()
    releases = compare_releases([one, other], n_boot=40)
    assert releases["low"].null_count() == releases.height
    assert releases["undefined"].str.contains("alike").all()
    free = compare_releases([one, other], strata=("both_safe", "mixed"), n_boot=40)
    assert free["undefined"].null_count() == free.height


@pytest.mark.parametrize(
    "asked",
    [
        lambda name, ds: orthogonality(name),
        lambda name, ds: compare_releases([ds, name]),
        lambda name, ds: compare_categories(ds, other=name),
        lambda name, ds: flags_against_safer(name),
        lambda name, ds: implied_trade_off(ds, single=name),
        lambda name, ds: btviz.annotator_agreement(name),
        lambda name, ds: btviz.check(name),
        lambda name, ds: btviz.preference.quadrants(name),
        lambda name, ds: btviz.widgets.OrthogonalityLab(name),
        lambda name, ds: btviz.widgets.PreferenceInspector(name),
    ],
)
def test_a_name_in_place_of_a_data_set_is_told(tiny: Dataset, asked: Callable[..., Any]) -> None:
    with pytest.raises(UsageError, match=r"the text 'sample'. Pass what btviz.load"):
        asked("sample", tiny)


def test_synthetic_data_are_compared_under_their_name(samples: dict[str, Dataset]) -> None:
    sets = list(samples.values())
    assert set(compare_releases(sets, n_boot=40)["name"]) == {ds.population for ds in sets}


# -- other labels of the same comparisons -----------------------------------------------------------------


def test_fewer_categories_are_counted_by_difference(make_dataset: Made) -> None:
    rows = [
        ("p", "a", "b", 0, True, False, 0, 0b1),
        ("p", "a", "c", 0, True, False, 0, 0b111),
        ("p", "b", "c", 0, False, False, 0b1, 0b111),
        ("q", "d", "e", 1, False, False, 0b1, 0b1111111),  # the safer one has six more
        ("q", "d", "f", 1, False, False, 0b11, 0b101),  # as many: left out
        ("q", "e", "f", None, False, False, 0b1, 0b11),
    ]
    names = ["prompt", "response_0", "response_1", "safer", "is_safe_0", "is_safe_1", "labels_0", "labels_1"]
    frame = pl.DataFrame(rows, schema=names, orient="row").with_columns(
        pl.col("labels_0", "labels_1").cast(pl.UInt32), split=pl.lit("train")
    )
    table = flags_against_safer(compared(make_dataset, frame), n_boot=40)
    assert table.select("level", "n", "p").rows() == [
        ("all", 4, 3 / 4),
        ("mixed", 2, 1.0),
        ("both_unsafe", 2, 1 / 2),
        ("1", 1, 1.0),
        ("2", 1, 1.0),
        ("3 or more", 2, 1 / 2),
    ]


def test_flags_of_data_without_comparisons_are_null(tiny: Dataset) -> None:
    table = flags_against_safer(tiny, n_boot=40)
    assert table["p"].null_count() == table.height
    assert set(table["undefined"]) == {"no such comparison"}


def test_the_overall_choice_is_joined_in_either_order(make_dataset: Made) -> None:
    names = ["prompt", "response_0", "response_1", "better", "safer"]
    dual = [("p", "a", "b", 0, 0), ("p", "a", "c", 0, 1), ("q", "d", "e", 1, 0), ("q", "d", "f", 1, 0)]
    single = [
        ("p", "b", "a", 1, None),  # a: better and safer
        ("p", "a", "c", 0, None),  # a: better
        ("q", "e", "d", 1, None),  # d: safer
        ("q", "d", "f", 1, None),  # f: better
        ("q", "d", "g", 1, None),  # nowhere else
        ("p", "b", "c", -1, None),  # a tie
    ]
    one, other = (
        compared(
            make_dataset,
            pl.DataFrame(rows, schema=names, schema_overrides={"safer": pl.Int8}, orient="row").with_columns(
                split=pl.lit("train")
            ),
        )
        for rows in (dual, single)
    )
    table = implied_trade_off(one, single=other, n_boot=40)
    assert table["p"].to_list() == [pytest.approx(x) for x in (3 / 4, 2 / 4, 2 / 3)]
    assert table["n"].to_list() == [4, 4, 3]
    assert table.row(0, named=True)["n_joined"] == 4
    assert table["join_rate"][0] == pytest.approx(4 / 5)


# -- published counts, reliability, scores ----------------------------------------------------------------


def test_published_counts_of_saferlhf() -> None:
    table = orthogonality_of_counts()
    assert table["n"].to_list() == [73_907, 63_094, 63_094]
    assert table["p"].to_list() == [pytest.approx(x, abs=5e-5) for x in (0.7592, 0.7179, 0.8893)]
    assert table["p_low"].null_count() == 3
    assert table["verdict"].str.starts_with("associated: in PKU-SafeRLHF (train)").all()
    with pytest.raises(UsageError, match="same_selection"):
        orthogonality_of_counts("pku-saferlhf-30k")


def test_smallest_worth_is_where_the_naive_interval_leaves_the_margin() -> None:
    from btviz.stats.association import wilson

    entry = orthogonality_of_counts().row(0, named=True)
    enough = entry["smallest_worth"]
    lows = [wilson(entry["p"] * n, n=n)[0] for n in (enough - 1, enough)]
    assert lows[0] < 0.55 < lows[1]


def test_independent_errors_are_refuted_by_the_published_counts() -> None:
    entry = agreement_correction(56_109 / 73_907).row(0, named=True)
    assert entry["attenuation"] == pytest.approx(np.sqrt(0.2478 * 0.2182), rel=1e-3)
    assert entry["refuted"]
    assert "cap |2p - 1| at 0.2325" in entry["verdict"]
    assert agreement_correction(0.55).row(0, named=True)["verdict"].startswith("possible: ")
    with pytest.raises(UsageError, match="preferences"):
        agreement_correction(0.6, release="beavertails-30k")


def test_independent_errors_are_refuted_by_a_whole_interval_only() -> None:
    sure, unsure = (agreement_correction(0.7, low=low, high=0.75) for low in (0.65, 0.55))  # 2p - 1 from 0.3, from 0.1
    assert (sure["refuted"][0], unsure["refuted"][0]) == (True, False)
    assert unsure["verdict"][0].startswith("undecided: ")
    assert "its interval reaches below" in unsure["verdict"][0]
    assert agreement_correction(0.3, low=0.2, high=0.35)["refuted"][0]
    assert not agreement_correction(0.3, low=0.2, high=0.6)["refuted"][0]


def test_the_surface_undoes_the_errors_that_it_assumes() -> None:
    rng = np.random.default_rng(0)
    n, p, e, f, r = 400_000, 0.8, 0.2, 0.1, 0.4
    both = e * f + r * np.sqrt(e * (1 - e) * f * (1 - f))
    kind = rng.choice(4, size=n, p=[both, e - both, f - both, 1 - e - f + both])
    same = rng.random(n) < p
    observed = float((same ^ np.isin(kind, [1, 2])).mean())
    found = reliability_surface(observed, accuracy_better=[0.8], accuracy_safer=[0.9], correlation=[0.4])
    assert found["corrected"][0] == pytest.approx(2 * p - 1, abs=0.005)


def test_the_surface_marks_what_cannot_be() -> None:
    surface = reliability_surface(0.7592, accuracy_better=[0.74, 1.0], correlation=[0.0, 0.5])
    assert surface["refuted"].to_list() == [True, False, False, False]
    assert surface["corrected"][2] == pytest.approx(0.5184)
    impossible = reliability_surface(0.7, accuracy_better=[0.6], accuracy_safer=[0.95], correlation=[0.99])
    assert (impossible["corrected"][0], impossible["refuted"][0]) == (None, False)
    assert "do not allow" in impossible["undefined"][0]
    with pytest.raises(UsageError, match="accuracy"):
        reliability_surface(0.7, accuracy_better=[1.2])
    assert reliability_surface(0.7, accuracy_better=[]).is_empty()


def test_weighted_spearman_is_scipys_of_repeated_items() -> None:
    from scipy.stats import spearmanr

    rng = np.random.default_rng(4)
    first, second = rng.integers(0, 6, 40).astype(float), rng.integers(0, 6, 40).astype(float)
    weights = rng.integers(0, 4, (3, 40)).astype(float)
    wanted = [spearmanr(np.repeat(first, w), np.repeat(second, w)).statistic for w in weights.astype(int)]
    assert spearman(first, second, weights=weights) == pytest.approx(wanted)


def scores_of(folder: Path) -> pl.DataFrame:
    columns = ["index", "helpful_score", "harmless_score"]
    files = sorted((folder / "scores").glob("*.jsonl"))
    return pl.concat(pl.read_ndjson(f).select(*columns, pl.lit(f.stem).alias("policy")) for f in files)


def test_scores_of_three_policies(shared_data: Path) -> None:
    found = score_association(scores_of(shared_data), n_boot=200)
    rho = dict(found.select("level", "estimate").head(4).iter_rows())
    wanted = {"all": 0.344, "llama3.2-3b_grpo": 0.156, "qwen2.5-1.5b_gdpo": -0.007, "qwen2.5-3b_grpo": 0.477}
    assert rho == {level: pytest.approx(value, abs=5e-4) for level, value in wanted.items()}
    within = found.row(4, named=True)
    assert (within["n"], round(100 * within["estimate"], 1)) == (2034, 70.4)
    assert (found["low"] < found["estimate"]).all()
    assert (found["estimate"] < found["high"]).all()


def test_answers_without_a_score_are_left_out() -> None:
    rng = np.random.default_rng(9)
    frame = pl.DataFrame({"index": np.arange(180) // 3, "policy": "one"}).with_columns(
        pl.Series(name, rng.normal(size=180)) for name in ("helpful_score", "harmless_score")
    )
    gone = pl.int_range(pl.len()) % 5 == 0
    rest = score_association(frame.filter(~gone), n_boot=50)
    for absent in (None, float("nan")):
        holed = frame.with_columns(pl.when(gone).then(absent).otherwise("helpful_score").alias("helpful_score"))
        assert score_association(holed, n_boot=50).equals(rest)


def test_simpsons_paradox_shows() -> None:
    """Within each prompt the scores oppose each other; over all answers they rise together."""
    prompts = np.repeat(np.arange(60), 2)
    second = np.tile([0, 1], 60)
    frame = pl.DataFrame(
        {
            "index": prompts,
            "policy": pl.Series(["one", "two"]).gather(second),
            "helpful_score": prompts * 10.0 + second,
            "harmless_score": prompts * 10.0 - second,
        }
    )
    found = score_association(frame, n_boot=50)
    assert row(found.head(3), "all")["estimate"] > 0.99
    assert found.row(3, named=True)["estimate"] == 0
    with pytest.raises(UsageError, match="policy"):
        score_association(frame.drop("policy"))


@pytest.mark.parametrize(
    ("same", "reason"),
    [
        (
            lambda prompt, turn: turn < 2,
            "fewer than two strata with enough prompts of either outcome to estimate how p varies",
        ),
        (lambda prompt, turn: prompt % 2, "the strata vary as one, so their differences cannot be tested"),
    ],
)
def test_strata_without_a_difference_of_their_own_are_not_tested(make_dataset, same, reason):
    """Every prompt has each stratum three times, alike in two of three comparisons, or in all or none."""
    rows = [
        (f"question {prompt}", f"left {turn} {stratum}", f"right {turn}", int(same(prompt, turn)), *safety)
        for prompt in range(180)
        for turn in range(3)
        for stratum, safety in enumerate([(True, True), (False, True), (False, False)])
    ]
    names = ["prompt", "response_0", "response_1", "better", "is_safe_0", "is_safe_1"]
    frame = pl.DataFrame(rows, schema=names, orient="row").with_columns(
        pl.col("better").cast(pl.UInt8), safer=pl.lit(1, pl.UInt8), split=pl.lit("train")
    )
    pooled = orthogonality(compared(make_dataset, frame), n_boot=100).pooled
    found = pooled.filter(measure="homogeneity").row(0, named=True)
    assert (found["estimate"], found["p_value"], found["undefined"]) == (None, None, reason)


@pytest.mark.slow
def test_strata_of_few_prompts_are_not_tested_for_homogeneity(make_dataset: Made) -> None:
    """The covariance of a stratum of few prompts is known too badly for a chi-square."""
    rows = simulated(p=PLANTED, prompts=300, seed=12)
    mixed = pl.col("is_safe_0") != pl.col("is_safe_1")
    few = rows.filter(mixed)["prompt"].unique(maintain_order=True).head(12).to_list()
    kept = rows.filter(~mixed | pl.col("prompt").is_in(few))
    two = orthogonality(compared(make_dataset, kept.filter(~mixed)), n_boot=100).pooled
    three = orthogonality(compared(make_dataset, kept), n_boot=100).pooled
    tests = [one.filter(measure="homogeneity").row(0, named=True) for one in (two, three)]
    assert tests[0]["p_value"] == pytest.approx(tests[1]["p_value"], abs=0.05)
    alone = orthogonality(compared(make_dataset, kept.filter(mixed | pl.col("is_safe_0"))), n_boot=100).pooled
    assert says(alone.filter(measure="homogeneity")["undefined"][0], "fewer than two strata", "enough prompts")


@pytest.mark.slow
def test_unknown_categories_are_not_taken_for_none(make_dataset: Made) -> None:
    rows = simulated(p=PLANTED, prompts=300, seed=13)
    unknown = pl.int_range(pl.len()) % 4 == 0
    holed = rows.with_columns(pl.when(~unknown).then("labels_0").alias("labels_0"))
    adjusted = orthogonality(compared(make_dataset, holed), n_boot=40).adjusted
    n = dict(adjusted.select("specification", "n").iter_rows())
    assert n["adjusted"] == rows.height
    assert n["category"] == rows.filter(~unknown).height
