"""Rows of benign words, as strategies for property-based tests: answers, comparisons, and data sets of them."""

from __future__ import annotations

from typing import Any

import polars as pl
from hypothesis import strategies as st
from small_data import dataset_from_rows

from btviz.data import Dataset
from btviz.taxonomy import BEAVERTAILS, PKU_SAFERLHF, Taxonomy

WORDS = (
    "tea", "steeps", "for three minutes", "naïve", "köstlich", "茶葉", "お茶", "ชา", "🍵", "=1+1", "+2", "-3", "@home",
    "'quoted'", '"', ",", ";", "\n", "\r\n", "\r", "\t", " ", "\\", "{}", "[1]", "null", "true", "0", "1.0", "NaN",
    "\u2028", "\ufeff", "\x85", "\x0b", "\x1c", "\0", "<b>", "a\n\nb",
)  # fmt: skip
"""Pieces of texts that one form of file or another could take for something else; none says anything."""

SPLITS = ("train", "test", "validation", "round-two", None)

KINDS = ("answers", "comparisons", "both")
"""What a data set may hold."""

LABELLED = {
    "split": pl.String, "is_safe": pl.Boolean, "labels": pl.UInt32, "severity": pl.UInt8, "source": pl.String,
}  # fmt: skip

COMPARED = {
    "split": pl.String, "better": pl.Int8, "safer": pl.Int8, "overall": pl.Int8, "prompt_source": pl.String,
    **{f"{name}_{side}": dtype for side in "01" for name, dtype in (
        ("is_safe", pl.Boolean), ("labels", pl.UInt32), ("severity", pl.UInt8), ("source", pl.String)
    )},
}  # fmt: skip


def texts() -> st.SearchStrategy[str]:
    """Short texts, of blanks too; an empty one is none."""
    return st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map("".join)


def _masks(taxonomy: Taxonomy) -> st.SearchStrategy[int]:
    return st.integers(0, 2 ** len(taxonomy) - 1)


def answers(taxonomy: Taxonomy, *, splits: tuple[str | None, ...] = SPLITS) -> st.SearchStrategy[pl.DataFrame]:
    """Annotated answers; texts come from a few, so that pairs repeat. Answers, severity and source may be missing."""
    labels = {
        "split": st.sampled_from(splits),
        "is_safe": st.booleans(),
        "labels": _masks(taxonomy),
        "severity": st.integers(0, 3) | st.none() if taxonomy.severities else st.none(),
        "source": st.sampled_from(("model a", "model-b", None)),
    }
    return _rows({"prompt": 3, "response": 4}, labels, LABELLED)


def comparisons(taxonomy: Taxonomy, *, splits: tuple[str | None, ...] = SPLITS) -> st.SearchStrategy[pl.DataFrame]:
    """Comparisons of answers, of which anything may be unknown."""
    sides: dict[str, st.SearchStrategy[Any]] = {}
    for side in "01":
        sides |= {f"is_safe_{side}": st.booleans() | st.none(), f"labels_{side}": _masks(taxonomy) | st.none()}
        sides |= {f"severity_{side}": st.integers(0, 3) | st.none()}
        sides |= {f"source_{side}": st.sampled_from(("model a", "model-b", None))}
    orders = dict.fromkeys(("better", "safer", "overall"), st.integers(0, 1) | st.none())
    labels = {"split": st.sampled_from(splits), "prompt_source": st.sampled_from(("made", None)), **orders, **sides}
    return _rows({"prompt": 3, "response_0": 4, "response_1": 4}, labels, COMPARED)


@st.composite
def _rows(
    draw: st.DrawFn, few: dict[str, int], labels: dict[str, st.SearchStrategy[Any]], dtypes: dict[str, Any]
) -> pl.DataFrame:
    drawn: dict[str, list[str | None]] = {
        name: draw(st.lists(texts(), min_size=1, max_size=n, unique=True)) for name, n in few.items()
    }
    if "response" in few and draw(st.integers(0, 3)) == 0:
        drawn["response"].append(None)
    columns = {name: st.sampled_from(pool) for name, pool in drawn.items()} | labels
    rows = draw(st.lists(st.fixed_dictionaries(columns), min_size=1, max_size=12))
    return pl.DataFrame(rows, schema=dict.fromkeys(few, pl.String) | dtypes)


@st.composite
def datasets(draw: st.DrawFn, *, splits: tuple[str | None, ...] = SPLITS, kinds: tuple[str, ...] = KINDS) -> Dataset:
    """Data sets of answers, of comparisons, or of both, in either taxonomy."""
    taxonomy = draw(st.sampled_from((BEAVERTAILS, PKU_SAFERLHF)))
    kind = draw(st.sampled_from(kinds))
    return dataset_from_rows(
        None if kind == "comparisons" else draw(answers(taxonomy, splits=splits)),
        comparisons=None if kind == "answers" else draw(comparisons(taxonomy, splits=splits)),
        taxonomy=taxonomy,
    )
