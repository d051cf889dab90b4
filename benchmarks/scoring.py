"""Scores: a small LLaMA of the Beaver layout by us, a plain loop, Ray and local processes; probes; metrics."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "beavertails" / "30k_test.jsonl"
COPIES = 3
"""Annotations of each pair, as in BeaverTails-330k (3.01)."""

PLAIN_ROWS = 32
N_PAIRS = 512
N_REPLICA = 110_822
WIDTH = 384
HIDDEN, LAYERS, VOCAB = 128, 2, 512


def scoring(folder: Path) -> float:
    """Seconds of `btviz.score`, each distinct pair once, in batches of similar length."""
    import btviz

    model = btviz.load_score_model(_checkpoint(folder), dtype="float32")
    ds = btviz.load(_annotations(folder))
    assert ds.pairs.height == N_PAIRS
    _forget(folder)
    score = btviz.score
    seconds, _ = _timed(lambda: score(ds, model))
    _note(folder, "scoring", padded=_padded_ours(folder), rows=N_PAIRS * COPIES, seconds=seconds)
    return seconds


def scoring_plain_loop(folder: Path) -> float:
    """The same by a fixed batch of 32, padded to the longest, one row per annotation."""
    import numpy as np
    import torch

    import btviz

    model = btviz.load_score_model(_checkpoint(folder), dtype="float32")
    rows = [json.loads(line) for line in _annotations(folder).read_text().splitlines()]
    padded = 0

    def work() -> None:
        nonlocal padded
        for start in range(0, len(rows), PLAIN_ROWS):
            part = rows[start : start + PLAIN_ROWS]
            ids = model.encode([row["prompt"] for row in part], [row["response"] for row in part])
            padded += len(ids) * max(map(len, ids))
            assert np.isfinite(model.score_encoded(ids)).all()

    torch.set_grad_enabled(False)
    seconds, _ = _timed(work)
    _note(folder, "plain", padded=padded, rows=len(rows), seconds=seconds)
    return seconds


def scoring_ray(folder: Path) -> float:
    """Seconds of two Ray workers, from the first batch that they were given on."""
    import btviz

    model = btviz.load_score_model(_checkpoint(folder), dtype="float32")
    ds = btviz.load(_annotations(folder))
    _forget(folder)
    times = []
    btviz.score(
        ds, model, engine="ray", workers=2, tokens_per_batch=2048, progress=lambda _: times.append(time.perf_counter())
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


# Probes and metrics -----------------------------------------------------------------------------


def probe_replica(folder: Path) -> float:
    """A cost probe cross-fitted on the replica's 110,822 pairs, and their scores, from cached vectors."""
    import btviz

    ds = btviz.load("replica")
    emb = _replica_vectors(ds)
    fit_probe, score = btviz.fit_probe, btviz.score

    def work() -> None:
        scores = score(ds, fit_probe(ds, emb, kind="cost"))
        assert scores.drop_nulls("score").height == N_REPLICA

    return _timed(work)[0]


def probe_replica_moderation(folder: Path) -> float:
    """The same with one head for each of 14 categories, and for severity."""
    import btviz

    ds = btviz.load("replica")
    emb = _replica_vectors(ds)
    fit_probe = btviz.fit_probe
    seconds, probe = _timed(lambda: fit_probe(ds, emb, kind="moderation"))
    assert probe.out_of_fold["pair_id"].n_unique() == N_REPLICA
    return seconds


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
    seconds, found = _timed(lambda: score_metrics(scores, ds, n_boot=1000))
    assert found.filter(grouping="all", metric="auc")["n"].to_list() == [N_REPLICA] * 2
    return seconds


def _replica_vectors(ds: Any) -> Any:
    """Vectors of the answers, made on the first call, then read from the store: words in random directions."""
    import zlib

    import numpy as np

    import btviz
    from btviz.embedding.encoder import CallableEncoder

    directions = np.random.default_rng(0).normal(size=(4096, WIDTH)).astype(np.float32)

    def mean_of_words(texts: list[str]) -> Any:
        return np.stack(
            [directions[[zlib.crc32(w.encode()) % 4096 for w in text.split()]].mean(axis=0) for text in texts]
        )

    return btviz.embed(ds, text="qa", encoder=CallableEncoder(mean_of_words, name="mean-of-words", version="1"))


SCORING_CASES = {
    case.__name__: case
    for case in (
        scoring,
        scoring_plain_loop,
        scoring_ray,
        scoring_two_processes,
        probe_replica,
        probe_replica_moderation,
        metrics_replica,
    )
}


# What the cases read ----------------------------------------------------------------------------


def _half(folder: Path, half: int) -> None:
    """Score every second batch; print when the first one was done, the last one, and how many."""
    import btviz
    from btviz.scoring.batches import inputs_of, lengths_of, score_inputs
    from btviz.scoring.planning import by_length

    model = btviz.load_score_model(_checkpoint(folder), dtype="float32")
    pairs = btviz.load(_annotations(folder)).pairs
    inputs = inputs_of(model, pairs["prompt"].to_list(), responses=pairs["response"].to_list())
    lengths = lengths_of(inputs)
    ends = []
    for rows in by_length(lengths, budget=2048)[half::2]:
        ids = pairs["pair_id"].gather(rows).to_list()
        score_inputs(model, [inputs[i] for i in rows], length=int(lengths[rows].max()), pair_ids=ids)
        ends.append(time.perf_counter())
    print(json.dumps([ends[0], ends[-1], len(ends)]))


def _padded_ours(folder: Path) -> int:
    import polars as pl

    (plan,) = [pl.read_parquet(file) for file in (folder / "store").glob("score-plans/*.shards/*.parquet")]
    return int(plan["length"].sum())


def _note(folder: Path, name: str, **seen: Any) -> None:
    file = folder / "scoring.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(known | {name: seen}))


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def _forget(folder: Path) -> None:
    for kind in ("scores", "score-plans"):
        shutil.rmtree(folder / "store" / kind, ignore_errors=True)


def _annotations(folder: Path) -> Path:
    """Write benign texts with the lengths of `30k_test`, or of the replica where that is missing, 3 rows a pair."""
    import random

    file = folder / "scoring.jsonl"
    if file.exists():
        return file
    source = SHARED if SHARED.exists() else folder / "replica_train.jsonl"
    with source.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    draw = random.Random(0)
    category = dict.fromkeys(rows[0]["category"], False)
    made = []
    for i, row in enumerate(draw.sample(rows, N_PAIRS)):
        texts = {key: _benign(len(row[key].split()), start=i) for key in ("prompt", "response")}
        made += [texts | {"category": category, "is_safe": True}] * COPIES
    draw.shuffle(made)
    file.write_text("".join(json.dumps(row) + "\n" for row in made))
    return file


def _benign(n_words: int, *, start: int) -> str:
    words = ["green", "tea", "is", "fine", "and", "magnets", "attract", "iron", "in", "march"]
    return " ".join([str(start), *(words[(start + i) % len(words)] for i in range(n_words))])


def _checkpoint(folder: Path) -> Path:
    """Write a small LLaMA of the Beaver layout with random weights, and a tokenizer of words."""
    target = folder / "small-cost"
    if (target / "model.safetensors").exists():
        return target
    import torch
    import transformers
    from safetensors.torch import save_file
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["<unk>", "<s>", "</s>", "<pad>", "BEGINNING", "OF", "CONVERSATION", "USER", "ASSISTANT", ":"]
    words += ["green", "tea", "is", "fine", "and", "magnets", "attract", "iron", "in", "march", *map(str, range(300))]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    ).save_pretrained(target)
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        hidden_size=HIDDEN, intermediate_size=3 * HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=4,
        vocab_size=VOCAB, pad_token_id=3,
    )  # fmt: skip
    stated = config.to_dict() | {"architectures": ["LlamaForScore"], "score_type": "cost"}
    (target / "config.json").write_text(json.dumps(stated))
    tensors = {f"model.{key}": tensor for key, tensor in transformers.LlamaModel(config).state_dict().items()}
    save_file(tensors | {"score_head.weight": torch.randn(1, HIDDEN)}, target / "model.safetensors")
    return target


if __name__ == "__main__":
    _half(Path(sys.argv[1]), int(sys.argv[2]))
