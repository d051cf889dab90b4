"""The tables of `make bench`: what each case took, what was compared, and with what aim."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Mapping
from pathlib import Path

from benchmarks.running import Outcome

# ours, theirs, what is compared, what we aim at
RATIOS: tuple[tuple[str, str, str, float | None], ...] = (
    ("cold_jsonl", "pandas_jsonl", "cold load of plain .jsonl, checked, against pandas read_json + json_normalize", 4),
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
    ("embed_real", "plain_encode_real", "embedding the 3,021 real pairs, to the store, against the same", 1.5),
    ("embed_prompts", "plain_encode_prompts", "embedding 16,851 distinct prompts, to the store, against the same", 1.5),
    ("neighbors_exact", "neighbors_faiss", "exact neighbours of the replica's prompts against FAISS, flat", 1),
    ("neighbors_exact", "neighbors_sklearn", "the same against scikit-learn", None),
    ("neighbors_exact", "neighbors_descent", "the same against nearest-neighbour descent, approximate", None),
    ("neighbors_lists", "neighbors_lists_faiss", "neighbours of the replica's 110,822 pairs against FAISS, IVF", 1),
    ("layout", "layout_umap", "layout of 16,851 prompts, neighbours known, against umap-learn's", None),
    ("layout_qa", "layout_qa_umap", "layout of 110,822 pairs, neighbours known, against umap-learn's", None),
    ("topics_real", "bertopic_real", "map and topics of 3,021 real pairs against BERTopic's README", 5),
    ("topics_real", "bertopic_real_map", "the same against BERTopic's README and its 2-D map", 5),
    ("topics_real", "bertopic_real_pca", "the same against BERTopic with a PCA start", None),
    ("topics_prompts", "bertopic_prompts", "map and topics of the replica's 16,851 prompts against the README", 5),
    ("topics_prompts", "bertopic_prompts_pca", "the same against BERTopic with a PCA start", None),
    ("topics_qa", "bertopic_qa", "map and topics of the replica's 110,822 pairs against BERTopic's README", 5),
    ("topics_qa", "bertopic_qa_pca", "the same against BERTopic with a PCA start", None),
)

# case, what is measured, unit, what we aim at; of seconds unless the unit is MB
LIMITS: tuple[tuple[str, str, str, float], ...] = (
    ("click", "slowest of 196 clicks in the explorer", "s", 0.5),
    ("lasso_few", "lasso of 1,000 of 100,000 points to the list of pairs, Python's part", "s", 0.3),
    ("lasso_half", "the same of 50,000 points", "s", 0.3),
    ("lasso_most", "the same of 93,000 points", "s", 0.3),
    ("lasso_browser", "slowest of five lassos, mouse to list of pairs in the browser, 100,000 points", "s", 0.3),
    ("neighbors_exact", "30 neighbours of each of the replica's prompts", "s", 2),
    ("neighbors_lists", "30 neighbours of each of the replica's 110,822 pairs", "s", 10),
    ("prompts_reopened", "reopening the map and topics of the replica's prompts", "s", 2),
    ("qa_reopened", "reopening those of the replica's 110,822 pairs", "s", 2),
    ("cooccurrence_100m", "co-occurrence over 100 million rows, peak", "MB", 2000),
    ("orthogonality", "full orthogonality report", "s", 10),
)


def tables(seen: Mapping[str, Outcome], folder: Path) -> str:
    """All tables, as Markdown; what was not run has no line."""
    parts = [
        f"Python {platform.python_version()}, {os.cpu_count()} cores. Full-size replica: 333,963 annotations.",
        _table("| case | seconds | peak memory, MB |\n|---|---:|---:|", [_case(name, seen[name]) for name in seen]),
        _table("| case | stage | seconds | peak memory, MB |\n|---|---|---:|---:|", _stages(seen)),
        _table("| compared | seen | aim |\n|---|---:|---:|", [*_ratios(seen), *_limits(seen), *_padding(seen, folder)]),
        *(outcome.table for outcome in seen.values() if outcome.table),
    ]
    return "\n\n".join(part for part in parts if part)


def _table(head: str, rows: list[str]) -> str:
    return "\n".join([head, *rows]) if rows else ""


def _case(name: str, outcome: Outcome) -> str:
    if outcome.said:
        return f"| {name} | {outcome.said} | – |"
    return f"| {name} | {outcome.seconds:.3f} | {outcome.peak_mb:,.0f} |"


def _stages(seen: Mapping[str, Outcome]) -> list[str]:
    return [
        f"| {name} | {stage.name} | {stage.seconds:.2f} | {_mb(stage.peak_mb)} |"
        for name, outcome in seen.items()
        for stage in outcome.stages
    ]


def _mb(peak: float) -> str:
    return "–" if math.isnan(peak) else f"{peak:,.0f}"


def _ratios(seen: Mapping[str, Outcome]) -> list[str]:
    return [
        f"| {what} | {_ratio(seen[ours], seen[theirs])} | {f'{aim:g}x' if aim else '–'} |"
        for ours, theirs, what, aim in RATIOS
        if ours in seen and theirs in seen
    ]


def _ratio(ours: Outcome, theirs: Outcome) -> str:
    """How many times as long theirs took, at least where theirs did not finish."""
    if math.isnan(ours.seconds) or math.isnan(theirs.seconds):
        return "–"
    if math.isinf(ours.seconds):
        return "ours did not finish"
    if math.isinf(theirs.seconds):
        return f"theirs {theirs.said}, ours took {ours.seconds:.1f} s"
    return f"{theirs.seconds / ours.seconds:.1f}x"


def _limits(seen: Mapping[str, Outcome]) -> list[str]:
    rows = []
    for name, what, unit, aim in LIMITS:
        if name in seen:
            outcome = seen[name]
            value = f"{outcome.seconds:.3f}" if unit == "s" else f"{outcome.peak_mb:,.0f}"
            rows.append(f"| {what}, {unit} | {outcome.said or value} | {aim:,g} |")
    return rows


def _padding(seen: Mapping[str, Outcome], folder: Path) -> list[str]:
    """What scoring is compared by beside seconds, as far as both sides have run."""
    file = folder / "scoring.json"
    noted = json.loads(file.read_text()) if file.exists() else {}
    ours, plain = (noted.get(name) if case in seen else None for name, case in _NOTED)
    rows = []
    if ours and plain:
        rows.append(
            f"| padded tokens, plain loop against `btviz.score` | {plain['padded'] / ours['padded']:.1f}x | 3x |"
        )
    for what, side in (("`btviz.score`", ours), ("plain loop", plain)):
        if side:
            rows.append(f"| annotated rows per second, {what} | {side['rows'] / side['seconds']:,.0f} | – |")
    return rows


_NOTED = (("scoring", "scoring"), ("plain", "scoring_plain_loop"))
