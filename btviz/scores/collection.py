"""The scores that a data set has: kept beside it by model, and taken together for what is drawn."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import polars as pl

from btviz.data.catalog import load, register
from btviz.data.dataset import Dataset, expect_dataset
from btviz.data.tables import PROBLEMS, SCHEMAS
from btviz.errors import DataError, NotFoundError, UsageError
from btviz.models.protocol import RECORD, SCORES_ORDER, stacked_scores
from btviz.scores.answers import valid_scores
from btviz.scores.policies import ANSWERS, joined_answers, policy_answers, settle_items
from btviz.scores.signs import SignCheck, check_sign
from btviz.store import Draft, Entry, Key, Shape, Store, fingerprint, read_document, update_document
from btviz.store.paths import data_dir

VERSION = 1
_REPLACED = {"model": pl.String, "kind": pl.String, "stayed": pl.Int64, "replaced": pl.Int64}

Index: TypeAlias = "dict[str, dict[str, Any]]"
"""What is kept of a data set: kind and model to the key of an entry."""


def kept_scores(ds: Dataset) -> pl.DataFrame:
    """Scores kept for a data set, of all models.

    Parameters
    ----------
    ds : Dataset
        What was scored.

    Returns
    -------
    DataFrame
        A table of scores, empty where none are kept.
    """
    expect_dataset(ds)
    return stacked_scores(entry.table("scores") for entry in _entries(ds))


def replace_scores(ds: Dataset, scores: pl.DataFrame, *, fingerprints: Mapping[str, str] | None = None) -> pl.DataFrame:
    """Keep the scores of each model unchecked; those of an equal name and kind give way: see `KeptScores.replaced`."""
    of = fingerprints or {}
    before = kept_scores(ds).join(scores, on=["model", "kind"], how="semi")
    gone = before.join(scores, on=["model", "kind", "target", "pair_id", "score"], how="anti", nulls_equal=True)
    keys = {
        _label(model, kind): _kept(part, ds, answers=None, model_fingerprint=of.get(model)).to_document()
        for (model, kind), part in _by_model(scores)
    }
    _change_index(ds, lambda known: known | keys)
    counts = gone.group_by("model", "kind").agg(stayed=pl.lit(0, pl.Int64), replaced=pl.len().cast(pl.Int64))
    return counts.sort("model", "kind")


def add_scores(ds: Dataset, scores: pl.DataFrame, *, answers: pl.DataFrame) -> pl.DataFrame:
    """Keep scores from files, unchecked, beside those that came from files under the same name before.

    Raises UsageError, and keeps nothing, if scores by a model that was run are kept under the name.
    """
    parts, rows = _by_model(scores), []

    def joined(known: Index) -> Index:  # inside the lock, so that files read at the same time lose nothing
        index = dict(known)
        for (model, kind), part in parts:
            before = _from_files(known.get(_label(model, kind)), ds)
            old = valid_scores(scores.clear()) if before is None else before.table("scores")
            stayed = old.join(part, on=["pair_id", "target"], how="anti", nulls_equal=True)
            same = old.join(part, on=["pair_id", "target", "score"], how="semi", nulls_equal=True)
            all_answers = joined_answers([answers] if before is None else [before.table("answers"), answers])
            key = _kept(stacked_scores([stayed, part]), ds, answers=all_answers, model_fingerprint=None)
            index[_label(model, kind)] = key.to_document()
            rows.append((model, kind, stayed.height, old.height - stayed.height - same.height))
        return index

    _change_index(ds, joined)
    replaced = pl.DataFrame(rows, schema=_REPLACED, orient="row")
    return replaced.filter(pl.col("stayed") + pl.col("replaced") > 0)


def is_taken(ds: Dataset, name: str, *, fingerprint: str) -> bool:
    """Whether scores by another model than that with a fingerprint are kept under a name."""
    known = read_document(_index(), shape=_INDEX).get(ds.fingerprint, {}).values()
    return any(
        document["params"]["model"] == name and document["params"].get("of") != fingerprint for document in known
    )


def forget_scores(ds: Dataset, model: str) -> int:
    """Let go of the scores kept under the name of a model.

    Parameters
    ----------
    ds : Dataset
        What was scored.
    model : str
        Name that scores are kept under.

    Returns
    -------
    int
        Of how many kinds they were.

    Raises
    ------
    NotFoundError
        If none are kept under that name.
    """
    known = read_document(_index(), shape=_INDEX).get(ds.fingerprint, {})
    gone = [label for label, document in known.items() if document["params"]["model"] == model]
    if not gone:
        names = sorted({document["params"]["model"] for document in known.values()})
        raise NotFoundError(
            f"Scores of {ds.name} by {model!r} were to be let go of; kept are those of {names or 'no model'}. "
            "Name one of these."
        )

    _change_index(ds, lambda known: {label: document for label, document in known.items() if label not in gone})
    return len(gone)


def forgetting(name: str, model: str) -> str:
    """Write the command that lets go of the scores of a data set by a model.

    Parameters
    ----------
    name : str
        By which the data set is loaded.
    model : str
        Name that scores are kept under.

    Returns
    -------
    str
    """
    return f"btviz score {shlex.quote(name)} --forget {shlex.quote(model)}"


def kept_answers(ds: Dataset) -> pl.DataFrame:
    """Take answers by policy together: those of the data set's answering models, and those that score files name.

    Of data that were made of score files, the files come first: they know all policies that gave an
    answer, and how often something was asked. Of other data an answer to which a file gives another policy
    counts as that one's alone, or it would meet itself. Items are settled over all of them, so that files read one
    after the other meet as those read together.

    Parameters
    ----------
    ds : Dataset
        What was scored.

    Returns
    -------
    DataFrame
        The columns of `btviz.scores.policies.ANSWERS`.
    """
    file_answers = sorted((entry.table("answers") for entry in _entries(ds)), key=lambda table: -table.height)
    dataset_answers = policy_answers(ds)
    joined = joined_answers(
        [*file_answers, dataset_answers]
        if "policies" in ds.facts
        else [_not_renamed(dataset_answers, file_answers), *file_answers]
    )
    return settle_items(joined).unique().sort(list(ANSWERS))


def _not_renamed(answers: pl.DataFrame, file_answers: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Answers of a data set but for those of which files name other policies only."""
    named = pl.concat([ANSWERS.to_frame(), *file_answers]).select("policy", "pair_id").unique()
    agreed = answers.join(named, on=["policy", "pair_id"], how="semi")
    return pl.concat([answers.join(named, on="pair_id", how="anti"), agreed])


def keep_dataset(name: str, ds: Dataset) -> Dataset:
    """Give a data set that was made of score files a name by which `btviz.load` finds it.

    Parameters
    ----------
    name : str
        A new name, of letters, digits, dots, dashes and underscores.
    ds : Dataset
        From `btviz.read_scores` without a data set.

    Returns
    -------
    Dataset
        The same, of that name.
    """
    key = Key("datasets", (ds.fingerprint,), {"made of": "score files"}, VERSION)

    def fill(draft: Draft) -> None:
        for table in SCHEMAS:
            draft.table(table, ds.table(table))
        draft.table("problems", PROBLEMS.to_frame())
        facts = {"taxonomy": ds.taxonomy.name, "release": None, "is_synthetic": False, "fingerprint": ds.fingerprint}
        draft.document("facts", {**ds.facts, **facts})

    Store().build(key, fill)
    register(name, key)
    return load(name)


def _kept(part: pl.DataFrame, ds: Dataset, *, answers: pl.DataFrame | None, model_fingerprint: str | None) -> Key:
    answer_table = ANSWERS.to_frame() if answers is None else answers.select(list(ANSWERS)).sort(list(ANSWERS))
    content = [_written(part), answer_table.write_csv()]
    about = {"model": part["model"][0], "of": model_fingerprint}
    key = Key("scores", (ds.fingerprint, fingerprint(*content)), about, VERSION)

    def fill(draft: Draft) -> None:
        draft.table("scores", part)
        draft.table("answers", answer_table)

    Store().build(key, fill)
    return key


def _written(scores: pl.DataFrame) -> str:
    """Scores as text, with each record once, which stands in every row of its model."""
    records = scores.select("model", "kind", "target", RECORD).unique().drop_nulls(RECORD).sort(pl.all())
    return scores.drop(RECORD).write_csv() + (records.write_csv() if records.height else "")


def _entries(ds: Dataset) -> list[Entry]:
    documents = read_document(_index(), shape=_INDEX).get(ds.fingerprint, {})
    entries = [_entry(document) for _, document in sorted(documents.items())]
    return [entry for entry in entries if entry is not None]


def _entry(document: Mapping[str, Any]) -> Entry | None:
    return Store().get(Key.of_document(document))


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
    parts = valid_scores(scores).sort(*SCORES_ORDER).partition_by("model", "kind", as_dict=True)
    return [((str(model), str(kind)), part) for (model, kind), part in parts.items()]


def _change_index(ds: Dataset, change: Callable[[Index], Index]) -> None:
    """Change what is kept of a data set, under a lock between processes."""
    update_document(
        _index(), lambda index: {**index, ds.fingerprint: change(index.get(ds.fingerprint, {}))}, shape=_INDEX
    )


def _is_kept(_: tuple[str, ...], document: Any) -> bool:
    return bool(Key.of_document(document).digest) and isinstance(document["params"]["model"], str)


_INDEX = Shape(_is_kept, depth=2)


def _label(model: str, kind: str) -> str:
    return f"{kind}/{model}"


def _index() -> Any:
    return data_dir() / "scores.json"


@dataclass(frozen=True, eq=False)
class ScoreCollection:
    """Scores of one data set, and whether they may be drawn.

    Attributes
    ----------
    ds : Dataset
        What was scored.
    scores : DataFrame
        A table of scores, in the order of its keys.
    answers : DataFrame
        `btviz.scores.policies.ANSWERS`.
    signs : sequence of SignCheck
        What the labels say of the direction of each reward and cost model.
    refusal : str or None
        Why none of them is drawn: the sign of one is reversed.
    n_strange : int
        Scores left out because their pairs are not in the data set, as of data that have changed since.
    """

    ds: Dataset
    scores: pl.DataFrame
    answers: pl.DataFrame
    signs: Sequence[SignCheck] = ()
    refusal: str | None = None
    n_strange: int = 0

    @classmethod
    def of(cls, ds: Dataset, *, scores: pl.DataFrame | None = None, override_sign: bool = False) -> ScoreCollection:
        """Take scores, by default those kept for the data set, and check their signs."""
        all_scores = valid_scores(kept_scores(ds) if scores is None else scores).sort(*SCORES_ORDER, "kind")
        table = all_scores.filter(pl.col("pair_id").is_in(ds.pairs["pair_id"].implode()))
        n_strange = all_scores.height - table.height
        try:
            signs = check_sign(table, ds, override=override_sign)
        except DataError as error:
            return cls(ds, table, kept_answers(ds), refusal=str(error), n_strange=n_strange)
        return cls(ds, table, kept_answers(ds), signs, n_strange=n_strange)

    def having(self, *kinds: str) -> pl.DataFrame:
        """Scores of some kinds; raises UsageError, which says what to do, if there are none or a sign is reversed."""
        if self.ds.pairs.is_empty():
            raise UsageError(f"A figure of the scores of {self.ds.name!r} was asked for; it has no answers to score.")
        if self.refusal is not None:
            raise UsageError(self.refusal)
        if self.n_strange and self.scores.is_empty():
            raise UsageError(
                f"A figure of the scores of {self.ds.name!r} was asked for; none of the {self.n_strange:,} scores "
                f"given is of an answer in it. Score this data set: btviz score {self.ds.name} --model MODEL."
            )
        rows = self.scores.filter(pl.col("kind").is_in(kinds))
        if rows.drop_nulls("score").is_empty():
            of = "" if self.scores.is_empty() else f"{' or '.join(kinds)} "
            raise UsageError(
                f"A figure of the scores of {self.ds.name!r} was asked for; no {of}model has scored it. Run btviz "
                f"score {self.ds.name} --model MODEL, or --probes for small models fitted on its labels."
            )
        return rows

    def facts(self) -> dict[str, Any]:
        """Which models have scored what, what their signs are, a fingerprint of the table, and what was left out."""
        models = self.scores.group_by("model", "kind").agg(
            pl.col("pair_id").n_unique().alias("pairs"), pl.col("score").null_count().alias("undefined")
        )
        return {
            "models": models.sort("kind", "model").to_dicts(),
            "fingerprint": fingerprint(_written(self.scores)),
            "signs": [asdict(check) for check in self.signs],
            "not_in_the_data": self.n_strange,
        }
