from __future__ import annotations

import csv
import hashlib
import io
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import patience
import polars as pl
import pytest

import btviz
from btviz.data.reading.flat_tables import read_frame
from btviz.data.tables import pair_id
from btviz.errors import DataError, NotFoundError, UsageError
from btviz.session.content import ContentPolicy
from btviz.session.ids import hex_id
from btviz.session.notes import NOTES, Notes


@pytest.fixture
def ids(tiny):
    return tiny.pairs["pair_id"].to_list()


def test_a_tag_is_there_after_a_restart(tiny, ids):
    Notes(tiny).add(ids[:2], tag=" unclear ", note="ask again")
    table = Notes(tiny).table
    assert table.schema == NOTES
    assert table["pair_id"].to_list() == ids[:2]
    assert table["tag"].to_list() == ["unclear"] * 2
    assert datetime.now(UTC) - table["time"].max() < timedelta(minutes=5)


def test_a_second_note_under_a_tag_replaces_the_first(tiny, ids):
    notes = Notes(tiny)
    notes.add(ids[0], tag="a", note="first")
    notes.add(ids[0], tag="a", note="second")
    notes.add(ids[0], tag="b")
    assert notes.table.select("tag", "note").rows() == [("a", "second"), ("b", "")]
    assert (notes.tags, notes.tagged("a")) == (["a", "b"], [ids[0]])


def test_tags_come_off_one_by_one_or_together(tiny, ids):
    notes = Notes(tiny)
    for tag in ("a", "b", "c"):
        notes.add(ids, tag=tag)
    notes.remove(ids[0], tag="b")
    assert notes.table.filter(pl.col("pair_id") == ids[0])["tag"].to_list() == ["a", "c"]
    notes.remove(ids[0])
    assert ids[0] not in notes.table["pair_id"]
    assert notes.table.height == 3 * (len(ids) - 1)


def test_a_note_belongs_to_the_pair_in_every_data_set_that_holds_it(tiny, ids, make_dataset):
    Notes(tiny).add(ids, tag="seen")
    rows = tiny.annotations.join(tiny.pairs.select("pair_id", "prompt", "response"), on="pair_id")
    part = make_dataset(rows.filter(pl.col("pair_id") == ids[0]).drop("pair_id", "prompt_id"), name="part")
    assert Notes(part).table["pair_id"].to_list() == [ids[0]]
    assert Notes(tiny).table.height == len(ids)


def test_pairs_that_are_not_there_cannot_be_tagged(tiny, ids):
    with pytest.raises(NotFoundError, match=hex_id(1)):
        Notes(tiny).add([ids[0], 1], tag="a")
    assert Notes(tiny).table.is_empty()


@pytest.mark.parametrize("tag", ["", "  ", "two\nlines", "x" * 61])
def test_a_tag_is_one_short_line(tiny, ids, tag):
    with pytest.raises(UsageError, match="one line of 1 to 60"):
        Notes(tiny).add(ids[0], tag=tag)


def test_a_tag_on_many_pairs_is_taken_back_in_one_step(tiny, ids):
    notes = Notes(tiny)
    notes.add(ids[0], tag="seen", note="first")
    notes.add(ids, tag="seen", note="all")
    notes.remove(ids[1:3])
    assert notes.undo() == 2
    assert notes.table["note"].to_list() == ["all"] * len(ids)
    assert notes.undo() == len(ids)
    assert notes.table.select("pair_id", "note").rows() == [(ids[0], "first")]
    assert (notes.undo(), notes.undo()) == (1, 0)
    assert notes.table.is_empty()


def test_what_another_kernel_tagged_since_stays(tiny, ids):
    mine, other = Notes(tiny), Notes(tiny)
    mine.add(ids[:2], tag="seen")
    other.add(ids[0], tag="seen", note="mine now")
    assert (mine.undo(), other.table["note"].to_list()) == (1, ["mine now"])


WRITER = """
import sys
from pathlib import Path
from btviz.store import update_document

kept = {"tag": {"note": "", "time": "2026-01-01T00:00:00+00:00"}}
for i in range(25):
    pair = f"{int(sys.argv[2]) * 100 + i:016x}"
    update_document(Path(sys.argv[1]), lambda document: {**document, pair: kept})
"""


def test_two_kernels_at_once_lose_nothing(tiny, ids, own_data_dir):
    notes = Notes(tiny)
    notes.add(ids[0], tag="mine")
    path = own_data_dir / "notes" / "notes.json"
    others = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(k)]) for k in (1, 2)]
    for k in range(25):
        notes.add(ids[0], tag=f"tag {k}")
    assert [other.wait(timeout=patience.SECONDS) for other in others] == [0, 0]
    assert notes.table.height == 26
    assert len(json.loads(path.read_text())) == 51


def test_an_export_holds_texts_only_after_the_opt_in(tiny, ids, tmp_path):
    notes = Notes(tiny)
    notes.add(ids, tag="seen", note="fine")
    texts = {*tiny.pairs["prompt"], *tiny.pairs["response"]}
    for name in ("notes.csv", "notes.jsonl"):
        closed = notes.export(tmp_path / name, policy=ContentPolicy()).read_text()
        assert not any(text in closed for text in texts)
        opened = notes.export(tmp_path / name, policy=ContentPolicy(reveal_all=True)).read_text()
        assert all(text in opened for text in texts)
        assert hex_id(ids[0]) in opened


def test_no_cell_of_an_export_is_a_formula(tiny, ids, tmp_path):
    notes = Notes(tiny)
    harmless = ["=1+1", "+1", "-1", "@now", " =2", "\t=3", 'fine, "quoted"\nline']
    for k, note in enumerate(harmless):
        notes.add(ids[0], tag=f"-{k}", note=note)
    text = notes.export(tmp_path / "notes.csv", policy=ContentPolicy()).read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["note"] for row in rows] == ["'" + note for note in harmless[:-1]] + harmless[-1:]
    assert all(row["tag"].startswith("'-") for row in rows)
    lines = notes.export(tmp_path / "notes.jsonl", policy=ContentPolicy()).read_text().splitlines()
    assert [json.loads(line)["note"] for line in lines] == harmless


def test_other_formats_are_refused(tiny, tmp_path):
    with pytest.raises(UsageError, match="format for exports"):
        Notes(tiny).export(tmp_path / "notes.xlsx", policy=ContentPolicy())


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_an_export_is_read_back(tiny, ids, tmp_path, suffix):
    notes = Notes(tiny)
    notes.add(ids[:2], tag="=odd", note="ask again")
    notes.add(ids[0], tag="seen")
    before = notes.table
    file = notes.export(tmp_path / f"notes{suffix}", policy=ContentPolicy())
    notes.remove(ids[:2])
    said = notes.read(file)
    assert (said.by, said.rows, said.matched, said.ambiguous) == ("pair_id", 3, 3, 0)
    assert notes.table.drop("time").equals(before.drop("time"))


@pytest.fixture
def read_set(tmp_path):
    """Comparisons with a hash of each answer and an id of their own; one answer was given to two prompts."""
    answers = [("yes", "no"), ("no, cold", "no"), ("at work", "not now")]
    rows = [
        {"uid": f"row-{n}", "prompt": f"is {n} hot", "response_0": first, "response_1": second, "better_response_id": 0}
        | {f"response_{side}_sha256": hashlib.sha256(text.encode()).hexdigest() for side, text in enumerate(two)}
        for n, two in enumerate(answers)
        for first, second in [two]
    ]
    (tmp_path / "asked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return btviz.load(tmp_path / "asked.jsonl")


@pytest.mark.parametrize("key", ["response_sha256", "uid_0", "line_1"])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_tags_travel_by_ids_of_others(read_set, tmp_path, key, suffix):
    notes = Notes(read_set)
    first = pair_id("is 0 hot", "yes") if key != "line_1" else pair_id("is 0 hot", "no")
    notes.add(first, tag="seen", note="fine")
    notes.export(tmp_path / f"made{suffix}", policy=ContentPolicy(), keys=[key])
    frame = read_frame(tmp_path / f"made{suffix}").drop("pair_id", "prompt", "response")
    write = {".csv": lambda f: f.write_csv, ".jsonl": lambda f: f.write_ndjson}[suffix](frame)
    write(tmp_path / f"bare{suffix}")
    notes.remove(first)
    said = notes.read(tmp_path / f"bare{suffix}", by=key)
    assert (said.rows, said.matched) == (1, 1)
    assert notes.table.select("pair_id", "tag", "note").rows() == [(first, "seen", "fine")]


def test_tags_of_what_is_not_there_or_not_told_apart_are_left_out(read_set, tmp_path):
    known, twice = (hashlib.sha256(text.encode()).hexdigest() for text in ("yes", "no"))
    rows = [{"sha256": digest, "tag": "seen"} for digest in (known, twice, "0" * 64)]
    (tmp_path / "tags.jsonl").write_text("\n".join(map(json.dumps, rows)))
    notes = Notes(read_set)
    said = notes.read(tmp_path / "tags.jsonl")
    assert (said.rows, said.matched, said.ambiguous) == (3, 1, 1)
    (tmp_path / "none.jsonl").write_text(json.dumps(rows[2]))
    with pytest.raises(DataError, match="none of its 1 rows"):
        notes.read(tmp_path / "none.jsonl")
    (tmp_path / "odd.jsonl").write_text(json.dumps({"sha256": known}))
    with pytest.raises(UsageError, match="'tag'"):
        notes.read(tmp_path / "odd.jsonl")
