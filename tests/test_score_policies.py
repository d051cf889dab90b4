"""Policies, margins, quadrants, safe rates, moderators and scales: worked by hand or by other code."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from score_tables import scores

from btviz.data.synthetic import generate
from btviz.errors import UsageError
from btviz.scores.differences import margin_summary, score_drift, score_margins
from btviz.scores.distributions import score_range
from btviz.scores.plane import QUADRANTS, model_of, reward_against_cost, reward_and_cost, score_quadrants
from btviz.scores.policies import compare_policies, policy_answers, policy_ratings, policy_scores, safe_rates
from btviz.scores.raters import agreement_of_counts, moderator_agreement, safety_verdicts
from btviz.taxonomy.categories import PKU_SAFERLHF


@pytest.fixture(scope="module")
def ds(make_dataset):
    made = generate("sample-saferlhf", n_pairs=500)
    return make_dataset(made.rows, taxonomy=PKU_SAFERLHF, comparisons=made.comparisons)


@pytest.fixture(scope="module")
def scored(ds):
    rng = np.random.default_rng(1)
    n, unsafe = ds.pairs.height, ~ds.pairs["is_safe"].to_numpy()
    cost = np.round(rng.normal(size=n) + unsafe - 0.5, 1)
    tables = [
        scores(ds.pairs["pair_id"], cost, model="cost"),
        scores(ds.pairs["pair_id"], np.round(rng.normal(size=n), 1), model="reward", kind="reward"),
    ]
    return pl.concat(tables)


def test_a_model_that_scored_some_policies_rates_these(ds, scored):
    found = policy_scores(policy_answers(ds), scored)
    names = found["policy"].unique().sort().to_list()
    some = found.filter((pl.col("kind") == "cost") | (pl.col("policy") != names[0]))
    wanted = policy_ratings(some.filter(kind="reward"), n_boot=60)
    rated = policy_ratings(some, reference=names[0], n_boot=60)
    assert rated.filter(kind="reward").equals(wanted)
    assert rated.filter(kind="cost")["policy"].to_list() == names
    assert wanted["policy"].to_list() == names[1:]
    assert wanted["elo"].null_count() == 0
    with pytest.raises(UsageError, match="a model that scored two policies; there is none"):
        policy_ratings(found.filter(policy=names[1]))


def meetings(wins, losses, ties, *, kind="reward"):
    """Items that policy b wins, loses or ties against a, each a prompt of its own."""
    rows = []
    for item, (a, b) in enumerate([(0.0, 1.0)] * wins + [(1.0, 0.0)] * losses + [(1.0, 1.0)] * ties):
        rows += [("a", str(item), item, a), ("b", str(item), item, b)]
    frame = pl.DataFrame(rows, schema=["policy", "item", "prompt_id", "score"], orient="row")
    return frame.with_columns(
        pl.col("prompt_id").cast(pl.UInt64), pl.lit("m").alias("model"), pl.lit(kind).alias("kind")
    )


def value(table, statistic):
    return table.filter(statistic=statistic).row(0, named=True)


def test_two_policies_by_hand():
    table = compare_policies(meetings(60, 20, 20), before="a", after="b", n_boot=500)
    found = dict(table.select("statistic", "estimate").rows())
    assert found == pytest.approx(
        {
            "mean before": 0.4,
            "mean after": 0.8,
            "mean difference": 0.4,
            "wins": 0.6,
            "ties": 0.2,
            "losses": 0.2,
            "win rate": 0.7,
            "Elo": 400 * np.log10(0.7 / 0.3),
        }
    )
    assert set(table["n"]) == {100}
    assert ((table["low"] < table["estimate"]) & (table["estimate"] < table["high"])).all()
    rate = value(table, "win rate")
    naive = 1.96 * np.sqrt((0.6 * 0.3**2 + 0.2 * 0.7**2 + 0.2 * 0.2**2) / 100)
    assert rate["high"] - rate["low"] == pytest.approx(2 * naive, rel=0.15)


def test_a_lower_cost_wins_and_no_interval_is_invented():
    table = compare_policies(meetings(60, 20, 20, kind="cost"), before="a", after="b", n_boot=200)
    assert value(table, "wins")["estimate"] == pytest.approx(0.2), "b costs more where its score is higher"
    assert value(table, "mean difference")["estimate"] == pytest.approx(0.4)
    never = value(table, "share below 0 after")
    assert (never["estimate"], never["low"]) == (0, 0)
    assert never["high"] == pytest.approx(1 - 0.025**0.01)  # Clopper and Pearson, of 100 prompts
    assert "all are alike" in never["undefined"]
    sure = compare_policies(meetings(60, 0, 0), before="a", after="b", n_boot=50)
    elo = value(sure, "Elo")
    assert (elo["estimate"], elo["low"]) == (None, None)
    few = compare_policies(meetings(5, 5, 5), before="a", after="b", n_boot=50)
    assert few["low"].null_count() == few.height
    assert set(few["undefined"]) == {"the effective number of its prompts is 15, and an interval needs 20"}


def test_policies_that_always_tie_or_win_have_a_wide_interval_or_none_and_the_reason():
    ties = meetings(0, 0, 60)
    elo = value(compare_policies(ties, before="a", after="b", n_boot=50), "Elo")
    assert elo["high"] == -elo["low"] == pytest.approx(87, abs=0.1)  # Wilson's of 30 in 60
    rating = policy_ratings(ties, n_boot=50).row(-1, named=True)
    assert (rating["elo"], rating["low"], rating["high"]) == (pytest.approx(0), None, None)
    assert "so few prompts decide" in rating["undefined"]
    won = value(compare_policies(meetings(60, 0, 0), before="a", after="b", n_boot=50), "Elo")
    assert (won["estimate"], won["undefined"]) == (
        None,
        "one of the two won every item, so the odds of a win are infinite",
    )


def test_ratings_of_two_policies_are_their_elo():
    table = meetings(60, 20, 20)
    ratings = policy_ratings(table, reference="a", n_boot=100)
    elo = dict(ratings.select("policy", "elo").rows())
    assert elo == pytest.approx({"a": 0, "b": 400 * np.log10(0.7 / 0.3)})
    assert dict(ratings.select("policy", "win_rate").rows()) == pytest.approx({"a": 0.3, "b": 0.7})
    with pytest.raises(UsageError, match="two policies"):
        policy_ratings(table.filter(policy="a"))
    with pytest.raises(UsageError, match="no prompt was answered by both"):
        compare_policies(table.filter((pl.col("policy") == "a") == (pl.col("item") == "0")), before="a", after="b")


@settings(max_examples=20)
@given(seed=st.integers(0, 999))
def test_swapping_policies_mirrors_the_comparison(seed):
    rng = np.random.default_rng(seed)
    rows = [("ab"[k], str(i), i // 2, float(rng.integers(3))) for i in range(60) for k in (0, 1) for _ in range(2)]
    table = pl.DataFrame(rows, schema=["policy", "item", "prompt_id", "score"], orient="row").with_columns(
        pl.col("prompt_id").cast(pl.UInt64), pl.lit("m").alias("model"), pl.lit("reward").alias("kind")
    )
    one, two = (compare_policies(table, before=a, after=b, n_boot=40) for a, b in ("ab", "ba"))
    assert value(one, "mean difference")["estimate"] == pytest.approx(-value(two, "mean difference")["estimate"])
    assert value(one, "win rate")["estimate"] == pytest.approx(1 - value(two, "win rate")["estimate"])
    assert set(one["n"]) == {60}


def test_answering_models_are_policies(ds, scored):
    table = policy_scores(policy_answers(ds), scored)
    assert table.height == 2 * ds.pairs["source"].count()
    one, two = sorted(set(ds.pairs["source"].drop_nulls()))[:2]
    by_prompt = table.filter(kind="cost").group_by("prompt_id", "policy").agg(pl.col("score").mean())
    wide = by_prompt.pivot("policy", index="prompt_id", values="score").drop_nulls([one, two])
    found = value(compare_policies(table, before=one, after=two, n_boot=40).filter(kind="cost"), "mean difference")
    assert found["n"] == wide.height
    assert found["estimate"] == pytest.approx((wide[two] - wide[one]).mean())


def test_margins_are_chosen_less_rejected(ds, scored):
    margins = score_margins(scored, ds)
    cost = dict(scored.filter(kind="cost").select("pair_id", "score").rows())
    own = margins.filter(kind="cost")
    for row in own.head(20).to_dicts():
        assert row["margin"] == pytest.approx(cost[row["pair_id_chosen"]] - cost[row["pair_id_rejected"]])
    chosen = {(p[f"pair_id_{p['safer']}"], p[f"pair_id_{1 - p['safer']}"]) for p in ds.preferences.to_dicts()}
    assert set(own.select("pair_id_chosen", "pair_id_rejected").rows()) == chosen
    summary = margin_summary(margins, n_boot=200).filter(kind="cost", grouping="all").row(0, named=True)
    assert summary["mean"] == pytest.approx(own["margin"].mean())
    assert summary["q50"] == pytest.approx(own["margin"].median())
    assert summary["share_positive"] == pytest.approx((own["margin"] > 0).mean())
    assert summary["low"] < summary["mean"] < summary["high"]
    with pytest.raises(UsageError, match="comparisons"):
        score_margins(scored.with_columns(pl.lit("moderation").alias("kind")), ds)


@pytest.mark.slow
def test_quadrants_partition_the_plane(ds, scored):
    plane = reward_and_cost(scored, ds)
    table = score_quadrants(plane, ds, n_boot=50)
    for _, part in table.group_by("grouping", "level"):
        assert part["n_quadrant"].sum() == part["n"][0]
        assert part["share"].sum() == pytest.approx(1)
        assert part.height == len(QUADRANTS)
    middle = plane["reward"].median()
    bad = plane.filter(pl.col("reward") > middle, pl.col("cost") > 0).height
    row = table.filter(grouping="all", quadrant="helpful but harmful").row(0, named=True)
    assert (row["n_quadrant"], row["reward_origin"]) == (bad, middle)


def test_reward_against_cost_equals_scipy(ds, scored):
    from scipy.stats import spearmanr

    plane = reward_and_cost(scored, ds)
    table = reward_against_cost(plane, n_boot=50)
    for level, part in [("all", plane), ("unsafe", plane.filter(~pl.col("is_safe")))]:
        found = table.filter(level=level).row(0, named=True)
        assert found["estimate"] == pytest.approx(spearmanr(part["reward"], part["cost"]).statistic)
    assert table["grouping"].unique(maintain_order=True).to_list() == ["all", "is_safe", "source", "within prompt"]


def test_one_model_of_a_kind_has_to_be_named(scored):
    two = pl.concat([scored, scored.with_columns(pl.lit("other").alias("model"))])
    with pytest.raises(UsageError, match="Name one of them"):
        model_of(two, "cost")
    assert model_of(two, "cost", name="other").model == "other"
    with pytest.raises(UsageError, match="none"):
        model_of(scored.filter(kind="cost"), "reward")


def test_safe_rate_by_category(make_dataset):
    from btviz.taxonomy.categories import BEAVERTAILS

    prompts = pl.DataFrame(
        {"prompt": [f"a benign question {i}" for i in range(140)], "labels": [1 << (i % 2) for i in range(140)]},
        schema_overrides={"labels": pl.UInt32},
    ).with_columns(pl.lit("test").alias("split"))
    evaluation = make_dataset(None, prompts=prompts)
    answered = make_dataset(
        prompts.select("prompt", response=pl.lit("an answer"), is_safe=True, labels=pl.lit(0, pl.UInt32))
    )
    labelled = answered.pairs.select("pair_id", "prompt_id").join(evaluation.prompts, on="prompt_id").sort("pair_id")
    value = pl.when(pl.col("labels") == 1).then(-1.0).otherwise(pl.int_range(pl.len()) % 2 * 1.0)
    costs = scores(labelled["pair_id"], labelled.select(value).to_series(), model="c")
    answers = labelled.select("pair_id", "prompt_id", policy=pl.lit("p"))
    table = safe_rates(costs, answered, answers=answers, evaluation=evaluation, n_boot=50)
    rows = {row["level"]: row for row in table.to_dicts()}
    first, second = (category.key for category in BEAVERTAILS.categories[:2])
    assert (rows[first]["share_safe"], rows[first]["n"], rows[first]["n_prompts_asked"]) == (1, 70, 70)
    assert rows[second]["share_safe"] == 0, "a cost of exactly 0 is not safe"
    assert rows["all"]["share_safe"] == 0.5
    assert rows["all"]["low"] < 0.5 < rows["all"]["high"]
    elsewhere = answers.with_columns(pl.lit(1, pl.UInt64).alias("prompt_id"))
    with pytest.raises(UsageError, match="none of"):
        safe_rates(costs, answered, answers=elsewhere, evaluation=evaluation, n_boot=50)


@pytest.mark.parametrize(
    ("first", "second", "agreeing"), [(73, 70, 117), (128, 134, 132), (137, 139, 136), (137, 139, 138)]
)
def test_agreement_of_figure_5_equals_scikit_learn(first, second, agreeing):
    from sklearn.metrics import cohen_kappa_score

    found = agreement_of_counts(140, safe_first=first, safe_second=second, agreeing=agreeing)
    both = (agreeing - 140 + first + second) // 2
    one = [1] * first + [0] * (140 - first)
    two = [1] * both + [0] * (first - both) + [1] * (second - both) + [0] * (140 - first - second + both)
    assert found["kappa"] == pytest.approx(cohen_kappa_score(one, two))
    assert found["agreement"] == pytest.approx(agreeing / 140)
    q = (first + second) / 280
    assert found["ac1"] == pytest.approx((agreeing / 140 - 2 * q * (1 - q)) / (1 - 2 * q * (1 - q)))
    assert (found["note"] is not None) == (first > 120)


def test_prevalence_paradox_is_explained_and_parity_is_checked():
    paradox = agreement_of_counts(140, safe_first=137, safe_second=139, agreeing=136)
    assert paradox["agreement"] > 0.97
    assert abs(paradox["kappa"]) < 0.02
    assert paradox["ac1"] > 0.97
    assert "prevalence" in paradox["note"]
    with pytest.raises(UsageError, match="parity"):
        agreement_of_counts(140, safe_first=137, safe_second=139, agreeing=139)
    same = agreement_of_counts(10, safe_first=10, safe_second=10, agreeing=10)
    assert (same["kappa"], same["agreement"]) == (None, 1)
    assert "0 / 0" in same["undefined"]


def test_moderators_are_compared_with_people_by_answering_model(ds, scored):
    from scipy.stats import chi2_contingency
    from statsmodels.stats.contingency_tables import mcnemar
    from statsmodels.stats.multitest import multipletests

    flags = scores(
        ds.pairs["pair_id"],
        np.where(ds.pairs["is_safe"], 0.2, 0.8),
        model="guard",
        kind="moderation",
        target="violence",
    )
    verdicts = safety_verdicts(pl.concat([scored, flags]), ds)
    table = moderator_agreement(verdicts, n_boot=50)
    perfect = table.filter(pl.col("group").is_null(), first="Human", second="guard").row(0, named=True)
    assert (perfect["agreement"], perfect["kappa"], perfect["ac1"]) == (1, 1, 1)
    cost = scored.filter(kind="cost").sort("pair_id")["score"].to_numpy() < 0
    human = ds.pairs["is_safe"].to_numpy()
    row = table.filter(pl.col("group").is_null(), first="Human", second="cost").row(0, named=True)
    assert row["agreement"] == pytest.approx((cost == human).mean())
    assert row["low"] < row["agreement"] < row["high"]
    assert row["kappa_low"] < row["kappa"] < row["kappa_high"]
    assert row["ac1_low"] < row["ac1"] < row["ac1_high"]
    known = table.drop_nulls("p_value")
    assert 0 < known["p_value"].min() <= known["p_value"].max() <= 1
    adjusted = multipletests(known["p_value"].to_numpy(), method="holm")[1]
    assert known["p_holm"].to_numpy() == pytest.approx(adjusted)
    square = [[(human & cost).sum(), (human & ~cost).sum()], [(~human & cost).sum(), (~human & ~cost).sum()]]
    paired, plain = mcnemar(square, exact=False, correction=False), chi2_contingency(square, correction=False)
    assert row["n_discordant"] == (cost != human).sum() > 0
    assert row["mcnemar"] == pytest.approx(paired.statistic)
    assert row["mcnemar_p"] == pytest.approx(mcnemar(square, exact=True).pvalue, abs=1e-12)
    assert (row["chi_squared"], row["chi_squared_p"]) == pytest.approx((plain.statistic, plain.pvalue))
    assert row["undefined_tests"] is None
    assert (perfect["n_discordant"], perfect["mcnemar"], perfect["mcnemar_p"]) == (0, None, None)
    assert perfect["chi_squared"] == pytest.approx(len(human))
    assert "never differ" in perfect["undefined_tests"]
    assert set(table["group"].drop_nulls()) == set(ds.pairs["source"].drop_nulls())
    with pytest.raises(UsageError, match="two raters"):
        moderator_agreement(verdicts, raters=["Human"])
    everything_safe = verdicts.with_columns(yes=pl.lit(value=True), no=pl.lit(None, pl.Boolean))
    tests = moderator_agreement(everything_safe, raters=["yes", "cost", "no"], by=None, n_boot=50)
    constant, absent = (
        tests.filter(first=pair[0], second=pair[1]).row(0, named=True) for pair in [("yes", "cost"), ("yes", "no")]
    )
    assert (constant["chi_squared"], constant["chi_squared_p"]) == (None, None)
    assert "same verdict throughout" in constant["undefined_tests"]
    assert {absent[name] for name in ("mcnemar", "mcnemar_p", "chi_squared", "chi_squared_p")} == {None}
    assert absent["undefined_tests"] == "no answer was judged by both"


@pytest.mark.parametrize("name", ["Human", "pair_id", "prompt_id", "source"])
def test_a_model_may_have_the_name_of_a_column(ds, scored, name):
    """Files name models as their columns are named."""
    same = scored.filter(model="cost").with_columns(pl.lit(name).alias("model"))
    verdicts = safety_verdicts(pl.concat([scored, same]), ds)
    assert verdicts[f"{name} (cost)"].equals(verdicts["cost"], null_equal=True)
    assert verdicts[f"threshold of {name} (cost)"].to_list() == [0.0] * ds.pairs.height
    assert verdicts["Human"].equals(ds.pairs.sort("pair_id")["is_safe"])
    table = moderator_agreement(verdicts, raters=["cost", f"{name} (cost)"], by=None, n_boot=50)
    assert table["agreement"].to_list() == [1.0]


def test_models_of_two_kinds_and_one_name_are_two_raters(ds, scored):
    """One says all is safe, the other that nothing is: neither has a say in the verdicts of the other."""
    ids = ds.pairs["pair_id"]
    guard = scores(ids[::2], [0.1] * len(ids[::2]), model="m", kind="moderation", target="violence")
    verdicts = safety_verdicts(pl.concat([scores(ids, [1.0] * len(ids), model="m"), guard]), ds)
    counts = {name: verdicts[name].value_counts().drop_nulls().rows() for name in ("m (cost)", "m (moderation)")}
    assert counts == {"m (cost)": [(False, len(ids))], "m (moderation)": [(True, len(ids[::2]))]}
    limits = verdicts.select("threshold of m (cost)", "threshold of m (moderation)").unique()
    assert limits.rows() == [(0.0, 0.5)]


def test_matching_quantiles_keeps_ranks_and_takes_the_scale(ds, scored):
    other = scored.filter(kind="cost").with_columns(
        (pl.col("score") * 9 + 100).alias("score"), pl.lit("far").alias("model")
    )
    both = pl.concat([scored, other])
    drift = score_drift(both, ds, n_boot=50).row(0, named=True)
    assert drift["mean_difference"] == pytest.approx((other["score"] - scored.filter(kind="cost")["score"]).mean())
    assert drift["spearman"] == pytest.approx(1)
    level = score_drift(both, ds, matched=True, n_boot=50).row(0, named=True)
    assert abs(level["mean_difference"]) < 0.01
    assert level["mean_absolute_difference"] < 0.06, "each answer has about the same score in both"
    assert level["share_sign_changed"] is None
    with pytest.raises(UsageError, match="no two models"):
        score_drift(scored, ds)


def test_a_score_that_does_not_vary_has_no_interval_and_no_rank_correlation(ds, scored):
    cost = scored.filter(model="cost")
    flat = scores(cost["pair_id"], [1.0] * cost.height, model="flat")
    drift = score_drift(pl.concat([cost, flat]), ds, n_boot=50)
    both = drift.filter(first="cost", second="flat").row(0, named=True)
    assert (both["low"] is None, both["spearman"]) == (False, None)
    assert both["undefined"] == "a score does not vary, so it has no rank correlation"
    twins = pl.concat([flat, flat.with_columns(pl.lit("twin").alias("model"), pl.col("score") + 1)])
    same = score_drift(twins, ds, n_boot=50).row(0, named=True)
    assert (same["mean_difference"], same["low"], same["high"]) == (1.0, None, None)
    assert "so few prompts decide" in same["undefined"]
    assert "no rank correlation" in same["undefined"]
    margins = margin_summary(score_margins(flat, ds), n_boot=50).filter(grouping="all").row(0, named=True)
    assert (margins["mean"], margins["low"], margins["high"]) == (0.0, None, None)
    assert "so few prompts decide" in margins["undefined"]


def test_range_shows_saturation_and_missing_scores(scored):
    top = pl.col("score").clip(upper_bound=0.5)
    table = score_range(
        scored.with_columns(pl.when(pl.int_range(pl.len()) == 0).then(None).otherwise(top).alias("score"))
    )
    row = table.filter(model="cost").row(0, named=True)
    own = scored.filter(model="cost")["score"]
    assert row["n"] + row["n_missing"] == own.len()
    assert row["max"] == 0.5
    assert row["share_at_max"] > 0.3


def test_range_of_one_score_or_none_says_what_is_missing():
    table = pl.concat([scores([1, 2], [None, None], model="none"), scores([1, 2], [0.5, None], model="one")])
    found = score_range(table)
    assert found["undefined"].to_list() == ["no score of it is known", "one score has no spread"]
    assert found["mean"].to_list() == [None, 0.5]
    assert found["sd"].to_list() == [None, None]
    assert score_range(scores([1, 2], [0.5, 0.7]))["undefined"].to_list() == [None]


def test_printed_agreement_of_figure_5():
    from btviz import plots
    from btviz.scores.raters import printed_agreement

    table = printed_agreement()
    shares = {(row["group"], row["first"], row["second"]): row for row in table.to_dicts()}
    alpaca = shares["alpaca-7b", "GPT-4", "Human"]
    assert [round(100 * alpaca[name], 1) for name in ("safe_first", "safe_second", "agreement")] == [50.0, 48.6, 91.4]
    assert alpaca["note"] is None
    turbo = shares["gpt-3.5-turbo", "QA-moderation", "GPT-4"]
    assert round(100 * turbo["agreement"], 1) == 97.1
    assert abs(turbo["kappa"]) < 0.02
    assert "prevalence" in turbo["note"]
    assert table.height == 12
    assert "agree on 97.1 %, kappa -0.01" in plots.moderators(table, source="Figure 5").description
    assert "gpt-3.5-turbo" in str(plots.moderators(table, source="Figure 5").to_dict())
