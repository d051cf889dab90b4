"""How one score drifts over the turns of conversations, with intervals by conversation."""

from __future__ import annotations

import numpy as np
import polars as pl

from btviz.preference.shares import FEWEST_PROMPTS
from btviz.scoring.intervals import interval_columns
from btviz.stats.association import Floats, ratio
from btviz.stats.resampling import bootstrap, cluster_sums

FEW = f"fewer than {FEWEST_PROMPTS} conversations, too few for an interval"


def drift_rows(part: pl.DataFrame, *, n_boot: int, random_state: int) -> pl.DataFrame:
    """Mean of each turn, change since the first, and slope.

    Parameters
    ----------
    part : DataFrame
        `conversation_id`, `turn`, `score` of one model and target.
    n_boot, random_state : int
        Bootstrap replicates, drawn over conversations, and seed.

    Returns
    -------
    DataFrame
        `statistic`, `turn`, `n`, `estimate`, `low`, `high`, `undefined`, as in
        `btviz.scoring.conversations.turn_drift`.
    """
    turns = part["turn"].unique().sort().to_list()
    later = turns[1:]
    above, below = _fractions(part, turns)
    k = below.shape[1]
    sums = cluster_sums(np.hstack([above, below]), clusters=part["conversation_id"].to_numpy())

    def measured(drawn: Floats) -> Floats:
        return ratio(drawn[:, :k], drawn[:, k:])

    found = bootstrap(sums, measured, n_boot=n_boot, random_state=random_state)
    n = np.count_nonzero(sums[:, k:], axis=0)
    few = n < FEWEST_PROMPTS
    reasons = [
        "no conversation has this" if not size else FEW if scarce else None for size, scarce in zip(n, few, strict=True)
    ]
    return pl.DataFrame(
        {
            "statistic": ["mean"] * len(turns) + [f"change since turn {turns[0]}"] * len(later) + ["slope"],
            "turn": pl.Series([*turns, *later, None], dtype=pl.Int64),
            "n": pl.Series(n, dtype=pl.Int64),
            **interval_columns(found, hidden=few, undefined=reasons),
        }
    )


def _fractions(part: pl.DataFrame, turns: list[int]) -> tuple[Floats, Floats]:
    """Summands above and below the line of each statistic, shape (rows, statistics) each."""
    turn, score, conversation = pl.col("turn"), pl.col("score"), "conversation_id"
    first = score.filter(turn == turns[0]).first()
    known = part.select(
        turn,
        score,
        (score - first.over(conversation)).alias("change"),
        (turn - turn.mean().over(conversation)).alias("x"),  # centred, so that the slope is one within conversations
        (score - score.mean().over(conversation)).alias("y"),
    )
    at_turn, scored, change, x, y = (known[name].to_numpy() for name in known.columns)
    at = at_turn[:, None] == np.array(turns)
    since = at[:, 1:] & np.isfinite(change)[:, None]  # of conversations that lack the first turn nothing is known
    above = [at * scored[:, None], since * np.nan_to_num(change)[:, None], (x * y)[:, None]]
    return np.hstack(above), np.hstack([at, since, (x * x)[:, None]])
