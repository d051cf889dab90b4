"""Keeping scores from Python: signs are checked, models of one name told apart, what was kept gives way."""

import json

import polars as pl
import pytest
import score_checkpoints as made

import btviz
from btviz.errors import DataError, UsageError
from btviz.scores import KeepWarning, forget_scores, keep_dataset
from btviz.scores.signs import SignWarning


@pytest.fixture
def ds(make_dataset):
    """Answers to 60 prompts, every second one unsafe."""
    rows = [(f"how do {i % 60} magnets work", f"they attract iron {i}", "train", i % 2 == 0, i % 2) for i in range(120)]
    columns = {
        "prompt": pl.String,
        "response": pl.String,
        "split": pl.String,
        "is_safe": pl.Boolean,
        "labels": pl.UInt32,
    }
    return make_dataset(pl.DataFrame(rows, schema=columns, orient="row"))


def costs(ds, *, model="m", sign=1.0):
    """A cost that tells unsafe answers apart, or the other way round."""
    return ds.pairs.select(
        "pair_id",
        model=pl.lit(model),
        kind=pl.lit("cost"),
        target=pl.lit(None, pl.String),
        score=sign * pl.when("is_safe").then(-1.0).otherwise(1.0),
    )


def names(ds):
    return sorted(set(btviz.kept_scores(ds)["model"]))


def test_a_table_is_kept_and_takes_the_place_of_the_one_before(ds):
    assert btviz.kept_scores(ds).is_empty()
    kept = btviz.keep_scores(ds, costs(ds))
    assert [check.verdict for check in kept.signs] == ["agrees"]
    assert kept.replaced.is_empty()
    assert btviz.kept_scores(ds).drop("threshold", "boundary", "record").equals(costs(ds).sort("pair_id"))
    changed = costs(ds).with_columns(pl.col("score") * (2 - (pl.int_range(pl.len()) < 20)))
    again = btviz.keep_scores(ds, changed)
    assert again.replaced.to_dicts() == [{"model": "m", "kind": "cost", "stayed": 0, "replaced": 100}]
    assert btviz.kept_scores(ds)["score"].abs().sum() == 220


def test_a_reversed_score_is_not_kept_unless_told_otherwise(ds):
    with pytest.raises(DataError, match=r"points the other way.*over 120 items of 60 prompts"):
        btviz.keep_scores(ds, costs(ds, sign=-1.0))
    assert btviz.kept_scores(ds).is_empty()
    with pytest.warns(SignWarning, match="points the other way"):
        kept = btviz.keep_scores(ds, costs(ds, sign=-1.0), override_sign=True)
    assert [check.verdict for check in kept.signs] == ["reversed"]
    assert names(ds) == ["m"]


@pytest.mark.slow
def test_tables_of_models_of_one_name_are_told_apart_by_their_fingerprints(ds):
    first = btviz.keep_scores(ds, costs(ds), fingerprints={"m": "1234567890"})
    other = btviz.keep_scores(ds, costs(ds), fingerprints={"m": "abcdefghij"})
    assert (first.renamed, other.renamed) == ({}, {"m": "m abcdefgh"})
    assert set(other.scores["model"]) == {"m abcdefgh"}
    assert names(ds) == ["m", "m abcdefgh"]
    same = btviz.keep_scores(ds, costs(ds), fingerprints={"m": "1234567890"})
    assert (same.renamed, names(ds)) == ({}, ["m", "m abcdefgh"])
    btviz.keep_scores(ds, costs(ds), fingerprints={"m": "0987654321"}, give_way=True)
    assert names(ds) == ["m", "m abcdefgh"]
    assert forget_scores(ds, "m abcdefgh") == 1


@pytest.mark.slow
def test_scores_of_files_are_kept_beside_each_other(ds, tmp_path):
    texts = ds.pairs.select("prompt", "response", cost=pl.when("is_safe").then(-1.0).otherwise(1.0))
    texts.head(80).write_ndjson(tmp_path / "first.jsonl")
    texts.tail(80).with_columns(cost=pl.col("cost") * 2).write_ndjson(tmp_path / "second.jsonl")
    assert btviz.keep_scores(ds, btviz.read_scores(tmp_path / "first.jsonl", ds)).replaced.is_empty()
    kept = btviz.keep_scores(ds, btviz.read_scores(tmp_path / "second.jsonl", ds))
    assert kept.replaced.rows() == [("cost", "cost", 40, 40)]
    assert btviz.kept_scores(ds).height == 120
    btviz.keep_scores(ds, costs(ds, model="run"), fingerprints={"run": "0"})
    texts.rename({"cost": "run"}).write_ndjson(tmp_path / "run.jsonl")
    with pytest.raises(UsageError, match="was run"):
        btviz.keep_scores(ds, btviz.read_scores(tmp_path / "run.jsonl", ds, columns={"run": "cost"}))


def test_files_of_answers_of_their_own_become_a_data_set(tmp_path):
    rows = [{"prompt": f"q {i}", "response": f"a {i}", "reward": i / 10} for i in range(60)]
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    read = btviz.read_scores(tmp_path / "own.jsonl")
    kept = btviz.keep_scores(keep_dataset("mine", read.dataset), read)
    assert [check.verdict for check in kept.signs] == ["not checkable"]
    assert btviz.kept_scores(btviz.load("mine")).height == 60


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::btviz.scores.signs.SignWarning")  # of random weights
def test_a_run_keeps_its_scores_and_tells_checkpoints_of_one_name_apart(ds, tmp_path):
    folders = [made.beaver(tmp_path / place / "final-cost", seed=seed) for seed, place in enumerate("ab")]
    scores = btviz.score(ds, folders[0], keep=True, override_sign=True)
    assert btviz.kept_scores(ds).equals(scores)
    with pytest.warns(KeepWarning, match="these are kept as those of 'b/final-cost'"):
        other = btviz.score(ds, btviz.load_score_model(folders[1]), keep=True, override_sign=True)
    assert set(other["model"]) == {"b/final-cost"}
    assert names(ds) == ["b/final-cost", "final-cost"]
    assert btviz.score(ds, folders[0], keep=True, override_sign=True).equals(scores), "a known model is no other"
    with pytest.raises(UsageError, match="named twice"):
        btviz.score(ds, [folders[0], folders[0]], keep=True)


def test_a_table_of_other_types_is_kept_as_any_other_and_one_that_is_none_is_refused(ds):
    wide = costs(ds).with_columns(pl.col("pair_id").cast(pl.Int128), pl.col("score").cast(pl.Int8))
    btviz.keep_scores(ds, costs(ds))
    assert btviz.keep_scores(ds, wide).replaced.is_empty()
    assert btviz.kept_scores(ds).height == 120
    with pytest.raises(UsageError, match=r"\['kind'\] are missing"):
        btviz.keep_scores(ds, wide.drop("kind"))


def test_what_is_of_no_data_set_or_no_answer_in_it_is_not_kept(ds):
    strange = costs(ds, model="strange").with_columns(pl.col("pair_id") ^ 1)
    with pytest.raises(UsageError, match=r"\['strange'\] are of no answer"):
        btviz.keep_scores(ds, pl.concat([costs(ds), strange]))
    with pytest.raises(UsageError, match="without a name"):
        btviz.keep_scores(ds, costs(ds, model=None).cast({"model": pl.String}))
    for table in ("scores.csv", None, costs(ds).lazy()):
        with pytest.raises(UsageError, match=type(table).__name__):
            btviz.keep_scores(ds, table)
    for call in (btviz.kept_scores, lambda name: btviz.keep_scores(name, costs(ds))):
        with pytest.raises(UsageError, match="the text 'sample'"):
            call("sample")
    with pytest.raises(UsageError, match="the text 'sample'"):
        btviz.score("sample", "a model", keep=True)
    assert btviz.kept_scores(ds).is_empty()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::btviz.scores.signs.SignWarning")  # of random labels
def test_probes_of_one_name_are_told_apart_though_they_lie_in_no_folder(ds):
    vectors = btviz.embed(ds, text="qa", encoder="words")
    first, other = (btviz.fit_probe(ds, vectors, kind="cost", n_folds=2, l2=l2) for l2 in (0.03, 3.0))
    longer = f"{other.name} {other.fingerprint[:8]}"
    btviz.score(ds, first, keep=True, override_sign=True)
    with pytest.warns(KeepWarning, match=longer) as caught:
        btviz.score(ds, other, keep=True, override_sign=True)
    assert {warning.filename for warning in caught if warning.category is KeepWarning} == {__file__}
    assert names(ds) == [first.name, longer]
    btviz.score(ds, first, keep=True, override_sign=True)
    assert names(ds) == [first.name, longer]


def test_scores_that_nobody_wants_to_keep_are_not_kept(ds):
    probe = btviz.fit_probe(ds, btviz.embed(ds, text="qa", encoder="words"), kind="cost", n_folds=2)
    assert btviz.score(ds, probe).height == 120
    assert btviz.kept_scores(ds).is_empty()
    with pytest.raises(UsageError, match="score model"):
        btviz.score(ds, [probe, 3], keep=True)
    assert btviz.kept_scores(ds).is_empty()
