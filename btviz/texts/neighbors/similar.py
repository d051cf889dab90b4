"""Texts that say nearly the same: those most like some, and groups of near duplicates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.arguments import whole_number
from btviz.data.dataset import Dataset
from btviz.errors import NotFoundError, UsageError, a_type
from btviz.stats.components import components
from btviz.texts.embedding import Embeddings, embed
from btviz.texts.neighbors.graph import Neighbors, nearest_neighbors
from btviz.texts.neighbors.grid import Grid, blocks, cosine, squared_between

_PRESELECTION = 1e-4  # of a cosine; far above the error of single precision

_LARGEST_ID = 2**64 - 1

Ids = pl.Series | Sequence[int]


def more_like(
    emb: Embeddings,
    text_ids: Ids | None = None,
    *,
    pair_ids: Ids | None = None,
    vector: npt.ArrayLike | None = None,
    n: int = 10,
    neighbors: Neighbors | None = None,
) -> pl.DataFrame:
    """Find the texts nearest to the middle of some texts, or to a vector.

    Parameters
    ----------
    emb : Embeddings
        From `btviz.embed`.
    text_ids, pair_ids : Series or sequence of int, optional
        The texts, or the pairs that have them; each text counts once.
    vector : array-like, shape (d,), optional
        Of a text that need not be among them, from the same encoder; of any length but 0.
        Give one of the three.
    n : int
        Texts wanted, at least 1.
    neighbors : Neighbors, optional
        The graph of these embeddings, if it is at hand. It is read where it holds the answer:
        for one text, if it is exact and wide enough. Otherwise all vectors are compared, in
        some hundredths of a second for 100,000. The answer is exact, and the same, either way.

    Returns
    -------
    DataFrame
        Nearest first, the given texts left out; of equally near texts the lower id first:
        `rank` (from 1), `text_id`, `distance` (cosine, 0 .. 2), `n_pairs` (pairs that have this
        text; join ``emb.pairs`` on `text_id` to see which), `similarity` (cosine, -1 .. 1: one less
        the distance). Fewer rows than `n` where there are fewer other texts.

    Raises
    ------
    UsageError
        Unless exactly one of the three is given, and has a direction; or if the graph belongs
        to other embeddings.
    NotFoundError
        If a text or pair was not embedded.
    """
    n = whole_number(n, name="n", least=1)
    if neighbors is not None and neighbors.fingerprint != emb.fingerprint:
        raise UsageError("Similar texts were asked for with the graph of other embeddings. Give that of these.")
    ways = [
        name for name, ids in (("text_ids", text_ids), ("pair_ids", pair_ids), ("vector", vector)) if ids is not None
    ]
    if len(ways) != 1:
        by = " and ".join(ways) or "nothing"
        raise UsageError(f"Similar texts were asked for by {by}. Give one of text_ids, pair_ids and vector.")
    if vector is not None:
        unit = _unit(np.asarray(vector, np.float64), shape=emb.vectors.shape[1:])
        return _table(emb, *_scan(emb, unit, n, own=np.empty(0, np.int64)))
    rows = _rows_of_texts(emb, text_ids) if text_ids is not None else _rows_of_pairs(emb, pair_ids)
    if len(rows) > 1:
        unit = _unit(emb.vectors[rows].mean(axis=0, dtype=np.float64), shape=emb.vectors.shape[1:])
        return _table(emb, *_scan(emb, unit, n, own=rows))
    if neighbors is not None and neighbors.method == "exact" and n <= neighbors.indices.shape[1]:
        return _table(emb, neighbors.indices[rows[0], :n], neighbors.distances[rows[0], :n])
    return _table(emb, *_scan(emb, emb.vectors[rows[0]], n, own=rows))


def _rows_of_texts(emb: Embeddings, text_ids: Ids) -> npt.NDArray[np.int64]:
    return _rows(emb.text_ids, text_ids, what="texts")


def _rows_of_pairs(emb: Embeddings, pair_ids: Ids | None) -> npt.NDArray[np.int64]:
    pairs = _rows(emb.pairs["pair_id"].to_numpy(), () if pair_ids is None else pair_ids, what="pairs")
    return np.unique(emb.rows[pairs])


def _rows(known: npt.NDArray[np.uint64], ids: Ids, *, what: str) -> npt.NDArray[np.int64]:
    wanted = np.unique(_as_ids(ids, what=what))
    if not len(wanted):
        raise UsageError(f"Texts similar to no {what} were asked for. Name at least one.")
    is_known = np.isin(wanted, known)
    if not is_known.all():
        raise NotFoundError(
            f"Texts similar to {len(wanted):,} {what} were asked for; {(~is_known).sum():,} of them are not among the "
            f"{len(known):,} embedded. Embed the data set they belong to."
        )
    return np.searchsorted(known, wanted)


def _as_ids(ids: Ids, *, what: str) -> npt.NDArray[np.uint64]:
    if isinstance(ids, pl.Series) and ids.dtype == pl.UInt64 and not ids.null_count():
        return ids.to_numpy()
    if not isinstance(ids, Iterable):
        raise UsageError(
            f"Texts similar to {a_type(ids)} were asked for; that is no list of {what}. Give a list of ids."
        )
    numbers = [whole_number(number, name=f"an id of {what}", least=0, most=_LARGEST_ID) for number in ids]
    return np.array(numbers, np.uint64)


def _unit(vector: npt.NDArray[np.float64], *, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    length = np.linalg.norm(vector)
    if vector.shape != shape or not 0 < length < np.inf:
        raise UsageError(
            f"Similar texts were asked for by a vector of shape {vector.shape} and length {length:.3g}; it needs "
            f"shape {shape} and a finite length above 0. Use the encoder of the embeddings, or name fewer texts."
        )
    return vector / length


def _scan(
    emb: Embeddings, unit: npt.NDArray[np.floating], n: int, *, own: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    near = emb.vectors @ unit.astype(np.float32)
    near[own] = -np.inf
    n = min(n, len(emb) - len(own))
    if n == 0:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    # Single precision preselects; which come first is decided without rounding error.
    rows = np.flatnonzero(near >= np.partition(near, len(near) - n)[len(near) - n] - _PRESELECTION)
    squared = squared_between(emb.vectors[rows], unit[None])
    first = np.lexsort((rows, squared))[:n]
    return rows[first], cosine(squared[first])


def _table(emb: Embeddings, rows: npt.NDArray[np.integer], distances: npt.NDArray[np.float32]) -> pl.DataFrame:
    counts = emb.pairs.group_by("text_id").agg(pl.len().alias("n_pairs"))
    return (
        pl.DataFrame({"text_id": emb.text_ids[rows], "distance": np.asarray(distances)})
        .with_row_index("rank", offset=1)
        .join(counts, on="text_id", how="left", maintain_order="left")
        .with_columns(pl.col("n_pairs").fill_null(0), similarity=1 - pl.col("distance"))
    )


Rows = npt.NDArray[np.int64]


def near_duplicates(emb: Embeddings, threshold: float = 0.05) -> pl.DataFrame:
    """Group texts that are linked, directly or through others, by small distances.

    Every two texts at most `threshold` apart are in one group; two texts of a group may be
    farther apart, joined by a chain. Above 20,000 texts the neighbour graph is approximate and
    a link may be missed.

    Parameters
    ----------
    emb : Embeddings
        From `btviz.embed`.
    threshold : float
        Largest cosine distance of two linked texts, 0 (equal vectors) .. 2.

    Returns
    -------
    DataFrame
        One row per text that has a near duplicate, largest groups first: `group` (from 1),
        `text_id`, `distance` (cosine, to the nearest other text), `n_texts` and `n_pairs` (of
        the group: its texts, and the pairs that have one of them).

    Raises
    ------
    UsageError
        If `threshold` is not between 0 and 2.
    """
    if not 0 <= threshold <= 2:
        raise UsageError(f"Near duplicates were asked for with threshold {threshold}; cosine distances are 0 to 2.")
    graph = nearest_neighbors(emb)
    linked = pl.DataFrame(
        {
            "first": _components(emb, graph, threshold),
            "text_id": emb.text_ids,
            "distance": graph.distances[:, 0] if graph.indices.shape[1] else np.zeros(len(emb), np.float32),
        }
    )
    counts = emb.pairs.group_by("text_id").agg(pl.len().cast(pl.UInt32).alias("n_pairs"))
    members = linked.join(counts, on="text_id", how="left", maintain_order="left").with_columns(
        pl.len().over("first").alias("n_texts"), pl.col("n_pairs").fill_null(0).sum().over("first")
    )
    return (
        members.filter(pl.col("n_texts") > 1)
        .sort("n_texts", "first", "text_id", descending=[True, False, False])
        .select(pl.col("first").rle_id().add(1).alias("group"), "text_id", "distance", "n_texts", "n_pairs")
    )


DUPLICATES = pl.Schema(
    {
        "split": pl.String(),
        "prompts": pl.Int64(),
        "near_duplicate": pl.Int64(),
        "share": pl.Float64(),
        "near_other_split": pl.Int64(),
        "share_other_split": pl.Float64(),
        "rule": pl.String(),
    }
)


def prompt_duplicates(ds: Dataset, *, encoder: str = "words", threshold: float = 0.05) -> pl.DataFrame:
    """Count prompts that say nearly what another prompt says, by split and across splits.

    Parameters
    ----------
    ds : Dataset
        Its prompts that have an answer are compared.
    encoder : str
        From `btviz.embed`; "words" needs no model, knows any language, and calls two prompts near if they have nearly
        the same words, in whatever order.
    threshold : float
        Largest cosine distance of two linked texts, see `near_duplicates`.

    Returns
    -------
    DataFrame
        One row for all prompts, then one a split where there are several: `split`, `prompts` (distinct), those with a
        near duplicate that is another text (`near_duplicate`), their `share` (0 .. 1), those whose near duplicate is
        in another split (`near_other_split`, null for all prompts and where there is one split), their
        `share_other_split`, `rule`. Prompts that are equal to the letter are one prompt here;
        `btviz.labels.prompt_overlap` counts those that two splits share. Empty without pairs.

    Raises
    ------
    UsageError
        If `threshold` is not between 0 and 2.
    """
    if ds.pairs.is_empty():
        return DUPLICATES.to_frame()
    emb = embed(ds, text="prompt", encoder=encoder)
    groups = near_duplicates(emb, threshold).select("text_id", "group")
    prompts = ds.pairs.select("pair_id", "prompt_id").join(emb.pairs, on="pair_id").select("prompt_id", "text_id")
    placed = pl.concat(ds.table(name).select("prompt_id", "split") for name in ("annotations", "preferences"))
    texts = (
        prompts.unique()
        .join(placed.unique(), on="prompt_id", how="left")
        .join(groups, on="text_id", how="left")
        .unique()
    )
    splits = texts["split"].drop_nulls().unique().sort().to_list()
    parts: list[tuple[str | None, pl.DataFrame, pl.DataFrame | None]] = [(None, texts.unique("text_id"), None)]
    if len(splits) > 1:
        parts += [(split, texts.filter(split=split), texts.filter(pl.col("split") != split)) for split in splits]
    rule = f"cosine distance at most {threshold:g} by the encoder {encoder!r}; equal texts are one prompt"
    return pl.DataFrame([_near(*part) for part in parts], schema=DUPLICATES).with_columns(
        (pl.col("near_duplicate") / pl.col("prompts")).alias("share"),
        (pl.col("near_other_split") / pl.col("prompts")).alias("share_other_split"),
        pl.lit(rule).alias("rule"),
    )


def _near(split: str | None, texts: pl.DataFrame, others: pl.DataFrame | None) -> dict[str, str | int | None]:
    near = texts.drop_nulls("group")
    row: dict[str, str | int | None] = {"split": split, "prompts": texts.height, "near_duplicate": near.height}
    if others is None:
        return row
    met = near.select("text_id", "group").join(others.select("group", other="text_id"), on="group")
    return row | {"near_other_split": met.filter(pl.col("text_id") != pl.col("other"))["text_id"].n_unique()}


def _components(emb: Embeddings, graph: Neighbors, threshold: float) -> Rows:
    """First text of the group of each text."""
    close = graph.distances <= np.float32(threshold)
    rows, places = np.nonzero(close)
    groups = components(rows, graph.indices[rows, places].astype(np.int64), known=np.arange(len(emb)))
    if close.shape[1] == len(emb) - 1:
        return groups
    # A text whose neighbours in the graph are all close may have more that are.
    full = np.flatnonzero(close.all(axis=1))
    if len(full):
        grid = Grid.of(emb.vectors)
        for part in blocks(len(full), against=len(grid)):
            rows, others = np.nonzero(cosine(grid.squared(emb.vectors[full[part]])) <= np.float32(threshold))
            groups = components(full[part][rows], others, known=groups)
    return groups
