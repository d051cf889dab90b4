"""`score`: the answers of a data set by score models, resumable.

How far a scoring run has come.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from btviz.data.dataset import Dataset
from btviz.errors import UsageError, choice
from btviz.machine.progress import bar
from btviz.models.batches import Batch, budget_of, lengths_of
from btviz.models.engines import ENGINES, Engine, LocalEngine, RayEngine
from btviz.models.journal import Journal
from btviz.models.loaded import LoadedModel
from btviz.models.loading import load_score_model
from btviz.models.protocol import KINDS, SCORES, CrossFitted, ScoreModel, scores_table, stacked_scores
from btviz.models.throughput import announce_speed
from btviz.store import Store

NAMED = 5


_OF_A_MODEL = ("name", "kind", "fingerprint", "labels", "score")


Given = ScoreModel | str | Path


class ScoreWarning(UserWarning):
    """Some answers have no score."""


def score(
    ds: Dataset,
    model: Given | Sequence[Given],
    *,
    engine: str = "local",
    workers: int | None = None,
    tokens_per_batch: int | None = None,
    progress: Listener | None = None,
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

    Returns
    -------
    DataFrame
        `pair_id`, `model`, `kind` (reward, cost, moderation), `target` (null but for moderation), `score`
        (null where it is not a finite number, which a `ScoreWarning` reports), `threshold` (probability
        above which a moderation model flags, null where it records none); sorted by pair, model and target.

    Warns
    -----
    ScoreWarning
        If answers have no score.
    CutWarning
        If answers are longer than what a model reads.

    Raises
    ------
    UsageError
        If two models have one name, the engine is unknown or has no workers, or something given is no score model or
        gives no scores.
    StoreError
        If another process is scoring with the same model, or the disk is full.

    Examples
    --------
    >>> scores = btviz.score(ds, "PKU-Alignment/beaver-7b-v1.0-cost")  # doctest: +SKIP
    """
    choice(engine, ENGINES, what="engine")
    if tokens_per_batch is not None and tokens_per_batch < 1:
        raise UsageError(f"Asked for batches of {tokens_per_batch} tokens; a batch has at least one. Give more.")
    if workers is not None and engine != "ray":
        raise UsageError(f"Asked for {workers} workers, which are those of Ray. Ask for engine='ray' too, or for none.")
    runner: Engine = RayEngine(workers=workers) if engine == "ray" else LocalEngine()
    given = _models_of(model)
    tables: dict[str, pl.DataFrame] = {}
    for one in given:
        name, table = _scored_by(ds, one, taken=tables, runner=runner, budget=tokens_per_batch, listener=progress)
        tables[name] = table
    return stacked_scores(tables.values())


def _models_of(model: Given | Sequence[Given]) -> list[Given]:
    given = list(model) if isinstance(model, Iterable) and not isinstance(model, str | ScoreModel) else [model]
    for one in given:
        if not isinstance(one, str | Path | ScoreModel):
            raise UsageError(
                f"Asked to score with a {type(one).__name__}; a score model has {', '.join(_OF_A_MODEL)}. Give one "
                "from load_score_model or fit_probe, the name of one, or one of yours with all of these."
            )
        if isinstance(one, ScoreModel):
            choice(one.kind, KINDS, what="kind of score model")
    return given


def scored_pairs(ds: Dataset, model: ScoreModel) -> int:
    """Pairs of a data set that have scores by a model, as of a run that was interrupted."""
    own, pairs = _own_and_others(ds, model)
    with Journal(Store(), model, pairs=pairs, budget=budget_of(model)) as journal:
        return own["pair_id"].n_unique() + journal.done.height


def _scored_by(
    ds: Dataset,
    model: Given,
    *,
    taken: Collection[str],
    runner: Engine,
    budget: int | None,
    listener: Listener | None,
) -> tuple[str, pl.DataFrame]:
    """Name and scores of a model; one that is loaded here is let go of here, before the next is loaded."""
    loaded = load_score_model(model) if isinstance(model, str | Path) else model
    if loaded.name in taken:
        raise UsageError(f"Asked to score with two models named {loaded.name!r}. Rename one, or score one by one.")
    return loaded.name, _score(ds, loaded, runner=runner, budget=budget, listener=listener)


def _score(
    ds: Dataset, model: ScoreModel, *, runner: Engine, budget: int | None, listener: Listener | None
) -> pl.DataFrame:
    own, pairs = _own_and_others(ds, model)
    with Journal(Store(), model, pairs=pairs, budget=budget or budget_of(model)) as journal:
        _run(journal, model, runner=runner, n_pairs=pairs.height, listener=listener)
        table = _table(journal.done, model)
    return stacked_scores([own, table])


def _own_and_others(ds: Dataset, model: ScoreModel) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Scores that a model has of pairs it was trained on, and the pairs that it must be run on."""
    pairs = ds.pairs.select("pair_id", "prompt", "response").sort("pair_id")
    if not isinstance(model, CrossFitted):
        return SCORES.to_frame(), pairs
    own = model.out_of_fold.filter(pl.col("pair_id").is_in(pairs["pair_id"].implode()))
    return own, pairs.filter(~pl.col("pair_id").is_in(own["pair_id"].implode()))


def _run(journal: Journal, model: ScoreModel, *, runner: Engine, n_pairs: int, listener: Listener | None) -> None:
    batches = journal.todo()
    if not batches:
        return
    if isinstance(model, LoadedModel):
        model.report_cuts([row for batch in batches for row in batch.inputs], "answers")
    with shown(model.name, batches=batches, listener=listener) as tell:
        meter = Meter(model.name, n_pairs=n_pairs, batches=batches, tell=tell)
        started = time.monotonic()
        for batch, scores in runner.run(model, batches):
            meter.count(batch, _table(journal.add(batch, scores), model, warn=False))
    if isinstance(model, LoadedModel) and isinstance(runner, LocalEngine):
        lengths = np.concatenate([lengths_of(batch.inputs) for batch in batches])
        seconds = time.monotonic() - started
        announce_speed(
            model.name, shape=model.shape, lengths=lengths, seconds=seconds, device=model.device, dtype=model.dtype
        )


def _table(done: pl.DataFrame, model: ScoreModel, *, warn: bool = True) -> pl.DataFrame:
    if not done.width:
        return SCORES.to_frame()
    values = done["scores"].to_numpy().reshape(done.height, -1)
    is_finite = np.isfinite(values)
    if warn and not is_finite.all():
        _report(model.name, done["pair_id"].filter(~is_finite.all(axis=1)))
    finite = np.where(is_finite, values, np.nan)
    return scores_table(done["pair_id"], finite if model.kind == "moderation" else finite[:, 0], model=model)


def _report(name: str, pair_ids: pl.Series) -> None:
    shown_ids = ", ".join(f"{pair_id:016x}" for pair_id in pair_ids.head(NAMED))
    others = f" and {len(pair_ids) - NAMED} others" if len(pair_ids) > NAMED else ""
    warnings.warn(
        f"{name} gives no finite score to {len(pair_ids)} of the pairs: {shown_ids}{others}. Their scores are null.",
        ScoreWarning,
        stacklevel=4,
    )


@dataclass(frozen=True)
class Progress:
    """State of a run after a batch.

    Attributes
    ----------
    model : str
        Which model is scoring.
    n_done, n_pairs : int
        Pairs scored so far, those of earlier runs included, and pairs in all.
    n_tokens : int
        Tokens of texts, without padding, scored in this run.
    tokens_per_second : float
        How many of them in a second.
    seconds_left : float
        At that speed.
    scores : DataFrame
        The `scores` table of the batch; empty before the first.
    """

    model: str
    n_done: int
    n_pairs: int
    n_tokens: int
    tokens_per_second: float
    seconds_left: float
    scores: pl.DataFrame = field(repr=False)


Listener = Callable[[Progress], None]


class Meter:
    """Counts tokens and pairs, and tells a listener."""

    def __init__(self, model: str, *, n_pairs: int, batches: Sequence[Batch], tell: Listener) -> None:
        self._model = model
        self._n_pairs = n_pairs
        self._n_done = n_pairs - sum(len(batch.pair_ids) for batch in batches)
        self._total = sum(batch.tokens for batch in batches)
        self._tokens = 0
        self._tell = tell
        self._started = time.monotonic()

    def count(self, batch: Batch, scores: pl.DataFrame) -> None:
        """A batch has been scored and kept."""
        self._n_done += len(batch.pair_ids)
        self._tokens += batch.tokens
        speed = self._tokens / max(time.monotonic() - self._started, 1e-9)
        left = (self._total - self._tokens) / speed
        self._tell(Progress(self._model, self._n_done, self._n_pairs, self._tokens, speed, left, scores))


@contextmanager
def shown(model: str, *, batches: Sequence[Batch], listener: Listener | None) -> Iterator[Listener]:
    """Show a run on standard error, unless there is a listener who does it."""
    if listener is not None:
        yield listener
        return
    with bar(f"Scoring with {model}", total=sum(batch.tokens for batch in batches), unit="tokens") as update:
        yield lambda progress: update(progress.n_tokens)
