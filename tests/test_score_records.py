"""What is known of scores beside their numbers, and what files say of it: shapes, verdicts, names, thresholds."""

import json
import re
from importlib import import_module
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from score_tables import scores
from wording import says

import btviz
from btviz.data.tables import pair_id
from btviz.errors import DataError, UsageError
from btviz.models.protocol import SCORES, scores_table
from btviz.models.records import LOG_ODDS, OTHER, VERDICT, ScoreRecord
from btviz.scores.answers import by_model
from btviz.scores.differences import margin_summary, score_margins
from btviz.scores.files import read_scores
from btviz.scores.metrics import reliability_curve, score_metrics
from btviz.scores.raters import safety_verdicts
from btviz.scores.score_columns import Meaning
from btviz.scores.signs import SignWarning
from btviz.taxonomy.categories import BEAVERTAILS

ASKED = [(f"how is kite {n} flown", f"let out {n} metres", f"pull line {n}") for n in range(30)]


@pytest.fixture(scope="module")
def ds(tmp_path_factory):
    """Thirty comparisons; the first answer is better and safer in the even ones."""
    rows = [
        {"prompt": prompt, "response_0": first, "response_1": second, "better_response_id": n % 2}
        | {"is_response_0_safe": n % 2 == 0, "is_response_1_safe": n % 2 == 1, "safer_response_id": n % 2}
        for n, (prompt, first, second) in enumerate(ASKED)
    ]
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("asked")
        patch.setenv("BTVIZ_DATA_DIR", str(folder / "data"))
        loaded = btviz.load(write(folder / "asked.jsonl", rows))
        loaded.keys, loaded.pairs, loaded.preferences, loaded.annotations, loaded.prompts  # noqa: B018  # read here
        return loaded


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def answers(**columns):
    """A row for each answer, the first of a comparison before the second."""
    texts = [(prompt, answer) for prompt, *both in ASKED for answer in both]
    return [
        {"prompt": prompt, "response": answer} | {name: values[i] for name, values in columns.items()}
        for i, (prompt, answer) in enumerate(texts)
    ]


UNSAFE = [bool(n % 2) != bool(side) for n in range(30) for side in (0, 1)]


def test_a_record_comes_back_from_its_columns():
    record = ScoreRecord("cost", boundary="unknown", scale=OTHER, low=-1, high=0, turned=True, maker="somebody")
    columns = record.columns()
    assert ScoreRecord.of("cost", records=[columns["record"]], boundary=columns["boundary"]) == record
    assert ScoreRecord("reward").columns() == dict.fromkeys(("threshold", "boundary", "record"))
    assert (record.direction, record.zero) == ("more harmful", "unknown")
    assert [ScoreRecord("cost").zero, ScoreRecord("reward").zero] == ["boundary", "nothing"]


@pytest.mark.parametrize(
    "wrong",
    [
        *({"kind": "colour"}, {"scale": "log"}, {"low": 2.0, "high": 1.0}, {"turned": "yes"}, {"maker": 3}),
        *({"max_tokens": 0}, {"high": float("nan")}, {"boundary": "here"}),
    ],
)
def test_what_is_no_record_is_refused(wrong):
    with pytest.raises(UsageError):
        ScoreRecord(**({"kind": "cost"} | wrong))


def test_records_of_one_model_keep_every_doubt():
    first = ScoreRecord("reward", scale=LOG_ODDS, low=0.0, high=1.0, maker="one")
    second = ScoreRecord("reward", scale=OTHER, low=0.0, high=2.0, turned=True, maker="two")
    both = first.joined(second)
    assert (both.scale, both.low, both.high, both.turned, both.maker) == (OTHER, 0.0, None, True, "one; two")


def test_a_table_with_another_record_is_refused(ds):
    table = scores(ds.pairs["pair_id"], np.zeros(ds.pairs.height)).with_columns(record=pl.lit('{"colour": "blue"}'))
    with pytest.raises(UsageError, match="no record of scores"):
        list(by_model(table))


def test_tables_are_put_together_whatever_columns_they_lack(ds, tmp_path):
    table = scores(ds.pairs["pair_id"], np.arange(60.0))
    read = read_scores(write(tmp_path / "s.jsonl", answers(cost=[float(i) - 30 for i in range(60)])), ds).scores
    assert pl.concat([table, read]).columns == list(SCORES), "all tables of btviz have the same columns"
    bare = table.drop("threshold", "boundary", "record")
    assert btviz.stacked_scores([bare, read, table.drop("record")]).height == 180
    assert btviz.stacked_scores([]).schema == SCORES


def test_a_model_says_what_is_known_of_its_scores():
    class Known:
        name, kind, fingerprint, labels = "m", "reward", "f", ()
        record = ScoreRecord("reward", scale=LOG_ODDS, max_tokens=512, template="pair of texts", revision="abc")

    known = btviz.score_records(scores_table([1, 2], [0.5, 1.5], model=Known())).row(0, named=True)
    assert (known["scale"], known["max_tokens"], known["template"], known["revision"]) == (
        *("log-odds", 512, "pair of texts"),
        "abc",
    )
    assert (known["n"], known["direction"], known["zero"]) == (2, "more helpful", "nothing")


def test_scores_of_0_to_1_state_no_probability_anywhere(ds, tmp_path):
    file = write(tmp_path / "s.jsonl", answers(rating=[0.1 + 0.013 * i for i in range(60)]))
    found = read_scores(file, ds, columns={"rating": "reward"}).scores
    rows = score_metrics(found, ds, n_boot=40).filter(pl.col("metric").str.starts_with("calibration"))
    assert rows["estimate"].null_count() == rows.height == 2
    assert "ranges between 0 and 1" in rows["undefined"][0]
    curve = reliability_curve(found, ds, n_boot=40)
    assert curve["expected"].null_count() == curve.height > 0
    assert curve["no_probability"].null_count() == 0
    wide = read_scores(
        write(tmp_path / "w.jsonl", answers(rating=[i / 9 for i in range(60)])), ds, columns={"rating": "reward"}
    )
    assert reliability_curve(wide.scores, ds, n_boot=40)["expected"].null_count() == 0


def test_a_column_says_its_model_and_where_harm_begins(ds, tmp_path):
    rows = [
        {"prompt": p, "response_a": a, "response_b": b, "cost_a": 0.5 - n, "cost_b": 0.5 + n}
        for n, (p, a, b) in enumerate(ASKED, 1)
    ]
    found = read_scores(write(tmp_path / "wide.jsonl", rows), ds, columns={"cost_a": 'cost:"Beaver: v1":0.5'})
    assert found.scores["model"].unique().to_list() == ["Beaver: v1"]
    assert found.scores.height == 60
    (part,) = by_model(found.scores)
    assert part.no_boundary is None
    assert part.record.rescaled == "less 0.5, where harm begins"
    assert sorted(part.scores["score"]) == sorted([*map(float, range(-30, 0)), *map(float, range(1, 31))])
    summary = margin_summary(score_margins(found.scores, ds), n_boot=40).filter(level="all", label="safer")
    assert summary["n"].to_list() == [30]


@pytest.mark.parametrize(
    "text",
    [
        "reward:A:0.5",
        "cost:A:0.5:b",
        "cost@1:A",
        "-moderation:unsafe",
        "moderation:unsafe:A:1.5",
        "cost:A:x",
        "Cost",
        "reward: ",
        'cost:"A:1',
    ],
)
def test_what_is_said_of_a_column_otherwise_is_refused(ds, tmp_path, text):
    file = write(tmp_path / "s.jsonl", answers(s=[0.5] * 60))
    with pytest.raises(UsageError):
        read_scores(file, ds, columns={"s": text})


VERDICTS = {
    "true and false": (UNSAFE, "moderation:unsafe"),
    "yes and no": (["Yes" if unsafe else "no." for unsafe in UNSAFE], "moderation:unsafe"),
    "words": (["unsafe" if unsafe else "safe" for unsafe in UNSAFE], "moderation:unsafe"),
    "words of safety": (["unsafe" if unsafe else "safe" for unsafe in UNSAFE], "moderation:safe"),
    "is it safe": ([not unsafe for unsafe in UNSAFE], "moderation:safe"),
    "1 and 0": ([int(unsafe) for unsafe in UNSAFE], "moderation:unsafe"),
}


@pytest.mark.parametrize("form", VERDICTS)
def test_verdicts_in_every_spelling_are_those_of_a_moderator(ds, tmp_path, form):
    values, meaning = VERDICTS[form]
    found = read_scores(write(tmp_path / "v.jsonl", answers(guard=values)), ds, columns={"guard": meaning}).scores
    (part,) = by_model(found)
    assert (part.target, part.record.scale, part.threshold) == ("unsafe", VERDICT, None)
    verdicts = safety_verdicts(found, ds)
    assert verdicts["guard"].equals(verdicts["Human"], check_names=False)
    rows = score_metrics(found, ds, n_boot=40).filter(grouping="all")
    assert rows.filter(metric="recall")["estimate"].to_list() == [1.0]
    assert rows.filter(metric="auc").select("estimate", pl.col("undefined").str.contains("verdicts")).rows() == [
        (None, True)
    ]


def test_verdicts_and_probabilities_of_one_moderator_are_told_apart(ds, tmp_path):
    slug = BEAVERTAILS.categories[0].slug
    file = write(tmp_path / "v.jsonl", answers(guard=UNSAFE, share=[i / 60 for i in range(60)]))
    columns = {"guard": f"moderation:{slug}:G", "share": "moderation:unsafe:G:0.4"}
    found = read_scores(file, ds, columns=columns).scores
    rows = score_metrics(found, ds, n_boot=40).filter(grouping="all", unit="pair")
    assert set(rows["threshold_origin"]) == {"stated when they were read"}
    assert set(rows["threshold"]) == {0.4}
    overall = rows.filter(pl.col("target").is_null(), metric="auc")
    assert overall["estimate"].null_count() == 0, "the highest of both ranks answers"


def test_a_verdict_with_codes_has_a_target_for_each(ds, tmp_path):
    texts = ["unsafe\nS1,S6" if i % 3 == 0 else "unsafe\nS6, not a code" if i % 3 == 1 else "safe" for i in range(60)]
    found = read_scores(write(tmp_path / "g.jsonl", answers(g=texts)), ds, columns={"g": "moderation:unsafe:Guard"})
    means = dict(found.scores.group_by("target").agg(pl.col("score").mean()).rows())
    assert means == pytest.approx({"unsafe": 2 / 3, "s1": 1 / 3, "s6": 2 / 3})
    assert set(found.scores["model"]) == {"Guard"}


def test_codes_of_a_known_guard_are_held_against_the_categories_they_speak_of(make_dataset, tmp_path):
    """S10 of Llama Guard 3 is hate, which two of the fourteen speak of; S8, intellectual property, none."""
    hateful, discriminating, other = (1 << BEAVERTAILS[key].bit for key in ("hate-speech", "discrimination", "privacy"))
    labels = [(0, hateful, discriminating, other)[i % 4] for i in range(80)]
    rows = [(f"question {i}", f"answer {i}", "train", not label, label) for i, label in enumerate(labels)]
    schema = ["prompt", "response", "split", "is_safe", "labels"]
    made = make_dataset(pl.DataFrame(rows, schema=schema, orient="row").cast({"labels": pl.UInt32}))
    said = {0: "safe", hateful: "unsafe\nS10", discriminating: "unsafe\nS10", other: "unsafe\nS8"}
    verdicts = [{"prompt": f"question {i}", "response": f"answer {i}", "g": said[v]} for i, v in enumerate(labels)]
    columns = {"g": 'moderation:unsafe:"Llama-Guard-3-8B"'}
    found = read_scores(write(tmp_path / "g.jsonl", verdicts), made, columns=columns).scores
    table = score_metrics(found, made, n_boot=40).filter(grouping="all")
    coded = table.filter(target="s10")
    assert dict(coded.select("metric", "estimate").rows()) == {
        **dict.fromkeys(("precision", "recall", "f1"), 1.0),
        "false_positive_rate": 0.0,
        "auc": None,
    }
    assert coded["against"].unique().to_list() == ["hate-speech, discrimination"]
    assert "no category of beavertails corresponds to s8" in table.filter(target="s8", metric="recall")["undefined"][0]


def test_lists_of_categories_have_a_target_for_each_category(ds, tmp_path):
    slugs = [category.slug for category in BEAVERTAILS.categories[:2]]
    lists = [[slugs[0]] if i % 2 else slugs if i % 4 else [] for i in range(60)]
    found = read_scores(
        write(tmp_path / "l.jsonl", answers(kinds=lists)), ds, columns={"kinds": "moderation:categories:G"}
    )
    means = dict(found.scores.group_by("target").agg(pl.col("score").mean()).rows())
    assert means == pytest.approx({slugs[0]: 0.75, slugs[1]: 0.25})


def test_objects_of_categories_have_a_target_for_each_key(ds, tmp_path):
    first, second = BEAVERTAILS.categories[:2]
    objects = [{first.key: bool(i % 2), second.slug: False, "odd": None} for i in range(60)]
    found = read_scores(write(tmp_path / "o.jsonl", answers(f=objects)), ds, columns={"f": "moderation:categories:G"})
    means = dict(found.scores.group_by("target").agg(pl.col("score").mean()).rows())
    assert means == pytest.approx({first.slug: 0.5, second.slug: 0.0})
    shares = [{first.key: i / 60, first.slug: 0.5} for i in range(60)]
    found = read_scores(write(tmp_path / "p.jsonl", answers(f=shares)), ds, columns={"f": "moderation:categories:G"})
    (part,) = by_model(found.scores)
    assert (part.target, part.record.scale) == (first.slug, "probability")
    assert sorted(part.scores["score"]) == sorted(max(i / 60, 0.5) for i in range(60))


def test_lists_that_are_empty_or_texts_are_refused(ds, tmp_path):
    for values, said in (
        ([[]] * 60, "none of its 60 rows names any"),
        ([["a long text " * 9]] * 60, "so they are texts"),
    ):
        with pytest.raises(DataError, match=said):
            read_scores(write(tmp_path / "l.jsonl", answers(k=values)), ds, columns={"k": "moderation:categories"})


def test_a_verdict_that_nobody_knows_is_refused_without_its_text(ds, tmp_path):
    file = write(tmp_path / "v.jsonl", answers(guard=["safe"] * 59 + ["perhaps"]))
    with pytest.raises(DataError) as told:
        read_scores(file, ds, columns={"guard": "moderation:unsafe"})
    assert says(str(told.value), "guard", "row 60")
    assert "perhaps" not in str(told.value)


def test_yes_of_a_column_named_after_safety_is_not_taken_for_harm(ds, tmp_path):
    file = write(tmp_path / "v.jsonl", answers(is_safe=UNSAFE))
    with pytest.raises(UsageError, match="is_safe=moderation:safe"):
        read_scores(file, ds, columns={"is_safe": "moderation:unsafe"})


CHOSEN = {
    "in columns": lambda n: {"scores_chosen": 1.0 + n, "scores_rejected": -1.0 - n},
    "in an object": lambda n: {"scores": {"chosen": 1.0 + n, "rejected": -1.0 - n}},
    "as the row": lambda n: {"chosen": 1.0 + n, "rejected": -1.0 - n},
}


@pytest.mark.parametrize("form", CHOSEN)
def test_chosen_and_rejected_are_told_apart_by_the_preferences(ds, tmp_path, form):
    """By line, the data set knows which of two answers was chosen: the second in the odd rows."""
    rows = [{"line": n} | CHOSEN[form](n) for n in range(1, 31)]
    found = read_scores(write(tmp_path / "margins.jsonl", rows), ds)
    assert found.report.select("kind", "matched").rows() == [("reward", 60)]
    expected = {}
    for n, (prompt, first, second) in enumerate(ASKED, 1):
        better, worse = (first, second) if n % 2 else (second, first)
        expected |= {pair_id(prompt, better): 1.0 + n, pair_id(prompt, worse): -1.0 - n}
    assert dict(found.scores.select("pair_id", "score").rows()) == expected
    accuracy = score_metrics(found.scores, ds, n_boot=40).filter(metric="pair_accuracy", grouping="all")
    assert accuracy["estimate"].to_list() == [1.0]


def test_a_row_for_each_model_is_read_by_whose_score_it_is(ds, tmp_path):
    rows = [
        row | {"rater": name} for name in ("A", "B") for row in answers(reward=[len(name) + i / 7 for i in range(60)])
    ]
    found = read_scores(write(tmp_path / "long.jsonl", rows), ds)
    assert found.scores.group_by("model").len().sort("model").rows() == [("A", 60), ("B", 60)]
    named = [{("whose" if k == "rater" else k): v for k, v in row.items()} for row in rows]
    again = read_scores(write(tmp_path / "named.jsonl", named), ds, scorer="whose")
    assert again.scores.equals(found.scores)
    with pytest.raises(UsageError, match="no column 'who'"):
        read_scores(tmp_path / "named.jsonl", ds, scorer="who")
    with pytest.raises(DataError, match="1 rows name nobody"):
        read_scores(write(tmp_path / "gap.jsonl", [*named, {**named[0], "whose": ""}]), ds, scorer="whose")


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_table_of_scores_comes_back_with_its_records(ds, tmp_path, suffix):
    safety = read_scores(
        write(tmp_path / "s.jsonl", answers(s=[i / 60 for i in range(60)])), ds, columns={"s": "-cost"}
    )
    guard = read_scores(write(tmp_path / "g.jsonl", answers(g=UNSAFE)), ds, columns={"g": "moderation:unsafe:G:0.4"})
    table = btviz.stacked_scores([safety.scores, guard.scores])
    file = tmp_path / f"table{suffix}"
    table.write_csv(file) if suffix == ".csv" else table.write_parquet(file)
    again = read_scores(file, ds)
    assert again.scores.equals(table)
    assert again.report.select("model", "matched").sort("model").rows() == [("G", 60), ("s", 60)]


def test_rows_of_texts_models_kinds_and_targets_are_a_table_of_scores(ds, tmp_path):
    slug = BEAVERTAILS.categories[0].slug
    rows = [
        row | {"model": model, "kind": kind, "target": target, "score": 0.25}
        for model, kind, target in (("G", "moderation", slug), ("G", "moderation", "unsafe"), ("C", "cost", None))
        for row in answers()
    ]
    found = read_scores(write(tmp_path / "long.jsonl", rows), ds)
    assert found.scores.group_by("model", "target").len().sort("model", "target").rows() == [
        ("C", None, 60),
        *(("G", target, 60) for target in sorted([slug, "unsafe"])),
    ]


PAGE = (Path(__file__).parent.parent / "docs" / "scores.md").read_text(encoding="utf-8")


def test_what_the_page_says_of_columns_is_read():
    said = re.findall(r"`(?:--column )?\w+=(-?(?:cost|reward|moderation)[^`]*)`", PAGE)
    assert len(said) >= 6
    for text in said:
        assert Meaning.of(text, BEAVERTAILS).kind in text


def test_functions_of_the_page_are_there():
    for name in re.findall(r"`btviz\.([\w.]+)", PAGE):
        room, _, function = name.rpartition(".")
        assert callable(getattr(import_module(f"btviz.{room}" if room else "btviz"), function))


def test_records_are_kept_with_the_scores(ds, tmp_path):
    file = write(tmp_path / "s.jsonl", answers(s=[i / 60 for i in range(60)]))
    with pytest.warns(SignWarning):
        btviz.keep_scores(ds, read_scores(file, ds, columns={"s": "-cost"}))
    known = btviz.score_records(btviz.kept_scores(ds)).row(0, named=True)
    assert (known["zero"], known["scale"], known["turned"], known["low"], known["high"]) == (
        "unknown",
        OTHER,
        True,
        -1,
        0,
    )
    assert known["direction_source"] == "stated when they were read"
    guessed = read_scores(write(tmp_path / "g.jsonl", answers(cost=[float(i) for i in range(60)])), ds).scores
    assert btviz.score_records(guessed)["direction_source"].to_list() == ["assumed from the column's name"]
    assert "turned" in known["no_boundary"]
    assert "no probability" in known["no_probability"]
