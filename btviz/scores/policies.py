"""Answers by policy, and policies compared on the same prompts, such as before and after training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl

from btviz.data.dataset import Dataset
from btviz.errors import UsageError, choice
from btviz.scores.intervals import stamped
from btviz.scores.labelled import checked
from btviz.scores.matches import BETTER, elo_rows, meetings_of, paired_statistics

ANSWERS = pl.Schema({"policy": pl.String(), "item": pl.String(), "prompt_id": pl.UInt64(), "pair_id": pl.UInt64()})
"""One row per answer of a policy; answers meet where `item` and prompt are the same."""


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
    known = checked(scores).filter(pl.col("kind").is_in(list(BETTER))).with_columns(pl.col("score").fill_nan(None))
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
    for model, kind, part in _by_score(table):
        met = meetings_of(part, before=before, after=after)
        if met.is_empty():
            raise UsageError(
                f"{before!r} and {after!r} were to be compared by {model}; no prompt was answered by both. "
                "Compare policies that answered the same prompts."
            )
        rows = paired_statistics(met, is_cost=kind == "cost", n_boot=n_boot, random_state=random_state)
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
        Bootstrap replicates, drawn over prompts, and seed.

    Returns
    -------
    DataFrame
        Of models that scored two policies or more: `model`, `kind`, `policy`, `n` (items on which it met
        another), `prompts` (of these items), `win_rate` (against all others, ties half), `elo`
        (Bradley-Terry, maximum likelihood), `low`, `high` (95 %, by prompt), `undefined`.
    """
    if reference is not None:
        choice(reference, table["policy"].unique().sort().to_list(), what="policy")
    tables = []
    for model, kind, part in _by_score(table):
        policies = part["policy"].unique().sort().to_list()
        if len(policies) > 1:
            zero = policies.index(reference) if reference in policies else 0
            rows = elo_rows(part, policies, reference=zero, n_boot=n_boot, random_state=random_state)
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
