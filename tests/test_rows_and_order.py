"""Tables with columns and no rows, files of one row, scores of any range, and files in the order of their label."""

from __future__ import annotations

import subprocess
import sys

import polars as pl
import pytest
from click.testing import CliRunner

import btviz
from btviz.cli import app
from btviz.errors import DataError, UsageError
from btviz.preference.report import ORDERED

EMPTY = pl.DataFrame(schema={"prompt": pl.String, "n": pl.Int64, "labels": pl.List(pl.String)})


def test_a_table_without_rows_is_inspected_and_not_loaded(tmp_path):
    EMPTY.write_parquet(tmp_path / "empty.parquet")
    for data in (EMPTY, tmp_path / "empty.parquet"):
        assert {summary.holds for summary in btviz.inspect(data).columns} == {"nothing"}
        with pytest.raises(DataError, match="no row of it can be read"):
            btviz.load(data)
    shown = CliRunner().invoke(app, ["data", "inspect", str(tmp_path / "empty.parquet")])
    assert shown.exit_code == 0
    assert "It has columns, and no row." in shown.output


def test_data_are_at_hand_after_the_import_alone():
    subprocess.run([sys.executable, "-c", "import btviz; btviz.data.add"], check=True)


def test_answers_that_are_written_in_the_order_of_choice_show_no_bias_of_position():
    rows = [{"prompt": f"q {i}?", "chosen": f"a {i}", "rejected": f"b {i}"} for i in range(40)]
    ds = btviz.load(rows, columns={"chosen": "better"})
    (better,) = btviz.orthogonality(ds).bias.filter(label="better").iter_rows(named=True)
    assert better["p"] == 0
    assert [better[name] for name in ("p_low", "p_high", "p_value")] == [None] * 3
    assert better["undefined"] == ORDERED


def test_prompts_are_no_comparisons_to_be_exported(tmp_path):
    with pytest.raises(UsageError, match="made of preferences, and there are none"):
        btviz.export(btviz.load([f"What is {i}?" for i in range(9)]), tmp_path / "x.jsonl", form="dpo", texts=True)


def test_one_row_in_an_older_encoding_is_named(tmp_path):
    (tmp_path / "one.jsonl").write_bytes('{"prompt": "Café?", "response": "Ça va."}\n'.encode("latin-1"))
    with pytest.raises(DataError, match="older encoding"):
        btviz.load(tmp_path / "one.jsonl")


@pytest.mark.parametrize(("scale", "proposed"), [(1, {"is_safe": "harmless_score>0.5"}), (9, {})])
def test_a_cut_of_one_half_is_proposed_for_scores_from_0_to_1_alone(scale, proposed):
    rows = [{"question": f"q {i}?", "answer": f"a {i}", "harmless_score": scale * i / 20} for i in range(20)]
    assert btviz.inspect(rows).proposal == {"prompt": "question", "response": "answer", **proposed}
