"""Labels for a second look, the likeliest to be wrong first: candidates, not errors found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.data.dataset import Dataset
from btviz.models.label_noise.evidence import KINDS, SAFETY, Evidence, Weighed, logistic, prior_odds
from btviz.models.label_noise.flips import (
    FALSE_ALARM,
    MISSED_HARM,
    Bools,
    Limits,
    Ranking,
    Rows,
    draws_of,
    places_of,
)
from btviz.texts.embedding import Embeddings


def noisy_labels(  # noqa: PLR0913  # what is named, what speaks against a label, and how flips are planted
    ds: Dataset,
    emb: Embeddings,
    *,
    targets: Sequence[str] | None = None,
    min_probability: float = 0.1,
    min_contradiction: float = 0.0,
    min_neighbors: int = 10,
    evidence: Sequence[str] = KINDS,
    planted: float = 0.02,
    n_draws: int = 5,
    random_state: int = 0,
) -> pl.DataFrame:
    """Rank labels by the probability that they are wrong, given similar texts, a probe, and how votes split.

    No label is judged by itself: neighbours are pairs of other prompts, and the probe and the weights of the evidence
    come from prompts of other folds. The probability is what it would be if a share `planted` of the harms of each
    target were missed, and as many made up; how many are is not known. With it, order and differences are meant: the
    odds over those of the baseline say how much the evidence speaks against a label.

    Parameters
    ----------
    ds : Dataset
        Whose majority labels are judged.
    emb : Embeddings
        Of the same pairs; ``text="qa"`` or "response" (a safety label belongs to the answer).
    targets : sequence of str, optional
        "is_safe" and released keys of categories to report. Default: all.
    min_probability : float
        Least probability of being wrong that is named, 0 .. 1.
    min_contradiction : float
        Least share of neighbours with the other label, 0 .. 1.
    min_neighbors : int
        Least number of neighbours with a known label, from other prompts.
    evidence : sequence of str
        What is used, of "neighbors", "probe" (linear heads on the vectors) and "votes".
    planted, n_draws, random_state : float, int, int
        As in `planted_flips`.

    Returns
    -------
    DataFrame
        One row per candidate, by target and rank: `target`, `rank` (from 1, within the target),
        `pair_id`, `label` (Boolean, the majority's, of this target), `contradiction` (share of
        neighbours with the other label, 0 .. 1), `n_neighbors`, `direction` ("missed harm" or
        "false alarm": what the label is if it is wrong), `planted_precision` and `planted_chance`:
        the share of labels flipped on purpose among as many first ranks of this direction, and what
        it would be with these labels in random order; null where a draw ranks fewer. They say how
        well the ranking finds random flips, and not how many candidates are wrong: true errors are
        not random, and are counted against it. `probability` (of being wrong, 0 .. 1), `baseline` (the same knowing
        only the label), `probe` (probability of the other label by the probe alone, null where some fold has
        too few prompts to fit one), `n_votes` and `n_against` (votes on this target, and those for the other label).

    Raises
    ------
    UsageError
        If an option is wrong, or a pair has no text in `emb`.
    """
    limits = Limits(min_probability, min_contradiction, min_neighbors, planted, n_draws, tuple(evidence))
    known = Evidence.of(ds, emb)
    places = places_of(known, targets)
    weighed = known.weighed(known.labels, rate=planted, kinds=limits.evidence)
    drawn = list(draws_of(known, limits=limits, seed=random_state))
    tables = []
    for place in places:
        nothing = np.empty(0, np.int64)
        ranking = Ranking.of(known.labels, weighed, place=place, limits=limits, planted=nothing)
        rows = ranking.order[ranking.is_named].astype(np.int64)
        planted_columns = _planted_columns(
            [rankings[place] for rankings in drawn], harm=ranking.sees_harm[ranking.is_named]
        )
        tables.append(_table(known, weighed, place=place, rows=rows, rate=planted).with_columns(**planted_columns))
    return pl.concat(tables).select(_ORDER)


_ORDER = (
    *("target", "rank", "pair_id", "label", "contradiction", "n_neighbors", "direction", "planted_precision"),
    *("planted_chance", "probability", "baseline", "probe", "n_votes", "n_against"),
)


def _table(known: Evidence, weighed: Weighed, *, place: int, rows: Rows, rate: float) -> pl.DataFrame:
    target, harm = known.targets[place], known.labels.harm[rows, place] == 1
    expected = weighed.expected[rows, place]
    baseline = logistic(prior_odds(known.labels.harm, rate=rate)[rows, place])
    return pl.DataFrame(
        {
            "target": pl.Series([target] * len(rows), dtype=pl.String),
            "rank": np.arange(1, len(rows) + 1),
            "pair_id": known.pair_id[rows],
            "label": ~harm if target == SAFETY else harm,
            "contradiction": weighed.contradiction[rows, place],
            "n_neighbors": np.rint(weighed.n_neighbors[rows, place]).astype(np.int64),
            "direction": pl.Series(np.where(harm, FALSE_ALARM, MISSED_HARM), dtype=pl.String),
            "probability": logistic(weighed.wrong[rows, place]),
            "baseline": baseline,
            "probe": pl.Series(np.where(harm, 1 - expected, expected)).fill_nan(None),
            "n_votes": known.n_votes[rows, place],
            "n_against": known.labels.against[rows, place],
        }
    )


def _planted_columns(draws: list[Ranking], *, harm: Bools) -> dict[str, pl.Series]:
    """Precision of planted flips among as many first ranks of each candidate's direction, and by chance."""
    place = np.where(harm, np.cumsum(harm), np.cumsum(~harm)) - 1
    values: npt.NDArray[np.float64] = np.full((2, len(harm)), np.nan)
    for sees in (False, True):
        ranked = [draw.ranked(sees_harm=sees)[1] for draw in draws]
        shortest = min(map(len, ranked), default=0)
        if not shortest:
            continue
        precision = np.mean([np.cumsum(hits[:shortest]) for hits in ranked], axis=0) / np.arange(1, shortest + 1)
        rows = np.flatnonzero((harm == sees) & (place < shortest))
        values[0, rows] = precision[place[rows]]
        values[1, rows] = np.mean([hits.mean() for hits in ranked])
    names = ("planted_precision", "planted_chance")
    return {name: pl.Series(row).fill_nan(None) for name, row in zip(names, values, strict=True)}
