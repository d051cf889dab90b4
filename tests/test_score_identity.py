"""Which answer a row of a score file is about: two in a row, ids, hashes, lines, keys of one's own."""

import hashlib
import json

import polars as pl
import pytest
from click.testing import CliRunner
from wording import says

import btviz
from btviz.cli.app import app
from btviz.data.tables import pair_id
from btviz.errors import DataError, UsageError
from btviz.scores.differences import margin_summary, score_margins
from btviz.scores.files import read_scores

ASKED = [(f"how is tune {n} played", f"play {n} low", f"hum {n} softly") for n in range(6)]


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def asked(tmp_path):
    """Six comparisons; the first answer is better and safer in all."""
    rows = [
        {"prompt": prompt, "response_0": first, "response_1": second}
        | {"is_response_0_safe": True, "is_response_1_safe": False, "better_response_id": 0, "safer_response_id": 0}
        for prompt, first, second in ASKED
    ]
    return btviz.load(write(tmp_path / "asked.jsonl", rows))


WIDE = {
    "numbered": (("response_0", "response_1"), ("cost_0", "cost_1")),
    "from one": (("answer1", "answer2"), ("cost1", "cost2")),
    "lettered": (("response_a", "response_b"), ("a_cost", "b_cost")),
    "chosen": (("chosen", "rejected"), ("cost_chosen", "cost_rejected")),
    "in the middle": (("output_0_text", "output_1_text"), ("cost_0", "cost_1")),
}


@pytest.mark.parametrize("form", WIDE)
@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_scores_of_two_answers_in_a_row_are_one_models(asked, tmp_path, form, suffix):
    texts, costs = WIDE[form]
    rows = [
        {"prompt": prompt, texts[0]: first, texts[1]: second, costs[0]: -1.0 - n, costs[1]: 2.0 + n}
        for n, (prompt, first, second) in enumerate(ASKED)
    ]
    frame, file = pl.DataFrame(rows), tmp_path / f"wide{suffix}"
    {".jsonl": frame.write_ndjson, ".csv": frame.write_csv, ".parquet": frame.write_parquet}[suffix](file)
    options = {"response": "output_text"} if form == "in the middle" else {}
    found = read_scores(file, asked, **options)
    expected = {pair_id(p, a): -1.0 - n for n, (p, a, _) in enumerate(ASKED)}
    expected |= {pair_id(p, b): 2.0 + n for n, (p, _, b) in enumerate(ASKED)}
    assert dict(found.scores.select("pair_id", "score").rows()) == expected
    assert found.scores["model"].unique().to_list() == ["cost"]
    assert found.report.select("column", "rows", "matched", "unmatched").rows() == [("cost", 12, 12, 0)]
    margin = margin_summary(score_margins(found.scores, asked), n_boot=10).filter(grouping="all")
    # chosen less rejected: (-1 - n) - (2 + n) = -3 - 2n, n = 0 .. 5
    assert margin.select("n", "mean").row(0) == (6, -8.0)


def test_scores_and_answers_in_lists_are_one_models(asked, tmp_path):
    rows = [{"prompt": p, "responses": [a, b], "scores": [n, -n]} for n, (p, a, b) in enumerate(ASKED)]
    found = read_scores(write(tmp_path / "lists.jsonl", rows), asked, columns={"scores": "reward"})
    expected = {pair_id(p, a): n for n, (p, a, _) in enumerate(ASKED)}
    expected |= {pair_id(p, b): -n for n, (p, _, b) in enumerate(ASKED)}
    assert dict(found.scores.select("pair_id", "score").rows()) == expected
    with pytest.raises(DataError) as told:
        read_scores(
            write(tmp_path / "short.jsonl", [*rows, rows[0] | {"scores": [1]}]), asked, columns={"scores": "cost"}
        )
    assert says(str(told.value), "'scores'", "lists")


def test_one_column_without_an_answer_beside_two_is_refused(asked, tmp_path):
    rows = [{"prompt": p, "response_0": a, "response_1": b, "cost_0": 1, "cost_1": 2, "cost": 3} for p, a, b in ASKED]
    with pytest.raises(DataError) as told:
        read_scores(write(tmp_path / "three.jsonl", rows), asked)
    assert says(str(told.value), "two answers in a row", "'cost'")


def test_two_columns_of_one_answer_are_two_models(asked, tmp_path):
    rows = [{"prompt": p, "response": a, "seed_0": 1.0, "seed_1": 2.0} for p, a, _ in ASKED]
    file = write(tmp_path / "seeds.jsonl", rows)
    found = read_scores(file, asked, columns={"seed_0": "reward", "seed_1": "reward"})
    assert found.scores["model"].unique().sort().to_list() == ["seed_0", "seed_1"]
    assert found.scores.height == 12


def test_both_columns_of_a_model_are_the_same_kind(asked, tmp_path):
    rows = [{"prompt": p, "response_0": a, "response_1": b, "s_0": 1.0, "s_1": 2.0} for p, a, b in ASKED]
    file = write(tmp_path / "wide.jsonl", rows)
    for columns in ({"s": "reward"}, {"s_0": "reward", "s_1": "reward"}):
        assert read_scores(file, asked, columns=columns).scores["model"].unique().to_list() == ["s"]
    with pytest.raises(UsageError) as told:
        read_scores(file, asked, columns={"s_0": "reward", "s_1": "cost"})
    assert says(str(told.value), "'s_1'", "'cost'", "'reward'")


def test_an_answer_that_is_missing_matches_nothing(asked, tmp_path):
    rows = [{"prompt": p, "response_0": a, "response_1": b, "cost_0": -1, "cost_1": 1} for p, a, b in ASKED]
    rows[2] |= {"response_1": None, "cost_1": None}
    rows[3] |= {"response_0": None}
    found = read_scores(write(tmp_path / "missing.jsonl", rows), asked)
    assert found.report.select("rows", "matched", "unmatched", "missing").rows() == [(12, 10, 2, 0)]
    assert pair_id(ASKED[3][0], "") not in found.scores["pair_id"]


def test_answers_are_matched_by_their_hash(asked, tmp_path):
    rows = [{"response_sha256": sha256(answer), "cost": n} for p, *two in ASKED for n, answer in enumerate(two, -1)]
    found = read_scores(write(tmp_path / "hashes.jsonl", rows), asked)
    assert found.report.select("by", "rows", "matched").rows() == [("SHA-256 of the answer", 12, 12)]
    assert dict(found.scores.select("pair_id", "score").rows()) == {
        pair_id(p, answer): n for p, *two in ASKED for n, answer in enumerate(two, -1)
    }
    wide = [
        {"response_0_sha256": sha256(a), "response_1_sha256": sha256(b), "cost_0": -1, "cost_1": 0} for _, a, b in ASKED
    ]
    both = read_scores(write(tmp_path / "wide.jsonl", wide), asked)
    assert both.scores.equals(found.scores)


def test_an_answer_given_to_two_prompts_is_told_apart_by_the_prompt(tmp_path):
    rows = [{"prompt": prompt, "response": "yes", "is_safe": True} for prompt in ("is it day", "is it night")]
    ds = btviz.read_scores(write(tmp_path / "own.jsonl", [row | {"cost": 0} for row in rows])).dataset
    short = [{"response_sha256": sha256("yes"), "prompt": row["prompt"], "cost": n} for n, row in enumerate(rows)]
    found = read_scores(write(tmp_path / "told.jsonl", short), ds)
    assert dict(found.scores.select("pair_id", "score").rows()) == {
        pair_id(r["prompt"], "yes"): n for n, r in enumerate(rows)
    }
    with pytest.raises(DataError) as told:
        read_scores(write(tmp_path / "untold.jsonl", [{"response_sha256": sha256("yes"), "cost": 1}]), ds)
    assert says(str(told.value), "1 name", "several answers")


def test_answers_are_matched_by_line_and_by_a_key_that_is_named(asked, tmp_path):
    rows = [{"line": n, "cost_0": -n, "cost_1": n} for n in range(1, 7)]
    found = read_scores(write(tmp_path / "lines.jsonl", rows), asked)
    assert found.report.select("by", "rows", "matched").rows() == [("file and line", 12, 12)]
    expected = {pair_id(p, a): -n for n, (p, a, _) in enumerate(ASKED, 1)}
    expected |= {pair_id(p, b): n for n, (p, _, b) in enumerate(ASKED, 1)}
    assert dict(found.scores.select("pair_id", "score").rows()) == expected
    renamed = [{"row of theirs": row["line"], **{k: v for k, v in row.items() if k != "line"}} for row in rows]
    file = write(tmp_path / "renamed.jsonl", renamed)
    again = read_scores(file, asked, by="row of theirs=line")
    assert again.scores.equals(found.scores)
    ids = [{"pair": hex(i), "cost": 1.5} for i in asked.pairs["pair_id"]]
    by_id = read_scores(write(tmp_path / "ids.jsonl", ids), asked, by="pair=pair_id")
    assert by_id.scores["pair_id"].to_list() == asked.pairs["pair_id"].to_list()


def test_the_command_matches_by_what_is_named(asked, tmp_path):
    name = str(tmp_path / "asked.jsonl")
    rows = [{"nr": n, "cost_0": -n, "cost_1": n} for n in range(1, 7)]
    file = write(tmp_path / "nr.jsonl", rows)
    made = CliRunner().invoke(app, ["score", name, "--from", str(file), "--by", "nr=line", "--json"])
    assert made.exit_code == 0, made.output
    report = json.loads(made.stdout)["files"]
    assert [(row["by"], row["matched"]) for row in report] == [("file and line", 12)]
    refused = CliRunner().invoke(app, ["score", name, "--from", str(file), "--by", "nr=uid"])
    assert refused.exit_code == 2
    assert says(refused.output, "key 'uid'", "'line'")


def test_ids_need_a_data_set(tmp_path):
    file = write(tmp_path / "new.jsonl", [{"id": 1, "prompt": "a", "response": "b", "cost": 1}])
    with pytest.raises(UsageError) as told:
        read_scores(file, by="id")
    assert says(str(told.value), "'id'", "nothing to be matched with")


def test_files_that_people_have_are_matched_whole(shared_data):
    found = shared_data / "found"
    if not found.is_dir():
        pytest.skip(f"the files that people have are not here: {found} is missing")
    wide = btviz.load(found / "12-pairs.jsonl")
    read = read_scores(found / "12-scores-wide.jsonl", wide)
    assert read.scores.select("model", "kind").unique().rows() == [("cost", "cost")]
    assert read.report.select("rows", "matched").rows() == [(24, 24)]
    assert margin_summary(score_margins(read.scores, wide), n_boot=40).filter(grouping="all")["n"].to_list() == [12]
    hashed = btviz.load(found / "13-pairs-with-hashes.jsonl")
    by_hash = read_scores(found / "13-scores-by-hash.jsonl", hashed)
    assert by_hash.report.select("by", "rows", "matched").rows() == [("response_sha256", 24, 24)]
    missing = [btviz.load(found / f"10-missing-answer.{form}") for form in ("jsonl", "csv")]
    assert missing[0].fingerprint == missing[1].fingerprint
    assert missing[0].problems.drop("file", "line").equals(missing[1].problems.drop("file", "line"))
