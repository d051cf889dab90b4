"""How far a map can be trusted: neighbours in the plane against neighbours among the vectors.

Trustworthiness and continuity as Venna & Kaski (2001) define them. A text that is among the k
nearest on one side, and of rank r > k on the other, costs r - k; the sum is scaled such that 1
is a perfect map and 0 the worst. Trustworthiness charges false neighbours on the map, continuity
true ones torn apart. Neighbour recall is the share of the k nearest vectors that are among the
k nearest on the map.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.arguments import seed, whole_number
from btviz.errors import UsageError
from btviz.machine.progress import bar
from btviz.store import Draft, Key, Store, fingerprint
from btviz.texts.datamap.fit import expect_points
from btviz.texts.embedding import Embeddings
from btviz.texts.neighbors.grid import Grid, blocks

_STREAM = 0x71  # another than that of the landmarks, so that one seed does not judge only these

STATISTICS = ("trustworthiness", "continuity", "neighbor_recall")


def map_quality(
    points: pl.DataFrame,
    emb: Embeddings,
    *,
    n_neighbors: int = 15,
    max_texts: int = 1000,
    random_state: int = 0,
) -> pl.DataFrame:
    """Measure how well a map keeps the neighbours of its texts.

    Each distinct text counts once, however many pairs share its point, and is compared with all
    others. Above `max_texts` the neighbourhoods of a seeded sample are judged, still among all
    texts, so that the values estimate those of the whole. What was measured is stored.

    Parameters
    ----------
    points : DataFrame
        From `btviz.fit_data_map`: `pair_id`, `x`, `y`; any other map of the same pairs will do.
    emb : Embeddings
        What it is a map of.
    n_neighbors : int
        Size k of the neighbourhoods, at least 1.
    max_texts : int
        Neighbourhoods judged at most, in each group.
    random_state : int
        Seed of the sample.

    Returns
    -------
    DataFrame
        One row per statistic and group of texts: `statistic` ("trustworthiness", "continuity",
        "neighbor_recall"), `texts` ("all"; of a landmark map also "landmarks" and "placed"),
        `value` (0 .. 1), `standard_error` (of the sample; 0 where every text was judged),
        `n_neighbors`, `n_texts`, `n_judged`, and `undefined`: why a value is null.

    Raises
    ------
    UsageError
        If an option is out of range, or the map lacks a pair or has a point without place.
    """
    expect_points(points)
    options = {
        "n_neighbors": whole_number(n_neighbors, name="n_neighbors", least=1),
        "max_texts": whole_number(max_texts, name="max_texts", least=1),
        "random_state": seed(random_state),
    }
    plane, is_landmark = _per_text(points, emb)
    groups = {"all": np.arange(len(emb))}
    if is_landmark is not None:
        groups |= {"landmarks": np.flatnonzero(is_landmark), "placed": np.flatnonzero(~is_landmark)}

    def make(draft: Draft) -> None:
        judged = (
            _judged(plane, emb, rows, **options).select(
                "statistic", pl.lit(name).alias("texts"), pl.exclude("statistic")
            )
            for name, rows in groups.items()
        )
        draft.table("quality", pl.concat(judged))

    places = fingerprint(plane.tobytes(), b"" if is_landmark is None else is_landmark.tobytes())
    return Store().build(Key("map-quality", (emb.fingerprint, places), options), make).table("quality")


def _per_text(points: pl.DataFrame, emb: Embeddings) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_] | None]:
    """Place of each text, shape (n, 2), and whether it is a landmark."""
    first = emb.pairs.unique("text_id", keep="first", maintain_order=True).sort("text_id")
    table = first.join(points, on="pair_id", how="left", maintain_order="left")
    plane = table.select(pl.col("x", "y").cast(pl.Float64)).to_numpy()
    missing = len(emb) - int(np.isfinite(plane).all(axis=1).sum())
    if missing:
        raise UsageError(
            f"The quality of a map of {len(emb):,} texts was asked for; {missing:,} of them have no place on it. "
            "Give the map of these embeddings."
        )
    return plane, table["landmark"].to_numpy() if "landmark" in table.columns else None


def _judged(
    plane: npt.NDArray[np.float64],
    emb: Embeddings,
    rows: npt.NDArray[np.intp],
    *,
    n_neighbors: int,
    max_texts: int,
    random_state: int,
) -> pl.DataFrame:
    n, n_group = len(emb), len(rows)
    if n_group > max_texts:
        rows = np.sort(np.random.default_rng((random_state, _STREAM)).choice(rows, max_texts, replace=False))
    why: str | None = None
    value: list[float] | None = None
    error: list[float] | None = None
    if n_group == 0:
        why = "no text is in this group"
    elif 2 * n_neighbors >= n:
        why = f"{n_neighbors} neighbours need more than {2 * n_neighbors} texts"
    if why is None:
        scores = _scores(plane, emb.vectors, rows, n_neighbors=n_neighbors)
        unseen = np.sqrt(1 - len(rows) / n_group)
        spread = scores.std(axis=0, ddof=1) if len(rows) > 1 else np.full(len(STATISTICS), np.nan)
        value = scores.mean(axis=0).tolist()
        error = [0.0 if unseen == 0 else float(s * unseen / np.sqrt(len(rows))) for s in spread]
    return pl.DataFrame({"statistic": STATISTICS}).with_columns(
        pl.Series("value", value or [None] * len(STATISTICS), pl.Float64),
        pl.Series("standard_error", error or [None] * len(STATISTICS), pl.Float64).fill_nan(None),
        pl.lit(n_neighbors, pl.Int64).alias("n_neighbors"),
        pl.lit(n_group, pl.Int64).alias("n_texts"),
        pl.lit(len(rows) if why is None else 0, pl.Int64).alias("n_judged"),
        pl.lit(why, pl.String).alias("undefined"),
    )


def _scores(
    plane: npt.NDArray[np.float64],
    vectors: npt.NDArray[np.float32],
    rows: npt.NDArray[np.intp],
    *,
    n_neighbors: int,
) -> npt.NDArray[np.float64]:
    """The three statistics of each of some texts, shape (m, 3)."""
    n, k = len(plane), n_neighbors
    grid = Grid.of(vectors)
    scores = np.empty((len(rows), 3))
    with bar(f"Judging the places of {len(rows):,} texts", total=len(rows)) as update:
        for part in blocks(len(rows), against=n):
            judged = rows[part]
            high = grid.squared(vectors[judged])
            low = ((plane[judged, None, :] - plane[None, :, :]) ** 2).sum(axis=2)
            for place, row in enumerate(judged):
                scores[part.start + place] = _costs(high[place], low[place], int(row), k)
            update(part.stop)
    scores[:, :2] = 1 - 2 * scores[:, :2] / (k * (2 * n - 3 * k - 1))
    return scores


def _costs(
    high: npt.NDArray[np.float64], low: npt.NDArray[np.float64], text: int, k: int
) -> tuple[float, float, float]:
    """What false and torn neighbours of one text cost, and the share kept."""
    high[text] = low[text] = np.inf
    sorted_high, sorted_low = np.sort(high), np.sort(low)
    # Of equally near texts none counts as nearer than another.
    true_rank = np.searchsorted(sorted_high, high[_nearest(low, sorted_low[k - 1], k)]) + 1
    map_rank = np.searchsorted(sorted_low, low[_nearest(high, sorted_high[k - 1], k)]) + 1
    false, torn = np.maximum(true_rank - k, 0).sum(), np.maximum(map_rank - k, 0).sum()
    return float(false), float(torn), float((true_rank <= k).mean())


def _nearest(distances: npt.NDArray[np.float64], limit: np.float64, k: int) -> npt.NDArray[np.intp]:
    close = np.flatnonzero(distances <= limit)
    return close[np.argsort(distances[close], kind="stable")[:k]]
