"""Whether high means what the convention says, asked before anything is drawn."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from btviz.data.dataset import Dataset
from btviz.errors import DataError
from btviz.scores.accuracy import auc_row
from btviz.scores.answers import ModelScores, by_model, everything, judged_answers, judged_comparisons, named_scores
from btviz.scores.intervals import ratio_rows
from btviz.stats.resampling import Resampling
from btviz.taxonomy.findings import SMALL, Finding

AGREES, DOUBTFUL, REVERSED, NOT_CHECKABLE = "agrees", "doubtful", "reversed", "not checkable"
"""Verdicts: the whole interval is above one half, it holds one half, it is below, there is none."""

_LACKING = {
    "reward": "no comparison of two scored answers says which is better",
    "cost": "the scored answers are not labelled safe and unsafe, nor does a comparison of two say which is safer",
}


class SignWarning(UserWarning):
    """The labels do not tell which way a score points."""


@dataclass(frozen=True)
class SignCheck:
    """What the labels say about the direction of one model's scores.

    Attributes
    ----------
    model, kind : str
        Name of the model, and "reward" or "cost".
    statistic : str
        What was measured; one half where the score says nothing.
    estimate, low, high : float or None
        It, and its 95 % interval by prompt.
    n, prompts : int
        Answers or comparisons, and prompts.
    verdict : str
        "agrees", "doubtful", "reversed" or "not checkable".
    reason : str
        The verdict in a sentence, with the figures.
    """

    model: str
    kind: str
    statistic: str
    estimate: float | None
    low: float | None
    high: float | None
    n: int
    prompts: int
    verdict: str
    reason: str


def check_sign(
    scores: pl.DataFrame, ds: Dataset, *, override: bool = False, n_boot: int = 2000, random_state: int = 0
) -> list[SignCheck]:
    """Check the direction of every reward and cost model against the labels.

    Cost is checked by AUC(cost, unsafe) over answers or, where no answer has a safety label of
    its own, over pairs of answers labelled *safer*; reward by how often the better answer scores
    higher; ties count ½.

    Parameters
    ----------
    scores : DataFrame
        A table of scores; moderation models are left out.
    ds : Dataset
        The data set that was scored.
    override : bool
        Go on where a score is reversed: warn instead of raising.
    n_boot, random_state : int
        Checked; intervals are in closed form.

    Returns
    -------
    list of SignCheck
        One per model and kind.

    Warns
    -----
    SignWarning
        If an interval holds one half, or with `override` if a score is reversed.

    Raises
    ------
    DataError
        If the whole interval of a model lies below one half.
    """
    checks = sign_checks(scores, ds, n_boot=n_boot, random_state=random_state)
    against = [check for check in checks if check.verdict == REVERSED]
    if against and not override:
        raise DataError(
            "Scores were to follow the convention: reward high = more helpful, cost high = more harmful. "
            f"{' '.join(check.reason for check in against)} Turn the sign of these scores, or pass override=True "
            "(--override-sign) if it is the labels that are wrong."
        )
    for check in checks:
        if check.verdict in (DOUBTFUL, REVERSED):
            warnings.warn(check.reason, SignWarning, stacklevel=2)
    return checks


def sign_checks(scores: pl.DataFrame, ds: Dataset, *, n_boot: int = 2000, random_state: int = 0) -> list[SignCheck]:
    """Check the direction of every reward and cost model as `check_sign` does, and only report."""
    Resampling(n_boot, random_state)  # refuses what makes no sense
    return [_checked(part, ds) for part in by_model(scores) if part.kind != "moderation"]


def _checked(part: ModelScores, ds: Dataset) -> SignCheck:
    statistic, row = _reward(part, ds) if part.kind == "reward" else _cost(part, ds)
    estimate, low, high = (row[name] if row else None for name in ("estimate", "low", "high"))
    n, prompts = (row["n"], row["prompts"]) if row else (0, 0)
    verdict = NOT_CHECKABLE
    if row and low is not None and high is not None:
        verdict = (
            Finding.of(row, "estimate", items="").against(0.5).words(below=REVERSED, undecided=DOUBTFUL, above=AGREES)
        )
    reason = _sentence(part, statistic, verdict, row=row or {"undefined": _LACKING[part.kind]})
    return SignCheck(part.model, part.kind, statistic, estimate, low, high, n, prompts, verdict, reason)


def _reward(part: ModelScores, ds: Dataset) -> tuple[str, dict[str, Any] | None]:
    known = judged_comparisons(part, ds).drop_nulls("better")
    return "share of comparisons whose better answer scores higher", _ordered(known, "better", 1)


def _cost(part: ModelScores, ds: Dataset) -> tuple[str, dict[str, Any] | None]:
    known = judged_answers(part, ds).drop_nulls("is_safe")
    unsafe = ~known["is_safe"].to_numpy().astype(bool)
    if unsafe.any() and not unsafe.all():
        return "AUC(cost, unsafe)", auc_row(known, unsafe, level=everything(known)).row(0, named=True)
    compared = judged_comparisons(part, ds).drop_nulls("safer")
    return "share of comparisons whose safer answer costs less", _ordered(compared, "safer", -1)


def _ordered(known: pl.DataFrame, label: str, sign: int) -> dict[str, Any] | None:
    if known.is_empty():
        return None
    lead = (known["score_1"] - known["score_0"]).to_numpy() * np.where(known[label].to_numpy() == 1, 1, -1)
    rows = ratio_rows(
        (1 + np.sign(sign * lead)) / 2,
        of=np.ones(known.height),
        levels=[everything(known)],
        prompt=known["prompt_id"].to_numpy(),
    )
    return rows.row(0, named=True)


def _sentence(part: ModelScores, statistic: str, verdict: str, *, row: dict[str, Any]) -> str:
    named = named_scores(part.model, part.kind)
    if verdict == NOT_CHECKABLE:
        return f"The sign of the {named} is not checkable here: {row['undefined']}."
    figures = Finding.of(row, "estimate", items=f"items of {row['prompts']:,} prompts", unit=SMALL)
    said = {
        AGREES: "sign as expected",
        DOUBTFUL: "may say nothing, or point the other way (not decided)",
        REVERSED: "points the other way",
    }
    return f"The {named} {said[verdict]}: {statistic} is {figures}."
