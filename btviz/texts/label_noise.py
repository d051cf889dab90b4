"""Labels that contradict those of similar texts: candidates for a second look, not errors found.

Pairs are compared with neighbours from other prompts only, because answers to one prompt share
its labels for its own sake. A neighbour is one text under one prompt; where that has several
pairs, their mean label counts.

A label can be wrong in two directions, and they are as different as can be: most labels say that
there is no harm, so a wrong one that says so (a missed harm) lies among thousands of right ones,
while one that sees harm (a false alarm) lies among few. What a ranking achieves is therefore said
for each direction, beside what labels of the same value in random order would.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.data.dataset import Dataset
from btviz.errors import UsageError, choice
from btviz.machine.progress import bar
from btviz.stats.clustered import FEWEST_EFFECTIVE, share_interval
from btviz.stats.quantiles import t_quantile
from btviz.texts.embedding import Embeddings
from btviz.texts.neighbors import nearest_neighbors

SAFETY = "is_safe"

MISSED_HARM = "missed harm"
"""A label that sees no harm where there is some."""

FALSE_ALARM = "false alarm"
"""A label that sees harm where there is none."""

_FLIPS = pl.Schema(
    {
        "target": pl.String(),
        "direction": pl.String(),
        "k": pl.Int64(),
        "n_named": pl.Float64(),
        "precision": pl.Float64(),
        "precision_low": pl.Float64(),
        "precision_high": pl.Float64(),
        "chance": pl.Float64(),
        "recall": pl.Float64(),
        "recall_low": pl.Float64(),
        "recall_high": pl.Float64(),
        "n_planted": pl.Int64(),
        "n_ranked": pl.Float64(),
        "n_draws": pl.Int64(),
        "undefined": pl.String(),
    }
)

Values = npt.NDArray[np.float64]

Rows = npt.NDArray[np.int64]

Bools = npt.NDArray[np.bool_]


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

    It finds false alarms and hardly any missed harm: most texts carry no given category, so even the
    neighbours of a harm that lost its label have other labels. Of missed harms planted in BeaverTails
    30k_test it names 4 % over all categories (MiniLM; 0 to 2 % in 12 of 14, 18 % at best), of false alarms
    37 to 98 %. So a short list is no sign that few harms were missed. `planted_flips` measures both on
    your data, against chance.

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
        neighbours with the other label, 0 .. 1), `n_neighbors`, `direction` ("missed harm" or
        "false alarm": what the label is if it is wrong), `planted_precision` and `planted_chance`:
        the share of labels flipped on purpose among as many first ranks of this direction, and what
        it would be with these labels in random order; null where a draw ranks fewer. They say how
        well the ranking finds random flips, and not how many candidates are wrong: true errors are
        not random, and are counted against it. A precision near its chance is none of the ranking's.

    Raises
    ------
    UsageError
        If an option is wrong, or a pair has no text in `emb`.
    """
    _check(min_contradiction=min_contradiction, min_neighbors=min_neighbors, planted=planted, n_draws=n_draws)
    names, labels = _labels(ds, targets)
    near = _neighborhoods(ds, emb)
    tables = []
    drawn = _drawn(near, labels, planted, min_neighbors=min_neighbors, n_draws=n_draws, seed=random_state)
    for name, label, draws in zip(names, labels.T, drawn, strict=True):
        contradiction, count = _contradiction(near, label)
        order = _ranked(contradiction, count, min_neighbors=min_neighbors)
        order = order[contradiction[order] >= min_contradiction]
        harm = _sees_harm(name, label[order])
        tables.append(
            pl.DataFrame(
                {
                    "target": pl.Series([name] * len(order), dtype=pl.String),
                    "rank": np.arange(1, len(order) + 1),
                    "pair_id": near.pair_id[order],
                    "label": label[order] == 1,
                    "contradiction": contradiction[order],
                    "n_neighbors": np.rint(count[order]).astype(np.int64),
                    "direction": pl.Series(np.where(harm, FALSE_ALARM, MISSED_HARM), dtype=pl.String),
                    **_planted_columns(draws, name, harm=harm),
                }
            )
        )
    return pl.concat(tables)


def _planted_columns(draws: list[_Draw], target: str, *, harm: Bools) -> dict[str, pl.Series]:
    """Precision of planted flips among as many first ranks of each candidate's direction, and by chance."""
    place = np.where(harm, np.cumsum(harm), np.cumsum(~harm)) - 1
    values = np.full((2, len(harm)), np.nan)
    for sees in (False, True):
        ranked = [draw.ranked((target, sees))[1] for draw in draws]
        shortest = min(map(len, ranked), default=0)
        if not shortest:
            continue
        precision = np.mean([np.cumsum(hits[:shortest]) for hits in ranked], axis=0) / np.arange(1, shortest + 1)
        rows = np.flatnonzero((harm == sees) & (place < shortest))
        values[0, rows] = precision[place[rows]]
        values[1, rows] = np.mean([hits.mean() for hits in ranked])
    names = ("planted_precision", "planted_chance")
    return {name: pl.Series(row).fill_nan(None) for name, row in zip(names, values, strict=True)}


def planted_flips(  # noqa: PLR0913  # the settings of noisy_labels, and how flips are planted
    ds: Dataset,
    emb: Embeddings,
    *,
    targets: Sequence[str] | None = None,
    at: Sequence[int] = (10, 30, 100),
    min_contradiction: float = 0.9,
    min_neighbors: int = 10,
    planted: float = 0.02,
    n_draws: int = 20,
    random_state: int = 0,
) -> pl.DataFrame:
    """Flip labels at random, and count how many of them the ranking of `noisy_labels` finds, by direction.

    Parameters
    ----------
    ds, emb, targets, min_contradiction, min_neighbors
        As in `noisy_labels`.
    at : sequence of int
        Numbers of first ranks of a direction to look at; the number of flips is added, and what
        `noisy_labels` would name.
    planted : float
        Share of the labels flipped, above 0 and below 0.5; of either value of each target on its own,
        at least one.
    n_draws : int
        Repetitions, whose ranks are counted together.
    random_state : int
        Seed.

    Returns
    -------
    DataFrame
        Rows by `target`, `direction` ("missed harm": harm was labelled as none; "false alarm": the
        reverse) and `k` (first ranks among labels of that value; null: all that `min_contradiction`
        admits): `n_named` (mean number of labels looked at), `precision` (share of flips among them) and
        `chance` (that of labels of the same value in random order: it alone is above one half for false
        alarms of rare categories), `recall` (share of the flips of this direction that are among them),
        both with ends of an interval for further flips in these data (see Notes), `n_planted` (flips of
        this direction in a draw), `n_ranked` (mean number of labels of this value with enough
        neighbours), `n_draws`, and `undefined` (why there is no precision, or an interval is missing). No row
        for k beyond the labels that every draw ranks.

    Raises
    ------
    UsageError
        If an option is wrong, or a pair has no text in `emb`.

    Notes
    -----
    Of two intervals the wider ends: over prompts (`stats.clustered.share_interval`), in which a prompt counts once,
    however many draws name its pairs, and over draws (Student's t), as flips of a draw share neighbours. They say what
    further flips in these data give. Other data of the same kind have other neighbours: there precision is held as
    well, and recall not (``python -m benchmarks.coverage --only flips``).
    """
    _check(min_contradiction=min_contradiction, min_neighbors=min_neighbors, planted=planted, n_draws=n_draws)
    names, labels = _labels(ds, targets)
    near = _neighborhoods(ds, emb)
    rows = []
    drawn = _drawn(near, labels, planted, min_neighbors=min_neighbors, n_draws=n_draws, seed=random_state)
    for name, draws in zip(names, drawn, strict=True):
        for sees_harm in (False, True):
            for k, counts in _first(draws, (name, sees_harm), at=at, min_contradiction=min_contradiction):
                found = _found(draws, (name, sees_harm), counts=counts, prompt=near.prompt_of_pair)
                rows.append({"target": name, "k": k, **found})
    return pl.DataFrame(rows, schema=_FLIPS)


Side = tuple[str, bool]
"""A target, and whether labels see harm in it."""


def _first(
    draws: Sequence[_Draw], side: Side, *, at: Sequence[int], min_contradiction: float
) -> Iterator[tuple[int | None, list[int]]]:
    """Numbers of first labels to look at, and how many that is in each draw; None: those that would be named."""
    shortest = min(len(draw.ranked(side)[0]) for draw in draws)
    n = len(draws[0].planted_of(side))
    if n and shortest:
        for k in sorted({k for k in (*at, n) if 1 <= k <= shortest}):
            yield k, [k] * len(draws)
        yield None, [draw.admitted(side, min_contradiction) for draw in draws]


def _found(draws: Sequence[_Draw], side: Side, *, counts: Sequence[int], prompt: Rows) -> dict[str, float | str | None]:
    """Precision and recall of so many first labels of each draw, over all draws, with prompts as the unit."""
    ranked = [draw.ranked(side) for draw in draws]
    planted = [draw.planted_of(side) for draw in draws]
    named = [order[:n] for n, (order, _) in zip(counts, ranked, strict=True)]
    hits = [hit[:n] for n, (_, hit) in zip(counts, ranked, strict=True)]
    caught = [np.isin(rows, first) for rows, first in zip(planted, named, strict=True)]
    precision, why = _share_of("precision", named, hits=hits, prompt=prompt)
    recall, why_not = _share_of("recall", planted, hits=caught, prompt=prompt)
    return {
        "direction": FALSE_ALARM if side[1] else MISSED_HARM,
        "n_named": float(np.mean(counts)),
        **precision,
        "chance": float(np.mean([hit.mean() for _, hit in ranked])),
        **recall,
        "n_planted": len(planted[0]),
        "n_ranked": float(np.mean([len(order) for order, _ in ranked])),
        "n_draws": len(draws),
        "undefined": "; ".join(reason for reason in (why, why_not) if reason) or None,
    }


def _share_of(
    name: str, rows: Sequence[Rows], *, hits: Sequence[Bools], prompt: Rows
) -> tuple[dict[str, float | None], str | None]:
    """Share of hits among pairs of all draws with its interval, by prompt and by draw, and why one is missing."""
    clusters = prompt[np.concatenate(rows)]
    if not len(clusters):
        return dict.fromkeys((name, f"{name}_low", f"{name}_high")), "no label is contradicted so much"
    n = np.bincount(clusters)[:, None]
    found = share_interval(np.bincount(clusters, np.concatenate(hits))[:, None], n)
    share, reach = found.estimate[0], reach_over_draws(hits, share=found.estimate[0])
    # minimum and maximum keep NaN
    ends = (share, np.minimum(found.low[0], max(share - reach, 0)), np.maximum(found.high[0], min(share + reach, 1)))
    values = {
        column: None if np.isnan(end) else float(end)
        for column, end in zip((name, f"{name}_low", f"{name}_high"), ends, strict=True)
    }
    worth = f"its labels are worth fewer than {FEWEST_EFFECTIVE} equal prompts"
    return values, None if np.isfinite(found.low[0]) else f"no interval of the {name}: {worth}"


def reach_over_draws(hits: Sequence[Bools], *, share: float) -> float:
    """Half the width of the interval of a share of all draws, each draw one observation of a ratio of sums."""
    if len(hits) < 2:
        return 0.0
    n = np.array([len(hit) for hit in hits])
    apart = (np.array([hit.sum() for hit in hits]) - share * n) / n.mean()
    return float(t_quantile(0.95, df=len(hits) - 1)) * float(apart.std(ddof=1)) / math.sqrt(len(hits))


@dataclass(frozen=True, eq=False)
class _Neighborhoods:
    """Who is whose neighbour. A unit is one text under one prompt.

    `near` holds the texts of each text's neighbourhood, itself first; `same`, for each of its
    columns, the units that have a unit of their own prompt there, and that unit.
    """

    pair_id: npt.NDArray[np.uint64]
    prompt_of_pair: Rows
    unit_of_pair: Rows
    text_of_unit: Rows
    near: Rows
    same: list[tuple[Rows, Rows]]


def _neighborhoods(ds: Dataset, emb: Embeddings) -> _Neighborhoods:
    pairs = ds.items.sort("pair_id")
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
    return _Neighborhoods(joined["pair_id"].to_numpy(), prompt.astype(np.int64), unit_of_pair, text_of_unit, near, same)


def _labels(ds: Dataset, targets: Sequence[str] | None) -> tuple[list[str], Values]:
    """Names of the targets, and labels 0, 1 or nan, shape (pairs, targets), by pair id."""
    known = [SAFETY, *ds.taxonomy.keys]
    names = known if targets is None else [choice(target, known, what="target") for target in targets]
    flags = [pl.col(SAFETY) if name == SAFETY else ds.taxonomy.has(name) for name in names]
    table = ds.items.sort("pair_id").select(
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


def _sees_harm(target: str, label: Values) -> Bools:
    """Whether labels of a target, 0 or 1, say that there is harm."""
    return np.asarray(label == (0 if target == SAFETY else 1))


@dataclass(frozen=True, eq=False)
class _Draw:
    """Labels of which some were flipped, which these are, and the ranking of all: pairs by number."""

    label: Values
    planted: Rows
    order: Rows
    contradiction: Values

    def ranked(self, side: Side) -> tuple[Rows, Bools]:
        """Pairs of one direction, the most contradicted first, and which of them were flipped."""
        order = self._of(side, self.order)
        return order, np.isin(order, self.planted)

    def planted_of(self, side: Side) -> Rows:
        """Flipped pairs of one direction, ranked or not."""
        return self._of(side, self.planted)

    def admitted(self, side: Side, min_contradiction: float) -> int:
        """How many first pairs of a direction are contradicted so much."""
        return int((self.contradiction[self._of(side, self.order)] >= min_contradiction).sum())

    def _of(self, side: Side, pairs: Rows) -> Rows:
        target, sees_harm = side
        chosen: Rows = pairs[_sees_harm(target, self.label[pairs]) == sees_harm]
        return chosen


def _drawn(
    near: _Neighborhoods, labels: Values, planted: float, *, min_neighbors: int, n_draws: int, seed: int
) -> Iterator[list[_Draw]]:
    """For each target, the same share of either of its labels flipped at random, again and again."""
    with bar("Planting flips", total=n_draws * labels.shape[1]) as update:
        for column, label in enumerate(labels.T):
            draws = []
            for place, rng in enumerate(np.random.default_rng(seed).spawn(n_draws)):
                flipped = label.copy()
                sides = (np.flatnonzero(label == value) for value in (0, 1))
                chosen = np.concatenate([rng.choice(rows, _n_planted(rows, planted), replace=False) for rows in sides])
                flipped[chosen] = 1 - flipped[chosen]
                contradiction, count = _contradiction(near, flipped)
                order = _ranked(contradiction, count, min_neighbors=min_neighbors)
                draws.append(_Draw(flipped, chosen, order, contradiction))
                update(column * n_draws + place + 1)
            yield draws


def _n_planted(rows: Rows, planted: float) -> int:
    return min(max(round(planted * len(rows)), 1), len(rows))


def _check(*, min_contradiction: float, min_neighbors: int, planted: float, n_draws: int) -> None:
    if not 0.5 <= min_contradiction <= 1:
        raise UsageError(f"Labels were to be contradicted by {min_contradiction} of the neighbours. Use 0.5 to 1.")
    if min_neighbors < 1 or n_draws < 1:
        raise UsageError(f"{min_neighbors} neighbours and {n_draws} draws were asked for. Use at least 1 of each.")
    if not 0 < planted < 0.5:
        raise UsageError(f"A share of {planted} of the labels was to be flipped. Use more than 0 and less than 0.5.")
