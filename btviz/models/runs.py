"""A run of a score model over the answers of a data set: its plan and journal, its batches, how far it has come."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.data.dataset import Dataset
from btviz.data.tables import ID
from btviz.errors import DataError, UsageError, a_type, choice
from btviz.machine.progress import bar
from btviz.models.batches import PLAN, Batch, budget_of, inputs_of, lengths_of, plan_batches
from btviz.models.engines import ENGINES, Engine, LocalEngine, RayEngine
from btviz.models.model import LoadedModel, load_score_model
from btviz.models.protocol import KINDS, SCORES, CrossFitted, ScoreModel, scores_table, stacked_scores
from btviz.models.servers import ServedModel
from btviz.models.throughput import announce_speed
from btviz.store import Key, Store, fingerprint

NAMED = 5
_OF_A_MODEL = ("name", "kind", "fingerprint", "labels", "score")
ModelSource = ScoreModel | str | Path
"""A score model, or the hub name or folder of one."""


class ScoreWarning(UserWarning):
    """Some answers have no score."""


def score_answers(
    ds: Dataset,
    model: ModelSource | Sequence[ModelSource],
    *,
    engine: str = "local",
    workers: int | None = None,
    tokens_per_batch: int | None = None,
    progress: Listener | None = None,
) -> pl.DataFrame:
    """Score the answers of a data set; see `btviz.score`."""
    choice(engine, ENGINES, what="engine")
    if tokens_per_batch is not None and tokens_per_batch < 1:
        raise UsageError(f"Asked for batches of {tokens_per_batch} tokens; a batch has at least one. Give more.")
    if workers is not None and engine != "ray":
        raise UsageError(f"Asked for {workers} workers, which are those of Ray. Ask for engine='ray' too, or for none.")
    runner: Engine = RayEngine(workers=workers) if engine == "ray" else LocalEngine()
    tables: dict[str, pl.DataFrame] = {}
    for each in models_of(model):
        name, table = _scored_by(ds, each, taken=tables, runner=runner, budget=tokens_per_batch, listener=progress)
        tables[name] = table
    return stacked_scores(tables.values())


def models_of(model: ModelSource | Sequence[ModelSource]) -> list[ModelSource]:
    """Models to score with, each seen to be one."""
    models = list(model) if isinstance(model, Iterable) and not isinstance(model, str | ScoreModel) else [model]
    for each in models:
        if not isinstance(each, str | Path | ScoreModel):
            raise UsageError(
                f"Asked to score with {a_type(each)}; a score model has {', '.join(_OF_A_MODEL)}. Give one "
                "from load_score_model or fit_probe, the name of one, or one of yours with all of these."
            )
        if isinstance(each, ScoreModel):
            choice(each.kind, KINDS, what="kind of score model")
    return models


def scored_pairs(ds: Dataset, model: ScoreModel) -> int:
    """Count the pairs of a data set that have scores by a model, as of a run that was interrupted.

    Parameters
    ----------
    ds : Dataset
        What is scored.
    model : score model
        That scores it.

    Returns
    -------
    int
    """
    out_of_fold, pairs = _own_and_others(ds, model)
    with Journal(Store(), model, pairs=pairs, budget=budget_of(model)) as journal:
        return out_of_fold["pair_id"].n_unique() + journal.done.height


def _scored_by(
    ds: Dataset,
    model: ModelSource,
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
    out_of_fold, pairs = _own_and_others(ds, model)
    with Journal(Store(), model, pairs=pairs, budget=budget or budget_of(model)) as journal:
        _run(journal, model, runner=runner, n_pairs=pairs.height, listener=listener)
        table = _table(journal.done, model)
    if pairs.height > 1 and table["score"].null_count() == table.height:  # one alone may be what no model reads
        raise DataError(
            f"Asked to score {pairs.height:,} pairs with {model.name!r}; it gives none of them a finite score. "
            "Weights may be damaged or overflow in their type (dtype='float32'); the template or the prefix of a guard "
            "may be another's."
        )
    return stacked_scores([out_of_fold, table])


def _own_and_others(ds: Dataset, model: ScoreModel) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Scores that a model has of pairs it was trained on, and the pairs that it must be run on."""
    pairs = ds.pairs.select("pair_id", "prompt", "response").sort("pair_id")
    if not isinstance(model, CrossFitted):
        return SCORES.to_frame(), pairs
    out_of_fold = model.out_of_fold.filter(pl.col("pair_id").is_in(pairs["pair_id"].implode()))
    return out_of_fold, pairs.filter(~pl.col("pair_id").is_in(out_of_fold["pair_id"].implode()))


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
    if isinstance(model, LoadedModel | ServedModel):
        model.announce(model.name)
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


VERSION = 1


class Journal:
    """Plan and scores of one model on one set of pairs.

    Scores are kept by model, whatever data set they were asked for, so that data that grow cost
    only what is new. The plan is kept by model and set of pairs: a run that was ended takes it up again,
    with the same batches padded to the same lengths, and so gives the same scores bit for bit.
    """

    def __init__(self, store: Store, model: ScoreModel, *, pairs: pl.DataFrame, budget: int) -> None:
        self._model = model
        self._pairs = pairs
        self._budget = budget
        self._scores = store.shards(Key("scores", (model.fingerprint,), version=VERSION))
        ids = fingerprint(pairs["pair_id"].to_numpy().astype("<u8").tobytes())
        budgeted = {"tokens_per_batch": budget}
        self._plans = store.shards(Key("score-plans", (model.fingerprint, ids), budgeted, version=VERSION))
        self._done = self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._scores.close()
        self._plans.close()

    @property
    def done(self) -> pl.DataFrame:
        """`pair_id` and `scores` (array of k) of the pairs that are scored, sorted; no columns if none is."""
        if not self._done:
            return pl.DataFrame()
        ids = self._pairs["pair_id"].implode()
        return pl.concat(self._done).filter(pl.col("pair_id").is_in(ids)).sort("pair_id")

    def todo(self) -> list[Batch]:
        """Batches that are not scored yet; pairs without a plan get one, which is on the disk when this returns."""
        if not self._left().height:
            return []
        self._scores.claim()  # from here on nobody else adds scores
        self._done = self._read()
        left = self._left()
        if not left.height:
            return []
        inputs = inputs_of(self._model, left["prompt"].to_list(), responses=left["response"].to_list())
        planned = self._planned(left["pair_id"], lengths_of(inputs))
        place = {pair_id: row for row, pair_id in enumerate(left["pair_id"])}
        return [
            Batch(
                number=number,
                pair_ids=rows["pair_id"].to_list(),
                inputs=[inputs[place[pair_id]] for pair_id in rows["pair_id"]],
                length=rows["length"][0],
                tokens=int(rows["tokens"].sum()),
            )
            for (number,), rows in planned.partition_by("batch", maintain_order=True, as_dict=True).items()
        ]

    def add(self, batch: Batch, scores: npt.NDArray[np.float32]) -> pl.DataFrame:
        """Keep the scores of a batch; they are on the disk when this returns."""
        width = scores.reshape(len(scores), -1).shape[1]
        values = pl.Series("scores", scores.reshape(-1, width), pl.Array(pl.Float32, width))
        frame = pl.DataFrame([pl.Series("pair_id", batch.pair_ids, ID), values])
        self._scores.append(frame)
        self._done.append(frame)
        return frame

    def _planned(self, pair_ids: pl.Series, lengths: npt.NDArray[np.int64]) -> pl.DataFrame:
        """Rows of the plan for these pairs, after planning those that are in none."""
        plan = self._plans.read()
        plan = plan if plan.width else PLAN.to_frame()
        new = ~pair_ids.is_in(plan["pair_id"].implode())
        if new.any():
            first = 0 if plan.is_empty() else int(plan["batch"].max()) + 1  # type: ignore[arg-type]  # a number
            added = plan_batches(pair_ids.filter(new), lengths[new.to_numpy()], budget=self._budget, first=first)
            self._plans.append(added)
            plan = pl.concat([plan, added])
        return plan.filter(pl.col("pair_id").is_in(pair_ids.implode()))

    def _left(self) -> pl.DataFrame:
        scored = [frame["pair_id"] for frame in self._done]
        return self._pairs.filter(~pl.col("pair_id").is_in(pl.concat(scored).implode())) if scored else self._pairs

    def _read(self) -> list[pl.DataFrame]:
        return list(self._scores.frames())
