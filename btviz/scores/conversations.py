"""Conversations of several turns, and how scores drift from turn to turn, with intervals by conversation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.data.conversations import conversations_of, conversations_table
from btviz.data.reading.flat_tables import read_frame
from btviz.data.reading.parse import parse
from btviz.data.reading.shapes.chat import CHATS
from btviz.errors import UsageError
from btviz.models.protocol import ScoreModel
from btviz.scores.intervals import interval_columns, stamped
from btviz.stats.association import Floats, ratio
from btviz.stats.resampling import check_draws, cluster_sums
from btviz.stats.smooth import smooth_interval

TURN_SCORES = pl.Schema(
    {
        "conversation_id": pl.String(),
        "turn": pl.Int64(),
        "model": pl.String(),
        "kind": pl.String(),
        "target": pl.String(),
        "score": pl.Float64(),
    }
)
"""Score after each turn."""


class ConversationModel(ScoreModel, Protocol):
    """A score model that reads whole conversations."""

    def score_conversations(self, conversations: Sequence[Sequence[tuple[str, str]]]) -> npt.NDArray[np.float32]:
        """Score each conversation, a sequence of (prompt, response), at its end."""
        ...


def read_conversations(path: str | Path) -> pl.DataFrame:
    """Read conversations from a file.

    Parameters
    ----------
    path : path-like
        With `conversation_id`, `turn`, `prompt`, `response`, one row per turn; or with chats of several turns, in
        any form that `btviz.load` reads: those are what ``btviz.load(path).conversations`` has.

    Returns
    -------
    DataFrame
        The columns of the table `conversations`.
    """
    frame = read_frame(Path(path))
    if not {*frame.columns} & {*CHATS, "chosen"}:
        return conversations_table(frame)
    rows = parse(Path(path)).rows
    return conversations_of(rows, rows)


def turn_scores(conversations: pl.DataFrame, scored: pl.DataFrame | ConversationModel) -> pl.DataFrame:
    """Score after each turn.

    Parameters
    ----------
    conversations : DataFrame
        From `conversations_table`.
    scored : DataFrame or model
        A model with ``score_conversations``, which sees all turns before; or a table of scores,
        which scored each turn's own prompt and response alone.

    Returns
    -------
    DataFrame
        The columns of `TURN_SCORES`; turns without a score are left out.
    """
    if isinstance(scored, pl.DataFrame):
        rows = conversations.select("conversation_id", "turn", "pair_id").join(scored, on="pair_id")
    else:
        rows = _scored_by(scored, conversations.sort("conversation_id", "turn"))
    return rows.select(list(TURN_SCORES)).drop_nulls("score").sort("conversation_id", "model", "target", "turn")


def _scored_by(model: ConversationModel, conversations: pl.DataFrame) -> pl.DataFrame:
    """Scores after each turn of sorted conversations, by a model that sees all turns before."""
    values = np.asarray(model.score_conversations(_prefixes(conversations)), np.float64)
    values = values.reshape(conversations.height, -1)
    targets: list[str | None] = list(model.labels) or [None]
    if values.shape[1] != len(targets):
        raise UsageError(
            f"{model.name!r} was to give {len(targets)} scores a turn; it gave {values.shape[1]}. Mend the model."
        )
    turns = conversations.select("conversation_id", "turn")
    parts = [
        stamped(
            turns.with_columns(pl.Series("score", values[:, column]).fill_nan(None)),
            {"model": model.name, "kind": model.kind, "target": target},
        )
        for column, target in enumerate(targets)
    ]
    return pl.concat(parts)


def _prefixes(conversations: pl.DataFrame) -> list[list[tuple[str, str]]]:
    """For each turn, that turn and all before it; rows are sorted by conversation and turn."""
    made: list[list[tuple[str, str]]] = []
    last = None
    for conversation, prompt, response in conversations.select("conversation_id", "prompt", "response").rows():
        before = made[-1] if conversation == last else []
        made.append([*before, (prompt, response)])
        last = conversation
    return made


def turn_drift(scores: pl.DataFrame, *, n_boot: int = 2000, random_state: int = 0) -> pl.DataFrame:
    """Mean score after each turn, and how it drifts; conversations are the unit of chance.

    Parameters
    ----------
    scores : DataFrame
        From `turn_scores`.
    n_boot, random_state : int
        Checked; intervals are in closed form.

    Returns
    -------
    DataFrame
        `model`, `kind`, `target`, `statistic`, `turn`, `n` (conversations), `estimate`, `low`,
        `high` (95 %), `undefined`. "mean" for each turn; "change since turn 1" (the first with a
        score) for each later turn, of the conversations that have it (so those that end early
        do not shift it); and "slope" per turn within conversations (each centred on its own means).
    """
    check_draws(n_boot, random_state)  # refuses what makes no sense
    tables = []
    for (model, kind, target), part in sorted(
        scores.group_by("model", "kind", "target"), key=lambda found: [str(name or "") for name in found[0]]
    ):
        rows = drift_rows(part)
        tables.append(stamped(rows, {"model": model, "kind": kind, "target": target}))
    if not tables:
        raise UsageError("Drift over turns was asked for; no turn has a score. Score the conversations first.")
    return pl.concat(tables)


def drift_rows(part: pl.DataFrame) -> pl.DataFrame:
    """Mean of each turn, change since the first, and slope."""
    turns = part["turn"].unique().sort().to_list()
    later = turns[1:]
    above, below = _fractions(part, turns)
    k = below.shape[1]
    sums = cluster_sums(np.hstack([above, below]), clusters=part["conversation_id"].to_numpy())

    found = [
        smooth_interval(sums[:, [k + place, place]], lambda drawn: ratio(drawn[:, 1:], drawn[:, :1]))
        for place in range(k)
    ]
    columns = [pl.DataFrame(interval_columns(one, nothing="no conversation has this")) for one in found]
    return pl.DataFrame(
        {
            "statistic": ["mean"] * len(turns) + [f"change since turn {turns[0]}"] * len(later) + ["slope"],
            "turn": pl.Series([*turns, *later, None], dtype=pl.Int64),
            "n": pl.Series(np.count_nonzero(sums[:, k:], axis=0), dtype=pl.Int64),
        }
    ).hstack(pl.concat(columns).with_columns(pl.col("undefined").str.replace_all("prompts", "conversations")))


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
