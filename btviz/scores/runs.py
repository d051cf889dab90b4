"""Runs whose scores are kept: signs are checked first, and models of one name told apart."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import polars as pl

from btviz.data.dataset import Dataset, expect_answers, expect_dataset
from btviz.errors import UsageError
from btviz.models.model import LoadedModel, load_score_model
from btviz.models.probes import Probe
from btviz.models.protocol import ScoreModel, stacked_scores
from btviz.models.runs import Listener, ModelSource, models_of, score_answers
from btviz.scores.answers import valid_scores
from btviz.scores.collection import add_scores, forgetting, is_taken, replace_scores
from btviz.scores.files import ScoreFile
from btviz.scores.signs import SignCheck, check_sign
from btviz.store import expanded


class KeepWarning(UserWarning):
    """Scores were kept under another name than their model's, or in place of others."""


@dataclass(frozen=True, eq=False)
class KeptScores:
    """What became of scores that were to be kept.

    Attributes
    ----------
    scores : DataFrame
        The table of scores as it is kept.
    signs : sequence of SignCheck
        What the labels say of the direction of each reward and cost model.
    replaced : DataFrame
        `model`, `kind`, `stayed` (scores kept before, of other answers or targets, that stay beside those of
        a file), `replaced` (scores kept before that were other numbers, or are no longer there, and gave
        way); one row for each model of which some were kept.
    renamed : Mapping
        Names of models by whose name others had kept scores, and the name that theirs are kept under.
    """

    scores: pl.DataFrame
    signs: Sequence[SignCheck]
    replaced: pl.DataFrame
    renamed: Mapping[str, str] = field(default_factory=dict)


def score(
    ds: Dataset,
    model: ModelSource | Sequence[ModelSource],
    *,
    engine: str = "local",
    workers: int | None = None,
    tokens_per_batch: int | None = None,
    progress: Listener | None = None,
    keep: bool = False,
    override_sign: bool = False,
) -> pl.DataFrame:
    """Score the answers of a data set, each distinct pair once.

    Pairs of similar length go through the model together, the longest first. Which ones is written
    down before the first batch, and each batch of scores is kept as soon as it is there: a run that
    was interrupted or killed goes on where it was when it is started again, with at most the batch
    in work lost, and ends with the same scores bit for bit. Scores are kept by model; asked again, or
    for a data set that has grown, only new pairs are scored.

    Parameters
    ----------
    ds : Dataset
        Whose pairs are scored.
    model : score model, name or folder, or a sequence of them
        From `btviz.load_score_model` or `btviz.fit_probe`. Several are scored one after the other; those
        given by name are loaded only then, and let go of. Of a probe, pairs that it was trained on
        get their scores out of fold.
    engine : {"local", "ray"}
        In this process, or on the Ray cluster that this machine is in. ``ray start --head`` makes a
        cluster, and ``ray start --address=HEAD:6379`` on another machine joins it; without a cluster
        one is started here. The weights must lie under the same path on every machine. On CPUs the
        last bits of a score depend on the number of threads, and a Ray worker has one: the same scores
        as here bit for bit after ``torch.set_num_threads(1)``, else within rounding.
    workers : int, optional
        Of Ray: processes that each hold the model. Default: one per GPU, or per CPU where there is none.
    tokens_per_batch : int, optional
        Tokens that go through the model at once, padding included. Default: what suits the model.
    progress : callable, optional
        Called with a `btviz.models.Progress` after each batch is kept; what it raises ends the run.
        Default: a bar on standard error.
    keep : bool
        Also keep the table beside the data set once all models are done, as `btviz.keep_scores` does: the
        signs are checked, and a model has more to its name where scores by other weights or settings are kept
        under that.
    override_sign : bool
        Keep scores that point against the labels, too.

    Returns
    -------
    DataFrame
        `pair_id`, `model`, `kind` (reward, cost, moderation), `target` (null but for moderation), `score`
        (null where it is not a finite number, which a `ScoreWarning` reports), `threshold` (probability
        above which a moderation model flags, null where it records none), `boundary` and `record` (what else is
        known of the scores, see `btviz.score_records`); sorted by pair, model and target.

    Warns
    -----
    ScoreWarning
        If answers have no score.
    CutWarning
        If answers are longer than what a model reads.
    KeepWarning
        If kept scores have another name than their model, or took the place of others.
    SignWarning
        If the labels do not tell which way scores to be kept point.

    Raises
    ------
    UsageError
        If two models have one name, the engine is unknown or has no workers, or something given is no score model or
        gives no scores.
    DataError
        If the data set holds prompts without answers, or scores to be kept point the other way: the runs
        themselves are kept, and asking again repeats none.
    StoreError
        If another process is scoring with the same model, or the disk is full.

    Examples
    --------
    >>> scores = btviz.score(ds, "PKU-Alignment/beaver-7b-v1.0-cost")  # doctest: +SKIP
    """
    expect_dataset(ds)
    expect_answers(ds, what="Scores")
    if not keep:
        return score_answers(
            ds, model, engine=engine, workers=workers, tokens_per_batch=tokens_per_batch, progress=progress
        )
    kept = score_and_keep(
        ds,
        models_of(model),
        run=partial(
            score_answers, engine=engine, workers=workers, tokens_per_batch=tokens_per_batch, progress=progress
        ),
        override_sign=override_sign,
        say=partial(_warn, depth=5),  # of who calls this function
    )
    for name, kind, count in kept.replaced.select("model", "kind", "replaced").rows():
        _warn(f"Scores of the {kind} {name!r} were kept before: {count:,} of them were other numbers and gave way.")
    return kept.scores


def _warn(message: str, *, depth: int = 3) -> None:
    warnings.warn(message, KeepWarning, stacklevel=depth)


def score_and_keep(
    ds: Dataset,
    models: Sequence[ModelSource],
    *,
    load: Callable[[str | Path], ScoreModel] = load_score_model,
    run: Callable[[Dataset, ScoreModel], pl.DataFrame] = score_answers,
    override_sign: bool = False,
    say: Callable[[str], None] = _warn,
) -> KeptScores:
    """Score a data set by models, one after the other, and keep what they gave once all are done.

    Parameters
    ----------
    ds : Dataset
        Whose answers are scored.
    models : sequence
        Score models, or names or folders of some.
    load, run : callable
        What loads a name or folder, and what scores the answers with a model.
    override_sign : bool
        As for `keep_scores`.
    say : callable
        Told, before a model scores, of the name that its scores are kept under where that is another.

    Returns
    -------
    KeptScores

    Raises
    ------
    UsageError
        If a model is named twice, or scores by other weights or settings are kept under all its names.
    """
    tables: list[pl.DataFrame] = []
    fingerprints: dict[str, str] = {}
    renamed: dict[str, str] = {}

    def add(model: ModelSource) -> None:  # the model is let go of at its end, so that memory holds one
        loaded = load(model) if isinstance(model, str | Path) else model
        named = _told_apart(loaded, ds, source=_source(loaded, model), taken=fingerprints)
        if named is not loaded:
            renamed[loaded.name] = named.name
            say(
                f"Scores of {loaded.name!r} by other weights or settings are kept; these are kept as those of "
                f"{named.name!r}."
            )
        fingerprints[named.name] = named.fingerprint
        tables.append(run(ds, named))

    for model in models:
        add(model)
    kept = keep_scores(ds, stacked_scores(tables), fingerprints=fingerprints, override_sign=override_sign)
    return replace(kept, renamed=renamed)


def keep_scores(
    ds: Dataset,
    scores: pl.DataFrame | ScoreFile,
    *,
    fingerprints: Mapping[str, str] | None = None,
    give_way: bool = False,
    override_sign: bool = False,
) -> KeptScores:
    """Keep scores beside their data set, where `kept_scores` and the command line find them.

    A table takes the place of what was kept of the same models and kinds. What `btviz.read_scores` gives
    goes beside what other files gave under the same names, with the policies of the answers.

    Parameters
    ----------
    ds : Dataset
        What was scored.
    scores : DataFrame or ScoreFile
        A table of scores, or what was read from files.
    fingerprints : Mapping, optional
        Of the models that were run for a table, by name. Scores by other weights or settings that are kept
        under one of the names stay, and these are kept under a name with the fingerprint's first letters.
    give_way : bool
        Let such scores give way instead.
    override_sign : bool
        Keep scores that point against the labels, too.

    Returns
    -------
    KeptScores
        What was checked, what was replaced, and what was named otherwise.

    Warns
    -----
    SignWarning
        If the labels do not tell which way a score points.

    Raises
    ------
    DataError
        If a reward or cost points the other way; nothing is kept then.
    UsageError
        If a file has a column of the name of a model that was run, whose scores are kept, or the table is none of
        scores or has a model without a name, or one that scored no answer of the data set.

    Examples
    --------
    >>> btviz.keep_scores(ds, btviz.read_scores("scores.jsonl", ds)).replaced  # doctest: +SKIP
    """
    expect_dataset(ds)
    if isinstance(scores, ScoreFile):
        _expect_scores_of(ds, scores.scores)
        signs = check_sign(scores.scores, ds, override=override_sign)
        return KeptScores(scores.scores, signs, add_scores(ds, scores.scores, answers=scores.answers))
    by_name = dict(fingerprints or {})
    taken = [] if give_way else [name for name, of in by_name.items() if is_taken(ds, name, fingerprint=of)]
    renamed = {name: f"{name} {by_name[name][:8]}" for name in taken}
    table = valid_scores(scores).with_columns(pl.col("model").replace(renamed))
    _expect_scores_of(ds, table)
    signs = check_sign(table, ds, override=override_sign)
    of = {renamed.get(name, name): fingerprint for name, fingerprint in by_name.items()}
    return KeptScores(table, signs, replace_scores(ds, table, fingerprints=of), renamed)


def _expect_scores_of(ds: Dataset, scores: pl.DataFrame) -> None:
    """Check that each model has a name and has scored answers of a data set: those of another would never be drawn."""
    of_these = scores.join(ds.pairs, on="pair_id", how="semi").select("model").unique()
    others = scores.select("model").unique().join(of_these, on="model", how="anti")["model"].sort().to_list()
    if others:
        raise UsageError(
            f"Scores were to be kept beside {ds.name}; those of {others} are of no answer in it, or of a model without "
            "a name. Pass the data set that was scored, and name each model."
        )


def _source(model: ScoreModel, asked: ModelSource) -> str | Path | None:
    """Name or folder that a model was loaded from."""
    if isinstance(asked, str | Path):
        return asked
    return model.origin.source if isinstance(model, LoadedModel) else None


def _told_apart(model: ScoreModel, ds: Dataset, *, source: str | Path | None, taken: Mapping[str, str]) -> ScoreModel:
    """The model, with more to its name where scores by other weights or settings are kept under that."""
    asked = model.name if source is None else source
    if model.fingerprint in taken.values():
        raise UsageError(f"Asked to score with {asked}; that model is named twice. Name each once.")
    names = [model.name, *_longer_names(model, source)]
    free = [n for n in names if n not in taken and not is_taken(ds, n, fingerprint=model.fingerprint)]
    if not free:
        raise UsageError(
            f"Asked to score {ds.name} with {asked}; scores by other weights or settings are kept as those of "
            f"{' and '.join(map(repr, names))}. Let go of one: {forgetting(ds.name, model.name)}."
        )
    return model if free[0] == model.name else _renamed(model, free[0])


def _longer_names(model: ScoreModel, source: str | Path | None) -> list[str]:
    """Names with the folder above, which tells checkpoints of several runs apart, and with the type of numbers.

    A probe that was just fitted lies in no folder, and takes the first letters of its fingerprint.
    """
    above = []
    if source is not None and "/" not in model.name:
        above.append(f"{expanded(source).resolve().parent.name}/{model.name}")
    if not isinstance(model, LoadedModel):
        return above or [f"{model.name} {model.fingerprint[:8]}"] if isinstance(model, Probe) else []
    typed = [f"{name} {model.dtype}" for name in (model.name, *above)]
    return above + typed if model.origin.dtype is None else typed + above


def _renamed(model: ScoreModel, name: str) -> ScoreModel:
    if isinstance(model, Probe):
        return replace(model, name=name, out_of_fold=model.out_of_fold.with_columns(pl.lit(name).alias("model")))
    return replace(model, name=name) if isinstance(model, LoadedModel) else model
