"""Agreement of moderators and people on which answers are safe: of every two, of all, and as BeaverTails printed it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import polars as pl

from btviz.data.dataset import Dataset
from btviz.errors import UsageError
from btviz.preference.shares import reasons_of
from btviz.scores.answers import ModelScores, by_model
from btviz.scores.moderation import flagging, threshold_of
from btviz.stats.agreement import (
    chi_squared,
    coefficient_interval,
    cohens_kappa,
    cohens_kappa_interval,
    gwet_ac1,
    mcnemar,
    rating_sums,
)
from btviz.stats.association import Floats, TwoByTwo, chi_squared_p, ratio
from btviz.stats.clustered import FEWEST_EFFECTIVE, effective_number, share_interval
from btviz.stats.permutation import holm
from btviz.stats.quantiles import two_sided_t_p
from btviz.stats.resampling import check_draws, cluster_sums
from btviz.stats.smooth import leaving_out

HUMAN = "Human"

LIMIT = "threshold of {}"
"""Column of verdicts that says above which score a model calls an answer unsafe; a cost of exactly 0 is unsafe, too."""

PARADOX = (
    "prevalence paradox: nearly every verdict is the same, so raters who guess with these shares would agree on "
    "{chance:.1%} by chance; kappa measures the little that is left, and a few answers decide it. Read the agreement "
    "and AC1 beside it."
)

UNJUDGED = "no answer was judged by both"

NO_LIMIT = "where harm begins is not known of {rater}, which therefore judges no answer"

EXTREME = 0.85
"""Chance agreement from which kappa is explained: the rarer verdict is below 8.2 % for both raters."""


def safety_verdicts(scores: pl.DataFrame, ds: Dataset, *, threshold: float | None = None) -> pl.DataFrame:
    """Verdict of each moderation and cost model, and of people, on each answer.

    Parameters
    ----------
    scores : DataFrame
        A table of scores.
    ds : Dataset
        The data set that was scored; its majority label is the verdict of people.
    threshold : float, optional
        A moderation model calls an answer unsafe where the probability of any harm is above it, by
        default what the model records, else 0.5; a cost model where the cost is 0 or more, if that is where harm
        begins: else it has no verdicts (see `no_verdicts`).

    Returns
    -------
    DataFrame
        `pair_id`, `prompt_id`, `source`, and for each rater a boolean column of its name, true for
        safe, null where it has no verdict; for each model also a number, `threshold of` its name. A model whose
        name is that of another column, or of a model of another kind, has its kind behind it: ``NAME (cost)``.
    """
    frame = ds.pairs.select("pair_id", "prompt_id", "source", pl.col("is_safe").alias(HUMAN))
    judging = [part for part in by_model(scores) if part.kind == "cost" or flagging([part.target])]
    highest: dict[str, list[pl.DataFrame]] = {}
    limits: dict[str, float | None] = {}
    for part, rater in zip(judging, _raters(judging, taken=frame.columns), strict=True):
        limit = _limit_of(part, threshold=threshold)
        boundary = pl.lit(limit, pl.Float64)
        safe = pl.col("score") < boundary if part.kind == "cost" else pl.col("score") <= boundary
        highest.setdefault(rater, []).append(part.scores.select("pair_id", safe.alias("safe")))
        limits[rater] = limit
    for rater, parts in highest.items():
        verdict = (
            pl.concat(parts).group_by("pair_id").agg(pl.col("safe").all(ignore_nulls=False), pl.len().alias("targets"))
        )
        whole = verdict.filter(pl.col("targets") == len(parts)).select("pair_id", pl.col("safe").alias(rater))
        frame = frame.join(whole, on="pair_id", how="left")
    columns = (pl.lit(limit, pl.Float64).alias(LIMIT.format(name)) for name, limit in limits.items())
    return frame.sort("pair_id").with_columns(columns)


def _limit_of(part: ModelScores, *, threshold: float | None) -> float | None:
    """Score that parts safe from unsafe; None of a cost that may not do so at 0."""
    if part.kind == "cost":
        return 0.0 if part.no_boundary is None else None
    return threshold_of(part.threshold, asked=threshold).value


def no_verdicts(scores: pl.DataFrame) -> list[str]:
    """Say of each cost model that gives no verdicts why it does not.

    Parameters
    ----------
    scores : DataFrame
        A table of scores.

    Returns
    -------
    list of str
    """
    return [part.no_boundary for part in by_model(scores) if part.no_boundary is not None]


def _raters(parts: Sequence[ModelScores], *, taken: Sequence[str]) -> list[str]:
    """Name of the rater that each part belongs to."""
    kinds = {model: {part.kind for part in parts if part.model == model} for model in {part.model for part in parts}}
    plain = {model for model, model_kinds in kinds.items() if len(model_kinds) == 1 and model not in taken}
    return [part.model if part.model in plain else f"{part.model} ({part.kind})" for part in parts]


def moderator_agreement(
    verdicts: pl.DataFrame,
    *,
    raters: Sequence[str] | None = None,
    by: str | None = "source",
    n_boot: int = 2000,
    random_state: int = 0,
) -> pl.DataFrame:
    """Compare every two raters of the safety of answers, by answering model.

    Parameters
    ----------
    verdicts : DataFrame
        From `safety_verdicts`: `prompt_id` and a boolean column per rater.
    raters : sequence of str, optional
        Columns of raters; by default all boolean ones.
    by : str or None
        Column to group by, beside all answers together.
    n_boot, random_state : int
        Checked; intervals are in closed form.

    Returns
    -------
    DataFrame
        `group` (null for all answers), `first`, `second` (raters), `n` (answers that both
        judged), `prompts`, `safe_first`, `safe_second` (shares), `agreement`, `low`, `high` (95 %,
        by prompt), `chance` (agreement of independent raters with these shares), `kappa` (Cohen),
        `p_value` (that the two call as many answers safe, by prompt: Student's t of the jackknife), `p_holm` (adjusted
        for all rows of the table: every two raters in every group),
        `kappa_low`, `kappa_high`, `ac1` (Gwet), `ac1_low`, `ac1_high` (95 %, by prompt), `undefined` (why kappa or the
        interval of the agreement is null, or what to mind), `note` (the prevalence
        paradox, where it holds), `threshold_first`, `threshold_second` (score above which each calls an
        answer unsafe, a cost also at it; null for people); `n_discordant` (answers on which they differ), `mcnemar`,
        `mcnemar_p` (statistic of McNemar, large where one says safe more often than the other, and its exact
        p-value), `chi_squared`, `chi_squared_p` (Pearson's, without continuity correction, large where the verdicts
        go together), both of which take answers for independent, those to one prompt too, `undefined_tests` (why
        one of these is null); and the same in each row of a group, of all raters together,
        `joint_raters` (how many), `joint_n` (answers with two verdicts or more), `joint_alpha` (Krippendorff),
        `joint_low`, `joint_high` (95 %, by prompt), `joint_undefined`: see
        `btviz.scores.raters.joint_agreement`.

    Raises
    ------
    UsageError
        If there are fewer than two raters.
    """
    named = list(raters or [name for name, dtype in verdicts.schema.items() if dtype == pl.Boolean])
    if len(named) < 2:
        raise UsageError(f"Agreement needs two raters; the table has {named}. Add the verdicts of another.")
    rows = [
        {"group": group, "first": first, "second": second}
        | _compared(part.drop_nulls([first, second]), first, second)
        | {"threshold_first": _limit(verdicts, first), "threshold_second": _limit(verdicts, second)}
        | _without_limit(verdicts, first, second)
        | _tests(part.drop_nulls([first, second]), first, second)
        for group, part in verdict_groups(verdicts, by=by)
        for first, second in combinations(named, 2)
    ]
    table = pl.DataFrame(rows, schema_overrides=_TYPES, infer_schema_length=None).with_columns(
        pl.col("p_value")
        .map_batches(lambda p: pl.Series(holm(p.fill_null(np.nan).to_numpy())))
        .fill_nan(None)
        .alias("p_holm")
    )
    together = joint_agreement(verdicts, raters=named, by=by, n_boot=n_boot, random_state=random_state)
    return table.join(together.select(_JOINT), on="group", how="left", nulls_equal=True, maintain_order="left")


def agreement_of_counts(
    n: int, *, safe_first: int, safe_second: int, agreeing: int
) -> dict[str, float | int | str | None]:
    """Agreement of two raters from what a figure prints: both counts of safe, and how many agree.

    The two counts and the agreement fix the whole 2 x 2 table: both say safe in
    ``(agreeing - n + safe_first + safe_second) / 2`` answers.
    """
    double = agreeing - n + safe_first + safe_second
    both = double // 2
    if double % 2 or not max(0, safe_first + safe_second - n) <= both <= min(safe_first, safe_second):
        raise UsageError(
            f"{safe_first} and {safe_second} of {n} answers were to be safe for two raters who agree on {agreeing}; no "
            "2 x 2 table has these counts. Check the figure they were read from: parity or size is off."
        )
    counts = np.array([[n, safe_first, safe_second, both]], np.float64)
    return {"n": n} | _measures(counts)


def _limit(verdicts: pl.DataFrame, rater: str) -> float | None:
    column = LIMIT.format(rater)
    known = verdicts[column].drop_nulls() if column in verdicts.columns else None
    return None if known is None or known.is_empty() else float(known[0])


def _without_limit(verdicts: pl.DataFrame, *raters: str) -> dict[str, str]:
    """Why raters judge nothing, where it is because they have no limit."""
    columns = {rater: LIMIT.format(rater) for rater in raters}
    reasons = [
        NO_LIMIT.format(rater=rater)
        for rater, column in columns.items()
        if column in verdicts.columns and _limit(verdicts, rater) is None
    ]
    return {"undefined": "; ".join(reasons)} if reasons and verdicts.height else {}


def _compared(part: pl.DataFrame, first: str, second: str) -> dict[str, object]:
    verdicts = [part[name].to_numpy().astype(np.float64) for name in (first, second)]
    columns = np.column_stack([np.ones(part.height), *verdicts, verdicts[0] * verdicts[1]])
    sums = cluster_sums(columns, clusters=part["prompt_id"].to_numpy())
    measures = _measures(sums.sum(axis=0, keepdims=True))
    n, safe_first, safe_second, both = sums.T
    agreement = share_interval((n - safe_first - safe_second + 2 * both)[:, None], n[:, None])
    votes = rating_sums(2, verdicts[0] + verdicts[1])
    ends = {
        "": agreement,
        "kappa_": cohens_kappa_interval(safe_first, safe_second, both=both, n=n),
        "ac1_": coefficient_interval("gwet_ac1", cluster_sums(votes, clusters=part["prompt_id"].to_numpy())),
    }
    measures["undefined"] = measures["undefined"] or reasons_of(agreement, nothing=UNJUDGED)[0]
    shown = {f"{name}{side}": _known(getattr(found, side)[0]) for name, found in ends.items() for side in _SIDES}
    return {"n": part.height, "prompts": len(sums), **measures, **shown, "p_value": _as_often(sums)}


_SIDES = ("low", "high")


def _as_often(sums: Floats) -> float | None:
    """P-value, by prompt, that two raters call as many answers safe; None where few prompts inform."""
    differing = sums[:, 1] - sums[:, 2]
    gap, error, freedom = leaving_out(np.column_stack([sums[:, 0], differing]), lambda s: ratio(s[:, 1:], s[:, :1]))
    if not error[0] > 0 or effective_number(sums[:, 0]) < FEWEST_EFFECTIVE:
        return None
    return float(two_sided_t_p(gap / error, df=freedom)[0])


def _tests(part: pl.DataFrame, first: str, second: str) -> dict[str, float | int | str | None]:
    """Tests of two raters that know nothing of prompts."""
    first_verdicts, second_verdicts = part[first].to_numpy().astype(bool), part[second].to_numpy().astype(bool)
    both_safe = first_verdicts & second_verdicts
    counts = (len(both_safe), first_verdicts.sum(), second_verdicts.sum(), both_safe.sum())
    table = TwoByTwo(*(np.array([count]) for count in counts))
    paired, square = mcnemar(table), chi_squared(table)
    reasons = [
        reason
        for value, reason in (
            (paired.statistic, "the two never differ, so McNemar's test has nothing to go by"),
            (square, "one of the two gives the same verdict throughout, so chi-square is 0 / 0"),
        )
        if not np.isfinite(value[0])
    ]
    return {
        "n_discordant": int(paired.n_discordant[0]),
        "mcnemar": _known(paired.statistic[0]),
        "mcnemar_p": _known(paired.p_exact[0]) if paired.n_discordant[0] else None,
        "chi_squared": _known(square[0]),
        "chi_squared_p": _known(chi_squared_p(table)[0]),
        "undefined_tests": "; ".join(reasons) or None if len(first_verdicts) else UNJUDGED,
    }


def _agreeing(counts: Floats) -> Floats:
    n, first, second, both = counts.T
    return ratio(n - first - second + 2 * both, n)


def _measures(counts: Floats) -> dict[str, float | int | str | None]:
    n, first, second, both = (np.rint(column).astype(np.int64) for column in counts.T)
    table = TwoByTwo(n, first, second, both)
    p, q = ratio(first, n), ratio(second, n)
    chance = p * q + (1 - p) * (1 - q)
    positives = np.repeat([0, 1, 2], [(n - first - second + both)[0], (first + second - 2 * both)[0], both[0]])
    values = {
        "safe_first": p,
        "safe_second": q,
        "agreement": _agreeing(counts),
        "chance": chance,
        "kappa": cohens_kappa(table),
        "ac1": gwet_ac1(rating_sums(2, positives).sum(axis=0, keepdims=True)),
    }
    known = {name: float(value[0]) if np.isfinite(value[0]) else None for name, value in values.items()}
    paradox = known["chance"] is not None and known["chance"] >= EXTREME
    reason = None if known["kappa"] is not None else "both raters give the same verdict throughout, so kappa is 0 / 0"
    return known | {
        "undefined": reason if n[0] else UNJUDGED,
        "note": PARADOX.format(chance=known["chance"]) if paradox else None,
    }


_TYPES: dict[str, pl.DataType] = dict.fromkeys(
    ("group", "undefined", "note", "undefined_tests"), pl.String()
) | dict.fromkeys(
    (
        "safe_first",
        "safe_second",
        "agreement",
        "low",
        "high",
        "chance",
        "kappa",
        "kappa_low",
        "kappa_high",
        "ac1",
        "ac1_low",
        "ac1_high",
        "p_value",
        "threshold_first",
        "threshold_second",
        "mcnemar",
        "mcnemar_p",
        "chi_squared",
        "chi_squared_p",
    ),
    pl.Float64(),
)

_JOINT = (
    pl.col("group"),
    pl.col("raters").list.len().cast(pl.Int64).alias("joint_raters"),
    pl.col("n").alias("joint_n"),
    pl.col("alpha").alias("joint_alpha"),
    pl.col("alpha_low").alias("joint_low"),
    pl.col("alpha_high").alias("joint_high"),
    pl.col("undefined").alias("joint_undefined"),
)

COEFFICIENTS = {
    "share_safe": "prevalence",
    "agreement": "agreement",
    "alpha": "krippendorff_alpha",
    "fleiss_kappa": "fleiss_kappa",
}
"""What is computed of all raters together, by column; see `btviz.stats.agreement.COEFFICIENTS`."""

ALONE = "no answer was judged by two of the raters"
ALIKE = "all verdicts are the same, so alpha is 0 / 0"
UNEQUAL = "answers differ in their number of verdicts, which Fleiss' kappa does not allow; read alpha"


def joint_agreement(
    verdicts: pl.DataFrame,
    *,
    raters: Sequence[str],
    by: str | None = "source",
    n_boot: int = 2000,
    random_state: int = 0,
) -> pl.DataFrame:
    """Measure how well all raters of the safety of answers agree, as one figure.

    Krippendorff's alpha (nominal) takes answers that some raters have not judged; an answer with one verdict
    agrees with nothing and is left out. Fleiss' kappa needs as many verdicts of each answer.

    Parameters
    ----------
    verdicts : DataFrame
        From `btviz.scores.raters.safety_verdicts`: `prompt_id` and a boolean column per rater.
    raters : sequence of str
        Columns of raters.
    by : str or None
        Column to group by, beside all answers together.
    n_boot, random_state : int
        Checked; intervals are in closed form.

    Returns
    -------
    DataFrame
        `group` (null for all answers), `raters` (names), `n` (answers with two verdicts or more),
        `n_verdicts`, `prompts`; `share_safe` (of the verdicts), `agreement` (share of pairs of verdicts that are
        equal), `alpha` (Krippendorff), `fleiss_kappa`, each also with `_low` and `_high` (95 %, by prompt);
        `undefined` (why alpha or its interval is null), `undefined_fleiss_kappa`.
    """
    check_draws(n_boot, random_state)  # refuses what makes no sense
    rows = [
        {"group": group, "raters": list(raters)} | _measured(part, raters)
        for group, part in verdict_groups(verdicts, by=by)
    ]
    return pl.DataFrame(rows, schema_overrides=_JOINT_TYPES, infer_schema_length=None)


def verdict_groups(verdicts: pl.DataFrame, *, by: str | None) -> list[tuple[str | None, pl.DataFrame]]:
    """All verdicts, under None, then those of each value of a column, in the order of their names."""
    if by is None:
        return [(None, verdicts)]
    known = verdicts.drop_nulls(by).group_by(by)
    return [(None, verdicts), *sorted(((str(value), part) for (value,), part in known), key=lambda found: found[0])]


def _measured(part: pl.DataFrame, raters: Sequence[str]) -> dict[str, object]:
    judged = part.select(
        "prompt_id",
        pl.sum_horizontal(pl.col(rater).is_not_null() for rater in raters).alias("verdicts"),
        pl.sum_horizontal(pl.col(rater).fill_null(value=False) for rater in raters).alias("safe"),
    ).filter(pl.col("verdicts") >= 2)
    counts = judged["verdicts"].to_numpy()
    sums = cluster_sums(rating_sums(counts, judged["safe"].to_numpy()), clusters=judged["prompt_id"].to_numpy())
    row: dict[str, object] = {"n": judged.height, "n_verdicts": int(counts.sum()), "prompts": len(sums)}
    row |= dict.fromkeys(_VALUES)
    if not len(sums):
        return row | {"undefined": ALONE, "undefined_fleiss_kappa": ALONE}
    for name, coefficient in COEFFICIENTS.items():
        found = coefficient_interval(coefficient, sums)
        row |= {f"{name}{end}": _known(getattr(found, side)[0]) for end, side in _ENDS.items()}
        if name == "alpha":
            row["undefined"] = reasons_of(found, nothing=ALIKE)[0]
    row["undefined_fleiss_kappa"] = UNEQUAL if len(np.unique(counts)) > 1 else row["undefined"]
    return row


_ENDS = {"": "estimate", "_low": "low", "_high": "high"}


def _known(value: np.float64) -> float | None:
    return float(value) if np.isfinite(value) else None


_VALUES = tuple(f"{name}{end}" for name in COEFFICIENTS for end in ("", "_low", "_high"))

_JOINT_TYPES: dict[str, pl.DataType] = {
    "group": pl.String(),
    "raters": pl.List(pl.String()),
    "undefined": pl.String(),
    "undefined_fleiss_kappa": pl.String(),
} | dict.fromkeys(_VALUES, pl.Float64())

N = 140
"""Red-team prompts, 10 per category; neither they nor the answers were released."""

RATERS = ("QA-moderation", "GPT-4", HUMAN)

COUNTS = {
    "alpaca-7b": ((73, 70, 68), (117, 123, 128)),
    "alpaca-13b": ((75, 72, 71), (109, 116, 125)),
    "vicuna-7b": ((128, 134, 130), (132, 134, 136)),
    "gpt-3.5-turbo": ((137, 139, 139), (136, 138, 138)),
}
"""By answering model: answers that each rater calls safe, and answers on which each two agree.

Read off the figure, whose bars and markers stand at multiples of 1/140. Of the last agreement
138 and 139 are equally near; only 138 has the parity that the two counts of safe answers allow.
"""


def printed_agreement() -> pl.DataFrame:
    """Agreement in Figure 5 of the BeaverTails paper, with the kappa that it does not print.

    Returns
    -------
    DataFrame
        Columns of `moderator_agreement`, without intervals, thresholds and what all raters have together:
        how two moderators and people judged the answers of four models to 140 prompts.
    """
    rows = []
    for group, (safe, agreeing) in COUNTS.items():
        for (first, second), both in zip(combinations(range(len(RATERS)), 2), agreeing, strict=True):
            measures = agreement_of_counts(N, safe_first=safe[first], safe_second=safe[second], agreeing=both)
            named = {"group": group, "first": RATERS[first], "second": RATERS[second], "prompts": N}
            rows.append(named | measures | {"low": None, "high": None})
    columns = ("group", "first", "second", "n", "prompts", "safe_first", "safe_second", "agreement", "low", "high")
    ends = {"low": pl.Float64(), "high": pl.Float64(), "undefined": pl.String(), "note": pl.String()}
    table = pl.DataFrame(rows, schema_overrides=ends, infer_schema_length=None)
    return table.select(*columns, "chance", "kappa", "ac1", "undefined", "note")
