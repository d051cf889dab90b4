"""Scores: a small LLaMA of the Beaver layout by us, a plain loop, Ray and local processes; a large one on a card."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.models import COPIES, N_PAIRS, annotations, seven_billion_model, small_model
from benchmarks.populations import timed
from benchmarks.running import Skipped

PLAIN_ROWS = 32
N_CARD = 4096
TOKENS_PER_BATCH = 2048
"""Of the plan that Ray and the two processes share."""


def scoring(folder: Path) -> float:
    """Seconds of `btviz.score`, each distinct pair once, in batches of similar length."""
    import btviz

    model = btviz.load_score_model(small_model(folder), dtype="float32")
    ds = btviz.load(annotations(folder))
    assert ds.pairs.height == N_PAIRS
    _forget(folder)
    score = btviz.score
    seconds = timed(lambda: score(ds, model))
    _note(folder, "scoring", padded=_padded_ours(folder), rows=N_PAIRS * COPIES, seconds=seconds)
    return seconds


def scoring_plain_loop(folder: Path) -> float:
    """The same by a fixed batch of 32, padded to the longest, one row per annotation."""
    import numpy as np
    import torch

    import btviz

    model = btviz.load_score_model(small_model(folder), dtype="float32")
    rows = [json.loads(line) for line in annotations(folder).read_text().splitlines()]
    padded = 0

    def work() -> None:
        nonlocal padded
        for start in range(0, len(rows), PLAIN_ROWS):
            part = rows[start : start + PLAIN_ROWS]
            ids = model.encode([row["prompt"] for row in part], [row["response"] for row in part])
            padded += len(ids) * max(map(len, ids))
            assert np.isfinite(model.score_encoded(ids)).all()

    torch.set_grad_enabled(False)
    seconds = timed(work)
    _note(folder, "plain", padded=padded, rows=len(rows), seconds=seconds)
    return seconds


def scoring_ray(folder: Path) -> float:
    """Seconds of two Ray workers, from the first batch that they gave back on."""
    import btviz

    model = btviz.load_score_model(small_model(folder), dtype="float32")
    ds = btviz.load(annotations(folder, N_CARD))
    _forget(folder)
    times: list[float] = []
    btviz.score(
        ds,
        model,
        engine="ray",
        workers=2,
        tokens_per_batch=TOKENS_PER_BATCH,
        progress=lambda _: times.append(time.perf_counter()),
    )
    per_batch = (times[-1] - times[0]) / (len(times) - 1)
    return per_batch * len(times)  # the first batch waits for the workers to start


def scoring_two_processes(folder: Path) -> float:
    """The same by two plain processes of one thread, each with every second batch of the same plan."""
    command = [sys.executable, "-m", "benchmarks.scoring", str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    running = [
        subprocess.Popen([*command, str(half)], env=environment, stdout=subprocess.PIPE, text=True) for half in (0, 1)
    ]
    found = [json.loads(process.communicate()[0].splitlines()[-1]) for process in running]
    per_batch = (max(end for _, end, _ in found) - min(start for start, _, _ in found)) / (
        sum(n for *_, n in found) - 2
    )
    return per_batch * sum(n for *_, n in found)


def scoring_card(folder: Path) -> float:
    """Seconds of 4,096 answers by a cost model of 7 billion random weights on a GPU; share of its peak is said."""
    import torch

    if not torch.cuda.is_available():
        raise Skipped("no GPU is here")
    import btviz

    model = btviz.load_score_model(seven_billion_model(folder))
    ds = btviz.load(annotations(folder, N_CARD))
    model.score(ds.pairs["prompt"].head(64).to_list(), ds.pairs["response"].head(64).to_list())  # chooses its kernels
    _forget(folder)
    score = btviz.score
    return timed(lambda: score(ds, model))


SCORING_CASES: dict[str, Callable[[Path], float]] = {
    case.__name__: case for case in (scoring, scoring_plain_loop, scoring_ray, scoring_two_processes, scoring_card)
}


def _half(folder: Path, half: int) -> None:
    """Score every second batch; print when the first one was done, the last one, and how many."""
    import btviz
    from btviz.machine import Room
    from btviz.models.batches import by_length, inputs_of, lengths_of, score_inputs

    model = btviz.load_score_model(small_model(folder), dtype="float32")
    pairs = btviz.load(annotations(folder, N_CARD)).pairs
    inputs = inputs_of(model, pairs["prompt"].to_list(), responses=pairs["response"].to_list())
    lengths = lengths_of(inputs)
    ends, room = [], Room()
    for rows in by_length(lengths, budget=TOKENS_PER_BATCH)[half::2]:
        ids = pairs["pair_id"].gather(rows).to_list()
        score_inputs(model, [inputs[i] for i in rows], length=int(lengths[rows].max()), pair_ids=ids, room=room)
        ends.append(time.perf_counter())
    print(json.dumps([ends[0], ends[-1], len(ends)]))


def _padded_ours(folder: Path) -> int:
    import polars as pl

    (plan,) = [pl.read_parquet(file) for file in (folder / "store").glob("score-plans/*.shards/*.parquet")]
    return int(plan["length"].sum())


def _note(folder: Path, name: str, **seen: float) -> None:
    file = folder / "scoring.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(known | {name: seen}))


def _forget(folder: Path) -> None:
    for kind in ("scores", "score-plans"):
        shutil.rmtree(folder / "store" / kind, ignore_errors=True)


if __name__ == "__main__":
    _half(Path(sys.argv[1]), int(sys.argv[2]))
