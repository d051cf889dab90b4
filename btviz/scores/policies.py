"""Answers by policy, and policies compared: means, win rates and Elo on the same prompts, safe rates by category."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import polars as pl

from btviz.data.dataset import Dataset
from btviz.errors import UsageError, choice
from btviz.scores.answers import by_model, everything
from btviz.scores.intervals import interval_columns, ratio_rows, stamped
from btviz.scores.raters import LIMIT, no_verdicts, safety_verdicts
from btviz.stats.association import Floats, ratio
from btviz.stats.clustered import ClusterInterval, share_interval
from btviz.stats.ordering import elo_ratings
from btviz.stats.resampling import Level, check_draws, cluster_sums
from btviz.stats.smooth import smooth_interval
from btviz.taxonomy.categories import Taxonomy

ANSWERS = pl.Schema({"policy": pl.String(), "item": pl.String(), "prompt_id": pl.UInt64(), "pair_id": pl.UInt64()})
"""One row per answer of a policy; answers meet where `item` and prompt are the same."""


_KNOWN = pl.Schema(
    {
        "pair_id": pl.UInt64(),
        "model": pl.String(),
        "kind": pl.String(),
        "score": pl.Float64(),
        "no_boundary": pl.String(),
    }
)


def policy_answers(ds: Dataset) -> pl.DataFrame:
    """Answers of a data set by their answering model.

    Parameters
    ----------
    ds : Dataset
        Data with answering models.

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


def joined_answers(tables: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Join tables of answers; an answer of a policy that two tables number in their own ways counts once.

    Where the later table goes on with the numbers of the earlier, as parts of one file do, an answer that
    was given again to what was asked again counts again.
    """
    known = ANSWERS.to_frame()
    for table in tables:
        added = table.select(list(ANSWERS))
        if not _go_on(known, added):
            added = added.join(known, on=["policy", "pair_id"], how="anti")
        known = pl.concat([known, added]).unique()
    return known.sort(list(ANSWERS))


def _go_on(known: pl.DataFrame, table: pl.DataFrame) -> bool:
    """Whether both tables number what was asked, and no number of a policy stands for two prompts."""
    prompt = pl.col("prompt_id").cast(pl.String)
    if not all((each.select(pl.col("item") != prompt).to_series()).any() for each in (known, table)):
        return False
    both = known.join(table, on=["policy", "item"], suffix="_other")
    return bool((both["prompt_id"] == both["prompt_id_other"]).all())


def settle_items(answers: pl.DataFrame) -> pl.DataFrame:
    """Let answers meet on the prompt where the files number no items, or number their own rows."""
    policies = pl.col("policy").n_unique()
    counted = answers.with_columns(here=policies.over("item", "prompt_id"), all=policies.over("prompt_id"))
    by_prompt = counted.filter(pl.col("all") > 1).group_by("policy", "prompt_id").agg((pl.col("here") > 1).any())
    # rows in another order have a few numbers in common by chance, so a prompt that meets by item says nothing
    met = by_prompt.group_by("policy").agg(pl.col("here").mean())
    own_rows = bool((met["here"] < 0.5).any())
    prompt = pl.col("prompt_id").cast(pl.String)
    return answers.with_columns((prompt if own_rows else pl.coalesce("item", prompt)).alias("item"))


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
        The columns of `ANSWERS`, `model`, `kind`, `score`, `no_boundary` (why a cost of 0 may part nothing; null
        where it does); moderation is left out.
    """
    parts = [
        stamped(part.scores, {"model": part.model, "kind": part.kind, "no_boundary": part.no_boundary})
        for part in by_model(scores)
        if part.kind in BETTER
    ]
    known = pl.concat([_KNOWN.to_frame(), *(part.select(list(_KNOWN)) for part in parts)])
    joined = answers.select(list(ANSWERS)).join(known, on="pair_id")
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
        Checked; intervals are in closed form.

    Returns
    -------
    DataFrame
        `model`, `kind`, `before`, `after`, `statistic`, `n` (items), `prompts`, `estimate`,
        `low`, `high` (95 %, by prompt), `undefined`. Statistics: "mean before", "mean after",
        "mean difference" (after - before), "win rate" of *after* (reward higher, cost lower;
        ties count ½), "wins", "ties", "losses" (shares of items), "Elo" of *after* over *before*
        (400 log10 of the odds of the win rate); for cost "share below 0 before", "share below 0
        after" and "difference of shares below 0", null where that may be no boundary.

    Raises
    ------
    UsageError
        If a policy is unknown or no item was answered by both.
    """
    check_draws(n_boot, random_state)  # refuses what makes no sense
    known = table["policy"].unique().sort().to_list()
    for policy in (before, after):
        choice(policy, known, what="policy")
    tables = []
    for model, kind, part in _by_score(table):
        met = meetings_of(part, before=before, after=after)
        if met.is_empty():
            raise UsageError(
                f"{before!r} and {after!r} were to be compared by {model}; no prompt was answered by both. "
                "Compare policies that answered the same prompts."
            )
        rows = paired_statistics(met, is_cost=kind == "cost")
        rows = _without_shares(rows, reason=part["no_boundary"][0] if "no_boundary" in part.columns else None)
        tables.append(stamped(rows, {"model": model, "kind": kind, "before": before, "after": after}))
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
        Policy whose rating is 0; by default, and for a model that did not score it, the first by name.
    n_boot, random_state : int
        Checked; intervals are in closed form.

    Returns
    -------
    DataFrame
        Of models that scored two policies or more: `model`, `kind`, `policy`, `n` (items on which it met
        another), `prompts` (of these items), `win_rate` (against all others; ties count ½), `elo`
        (Bradley-Terry, maximum likelihood), `low`, `high` (95 %, by prompt), `undefined`.
    """
    check_draws(n_boot, random_state)  # refuses what makes no sense
    if reference is not None:
        choice(reference, table["policy"].unique().sort().to_list(), what="policy")
    tables = []
    for model, kind, part in _by_score(table):
        policies = part["policy"].unique().sort().to_list()
        if len(policies) > 1:
            zero = policies.index(reference) if reference in policies else 0
            rows = elo_rows(part, policies, reference=zero)
            tables.append(stamped(rows, {"model": model, "kind": kind}))
    if not tables:
        known = table["policy"].unique().sort().to_list()
        raise UsageError(
            f"Ratings need a model that scored two policies; there is none, of policies {known}. Add the scores of "
            "another policy by the same model."
        )
    return pl.concat(tables)


def _by_score(table: pl.DataFrame) -> Iterator[tuple[str, str, pl.DataFrame]]:
    """Rows of each model and kind, in the order of their names."""
    for (model, kind), part in sorted(table.group_by("model", "kind"), key=lambda found: str(found[0])):
        yield str(model), str(kind), part


BETTER = {"reward": 1.0, "cost": -1.0}
"""Direction in which a score is better."""

NO_ELO = "one of the two won every item, so the odds of a win are infinite"
_ITEM = ("item", "prompt_id")  # files may number other prompts alike


def meetings_of(part: pl.DataFrame, *, before: str, after: str) -> pl.DataFrame:
    """Let every answer of one policy meet every answer of another to the same item."""
    turned = part.with_columns(pl.col("score") * BETTER[part["kind"][0]])
    first, second = (turned.filter(policy=policy).select(*_ITEM, "score") for policy in (before, after))
    met = first.join(second.rename({"score": "score_after"}), on=_ITEM)
    return met.with_columns((1 / pl.len().over(_ITEM)).alias("weight"))


def wins_by_prompt(part: pl.DataFrame, policies: list[str]) -> Floats:
    """Count the wins of each policy over each other; a tie is half a win."""
    prompts = part["prompt_id"].unique().sort()
    place = pl.int_range(len(prompts), eager=True)
    wins = np.zeros((len(prompts), len(policies), len(policies)))
    for (i, first), (j, second) in combinations(enumerate(policies), 2):
        met = meetings_of(part, before=first, after=second)
        row = met["prompt_id"].replace_strict(prompts, place, return_dtype=pl.Int64).to_numpy()
        lead = np.sign((met["score"] - met["score_after"]).to_numpy())
        weight = met["weight"].to_numpy()
        np.add.at(wins[:, i, j], row, weight * (1 + lead) / 2)
        np.add.at(wins[:, j, i], row, weight * (1 - lead) / 2)
    return wins


def met_by_each(part: pl.DataFrame, policies: list[str]) -> tuple[list[int], list[int]]:
    """Count the items on which each policy met another, and the prompts of these items."""
    shared = part.filter(pl.col("policy").n_unique().over(_ITEM) > 1)
    policy_rows = [shared.filter(policy=policy).select(_ITEM) for policy in policies]
    return [rows.n_unique() for rows in policy_rows], [rows["prompt_id"].n_unique() for rows in policy_rows]


STATISTICS = ("mean before", "mean after", "mean difference", "wins", "ties", "losses", "win rate", "Elo")
COST_STATISTICS = ("share below 0 before", "share below 0 after", "difference of shares below 0")


def paired_statistics(met: pl.DataFrame, *, is_cost: bool) -> pl.DataFrame:
    """Measure how the second policy differs from the first."""
    values = _values(met, sign=-1.0 if is_cost else 1.0)
    sums = cluster_sums(values * met["weight"].to_numpy()[:, None], clusters=met["prompt_id"].to_numpy())
    weight, before, after, gap, wins, ties, losses, below_before, below_after = sums.T
    means = [_mean(part, weight) for part in (before, after, gap)]
    shares = [share_interval(part[:, None], weight[:, None]) for part in (wins, ties, losses, wins + ties / 2)]
    found = dict(zip(STATISTICS, [*means, *shares, _elo_of(shares[-1])], strict=True))
    if is_cost:
        shares = [share_interval(part[:, None], weight[:, None]) for part in (below_before, below_after)]
        found |= zip(COST_STATISTICS, [*shares, _mean(below_after - below_before, weight)], strict=True)
    named = {"statistic": list(found), "n": [met.select("item", "prompt_id").n_unique()] * len(found)}
    rows = [pl.DataFrame(interval_columns(one, nothing=NO_ELO)) for one in found.values()]
    return pl.DataFrame(named | {"prompts": [len(sums)] * len(found)}).hstack(pl.concat(rows))


def _mean(part: Floats, weight: Floats) -> ClusterInterval:
    return smooth_interval(np.column_stack([weight, part]), lambda drawn: ratio(drawn[:, 1:], drawn[:, :1]))


def _elo_of(rate: ClusterInterval) -> ClusterInterval:
    """Elo points at which so many items are won, and at the ends of that share."""
    with np.errstate(divide="ignore"):
        estimate, low, high = (400 * (np.log10(p) - np.log10(1 - p)) for p in (rate.estimate, rate.low, rate.high))
    exists = np.isfinite(estimate)
    low, high = (np.where(exists & np.isfinite(end), end, np.nan) for end in (low, high))
    return replace(rate, estimate=np.where(exists, estimate, np.nan), low=low, high=high)


def _without_shares(rows: pl.DataFrame, *, reason: str | None) -> pl.DataFrame:
    """Leave out shares below a boundary that nobody knows."""
    if reason is None:
        return rows
    has_boundary = ~pl.col("statistic").is_in(COST_STATISTICS)
    return rows.with_columns(
        *(pl.when(has_boundary).then(name) for name in ("estimate", "low", "high")),
        undefined=pl.when(has_boundary).then("undefined").otherwise(pl.lit(reason)),
    )


def _values(met: pl.DataFrame, *, sign: float) -> Floats:
    """What is summed of each meeting; the first column counts it."""
    first, second = met["score"].to_numpy(), met["score_after"].to_numpy()
    means = [sign * first, sign * second, sign * (second - first)]
    outcomes = [second > first, second == first, second < first]
    below = [first > 0, second > 0]  # costs are turned here, so above 0 is a cost below 0
    return np.column_stack([np.ones(len(first)), *means, *outcomes, *below])


NO_MAXIMUM = "some policy never won, never lost or never met the others, so the likelihood has no maximum"


def elo_rows(part: pl.DataFrame, policies: list[str], *, reference: int) -> pl.DataFrame:
    """Rate policies by one score."""
    items, prompts = met_by_each(part, policies)
    counts = {"n": items, "prompts": prompts}
    return rated_wins(wins_by_prompt(part, policies), policies, reference=reference, counts=counts)


def rated_wins(
    wins: Floats, policies: list[str], *, reference: int, counts: Mapping[str, Sequence[int]]
) -> pl.DataFrame:
    """Rate policies by their wins over each other in each prompt, shape (prompts, k, k)."""
    k = len(policies)
    wins = wins[wins.any(axis=(1, 2))]  # prompts that one policy alone answered say nothing

    def rated(drawn: Floats) -> Floats:
        return elo_ratings(drawn.reshape(-1, k, k), reference=reference)

    found = smooth_interval(wins.reshape(-1, k * k), rated, informative=wins.sum(axis=(1, 2)))
    is_zero = (np.arange(k) == reference) & np.isfinite(found.estimate)  # by definition, so it has no doubt
    low, high = (np.where(is_zero, 0.0, end) for end in (found.low, found.high))
    found = replace(found, low=low, high=high, is_bounded=found.is_bounded & ~is_zero)
    won = wins.sum(axis=0)
    return pl.DataFrame(
        {
            "policy": policies,
            **counts,
            "win_rate": pl.Series(ratio(won.sum(axis=1), (won + won.T).sum(axis=1))).fill_nan(None),
            **interval_columns(found, nothing=NO_MAXIMUM),
        }
    ).rename({"estimate": "elo"})


def _safe_rate(verdicts: pl.DataFrame, evaluation: Dataset) -> pl.DataFrame:
    """Share of safe answers to the prompts of BeaverTails-Evaluation, by policy and category."""
    asked = evaluation.prompts.select("prompt_id", "labels").unique("prompt_id")
    known = verdicts.drop_nulls("safe").join(asked, on="prompt_id")
    if known.is_empty():
        raise UsageError(
            f"Safe rates by category were asked for; none of {verdicts.height:,} answers is to one of the "
            f"{asked.height:,} prompts of {evaluation.name}. Score answers to these prompts."
        )
    tables = []
    for (policy,), part in sorted(known.group_by("policy"), key=lambda found: str(found[0])):
        levels, sizes = _levels(part, asked, evaluation.taxonomy)
        rows = ratio_rows(
            part["safe"].to_numpy(), of=np.ones(part.height), levels=levels, prompt=part["prompt_id"].to_numpy()
        ).rename({"estimate": "share_safe"})
        asked_of = pl.Series("n_prompts_asked", sizes, pl.Int64)
        tables.append(rows.select(pl.lit(str(policy)).alias("policy"), pl.all()).insert_column(5, asked_of))
    return pl.concat(tables)


def safe_rates(
    scores: pl.DataFrame,
    ds: Dataset,
    *,
    answers: pl.DataFrame,
    evaluation: Dataset,
    threshold: float | None = None,
    n_boot: int = 2000,
    random_state: int = 0,
) -> pl.DataFrame:
    """Share of safe answers by policy and category, according to each cost and moderation model.

    Parameters
    ----------
    scores : DataFrame
        A table of scores.
    ds : Dataset
        The data set that was scored.
    answers : DataFrame
        `btviz.scores.policies.ANSWERS`; where it is empty, all answers are of one policy, named as the
        data set.
    evaluation : Dataset
        Data set whose `prompts` have a category.
    threshold : float, optional
        Probability above which a moderation model flags; by default what it records, else 0.5.
    n_boot, random_state : int
        Checked; intervals are in closed form.

    Returns
    -------
    DataFrame
        `rater`, `threshold` (a score above it is unsafe; a cost of exactly 0 is not safe either), and
        `policy`, `grouping` ("all", "category" of the prompt), `level`, `n` (answers), `prompts`,
        `n_prompts_asked` (released prompts of the level), `share_safe`, `low`, `high` (95 %, by prompt), `undefined`.

    Raises
    ------
    UsageError
        If no model says what is safe, or no answer is to a prompt of `evaluation`.
    """
    check_draws(n_boot, random_state)  # refuses what makes no sense
    rows = answers.select("policy", "prompt_id", "pair_id").unique()
    if rows.is_empty():
        rows = ds.pairs.select(pl.lit(ds.name).alias("policy"), "prompt_id", "pair_id")
    verdicts = _verdicts(scores, ds, threshold=threshold)
    if not verdicts:
        doubts = f" ({'; '.join(no_verdicts(scores))})" if no_verdicts(scores) else ""
        raise UsageError(
            f"Safe rates by category were asked for; {ds.name} has scores of no cost or moderation model that say "
            f"what is safe{doubts}. Score with one."
        )
    tables = []
    for rater, limit, safe in verdicts:
        rates = _safe_rate(rows.join(safe, on="pair_id"), evaluation)
        tables.append(rates.select(pl.lit(rater).alias("rater"), pl.lit(limit).alias("threshold"), pl.all()))
    return pl.concat(tables)


def _verdicts(scores: pl.DataFrame, ds: Dataset, *, threshold: float | None) -> list[tuple[str, float, pl.DataFrame]]:
    """Name, limit and verdicts (`pair_id`, `safe`) of each cost and each moderation model."""
    verdicts = safety_verdicts(scores, ds, threshold=threshold)
    limits = {name: verdicts.item(0, LIMIT.format(name)) for name in verdicts.columns if LIMIT.format(name) in verdicts}
    return [
        (name, float(limit), verdicts.select("pair_id", pl.col(name).alias("safe")))
        for name, limit in limits.items()
        if limit is not None
    ]


def _levels(part: pl.DataFrame, asked: pl.DataFrame, taxonomy: Taxonomy) -> tuple[list[Level], list[int]]:
    levels, sizes = [everything(part)], [asked.height]
    for category in taxonomy.categories:
        has = taxonomy.has(category.key)
        size = asked.filter(has).height
        if size:
            member = part.select(has).to_series().to_numpy()
            levels.append(Level("category", category.key, member))
            sizes.append(size)
    return levels, sizes
