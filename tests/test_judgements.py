"""Judgements of two models' answers: files of every form, and numbers against other programs and plain loops."""

import json
from itertools import combinations

import hypothesis.strategies as st
import krippendorff
import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from sklearn.metrics import cohen_kappa_score
from statsmodels.api import GLM, families

import btviz
from btviz import plots
from btviz.cli.app import app
from btviz.data.tables import prompt_id
from btviz.errors import DataError, UsageError
from btviz.scores.judgements import JUDGEMENTS

MODELS = ("alder", "birch", "cedar")


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def rows_of(frame, **columns):
    """Judgements of a table that lacks what is the same everywhere."""
    given = {"judge": "j", "aspect": "overall", "shown_first": None} | columns
    known = frame.with_columns(pl.lit(v, pl.String).alias(k) for k, v in given.items() if k not in frame.columns)
    number = pl.col("prompt").cast(pl.UInt64).alias("prompt_id")
    return known.with_columns(number, item=pl.col("prompt").cast(pl.String)).select(list(JUDGEMENTS)).cast(JUDGEMENTS)


@pytest.fixture(scope="module")
def judged():
    """Two judges of three models on 60 prompts, in both orders; one of them prefers what is shown first."""
    g = np.random.default_rng(5)
    skill = dict(zip(MODELS, (0.0, 0.9, 0.3), strict=True))
    rows = []
    for prompt in range(60):
        mood = dict(zip(MODELS, g.normal(0, 0.5, 3), strict=True))
        for pair in combinations(MODELS, 2):
            for judge, bias in (("east", 0.8), ("west", 0.0)):
                for first, second in (pair, pair[::-1]):
                    lead = skill[first] - skill[second] + mood[first] - mood[second] + bias
                    u = g.random()
                    winner = "tie" if g.random() < 0.1 else "first" if u < 1 / (1 + np.exp(-lead)) else "second"
                    rows.append((prompt, judge, first, second, winner, "first"))
    frame = pl.DataFrame(rows, schema=["prompt", "judge", "first", "second", "winner", "shown_first"], orient="row")
    return rows_of(frame)


POINTS = {"first": 1.0, "tie": 0.5, "second": 0.0}


def scores_of(judged, judge, one, other):
    """Points of one model against another, judgement by judgement."""
    points = []
    for row in judged.filter(judge=judge).iter_rows(named=True):
        if (row["first"], row["second"]) == (one, other):
            points.append(POINTS[row["winner"]])
        elif (row["second"], row["first"]) == (one, other):
            points.append(1 - POINTS[row["winner"]])
    return np.array(points)


def test_win_rates_are_those_of_a_plain_loop(judged):
    table = btviz.judgement_win_rates(judged)
    assert table.height == 6
    for row in table.iter_rows(named=True):
        points = scores_of(judged, row["judge"], row["after"], row["before"])
        assert (row["n"], row["prompts"]) == (120, 60)
        assert row["estimate"] == pytest.approx(points.mean())
        assert [row["wins"], row["ties"], row["losses"]] == pytest.approx([(points == p).mean() for p in (1, 0.5, 0)])
        assert row["low"] < row["estimate"] < row["high"]


def test_against_a_reference_every_other_model_stands_once(judged):
    table = btviz.judgement_win_rates(judged, reference="birch")
    assert set(table["before"]) == {"birch"}
    assert (
        table.group_by("judge").agg(pl.col("after").sort()).sort("judge")["after"].to_list() == [["alder", "cedar"]] * 2
    )
    points = scores_of(judged, "east", "alder", "birch")
    assert table.filter(judge="east", after="alder")["estimate"].to_list() == pytest.approx([points.mean()])
    with pytest.raises(UsageError, match="'bird'"):
        btviz.judgement_win_rates(judged, reference="bird")


@pytest.mark.slow
def test_ratings_are_those_of_a_logistic_regression(judged):
    table = btviz.judgement_ratings(judged, reference="alder")
    for judge in ("east", "west"):
        part = judged.filter(judge=judge)
        design = np.array(
            [[(row["first"] == m) - (row["second"] == m) for m in MODELS[1:]] for row in part.iter_rows(named=True)],
            float,
        )
        y = part["winner"].replace_strict(POINTS, return_dtype=pl.Float64).to_numpy()
        fit = GLM(y, design, family=families.Binomial()).fit()
        found = table.filter(judge=judge)
        assert found["policy"].to_list() == list(MODELS)
        assert found["elo"].to_list() == pytest.approx([0.0, *(fit.params * 400 / np.log(10))], abs=1e-6)
        assert found.filter(policy="alder").select("low", "high").rows() == [(0.0, 0.0)]
    assert plots.policy_ratings(table.rename({"judge": "model", "aspect": "kind"})).to_dict()


def test_position_bias_is_the_share_of_what_was_shown_first(judged):
    table = btviz.judge_position_bias(judged)
    for judge in ("east", "west"):
        shares = judged.filter(judge=judge)["winner"].replace_strict(POINTS, return_dtype=pl.Float64).mean()
        rows = table.filter(judge=judge)
        assert rows["estimate"].to_list() == pytest.approx([shares, shares]), "all orders are balanced here"
    assert table.filter(judge="east")["low"].min() > 0.5
    low, high = table.filter(judge="west", statistic="first shown wins").select("low", "high").row(0)
    assert low < 0.5 < high


def test_a_better_model_that_is_shown_first_more_often_makes_no_bias():
    """By hand: the better one wins 3 of 4 wherever it stands, and stands first in 3 of 4 judgements."""
    rows = []
    for prompt in range(160):
        first, second = ("alder", "birch") if prompt % 4 else ("birch", "alder")
        rows.append((prompt, first, second, "first" if (first == "alder") == (prompt // 4 % 4 > 0) else "second"))
    frame = pl.DataFrame(rows, schema=["prompt", "first", "second", "winner"], orient="row")
    plain, balanced = btviz.judge_position_bias(rows_of(frame, shown_first="first")).rows(named=True)
    assert plain["estimate"] == pytest.approx(0.75 * 0.75 + 0.25 * 0.25)
    assert plain["low"] > 0.5
    assert balanced["estimate"] == pytest.approx(0.5)
    assert balanced["low"] < 0.5 < balanced["high"]


def test_two_models_that_met_once_in_either_order_leave_the_interval(judged):
    rare = judged.filter(judge="east")[:2].with_columns(
        first=pl.Series(["dogwood", "alder"]), second=pl.Series(["alder", "dogwood"])
    )
    both = pl.concat([judged.filter(judge="east"), rare])
    row = btviz.judge_position_bias(both).row(1, named=True)
    assert row["low"] is not None
    shares = [
        btviz.judge_position_bias(part).row(0, named=True)["estimate"] for part in (judged.filter(judge="east"), rare)
    ]
    assert row["estimate"] == pytest.approx((360 * shares[0] + 2 * shares[1]) / 362)


def test_consistency_when_swapped_by_hand():
    said = {"first first": 10, "second second": 6, "first second": 12, "second first": 5, "tie first": 4, "tie tie": 3}
    rows = []
    for prompt, both in enumerate(name for name, n in said.items() for _ in range(n)):
        straight, swapped = both.split()
        rows += [(prompt, "alder", "birch", straight), (prompt, "birch", "alder", swapped)]
    frame = pl.DataFrame(rows, schema=["prompt", "first", "second", "winner"], orient="row")
    table = btviz.swap_consistency(rows_of(frame, shown_first="first"))
    assert table["n"].to_list() == [40] * 4
    assert dict(table.select("statistic", "estimate").rows()) == pytest.approx(
        {
            "same verdict": (12 + 5 + 3) / 40,
            "first shown both times": 10 / 40,
            "second shown both times": 6 / 40,
            "a tie in one order alone": 4 / 40,
        }
    )


def test_what_has_no_order_says_so(judged):
    bare = judged.with_columns(shown_first=pl.lit(None, pl.String))
    for table in (btviz.judge_position_bias(bare), btviz.swap_consistency(bare)):
        assert table["estimate"].null_count() == table.height
        assert table["undefined"].str.contains("shown first").all()
    once = judged.filter(pl.col("first") < pl.col("second"))
    table = btviz.judge_position_bias(once).filter(pl.col("statistic").str.contains("balanced"))
    assert table["estimate"].null_count() == 2
    assert "both orders" in table["undefined"][0]


def verdicts_of(judged):
    """Verdict of each judge on each item: 0, 1 (tie) or 2, seen from the model whose name comes first."""
    points = {}
    for row in judged.iter_rows(named=True):
        x = min(row["first"], row["second"])
        won = POINTS[row["winner"]] if row["first"] == x else 1 - POINTS[row["winner"]]
        key = (row["item"], x, max(row["first"], row["second"]))
        points.setdefault(key, {}).setdefault(row["judge"], []).append(won)
    return {key: {j: int(1 + np.sign(np.mean(p) - 0.5)) for j, p in by.items()} for key, by in points.items()}


def test_agreement_is_that_of_scikit_learn(judged):
    (row,) = btviz.judge_agreement(judged).rows(named=True)
    both = [(by["east"], by["west"]) for by in verdicts_of(judged).values()]
    east, west = map(np.array, zip(*both, strict=True))
    decided = (east != 1) & (west != 1)
    assert (row["n"], row["n_decided"], row["prompts"]) == (180, decided.sum(), 60)
    assert row["agreement"] == pytest.approx((east == west).mean())
    assert row["agreement_decided"] == pytest.approx((east == west)[decided].mean())
    assert row["kappa"] == pytest.approx(cohen_kappa_score(east, west))
    assert row["kappa_low"] < row["kappa"] < row["kappa_high"]


def test_agreement_of_three_judges_is_krippendorffs_alpha(judged):
    third = judged.filter(judge="west").with_columns(judge=pl.lit("north"))[::2].filter(pl.col("prompt_id") % 3 > 0)
    known = pl.concat([judged, third])
    table = btviz.judge_agreement(known)
    assert table.height == 4
    row = table.filter(first="all judges").row(0, named=True)
    data = np.array([[by.get(j, np.nan) for by in verdicts_of(known).values()] for j in ("east", "north", "west")])
    assert row["kappa"] == pytest.approx(krippendorff.alpha(data, level_of_measurement="nominal"))
    with pytest.raises(UsageError, match="'east' alone"):
        btviz.judge_agreement(judged.filter(judge="east"))


@pytest.mark.slow
@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1))
def test_nothing_depends_on_how_rows_name_the_two_or_on_their_order(judged, seed):
    g = np.random.default_rng(seed)
    turned = pl.Series("turned", g.random(judged.height) < 0.5)
    other = {"first": "second", "second": "first", "tie": "tie"}
    mixed = judged.with_columns(
        first=pl.when(turned).then("second").otherwise("first"),
        second=pl.when(turned).then("first").otherwise("second"),
        winner=pl.when(turned).then(pl.col("winner").replace(other)).otherwise("winner"),
        shown_first=pl.when(turned).then(pl.col("shown_first").replace(other)).otherwise("shown_first"),
    )[g.permutation(judged.height)]
    for measure in (
        btviz.judgement_win_rates,
        btviz.judge_position_bias,
        btviz.swap_consistency,
        btviz.judge_agreement,
    ):
        one, two = measure(judged), measure(mixed)
        numbers = [name for name, dtype in one.schema.items() if dtype == pl.Float64]
        assert one.drop(numbers).equals(two.drop(numbers))
        assert np.allclose(one.select(numbers).to_numpy(), two.select(numbers).to_numpy(), equal_nan=True)


FORMS = {
    "arena": [("model_a", "model_b"), {"first": "model_a", "second": "model_b", "tie": "tie (bothbad)"}, "winner"],
    "letters": [("model_a", "model_b"), {"first": "A", "second": "B", "tie": "tie"}, "winner"],
    "numbers": [("generator_1", "generator_2"), {"first": 1.0, "second": 2.0, "tie": 1.5}, "preference"],
    "from zero": [("model_0", "model_1"), {"first": 0, "second": 1, "tie": 0.5}, "winner"],
    "places": [("first", "second"), {"first": "first", "second": "second", "tie": "tie"}, "winner"],
    "names": [("policy_a", "policy_b"), {"first": "alder", "second": "birch", "tie": "both"}, "choice"],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_winners_are_read_in_every_form(tmp_path, form, suffix):
    names, values, column = FORMS[form]
    said = ["first", "second", "tie", "first"]
    frame = pl.DataFrame(
        [{"question": f"q {n}", names[0]: "alder", names[1]: "birch", column: values[w]} for n, w in enumerate(said)],
        strict=False,
    )
    file = tmp_path / f"made{suffix}"
    frame.write_csv(file) if suffix == ".csv" else frame.write_ndjson(file)
    found = btviz.read_judgements(file)
    assert found["winner"].to_list() == said
    assert found["prompt_id"].to_list() == [prompt_id(f"q {n}") for n in range(4)]
    assert set(found["judge"]) == {"made"}
    assert found["shown_first"].null_count() == 4
    assert set(btviz.read_judgements(file, order="listed", judge="me").select("shown_first", "judge").rows()) == {
        ("first", "me")
    }


ORDERS = {
    "shown_first": ["alder", "birch", None],
    "order": ["ab", "ba", None],
    "swapped": [False, True, None],
    "position": ["model_a", "model_b", ""],
}


@pytest.mark.parametrize("column", ORDERS)
def test_the_order_shown_is_read_in_every_form(tmp_path, column):
    rows = [
        {"prompt": "q", "model_a": "alder", "model_b": "birch", "winner": "tie", column: value}
        for value in ORDERS[column]
    ]
    found = btviz.read_judgements(write(tmp_path / "o.jsonl", rows))
    assert found["shown_first"].to_list() == ["first", "second", None]


def test_two_games_and_marked_winners_are_read(tmp_path):
    games = [
        {"question_id": 8, "turn": turn, "model_1": "alder", "model_2": "birch", "g1_winner": "model_1"}
        | {"g2_winner": "error" if turn == 2 else "tie", "judge": "j"}
        for turn in (1, 2)
    ]
    found = btviz.read_judgements(write(tmp_path / "games.jsonl", games))
    assert found.select("winner", "shown_first").rows() == [
        *(("first", "first"), ("first", "first"), ("tie", "second")),
        (None, "second"),
    ]
    assert (found["prompt_id"].n_unique(), found["item"].n_unique()) == (1, 2)
    marked = [
        {"prompt": "q", "model_a": "alder", "model_b": "birch"} | dict.fromkeys(COLUMNS_OF_WINNERS, 0) | {name: 1}
        for name in COLUMNS_OF_WINNERS
    ]
    assert btviz.read_judgements(write(tmp_path / "m.jsonl", marked))["winner"].to_list() == ["first", "second", "tie"]
    marked[1]["winner_tie"] = 1
    with pytest.raises(DataError, match="in row 2 not exactly one"):
        btviz.read_judgements(write(tmp_path / "m.jsonl", marked))


COLUMNS_OF_WINNERS = ("winner_model_a", "winner_model_b", "winner_tie")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"winner": "an oak"}, ("winner", "row 2", "neither model")),
        ({"model_b": "alder"}, ("row 2", "meets itself")),
        ({"model_a": ""}, ("1 rows", "'model_a'")),
        ({"prompt": None}, ("1 rows", "no prompt")),
    ],
)
def test_what_is_no_judgement_is_refused_without_its_text(tmp_path, change, said):
    row = {"prompt": "q", "model_a": "alder", "model_b": "birch", "winner": "tie"}
    with pytest.raises(DataError) as told:
        btviz.read_judgements(write(tmp_path / "j.jsonl", [row, row | change]))
    assert all(word in str(told.value) for word in said)
    assert "oak" not in str(told.value)


def test_what_is_missing_is_named(tmp_path):
    row = {"q": "q", "x": "alder", "y": "birch", "who": "x"}
    file = write(tmp_path / "j.jsonl", [row])
    with pytest.raises(UsageError) as told:
        btviz.read_judgements(file)
    assert all(word in str(told.value) for word in ("two models", "'q', 'x', 'y', 'who'", "--column first=COLUMN"))
    columns = {"prompt": "q", "first": "x", "second": "y", "winner": "who"}
    assert btviz.read_judgements(file, columns=columns)["winner"].to_list() == ["first"]
    for wrong in ({"colour": "q"}, columns | {"winner": "whom"}):
        with pytest.raises(UsageError):
            btviz.read_judgements(file, columns=wrong)
    with pytest.raises(UsageError, match="none has a winner"):
        btviz.judgement_win_rates(JUDGEMENTS.to_frame())


@pytest.mark.slow
def test_the_command_prints_all_and_says_what_it_left_out(tmp_path, judged):
    rows = judged.drop("item").with_columns(prompt=pl.col("prompt_id").cast(pl.String)).drop("prompt_id").to_dicts()
    file = write(tmp_path / "j.jsonl", [*rows, rows[0] | {"winner": None}])
    run = CliRunner().invoke(app, ["stats", "judgements", str(file), "--reference", "alder"])
    assert run.exit_code == 0, run.output
    rate = btviz.judgement_win_rates(judged, reference="alder").filter(judge="east", after="birch").row(0, named=True)
    assert "720 judgements of 60 prompts; 1 without a verdict are left out." in run.output
    assert f"{100 * rate['estimate']:.2f} [{100 * rate['low']:.1f}, {100 * rate['high']:.1f}]" in run.output
    run = CliRunner().invoke(app, ["stats", "judgements", str(file), "--json"])
    found = json.loads(run.stdout)
    assert (found["judgements"], found["without_verdict"], found["does_not_apply"]) == (721, 1, {})
    assert {"win_rates", "ratings", "judge_position_bias", "swap_consistency", "judge_agreement"} <= set(found)
    arguments = ["stats", "judgements", str(file), "--reference", "alder", "--out", str(tmp_path / "out")]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    (row, _) = pl.read_csv(tmp_path / "out/judgements.csv", infer_schema=False).sort("Judge").rows(named=True)
    assert (row["Judge"], row["n"]) == ("east", "240")
    assert row["birch, %"].startswith(f"{100 * rate['estimate']:.1f} [")
    assert "720 judgements of 60 prompts" in (tmp_path / "out/judgements.tex").read_text()
    assert CliRunner().invoke(app, [*arguments[:3], "--out", str(tmp_path)]).exit_code == 2
    alone = CliRunner().invoke(app, ["stats", "judgements", str(file), "--column", "judge=judge", "--column", "winner"])
    assert alone.exit_code == 2
