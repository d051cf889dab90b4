"""Sentences about data: every number in them is one of the table's, and they change as it does."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hostile import write_comparisons
from wording import says

import btviz
from btviz import sentences
from btviz.errors import UsageError
from btviz.preference import flags_against_safer, implied_trade_off, quadrants, simulate_preferences, simulate_scores
from btviz.reports.ledger.ledger import KINDS
from btviz.reports.sentences import context, phrases
from btviz.stats.association import wilson
from btviz.taxonomy import words as taxonomy_words


@pytest.fixture(autouse=True)
def _unfolded(monkeypatch):
    monkeypatch.setattr(taxonomy_words, "WIDTH", 10_000)


@pytest.fixture(scope="module")
def sample(samples):
    ds = samples["sample-saferlhf"]
    return ds, btviz.orthogonality(ds, n_boot=200)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Not synthetic, with both labels, of no known release."""
    folder = tmp_path_factory.mktemp("release")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BTVIZ_DATA_DIR", str(folder / "store"))
        ds = btviz.load(write_comparisons(folder / "compared.jsonl"))
        return ds, btviz.orthogonality(ds, n_boot=200)


def percents(text):
    """Shares that a text names, intervals included, to one decimal."""
    found = re.findall(r"(-?[\d.]+) %", text)
    found += [end for ends in re.findall(r"\[([\d.]+), ([\d.]+)\]", text) for end in ends]
    return {float(number) for number in found}


def rounded(*values):
    return {round(100 * value, 1) for value in values if value is not None}


def test_the_first_sentences_say_what_the_data_are(sample, real, tiny):
    ds, _ = sample
    said = sentences.data(ds)
    n, prompts = ds.preferences.height, ds.preferences["prompt_id"].n_unique()
    assert "synthetic" in said
    assert says(said, f"{n:,} comparisons", f"{prompts:,} prompts", f"{n:,} of them tell both")
    assert says(sentences.data(real[0]), "not synthetic")
    assert "harmful" in sentences.data(real[0])
    assert "no comparison of two answers" in sentences.data(tiny)
    one_label = replace(ds, _read=lambda name: ds.table(name).with_columns(better=pl.lit(None, pl.UInt8)))
    assert "0 of them tell both" in sentences.data(one_label)
    assert "nothing can be said of the association" in sentences.data(one_label)


def test_quadrants_in_words(sample):
    ds, _ = sample
    columns = ["rank", "safe", "share", "share_low", "share_high", "n", "undefined"]
    columns += ["difference", "difference_low", "difference_high"]

    def said_of(better, worse, gap, *, n=1200):
        rows = [
            ("better", True, better, better - 0.02, better + 0.02, n, None, *gap),
            ("worse", True, worse, worse - 0.02, worse + 0.02, n, None, *(-end for end in gap)),
        ]
        return sentences.quadrants(pl.DataFrame(rows, schema=columns, orient="row"), ds)

    said = said_of(0.7, 0.25, (0.45, 0.41, 0.49))
    assert says(said, "better", "70.0 % [68.0, 72.0] of 1,200 comparisons", "worse", "25.0 % [23.0, 27.0]")
    assert says(said, "45.0 points [41.0, 49.0]", "safe more often")
    assert "safe less often" in said_of(0.25, 0.7, (-0.45, -0.49, -0.41))
    assert says(said_of(0.7, 0.696, (0.004, -0.02, 0.028)), "0.4 points [-2.0, 2.8]", "not decided")
    assert "no comparison tells" in said_of(0.7, 0.7, (0, 0, 0), n=0)


def test_the_difference_of_quadrants_is_paired(sample):
    """Reference: percentile bootstrap of prompts over comparisons."""
    ds, _ = sample
    row = quadrants(ds).filter(rank="better", safe=True).row(0, named=True)
    both = ds.preferences.drop_nulls(["better", "is_safe_0", "is_safe_1"])
    second = pl.col("is_safe_1").cast(int) - pl.col("is_safe_0").cast(int)
    by_prompt = both.group_by("prompt_id").agg(
        (second * (2 * pl.col("better").cast(int) - 1)).sum().alias("gap"), pl.len()
    )
    gaps, sizes = by_prompt["gap"].to_numpy(), by_prompt["len"].to_numpy()
    assert row["difference"] == pytest.approx(gaps.sum() / sizes.sum())
    drawn = np.random.default_rng(0).integers(len(gaps), size=(4000, len(gaps)))
    ends = np.quantile(gaps[drawn].sum(axis=1) / sizes[drawn].sum(axis=1), [0.025, 0.975])
    assert [row["difference_low"], row["difference_high"]] == pytest.approx(ends.tolist(), abs=0.006)


def test_position_bias_in_words(sample):
    ds, _ = sample
    columns = ["label", "n", "p", "p_low", "p_high", "undefined"]
    rows = [
        ("better", 900, 0.55, 0.51, 0.59, None),
        ("safer", 900, 0.48, 0.45, 0.52, None),
        ("is_safe", 0, None, None, None, "no such label"),
    ]
    said = sentences.position_bias(pl.DataFrame(rows, schema=columns, orient="row"), ds).splitlines()
    assert says(said[1], "response_1", "better", "55.0 % [51.0, 59.0]", "900 comparisons")
    assert said[1].endswith("more than half: response_1 is favoured.")
    assert said[2].endswith("whether either position is favoured is not decided.")
    assert said[3].endswith("no such label.")
    lower = pl.DataFrame([("safer", 900, 0.4, 0.35, 0.45, None)], schema=columns, orient="row")
    assert "less than half: response_0 is favoured" in sentences.position_bias(lower, ds)
    few = pl.DataFrame([("safer", 9, 0.4, None, None, "too few")], schema=columns, orient="row")
    assert says(sentences.position_bias(few, ds), "40.0 %", "9 comparisons", "no interval", "too few")


def test_every_share_of_the_strata_is_in_the_table(sample):
    ds, found = sample
    rows = found.table.filter(pl.col("grouping").is_in(["all", "stratum"]))
    said = sentences.strata(found, ds)
    known = rounded(*(value for name in ("p", "p_low", "p_high", "p_prompt_weighted") for value in rows[name]))
    odds = found.pooled.filter(measure="odds_ratio_mh").select("low", "high").row(0)
    assert percents(said) - {round(end, 2) for end in odds} <= known
    assert rounded(*rows["p"]) <= percents(said)
    total = rows.row(0, named=True)
    widths = (total["p_high"] - total["p_low"]) / (total["naive_high"] - total["naive_low"])
    assert f"{widths:.2f} times as wide" in said
    assert "comparisons that break that rule: 0." in said


def test_the_strata_are_said_to_differ_only_where_they_do(sample):
    ds, found = sample
    differs = found.pooled.filter(measure="homogeneity")["p_value"].item()
    assert differs < 0.001
    assert "p < 0.001: the strata differ" in sentences.strata(found, ds)
    p_value = pl.when(measure="homogeneity").then(0.4).otherwise("p_value").alias("p_value")
    alike = replace(found, pooled=found.pooled.with_columns(p_value))
    assert says(sentences.strata(alike, ds), "p = 0.400", "whether the strata differ is not decided")


def test_groups_run_from_the_lowest_to_the_highest_with_an_interval(sample):
    ds, found = sample
    said = sentences.by_group(found, ds)
    known = found.table.filter(grouping="source").filter(pl.col("undefined").is_null()).sort("p")
    ends = [f"{100 * p:.1f} %" for p in (known["p"][0], known["p"][-1])]
    line = next(line for line in said.splitlines() if line.startswith("By answering models"))
    assert ends == re.findall(r"[\d.]+ %", line)
    assert known["level"][0] in line
    without = replace(found, table=found.table.filter(pl.col("grouping") != "source"))
    assert "Not by answering models" in sentences.by_group(without, ds)


def test_chance_is_held_against_what_was_observed(sample):
    ds, found = sample
    turns = found.null.filter(grouping="all")
    said = sentences.chance(found, ds)
    ends = [turns["p"].quantile(level, "linear") for level in (0.025, 0.975)]
    share = found.table.filter(grouping="all").select("p", "p_low", "p_high").row(0)
    assert share[0] == pytest.approx(turns["observed"][0])
    assert percents(said) == rounded(*ends, *share) | {95.0}
    assert "nothing to turn around" in sentences.chance(replace(found, null=found.null.clear()), ds)


def adjusted_rows(*rows):
    columns = ["specification", "model", "term", "estimate", "low", "high", "undefined"]
    return pl.DataFrame(rows, schema=columns, orient="row").with_columns(n=pl.lit(900))


def test_adjustment_names_what_is_held_equal(sample):
    effect = "average marginal effect of safer"
    table = adjusted_rows(
        ("safer alone", "logistic", effect, 0.5, 0.45, 0.55, None),
        ("safer alone", "logistic", "intercept", 0.1, 0.05, 0.15, None),
        ("adjusted", "logistic", effect, 0.4, 0.35, 0.45, None),
        ("adjusted", "logistic", "intercept", -0.3, -0.4, -0.2, None),
        ("adjusted", "logistic", "length", 2.0, 1.0, 3.0, None),
        ("adjusted", "logistic", "model b", 2.0, 1.0, 3.0, None),
        ("stratum", "logistic", None, None, None, None, "it is collinear"),
    )
    said = sentences.adjusted(table, sample[0])
    assert "changes by 50.0 points [45.0, 55.0]" in said
    assert says(said, "length", "answering model", "40.0 points [35.0, 45.0] over 900 comparisons")
    assert "not known: refusal (by English markers)." in said
    assert "response_0 is favoured (log odds -0.30 [-0.40, -0.20] over 900 comparisons)" in said
    assert "stratum: not fitted, it is collinear." in said
    alone = table.filter(specification="safer alone")
    assert "response_1 is favoured (log odds 0.10" in sentences.adjusted(alone, sample[0])
    reason = adjusted_rows(("adjusted", None, None, None, None, None, "9 prompts"))
    assert sentences.adjusted(reason, sample[0]).endswith("adjusted: not fitted, 9 prompts.")


@pytest.mark.parametrize(
    ("between", "within", "said"),
    [
        (1.5, -0.5, "oppose each other, positive over all answers and negative within a prompt"),
        (1.5, 0.0, "positive over all answers and not decided within a prompt; that one of them is decided"),
        (1.5, 0.5, "Both views agree: positive"),
        (0.0, -0.5, "Both views agree: negative"),
    ],
)
def test_a_paradox_is_named_where_there_is_one(between, within, said):
    table = btviz.score_association(simulate_scores(between=between, within=within), n_boot=100)
    assert said in sentences.scores(table, "made up")
    assert ("paradox" in sentences.scores(table, "made up")) == ("oppose" in said)
    inside = table.filter(grouping="within prompt").row(0, named=True)
    assert rounded(inside["estimate"], inside["low"], inside["high"]) <= percents(sentences.scores(table, "made up"))


@pytest.mark.parametrize(
    ("p", "said"),
    [
        (0.9, "right in at least 96.0 % of the cases"),
        (0.5, "none of the accuracies tried would be refuted"),
    ],
)
def test_errors_that_are_refuted(sample, p, said):
    surface = btviz.reliability_surface(p)  # (2a - 1)**2 is 0.8464 at a = 0.96, 0.7744 at 0.94
    text = sentences.reliability(surface, sample[0])
    assert f"{surface['refuted'].sum()} of {surface.height} assumptions" in text
    assert said in text
    every = sentences.reliability(btviz.reliability_surface(1.0, accuracy_better=[0.8, 0.9]), sample[0])
    assert "every accuracy tried would be refuted" in every


def test_orders_in_words(sample):
    ds, found = sample
    cycles = found.cycles.head(2).with_columns(
        triples=pl.Series([3, 5]), cycles_better=pl.Series([1, 1]), cycles_safer=pl.Series([0, 1]), tau_b=pl.lit(0.25)
    )
    said = sentences.orders(cycles, ds)
    assert says(said, "2 prompts", "three or more")
    assert "mean tau-b of 0.25" in said
    assert says(said, "8 triples", "2 by better", "1 by safer", "cyclic", "at random 2")
    assert "no cycle could show" in sentences.orders(cycles.with_columns(triples=pl.lit(0)), ds)
    assert "no prompt has three or more" in sentences.orders(cycles.clear(), ds)


def test_flags_in_words(sample, tiny):
    ds, _ = sample
    table = flags_against_safer(ds, n_boot=50)
    known = table.filter(grouping="difference")
    assert rounded(*known["p"]) <= percents(sentences.flags(table, ds))
    assert "no comparison tells" in sentences.flags(flags_against_safer(tiny, n_boot=40), tiny)


def test_a_trade_off_in_words(sample, tiny):
    ds, _ = sample
    said = sentences.trade_off(implied_trade_off(ds, single=ds, n_boot=50))
    n = ds.preferences.height
    assert f"{n:,} of {n:,} overall preferences" in said
    assert says(said, "100.0 %", f"{n:,}", "overall choice", "better")
    assert "nothing to join" in sentences.trade_off(None)
    assert "no trade-off to see" in sentences.trade_off(implied_trade_off(ds, single=tiny, n_boot=40))


def test_agreement_in_words(tiny):
    table = btviz.annotator_agreement(tiny, n_boot=50)
    row = table.filter(category="is_safe").row(0, named=True)
    said = sentences.agreement(table, tiny)
    assert says(said, "safety", f"{100 * row['agreement']:.1f} %")
    assert f"alpha is {row['krippendorff_alpha']:.2f}" in said
    assert says(said, f"{row['n_pairs']:,} pairs", "fewer than 20 effective prompts")
    printed = table.with_columns(published_agreement=pl.lit(0.8168))
    assert "Published: 81.7 %." in sentences.agreement(printed, tiny)
    alone = table.with_columns(agreement=pl.lit(None, pl.Float64), undefined=pl.lit("one annotation per pair"))
    assert says(sentences.agreement(alone, tiny), "agreement has no value", "one annotation per pair")


def test_synthetic_data_confirm_no_published_number(sample, tiny):
    ds, _ = sample
    said = sentences.published_numbers(btviz.check(ds), ds)
    assert "cannot confirm or contradict any published number" in said
    assert "your own file" in sentences.published_numbers(btviz.check(tiny), tiny)


def test_published_numbers_are_counted_by_kind(tiny):
    kinds = [kind for kind in KINDS if kind != "synthetic"]
    assert list(context.KINDS) == kinds
    table = pl.DataFrame({"kind": [kind for place, kind in enumerate(kinds) for _ in range(place + 1)]})
    said = sentences.published_numbers(table, tiny)
    assert "15 published numbers" in said
    assert all(f"{place + 1} {context.KINDS[kind]}" in said for place, kind in enumerate(kinds))


def test_published_counts_keep_their_verdicts_and_name_their_release():
    table = btviz.orthogonality_of_counts()
    said = sentences.published_counts(table)
    assert [line.lower() for line in said.splitlines()] == [f"{words}.".lower() for words in table["verdict"]]
    assert said.count("PKU-SafeRLHF (train)") == 3


def test_verdicts_on_synthetic_data_say_what_was_planted(sample):
    said = sentences.verdicts(sample[1]).splitlines()
    assert [line.split(":")[0] for line in said] == ["All comparisons", "Both safe", "One safe, one not", "Both unsafe"]
    assert all("synthetic, true p = " in line for line in said)
    assert not any(word in " ".join(said) for word in ("associated", "orthogonal", "undecided"))


def test_verdicts_on_real_data_name_them(real):
    said = sentences.verdicts(real[1]).splitlines()
    assert "planted" not in " ".join(said)
    assert all("compared (your own file)" in line for line in said)
    assert said[0].startswith("All comparisons: associated: ")


def test_no_sentence_lacks_the_name_of_its_data(sample, real):
    for (ds, found), name in ((sample, "sample-saferlhf (synthetic sample)"), (real, "compared (your own file)")):
        said = [
            sentences.quadrants(quadrants(ds), ds),
            sentences.position_bias(found.bias, ds),
            sentences.strata(found, ds),
            sentences.by_group(found, ds),
            sentences.chance(found, ds),
            sentences.adjusted(found.adjusted, ds),
            sentences.orders(found.cycles, ds),
            sentences.flags(flags_against_safer(ds, n_boot=40), ds),
            sentences.reliability(btviz.reliability_surface(found.table["p"][0]), ds),
            sentences.agreement(btviz.annotator_agreement(ds), ds),
        ]
        assert [text for text in said if name not in text] == []
        assert [text for text in said if "None" in text or "nan" in text] == []


def test_data_without_both_labels_give_reasons(tiny):
    found = btviz.orthogonality(tiny, n_boot=40)
    assert "no comparison has both labels" in sentences.strata(found, tiny)
    assert "no comparison has both labels" in sentences.verdicts(found)
    assert "0 prompts with both labels" in sentences.adjusted(found.adjusted, tiny)
    with pytest.raises(UsageError, match="no share was observed"):
        btviz.reliability_surface(found.table["p"][0])


def test_a_simulation_in_words():
    found = simulate_preferences(0.8, noise=0.1, cluster_size=4, n=400, repeats=50)
    said = sentences.simulation(found)
    first = found.samples.row(0, named=True)
    expected = rounded(0.8, 0.1, found.planted.observable_p, found.coverage, found.naive_coverage)
    expected |= rounded(
        found.coverage_of_p, *(first[n] for n in ("estimate", "low", "high", "naive_low", "naive_high"))
    )
    assert expected <= percents(said)
    held = wilson([found.coverage * 50], n=[50])
    assert f"{100 * found.coverage:.1f} % [{100 * held[0][0]:.1f}, {100 * held[1][0]:.1f}] of 50 samples" in said
    assert "Fewer than 20 prompts" not in said
    assert "Fewer than 20 prompts" in sentences.simulation(simulate_preferences(0.8, n=100, repeats=5))
    assert "tend to it" in sentences.simulation(simulate_preferences(0.8, repeats=5))


def test_a_reason_takes_the_place_of_an_error(capsys):
    with sentences.saying_why():
        raise UsageError("Nothing was compared.")
    assert capsys.readouterr().out == "Nothing was compared.\n"
    with pytest.raises(ZeroDivisionError), sentences.saying_why():
        raise ZeroDivisionError


def test_lines_are_folded_at_spaces_but_not_within_a_number(monkeypatch):
    said = "the share is 75.9 % [73.4, 78.2] of 1,549 comparisons"
    for width in range(14, 60):
        monkeypatch.setattr(taxonomy_words, "WIDTH", width)
        folded = phrases.lines(said, None, "", "end").splitlines()
        assert max(map(len, folded)) <= width
        assert " ".join(folded) == f"{said} end"
        assert any("75.9 %" in line for line in folded)
        assert any("[73.4, 78.2]" in line for line in folded)
