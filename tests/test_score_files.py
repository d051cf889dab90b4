"""Score files and the sign check: what matches, what does not, what is refused."""

import gzip
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from score_tables import scores
from wording import says

import btviz
from btviz.cli.app import app
from btviz.data import add
from btviz.data.reading.flat_tables import read_frame
from btviz.errors import DataError, NotFoundError, UsageError
from btviz.scores.collection import add_scores, kept_answers, kept_scores, replace_scores
from btviz.scores.files import read_scores
from btviz.scores.metrics import score_metrics
from btviz.scores.policies import ANSWERS, compare_policies, policy_answers, policy_scores
from btviz.scores.raters import safety_verdicts
from btviz.scores.signs import SignWarning, check_sign
from btviz.taxonomy.categories import BEAVERTAILS

pytestmark = pytest.mark.usefixtures("kept_samples")


@pytest.fixture(scope="module")
def labelled(make_dataset):
    """120 prompts with a safe and an unsafe answer each, compared."""
    words = [(i, word) for i in range(120) for word in ("mild", "sharp")]
    rows = [(f"a question {i}", f"a {word} answer", "train", word == "mild", word != "mild") for i, word in words]
    frame = pl.DataFrame(rows, schema=["prompt", "response", "split", "is_safe", "labels"], orient="row")
    asked = pl.DataFrame(
        {
            "prompt": [f"a question {i}" for i in range(120)],
            "response_0": "a mild answer",
            "response_1": "a sharp answer",
            "better": [0] * 90 + [1] * 30,
            "safer": 0,
        }
    )
    return make_dataset(frame.cast({"labels": pl.UInt32}), comparisons=asked)


def own_file(path, *, shift=0.0, repeat=False):
    rows = [
        {"index": i, "question": f"q {i}", "response": f"r {path.stem}", "helpful_score": i + shift}
        | {"harmless_score": 5 - i / 9}
        for i in range(60)
    ]
    if repeat:
        rows.append(rows[0] | {"index": 60})
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def write(frame, path):
    kinds = {".jsonl": "write_ndjson", ".csv": "write_csv", ".parquet": "write_parquet", ".json": "write_json"}
    getattr(frame, kinds[path.suffix])(path)
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet", ".json"])
def test_columns_of_every_format_are_mapped_onto_answers(labelled, tmp_path, suffix):
    pairs = labelled.pairs.with_columns(pl.Series("danger", np.arange(240) / 7))
    other = pairs.head(3).with_columns(pl.lit("never answered so").alias("response"))
    file = write(pl.concat([pairs, other]).select("prompt", "response", "danger"), tmp_path / f"made{suffix}")
    found = read_scores(file, labelled, columns={"danger": "cost"})
    assert found.dataset is labelled
    assert found.scores.select("pair_id", "score").equals(pairs.select("pair_id", pl.col("danger").alias("score")))
    assert found.scores.select("model", "kind", "target").unique().row(0) == ("danger", "cost", None)
    report = found.report.row(0, named=True)
    assert (report["rows"], report["matched"], report["unmatched"], report["missing"]) == (243, 240, 3, 0)


@pytest.mark.parametrize("spell", [str, hex, int])
def test_rows_are_matched_by_pair_id_where_there_is_one(labelled, tmp_path, spell):
    ids = labelled.pairs["pair_id"].to_list()
    file = tmp_path / "by-id.jsonl"
    rows = [{"pair_id": spell(i), "p": n / 500, "policy": "ab"[n % 2]} for n, i in enumerate(ids)]
    file.write_text("\n".join(map(json.dumps, rows)))
    found = read_scores(file, labelled, columns={"p": "moderation:hate-speech"})
    assert found.scores["pair_id"].to_list() == ids
    assert set(found.scores["target"]) == {"hate-speech"}
    answered = found.answers.select("prompt_id", "pair_id").sort("pair_id")
    assert answered.equals(labelled.pairs.select("prompt_id", "pair_id"))
    assert found.answers.sort("pair_id")["policy"].to_list() == [row["policy"] for row in rows]


@pytest.mark.parametrize("own", [int, "id-{}".format], ids=["numbers", "words"])
def test_ids_of_the_files_own_do_not_keep_its_texts_from_matching(labelled, tmp_path, own):
    frame = labelled.pairs.select("prompt", "response", pl.Series("cost", np.arange(240) / 7))
    file = tmp_path / "own-ids.jsonl"
    file.write_text("\n".join(json.dumps(row | {"pair_id": own(i)}) for i, row in enumerate(frame.to_dicts())))
    found = read_scores(file, labelled)
    assert found.scores["score"].to_list() == frame["cost"].to_list()
    assert found.scores["pair_id"].to_list() == labelled.pairs["pair_id"].to_list()


def test_files_about_the_same_answers_are_no_policies(labelled, tmp_path):
    pairs = labelled.pairs.select("prompt", "response", pl.Series("reward", np.arange(240) / 7))
    one, two = write(pairs, tmp_path / "one.csv"), write(pairs.rename({"reward": "cost"}), tmp_path / "two.csv")
    assert read_scores(one, labelled).answers.is_empty()
    for file in (one, two):
        found = read_scores(file, labelled)
        add_scores(labelled, found.scores, answers=found.answers)
    assert kept_answers(labelled).is_empty()


def test_files_with_their_own_answers_become_a_data_set(tmp_path):
    one, two = own_file(tmp_path / "old.jsonl", repeat=True), own_file(tmp_path / "new.jsonl", shift=1.0)
    found = read_scores([one, two])
    assert found.dataset.pairs.height == 120
    assert sorted(set(found.dataset.pairs["source"])) == ["new", "old"]
    assert found.dataset.pairs["is_safe"].null_count() == 120
    assert (found.answers.height, found.scores.height) == (121, 240)
    cost = found.scores.filter(kind="cost")
    assert cost["score"].max() == pytest.approx(59 / 9 - 5), "higher harmlessness is lower cost"
    old = found.report.filter(file="old.jsonl", kind="cost").row(0, named=True)
    assert (old["turned"], old["repeated"]) == (True, 1)
    assert "sign turned" in old["note"]
    table = policy_scores(found.answers, found.scores)
    mean = compare_policies(table, before="old", after="new", n_boot=40).filter(
        kind="reward", statistic="mean difference"
    )
    assert mean["estimate"][0] == pytest.approx(1)
    assert mean["n"][0] == 60


def test_a_policy_may_be_a_column(tmp_path):
    frame = pl.DataFrame(
        {"prompt": ["a", "a", "b"], "answer": ["x", "x", "y"], "who": ["p", "q", "p"], "reward": [1, 1, 2]}
    )
    found = read_scores(write(frame, tmp_path / "f.csv"), policy="who")
    assert found.answers.select("policy", "pair_id").n_unique() == 3
    assert found.scores.height == 2, "the same answer of two policies is scored once"
    assert found.report["repeated"].to_list() == [1]


PLAIN = {"prompt": "a", "response": "b"}


@pytest.mark.parametrize(
    ("rows", "options", "error", "match"),
    [
        ([{"prompt": "a", "response": "b", "s": "high"}], {"columns": {"s": "cost"}}, DataError, "no finite numbers"),
        ([{"prompt": "a", "response": "b", "s": 1.0}], {}, UsageError, "no column of it is known to be a score"),
        ([{"prompt": "a", "response": "b", "s": 1.0}], {"columns": {"t": "cost"}}, UsageError, "no column 't'"),
        ([{"prompt": "a", "response": "b", "s": 1.0}], {"columns": {"s": "danger"}}, UsageError, "may be reward"),
        ([{"prompt": "a", "response": "b", "s": 1.0}], {"columns": {"s": "moderation"}}, UsageError, "TARGET"),
        ([{"prompt": "a", "text": "b", "cost": 1.0}], {}, UsageError, "for a response"),
        ([{"prompt": "a", "response": None, "cost": 1.0}], {}, DataError, "none matched"),
        ([PLAIN | {"cost": 1}, PLAIN | {"cost": 2}], {}, DataError, "several"),
        ([{"prompt": "a", "response": "b", "cost": 1}], {"policy": "who"}, UsageError, "no column 'who'"),
        ([PLAIN | {"cost": 1}, {"prompt": "c", "response": 3, "cost": 1}], {}, DataError, "mixes"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_why(tmp_path, rows, options, error, match):
    file = tmp_path / "odd.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(error, match=match):
        read_scores(file, **options)


def test_files_that_match_nothing_or_are_not_there_are_refused(labelled, tmp_path):
    with pytest.raises(DataError, match="none matched"):
        read_scores(own_file(tmp_path / "own.jsonl"), labelled)
    with pytest.raises(NotFoundError, match="not there"):
        read_scores(tmp_path / "no.jsonl", labelled)
    (tmp_path / "bad.jsonl").write_text('{"prompt": "a"}\n{"prompt"')
    with pytest.raises(DataError, match="line 2"):
        read_scores(tmp_path / "bad.jsonl", labelled)
    (tmp_path / "what.txt").write_text("a")
    with pytest.raises(DataError, match=r"no table, and no JSON"):
        read_scores(tmp_path / "what.txt", labelled)


def unsafe_cost(ds, *, slope, seed=0):
    rng = np.random.default_rng(seed)
    unsafe = ~ds.pairs["is_safe"].to_numpy()
    return scores(ds.pairs["pair_id"], slope * unsafe + rng.normal(size=len(unsafe)))


def test_a_cost_that_points_the_right_way_passes(labelled):
    (check,) = check_sign(unsafe_cost(labelled, slope=2), labelled, n_boot=200)
    assert check.verdict == "agrees"
    assert check.low > 0.5
    assert (check.n, check.prompts) == (240, 120)


def test_a_reversed_cost_is_refused_with_its_figures_and_can_be_overridden(labelled):
    table = unsafe_cost(labelled, slope=-2)
    with pytest.raises(DataError, match=r"AUC\(cost, unsafe\) is 0\.\d+ \[0\.\d+, 0\.\d+\] over 240 items"):
        check_sign(table, labelled, n_boot=200)
    with pytest.warns(SignWarning, match="points the other way"):
        (check,) = check_sign(table, labelled, n_boot=200, override=True)
    assert (check.verdict, check.high < 0.5) == ("reversed", True)


def test_a_cost_that_says_nothing_warns(labelled):
    with pytest.warns(SignWarning, match="may say nothing"):
        (check,) = check_sign(unsafe_cost(labelled, slope=0), labelled, n_boot=200)
    assert check.verdict == "doubtful"
    assert check.low <= 0.5 <= check.high


def test_reward_is_checked_on_better(labelled):
    mild = labelled.pairs["response"].str.contains("mild").cast(pl.Float64)
    reward = scores(labelled.pairs["pair_id"], mild, kind="reward")
    (check,) = check_sign(reward, labelled, n_boot=200)
    assert (check.verdict, check.estimate) == ("agrees", 0.75)
    with pytest.raises(DataError, match=r"better answer scores higher is 0\.250"):
        check_sign(reward.with_columns(-pl.col("score")), labelled, n_boot=200)


def test_cost_is_checked_on_safer_where_no_answer_has_a_label(labelled, make_dataset):
    compared = labelled.preferences
    asked = pl.DataFrame({"prompt": [f"a question {i}" for i in range(120)], "response_0": "a mild answer",
                          "response_1": "a sharp answer", "safer": [0] * 110 + [1] * 10})  # fmt: skip
    empty = pl.DataFrame(
        schema={"prompt": pl.String, "response": pl.String, "is_safe": pl.Boolean, "labels": pl.UInt32}
    )
    ds = make_dataset(empty, comparisons=asked)
    assert ds.preferences.height == compared.height
    sharp = ds.pairs["response"].str.contains("sharp").cast(pl.Float64)
    (check,) = check_sign(scores(ds.pairs["pair_id"], sharp), ds, n_boot=200)
    assert check.statistic == "share of comparisons whose safer answer costs less"
    assert (check.verdict, check.estimate) == ("agrees", pytest.approx(110 / 120))


def test_without_labels_a_sign_is_not_checkable(tmp_path):
    found = read_scores(own_file(tmp_path / "own.jsonl"))
    checks = check_sign(found.scores, found.dataset)
    assert {check.verdict for check in checks} == {"not checkable"}
    assert all("not checkable here" in check.reason for check in checks)


def test_kept_scores_are_found_again_and_replaced_by_name(labelled):
    first, second = unsafe_cost(labelled, slope=1), unsafe_cost(labelled, slope=2)
    assert kept_scores(labelled).is_empty()
    replace_scores(labelled, first)
    replace_scores(labelled, second.with_columns(pl.lit("other").alias("model")))
    assert kept_scores(labelled).filter(model="m").equals(first)
    replace_scores(labelled, second)
    assert kept_scores(labelled).filter(model="m").equals(second)
    assert kept_scores(labelled)["model"].n_unique() == 2


def test_parts_of_a_file_are_kept_beside_each_other(labelled):
    whole = unsafe_cost(labelled, slope=1)
    none = ANSWERS.to_frame()
    first = add_scores(labelled, whole.head(100), answers=none)
    assert first.is_empty(), "nothing was kept before"
    changed = whole.slice(90).with_columns(pl.col("score") + (pl.int_range(pl.len()) < 4))
    second = add_scores(labelled, changed, answers=none)
    assert second.rows() == [("m", "cost", 90, 4)]
    assert kept_scores(labelled).equals(pl.concat([whole.head(90), changed]).sort("pair_id"))
    replace_scores(labelled, whole, fingerprints={"m": "of a run"})
    with pytest.raises(UsageError, match=r"a model of that name, which was run, .* --forget m"):
        add_scores(labelled, changed, answers=none)
    assert kept_scores(labelled).equals(whole), "nothing of the run is lost"


@pytest.mark.slow
def test_files_read_at_the_same_time_lose_nothing(labelled):
    whole = unsafe_cost(labelled, slope=1)
    parts = [whole.slice(start, 20) for start in range(0, whole.height, 20)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda part: add_scores(labelled, part, answers=ANSWERS.to_frame()), parts))
    assert kept_scores(labelled).equals(whole.sort("pair_id"))


def test_an_answer_counts_once_however_files_number_it(tmp_path):
    both = [own_file(tmp_path / f"{name}.jsonl") for name in ("old", "new")]
    found = read_scores(both)
    add_scores(found.dataset, found.scores, answers=found.answers)
    rows = found.dataset.pairs.select("prompt", "response", pl.lit(1.0).alias("cost"))
    more = read_scores(write(rows.head(30), tmp_path / "more.csv"), found.dataset)
    add_scores(found.dataset, more.scores, answers=more.answers)
    assert kept_answers(found.dataset).equals(found.answers.sort(list(ANSWERS)))


def test_files_of_which_a_data_set_was_made_are_policies_again(tmp_path):
    """An answer that both gave has one source; what is read anew has to know that it is of both."""
    both = [tmp_path / f"{name}.jsonl" for name in ("a", "b")]
    for file in both:
        own_file(file).write_text(file.read_text().replace(f"r {file.stem}", "the same"))
    files = [part for file in both for part in ("--from", file)]
    assert run("score", "mine", *files).exit_code == 0
    before = kept_answers(btviz.load("mine"))
    assert before["policy"].value_counts().sort("policy").rows() == [("a", 60), ("b", 60)]
    for model in ("helpful_score", "harmless_score"):
        assert run("score", "mine", "--forget", model).exit_code == 0
    assert run("score", "mine", *files).exit_code == 0
    assert kept_answers(btviz.load("mine")).equals(before)


def test_parts_of_files_with_answers_to_what_was_asked_again_give_what_the_whole_gives(tmp_path):
    asked = [i % 50 for i in range(70)]  # twenty prompts a second time
    parts = []
    for name in ("old", "new"):
        rows = [
            {"index": i, "question": f"q {n}", "response": f"{name} to {n}", "helpful_score": n + 0.0}
            for i, n in enumerate(asked)
        ]
        for half, chosen in (("one", rows[:40]), ("two", rows[40:])):
            folder = tmp_path / half
            folder.mkdir(exist_ok=True)
            (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, chosen)))
            parts.append(chosen)
    whole = [tmp_path / f"{name}.jsonl" for name in ("old", "new")]
    for file, (first, second) in zip(whole, (parts[:2], parts[2:]), strict=True):
        file.write_text("\n".join(map(json.dumps, first + second)))
    found = read_scores(whole)
    for half in ("one", "two"):
        more = read_scores([tmp_path / half / "old.jsonl", tmp_path / half / "new.jsonl"], found.dataset)
        add_scores(found.dataset, more.scores, answers=more.answers)
    assert found.answers.height == 140
    assert kept_answers(found.dataset).equals(found.answers.sort(list(ANSWERS)))


def test_an_answer_does_not_meet_itself_under_another_name(make_dataset, tmp_path):
    rows = [(f"question {i}", f"{name} says", "train", True, 0, name) for i in range(60) for name in "ab"]
    columns = ["prompt", "response", "split", "is_safe", "labels", "source"]
    ds = make_dataset(pl.DataFrame(rows, schema=columns, orient="row").cast({"labels": pl.UInt32}))
    other = ds.pairs.select("prompt", "response", pl.lit(1.0).alias("cost"), policy="model-" + pl.col("source"))
    found = read_scores(write(other, tmp_path / "other.csv"), ds)
    add_scores(ds, found.scores, answers=found.answers)
    assert kept_answers(ds)["policy"].unique().sort().to_list() == ["model-a", "model-b"]


def test_a_severity_is_no_probability(labelled, tmp_path):
    frame = labelled.pairs.select("prompt", "response", pl.Series("sev", np.linspace(0, 2.9, 240)))
    found = read_scores(write(frame, tmp_path / "sev.csv"), labelled, columns={"sev": "moderation:severity"})
    assert found.scores["score"].max() == pytest.approx(2.9)


def test_scores_of_some_answers_leave_the_comparison_of_all(make_dataset, tmp_path):
    rows = [(f"question {i}", f"{name} says", "train", True, 0, name) for i in range(60) for name in "ab"]
    columns = ["prompt", "response", "split", "is_safe", "labels", "source"]
    ds = make_dataset(pl.DataFrame(rows, schema=columns, orient="row").cast({"labels": pl.UInt32}))
    some = ds.pairs.head(7).select("prompt", "response", pl.lit(1.0).alias("cost"), index=pl.int_range(7))
    found = read_scores(write(some, tmp_path / "some.csv"), ds)
    add_scores(ds, found.scores, answers=found.answers)
    assert kept_answers(ds).equals(policy_answers(ds))


def test_what_is_no_score_of_its_kind_is_refused(labelled, tmp_path):
    pairs = labelled.pairs.select("prompt", "response")
    odd = pairs.with_columns(
        flag=pl.lit(value=True),
        day=pl.date(2024, 1, 1),
        logit=pl.Series(np.linspace(-2, 2, 240)),
        share=pl.lit(70),
        vast=pl.lit(-1e300),
    )
    file = write(odd, tmp_path / "odd.parquet")
    for column, kind, said in [
        ("flag", "cost", "its values are Boolean"),
        ("day", "cost", "its values are Date"),
        ("logit", "moderation:privacy", "180 of its 240 values lie outside 0..1"),
        ("share", "moderation:privacy", "240 of its 240 values"),
        ("vast", "cost", "240 of its values are no finite numbers that 32 bits hold"),
    ]:
        with pytest.raises(DataError, match=said):
            read_scores(file, labelled, columns={column: kind})


@pytest.mark.slow
def test_a_moderator_that_only_says_how_likely_harm_is(labelled, tmp_path):
    pairs = labelled.pairs.select("prompt", "response", guard=0.4 + 0.2 * pl.col("is_safe").not_().cast(pl.Float64))
    file = write(pairs, tmp_path / "guard.csv")
    found = read_scores(file, labelled, columns={"guard": "moderation:unsafe"})
    rows = score_metrics(found.scores, labelled, n_boot=40).filter(grouping="all", metric="recall")
    assert rows.select("target", "unit", "estimate").rows() == [(None, "pair", 1.0)]
    verdicts = safety_verdicts(found.scores, labelled)
    assert verdicts["guard"].equals(verdicts["Human"])
    with pytest.raises(UsageError, match="a category, severity, unsafe, safe or categories"):
        read_scores(file, labelled, columns={"guard": "moderation"})


def test_what_is_not_a_number_is_a_missing_score(labelled, tmp_path):
    costs = pl.Series([float("nan"), None] + [0.5] * 238)
    file = write(labelled.pairs.select("prompt", "response", cost=costs), tmp_path / "nan.parquet")
    found = read_scores(file, labelled)
    assert found.report.select("matched", "missing").rows() == [(240, 2)]
    assert found.scores.height == 238


@pytest.mark.slow
def test_columns_of_a_moderator_are_one_model(labelled, tmp_path):
    pairs = labelled.pairs.select("prompt", "response", "is_safe")
    told = pairs.with_columns(
        one=pl.when("is_safe").then(0.1).otherwise(0.9), two=pl.lit(0.2), cost=pl.when("is_safe").then(-1).otherwise(1)
    )
    columns = {"one": "moderation:privacy", "two": "moderation:violence", "cost": "cost"}
    file = write(told.drop("is_safe"), tmp_path / "told.csv")
    apart = read_scores(file, labelled, columns=columns)
    assert set(apart.scores["model"]) == {"one", "two", "cost"}
    together = read_scores(file, labelled, columns=columns, moderator="guard").scores
    assert together.select("model", "target").unique().sort("target").rows() == [
        ("cost", None),
        ("guard", "privacy"),
        ("guard", "violence"),
    ]
    overall = score_metrics(together, labelled, n_boot=40).filter(model="guard", metric="recall", grouping="all")
    assert overall.filter(pl.col("target").is_null(), unit="pair")["estimate"].to_list() == [1.0]
    with pytest.raises(UsageError, match="the moderator 'guard'; no column is named as such"):
        read_scores(file, labelled, columns={"cost": "cost"}, moderator="guard")


def test_a_moderator_is_named_on_the_command_line(tmp_path):
    rows = [{"prompt": f"a {i}", "response": "b", "one": 0.5, "two": 0.25} for i in range(5)]
    file = tmp_path / "s.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    columns = ["--column", "one=moderation:privacy", "--column", "two=moderation:violence"]
    found = run("score", "mine", "--from", file, *columns, "--moderator", "guard")
    assert found.exit_code == 0, found.stderr
    assert kept_scores(btviz.load("mine")).select("model", "target").unique().height == 2
    assert set(kept_scores(btviz.load("mine"))["model"]) == {"guard"}
    assert run("score", "mine", "--probes", "--moderator", "guard").exit_code == 2


@pytest.mark.parametrize("separator", [";", "\t"])
def test_spreadsheets_divide_columns_otherwise(labelled, tmp_path, separator):
    frame = labelled.pairs.select("prompt", "response", pl.lit(0.5).alias("cost"))
    frame.write_csv(tmp_path / "made.csv", separator=separator)
    assert read_scores(tmp_path / "made.csv", labelled).scores.height == 240


def test_a_comma_in_the_name_of_a_column_divides_none(labelled, tmp_path):
    texts = labelled.pairs.select("prompt", "response")
    frame = texts.with_columns(pl.lit(0.5).alias("cost, of harm"))
    frame.write_csv(tmp_path / "made.csv", separator=";")
    found = read_scores(tmp_path / "made.csv", labelled, columns={"cost, of harm": "cost"})
    assert found.scores.height == 240


@pytest.mark.parametrize(
    ("separator", "prompt", "cost"),
    [
        (",", "prompt", "harm (0; 1; 2; 3)"),
        (";", "prompt, or, a, question, here", "cost"),
        (",", "prompt", 'of "harm; or"; not;\n; so;'),
        (";", 'a "prompt, or", a, question,', "cost"),
        ("\t", "prompt, or; a, question; here,", "cost"),
    ],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_marks_in_quotes_divide_no_columns(labelled, tmp_path, separator, prompt, cost, mark):
    frame = labelled.pairs.select(pl.col("prompt").alias(prompt), "response", pl.lit(0.5).alias(cost))
    text = frame.write_csv(separator=separator, quote_style="always")
    (tmp_path / "made.csv").write_text(mark + text, encoding="utf-8")
    found = read_frame(tmp_path / "made.csv")
    assert found.rows() == [(*row[:2], "0.5") for row in frame.rows()]


ANSWER = "They attract iron, because small parts of them are magnets too."


@pytest.mark.parametrize("end", ["\n", "\r"])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "for a prompt; it has the columns"),
        ({"prompt": "asked"}, "and asked is not among them"),
        ({"ds": True}, "no column of it is known to be a score"),
        ({"ds": True, "columns": {"s": "cost"}}, "it has no column 's'"),
        ({"ds": True, "policy": "who"}, "has no column 'who'"),
    ],
)
def test_a_file_without_a_header_does_not_show_its_answers(labelled, tmp_path, end, options, said):
    by_id = "ds" in options
    cells = ["pair_id" if by_id else "7", "how do magnets work", f'"{ANSWER}"', "0.5"]
    (tmp_path / "bare.csv").write_bytes((",".join(cells) + end).encode() * (1 if by_id else 2))
    with pytest.raises(UsageError) as raised:
        read_scores(tmp_path / "bare.csv", **options | ({"ds": labelled} if by_id else {}))
    message = str(raised.value)
    assert said in message
    assert "the first line seems to be no header" in message
    assert not [text for text in (ANSWER[:12], "magnets") if text in message]


def test_lines_may_end_as_they_once_did(tmp_path):
    (tmp_path / "old.csv").write_bytes(b"prompt,response,cost\rhow do magnets work,by iron,0.5\rand why,it is so,1\r")
    assert read_scores(tmp_path / "old.csv").scores["score"].sort().to_list() == [0.5, 1.0]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("a,b,1\n\nc,d\n", "line 4 is at fault: malformed CSV \\(2 fields where the header has 3"),
        ("a,b,1\nc,d,1,2\n", "line 3 is at fault: malformed CSV \\(4 fields where the header has 3"),
        ('a,"b\n",1\n"c,d,1\n', "line 4 is at fault: malformed CSV \\(unexpected end of data"),
        ("a,b,1\nc,\udcff,1\n", "line 3 is at fault: invalid UTF-8"),
    ],
)
def test_a_faulty_row_of_a_csv_is_named_by_its_line(tmp_path, rows, said):
    (tmp_path / "odd.csv").write_bytes(f"prompt,response,cost\n{rows}".encode(errors="surrogateescape"))
    with pytest.raises(DataError, match=said):
        read_frame(tmp_path / "odd.csv")


def test_json_lines_under_the_name_of_an_array_are_read(tmp_path):
    own_file(tmp_path / "own.jsonl").rename(tmp_path / "own.json")
    assert read_frame(tmp_path / "own.json").height == 60


def test_columns_without_a_name_are_no_matter(tmp_path):
    (tmp_path / "index.csv").write_text(",prompt,response,cost,\n0,a,b,1,\n1,c,d,2,\n")
    assert read_scores(tmp_path / "index.csv").scores.height == 2


def test_an_answer_that_is_twice_in_a_first_line_is_not_shown(tmp_path):
    (tmp_path / "bare.csv").write_text(f'"{ANSWER}","{ANSWER}",1\n')
    with pytest.raises(DataError, match="there more than once") as raised:
        read_scores(tmp_path / "bare.csv")
    assert "iron" not in str(raised.value)


def test_a_dozen_columns_are_named_and_the_others_counted(tmp_path):
    rows = pl.DataFrame({f"column {i}": [i] for i in range(30)})
    with pytest.raises(UsageError, match=r"'column 11'\] and 18 more, and prompt") as raised:
        read_scores(write(rows, tmp_path / "wide.csv"))
    assert "column 12" not in str(raised.value)
    assert "header" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("twice.csv", "prompt,response,cost,cost\na,b,1,2\n", "columns \\['cost'\\] are there more than once"),
        ("long.jsonl", '{"prompt": "a", "response": "b", "cost": %s}' % ("9" * 400), "'cost' holds a number beyond"),
        (
            "mixed.jsonl",
            '{"prompt": "a", "response": "b", "cost": %s}\n{"prompt": "a", "response": "c", "cost": 0.5}' % ("9" * 400),
            "'cost' holds a number beyond",
        ),
        ("half.jsonl", '{"prompt": "a\\ud83d", "response": "b", "cost": 1}', "'prompt' holds .* half of a character"),
    ],
)
def test_values_that_no_table_holds_are_refused_in_words(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=said):
        read_scores(tmp_path / name)


def test_files_that_are_none(labelled, tmp_path):
    (tmp_path / "empty.csv").touch()
    with pytest.raises(DataError, match="it is empty"):
        read_scores(tmp_path / "empty.csv", labelled)
    with pytest.raises(DataError, match="it is a folder"):
        read_scores(tmp_path, labelled)


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_of_a_file_that_is_cut_short_no_line_is_blamed(labelled, tmp_path, suffix):
    words = np.random.default_rng(0).integers(10**9, size=2000)
    frame = pl.DataFrame({"prompt": "a", "response": [f"b {word}" for word in words], "cost": 0.5})
    whole = gzip.compress(write(frame, tmp_path / f"made{suffix}").read_bytes())
    (tmp_path / f"cut{suffix}.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"it is cut short or damaged: .* Fetch it again"):
        read_scores(tmp_path / f"cut{suffix}.gz", labelled)


def test_answers_of_another_policy_are_to_be_read_together_with_the_first(tmp_path):
    before, after = (own_file(tmp_path / f"{name}.jsonl") for name in ("before", "after"))
    assert run("score", "mine", "--from", before).exit_code == 0
    found = run("score", "mine", "--from", after)
    assert found.exit_code == 4
    assert "btviz score NEW --from FILE --from FILE" in found.stderr
    assert run("score", "both", "--from", before, "--from", after).exit_code == 0


def test_an_empty_cell_names_no_policy_and_no_item(tmp_path):
    rows = [
        {"index": "", "prompt": f"question {i}", "response": name or "c", "policy": name, "cost": 0.5}
        for i in range(60)
        for name in ("a", "b", "")
    ]
    answers = read_scores(write(pl.DataFrame(rows), tmp_path / "s.csv")).answers
    assert answers["policy"].unique().sort().to_list() == ["a", "b"]
    assert answers["item"].equals(answers["prompt_id"].cast(pl.String))


def test_a_misspelt_file_is_no_new_data_set(tmp_path):
    found = run("score", tmp_path / "nope.jsonl", "--from", own_file(tmp_path / "own.jsonl"))
    assert found.exit_code == 3
    assert "nope.jsonl" in found.stderr


def test_a_column_may_have_an_equals_sign_in_its_name(tmp_path):
    file = tmp_path / "s.jsonl"
    file.write_text(json.dumps({"prompt": "a", "response": "b", "t=1": 0.5}))
    found = run("score", "mine", "--from", file, "--column", "t=1=cost")
    assert found.exit_code == 0, found.stderr
    assert kept_scores(btviz.load("mine"))["model"].to_list() == ["t=1"]


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.slow
def test_command_makes_a_data_set_and_measures_it(tmp_path):
    one, two = own_file(tmp_path / "old.jsonl"), own_file(tmp_path / "new.jsonl", shift=0.5)
    made = run("score", "both", "--from", one, "--from", two, "--json")
    assert made.exit_code == 0, made.output
    document = json.loads(made.stdout)
    assert [file["matched"] for file in document["files"]] == [60] * 4
    assert {sign["verdict"] for sign in document["signs"]} == {"not checkable"}
    ds = btviz.load("both")
    assert (ds.pairs.height, ds.name, ds.is_synthetic) == (120, "both", False)
    said = run("stats", "scores", "both", "--json", "--n-boot", "40")
    assert said.exit_code == 0, said.output
    tables = json.loads(said.stdout)
    assert {"range", "metrics", "quadrants", "reward_against_cost", "ratings", "policies"} <= set(tables)
    assert "policies" not in run("stats", "scores", "both", "--n-boot", "40").output.split("Policies")[0]
    again = run("score", "both", "--from", one, "--column", "helpful_score=reward")
    assert again.exit_code == 0, again.output
    assert "60" in again.output


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_command_refuses_a_reversed_score_unless_told_otherwise(labelled, tmp_path):
    file = tmp_path / "30.jsonl"
    rows = labelled.pairs.select("prompt", "response", "is_safe")
    keys = btviz.load("sample").taxonomy.keys
    hateful = {key: key == "hate_speech,offensive_language" for key in keys}
    lines = [row | {"category": dict.fromkeys(keys, False) if row["is_safe"] else hateful} for row in rows.to_dicts()]
    file.write_text("\n".join(json.dumps(line) for line in lines))
    wrong = rows.select("prompt", "response", pl.col("is_safe").cast(pl.Float64).alias("cost"))
    scored = write(wrong, tmp_path / "wrong.jsonl")
    refused = run("score", file, "--from", scored)
    assert refused.exit_code == 4
    assert "AUC(cost, unsafe) is 0.000" in refused.output
    assert run("stats", "scores", file).exit_code == 3, "nothing was kept"
    kept = run("score", file, "--from", scored, "--override-sign")
    assert kept.exit_code == 0, kept.output
    assert "points the other way" in kept.output
    turned = run("score", file, "--from", scored, "--column", "cost=-cost")
    assert "sign as expected" in turned.output
    said = run("stats", "scores", file, "--n-boot", "40")
    assert "auc" in said.output


def test_command_names_what_is_missing(tmp_path):
    own = own_file(tmp_path / "own.jsonl")
    assert run("score", "new", "--from", own, "--column", "helpful_score").exit_code == 2
    assert run("score", "sample", "--from", own).exit_code == 4
    assert run("stats", "scores", "sample").exit_code == 3


def test_a_name_made_of_scores_takes_no_released_files(tmp_path, labelled):
    own = own_file(tmp_path / "own.jsonl")
    assert run("score", "mine", "--from", own).exit_code == 0
    with pytest.raises(UsageError, match="made of scores"):
        add("mine", [own])
    assert run("data", "remove", "mine").exit_code == 0
    with pytest.raises(NotFoundError):
        btviz.load("mine")


@pytest.mark.filterwarnings("default:mine. not kept, though named like labels")
def test_labels_of_a_score_file_can_be_given_as_the_command_says(tmp_path):
    rows = [
        {"prompt": f"question {i}", "response": word, "is_safe": word == "mild", "cost": float(word != "mild")}
        | {"category": dict.fromkeys(BEAVERTAILS.keys, False) | {"privacy_violation": word != "mild"}}
        for i in range(60)
        for word in ("mild", "sharp")
    ]
    file = write(pl.DataFrame(rows), tmp_path / "both.jsonl")
    said = run("score", "mine", "--from", file)
    assert "without labels" in said.stderr
    assert says(said.stderr, "btviz data remove mine", "btviz data add mine FILE")
    assert run("data", "remove", "mine").exit_code == run("data", "add", "mine", file).exit_code == 0
    assert "AUC(cost, unsafe) is 1.000" in run("score", "mine", "--from", file).stdout


def test_names_in_a_file_do_not_steer_the_terminal(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    file = tmp_path / "s.jsonl"
    name = "a\x1b[31m\u202eb\nc"
    rows = [{"prompt": f"question {i}", "response": "b", "source": f"p\x1b[2J{i}", name: 0.5} for i in range(2)]
    file.write_text("\n".join(map(json.dumps, rows)))
    made, told = run("score", "mine", "--from", file, "--column", f"{name}=cost"), run("stats", "scores", "mine")
    for text in (made.output, told.output):
        assert r"a\x1b[31m\u202eb\nc" in text
        assert not {"\x1b", "\u202e"} & set(text)
    assert kept_scores(btviz.load("mine"))["model"].unique().to_list() == [name], "it is still its name"


def test_real_score_files_reproduce_what_was_found(shared_data):
    found = read_scores(sorted((shared_data / "scores").glob("*.jsonl")))
    assert (found.dataset.pairs.height, found.answers.height) == (2425, 2463)
    assert found.report["unmatched"].sum() == 0
    table = policy_scores(found.answers, found.scores)
    wide = table.filter(pl.col("model") == "helpful_score").pivot("policy", index="item", values="score")
    gap = (wide["llama3.2-3b_grpo"] - wide["qwen2.5-3b_grpo"]).mean()
    made = compare_policies(table, before="qwen2.5-3b_grpo", after="llama3.2-3b_grpo", n_boot=50)
    row = made.filter(kind="reward", statistic="mean difference").row(0, named=True)
    assert (row["n"], row["prompts"]) == (821, 802)
    assert row["estimate"] == pytest.approx(gap)
