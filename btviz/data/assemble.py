"""From canonical rows to the tables of a data set.

What a row lacks costs no more than what speaks of it, and it is the same in every format:

- An answer that is null, absent or empty is missing. It has no pair: answers that are missing are not one and the same.
- A row of one answer that is missing is a prompt (table `prompts`). Labels of that answer are of nothing.
- A comparison one of whose answers is missing compares nothing; the other answer stays a pair, with its labels.
- A row that says nothing of its answer is a pair and no annotation.

The reader reports the first three by line, and labels that are lost by them.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import polars as pl

from btviz.data.conversations import conversations_of
from btviz.data.keys import origins
from btviz.data.tables import (
    ANNOTATION_ORDER,
    HALF,
    ORDERS,
    PAIRS,
    PLACE,
    PLACES,
    PREFERENCE_ORDER,
    PREFERENCES,
    PROMPT_ORDER,
    PROMPTS,
    UNLABELLED,
    Texts,
    annotations_of,
    conform,
    says_something,
    with_ids,
)
from btviz.data.votes import Tally, compared_labels
from btviz.data.words import count_words
from btviz.taxonomy.categories import Taxonomy


def assemble(
    taxonomy: Taxonomy,
    *,
    annotations: pl.DataFrame | None = None,
    comparisons: pl.DataFrame | None = None,
    prompts: pl.DataFrame | None = None,
) -> dict[str, pl.DataFrame]:
    """Build every table of a data set; `keys` as `btviz.data.keys.origins`, which takes a tenth of its room."""
    read = _or_empty(annotations, "prompt", "response")
    if "response" not in read.columns:
        read = read.with_columns(pl.lit(None, pl.String).alias("response"))
    read = read.with_row_index(PLACE)
    compared = _or_empty(comparisons, "prompt", "response_0", "response_1").with_row_index(PLACE)
    with ThreadPoolExecutor(1) as pool:  # words take as long as ids and labels
        rows, words = _identified(read.filter(pl.col("response").is_not_null()), {"": "response"}, pool=pool)
        compared, compared_words = _identified(compared, {"_0": "response_0", "_1": "response_1"}, pool=pool)
        labelled = annotations_of(rows, more=[PLACE]).sort(*ANNOTATION_ORDER, PLACE)
        tally = Tally.of(labelled, taxonomy)
        votes = tally.votes()
        sided = _preferences(compared)
        labels = _labels(tally.majority(), sided)
        texts = _unique_texts(rows.with_columns(words.result()), compared.with_columns(compared_words.result()))
    ordered = {
        "annotations": labelled,
        "preferences": sided.drop_nulls(["pair_id_0", "pair_id_1"]),
        "prompts": _prompts(prompts, read, compared),
    }
    return {
        **{name: table.drop(PLACE) for name, table in ordered.items()},
        "pairs": _pairs(texts, labels),
        "votes": votes,
        "conversations": conversations_of(rows, compared),
        "origins": origins(rows, compared),
        "places": _places(ordered, rows, sided),
    }


def _places(ordered: Mapping[str, pl.DataFrame], rows: pl.DataFrame, sided: pl.DataFrame) -> pl.DataFrame:
    """Where rows of each table stood; of those that say nothing of their answer, or lack one of two, the pair, too."""
    placed = {name: table.select(PLACE) for name, table in ordered.items()}
    placed[UNLABELLED] = rows.filter(~says_something(rows)).select(PLACE, "pair_id")
    first, second = pl.col("pair_id_0"), pl.col("pair_id_1")
    halves = sided.filter(first.is_null() != second.is_null())
    placed[HALF] = halves.select(PLACE, pl.coalesce(first, second).alias("pair_id"))
    return pl.concat(conform(table.with_columns(pl.lit(name).alias("table")), PLACES) for name, table in placed.items())


def _identified(
    frame: pl.DataFrame, answers: Mapping[str, str], *, pool: ThreadPoolExecutor
) -> tuple[pl.DataFrame, Future[list[pl.Series]]]:
    """Rows with their ids, and their columns of words as these are counted; `answers` by the ends of their ids."""
    texts = {name: Texts.of(frame[name]) for name in ("prompt", *answers.values())}
    words = pool.submit(_words, texts)
    for suffix, answer in answers.items():
        frame = with_ids(frame, response=answer, suffix=suffix, texts=texts)
    return frame, words


def _words(texts: Mapping[str, Texts]) -> list[pl.Series]:
    return [count_words(text.distinct).gather(text.places).alias(f"{name}_words") for name, text in texts.items()]


def _or_empty(frame: pl.DataFrame | None, *texts: str) -> pl.DataFrame:
    return pl.DataFrame(schema=dict.fromkeys(texts, pl.String())) if frame is None else frame


def _preferences(compared: pl.DataFrame) -> pl.DataFrame:
    kinds = [kind for kind in ORDERS if kind in compared.columns]
    untied = compared.with_columns(pl.when(pl.col(kind) >= 0).then(kind).alias(kind) for kind in kinds)
    placed = conform(untied, pl.Schema({**PREFERENCES, PLACE: PLACES[PLACE]}))
    return placed.sort(*PREFERENCE_ORDER, PLACE)


def _prompts(prompts: pl.DataFrame | None, rows: pl.DataFrame, compared: pl.DataFrame) -> pl.DataFrame:
    """Prompts of their own, those of rows without an answer, and each labelled prompt of the other rows once."""
    no_answer = pl.all_horizontal(pl.col("response_0", "response_1").is_null())
    frames = [prompts, *_asked(rows, pl.col("response").is_null()), *_asked(compared, no_answer)]
    whole = [frame.drop(PLACE, strict=False) for frame in frames if frame is not None and frame.height]
    placed = pl.Schema({**PROMPTS, PLACE: PLACES[PLACE]})
    if not whole:
        return placed.to_frame()
    blank = pl.lit("").alias("response")
    rows = pl.concat(whole, how="diagonal").with_row_index(PLACE).with_columns(blank)
    return conform(with_ids(rows), placed).sort(*PROMPT_ORDER, PLACE)


def _asked(rows: pl.DataFrame, alone: pl.Expr) -> list[pl.DataFrame]:
    """What rows say of prompts: every one that stands alone, and what is labelled of the others."""
    labels = {"labels": "prompt_labels", "is_safe": "prompt_is_safe"}
    asked = rows.select(
        "prompt",
        PLACE,
        alone.alias("alone"),
        *(pl.col(name) for name in ("split",) if name in rows.columns),
        *(pl.col(source).alias(name) for name, source in labels.items() if source in rows.columns),
    )
    labelled = [pl.col(name).is_not_null() for name in labels if name in asked.columns]
    beside = asked.filter(~pl.col("alone") & pl.any_horizontal(pl.lit(value=False), *labelled))
    named = [name for name in asked.columns if name != PLACE]
    return [asked.filter("alone"), beside.unique(named, keep="first", maintain_order=True)]


def _labels(annotated: pl.DataFrame, preferences: pl.DataFrame) -> pl.DataFrame:
    """Labels of pairs: the majority of their annotations or, without any, what all comparisons say of them."""
    only_compared = compared_labels(preferences).join(annotated, on="pair_id", how="anti")
    return pl.concat([annotated, only_compared.select(annotated.columns)])


def _pairs(texts: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    none = (pl.col(name).fill_null(0) for name in ("n_annotations", "n_unsafe"))
    return conform(texts.join(labels, on="pair_id", how="left").with_columns(*none), PAIRS).sort("pair_id")


def _unique_texts(rows: pl.DataFrame, compared: pl.DataFrame) -> pl.DataFrame:
    """Every answered pair once, with its texts and their words; of several answering models the first by name."""
    firsts = ["prompt_id", "prompt", "response", "prompt_words", "response_words"]
    columns = ["pair_id", *firsts, "source"]
    named = [rows if "source" in rows.columns else rows.with_columns(pl.lit(None, pl.String).alias("source"))]
    for i in "01":
        source = pl.col(f"source_{i}") if f"source_{i}" in compared.columns else pl.lit(None, pl.String)
        named.append(
            compared.with_columns(
                pl.col(f"pair_id_{i}").alias("pair_id"),
                pl.col(f"response_{i}").alias("response"),
                pl.col(f"response_{i}_words").alias("response_words"),
                source.alias("source"),
            )
        )
    frames = [frame.select(columns) for frame in named if frame.height]
    if not frames:
        return PAIRS.to_frame().select(columns)
    texts = pl.concat(frames).drop_nulls("pair_id")
    return texts.group_by("pair_id").agg(pl.col(firsts).first(), pl.col("source").min())
