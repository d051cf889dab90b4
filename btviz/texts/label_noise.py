"""Labels that contradict those of similar texts: candidates for a second look, not errors found.

Pairs are compared with neighbours from other prompts only, because answers to one prompt share
its labels for its own sake. A neighbour is one text under one prompt; where that has several
pairs, their mean label counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.data.dataset import Dataset
from btviz.errors import UsageError, choice
from btviz.texts.embedding import Embeddings
from btviz.texts.neighbors import nearest_neighbors

SAFETY = "is_safe"

_FLIPS = pl.Schema(
    {
        "target": pl.String(),
        "k": pl.Int64(),
        "precision": pl.Float64(),
        "chance": pl.Float64(),
        "n_planted": pl.Int64(),
        "n_ranked": pl.Int64(),
        "n_draws": pl.Int64(),
    }
)

Values = npt.NDArray[np.float64]

Rows = npt.NDArray[np.int64]


def noisy_labels(
    ds: Dataset,
    emb: Embeddings,
    *,
    targets: Sequence[str] | None = None,
    min_contradiction: float = 0.9,
    min_neighbors: int = 10,
    planted: float = 0.02,
    n_draws: int = 5,
    random_state: int = 0,
) -> pl.DataFrame:
    """Rank the labels that nearly all similar texts from other prompts contradict.

    Parameters
    ----------
    ds : Dataset
        Whose majority labels are judged.
    emb : Embeddings
        Of the same pairs; ``text="qa"`` or "response" (a safety label belongs to the answer).
    targets : sequence of str, optional
        "is_safe" and released keys of categories. Default: all.
    min_contradiction : float
        Least share of neighbours with the other label, 0.5 .. 1.
    min_neighbors : int
        Least number of neighbours with a known label, from other prompts.
    planted, n_draws, random_state : float, int, int
        As in `planted_flips`.

    Returns
    -------
    DataFrame
        One row per candidate, by target and rank: `target`, `rank` (from 1, within the target),
        `pair_id`, `label` (Boolean, the majority's, of this target), `contradiction` (share of
        neighbours with the other label, 0 .. 1), `n_neighbors`, and `planted_precision`: the
        share, among as many first ranks, of labels that were flipped at random, when so many
        were flipped on purpose. It says how well the ranking finds random flips. It does not say
        how many candidates are wrong: true errors are not random, and are counted against it.

    Raises
    ------
    UsageError
        If an option is wrong, or a pair has no text in `emb`.
    """
    _check(min_contradiction=min_contradiction, min_neighbors=min_neighbors, planted=planted, n_draws=n_draws)
    names, labels = _labels(ds, targets)
    near = _neighborhoods(ds, emb)
    tables = []
    for column, name in enumerate(names):
        label = labels[:, column]
        contradiction, count = _contradiction(near, label)
        order = _ranked(contradiction, count, min_neighbors=min_neighbors)
        order = order[contradiction[order] >= min_contradiction]
        flips = _flip_precision(near, label, planted, min_neighbors=min_neighbors, n_draws=n_draws, seed=random_state)
        tables.append(
            pl.DataFrame(
                {
                    "target": pl.Series([name] * len(order), dtype=pl.String),
                    "rank": np.arange(1, len(order) + 1),
                    "pair_id": near.pair_id[order],
                    "label": label[order] == 1,
                    "contradiction": contradiction[order],
                    "n_neighbors": np.rint(count[order]).astype(np.int64),
                    "planted_precision": flips[: len(order)],
                }
            )
        )
    return pl.concat(tables)


def planted_flips(
    ds: Dataset,
    emb: Embeddings,
    *,
    targets: Sequence[str] | None = None,
    at: Sequence[int] = (10, 30, 100),
    min_neighbors: int = 10,
    planted: float = 0.02,
    n_draws: int = 5,
    random_state: int = 0,
) -> pl.DataFrame:
    """Flip labels at random, and count how many of them the ranking of `noisy_labels` puts first.

    Parameters
    ----------
    ds, emb, targets, min_neighbors
        As in `noisy_labels`.
    at : sequence of int
        Numbers of first ranks to look at; the number of flips is added.
    planted : float
        Share of the labels flipped, above 0 and below 0.5; of each target on its own.
    n_draws : int
        Repetitions whose mean is given.
    random_state : int
        Seed.

    Returns
    -------
    DataFrame
        `target`, `k`, `precision` (share of flips among the first k, mean of the draws), `chance`
        (that of a random order), `n_planted`, `n_ranked` (labels with enough neighbours),
        `n_draws`. No row for k beyond `n_ranked`.

    Raises
    ------
    UsageError
        If an option is wrong, or a pair has no text in `emb`.
    """
    _check(min_contradiction=1.0, min_neighbors=min_neighbors, planted=planted, n_draws=n_draws)
    names, labels = _labels(ds, targets)
    near = _neighborhoods(ds, emb)
    rows = []
    for column, name in enumerate(names):
        label = labels[:, column]
        flips = _flip_precision(near, label, planted, min_neighbors=min_neighbors, n_draws=n_draws, seed=random_state)
        if not len(flips):
            continue
        n = _n_planted(label, planted)
        chance = float(flips[-1])
        ks = sorted({k for k in (*at, n) if 1 <= k <= len(flips)})
        rows += [(name, k, float(flips[k - 1]), chance, n, len(flips), n_draws) for k in ks]
    return pl.DataFrame(rows, schema=_FLIPS, orient="row")


@dataclass(frozen=True, eq=False)
class _Neighborhoods:
    """Who is whose neighbour. A unit is one text under one prompt.

    `near` holds the texts of each text's neighbourhood, itself first; `same`, for each of its
    columns, the units that have a unit of their own prompt there, and that unit.
    """

    pair_id: npt.NDArray[np.uint64]
    unit_of_pair: Rows
    text_of_unit: Rows
    near: Rows
    same: list[tuple[Rows, Rows]]


def _neighborhoods(ds: Dataset, emb: Embeddings) -> _Neighborhoods:
    pairs = ds.pairs.sort("pair_id")
    joined = pairs.select("pair_id", "prompt_id").join(emb.pairs, on="pair_id", how="left", maintain_order="left")
    if missing := joined["text_id"].null_count():
        raise UsageError(f"Labels of {pairs.height:,} pairs were to be judged; {missing:,} have no vector. Embed them.")
    text = np.searchsorted(emb.text_ids, joined["text_id"].to_numpy()).astype(np.int64)
    prompts, prompt = np.unique(joined["prompt_id"].to_numpy(), return_inverse=True)
    units, unit_of_pair = np.unique(text * len(prompts) + prompt, return_inverse=True)
    text_of_unit, prompt_of_unit = np.divmod(units, max(len(prompts), 1))
    near = np.hstack([np.arange(len(emb))[:, None], nearest_neighbors(emb).indices]).astype(np.int64)
    same = []
    for column in near.T:
        there = column[text_of_unit] * len(prompts) + prompt_of_unit
        place = np.minimum(np.searchsorted(units, there), max(len(units) - 1, 0))
        rows = np.flatnonzero(units[place] == there)
        same.append((rows, place[rows]))
    return _Neighborhoods(joined["pair_id"].to_numpy(), unit_of_pair, text_of_unit, near, same)


def _labels(ds: Dataset, targets: Sequence[str] | None) -> tuple[list[str], Values]:
    """Names of the targets, and labels 0, 1 or nan, shape (pairs, targets), by pair id."""
    known = [SAFETY, *ds.taxonomy.keys]
    names = known if targets is None else [choice(target, known, what="target") for target in targets]
    flags = [pl.col(SAFETY) if name == SAFETY else ds.taxonomy.has(name) for name in names]
    table = ds.pairs.sort("pair_id").select(
        flag.cast(pl.Float64).fill_null(float("nan")).alias(str(i)) for i, flag in enumerate(flags)
    )
    return names, table.to_numpy()


def _contradiction(near: _Neighborhoods, label: Values) -> tuple[Values, Values]:
    """Share of neighbours with the other label (nan where there are none), and their number; by pair."""
    n_units, n_texts = len(near.text_of_unit), len(near.near)
    known = ~np.isnan(label)
    n_known = np.bincount(near.unit_of_pair, known, minlength=n_units)
    positive = np.bincount(near.unit_of_pair, np.where(known, label, 0.0), minlength=n_units)
    count = (n_known > 0).astype(np.float64)
    mean = positive / np.maximum(n_known, 1)
    sums = np.zeros((2, n_units))
    for column, (rows, same_prompt) in zip(near.near.T, near.same, strict=True):
        for row, of_unit in enumerate((mean, count)):
            of_text = np.bincount(near.text_of_unit, of_unit, minlength=n_texts)
            sums[row] += of_text[column][near.text_of_unit]
            sums[row, rows] -= of_unit[same_prompt]
    number = sums[1][near.unit_of_pair]
    share = np.divide(sums[0][near.unit_of_pair], number, out=np.full(len(label), np.nan), where=number > 0)
    return np.where(label == 1, 1 - share, share), np.where(known, number, 0.0)


def _ranked(contradiction: Values, count: Values, *, min_neighbors: int) -> Rows:
    """Pairs with enough neighbours, the most contradicted first, then the one with more neighbours."""
    enough = np.flatnonzero(count >= min_neighbors)
    # Sums of means differ in their last bits with the order of addition.
    order = np.lexsort((enough, -count[enough], -contradiction[enough].round(9)))
    return np.asarray(enough[order])


def _flip_precision(
    near: _Neighborhoods, label: Values, planted: float, *, min_neighbors: int, n_draws: int, seed: int
) -> Values:
    """Share of flips among the first 1, 2, ... ranks, mean of the draws."""
    known, n = np.flatnonzero(~np.isnan(label)), _n_planted(label, planted)
    total: Values | None = None
    for draw in np.random.default_rng(seed).spawn(n_draws):
        flipped = label.copy()
        chosen = draw.choice(known, n, replace=False)
        flipped[chosen] = 1 - flipped[chosen]
        order = _ranked(*_contradiction(near, flipped), min_neighbors=min_neighbors)
        share = np.cumsum(np.isin(order, chosen)) / np.arange(1, len(order) + 1)
        total = share if total is None else total + share
    return np.empty(0) if total is None else total / n_draws


def _n_planted(label: Values, planted: float) -> int:
    known = int((~np.isnan(label)).sum())
    return min(max(round(planted * known), 1), known)


def _check(*, min_contradiction: float, min_neighbors: int, planted: float, n_draws: int) -> None:
    if not 0.5 <= min_contradiction <= 1:
        raise UsageError(f"Labels were to be contradicted by {min_contradiction} of the neighbours. Use 0.5 to 1.")
    if min_neighbors < 1 or n_draws < 1:
        raise UsageError(f"{min_neighbors} neighbours and {n_draws} draws were asked for. Use at least 1 of each.")
    if not 0 < planted < 0.5:
        raise UsageError(f"A share of {planted} of the labels was to be flipped. Use more than 0 and less than 0.5.")
