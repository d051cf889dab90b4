"""One figure over all comparisons: measures pooled over strata, and the orders of answers rebuilt from comparisons."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.errors import MissingExtraError
from btviz.preference.comparisons import STRATA, Comparisons
from btviz.preference.questions import EMPTY, Shares
from btviz.preference.shares import Floats, cells_by_prompt, reasons_of
from btviz.stats.association import SMALLEST_P, ratio
from btviz.stats.clustered import FEWEST_EFFECTIVE, ClusterInterval, effective_number, share_interval
from btviz.stats.measures import CELLS, MEASURES, by_position
from btviz.stats.quantiles import two_sided_t_p
from btviz.stats.smooth import smooth_interval
from btviz.stats.stratified import cochran_mantel_haenszel

POOLED = [name for name in MEASURES if name != "p"]
"""Measures with a row of the table; that of p stands in the table of shares."""

FURTHER = {
    "mean_tau_b": "mean over prompts with three or more answers of Kendall's tau-b between their two orders",
    "homogeneity": "p is the same in every stratum with enough prompts: Wald statistic by prompt, F distribution",
}
"""The remaining rows."""

_MEANINGS = {name: MEASURES[name].meaning for name in POOLED} | FURTHER

_ONE_STRATUM = "fewer than two strata with enough prompts of either outcome to estimate how p varies"


def pooled_table(shares: Shares, *, orders: pl.DataFrame) -> pl.DataFrame:
    """Association over all comparisons, over strata, and between rebuilt orders."""
    frame = shares.comparisons.frame
    if not frame.height:
        return unpooled("no comparison has both labels", frame)
    cells = cells_by_prompt(shares.comparisons, shares.levels[0])
    strata = cells[:, :-CELLS]  # the last is that of unknown safety
    no_strata = EMPTY if strata.any() else "no comparison has the safety of both answers"
    rows = [
        _row(name, MEASURES[name].interval(cells), nothing=no_strata if MEASURES[name].is_stratified else EMPTY)
        for name in POOLED
    ]
    rows += [_mean_tau(orders), _homogeneity(strata)]
    naive = _naive_p_values(strata.sum(axis=0).reshape(-1, CELLS))
    return _table([row | {"naive_p_value": naive.get(row["measure"])} for row in rows], frame)


def unpooled(reason: str, frame: pl.DataFrame | None = None) -> pl.DataFrame:
    """The table where nothing is measured, and why."""
    nothing = pl.DataFrame(schema={"prompt": pl.Int64})
    return _table([{"measure": name, "undefined": reason} for name in _MEANINGS], nothing if frame is None else frame)


_Row = dict[str, Any]


def _row(name: str, interval: ClusterInterval, *, nothing: str) -> _Row:
    sides = {"estimate": interval.estimate, "low": interval.low, "high": interval.high}
    values = {side: _or_none(ends[0]) for side, ends in sides.items()}
    return {"measure": name, **values, "undefined": reasons_of(interval, nothing=nothing)[0]}


def _mean_tau(orders: pl.DataFrame) -> _Row:
    tau = orders["tau_b"].drop_nulls().to_numpy()
    mean = smooth_interval(np.column_stack([np.ones(len(tau)), tau]), lambda sums: ratio(sums[:, 1:], sums[:, :1]))
    return _row("mean_tau_b", mean, nothing="no prompt has three or more answers in an order")


def _homogeneity(strata: Floats) -> _Row:
    """Wald test that p is the same in every stratum with enough prompts; 1 or 2 degrees of freedom."""
    by_stratum = strata.reshape(len(strata), len(STRATA), CELLS)
    n, same = by_stratum.sum(axis=2), by_stratum[..., 0] + by_stratum[..., 3]
    share = share_interval(same, n)
    enough = (share.effective >= FEWEST_EFFECTIVE) & ~share.is_bounded
    if enough.sum() < 2:
        return {"measure": "homogeneity", "undefined": _ONE_STRATUM}
    wald, freedom = _wald(same[:, enough], n=n[:, enough])
    if not math.isfinite(wald):
        return {"measure": "homogeneity", "undefined": "the strata vary as one, so their differences cannot be tested"}
    tail = _tail(wald, gaps=int(enough.sum()) - 1, freedom=freedom)
    return {"measure": "homogeneity", "estimate": wald, "p_value": tail}


def _wald(same: Floats, *, n: Floats) -> tuple[float, float]:
    """Wald statistic of equal shares, NaN where they vary as one, and the effective prompts of the fewest less one."""
    total = n.sum(axis=0)
    p, weight = same.sum(axis=0) / total, n / total
    moves = (same - n * p) / total / (1 - weight)  # of a share, as a prompt is left out
    moves = moves[:, 1:] - moves[:, :1]
    covariance = moves.T @ moves
    gap = p[1:] - p[0]
    if np.linalg.matrix_rank(covariance) < len(gap):
        return math.nan, math.nan
    return float(gap @ np.linalg.solve(covariance, gap)), float(effective_number(n).min() - 1)


def _tail(wald: float, *, gaps: int, freedom: float) -> float:
    """Tail of a Wald statistic of one or two differences: F's, with so many degrees of freedom."""
    if gaps == 1:
        return float(two_sided_t_p(math.sqrt(wald), df=freedom))
    return float(max((1 + wald / freedom) ** (-freedom / 2), SMALLEST_P))


def _naive_p_values(strata: Floats) -> dict[str, float | None]:
    """Cochran-Mantel-Haenszel and Breslow-Day by position; none without the package they need."""
    try:
        test = cochran_mantel_haenszel(by_position(strata))
    except MissingExtraError:
        return {}
    return {
        "odds_ratio_mh_by_position": _or_none(float(test.p_value)),
        "homogeneity": _or_none(float(test.homogeneity_p)),
    }


def _or_none(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _table(rows: list[_Row], frame: pl.DataFrame) -> pl.DataFrame:
    names = dict.fromkeys(("estimate", "low", "high", "p_value", "naive_p_value"), pl.Float64)
    schema = {"measure": pl.String, **names, "undefined": pl.String}
    return pl.DataFrame(rows, schema=schema).select(
        pl.exclude("undefined"),
        pl.lit(frame.height, pl.Int64).alias("n"),
        pl.lit(frame["prompt"].n_unique(), pl.Int64).alias("prompts"),
        pl.col("measure").replace_strict(_MEANINGS).alias("meaning"),
        "undefined",
    )


FEWEST_ANSWERS = 3
"""Answers that a prompt needs: with two there is one comparison and nothing to rebuild."""

ORDERS = pl.Schema(
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
        ends = nodes.rename({"pair_id": f"pair_id_{side}", "node": f"node_{side}"})
        edges = edges.join(ends.select(pl.exclude("answers") if side else pl.all()), on=["prompt", f"pair_id_{side}"])
    large = edges.filter(pl.col("answers") >= FEWEST_ANSWERS)
    tables = [_of_size(part, size) for (size,), part in large.group_by("answers", maintain_order=True)]
    return pl.concat([ORDERS.to_frame(), *tables]).sort("prompt_id")


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
        .select(list(ORDERS))
        .cast(ORDERS)
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
