"""What votes alone tell of annotators' errors, where nobody knows whose vote is whose: two latent classes a category.

The majority takes every vote for as good as any other, and a category flagged by mistake now and then for what it is
not. The model tells missed cases from false alarms by how votes on one pair fall together (`btviz.stats.latent_class`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as cs

from btviz.data.dataset import Dataset
from btviz.labels.agreement import PairVotes, pair_votes
from btviz.stats.association import Floats, ratio
from btviz.stats.clustered import (
    FEW_RARER,
    FEWEST_EFFECTIVE,
    by_log_odds,
    effective_number,
    jackknife,
    share_interval,
)
from btviz.stats.latent_class import (
    PARAMETERS,
    VOTES,
    chance_positive,
    own_rates,
    three_votes,
    two_classes,
    vote_chances,
)
from btviz.stats.quantiles import t_quantile
from btviz.stats.resampling import bootstrap, cluster_sums

_CELLS = VOTES + 1

_NO_FREEDOM = (
    "three votes fit exactly, whatever the truth, and no other number of votes is frequent enough to contradict the "
    "model"
)

_UNTOLD = 0.05
"""Share of resamples without two classes from which there is no interval."""

_NO_INTERVAL = "no interval: in more than one resample of twenty the votes tell no two classes apart"

_BELOW_HALF = (
    "a positive pair gets most of its votes against it: latent class and majority mean different things, and bounds, "
    "which trust the majority of all possible votes, need not hold the estimate; intervals may cover too "
    "little (87 % seen)"
)

_ACROSS = pl.Schema(
    {
        "category": pl.String(),
        "n_votes": pl.Int64(),
        "n_pairs": pl.Int64(),
        "n_prompts": pl.Int64(),
        "disputed": pl.Float64(),
        "disputed_predicted": pl.Float64(),
        "difference": pl.Float64(),
        "difference_low": pl.Float64(),
        "difference_high": pl.Float64(),
        "undefined": pl.String(),
    }
)


@dataclass(frozen=True, eq=False)
class AnnotatorNoise:
    """Errors of annotators and latent prevalences by category, from votes without names.

    Attributes
    ----------
    table : DataFrame
        One row per category in the taxonomy's order, then "is_safe", of which *unsafe* is the positive answer:

        - `category`; `n_pairs`, `n_prompts` (with three votes or more, on which all here rests); `n_pairs_three`,
          `n_pairs_more`, `n_pairs_fewer` (with exactly three, with more, with one or two, which tell nothing);
        - `votes_0`, `votes_1`, `votes_2`, `votes_3`: share of these pairs with so many positive votes of three drawn
          at random, 0 .. 1;
        - `prevalence_majority`: share of these pairs that have the category by majority (a tie counts), 0 .. 1, with
          `_low` and `_high` (95 % by prompt, `btviz.stats.clustered`);
        - `prevalence`, `sensitivity` (chance that a vote on a positive pair is positive), `false_positive_rate` (that a
          vote on another is), each 0 .. 1 with `_low` and `_high`: most likely values and 95 % intervals by prompt;
        - `misfit`: share of pairs that would have to change their votes for the model to fit three votes exactly,
          0 .. 1; above 0 only where a rate lies at 0 or 1;
        - `prevalence_lowest`, `prevalence_highest`, and the same of the two rates: what is compatible with the votes
          if every pair has error rates of its own, as long as more than half of all possible annotators would be right
          on it; sampling error included, all categories' rows hold with 95 % each;
        - `n_relabelled`: pairs of one vote or more whose more probable class is not what the majority says;
        - `undefined`: why the model has no value; `doubt`: what to mind of it.
    across_votes : DataFrame
        Whether rates fitted on pairs with exactly three votes predict the others; the prevalence may differ, as it
        is set by the share of positive votes. One row per category and number of votes: `category`, `n_votes`,
        `n_pairs`, `n_prompts`, `disputed` (share of pairs with unequal votes), `disputed_predicted`, `difference`
        (observed less predicted) with `_low`, `_high` (95 % by prompt), `undefined`. An interval without 0 contradicts
        the model, or says that pairs of many votes are other pairs.
    posterior : DataFrame
        One row per category and outcome of the votes: `category`, `n_votes`, `n_positive`, `n_pairs`, `probability`
        (that such a pair is positive, 0 .. 1, null without a model), `majority` (what the majority says).
    """

    table: pl.DataFrame
    across_votes: pl.DataFrame
    posterior: pl.DataFrame
    _votes: PairVotes = field(repr=False)

    @cached_property
    def pairs(self) -> pl.DataFrame:
        """Every pair and category with a vote: `pair_id`, `prompt_id`, `category`, and the columns of `posterior`."""
        votes = self._votes
        tables = [
            pl.DataFrame(
                {
                    "pair_id": votes.pair_id,
                    "prompt_id": votes.prompt_id,
                    "n_votes": votes.n_raters[:, place],
                    "n_positive": votes.n_positive[:, place],
                }
            ).select("pair_id", "prompt_id", pl.lit(target).alias("category"), "n_votes", "n_positive")
            for place, target in enumerate(votes.targets)
        ]
        outcome = ["category", "n_votes", "n_positive"]
        known = self.posterior.drop("n_pairs")
        return pl.concat(tables).join(known, on=outcome, how="inner", maintain_order="left")


def annotator_noise(ds: Dataset, *, n_boot: int = 1000, random_state: int = 0) -> AnnotatorNoise:
    """Estimate how often annotators miss a category or flag it by mistake, and how frequent it truly is.

    Parameters
    ----------
    ds : Dataset
        Data set with three annotations or more per pair; values are null for others, and say why.
    n_boot, random_state : int
        Replicates of the bootstrap over prompts, and its seed.

    Returns
    -------
    AnnotatorNoise
        Tables of parameters, of predictions across numbers of votes, and of the chance of each outcome.

    Notes
    -----
    Two latent classes with exchangeable annotators (Dawid & Skene 1979), the sensitivity above the false-positive
    rate, votes on one pair independent given its class. Intervals: the wider ends of two, log-odds by the jackknife
    over prompts and percentiles of a bootstrap of prompts. A category has no model below 20 effective prompts with a
    positive vote, or 8 with two of three, or with as few negative ones.
    """
    votes = pair_votes(ds)
    shares = three_votes(votes.n_raters, votes.n_positive)
    by_prompt = cluster_sums(shares.reshape(len(shares), -1), clusters=votes.prompt_id).reshape(
        -1, len(votes.targets), _CELLS
    )
    reasons = _reasons(votes, by_prompt)
    fitted = two_classes(by_prompt.sum(axis=0))
    fitted[[reason is not None for reason in reasons]] = np.nan
    low, high = parameter_intervals(fitted, by_prompt, n_boot=n_boot, random_state=random_state)
    posterior = _posterior(votes, fitted)
    across = _across(votes, reasons, n_boot=n_boot, random_state=random_state)
    table = (
        _counts(votes, by_prompt)
        .with_columns(_majority(votes))
        .with_columns(
            pl.Series(f"{name}{ending}", values[:, place])
            for place, name in enumerate(PARAMETERS)
            for ending, values in (("", fitted), ("_low", low), ("_high", high))
        )
        .with_columns(_bounds(by_prompt, reasons), misfit=pl.Series(_misfit(by_prompt.sum(axis=0), fitted)))
        .with_columns(cs.float().fill_nan(None))
        .join(_relabelled(posterior), on="category", how="left", maintain_order="left")
        .with_columns(
            undefined=pl.Series(reasons, dtype=pl.String),
            doubt=pl.Series(_doubts(votes, fitted, low=low, across=across), dtype=pl.String),
        )
    )
    return AnnotatorNoise(table, across, posterior, votes)


def _reasons(votes: PairVotes, by_prompt: Floats) -> list[str | None]:
    """Why a target has no model; None where it has one."""
    if votes.undefined is not None:
        few = "; with one or two votes a pair, very different truths fit exactly" if votes.n_raters.any() else ""
        return [votes.undefined + few] * len(votes.targets)
    nothing = "no pair has three votes; with one or two, very different truths fit exactly"
    targets = range(len(votes.targets))
    return [why_no_model(by_prompt[:, place]) if by_prompt[:, place].any() else nothing for place in targets]


def why_no_model(cells: Floats) -> str | None:
    """Why votes by prompt, shape (C, 4), tell no two classes apart; None where they do."""
    for sign, some, several in (("positive", cells[:, 1:], cells[:, 2:]), ("negative", cells[:, :3], cells[:, :2])):
        n_some, n_several = (float(effective_number(part.sum(axis=1))) for part in (some, several))
        if n_some < FEWEST_EFFECTIVE:
            return (
                f"too rare: pairs with a {sign} vote have {int(n_some)} effective prompts, and the model needs "
                f"{FEWEST_EFFECTIVE}"
            )
        if n_several < FEW_RARER:
            return (
                f"too rare: pairs with two {sign} votes of three have {int(n_several)} effective prompts, and missed "
                f"cases are told from false alarms by {FEW_RARER} or more"
            )
    if np.isnan(two_classes(cells.sum(axis=0))).any():
        return "votes on one pair are no more alike than votes on different pairs: nothing tells two classes apart"
    return None


def parameter_intervals(fitted: Floats, by_prompt: Floats, *, n_boot: int, random_state: int) -> tuple[Floats, Floats]:
    """Ends of 95 % intervals, shape (targets, 3): what log-odds by the jackknife or percentiles of a bootstrap reach.

    Either alone covers too little: log-odds never reach a rate of 0 or 1, and percentiles are short where few prompts
    tell. No end where more than one resample in twenty tells no two classes apart.
    """
    low, high = np.full((2, *fitted.shape), np.nan)
    known = np.flatnonzero(np.isfinite(fitted).all(axis=1))
    for name in range(len(PARAMETERS)):
        error, freedom = jackknife(by_prompt[:, known], partial(_parameter, name=name))
        low[known, name], high[known, name] = by_log_odds(fitted[known, name], t_quantile(0.95, df=freedom) * error)
    for place in known:
        drawn = bootstrap(by_prompt[:, place], two_classes, n_boot=n_boot, random_state=random_state).replicates
        told = drawn[np.isfinite(drawn).all(axis=1)]
        if len(told) < (1 - _UNTOLD) * n_boot:
            low[place], high[place] = np.nan, np.nan
            continue
        ends = np.quantile(told, [0.025, 0.975], axis=0)
        low[place], high[place] = np.fmin(low[place], ends[0]), np.fmax(high[place], ends[1])
    return low, high


def _parameter(counts: Floats, *, name: int) -> Floats:
    return np.asarray(two_classes(counts)[..., name])


def _counts(votes: PairVotes, by_prompt: Floats) -> pl.DataFrame:
    raters = votes.n_raters
    counted = {
        "n_pairs": (raters >= VOTES).sum(axis=0),
        "n_prompts": (by_prompt.sum(axis=-1) > 0).sum(axis=0),
        "n_pairs_three": (raters == VOTES).sum(axis=0),
        "n_pairs_more": (raters > VOTES).sum(axis=0),
        "n_pairs_fewer": ((raters > 0) & (raters < VOTES)).sum(axis=0),
    }
    totals = by_prompt.sum(axis=0)
    shares = ratio(totals, totals.sum(axis=1, keepdims=True))
    return pl.DataFrame(
        {
            "category": votes.targets,
            **{name: values.astype(np.int64) for name, values in counted.items()},
            **{f"votes_{k}": shares[:, k] for k in range(_CELLS)},
        }
    )


def _majority(votes: PairVotes) -> list[pl.Series]:
    """Share of pairs that have a category by majority, among those with three votes or more."""
    enough = votes.n_raters >= VOTES
    holds = enough & (2 * votes.n_positive >= votes.n_raters)
    sums = [cluster_sums(of.astype(np.float64), clusters=votes.prompt_id) for of in (holds, enough)]
    shown = share_interval(*sums)
    parts = {"": shown.estimate, "_low": shown.low, "_high": shown.high}
    return [pl.Series(f"prevalence_majority{ending}", values) for ending, values in parts.items()]


def _bounds(by_prompt: Floats, reasons: Sequence[str | None]) -> list[pl.Series]:
    """What is compatible with the votes if every pair has error rates of its own; none without three votes."""
    n = by_prompt.sum(axis=-1)
    ends = np.full((len(reasons), len(PARAMETERS), 2), np.nan)
    for place in np.flatnonzero(n.sum(axis=0) > 0):
        # the four shares at once (Bonferroni), so that what follows from them holds with 95 %
        shares = share_interval(by_prompt[:, place], n[:, place : place + 1], confidence=1 - 0.05 / _CELLS)
        ends[place] = own_rates(shares.low, shares.high)
    names = {0: "lowest", 1: "highest"}
    return [
        pl.Series(f"{name}_{names[end]}", ends[:, place, end]) for place, name in enumerate(PARAMETERS) for end in names
    ]


def _misfit(totals: Floats, fitted: Floats) -> Floats:
    """Total variation distance of the observed and the fitted shares of pairs by their votes."""
    observed = ratio(totals, totals.sum(axis=1, keepdims=True))
    distance: Floats = np.abs(observed - vote_chances(fitted, n_votes=VOTES)).sum(axis=1) / 2
    return np.where(distance < 1e-9, 0.0, distance)


def _posterior(votes: PairVotes, fitted: Floats) -> pl.DataFrame:
    tables = []
    for place, target in enumerate(votes.targets):
        raters, positive = votes.n_raters[:, place], votes.n_positive[:, place]
        kinds, counts = np.unique(np.stack([raters, positive])[:, raters > 0], axis=1, return_counts=True)
        tables.append(
            pl.DataFrame(
                {
                    "category": pl.Series([target] * len(counts), dtype=pl.String),
                    "n_votes": kinds[0],
                    "n_positive": kinds[1],
                    "n_pairs": counts.astype(np.int64),
                    "probability": chance_positive(*kinds, parameters=fitted[place]),
                    "majority": 2 * kinds[1] >= kinds[0],
                }
            )
        )
    return pl.concat(tables).with_columns(pl.col("probability").fill_nan(None))


def _relabelled(posterior: pl.DataFrame) -> pl.DataFrame:
    differs = (pl.col("probability") > 0.5) != pl.col("majority")
    n = pl.when(pl.col("probability").count() > 0).then(pl.col("n_pairs").filter(differs).sum())
    return posterior.group_by("category").agg(n.alias("n_relabelled"))


def _doubts(votes: PairVotes, fitted: Floats, *, low: Floats, across: pl.DataFrame) -> list[str | None]:
    contradictable = set(across.drop_nulls("difference")["category"])
    found: list[str | None] = []
    for place, target in enumerate(votes.targets):
        words = [] if votes.doubt is None else [votes.doubt]
        if np.isfinite(fitted[place]).all():
            words += [] if target in contradictable else [_NO_FREEDOM]
            rates = zip(PARAMETERS, fitted[place].tolist(), strict=True)
            edges = [name.replace("_", " ") for name, rate in rates if rate in {0.0, 1.0}]
            words += [f"the {' and the '.join(edges)} lies at the end of its range"] if edges else []
            words += [_BELOW_HALF] if fitted[place, 1] < 0.5 else []
            words += [] if np.isfinite(low[place]).all() else [_NO_INTERVAL]
        found.append("; ".join(words) or None)
    return found


def _across(votes: PairVotes, reasons: Sequence[str | None], *, n_boot: int, random_state: int) -> pl.DataFrame:
    """How rates of pairs with exactly three votes predict disputes among pairs with other numbers of votes."""
    if votes.undefined is not None:
        return pl.DataFrame(schema=_ACROSS)
    rows = []
    for place, target in enumerate(votes.targets):
        raters, positive = votes.n_raters[:, place], votes.n_positive[:, place]
        for n_votes in np.setdiff1d(np.unique(raters), [0, 1, VOTES]).tolist():
            known: dict[str, Any] = {"category": target, "n_votes": n_votes, "undefined": reasons[place]}
            sums = _sums_across(votes, raters, positive=positive, n_votes=n_votes)
            worth = float(effective_number(sums[:, _CELLS]))
            known |= {"n_pairs": int(sums[:, _CELLS].sum()), "n_prompts": int((sums[:, _CELLS] > 0).sum())}
            known["disputed"] = float(sums[:, -1].sum()) / known["n_pairs"]
            if worth < FEWEST_EFFECTIVE:
                known["undefined"] = (
                    f"these pairs have {int(worth)} effective prompts, and a comparison needs {FEWEST_EFFECTIVE}"
                )
            if known["undefined"] is None:
                known |= _compared(sums, n_votes, n_boot=n_boot, random_state=random_state)
            rows.append(known)
    return pl.DataFrame(rows, schema=_ACROSS).with_columns(cs.float().fill_nan(None))


def _sums_across(votes: PairVotes, raters: Any, *, positive: Any, n_votes: int) -> Floats:
    """By prompt: pairs of three votes by outcome; pairs of other votes, their share of positive ones, disputes."""
    three, there = raters == VOTES, raters == n_votes
    disputed = there & (positive > 0) & (positive < raters)
    columns = [three_votes(raters, positive) * three[:, None]]
    columns += [np.column_stack([there, np.where(there, positive / n_votes, 0.0), disputed])]
    return cluster_sums(np.hstack(columns), clusters=votes.prompt_id)


def _compared(sums: Floats, n_votes: int, *, n_boot: int, random_state: int) -> Mapping[str, Any]:
    def statistic(totals: Floats) -> Floats:
        parameters = two_classes(totals[:, :_CELLS])
        _, high, low = parameters.T
        n, positive, disputed = totals[:, _CELLS:].T
        share = np.clip(ratio(ratio(positive, n) - low, high - low), 0, 1)
        chances = vote_chances(np.stack([share, high, low], axis=-1), n_votes=n_votes)
        predicted = chances[:, 1:-1].sum(axis=1)
        return np.stack([predicted, ratio(disputed, n) - predicted], axis=-1)

    found = bootstrap(sums, statistic, n_boot=n_boot, random_state=random_state)
    values = {"disputed_predicted": found.estimate[0], "difference": found.estimate[1]}
    values |= {"difference_low": found.low[1], "difference_high": found.high[1]}
    if np.isfinite(values["difference_low"]):
        return {name: float(value) for name, value in values.items()}
    return {"undefined": "among pairs with exactly three votes, some resamples tell no two classes apart"}
