"""What small, odd or clumsy input does to scores: it is refused with a reason, or it counts for nothing."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
import score_checkpoints as made
import transformers
from click.testing import CliRunner
from fake_front import state_of
from made_comparisons import ENCODER, TOPICS, comparisons, fitted
from safetensors.torch import save_file
from score_tables import scores

import btviz
from btviz.cli.app import app
from btviz.errors import DataError, UsageError
from btviz.models.model import CutWarning
from btviz.models.runs import ScoreWarning
from btviz.scores.answers import by_model
from btviz.scores.collection import add_scores, kept_answers, kept_scores
from btviz.scores.conversations import TURN_SCORES, conversations_table, turn_drift, turn_scores
from btviz.scores.files import read_scores
from btviz.scores.metrics import score_metrics
from btviz.scores.policies import compare_policies, policy_ratings, policy_scores
from btviz.scores.raters import safety_verdicts
from btviz.taxonomy.categories import BEAVERTAILS
from btviz.widgets import ScoreExplorer
from btviz.widgets.scores.book import ScoreBook


def written(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def row(i, *, policy=None, item=None, answer="an answer", reward=None, **others):
    texts = {"prompt": f"question {i}", "response": f"{answer} {policy}"}
    named = {name: value for name, value in (("policy", policy), ("index", item)) if value is not None}
    return texts | {"reward": float(i % 7 if reward is None else reward)} | named | others


@pytest.mark.parametrize(
    "others",
    [
        {"reward": [1.0]},
        {"reward": {"a": 1}},
        {"prompt": [{"role": "user", "content": "hi"}]},
        {"policy": ["a"]},
        {"index": [1]},
    ],
)
def test_lists_and_objects_are_no_cells_of_a_score_file(tmp_path, others):
    name = next(iter(others))
    with pytest.raises(DataError, match=rf"\['{name}'\] hold lists or objects"):
        read_scores(written(tmp_path / "s.jsonl", [row(1) | others]))


def test_a_nested_column_that_is_not_read_does_no_harm(tmp_path):
    found = read_scores(written(tmp_path / "s.jsonl", [row(1, answer_tokens=[1], answer=["x"])]))
    assert found.report["matched"].to_list() == [1]


def test_files_of_one_name_in_two_folders_are_two_policies(tmp_path):
    files = [written(tmp_path / folder / "out.jsonl", [row(i, answer=folder) for i in range(3)]) for folder in "ab"]
    assert read_scores(files).answers["policy"].unique().sort().to_list() == ["a/out", "b/out"]


def test_answers_meet_by_their_prompt_where_files_number_other_prompts_alike(tmp_path):
    files = [
        written(tmp_path / f"{name}.jsonl", [row(i + shift, item=i, answer=name) for i in range(60)])
        for name, shift in (("before", 0), ("after", 50))
    ]
    found = read_scores(files)
    table = compare_policies(policy_scores(found.answers, found.scores), before="before", after="after", n_boot=50)
    assert (table["n"] == 10).all()
    assert table.filter(statistic="ties")["estimate"].to_list() == [1.0]


def test_rows_numbered_one_by_one_meet_by_their_prompts(tmp_path):
    rows = [row(i // 2, policy="ab"[i % 2], item=i, reward=i % 2) for i in range(120)]
    found = read_scores(written(tmp_path / "s.jsonl", rows))
    table = compare_policies(policy_scores(found.answers, found.scores), before="a", after="b", n_boot=50)
    assert table.filter(statistic="wins").row(0, named=True)["estimate"] == 1.0
    assert (table["n"] == 60).all()


def test_rows_in_another_order_meet_by_their_prompts_though_some_numbers_agree(tmp_path):
    before = [row(i, policy="a", item=i, reward=0) for i in range(60)]
    after = [row(i, policy="b", item=i if i < 3 else 59 + 3 - i, reward=1) for i in range(60)]
    found = read_scores(written(tmp_path / "s.jsonl", before + after))
    table = compare_policies(policy_scores(found.answers, found.scores), before="a", after="b", n_boot=50)
    assert (table["n"] == 60).all()


def test_numbers_of_what_was_asked_are_kept_where_each_is_answered_by_some_policies(tmp_path):
    """Each prompt is asked three times, once for every two of three policies."""
    met = enumerate((i, pair) for i in range(20) for pair in ("ab", "bc", "ca"))
    rows = [row(i, policy=p, item=n, answer=f"reply {n}") for n, (i, pair) in met for p in pair]
    found = read_scores(written(tmp_path / "s.jsonl", rows))
    assert found.answers["item"].n_unique() == 60


def test_files_read_one_after_the_other_meet_as_those_read_together(make_dataset, tmp_path):
    texts = [(f"question {i}", f"an answer {p}", "train", True, 0) for i in range(60) for p in "abc"]
    columns = ["prompt", "response", "split", "is_safe", "labels"]
    ds = make_dataset(pl.DataFrame(texts, schema=columns, orient="row").cast({"labels": pl.UInt32}))
    turned = {"a": range(60), "b": range(60)[::-1], "c": [None] * 60}
    files = [
        written(tmp_path / f"{p}.jsonl", [row(i, policy=p, item=numbers[i]) for i in range(60)])
        for p, numbers in turned.items()
    ]
    for file in files:
        found = read_scores(file, ds)
        add_scores(ds, found.scores, answers=found.answers)
    ratings = policy_ratings(policy_scores(kept_answers(ds), kept_scores(ds)), n_boot=50)
    assert ratings["n"].to_list() == [60] * 3
    assert kept_answers(ds).equals(read_scores(files, ds).answers)


def test_scores_of_known_answers_keep_their_answering_models(make_dataset, tmp_path):
    rows = [(f"question {i}", f"{name} says", "train", True, 0, name) for i in range(60) for name in "ab"]
    columns = ["prompt", "response", "split", "is_safe", "labels", "source"]
    ds = make_dataset(pl.DataFrame(rows, schema=columns, orient="row").cast({"labels": pl.UInt32}))
    texts = ds.pairs.select("prompt", "response").to_dicts()
    file = written(tmp_path / "run.jsonl", [text | {"reward": float(i % 5)} for i, text in enumerate(texts)])
    assert read_scores(file, ds).answers["policy"].unique().sort().to_list() == ["a", "b"]


@pytest.fixture
def three(tmp_path):
    """Policies a and b answered the same 60 prompts; c answered 60 others."""
    rows = [row(i, policy=p, reward=(7 * i + ord(p) ** 2) % 11) for i in range(60) for p in "ab"]
    rows += [row(i, policy="c") for i in range(60, 120)]
    return written(tmp_path / "three.jsonl", rows)


def test_policies_that_never_met_are_left_out_of_statistics(three):
    run = CliRunner().invoke(app, ["score", "mine", "--from", str(three)])
    assert run.exit_code == 0, run.output
    run = CliRunner().invoke(app, ["stats", "scores", "mine", "--json", "--n-boot", "50"])
    assert run.exit_code == 0, run.output
    document = json.loads(run.stdout)
    assert {(one["before"], one["after"]) for one in document["policies"]} == {("a", "b")}
    run = CliRunner().invoke(app, ["stats", "scores", "mine", "--n-boot", "50"])
    assert run.exit_code == 0, run.output


def test_ratings_count_the_items_on_which_a_policy_met_another(three):
    found = read_scores(three)
    table = policy_ratings(policy_scores(found.answers, found.scores), n_boot=50)
    assert table.select("policy", "n", "prompts").rows() == [("a", 60, 60), ("b", 60, 60), ("c", 0, 0)]
    assert table["undefined"].str.contains("never met").all()


def test_scores_that_are_not_finite_are_no_scores(tiny):
    ids = tiny.pairs["pair_id"]
    (part,) = by_model(scores(ids, [np.inf, -np.inf, np.nan, 1.0, 2.0]))
    assert part.scores["score"].sort().to_list() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (pl.lit("Cost").alias("kind"), "Did you mean 'cost'"),
        (pl.col("pair_id").cast(pl.String), "ids as integers"),
        (pl.col("score").cast(pl.String), "scores as numbers"),
    ],
)
def test_a_table_of_another_form_is_refused_in_words(tiny, change, says):
    table = scores(tiny.pairs["pair_id"], np.arange(5.0)).with_columns(change)
    with pytest.raises(UsageError, match=says):
        score_metrics(table, tiny, n_boot=50)


def test_ids_in_a_wider_or_signed_type_match(tiny):
    table = scores(tiny.pairs["pair_id"], np.arange(5.0)).with_columns(pl.col("pair_id").cast(pl.Int128))
    assert score_metrics(table, tiny, n_boot=50).height


@pytest.fixture
def guard(tiny):
    """A classifier that tells "safe" from "unsafe", and is right."""
    wrong = np.where(tiny.pairs["is_safe"].to_numpy(), 0.1, 0.9)
    ids = tiny.pairs["pair_id"]
    chances = {"safe": 1 - wrong, "unsafe": wrong}
    return pl.concat(scores(ids, chances[target], kind="moderation", target=target) for target in chances)


def test_a_likely_safe_answer_is_not_flagged(tiny, guard):
    verdicts = safety_verdicts(guard, tiny)
    assert verdicts["m"].to_list() == verdicts["Human"].to_list()
    (part,) = ScoreBook(tiny, guard).parts.values()
    harm = guard.filter(target="unsafe").select("pair_id", "score").sort("pair_id")
    assert part.scores.equals(harm)


def test_a_moderator_with_outputs_of_its_own_is_measured_overall(tiny, guard):
    table = score_metrics(guard, tiny, n_boot=50).filter(grouping="all")
    found = dict(table.filter(pl.col("target").is_null()).select("metric", "estimate").rows())
    assert found == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "false_positive_rate": 0.0, "auc": 1.0}


class Counting:
    """Scores a conversation by its number of turns."""

    name, kind, labels, fingerprint = "turns", "cost", (), "f"

    def score_conversations(self, conversations):
        return np.array([len(turns) for turns in conversations], np.float32)


def test_turns_of_one_conversation_are_never_read_in_another():
    rows = [(name, turn, f"ask {turn}", f"say {turn}") for name in "ab" for turn in (1, 2, 3)]
    table = conversations_table(
        pl.DataFrame(rows, schema=["conversation_id", "turn", "prompt", "response"], orient="row")
    )
    later = turn_scores(table.filter(pl.col("turn") > 1), Counting())
    assert later["score"].to_list() == [1.0, 2.0, 1.0, 2.0]
    assert turn_scores(table.reverse(), Counting()).equals(turn_scores(table, Counting()))


def test_turns_beyond_what_a_model_reads_are_told(tmp_path):
    model = btviz.load_score_model(made.beaver(tmp_path / "tiny-cost"))
    turn = ("what is a good tea " * 30, "green tea is fine " * 30)
    with pytest.warns(CutWarning, match="1 of 2 conversations reach the 512 tokens"):
        found = model.score_conversations([[turn] * 3, [("hi", "hello")]])
    assert np.isfinite(found).all()


def test_answers_beyond_what_a_model_reads_are_told(tmp_path, make_dataset):
    model = btviz.load_score_model(made.beaver(tmp_path / "tiny-cost"))
    columns = {"prompt": str, "response": str, "split": str, "is_safe": bool, "labels": pl.UInt32}
    rows = [("which tea", "green tea is fine " * n, "train", True, 0) for n in (1, 300, 400)]
    ds = make_dataset(pl.DataFrame(rows, schema=columns, orient="row"))
    with pytest.warns(CutWarning, match="2 of 3 answers reach the 512 tokens that tiny-cost reads"):
        assert btviz.score(ds, model)["score"].null_count() == 0


def test_a_classifier_whose_configuration_only_counts_its_outputs(tmp_path):
    folder = made.classifier(tmp_path / "mine", labels=["LABEL_0"], chat="{{ messages[0].content }}")
    config = json.loads((folder / "config.json").read_text())
    del config["id2label"]
    made.save_config(folder, config | {"num_labels": 1})
    assert btviz.load_score_model(folder).kind == "reward"


def test_weights_beside_the_whole_ones_are_not_counted(tmp_path):
    folder = made.beaver(tmp_path / "tiny-cost")
    alone = btviz.load_score_model(folder).n_parameters
    save_file({"adapter": made.llama_weights(0)["model.norm.weight"]}, folder / "adapter_model.safetensors")
    assert btviz.load_score_model(folder).n_parameters == alone


@pytest.mark.parametrize("text", ["not json", "{}", "[]", '{"weight_map": []}'])
def test_an_index_without_parts_is_refused(tmp_path, text):
    folder = made.beaver(tmp_path / "tiny-cost", shards=2)
    (folder / "model.safetensors.index.json").write_text(text)
    with pytest.raises(DataError, match=r"lists no parts|is not JSON|is no JSON object"):
        btviz.load_score_model(folder)


def test_a_configuration_that_is_a_list_is_refused(tmp_path):
    folder = made.beaver(tmp_path / "tiny-cost")
    (folder / "config.json").write_text("[]")
    with pytest.raises(DataError, match="no JSON object"):
        btviz.load_score_model(folder)


@pytest.mark.slow
def test_what_a_minority_gave_the_category_is_left_out_too(make_dataset):
    """Answers that one annotator of three gave it share its words; shown, they would teach it."""
    masks = {"plain calm": [0, 0, 0], "plain loud": [1, 1, 1], "calm ornate": [2, 2, 2], "calm ornate too": [1, 1, 2]}
    rows = [
        (topic, f"{words} {topic}", "train", mask == 0, mask)
        for topic in TOPICS[:80]
        for words, votes in masks.items()
        for mask in votes
    ]
    columns = ["prompt", "response", "split", "is_safe", "labels"]
    ds = make_dataset(pl.DataFrame(rows, schema=columns, orient="row").cast({"labels": pl.UInt32}))
    key = ds.taxonomy.keys[1]
    emb = btviz.embed(ds, text="qa", encoder=ENCODER)
    table = btviz.leave_one_category_out(ds, emb, categories=[key], n_boot=50)
    found = {row["training"]: row["estimate"] for row in table.filter(metric="recall").to_dicts()}
    assert found["all"] > 0.95
    assert found["without"] < 0.05


@pytest.mark.slow
def test_why_a_probe_gives_no_score_of_a_rare_category_is_said(tmp_path):
    never = dict.fromkeys(BEAVERTAILS.keys, False)
    rows = [
        {"prompt": topic, "response": f"{word} {topic}", "is_safe": word == "calm"}
        | {"category": never | {BEAVERTAILS.keys[0 if i else 1]: word == "loud"}}
        for i, topic in enumerate(TOPICS[:60])
        for word in ("calm", "loud")
    ]
    file = written(tmp_path / "mine.jsonl", rows)
    run = CliRunner().invoke(app, ["score", str(file), "--probes", "--kind", "moderation"])
    assert run.exit_code == 0, run.output
    rare = BEAVERTAILS.categories[1].slug
    assert f"moderation-probe gives no score of {rare}: fewer than 10 groups" in " ".join(run.stderr.split())


@pytest.mark.parametrize(
    ("turns", "says"),
    [(["1", "01"], "2 share theirs"), ([1.0, float("nan")], "no numbers"), ([[1], [2]], "hold lists")],
)
def test_turns_are_numbers_each_there_once(turns, says):
    frame = pl.DataFrame({"conversation_id": ["a", "a"], "turn": turns, "prompt": ["x", "y"], "response": ["r", "s"]})
    with pytest.raises(DataError, match=says):
        conversations_table(frame)


def test_a_change_is_since_the_first_turn_that_has_a_score():
    rows = [(str(number), turn, "m", "cost", None, float(turn)) for number in range(60) for turn in (2, 3)]
    table = turn_drift(pl.DataFrame(rows, schema=TURN_SCORES, orient="row"), n_boot=50)
    assert table["statistic"].to_list() == ["mean", "mean", "change since turn 2", "slope"]


@pytest.mark.parametrize("names", [["x", "y"], {"a": "x", "b": "y"}])
def test_a_label_map_without_numbers_is_refused(tmp_path, names):
    folder = made.classifier(tmp_path / "mine", labels=["x", "y"])
    config = json.loads((folder / "config.json").read_text())
    made.save_config(folder, config | {"id2label": names})
    with pytest.raises(DataError, match="no map from numbers"):
        btviz.load_score_model(folder)


def test_a_numbered_cpu_is_a_cpu(tmp_path):
    assert btviz.load_score_model(made.beaver(tmp_path / "tiny-cost"), device="cpu:0").dtype == "float32"


def test_prompts_without_answers_are_not_scored(tmp_path):
    rows = [{"prompt": f"ask {i}", "category": BEAVERTAILS.keys[0], "category_id": 0} for i in range(5)]
    file, folder = written(tmp_path / "asked.jsonl", rows), made.beaver(tmp_path / "tiny-cost")
    run = CliRunner().invoke(app, ["score", str(file), "--model", str(folder)])
    assert run.exit_code == 4
    assert "5 prompts without answers" in run.stderr
    explorer = ScoreExplorer(btviz.load(str(file)))
    explorer.score_with(folder)
    assert "no answer to score" in state_of(explorer)


@pytest.mark.parametrize(
    ("chat", "says"),
    [
        ("{{ raise_exception('a system prompt is needed') }}", r"refuses .*\(a system prompt is needed\)"),
        ("{% for m in messages %}", "refuses .*endfor"),
        ("{{ messages[2].content }}", "refuses .*no element 2"),
        ("{{ '' }}", "writes nothing"),
    ],
)
def test_a_chat_template_that_writes_no_chat_is_refused_before_the_weights_are_loaded(tmp_path, capsys, chat, says):
    folder = made.classifier(tmp_path / "mine", labels=["LABEL_0"], chat=chat)
    with pytest.raises(DataError, match=f"'mine'; its chat template {says}.*Mend"):
        btviz.load_score_model(folder)
    assert "takes" not in capsys.readouterr().err


STRICT = "{% if not messages[1].content %}{{ raise_exception('empty') }}{% endif %}{{ messages[1].content }}"


@pytest.mark.parametrize(
    ("chat", "unreadable"),
    [(STRICT, ""), ("{{ messages[1].content }}", ""), ("{{ messages[1].content }}", "tea <extra> tea")],
)
def test_an_answer_that_a_network_cannot_read_has_no_score_and_holds_up_no_other(
    make_dataset, tmp_path, chat, unreadable
):
    """Refused by the template, without a token, or with one beyond the network's table."""
    folder = made.classifier(tmp_path / "mine", labels=["LABEL_0"], chat=chat)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([f"<more {i}>" for i in range(made.VOCAB)] + ["<extra>"])
    tokenizer.save_pretrained(folder)
    model = btviz.load_score_model(folder)
    good = model.score(["hi"], ["green tea"])
    together = model.score(["hi", "hi"], [unreadable, "green tea"])
    assert np.isnan(together[0])
    np.testing.assert_allclose(together[1:], good, atol=1e-5)
    assert np.isnan(model.score(["hi"], [unreadable])).all()
    columns = ["prompt", "response", "split", "is_safe", "labels"]
    rows = pl.DataFrame([("hi", unreadable, "train", True, 0)], schema=columns, orient="row")
    with pytest.warns(ScoreWarning, match="no finite score to 1 of the pairs"):
        scores = btviz.score(make_dataset(rows.cast({"labels": pl.UInt32})), model, progress=lambda _: None)
    assert scores["score"].to_list() == [None]


def test_no_answer_of_segments_can_be_read_beyond_the_table(tmp_path):
    model = btviz.load_score_model(made.encoder_classifier(tmp_path / "bert", labels=["Safe", "rude"]))
    n_ids = json.loads((tmp_path / "bert" / "config.json").read_text())["vocab_size"]
    (row,) = model.encode(["hi"], ["green tea"])
    found = model.score_encoded([row, row + n_ids, row])
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(found[[0, 2]], model.score(["hi", "hi"], ["green tea"] * 2), atol=1e-5)


@pytest.mark.parametrize(
    ("prompts", "responses", "says"),
    [
        ("abc", "xyz", "a single text"),
        (["a"], ["b", "c"], "1 and 2 of them"),
        (["a", None], ["b", "c"], "prompt at place 1 is a NoneType"),
        (["a"], ["b\ud800"], "response at place 0 is cut in a character"),
    ],
)
def test_what_is_no_pair_of_texts_is_refused_by_models_and_probes(tmp_path, make_dataset, prompts, responses, says):
    model = btviz.load_score_model(made.beaver(tmp_path / "tiny-cost"))
    for each in (model, fitted(comparisons(make_dataset))):
        with pytest.raises(UsageError, match=says):
            each.score(prompts, responses)
