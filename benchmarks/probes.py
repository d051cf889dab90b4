"""Probes cross-fitted on the replica's 110,822 pairs from cached vectors, and the metrics of its scores."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.populations import timed

N_REPLICA = 110_822
WIDTH = 384


def probe_replica(folder: Path) -> float:
    """A cost probe cross-fitted on the replica's 110,822 pairs, and their scores, from cached vectors."""
    import btviz

    ds = btviz.load("replica")
    emb = _vectors(ds)
    fit_probe, score = btviz.fit_probe, btviz.score

    def work() -> None:
        scores = score(ds, fit_probe(ds, emb, kind="cost"))
        assert scores.drop_nulls("score").height == N_REPLICA

    return timed(work)


def probe_replica_moderation(folder: Path) -> float:
    """The same with one head for each of 14 categories, and for severity."""
    import btviz

    ds = btviz.load("replica")
    emb = _vectors(ds)
    fit_probe = btviz.fit_probe

    def work() -> None:
        probe = fit_probe(ds, emb, kind="moderation")
        assert probe.out_of_fold["pair_id"].n_unique() == N_REPLICA

    return timed(work)


def metrics_replica(folder: Path) -> float:
    """All metrics of a reward and a cost of the replica's 110,822 pairs, with 1,000 replicates."""
    import numpy as np
    import polars as pl

    import btviz

    ds = btviz.load("replica")
    rng = np.random.default_rng(0)
    unsafe = (~ds.pairs["is_safe"]).to_numpy().astype(float)
    scores = pl.concat(
        ds.pairs.select(
            "pair_id",
            pl.lit(kind).alias("model"),
            pl.lit(kind).alias("kind"),
            pl.lit(None, pl.String).alias("target"),
            pl.Series("score", rng.normal(size=len(unsafe)) + lead * unsafe),
        )
        for kind, lead in (("cost", 0.8), ("reward", -0.3))
    )
    score_metrics = btviz.score_metrics

    def work() -> None:
        found = score_metrics(scores, ds, n_boot=1000)
        assert found.filter(grouping="all", metric="auc")["n"].to_list() == [N_REPLICA] * 2

    return timed(work)


def _vectors(ds: Any) -> Any:
    """Vectors of the answers, made on the first call, then read from the store: words in random directions."""
    import numpy as np

    import btviz
    from btviz.texts import CallableEncoder

    directions = np.random.default_rng(0).normal(size=(4096, WIDTH)).astype(np.float32)

    def mean_of_words(texts: list[str]) -> Any:
        return np.stack(
            [directions[[zlib.crc32(w.encode()) % 4096 for w in text.split()]].mean(axis=0) for text in texts]
        )

    return btviz.embed(ds, text="qa", encoder=CallableEncoder(mean_of_words, name="mean-of-words", version="1"))


PROBE_CASES: dict[str, Callable[[Path], float]] = {
    case.__name__: case for case in (probe_replica, probe_replica_moderation, metrics_replica)
}
