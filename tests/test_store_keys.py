"""Fingerprints and keys: what makes two entries one."""

from __future__ import annotations

import hashlib
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import btviz
from btviz.errors import UsageError
from btviz.store import Key, Store, fingerprint
from btviz.store.keys import WORDS

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.integers()
    | st.sampled_from([0.0, -0.0, 1.0, 2.0, math.inf])
    | st.text(alphabet="1aN", max_size=3)
    | st.text(st.characters(exclude_categories=()), max_size=3)
    | st.binary(max_size=2)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab1", max_size=2), inner, max_size=3),
    max_leaves=6,
)


def reference(value: Any) -> str:
    """Another way to write a value down with its types; `repr` quotes, so nothing runs together."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{k!r}:{reference(v)}" for k, v in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(reference, value)) + "]"
    return f"{type(value).__name__} {value!r}"


@given(values, values)
def test_fingerprints_are_equal_exactly_for_equal_typed_values(a: Any, b: Any) -> None:
    assert (fingerprint(a) == fingerprint(b)) == (reference(a) == reference(b))


@given(st.lists(values, max_size=3), st.lists(values, max_size=3))
def test_parts_do_not_run_together(a: list[Any], b: list[Any]) -> None:
    assert (fingerprint(*a) == fingerprint(*b)) == (reference(a) == reference(b))


@given(st.dictionaries(st.text(max_size=3), scalars, max_size=6))
def test_order_of_a_mapping_does_not_matter(mapping: dict[str, Any]) -> None:
    assert fingerprint(mapping) == fingerprint(dict(reversed(mapping.items())))


def test_values_that_python_calls_equal_differ() -> None:
    ones = [1, 1.0, True, "1", b"1", [1], [[1]], {"1": 1}, "True", None, "", b"", [], {}, 0, 0.0, False]
    assert len({fingerprint(one) for one in ones}) == len(ones)
    assert fingerprint("ab") != fingerprint("a", "b") != fingerprint(["a", "b"])
    assert fingerprint((1, 2)) == fingerprint([1, 2])


def test_fingerprint_is_pinned() -> None:
    # By hand: a list of 19 bytes, which are a text of one byte and an empty true.
    coded = b"L" + bytes([0, 0, 0, 0, 0, 0, 0, 19]) + b"S" + bytes([0, 0, 0, 0, 0, 0, 0, 1]) + b"a" + b"T" + bytes(8)
    expected = hashlib.blake2b(coded, digest_size=16, person=b"btviz:key").hexdigest()
    assert fingerprint(*["a", True]) == expected == "5a40f1094b06836ec9c075fc129753e0"


@pytest.mark.parametrize("value", [{1: 2}, {1, 2}, object(), np.int64(1), Path("a"), [1, {"a": {3}}]])
def test_fingerprint_refuses_other_types(value: Any) -> None:
    with pytest.raises(UsageError, match="Convert it first"):
        fingerprint(value)


def test_key_depends_on_each_of_its_parts() -> None:
    keys = [
        Key("a", ("x",)),
        Key("b", ("x",)),
        Key("a", ("x", "y")),
        Key("a", ("xy",)),
        Key("a", ("x",), {"p": 1}),
        Key("a", ("x",), {"p": True}),
        Key("a", ("x",), {"p": 1.0}),
        Key("a", ("x",), version=2),
    ]
    assert len(set(keys)) == len({key.digest for key in keys}) == len(keys)
    assert Key("a", ["x"], {"q": (1, 2), "p": 1}) == Key("a", ("x",), {"p": 1, "q": [1, 2]})


def test_key_keeps_its_own_params() -> None:
    params = {"bins": [1, 2]}
    key = Key("a", (), params)
    params["bins"].append(3)
    assert key.params == {"bins": [1, 2]}
    assert key == Key("a", (), {"bins": [1, 2]})


@pytest.mark.parametrize(
    "params", [{"a": math.nan}, {"a": math.inf}, {"a": object()}, {1: 2}, {"a": {1: 2}}, {"a": b"x"}]
)
def test_key_refuses_params_that_json_would_change(params: Any) -> None:
    with pytest.raises(UsageError, match=r"not JSON|with text keys"):
        Key("a", (), params)


BAD_NAMES = ["", ".", "..", "a/b", "../a", "/a", "a\\b", ".hidden", "a b", "a\n", "ä", "a\0", "a:b", "a.", "x" * 101]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_unsafe_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="Rename it"):
        Key(name, ())
    with pytest.raises(UsageError, match="Rename it"):
        Store(tmp_path).build(Key("a", ()), lambda draft: draft.blob(name, b""))
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_inputs_given_as_one_text_are_refused() -> None:
    with pytest.raises(UsageError, match="tuple"):
        Key("a", "abc")


def test_every_kind_that_is_stored_has_words_for_who_waits_for_it() -> None:
    sources = "\n".join(file.read_text("utf-8") for file in Path(btviz.__file__).parent.rglob("*.py"))
    kinds = {*re.findall(r'(?:\bKey\(|^KIND = )"([a-z-]+)"', sources, re.MULTILINE)}
    assert {"maps", "topics", "vectors"} <= kinds
    assert kinds - {*WORDS} <= {"probe"}  # saved where the user says, and never waited for
    assert Key("maps", ()).words == "the data map"
    assert Key("other-things", ()).words == "the stored other things"
