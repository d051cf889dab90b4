"""Scores kept beside their data set, so that a name finds them again."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import polars as pl

from btviz.data.catalog import load, register
from btviz.data.dataset import Dataset
from btviz.data.tables import PROBLEMS
from btviz.errors import NotFoundError, UsageError
from btviz.models.protocol import SCORES_ORDER, stacked_scores
from btviz.scores.columns import settle_items
from btviz.scores.labelled import checked
from btviz.scores.policies import ANSWERS, joined_answers, policy_answers
from btviz.store import Draft, Entry, Key, Store, fingerprint, read_document, update_document
from btviz.store.paths import data_dir

VERSION = 1


_MET = {"model": pl.String, "kind": pl.String, "stayed": pl.Int64, "replaced": pl.Int64}


_TABLES = ("annotations", "pairs", "votes", "preferences", "prompts")


Index: TypeAlias = "dict[str, dict[str, Any]]"
"""What is kept of a data set: kind and model to the key of an entry."""


def keep_scores(
    scores: pl.DataFrame,
    ds: Dataset,
    *,
    answers: pl.DataFrame | None = None,
    fingerprints: Mapping[str, str] | None = None,
) -> None:
    """Keep the scores of each model; those of an equal name and kind give way.

    Parameters
    ----------
    scores : DataFrame
        A table of scores.
    ds : Dataset
        The data set that was scored.
    answers : DataFrame, optional
        `btviz.scores.policies.ANSWERS`, where files say which policy gave which answer.
    fingerprints : Mapping, optional
        Of models that were run, by name.
    """
    of = fingerprints or {}
    found = {
        _label(model, kind): _kept(part, ds, answers=answers, model_fingerprint=of.get(model)).to_document()
        for (model, kind), part in _by_model(scores)
    }
    _change_index(ds, lambda known: known | found)


def add_scores(scores: pl.DataFrame, ds: Dataset, *, answers: pl.DataFrame) -> pl.DataFrame:
    """Keep scores from files beside those that came from files under the same name before.

    Parameters
    ----------
    scores, ds, answers
        See `keep_scores`.

    Returns
    -------
    DataFrame
        `model`, `kind`, `stayed` (scores kept before, of other answers or targets), `replaced` (scores
        kept before, of the same, that were other numbers and gave way).

    Raises
    ------
    UsageError
        If scores by a model that was run are kept under the name; nothing is kept then.
    """
    parts, rows = _by_model(scores), []

    def joined(known: Index) -> Index:  # inside the lock, so that files read at the same time lose nothing
        found = dict(known)
        for (model, kind), part in parts:
            before = _from_files(known.get(_label(model, kind)), ds)
            old = checked(scores.clear()) if before is None else before.table("scores")
            stayed = old.join(part, on=["pair_id", "target"], how="anti", nulls_equal=True)
            same = old.join(part, on=["pair_id", "target", "score"], how="semi", nulls_equal=True)
            own = joined_answers([answers] if before is None else [before.table("answers"), answers])
            key = _kept(stacked_scores([stayed, part]), ds, answers=own, model_fingerprint=None)
            found[_label(model, kind)] = key.to_document()
            rows.append((model, kind, stayed.height, old.height - stayed.height - same.height))
        return found

    _change_index(ds, joined)
    return pl.DataFrame(rows, schema=_MET, orient="row")


def forget_scores(ds: Dataset, model: str) -> int:
    """Let go of the scores kept under the name of a model; returns of how many kinds they were.

    Raises
    ------
    NotFoundError
        If none are kept under that name.
    """
    known = read_document(_index()).get(ds.fingerprint, {})
    gone = [label for label, one in known.items() if one["params"]["model"] == model]
    if not gone:
        names = sorted({one["params"]["model"] for one in known.values()})
        raise NotFoundError(
            f"Scores of {ds.name} by {model!r} were to be let go of; kept are those of {names or 'no model'}. "
            "Name one of these."
        )

    _change_index(ds, lambda known: {label: one for label, one in known.items() if label not in gone})
    return len(gone)


def forgetting(name: str, model: str) -> str:
    """Command that lets go of the scores of a data set by a model."""
    return f"btviz score {shlex.quote(name)} --forget {shlex.quote(model)}"


def is_taken(name: str, ds: Dataset, *, fingerprint: str) -> bool:
    """Whether scores by another model than that with a fingerprint are kept under a name."""
    known = read_document(_index()).get(ds.fingerprint, {}).values()
    return any(one["params"]["model"] == name and one["params"].get("of") != fingerprint for one in known)


def kept_scores(ds: Dataset) -> pl.DataFrame:
    """Scores kept for a data set, of all models: a table of scores, empty where there are none."""
    return stacked_scores(entry.table("scores") for entry in _entries(ds))


def kept_answers(ds: Dataset) -> pl.DataFrame:
    """Answers by policy: those of the data set's answering models, and those that score files name.

    Of data that were made of score files, the files come first: they know all policies that gave an
    answer, and how often something was asked. Of other data an answer to which a file gives another policy
    counts as that one's alone, or it would meet itself. Items are settled over all of them, so that files read one
    after the other meet as those read together.
    """
    found = sorted((entry.table("answers") for entry in _entries(ds)), key=lambda table: -table.height)
    own = policy_answers(ds)
    joined = joined_answers([*found, own] if "policies" in ds.facts else [_not_renamed(own, found), *found])
    return settle_items(joined).unique().sort(list(ANSWERS))


def _not_renamed(own: pl.DataFrame, found: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Answers of a data set but for those of which files name other policies only."""
    named = pl.concat([ANSWERS.to_frame(), *found]).select("policy", "pair_id").unique()
    agreed = own.join(named, on=["policy", "pair_id"], how="semi")
    return pl.concat([own.join(named, on="pair_id", how="anti"), agreed])


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


def _kept(part: pl.DataFrame, ds: Dataset, *, answers: pl.DataFrame | None, model_fingerprint: str | None) -> Key:
    own = ANSWERS.to_frame() if answers is None else answers.select(list(ANSWERS)).sort(list(ANSWERS))
    content = [frame.write_csv() for frame in (part, own)]
    about = {"model": part["model"][0], "of": model_fingerprint}
    key = Key("scores", (ds.fingerprint, fingerprint(*content)), about, VERSION)

    def fill(draft: Draft) -> None:
        draft.table("scores", part)
        draft.table("answers", own)

    Store().build(key, fill)
    return key


def _entries(ds: Dataset) -> list[Entry]:
    documents = read_document(_index()).get(ds.fingerprint, {})
    found = [_entry(one) for _, one in sorted(documents.items())]
    return [entry for entry in found if entry is not None]


def _entry(document: Mapping[str, Any]) -> Entry | None:
    key = Key(document["kind"], tuple(document["inputs"]), document["params"], document["version"])
    return Store().get(key)


def _from_files(document: Mapping[str, Any] | None, ds: Dataset) -> Entry | None:
    """What is kept under a label; refuse to mix it with files if it did not come from them."""
    if document is not None and document["params"].get("of") is not None:
        model = document["params"]["model"]
        raise UsageError(
            f"Scores of {ds.name} by {model!r} were to be read from files; those of a model of that name, which was "
            f"run, are kept. Name the column otherwise, or let go of them: {forgetting(ds.name, model)}."
        )
    return None if document is None else _entry(document)


def _by_model(scores: pl.DataFrame) -> list[tuple[tuple[str, str], pl.DataFrame]]:
    parts = checked(scores).sort(*SCORES_ORDER).partition_by("model", "kind", as_dict=True)
    return [((str(model), str(kind)), part) for (model, kind), part in parts.items()]


def _change_index(ds: Dataset, change: Callable[[Index], Index]) -> None:
    """Change what is kept of a data set, under a lock between processes."""
    update_document(_index(), lambda index: {**index, ds.fingerprint: change(index.get(ds.fingerprint, {}))})


def _label(model: str, kind: str) -> str:
    return f"{kind}/{model}"


def _index() -> Any:
    return data_dir() / "scores.json"
