"""Documents of the store that were edited by hand, torn, or put there by a stranger: the rest stays."""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import btviz
from btviz.data import adopted
from btviz.errors import BtvizError, StoreError
from btviz.scores.collection import kept_scores, replace_scores
from btviz.session import Notes
from btviz.store import Shape, StoreWarning, data_dir, read_document, update_document

STRANGE: list[Any] = [
    None,
    True,
    0,
    1.5,
    "x",
    [],
    ["x"],
    {},
    {"x": 1},
    {"x": {"y": "z"}},
    "\ud800",
    {"\ud800": {"a": {}}},
]

ROWS = [{"prompt": f"what is {k}", "response": "a number"} for k in range(3)]


@contextlib.contextmanager
def heard() -> Iterator[list[str]]:
    """Warnings do not end the test; what they say."""
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield said
    said += [str(each.message) for each in caught]


@pytest.fixture
def named(tmp_path: Path) -> btviz.Dataset:
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(map(json.dumps, ROWS)))
    return btviz.data.add("mine", file)


@pytest.mark.parametrize("value", STRANGE, ids=repr)
def test_a_note_that_is_none_blocks_no_other(named: btviz.Dataset, value: object):
    notes = Notes(named)
    pairs = named.pairs["pair_id"].to_list()
    notes.add(pairs[0], tag="kept", note="mine")
    file = data_dir() / "notes" / "notes.json"
    document = json.loads(file.read_text())
    hexed = next(iter(document))
    half = {"half": {"note": "\ud800", "time": document[hexed]["kept"]["time"]}}
    for name, entry in (("strange", value), (hexed, document[hexed] | {"strange": value} | half)):
        file.write_text(json.dumps(document | {name: entry}))
        with heard():
            assert Notes(named).table.select("tag", "note").rows() == [("kept", "mine")]
            Notes(named).add(pairs[1], tag="new")
            assert sorted(Notes(named).table["tag"]) == ["kept", "new"]
        Notes(named).remove(pairs[1])


def test_what_is_set_aside_is_kept(named: btviz.Dataset):
    file = data_dir() / "catalogue.json"
    document = json.loads(file.read_text())
    file.write_text(json.dumps(document | {"broken": {"sources": "none"}}))
    with heard() as said:
        assert adopted() == ["mine"]
        btviz.data.add("other", [{"prompt": "what is tea", "response": "a drink"}])
    assert "broken" in said[0]
    assert "set aside in catalogue.json.corrupt-" in " ".join(said)
    (aside,) = file.parent.glob("catalogue.json.corrupt-*")
    assert json.loads(aside.read_text()) == {"broken": {"sources": "none"}}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert adopted() == ["mine", "other"]


@pytest.mark.parametrize("value", STRANGE, ids=repr)
def test_scores_that_are_none_hide_no_others(named: btviz.Dataset, value: object):
    scores = named.pairs.select("pair_id").with_columns(
        model=btviz_text("m"), kind=btviz_text("cost"), target=btviz_text(None), score=1.0
    )
    replace_scores(named, scores)
    file = data_dir() / "scores.json"
    document = json.loads(file.read_text())
    file.write_text(json.dumps({named.fingerprint: document[named.fingerprint] | {"cost/x": value}, "else": value}))
    with heard():
        assert kept_scores(named)["model"].unique().to_list() == ["m"]


def btviz_text(value: str | None) -> Any:
    import polars as pl

    return pl.lit(value, pl.String)


@pytest.mark.parametrize("content", [b"", b"\xff", b"[", b"[" * 200_000, b"[]", b"null", b"{" + b'"a":{' * 99_999])
def test_a_torn_document_is_a_clear_error(tmp_path: Path, content: bytes):
    file = tmp_path / "some.json"
    file.write_bytes(content)
    with pytest.raises(StoreError, match="damaged"):
        read_document(file)
    with pytest.warns(StoreWarning):
        update_document(file, lambda known: {**known, "a": 1})
    assert read_document(file) == {"a": 1}


def test_a_link_to_a_device_is_not_read(tmp_path: Path):
    (tmp_path / "some.json").symlink_to("/dev/zero")
    with pytest.raises(StoreError, match="no file of the size of a document"):
        read_document(tmp_path / "some.json")


ENTRIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(document=st.dictionaries(st.text(), ENTRIES, max_size=6), depth=st.integers(1, 3))
def test_sifting_loses_and_invents_nothing(document: dict[str, Any], depth: int):
    good, bad = Shape(lambda _, entry: isinstance(entry, int), depth=depth).sift(document)
    assert leaves(good) + leaves(bad) == leaves(document) or sorted(map(repr, leaves(good) + leaves(bad))) == sorted(
        map(repr, leaves(document))
    )


def leaves(document: Any, above: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    if isinstance(document, dict) and document:
        return [leaf for name, entry in document.items() for leaf in leaves(entry, (*above, name))]
    return [(above, document)] if above else []


def test_catalogues_of_any_shape_end_in_a_message(named: btviz.Dataset):
    file = data_dir() / "catalogue.json"
    whole = json.loads(file.read_text())["mine"]
    for field in whole:
        for value in STRANGE:
            file.write_text(json.dumps({"mine": whole | {field: value}}))
            with heard(), contextlib.suppress(BtvizError):
                btviz.load("mine")


def test_a_file_whose_name_is_no_text_keeps_its_place(tmp_path: Path):
    file = tmp_path / os.fsdecode(b"no\xffutf.jsonl")
    file.write_text("\n".join(map(json.dumps, ROWS)))
    btviz.data.add("odd", file)
    assert adopted() == ["odd"]  # a warning would be an error here
    assert btviz.load("odd").pairs.height == len(ROWS)
