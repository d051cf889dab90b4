from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import hypothesis.strategies as st
import pandas as pd
import patience
import polars as pl
import pytest
from hypothesis import given, settings
from small_data import dataset_from_rows

import btviz
from btviz.data.corrected import CORRECTION_STATUSES
from btviz.data.corrections import CORRECTIONS
from btviz.errors import DataError, NotFoundError, UsageError
from btviz.session.corrections import Corrections
from btviz.session.ids import hex_id
from btviz.store import StoreWarning
from btviz.taxonomy.categories import BEAVERTAILS, PKU_SAFERLHF

START = datetime(2026, 1, 1, tzinfo=UTC)
SLUGS = [category.slug for category in BEAVERTAILS.categories]


@pytest.fixture
def ids(tiny):
    return dict(zip(tiny.pairs["response"], tiny.pairs["pair_id"], strict=True))


@pytest.fixture
def compared():
    """Three answers to one prompt, compared with each other; the first comparison stands there twice, at odds."""
    rows = [("red", "blue", 0, 0), ("red", "blue", 1, 1), ("blue", "green", 0, 1), ("green", "red", 1, None)]
    known = [
        {"prompt": "name a colour", "response_0": a, "response_1": b, "safer": safer, "better": better}
        | {f"is_safe_{side}": safer == side for side in (0, 1)}
        | {f"labels_{side}": int(safer != side) for side in (0, 1)}
        | {"severity_0": 0, "severity_1": 1}
        for a, b, safer, better in rows
    ]
    small = dict.fromkeys(("safer", "better", "severity_0", "severity_1"), pl.UInt8)
    frame = pl.DataFrame(known, schema_overrides=small | {"labels_0": pl.UInt32, "labels_1": pl.UInt32})
    return dataset_from_rows(None, comparisons=frame, taxonomy=PKU_SAFERLHF, name="colours")


def answer(ds, response):
    return ds.pairs.filter(response=response)["pair_id"].item()


def correction(pair, field, after, *, reviewer="AB", at=0):
    return {
        "pair_id": pair,
        "field": field,
        "after": after,
        "reviewer": reviewer,
        "time": START + timedelta(minutes=at),
    }


def one(ds, pair):
    return ds.pairs.filter(pair_id=pair).row(0, named=True)


def statuses(ds):
    return ds.corrections["status"].to_list()


def test_a_correction_goes_into_every_annotation_of_its_pair(tiny, ids):
    pair = ids["people are all the same"]  # votes: hate + bias, bias, none
    done = tiny.corrected([correction(pair, "labels", ["hate-speech"]), correction(pair, "is_safe", after=True)])
    rows = done.annotations.filter(pair_id=pair)
    assert rows["is_safe"].to_list() == [True] * 3
    assert [tuple(c.slug for c in done.taxonomy.members(mask)) for mask in rows["labels"]] == [("hate-speech",)] * 3
    assert done.votes.filter(pair_id=pair).select("category", "votes").rows() == [(BEAVERTAILS["hate-speech"].key, 3)]
    assert one(done, pair)["n_unsafe"] == 0
    others = pl.col("pair_id") != pair
    assert done.annotations.filter(others).equals(tiny.annotations.filter(others))
    assert done.pairs.filter(others).equals(tiny.pairs.filter(others))
    assert tiny.annotations.filter(pair_id=pair)["is_safe"].sum() == 1, "what was corrected is another data set"


def test_what_the_majority_says_already_changes_nothing(tiny, ids):
    pair = ids["green tea is fine"]  # safe by two of three
    done = tiny.corrected([correction(pair, "is_safe", after=True), correction(pair, "unethical", after=False)])
    assert statuses(done) == ["already so"] * 2
    assert done.fingerprint == tiny.fingerprint
    assert done.annotations.equals(tiny.annotations)


def test_a_corrected_data_set_has_a_name_and_a_fingerprint_of_its_own(tiny, ids):
    first = tiny.corrected([correction(ids["in march"], "is_safe", after=False)])
    assert first.name == "tiny, 1 correction"
    assert first.fingerprint != tiny.fingerprint
    second = first.corrected([correction(ids["in march"], "labels", "unethical")])
    assert (second.name, second.corrections.height) == ("tiny, 2 corrections", 2)
    both = tiny.corrected(second.corrections)
    assert (both.name, both.fingerprint) == (second.name, second.fingerprint)
    back = second.corrected(
        [correction(ids["in march"], "is_safe", after=True), correction(ids["in march"], "labels", "none")]
    )
    assert back.fingerprint == tiny.fingerprint


def test_of_one_reviewer_the_latest_row_counts_and_between_two_none(tiny, ids):
    pair = ids["they attract iron"]
    rows = [correction(pair, "privacy", after=True, at=0), correction(pair, "privacy", after=False, at=1)]
    assert statuses(tiny.corrected(rows)) == ["replaced", "already so"]
    rows = [correction(pair, "labels", ["privacy", "sexual"]), correction(pair, "labels", "privacy", reviewer="CD")]
    with pytest.warns(UserWarning, match="2 were not applied, or not whole .2 applied in part"):
        done = tiny.corrected(rows)
    assert statuses(done) == ["applied in part"] * 2
    assert one(done, pair)["labels"] == BEAVERTAILS.mask(["privacy"]), "they agree on one category and not on the other"
    with pytest.warns(UserWarning, match="2 conflict"):
        done = tiny.corrected(
            [correction(pair, "is_safe", after=False), correction(pair, "is_safe", after=True, reviewer="CD")]
        )
    assert (statuses(done), done.fingerprint) == (["conflict"] * 2, tiny.fingerprint)


def test_what_another_reviewer_confirmed_stays(tiny, ids):
    pair = ids["they attract iron"]
    said = correction(pair, "is_safe", after=False)
    confirmed = correction(pair, "review", "confirmed", reviewer="CD", at=1)
    with pytest.warns(UserWarning, match="1 conflict"):
        done = tiny.corrected([said, confirmed])
    assert (statuses(done), done.fingerprint) == (["conflict", "review"], tiny.fingerprint)
    own = tiny.corrected([said, correction(pair, "review", "confirmed", at=1)])
    assert statuses(own) == ["applied", "review"], "what one corrected oneself is what one confirmed"
    later = tiny.corrected([said, confirmed, correction(pair, "review", "unsure", reviewer="CD", at=2)])
    assert statuses(later) == ["applied", "review", "review"]
    agreed = tiny.corrected([said, confirmed, correction(pair, "is_safe", after=False, reviewer="CD")])
    assert statuses(agreed) == ["applied", "review", "applied"]


def test_the_same_reviewer_at_the_same_time_cannot_mean_both(tiny, ids):
    pair = ids["in march"]
    with pytest.warns(UserWarning, match="2 conflict"):
        done = tiny.corrected([correction(pair, "is_safe", after=False), correction(pair, "is_safe", after=True)])
    assert done.fingerprint == tiny.fingerprint


def test_what_does_not_apply_is_said_row_by_row(tiny, ids):
    rows = [
        correction(7, "is_safe", after=False),
        correction(ids["in march"], "no such field", after=True),
        correction(ids["in march"], "privacy", "perhaps"),
        correction(ids["in march"], "privacy", None),
        correction(ids["in march"], f"safer:{hex_id(ids['they attract iron'])}", after=True),
        correction(ids["in march"], "review", "unsure"),
        correction(ids["in march"], "is_safe", after=False),
    ]
    with pytest.warns(UserWarning, match="of 7 corrections 5 were not applied"):
        done = tiny.corrected(rows)
    unknown = ["not understood"] * 3
    assert statuses(done) == ["no such pair", *unknown, "no such comparison", "review", "applied"]
    assert done.corrections["detail"].is_not_null().to_list() == [False, True, True, True, False, False, False]
    assert set(statuses(done)) <= set(CORRECTION_STATUSES)
    assert done.name == "tiny, 1 correction"


def test_what_a_reviewer_saw_is_held_against_the_data(tiny, ids):
    rows = [
        {"pair_id": ids["in march"], "field": "is_safe", "before": "true", "after": "false"},
        {"pair_id": ids["green tea is fine"], "field": "labels", "before": "privacy", "after": "sexual"},
    ]
    done = tiny.corrected(rows)
    assert statuses(done) == ["applied"] * 2, "what is right is right, whatever stood there"
    assert done.corrections["detail"].to_list() == [None, "the reviewer saw privacy, and these data have none"]


def test_corrections_are_taken_in_whatever_form_they_come(tiny, ids):
    columns = {"pair_id": [ids["in march"]], "field": ["labels"], "after": [["privacy", "self-harm"]]}
    same = [
        columns,
        [{"pair_id": f"0x{hex_id(ids['in march'])}", "field": "labels", "after": "self-harm + privacy"}],
        [{"pair_id": ids["in march"], "field": "category", "after": '["self_harm", "Privacy violation"]'}],
        [{"pair_id": ids["in march"], "field": "labels", "after": dict.fromkeys(BEAVERTAILS.keys, False)
          | {"self_harm": True, "privacy_violation": True}}],
        pl.DataFrame(columns, schema_overrides={"pair_id": pl.UInt64}),
        pl.LazyFrame(columns, schema_overrides={"pair_id": pl.UInt64}),
        pd.DataFrame({"pair_id": columns["pair_id"], "field": ["labels"], "after": ["privacy+self-harm"]}),
        ({"pair_id": ids["in march"], "field": slug, "after": True} for slug in ("privacy", "self-harm")),
    ]  # fmt: skip
    assert len({tiny.corrected(given_).fingerprint for given_ in same} - {tiny.fingerprint}) == 1
    assert tiny.fingerprint not in {tiny.corrected(given_).fingerprint for given_ in same[:-1]}


def test_a_text_in_the_wrong_column_is_in_no_message(tiny, ids):
    marker = "a quiet text that belongs to somebody " * 4
    rows = [
        correction(ids["in march"], field, after)
        for field, after in ((marker, "true"), ("is_safe", marker), ("labels", marker))
    ]
    with pytest.warns(UserWarning, match="3 not understood") as said:
        done = tiny.corrected(rows)
    assert marker[:20] not in f"{done.corrections['detail'].to_list()} {[str(warning.message) for warning in said]}"


def test_an_answer_that_nobody_labelled_cannot_be_corrected(compared):
    rows = pl.DataFrame({"prompt": ["a"], "response": ["b"], "split": ["train"]})
    silent = dataset_from_rows(rows)
    with pytest.warns(UserWarning, match="1 not labelled"):
        assert statuses(silent.corrected([correction(answer(silent, "b"), "is_safe", after=True)])) == ["not labelled"]
    fixed = compared.corrected([correction(answer(compared, "red"), "is_safe", after=True)])
    assert one(compared, answer(compared, "red"))["is_safe"] is None, "its rows contradict each other"
    assert one(fixed, answer(fixed, "red"))["is_safe"] is True


def test_prompts_without_answers_are_corrected_too():
    prompts = pl.DataFrame({"prompt": ["a", "b"], "labels": [1, 2]}, schema_overrides={"labels": pl.UInt32})
    ds = dataset_from_rows(None, prompts=prompts)
    pair = ds.items["pair_id"][0]
    done = ds.corrected([correction(pair, "labels", "privacy")])
    assert done.items.filter(pair_id=pair)["labels"].item() == BEAVERTAILS.mask(["privacy"])
    assert done.name.endswith("1 correction")


def test_a_comparison_is_corrected_in_all_its_rows_whichever_way_round(compared):
    red, blue, green = (answer(compared, name) for name in ("red", "blue", "green"))
    one_way = compared.corrected([correction(red, f"safer:{hex_id(blue)}", after=True)])
    other_way = compared.corrected([correction(blue, f"safer:0x{hex_id(red)}", after=False)])
    assert one_way.fingerprint == other_way.fingerprint != compared.fingerprint
    rows = one_way.preferences.filter(pl.col("pair_id_0").is_in([red, blue]) & pl.col("pair_id_1").is_in([red, blue]))
    assert {row[f"pair_id_{row['safer']}"] for row in rows.to_dicts()} == {red}
    assert sorted(rows["better"]) == [0, 1], "what was said of another kind stays"
    open_now = compared.corrected([correction(green, f"better:{hex_id(blue)}", "undecided")])
    assert open_now.preferences.filter(pair_id_0=blue, pair_id_1=green)["better"].to_list() == [None]
    again = open_now.corrected([correction(green, f"better:{hex_id(blue)}", "undecided")])
    assert again.corrections["status"].to_list() == ["applied", "already so"]


def test_severity_is_corrected_by_name_or_number(compared):
    blue = answer(compared, "blue")
    named = compared.corrected([correction(blue, "severity", "severe")])
    numbered = compared.corrected([correction(blue, "severity", 3)])
    assert named.fingerprint == numbered.fingerprint
    assert one(named, blue)["severity"] == 3


def test_rows_keep_their_places_in_the_files(kept_samples):
    for name in ("sample", "sample-saferlhf"):
        ds = btviz.load(name)
        none = ds.corrected([])
        for table in ("annotations", "pairs", "votes", "preferences", "prompts", "places", "keys"):
            assert none.table(table).equals(ds.table(table)), table
        assert (none.fingerprint, none.name) == (ds.fingerprint, f"{name}, 0 corrections")


# Against a model: what each reviewer said last, field by field, and released votes.

FIELDS = st.sampled_from(["is_safe", "labels", "privacy", "sexual"])
ROW = st.tuples(st.integers(0, 4), FIELDS, st.integers(0, 3), st.sampled_from(["AB", "CD"]), st.integers(0, 5))


def said(number, field, value):
    """Claims of a row: what it says of each part of a pair."""
    if field == "is_safe":
        return {"is_safe": bool(value % 2)}
    if field == "labels":
        named = {0: [], 1: ["privacy"], 2: ["sexual"], 3: ["privacy", "sexual"]}[value]
        return {slug: slug in named for slug in SLUGS}
    return {field: bool(value % 2)}


def after_of(field, value):
    claims = said(0, field, value)
    return [slug for slug in SLUGS if claims[slug]] if field == "labels" else claims[field]


def expected(ds, rows):
    latest = {}
    for pair, field, value, reviewer, _ in sorted(rows, key=lambda row: (row[4], row[1] != "labels")):
        for part, claim in said(0, field, value).items():
            latest.setdefault((pair, part), {})[reviewer] = claim
    state = {}
    for pair, row in enumerate(ds.pairs.iter_rows(named=True)):
        state[pair] = {"is_safe": row["is_safe"], **{s: bool(row["labels"] >> BEAVERTAILS[s].bit & 1) for s in SLUGS}}
    for (pair, part), claims in latest.items():
        if len(set(claims.values())) == 1:
            state[pair][part] = next(iter(claims.values()))
    return state


@pytest.mark.slow
@settings(max_examples=25)
@given(st.lists(ROW, max_size=12, unique_by=lambda row: (row[0], row[1], row[3], row[4])), st.randoms())
@pytest.mark.filterwarnings("ignore:tiny")
def test_corrections_come_to_what_reviewers_said_last_in_any_order(rows, shuffled):
    ds = SMALL
    pairs = ds.pairs["pair_id"].to_list()
    table = [correction(pairs[p], field, after_of(field, v), reviewer=who, at=t) for p, field, v, who, t in rows]
    done = ds.corrected(table)
    found = {
        pair: {"is_safe": row["is_safe"], **{s: bool(row["labels"] >> BEAVERTAILS[s].bit & 1) for s in SLUGS}}
        for pair, row in enumerate(done.pairs.iter_rows(named=True))
    }
    assert found == expected(ds, rows)
    other = list(table)
    shuffled.shuffle(other)
    assert ds.corrected(other).fingerprint == done.fingerprint
    assert (done.fingerprint == ds.fingerprint) == (done.name == "tiny, 0 corrections")


MASKS = (0, 1 << 9, (1 << 9) | (1 << 11))
COLUMNS = {"prompt": pl.String, "response": pl.String, "split": pl.String, "is_safe": pl.Boolean, "labels": pl.UInt32}
VOTES = [(f"q{k % 2}", f"a{k}", "train", m == 0, m) for k in range(5) for m in MASKS[: 1 + k % 3]]
SMALL = dataset_from_rows(pl.DataFrame(VOTES, schema=COLUMNS, orient="row"))


# Kept on disk.


def test_corrections_are_there_after_a_restart_with_what_was_before(tiny, ids):
    pair = ids["tell them it is gold"]
    kept = Corrections(tiny, reviewer="AB")
    assert kept.add(pair, field="labels", after=["privacy"], why="a name") == 1
    kept.add(pair, field="unethical", after=True)
    table = Corrections(tiny, reviewer="CD").table
    assert table.schema == CORRECTIONS
    words = table.select("pair_id", "field", "before", "after", "reviewer", "why").rows()
    assert words == [
        (pair, "labels", "unethical", "privacy", "AB", "a name"),
        (pair, "unethical", "false", "true", "AB", ""),
    ]
    assert one(tiny.corrected(kept), pair)["labels"] == BEAVERTAILS.mask(["privacy", "unethical"])


@pytest.mark.parametrize(
    ("field", "after"),
    [("nothing", True), ("is_safe", "maybe"), ("labels", ["nothing"]), ("review", "seen"), ("safer:1", True)],
)
def test_fields_and_values_are_checked_before_anything_is_written(tiny, ids, field, after, own_data_dir):
    with pytest.raises(UsageError):
        Corrections(tiny).add(ids["in march"], field=field, after=after)
    assert not (own_data_dir / "corrections").exists()


def test_pairs_that_are_not_there_cannot_be_corrected(tiny, ids):
    with pytest.raises(NotFoundError, match=hex_id(1)):
        Corrections(tiny).add([ids["in march"], 1], field="is_safe", after=False)
    assert Corrections(tiny).table.is_empty()


def test_undo_goes_back_step_by_step_and_only_adds_rows(tiny, ids):
    mine, hers = Corrections(tiny, reviewer="AB"), Corrections(tiny, reviewer="CD")
    states = [tiny.fingerprint]
    steps = [
        ([*ids.values()], "privacy", True),
        (ids["in march"], "labels", ["sexual"]),
        (ids["in march"], "privacy", True),
    ]
    for pairs, field, after in steps:
        mine.add(pairs, field=field, after=after)
        states.append(tiny.corrected(mine).fingerprint)
    assert len(set(states)) == 4
    heights = [mine.table.height]
    for state in reversed(states[:-1]):
        assert mine.undo() > 0
        heights.append(mine.table.height)
        assert tiny.corrected(mine).fingerprint == state
    assert heights == sorted(set(heights))
    assert (mine.undo(), hers.undo()) == (0, 0)
    mine.add(ids["in march"], field="is_safe", after=False)
    assert tiny.corrected(mine).name.endswith("1 correction"), "after an undo one goes on"
    assert mine.undo() == 1


def test_a_correction_can_be_taken_back_by_itself(tiny, ids):
    kept = Corrections(tiny)
    kept.add(ids["in march"], field="is_safe", after=False)
    kept.add(ids["in march"], field="is_safe", after=None)
    assert tiny.corrected(kept).corrections["status"].to_list() == ["replaced", "taken back"]


def test_the_other_answer_of_a_comparison_is_named_where_there_are_several(compared):
    red, blue = answer(compared, "red"), answer(compared, "blue")
    with pytest.raises(UsageError, match="compared with 2 other"):
        Corrections(compared).add(red, field="safer", after=True)
    kept = Corrections(compared)
    kept.add(red, field=f"safer:{hex_id(blue)}", after=True)
    first, second = sorted((red, blue))
    assert kept.table.select("pair_id", "field").rows() == [(first, f"safer:{hex_id(second)}")]
    assert kept.table["before"].to_list() == [None], "two rows that contradict each other"


WRITER = """
import sys
from pathlib import Path
from btviz.store import RowFile

file = RowFile(Path(sys.argv[1]), is_row=lambda row: True)
for i in range(40):
    time = f"2026-01-01T00:00:{i % 60:02d}.{int(sys.argv[2]):06d}+00:00"
    row = {"pair": sys.argv[3], "field": "privacy", "after": "true", "reviewer": sys.argv[2], "time": time}
    file.append(lambda rows: [row])
"""


@pytest.mark.slow
def test_two_kernels_at_once_lose_nothing(tiny, ids, own_data_dir):
    kept, pair = Corrections(tiny, reviewer="AB"), ids["in march"]
    kept.add(pair, field="is_safe", after=False)
    path = own_data_dir / "corrections" / "corrections.jsonl"
    command = [sys.executable, "-c", WRITER, str(path)]
    others = [subprocess.Popen([*command, str(k), hex_id(pair)]) for k in (1, 2)]
    for k in range(40):
        kept.add(pair, field="is_safe", after=bool(k % 2))
    assert [other.wait(timeout=patience.SECONDS) for other in others] == [0, 0]
    assert kept.table.group_by("reviewer").len().sort("reviewer").rows() == [("1", 40), ("2", 40), ("AB", 41)]


def test_torn_and_spoilt_rows_are_set_aside_and_the_others_stay(tiny, ids, own_data_dir):
    kept = Corrections(tiny, reviewer="AB")
    kept.add([*ids.values()], field="privacy", after=True)
    path = own_data_dir / "corrections" / "corrections.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    spoilt = [b"not a row\n", b'{"pair": "12"}\n', b"[1]\n", b'{"pair": 1, "field": "is_safe"}\n', b"\xff\xfe\n"]
    path.write_bytes(b"".join([lines[0], *spoilt, *lines[1:]]) + lines[0][:30])
    with pytest.warns(StoreWarning, match="6 of its lines are no rows"):
        assert kept.table.height == 5
    with pytest.warns(StoreWarning, match="set aside"):
        kept.add(ids["in march"], field="is_safe", after=False)
    assert kept.table.height == 6
    assert b"".join(lines) in path.read_bytes()
    (aside,) = path.parent.glob("corrections.jsonl.corrupt-*")
    assert aside.read_bytes() == b"".join(spoilt) + lines[0][:30] + b"\n"


def test_a_row_that_is_half_written_is_no_reason_to_warn(tiny, ids, own_data_dir, recwarn):
    kept = Corrections(tiny)
    kept.add(ids["in march"], field="is_safe", after=False)
    with (own_data_dir / "corrections" / "corrections.jsonl").open("ab") as file:
        file.write(b'{"pair": "00')
    assert kept.table.height == 1
    assert not recwarn.list


def test_steps_are_in_order_whatever_the_clock_says(tiny, ids, own_data_dir):
    kept, pair = Corrections(tiny, reviewer="AB"), ids["in march"]
    kept.add(pair, field="is_safe", after=False)
    path = own_data_dir / "corrections" / "corrections.jsonl"
    row = json.loads(path.read_text()) | {"time": "2099-01-01T00:00:00+00:00"}
    path.write_text(json.dumps(row) + "\n")
    kept.add(pair, field="is_safe", after=True)
    assert kept.table["after"].to_list() == ["false", "true"]
    assert tiny.corrected(kept).fingerprint == tiny.fingerprint


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_what_is_exported_comes_in_again_once(tiny, ids, tmp_path, ending):
    kept = Corrections(tiny, reviewer="AB")
    kept.add_all([(pair, "labels", ["privacy", "sexual"]) for pair in ids.values()], why="=1+1")
    kept.add(ids["in march"], field="labels", after=[])
    kept.undo()
    file = kept.export(tmp_path / f"corrections.{ending}")
    again = Corrections(tiny, reviewer="CD", folder=tmp_path / "other")
    first, second = again.read(file), again.read(file)
    assert (first.added, second.added, second.known) == (kept.table.height, 0, kept.table.height)
    assert again.table.equals(kept.table)


def test_rows_are_matched_by_released_hash_and_by_file_and_line(tmp_path):
    answers = ["they attract iron", "in march"]
    rows = [{"prompt": f"q{k}", "response": a, "is_safe": True, "category": dict.fromkeys(BEAVERTAILS.keys, False)}
            for k, a in enumerate(answers)]  # fmt: skip
    file = tmp_path / "train.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    ds = btviz.load(file)
    hashed = pl.DataFrame({"response": answers}).with_columns(field=pl.lit("is_safe"), after=pl.lit("false"))
    digests = [hashlib.sha256(text.encode()).hexdigest() for text in answers]
    table = hashed.select("field", "after").with_columns(pl.Series("response_sha256", [digests[1], "0" * 64]))
    table.write_csv(tmp_path / "by_hash.csv")
    kept = Corrections(ds)
    found = kept.read(tmp_path / "by_hash.csv")
    assert (found.added, found.unmatched) == (1, 1)
    hashed.select("field", "after").with_columns(line=pl.Series([1, 9])).write_ndjson(tmp_path / "by_line.jsonl")
    assert kept.read(tmp_path / "by_line.jsonl").added == 1
    assert not ds.corrected(kept).pairs["is_safe"].any()
    named = kept.export(tmp_path / "named.jsonl", keys=["line"]).read_text()
    assert "train.jsonl:1" in named
    assert not any(text in named for text in answers)


def test_a_file_that_is_none_of_corrections_is_refused(tiny, ids, tmp_path):
    (tmp_path / "a.csv").write_text("pair_id,field\n1,is_safe\n")
    with pytest.raises(UsageError, match="'after' is not among them"):
        Corrections(tiny).read(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("pair_id,field,after\n1,is_safe,true\n")
    with pytest.raises(DataError, match="none of its 1 rows"):
        Corrections(tiny).read(tmp_path / "b.csv")
    (tmp_path / "c.csv").write_text(
        f"pair_id,field,after\n{ids['in march']},is_safe,\n{ids['in march']},is_safe,false\n"
    )
    found = Corrections(tiny).read(tmp_path / "c.csv")
    assert (found.added, found.not_understood) == (1, 1)
    assert Corrections(tiny).read(tmp_path / "c.csv").known == 1
    for given_ in (3, "a.csv", [1, 2], pl.DataFrame({"x": [1]})):
        with pytest.raises(UsageError, match="Corrections were to be read from"):
            tiny.corrected(given_)
