"""Labels flipped on purpose: which of them a ranking finds, by direction.

A label can be wrong in two directions, and they are as different as can be: most labels say that
there is no harm, so a wrong one that says so (a missed harm) lies among thousands of right ones,
while one that sees harm (a false alarm) lies among few. So many harms of each target are hidden, and
as many others made up: targets stay as frequent as they were, and what labels of the same value in
random order give is said beside.
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
from btviz.models.label_noise.evidence import KINDS, Evidence, Labels, Weighed, logistic
from btviz.models.label_noise.splits import drawn_splits
from btviz.stats.clustered import FEWEST_EFFECTIVE, share_interval
from btviz.stats.quantiles import t_quantile
from btviz.texts.embedding import Embeddings

MISSED_HARM = "missed harm"
"""A label that sees no harm where there is some."""

FALSE_ALARM = "false alarm"
"""A label that sees harm where there is none."""

Rows = npt.NDArray[np.int64]

Bools = npt.NDArray[np.bool_]

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


@dataclass(frozen=True)
class Limits:
    """Which labels are ranked, which of these are named, and how flips are planted."""

    min_probability: float
    min_contradiction: float
    min_neighbors: int
    planted: float
    n_draws: int
    evidence: tuple[str, ...]

    def __post_init__(self) -> None:
        if not 0 <= self.min_probability <= 1 or not 0 <= self.min_contradiction <= 1:
            raise UsageError(
                f"Labels were to be wrong with a probability of {self.min_probability}, and contradicted by "
                f"{self.min_contradiction} of the neighbours. Use 0 to 1 for either."
            )
        if self.min_neighbors < 1 or self.n_draws < 1:
            raise UsageError(
                f"{self.min_neighbors} neighbours and {self.n_draws} draws were asked for. Use at least 1 of each."
            )
        if not 0 < self.planted < 0.5:
            raise UsageError(
                f"A share of {self.planted} of the labels was to be flipped. Use more than 0 and less than 0.5."
            )
        if not self.evidence:
            raise UsageError(f"Labels were to be judged by nothing. Name at least one of {', '.join(KINDS)}.")
        for kind in self.evidence:
            choice(kind, KINDS, what="evidence")


def planted_flips(  # noqa: PLR0913  # the settings of noisy_labels, and how flips are planted
    ds: Dataset,
    emb: Embeddings,
    *,
    targets: Sequence[str] | None = None,
    at: Sequence[int] = (10, 30, 100),
    min_probability: float = 0.1,
    min_contradiction: float = 0.0,
    min_neighbors: int = 10,
    evidence: Sequence[str] = KINDS,
    planted: float = 0.02,
    n_draws: int = 20,
    random_state: int = 0,
) -> pl.DataFrame:
    """Flip labels at random, and count how many of them the ranking of `noisy_labels` finds, by direction.

    Parameters
    ----------
    ds, emb, targets, min_probability, min_contradiction, min_neighbors, evidence
        As in `noisy_labels`.
    at : sequence of int
        Numbers of first ranks of a direction to look at; the number of flips is added, and what
        `noisy_labels` would name.
    planted : float
        Share of the harms of each target that are hidden, above 0 and below 0.5, at least one; as many labels that see
        none are turned into harm. A turned label of several votes gets a split of them that a wrong majority would
        have, if each vote is wrong as often as single votes are against the majority.
    n_draws : int
        Repetitions, whose ranks are counted together.
    random_state : int
        Seed.

    Returns
    -------
    DataFrame
        Rows by `target`, `direction` ("missed harm": harm was labelled as none; "false alarm": the
        reverse) and `k` (first ranks among labels of that value; null: all that would be named):
        `n_named` (mean number of labels looked at), `precision` (share of flips among them) and
        `chance` (that of labels of the same value in random order), `recall` (share of the flips of this
        direction that are among them), both with ends of an interval for further flips in these data (see Notes),
        `n_planted` (flips of this direction in a draw), `n_ranked` (mean number of labels of this value with enough
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
    further flips in these data give, and are rather wide; in other data of the same kind they mostly hold as well, but
    few precisions that are shown do less often (``python -m benchmarks.coverage --only flips``).
    """
    limits = Limits(min_probability, min_contradiction, min_neighbors, planted, n_draws, tuple(evidence))
    known = Evidence.of(ds, emb)
    places = places_of(known, targets)
    drawn = list(draws_of(known, limits=limits, seed=random_state))
    rows = []
    for place in places:
        draws = [rankings[place] for rankings in drawn]
        for sees_harm in (False, True):
            for k, counts in _first(draws, sees_harm=sees_harm, at=at):
                found = _found(draws, sees_harm=sees_harm, counts=counts, prompt=known.near.prompt_of_pair)
                rows.append({"target": known.targets[place], "k": k, **found})
    return pl.DataFrame(rows, schema=_FLIPS)


def places_of(known: Evidence, targets: Sequence[str] | None) -> list[int]:
    """Numbers of the targets asked for, or of all."""
    names = known.targets if targets is None else [choice(name, known.targets, what="target") for name in targets]
    return [known.targets.index(name) for name in names]


@dataclass(frozen=True, eq=False)
class Ranking:
    """Labels of one target, ranked: pairs by number, the likeliest to be wrong first, and which were flipped."""

    order: npt.NDArray[np.int32]
    sees_harm: Bools
    is_named: Bools
    is_planted: Bools
    planted: Rows
    planted_sees_harm: Bools

    @classmethod
    def of(cls, labels: Labels, weighed: Weighed, *, place: int, limits: Limits, planted: Rows) -> Ranking:
        """Rank the labels of the target at a place; of equally likely ones those with more neighbours come first."""
        wrong, count = weighed.wrong[:, place], weighed.n_neighbors[:, place]
        enough = np.flatnonzero((count >= limits.min_neighbors) & np.isfinite(wrong))
        # Sums differ in their last bits with the order of addition.
        order = enough[np.lexsort((enough, -count[enough], -wrong[enough].round(9)))]
        against, harm = weighed.contradiction[:, place], labels.harm[:, place] == 1
        is_named = (logistic(wrong[order]) >= limits.min_probability) & (against[order] >= limits.min_contradiction)
        is_planted = np.isin(order, planted)
        return cls(order.astype(np.int32), harm[order], is_named, is_planted, planted, harm[planted])

    def ranked(self, *, sees_harm: bool) -> tuple[Rows, Bools]:
        """Pairs of one direction, and which of them were flipped."""
        side = self.sees_harm == sees_harm
        return self.order[side].astype(np.int64), self.is_planted[side]

    def planted_of(self, *, sees_harm: bool) -> Rows:
        """Flipped pairs of one direction, ranked or not."""
        chosen: Rows = self.planted[self.planted_sees_harm == sees_harm]
        return chosen

    def named(self, *, sees_harm: bool) -> int:
        """How many pairs of a direction would be named."""
        return int(self.is_named[self.sees_harm == sees_harm].sum())


def draws_of(known: Evidence, *, limits: Limits, seed: int) -> Iterator[list[Ranking]]:
    """Rankings of all targets, for each draw of flips."""
    with bar("Planting flips", total=limits.n_draws) as update:
        for draw in range(limits.n_draws):
            labels, planted = flipped(known, share=limits.planted, seed=[seed, draw])
            weighed = known.weighed(labels, rate=limits.planted, kinds=limits.evidence)
            yield [
                Ranking.of(labels, weighed, place=place, limits=limits, planted=rows)
                for place, rows in enumerate(planted)
            ]
            update(draw + 1)


def flipped(known: Evidence, *, share: float, seed: Sequence[int]) -> tuple[Labels, list[Rows]]:
    """Labels of which some were turned, and the pairs of these by target."""
    harm, against, turned = known.labels.harm.copy(), known.labels.against.copy(), []
    for place, (n, votes) in enumerate(zip(known.n_votes.T, known.labels.against.T, strict=True)):
        rng = np.random.default_rng([*seed, place])
        before = known.labels.harm[:, place]
        sides = [np.flatnonzero(before == value) for value in (0, 1)]
        count = min(max(round(share * len(sides[1])), 1), *map(len, sides))
        rows = np.concatenate([rng.choice(side, count, replace=False) for side in sides])
        against[rows, place] = drawn_splits(n, votes, harm=before, rows=rows, rng=rng)
        harm[rows, place] = 1 - before[rows]
        turned.append(rows)
    return Labels(harm, against), turned


def _first(draws: Sequence[Ranking], *, sees_harm: bool, at: Sequence[int]) -> Iterator[tuple[int | None, list[int]]]:
    """Numbers of first labels to look at, and how many that is in each draw; None: those that would be named."""
    shortest = min(len(draw.ranked(sees_harm=sees_harm)[0]) for draw in draws)
    n = len(draws[0].planted_of(sees_harm=sees_harm))
    if n and shortest:
        for k in sorted({k for k in (*at, n) if 1 <= k <= shortest}):
            yield k, [k] * len(draws)
        yield None, [draw.named(sees_harm=sees_harm) for draw in draws]


def _found(
    draws: Sequence[Ranking], *, sees_harm: bool, counts: Sequence[int], prompt: Rows
) -> dict[str, float | str | None]:
    """Precision and recall of so many first labels of each draw, over all draws, with prompts as the unit."""
    ranked = [draw.ranked(sees_harm=sees_harm) for draw in draws]
    planted = [draw.planted_of(sees_harm=sees_harm) for draw in draws]
    named = [order[:n] for n, (order, _) in zip(counts, ranked, strict=True)]
    hits = [hit[:n] for n, (_, hit) in zip(counts, ranked, strict=True)]
    caught = [np.isin(rows, first) for rows, first in zip(planted, named, strict=True)]
    precision, why = _share_of("precision", named, hits=hits, prompt=prompt)
    recall, why_not = _share_of("recall", planted, hits=caught, prompt=prompt)
    return {
        "direction": FALSE_ALARM if sees_harm else MISSED_HARM,
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
        return dict.fromkeys((name, f"{name}_low", f"{name}_high")), "no label is so likely to be wrong"
    n = np.bincount(clusters)[:, None]
    found = share_interval(np.bincount(clusters, np.concatenate(hits))[:, None], n)
    share, reach = found.estimate[0], reach_over_draws(hits, share=found.estimate[0])
    # minimum and maximum keep NaN
    ends = (share, np.minimum(found.low[0], max(share - reach, 0)), np.maximum(found.high[0], min(share + reach, 1)))
    values = {
        column: None if np.isnan(end) else float(end)
        for column, end in zip((name, f"{name}_low", f"{name}_high"), ends, strict=True)
    }
    worth = f"its labels have fewer than {FEWEST_EFFECTIVE} effective prompts"
    return values, None if np.isfinite(found.low[0]) else f"no interval of the {name}: {worth}"


def reach_over_draws(hits: Sequence[Bools], *, share: float) -> float:
    """Half the width of the interval of a share of all draws, each draw one observation of a ratio of sums."""
    if len(hits) < 2:
        return 0.0
    n = np.array([len(hit) for hit in hits])
    apart = (np.array([hit.sum() for hit in hits]) - share * n) / n.mean()
    return float(t_quantile(0.95, df=len(hits) - 1)) * float(apart.std(ddof=1)) / math.sqrt(len(hits))
