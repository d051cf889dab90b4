"""Prompts with three or more answers: partial orders rebuilt from comparisons, and their cycles."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.preference.comparisons import Comparisons
from btviz.stats.association import ratio

FEWEST_ANSWERS = 3
"""Answers that a prompt needs: with two there is one comparison and nothing to rebuild."""

SCHEMA = pl.Schema(
    {
        "prompt_id": pl.UInt64(),
        "answers": pl.Int64(),
        "comparisons": pl.Int64(),
        "compared_pairs": pl.Int64(),
        "tau_b": pl.Float64(),
        "contradictions_better": pl.Int64(),
        "contradictions_safer": pl.Int64(),
        "triples": pl.Int64(),
        "cycles_better": pl.Int64(),
        "cycles_safer": pl.Int64(),
        "is_order_better": pl.Boolean(),
        "is_order_safer": pl.Boolean(),
        "undefined": pl.String(),
    }
)

Relations = NDArray[np.bool_]
"""Shape (prompts, k, k): whether answer i was preferred to answer j."""


def order_table(comparisons: Comparisons) -> pl.DataFrame:
    """Rebuild the two orders of the answers of each prompt, and compare them.

    An order is the transitive closure of its comparisons. Two answers that it does not order,
    or that a cycle orders both ways, count as tied.
    """
    frame = comparisons.frame.filter(pl.col("pair_id_0") != pl.col("pair_id_1"))
    nodes = pl.concat(frame.select("prompt", pl.col(f"pair_id_{side}").alias("pair_id")) for side in (0, 1)).unique()
    nodes = nodes.with_columns(
        (pl.col("pair_id").rank("dense").over("prompt") - 1).cast(pl.Int64).alias("node"),
        pl.len().over("prompt").cast(pl.Int64).alias("answers"),
    )
    edges = frame.select("prompt_id", "prompt", "better", "safer", "pair_id_0", "pair_id_1")
    for side in (0, 1):
        found = nodes.rename({"pair_id": f"pair_id_{side}", "node": f"node_{side}"})
        edges = edges.join(found.select(pl.exclude("answers") if side else pl.all()), on=["prompt", f"pair_id_{side}"])
    large = edges.filter(pl.col("answers") >= FEWEST_ANSWERS)
    tables = [_of_size(part, size) for (size,), part in large.group_by("answers", maintain_order=True)]
    return pl.concat([SCHEMA.to_frame(), *tables]).sort("prompt_id")


def _of_size(edges: pl.DataFrame, size: object) -> pl.DataFrame:
    """Prompts with the same number of answers, all at once."""
    k = int(str(size))
    prompts = edges.group_by("prompt_id").agg(pl.len().cast(pl.Int64).alias("comparisons")).sort("prompt_id")
    row = edges.join(prompts.with_row_index("row").select("prompt_id", "row"), on="prompt_id", maintain_order="left")
    better, safer = (_relations(row, label, shape=(prompts.height, k, k)) for label in ("better", "safer"))
    better_rank, safer_rank = _ranking(better), _ranking(safer)
    compared = better | better.transpose(0, 2, 1)
    tau_b = ratio(
        (better_rank * safer_rank).sum(axis=(1, 2)),
        np.sqrt((better_rank**2).sum(axis=(1, 2)) * (safer_rank**2).sum(axis=(1, 2))),
    )
    table = {"answers": np.full(len(tau_b), k), "compared_pairs": compared.sum(axis=(1, 2)) // 2, "tau_b": tau_b}
    table["triples"] = _closed_triples(compared) // 2  # each triple can be walked round in two directions
    for label, relation in (("better", better), ("safer", safer)):
        table[f"contradictions_{label}"] = (relation & relation.transpose(0, 2, 1)).sum(axis=(1, 2)) // 2
        table[f"cycles_{label}"] = _closed_triples(relation & ~relation.transpose(0, 2, 1))
        table[f"is_order_{label}"] = ~np.einsum("pii->pi", _closure(relation)).any(axis=1)
    undefined = pl.when(pl.col("tau_b").is_null()).then(pl.lit("cycles leave all answers tied"))
    return (
        prompts.with_columns(pl.Series(name, values) for name, values in table.items())
        .with_columns(pl.col("tau_b").fill_nan(None))
        .with_columns(undefined.alias("undefined"))
        .select(list(SCHEMA))
        .cast(SCHEMA)
    )


def _relations(edges: pl.DataFrame, label: str, *, shape: tuple[int, int, int]) -> Relations:
    chosen = edges[label].to_numpy() == 1
    ends = [edges[f"node_{side}"].to_numpy() for side in (0, 1)]
    relation = np.zeros(shape, bool)
    relation[edges["row"].to_numpy(), np.where(chosen, ends[1], ends[0]), np.where(chosen, ends[0], ends[1])] = True
    return relation


def _closure(relation: Relations) -> Relations:
    reached = relation
    for _ in range(int(relation.shape[1]).bit_length()):
        reached = reached | _composed(reached, reached)
    return reached


def _composed(first: Relations, second: Relations) -> Relations:
    # 32-bit floats go through BLAS, and their sums of up to k ones are exact
    product: Relations = np.matmul(first.astype(np.float32), second.astype(np.float32)) > 0
    return product


def _ranking(relation: Relations) -> NDArray[np.int64]:
    """+1 where i stands above j, -1 where below, 0 where tied, for each ordered pair."""
    above = _closure(relation).astype(np.int64)
    ranking: NDArray[np.int64] = above - above.transpose(0, 2, 1)
    return ranking


def _closed_triples(relation: Relations) -> NDArray[np.int64]:
    """Directed cycles of length three."""
    counts = relation.astype(np.float64)
    walks = np.einsum("pij,pji->p", counts @ counts, counts)
    triples: NDArray[np.int64] = np.rint(walks / 3).astype(np.int64)
    return triples
