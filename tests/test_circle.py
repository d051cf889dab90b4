"""The whole circle: whatever form a file has, it loads, is exported in any form, and loads again as it was."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from made_files import FILES, TABLES, released
from made_rows import WORDS, answers, comparisons
from polars.testing import assert_frame_equal
from small_data import dataset_from_rows

import btviz
from btviz.data import Dataset
from btviz.taxonomy import BEAVERTAILS, PKU_SAFERLHF

COMPARED = ("annotations", "preferences", "prompts", "pairs", "votes", "conversations")

# each example writes and reads files, so a failing one is shown as it was found
QUICK = settings(max_examples=3, phases=[Phase.explicit, Phase.reuse, Phase.generate])


def one_data_set() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Answers and comparisons that hold whatever a form may spoil: nulls, texts like numbers, missing answers."""
    answered = [
        (f"how is tea number {i % 7} made", None if i % 11 == 0 else WORDS[i % len(WORDS)] + str(i % 3 or ""),
         i % 3 == 0, (i * i) % 2**14, None if i % 5 else "model a")
        for i in range(80)
    ]  # fmt: skip
    columns = {
        "prompt": pl.String,
        "response": pl.String,
        "is_safe": pl.Boolean,
        "labels": pl.UInt32,
        "source": pl.String,
    }
    compared = [
        {"prompt": f"how is tea number {i % 7} made", "better": i % 2, "safer": None if i % 4 else 1,
         "prompt_source": None if i % 6 else "made"}
        | {f"response_{side}": f"with {WORDS[(i + 1 + side) % len(WORDS)]} {side}" for side in (0, 1)}
        | {f"is_safe_{side}": None if (i + side) % 9 == 0 else i % 2 == side for side in (0, 1)}
        | {f"labels_{side}": None if (i + side) % 8 == 0 else i * (side + 3) % 2**14 for side in (0, 1)}
        for i in range(40)
    ]  # fmt: skip
    types = {
        "better": pl.Int8,
        "safer": pl.Int8,
        "labels_0": pl.UInt32,
        "labels_1": pl.UInt32,
        "prompt_source": pl.String,
    }
    return pl.DataFrame(answered, schema=columns, orient="row"), pl.DataFrame(compared, schema_overrides=types)


@pytest.mark.slow
@pytest.mark.parametrize("form", [*FILES, *TABLES])
def test_one_data_set_gives_the_same_tables_in_every_form(form, tmp_path):
    answered, compared = one_data_set()
    folder = tmp_path / "given"  # the name of a folder may speak of a split
    folder.mkdir()
    for kind, rows, expected in (
        ("answers", answered, dataset_from_rows(answered)),
        ("comparisons", compared, dataset_from_rows(None, comparisons=compared)),
    ):
        same(btviz.load((FILES | TABLES)[form](released(rows, BEAVERTAILS), folder / kind)), expected)


def same(loaded: Dataset, ds: Dataset) -> None:
    for table in COMPARED:
        assert_frame_equal(loaded.table(table), ds.table(table))
    assert loaded.fingerprint == ds.fingerprint


@st.composite
def made(draw: st.DrawFn) -> tuple[list[dict[str, Any]], Dataset]:
    """Rows as they are released, and the data set that they are."""
    taxonomy = draw(st.sampled_from((BEAVERTAILS, PKU_SAFERLHF)))
    if draw(st.booleans()):
        rows = draw(answers(taxonomy, splits=(None,)))
        assume(rows["response"].count())
        return released(rows, taxonomy), dataset_from_rows(rows, taxonomy=taxonomy)
    rows = draw(comparisons(taxonomy, splits=(None,)))
    return released(rows, taxonomy), dataset_from_rows(None, comparisons=rows, taxonomy=taxonomy)


@pytest.mark.slow
@pytest.mark.parametrize("form", [*FILES, *TABLES])
@QUICK
@given(rows_and_data=made(), ending=st.sampled_from(["", ".jsonl", ".jsonl.gz", ".csv", ".parquet", "datasets"]))
def test_every_form_goes_around_the_circle(form, rows_and_data, ending):
    rows, expected = rows_and_data
    with tempfile.TemporaryDirectory() as folder:
        given_as = (FILES | TABLES)[form](rows, Path(folder) / "rows")
        loaded = btviz.load(given_as)
        same(loaded, expected)
        kinds = sum(loaded.table(name).height > 0 for name in ("annotations", "preferences", "prompts"))
        ending = ending if kinds == 1 else ""  # a folder has a file for each
        out = Path(folder) / f"out{ending.removeprefix('datasets')}"
        btviz.export(loaded, out, form="datasets" if ending == "datasets" else None, texts=True)
        same(btviz.load(out), expected)
