"""From a lasso to the inspector and the bars, as far as Python has a part in it: no browser."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.running import stage

N_POINTS = 100_000
TIMES = 7


def lasso_few(folder: Path) -> float:
    """1,000 of 100,000 points."""
    return asyncio.run(_slowest(1_000))


def lasso_half(folder: Path) -> float:
    """50,000 of 100,000 points."""
    return asyncio.run(_slowest(50_000))


def lasso_most(folder: Path) -> float:
    """93,000 of 100,000 points."""
    return asyncio.run(_slowest(93_000))


async def _slowest(n: int) -> float:
    """Slowest of a few lassos, to the list of pairs; as in a kernel the bars follow beside it, here as a stage."""
    import numpy as np

    explorer = explorer_of(N_POINTS)
    took = []
    for turn in range(TIMES):
        # ids ascend at random over the map: the first n places stand for a region
        places = np.arange(turn, turn + n, dtype=np.uint32)
        begun = perf_counter()
        explorer.map.scatter.selection = places  # as the browser sets it
        took.append(perf_counter() - begun)
        assert explorer.inspector.view["listed"] == n
        with stage("bars and matrix") if turn == TIMES - 1 else nullcontext():
            while explorer.contrast._background.is_running:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.01)  # and the chart is drawn
        assert explorer.contrast.contrast["n"][0] <= n
    return max(took)


def explorer_of(n: int) -> Any:
    """A `TopicExplorer` of the replica: its first n pairs, each at a place of its own around one of 50 centres."""
    import numpy as np
    import polars as pl

    import btviz
    from btviz.texts import Embeddings

    ds = btviz.load("replica")
    ids = ds.pairs["pair_id"].head(n)
    draw = np.random.default_rng(0)
    xy = (draw.uniform(0, 20, (50, 2))[draw.integers(50, size=n)] + draw.normal(0, 0.3, (n, 2))).astype(np.float32)
    points = pl.DataFrame({"pair_id": ids, "x": xy[:, 0], "y": xy[:, 1]})
    turned = np.column_stack([np.cos(np.arange(n)), np.sin(np.arange(n))]).astype(np.float32)
    pairs = pl.DataFrame({"pair_id": ids, "text_id": ids})
    emb = Embeddings(ids.to_numpy(), turned, pairs, text="prompt", encoder="none", fingerprint="lasso")
    topics = btviz.fit_topics(ds, points, embeddings=emb)
    whole = dict.fromkeys(("n_neighbors", "n_texts", "n_judged"), pl.Int64)
    quality = pl.DataFrame(schema={"statistic": pl.String, "texts": pl.String, "value": pl.Float64, **whole})
    return btviz.widgets.TopicExplorer(ds, points=points, topics=topics, embeddings=emb, quality=quality)


LASSO_CASES: dict[str, Callable[[Path], float]] = {case.__name__: case for case in (lasso_few, lasso_half, lasso_most)}
