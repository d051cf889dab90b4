"""Policies compared on the same prompts, such as before and after training: differences, wins, Elo."""

from __future__ import annotations

import numpy as np
import polars as pl

from btviz.dataset import Dataset
from btviz.errors import UsageError, choice
from btviz.preference.shares import FEWEST_PROMPTS
from btviz.scoring.intervals import ALIKE, FEW
from btviz.scoring.judged import checked
from btviz.stats.association import Floats, ratio
from btviz.stats.bradley_terry import elo_ratings
from btviz.stats.resampling import bootstrap, cluster_sums

ANSWERS = pl.Schema({"policy": pl.String(), "item": pl.String(), "prompt_id": pl.UInt64(), "pair_id": pl.UInt64()})
"""One row per answer of a policy; answers meet where `item` and prompt are the same."""

NO_SUMS = "this value has no interval: resamples without a win or a loss leave it infinite"
_BETTER = {"reward": 1.0, "cost": -1.0}
"""Direction in which a score is better."""


def policy_answers(ds: Dataset) -> pl.DataFrame:
    """Answers of a data set by their answering model.

    Returns
    -------
    DataFrame
        The columns of `ANSWERS`; the prompt is the item. Answers without a known model are left
        out.
    """
    known = ds.pairs.filter(pl.col("source").is_not_null())
    item = pl.col("prompt_id").cast(pl.String).alias("item")
    return known.select(pl.col("source").alias("policy"), item, "prompt_id", "pair_id").sort(
        "policy", "item", "pair_id"
    )


def policy_scores(answers: pl.DataFrame, scores: pl.DataFrame) -> pl.DataFrame:
    """Reward and cost of each answer of each policy.

    Parameters
    ----------
    answers : DataFrame
        The columns of `ANSWERS`: from `policy_answers`, or of a score file.
    scores : DataFrame
        A table of scores.

    Returns
    -------
    DataFrame
        The columns of `ANSWERS`, `model`, `kind`, `score`; moderation is left out.
    """
    known = checked(scores).filter(pl.col("kind").is_in(list(_BETTER))).with_columns(pl.col("score").fill_nan(None))
    joined = answers.select(list(ANSWERS)).join(known.drop_nulls("score").drop("target"), on="pair_id")
    return joined.sort("model", "kind", "policy", "item", "pair_id")


def on_same_items(table: pl.DataFrame) -> pl.DataFrame:
    """Keep the items that every policy answered, so that distributions differ by the policy alone.

    Parameters
    ----------
    table : DataFrame
        From `policy_scores`.

    Returns
    -------
    DataFrame
        Rows of `table`.

    Raises
    ------
    UsageError
        If there are fewer than two policies, or no item was answered by all.
    """
    known = table["policy"].unique().sort().to_list()
    if len(known) < 2:
        raise UsageError(
            f"Policies were to be compared, such as before and after training; the scores are of {known or 'none'}. "
            "Score the answers of two: btviz score NAME --from BEFORE --from AFTER."
        )
    answered = pl.col("policy").n_unique().over("model", "kind", "item", "prompt_id")
    same = table.filter(answered == len(known))
    if same.is_empty():
        raise UsageError(
            f"{', '.join(known)} were to be compared; no prompt was answered by all of them. "
            "Compare policies that answered the same prompts."
        )
    return same


def compare_policies(
    table: pl.DataFrame, *, before: str, after: str, n_boot: int = 2000, random_state: int = 0
) -> pl.DataFrame:
    """Compare two policies on the items that both answered.

    Where a policy answered an item several times, each of its answers meets each of the other
    policy's, and the item counts once.

    Parameters
    ----------
    table : DataFrame
        From `policy_scores`.
    before, after : str
        The two policies.
    n_boot, random_state : int
        Bootstrap replicates, drawn over prompts, and seed.

    Returns
    -------
    DataFrame
        `model`, `kind`, `before`, `after`, `statistic`, `n` (items), `prompts`, `estimate`,
        `low`, `high` (95 %, by prompt), `undefined`. Statistics: "mean before", "mean after",
        "mean difference" (after - before), "win rate" of *after* (reward higher, cost lower;
        ties half), "wins", "ties", "losses" (shares of items), "Elo" of *after* over *before*
        (400 log10 of the odds of the win rate); for cost "share below 0 before", "share below 0
        after" and "difference of shares below 0".

    Raises
    ------
    UsageError
        If a policy is unknown or no item was answered by both.
    """
    known = table["policy"].unique().sort().to_list()
    for policy in (before, after):
        choice(policy, known, what="policy")
    tables = []
    for (model, kind), part in sorted(table.group_by("model", "kind"), key=lambda found: str(found[0])):
        met = _met(part, before, after)
        if met.is_empty():
            raise UsageError(
                f"{before!r} and {after!r} were to be compared by {model}; no prompt was answered by both. "
                "Compare policies that answered the same prompts."
            )
        rows = _compared(met, cost=kind == "cost", n_boot=n_boot, seed=random_state)
        tables.append(
            rows.select(
                *(pl.lit(str(value)).alias(name) for name, value in (("model", model), ("kind", kind))),
                *(pl.lit(value).alias(name) for name, value in (("before", before), ("after", after))),
                pl.all(),
            )
        )
    return pl.concat(tables)


def policy_ratings(
    table: pl.DataFrame, *, reference: str | None = None, n_boot: int = 1000, random_state: int = 0
) -> pl.DataFrame:
    """Elo ratings of all policies, by each score, from all meetings on the same items.

    Parameters
    ----------
    table : DataFrame
        From `policy_scores`.
    reference : str, optional
        Policy whose rating is 0; by default the first by name.
    n_boot, random_state : int
        Bootstrap replicates, drawn over prompts, and seed.

    Returns
    -------
    DataFrame
        `model`, `kind`, `policy`, `n` (items on which it met another), `prompts` (of these
        items), `win_rate` (against all others, ties half), `elo` (Bradley-Terry, maximum
        likelihood), `low`, `high` (95 %, by prompt), `undefined`.
    """
    policies = table["policy"].unique().sort().to_list()
    if len(policies) < 2:
        raise UsageError(f"Ratings need two policies that met; there is only {policies}. Add the answers of another.")
    zero = policies.index(choice(reference, policies, what="policy")) if reference else 0
    tables = []
    for (model, kind), part in sorted(table.group_by("model", "kind"), key=lambda found: str(found[0])):
        rows = _rated(part, policies, zero=zero, n_boot=n_boot, seed=random_state)
        named = (pl.lit(str(value)).alias(name) for name, value in (("model", model), ("kind", kind)))
        tables.append(rows.select(*named, pl.all()))
    return pl.concat(tables)


def _met(part: pl.DataFrame, before: str, after: str) -> pl.DataFrame:
    """Every meeting of two answers to one item, with the weight that makes each item count once."""
    own = part.with_columns(pl.col("score") * _BETTER[part["kind"][0]])
    one, two = (own.filter(policy=policy).select("item", "prompt_id", "score") for policy in (before, after))
    same = ("item", "prompt_id")  # files may number other prompts alike
    met = one.join(two.select(*same, pl.col("score").alias("score_after")), on=same)
    return met.with_columns((1 / pl.len().over(same)).alias("weight"))


def _compared(met: pl.DataFrame, *, cost: bool, n_boot: int, seed: int) -> pl.DataFrame:
    sign = -1.0 if cost else 1.0
    first, second, weight = (met[name].to_numpy() for name in ("score", "score_after", "weight"))
    columns = [np.ones(len(first)), sign * first, sign * second, sign * (second - first)]
    columns += [second > first, second == first, second < first]
    columns += [first > 0, second > 0]  # scores are turned, so above 0 is a cost below 0
    sums = cluster_sums(np.column_stack(columns) * weight[:, None], clusters=met["prompt_id"].to_numpy())
    names = ["mean before", "mean after", "mean difference", "wins", "ties", "losses", "win rate", "Elo"]
    names += ["share below 0 before", "share below 0 after", "difference of shares below 0"] if cost else []

    def measured(drawn: Floats) -> Floats:
        shares = ratio(drawn[:, 1:], drawn[:, :1])
        rate = shares[:, 3] + shares[:, 4] / 2
        elo = 400 * np.log10(ratio(rate, 1 - rate), where=rate > 0, out=np.full(len(rate), np.nan))
        below = [shares[:, 6], shares[:, 7], shares[:, 7] - shares[:, 6]] if cost else []
        return np.column_stack([shares[:, :6], rate, elo, *below])

    found = bootstrap(sums, measured, n_boot=n_boot, random_state=seed)
    few = len(sums) < FEWEST_PROMPTS
    fixed = (found.low == found.high) | few
    ends = [np.where(fixed, np.nan, end) for end in (found.low, found.high)]
    reasons = [
        FEW if few else ALIKE if same else None if np.isfinite(low) else NO_SUMS
        for same, low in zip(fixed, ends[0], strict=True)
    ]
    return pl.DataFrame(
        {
            "statistic": names,
            "n": [met.select("item", "prompt_id").n_unique()] * len(names),
            "prompts": [len(sums)] * len(names),
            "estimate": found.estimate,
            "low": ends[0],
            "high": ends[1],
            "undefined": pl.Series(reasons, dtype=pl.String),
        }
    ).with_columns(pl.col(pl.Float64).fill_nan(None), pl.col("n", "prompts").cast(pl.Int64))


def _rated(part: pl.DataFrame, policies: list[str], *, zero: int, n_boot: int, seed: int) -> pl.DataFrame:
    k = len(policies)
    sums = _wins(part, policies)
    sums = sums[sums.any(axis=1)]  # prompts that one policy alone answered say nothing
    items, prompts = _met_by_each(part, policies)

    def rated(drawn: Floats) -> Floats:
        return elo_ratings(drawn.reshape(-1, k, k), reference=zero)

    found = bootstrap(sums, rated, n_boot=n_boot, random_state=seed)
    total = sums.sum(axis=0).reshape(k, k)
    few = len(sums) < FEWEST_PROMPTS
    ends = [np.full(k, np.nan) if few else end for end in (found.low, found.high)]
    absent = "some policy never won, never lost or never met the others, so the likelihood has no maximum"
    reasons = [
        absent if not np.isfinite(value) else FEW if few else None if np.isfinite(low) else NO_SUMS
        for value, low in zip(found.estimate, ends[0], strict=True)
    ]
    met = total + total.T
    return pl.DataFrame(
        {
            "policy": policies,
            "n": items,
            "prompts": prompts,
            "win_rate": ratio(total.sum(axis=1), met.sum(axis=1)),
            "elo": found.estimate,
            "low": ends[0],
            "high": ends[1],
            "undefined": pl.Series(reasons, dtype=pl.String),
        }
    ).with_columns(pl.col(pl.Float64).fill_nan(None), pl.col("n", "prompts").cast(pl.Int64))


def _met_by_each(part: pl.DataFrame, policies: list[str]) -> tuple[list[int], list[int]]:
    """How many items each policy met another on, and their prompts."""
    shared = part.filter(pl.col("policy").n_unique().over("item", "prompt_id") > 1)
    own = [shared.filter(policy=policy).select("item", "prompt_id") for policy in policies]
    return [rows.n_unique() for rows in own], [rows["prompt_id"].n_unique() for rows in own]


def _wins(part: pl.DataFrame, policies: list[str]) -> Floats:
    """Wins of each policy over each other by prompt, shape (prompts, k * k); a tie is half a win."""
    k = len(policies)
    prompts = part["prompt_id"].unique().sort()
    place = pl.int_range(len(prompts), eager=True)
    wins = np.zeros((len(prompts), k, k))
    for first in range(k):
        for second in range(first + 1, k):
            met = _met(part, policies[first], policies[second])
            row = met["prompt_id"].replace_strict(prompts, place, return_dtype=pl.Int64).to_numpy()
            lead = np.sign((met["score"] - met["score_after"]).to_numpy())
            weight = met["weight"].to_numpy()
            np.add.at(wins[:, first, second], row, weight * (1 + lead) / 2)
            np.add.at(wins[:, second, first], row, weight * (1 - lead) / 2)
    return wins.reshape(len(prompts), k * k)
