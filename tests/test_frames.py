"""Tables in memory give what the same rows in a file give."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import narwhals
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import btviz
from btviz.data import add, ingest
from btviz.errors import DataError, UsageError
from btviz.taxonomy.categories import BEAVERTAILS


def rows_of(*numbers: int) -> list[dict[str, Any]]:
    return [
        {
            "prompt": f"how do I fold kite {n}",
            "response": f"along line {n}",
            "category": {key: bool(n >> bit & 1) for bit, key in enumerate(BEAVERTAILS.keys)},
            "is_safe": n == 0,
        }
        for n in numbers
    ]


ROWS = rows_of(0, 1, 2, 5)


class Dataset:
    """As much of a `datasets.Dataset` as is asked of it: it applies what was selected."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows = rows
        self.data = "the whole table, selected or not"

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Any:
        return iter(self._rows)

    def to_polars(self) -> pl.DataFrame:
        return pl.DataFrame(self._rows)


FORMS: dict[str, Callable[[list[dict[str, Any]]], Any]] = {
    "dicts": list,
    "generator": iter,
    "columns": lambda rows: {key: [row[key] for row in rows] for key in rows[0]},
    "polars": pl.DataFrame,
    "lazy": pl.LazyFrame,
    "pandas": pd.DataFrame,
    "indexed": lambda rows: pd.DataFrame(rows).set_index("prompt"),
    "objects": lambda rows: pd.DataFrame(rows).astype(object),
    "arrow": pa.Table.from_pylist,
    "stream": lambda rows: pa.Table.from_pylist(rows).to_reader(),
    "datasets": Dataset,
    "narwhals": lambda rows: narwhals.from_native(pl.DataFrame(rows)),
    "lazy narwhals": lambda rows: narwhals.from_native(pl.LazyFrame(rows)),
    "numpy": lambda rows: [row | {"is_safe": np.bool_(row["is_safe"])} for row in rows],
}


@pytest.mark.parametrize("form", FORMS)
def test_every_table_gives_what_a_file_gives(form: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    ds = btviz.load(FORMS[form](ROWS))
    assert ds.fingerprint == btviz.load(path).fingerprint
    assert (ds.name, ds.problems.height) == ("table", 0)
    assert ds.facts["files"][0]["rows_kept"] == 4


def test_a_dict_of_tables_is_one_data_set_with_splits() -> None:
    ds = btviz.load({"30k_train": pd.DataFrame(ROWS), "test": pl.DataFrame(rows_of(7)), "extra": Dataset(rows_of(9))})
    assert ds.annotations["split"].value_counts().sort("split").rows() == [("extra", 1), ("test", 1), ("train", 4)]


def test_the_second_load_reads_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    first = btviz.load(pl.DataFrame(ROWS))
    monkeypatch.setattr(ingest, "parse", None)  # reading again would fail
    assert btviz.load(pl.DataFrame(ROWS)).fingerprint == first.fingerprint


def test_one_value_more_is_another_table() -> None:
    changed = rows_of(0, 1, 2, 4)
    assert btviz.load(ROWS).fingerprint != btviz.load(changed).fingerprint
    assert btviz.load(pl.DataFrame(ROWS)).fingerprint != btviz.load(pl.DataFrame(changed)).fingerprint


def test_faulty_rows_are_named_by_their_number() -> None:
    with pytest.warns(UserWarning, match="1 of 5 rows"):
        ds = btviz.load([*ROWS, ROWS[0] | {"is_safe": 7}])
    assert ds.problems.select("file", "line", "action").rows() == [("table", 5, "rejected")]


@pytest.mark.parametrize("data", [5, None, b"rows", [1, 2], {"prompt": "one row"}, {"a": [1], "b": [1, 2]}, object()])
def test_what_is_no_table_is_refused(data: Any) -> None:
    with pytest.raises(UsageError, match=r"was to be read"):
        btviz.load(data)


def test_columns_are_mapped_as_those_of_a_file_are() -> None:
    frame = pl.DataFrame(ROWS).rename({"prompt": "question"})
    assert btviz.load(frame, columns={"prompt": "question"}).pairs.height == 4


def test_labels_of_answers_that_are_missing_are_refused() -> None:
    with pytest.raises(DataError, match="an answer is missing in each"):
        btviz.load([row | {"response": None} for row in ROWS])


def test_a_table_without_known_columns_says_which_it_has() -> None:
    with pytest.raises(DataError, match="kite"):
        btviz.load(pl.DataFrame({"kite": [1]}))


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(), st.text(max_size=3), st.lists(st.booleans(), max_size=2),
    st.dictionaries(st.sampled_from(BEAVERTAILS.keys), st.booleans(), max_size=2), st.just(object()),
    st.just(np.float64("nan")), st.just(np.array([1, 2])), st.just(pd.NA), st.just(pd.NaT),
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(VALUES, min_size=1, max_size=4), key=st.sampled_from(sorted(ROWS[0])))
@pytest.mark.filterwarnings("ignore:table")
def test_any_value_in_any_field_is_kept_or_reported(values: list[Any], key: str) -> None:
    data = [*ROWS, *(ROWS[1] | {key: value} for value in values)]
    ds = btviz.load(data)
    (file,) = ds.facts["files"]
    assert file["rows_in"] == len(data) == file["rows_kept"] + file["rows_rejected"]
    rejected = ds.problems.filter(action="rejected")
    assert rejected["line"].n_unique() == file["rows_rejected"]


@pytest.mark.parametrize("table", [ROWS, pl.DataFrame(ROWS), pd.DataFrame(ROWS), pa.Table.from_pylist(ROWS)])
def test_a_table_is_added_under_a_name_and_outlives_the_store(own_data_dir: Path, table: Any) -> None:
    added = add("mine", table)
    assert added.fingerprint == btviz.load(table).fingerprint
    add("mine", {"test": pl.DataFrame(rows_of(7))})
    shutil.rmtree(own_data_dir / "store")
    assert sorted(btviz.load("mine").annotations["split"].fill_null("none")) == [*["none"] * 4, "test"]


def test_a_table_of_columns_of_several_types_is_kept_as_it_is() -> None:
    rows = [*ROWS, ROWS[0] | {"prompt": "how is tea made", "is_safe": "yes"}, {"prompt": "what is a kite"}]
    with pytest.warns(UserWarning, match="could not be kept"):
        assert add("mine", rows).fingerprint == btviz.load(rows).fingerprint


def test_a_table_that_is_refused_is_not_kept(own_data_dir: Path) -> None:
    with pytest.raises(DataError, match=r"btviz\.load\(table"):
        add("mine", [{"question": "how", "colour": 1}])
    assert list((own_data_dir / "received").iterdir()) == []
