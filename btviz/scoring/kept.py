"""Scores kept beside their data set, so that a name finds them again."""

from __future__ import annotations

from typing import Any

import polars as pl

from btviz.catalog import load, register
from btviz.dataset import Dataset
from btviz.paths import data_dir
from btviz.rows import PROBLEMS
from btviz.scoring.judged import checked
from btviz.scoring.policies import ANSWERS, policy_answers
from btviz.scoring.protocol import SCORES_ORDER, stacked_scores
from btviz.store import Draft, Key, Store, fingerprint, read_document, update_document

VERSION = 1
_TABLES = ("annotations", "pairs", "votes", "preferences", "prompts")


def keep_scores(scores: pl.DataFrame, ds: Dataset, *, answers: pl.DataFrame | None = None) -> None:
    """Keep the scores of each model; those of an equal name and kind give way.

    Parameters
    ----------
    scores : DataFrame
        A table of scores.
    ds : Dataset
        The data set that was scored.
    answers : DataFrame, optional
        `btviz.scoring.policies.ANSWERS`, where several policies gave the same answers.
    """
    parts = checked(scores).sort(*SCORES_ORDER).partition_by("model", "kind", as_dict=True)
    keys = {f"{kind}/{model}": _kept(part, ds, answers) for (model, kind), part in parts.items()}

    def change(index: dict[str, Any]) -> dict[str, Any]:
        known = index.get(ds.fingerprint, {})
        return {**index, ds.fingerprint: known | {name: key.to_document() for name, key in keys.items()}}

    update_document(_index(), change)


def kept_scores(ds: Dataset) -> pl.DataFrame:
    """Scores kept for a data set, of all models: a table of scores, empty where there are none."""
    return stacked_scores(entry.table("scores") for entry in _entries(ds))


def kept_answers(ds: Dataset) -> pl.DataFrame:
    """Answers by policy: those kept with the scores, else those of the data set's answering models."""
    found = [table for entry in _entries(ds) if (table := entry.table("answers")).height]
    return pl.concat(found).unique().sort(list(ANSWERS)) if found else policy_answers(ds)


def keep_dataset(name: str, ds: Dataset) -> Dataset:
    """Give a data set that was made of score files a name by which `btviz.load` finds it."""
    key = Key("datasets", (ds.fingerprint,), {"made of": "score files"}, VERSION)

    def fill(draft: Draft) -> None:
        for table in _TABLES:
            draft.table(table, ds.table(table))
        draft.table("problems", PROBLEMS.to_frame())
        facts = {"taxonomy": ds.taxonomy.name, "release": None, "is_synthetic": False, "fingerprint": ds.fingerprint}
        draft.document("facts", {**ds.facts, **facts})

    Store().build(key, fill)
    register(name, key)
    return load(name)


def _kept(part: pl.DataFrame, ds: Dataset, answers: pl.DataFrame | None) -> Key:
    own = ANSWERS.to_frame() if answers is None else answers.select(list(ANSWERS)).sort(list(ANSWERS))
    content = [frame.write_csv() for frame in (part, own)]
    key = Key("scores", (ds.fingerprint, fingerprint(*content)), {"model": part["model"][0]}, VERSION)

    def fill(draft: Draft) -> None:
        draft.table("scores", part)
        draft.table("answers", own)

    Store().build(key, fill)
    return key


def _entries(ds: Dataset) -> list[Any]:
    documents = read_document(_index()).get(ds.fingerprint, {})
    keys = [
        Key(one["kind"], tuple(one["inputs"]), one["params"], one["version"]) for _, one in sorted(documents.items())
    ]
    return [entry for key in keys if (entry := Store().get(key)) is not None]


def _index() -> Any:
    return data_dir() / "scores.json"
