"""What a scoring run keeps on the disk: its plan, written first, and the scores of each batch."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.data.tables import ID
from btviz.models.batches import PLAN, Batch, inputs_of, lengths_of, plan_batches
from btviz.models.protocol import ScoreModel
from btviz.store import Key, Store, fingerprint

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
