"""``python -m benchmarks``: every case in a process of its own, then the ratios."""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import sys
from pathlib import Path

from benchmarks.cases import CASES, main, prepare
from benchmarks.maps import MAP_CASES
from benchmarks.scoring import scoring_ratios
from benchmarks.topics import TOPIC_CASES, real_qualities

# ours, theirs, what is compared, what we aim at
RATIOS = (
    ("cold_jsonl", "pandas_jsonl", "cold load of plain .jsonl, checked, against pandas read_json + json_normalize", 3),
    ("cold_jsonl", "pandas_pairs", "the same against pandas to the same two tables", None),
    ("cold_jsonl", "datasets_style_polars", "the same against an unchecked polars read_ndjson", None),
    ("cold_xz", "pandas_xz", "cold load of .jsonl.xz against pandas", None),
    ("warm", "cold_jsonl", "warm load against our own cold load", 20),
    ("cooccurrence", "pandas_cooccurrence", "co-occurrence, all coefficients, against corr + 91 crosstabs", 10),
    ("bootstrap_phi", "bootstrap_phi_loop", "10,000 replicates of 91 phi by prompt against a plain loop, scaled", 200),
    ("bootstrap_share", "scipy_share", "10,000 replicates of P(better = safer) against scipy.stats.bootstrap", None),
    ("scoring", "scoring_plain_loop", "scoring three annotations a pair against a plain loop of 32 padded rows", 3),
    ("scoring_ray", "scoring_two_processes", "scoring on two Ray workers against two local processes", 0.9),
    ("embed_qa", "plain_encode_qa", "embedding 600 QA texts against SentenceTransformer.encode", 1.5),
    ("topics_real", "bertopic_real", "map and topics of 3,021 real pairs against BERTopic as its README shows it", 5),
    ("topics_real", "bertopic_real_pca", "the same against BERTopic with a PCA start", None),
    ("topics_replica", "bertopic_replica", "map and topics of the replica's prompts against BERTopic's README", 5),
    ("topics_replica", "bertopic_replica_pca", "the same against BERTopic with a PCA start", None),
)
REPEATS = 3
ONCE = ("100m", "xz", "loop", *MAP_CASES, *TOPIC_CASES)
PATIENCE = 900  # seconds; the peers' spectral start may not come to an end


def measure(name: str, folder: Path) -> dict[str, float]:
    """Median seconds and largest peak of a few runs; infinite for what takes longer than anyone waits."""
    repeats = 1 if name.endswith(ONCE) else REPEATS
    command = [sys.executable, "-m", "benchmarks", "case", name, str(folder)]
    environment = os.environ | {"BTVIZ_DATA_DIR": str(folder)}
    runs = []
    for _ in range(repeats):
        try:
            done = subprocess.run(
                command, env=environment, check=True, stdout=subprocess.PIPE, text=True, timeout=PATIENCE
            )
        except subprocess.TimeoutExpired:
            return {"seconds": math.inf, "peak_mb": math.nan}
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    seconds = sorted(run["seconds"] for run in runs)[repeats // 2]
    return {"seconds": seconds, "peak_mb": max(run["peak_mb"] for run in runs)}


def report(folder: Path) -> str:
    """Run everything and return the table as Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["BTVIZ_DATA_DIR"] = str(folder)
    prepare(folder)
    seen = {}
    for name in CASES:
        print(f"{name} ...", file=sys.stderr, flush=True)
        seen[name] = measure(name, folder)
    lines = [
        f"Python {platform.python_version()}, {os.cpu_count()} cores. Full-size replica: 333,963 annotations.",
        "",
        "| case | seconds | peak memory, MB |",
        "|---|---:|---:|",
        *(f"| {name} | {run['seconds']:.3f} | {run['peak_mb']:,.0f} |" for name, run in seen.items()),
        "",
        "| compared | ratio | aim |",
        "|---|---:|---:|",
        *(
            f"| {what} | {seen[theirs]['seconds'] / seen[ours]['seconds']:.1f}x | {f'{aim}x' if aim else '–'} |"
            for ours, theirs, what, aim in RATIOS
        ),
        f"| slowest of 196 clicks in the explorer, seconds | {seen['click']['seconds']:.3f} | 0.5 |",
        f"| co-occurrence over 100 million rows, peak MB | {seen['cooccurrence_100m']['peak_mb']:,.0f} | 2,000 |",
        f"| full orthogonality report, seconds | {seen['orthogonality']['seconds']:.1f} | 10 |",
        scoring_ratios(folder),
        "",
        real_qualities(folder),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    if sys.argv[1:2] == ["case"]:
        main(sys.argv[2], Path(sys.argv[3]))
    else:
        print(report(Path(sys.argv[1] if len(sys.argv) > 1 else "data/bench")))
