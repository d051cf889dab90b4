"""Differences of scores: margins of chosen over rejected answers, and drift between models."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import polars as pl

from btviz.data.dataset import Dataset
from btviz.errors import UsageError, choice
from btviz.preference.shares import reasons_of
from btviz.scores.answers import ModelScores, by_model, judged_comparisons
from btviz.scores.intervals import NOTHING
from btviz.stats.association import Floats, ratio
from btviz.stats.clustered import ClusterInterval, share_interval
from btviz.stats.ordering import spearman
from btviz.stats.resampling import check_draws, cluster_sums
from btviz.stats.smooth import smooth_interval

CHOSEN = {"reward": "better", "cost": "safer"}
"""Label that says which answer was chosen, by kind of score."""

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def score_margins(scores: pl.DataFrame, ds: Dataset, *, label: str | None = None) -> pl.DataFrame:
    """Margin of every comparison whose answers were scored.

    Parameters
    ----------
    scores : DataFrame
        A table of scores; moderation models are left out.
    ds : Dataset
        Data set with comparisons.
    label : {"better", "safer"}, optional
        Label that chose; by default *better* for reward and *safer* for cost.

    Returns
    -------
    DataFrame
        `model`, `kind`, `label`, `prompt_id`, `pair_id_chosen`, `pair_id_rejected`, `stratum`,
        `split`, `margin` = score of the chosen answer - score of the rejected one. A reward
        model is right above 0, a cost model below 0; at 0 both are wrong.
    """
    if label is not None:
        choice(label, ("better", "safer"), what="label")
    tables = []
    for part in by_model(scores.filter(pl.col("kind").is_in(list(CHOSEN)))):
        by = label or CHOSEN[part.kind]
        known = judged_comparisons(part, ds).drop_nulls(by)
        first = pl.col(by) == 0
        lead = pl.col("score_0") - pl.col("score_1")
        tables.append(
            known.select(
                pl.lit(part.model).alias("model"),
                pl.lit(part.kind).alias("kind"),
                pl.lit(by).alias("label"),
                "prompt_id",
                pl.when(first).then("pair_id_0").otherwise("pair_id_1").alias("pair_id_chosen"),
                pl.when(first).then("pair_id_1").otherwise("pair_id_0").alias("pair_id_rejected"),
                "stratum",
                "split",
                pl.when(first).then(lead).otherwise(-lead).alias("margin"),
            )
        )
    margins = pl.concat(tables) if tables else None
    if margins is None or margins.is_empty():
        raise UsageError(
            f"Margins need comparisons with a label whose two answers have a reward or a cost; {ds.name} and these "
            "scores have none. Score a data set with comparisons."
        )
    return margins


def margin_summary(margins: pl.DataFrame, *, n_boot: int = 2000, random_state: int = 0) -> pl.DataFrame:
    """Mean, spread and quantiles of margins, over all comparisons and by stratum.

    Parameters
    ----------
    margins : DataFrame
        From `score_margins`.
    n_boot, random_state : int
        Checked; intervals are in closed form.

    Returns
    -------
    DataFrame
        `model`, `kind`, `label`, `grouping`, `level`, `n`, `prompts`, `mean`, `low`, `high` (95 %
        of the mean), `sd`, `share_positive` with `share_positive_low` and `share_positive_high` (95 % by
        prompt) and `share_undefined` (why these are null, or what to mind), `share_zero`, and the
        quantiles `q05` .. `q95`, `undefined`.
    """
    check_draws(n_boot, random_state)  # refuses what makes no sense
    rows = []
    for (model, kind, label), part in sorted(
        margins.group_by("model", "kind", "label"), key=lambda found: str(found[0])
    ):
        levels = [("all", "all", part)]
        levels += [
            ("stratum", str(stratum), inside)
            for (stratum,), inside in sorted(
                part.drop_nulls("stratum").group_by("stratum"), key=lambda one: str(one[0])
            )
        ]
        named = {"model": model, "kind": kind, "label": label}
        rows += [
            named | {"grouping": grouping, "level": level} | _described(inside) for grouping, level, inside in levels
        ]
    return pl.DataFrame(rows, infer_schema_length=None).with_columns(pl.col(pl.Float64).fill_nan(None))


def _described(inside: pl.DataFrame) -> dict[str, object]:
    margin = inside["margin"].to_numpy()
    prompt = inside["prompt_id"].to_numpy()
    mean = mean_interval(margin, prompt)
    sums = cluster_sums(np.column_stack([margin > 0, np.ones(len(margin))]), clusters=prompt)
    positive = share_interval(sums[:, :1], sums[:, 1:])
    return {
        "n": len(margin),
        "prompts": inside["prompt_id"].n_unique(),
        "mean": float(margin.mean()),
        "low": float(mean.low[0]),
        "high": float(mean.high[0]),
        "sd": float(margin.std(ddof=1)) if len(margin) > 1 else None,
        "share_positive": float((margin > 0).mean()),
        "share_positive_low": float(positive.low[0]),
        "share_positive_high": float(positive.high[0]),
        "share_undefined": reasons_of(positive, nothing=NOTHING)[0],
        "share_zero": float((margin == 0).mean()),
        **{f"q{round(100 * q):02d}": float(np.quantile(margin, q)) for q in QUANTILES},
        "undefined": reasons_of(mean, nothing=NOTHING)[0],
    }


def mean_interval(values: Floats, clusters: np.ndarray) -> ClusterInterval:
    """95 % interval of a mean by cluster, of shape (1,)."""
    sums = cluster_sums(np.column_stack([np.ones(len(values)), values]), clusters=clusters)
    return smooth_interval(sums, lambda drawn: ratio(drawn[:, 1:], drawn[:, :1]))


CONSTANT = "a score does not vary, so it has no rank correlation"


def score_drift(
    scores: pl.DataFrame, ds: Dataset, *, matched: bool = False, n_boot: int = 2000, random_state: int = 0
) -> pl.DataFrame:
    """How the scores of the same answers differ between models of one kind.

    Parameters
    ----------
    scores : DataFrame
        A table of scores with two models of a kind or more.
    ds : Dataset
        The data set that was scored.
    matched : bool
        Give the second model's scores the distribution of the first's, rank by rank, before taking differences;
        scales of different models have no common unit otherwise. Ranks stay, the zero of a cost does not.
    n_boot, random_state : int
        Checked; intervals are in closed form.

    Returns
    -------
    DataFrame
        `kind`, `target`, `first`, `second` (models), `matched`, `n` (answers scored by both),
        `prompts`, `mean_difference` (second - first), `low`, `high` (95 %, by prompt),
        `mean_absolute_difference`, `spearman` (-1 .. 1), `share_sign_changed` (the two lie on
        different sides of 0; null where matched, and of costs where that may be no boundary), `undefined` (why the
        interval, the correlation or that share is null).

    Raises
    ------
    UsageError
        If no two models of a kind scored the same answers.
    """
    check_draws(n_boot, random_state)  # refuses what makes no sense
    prompts = ds.pairs.select("pair_id", "prompt_id")
    rows = []
    parts = list(by_model(scores))
    for first, second in combinations(parts, 2):
        if (first.kind, first.target) == (second.kind, second.target):
            both = _both(first, second, matched=matched).join(prompts, on="pair_id")
            if both.height:
                names = {"kind": first.kind, "target": first.target, "first": first.model, "second": second.model}
                no_boundary = first.no_boundary or second.no_boundary
                drift = _drift(both, no_sign="" if matched else no_boundary)
                rows.append(names | {"matched": matched} | drift)
    if not rows:
        raise UsageError(
            "Drift between models was asked for; no two models of one kind scored the same answers. "
            "Score the data set with another reward, cost or moderation model."
        )
    types: dict[str, pl.DataType] = {"target": pl.String(), "undefined": pl.String()}
    types |= dict.fromkeys(("low", "high", "share_sign_changed"), pl.Float64())
    return pl.DataFrame(rows, schema_overrides=types).with_columns(pl.col(pl.Float64).fill_nan(None))


def _both(one: ModelScores, two: ModelScores, *, matched: bool) -> pl.DataFrame:
    both = one.scores.join(two.scores, on="pair_id", suffix="_second").sort("pair_id")
    if not matched or both.is_empty():
        return both
    return both.with_columns(_on_scale_of(both["score"], both["score_second"]).alias("score_second"))


def _on_scale_of(reference: pl.Series, scores: pl.Series) -> pl.Series:
    """The quantile of the reference at the mid-rank of each score."""
    rank = (scores.rank("average").to_numpy() - 0.5) / len(scores)
    return pl.Series(np.quantile(reference.to_numpy(), rank, method="hazen"))


def _drift(both: pl.DataFrame, *, no_sign: str | None) -> dict[str, object]:
    """Measures of one drift; `no_sign` is why signs say nothing, empty where that needs no word."""
    first, second = both["score"].to_numpy(), both["score_second"].to_numpy()
    gap: Floats = second - first
    mean = mean_interval(gap, both["prompt_id"].to_numpy())
    few = reasons_of(mean, nothing=NOTHING)[0]
    constant = CONSTANT if 0 in (np.ptp(first), np.ptp(second)) else None
    reasons = [reason for reason in (few, constant, no_sign) if reason]
    return {
        "n": both.height,
        "prompts": both["prompt_id"].n_unique(),
        "mean_difference": float(gap.mean()),
        "low": float(mean.low[0]),
        "high": float(mean.high[0]),
        "mean_absolute_difference": float(np.abs(gap).mean()),
        "spearman": float(spearman(first, second, weights=np.ones((1, len(first))))[0]),
        "share_sign_changed": float((np.sign(first) != np.sign(second)).mean()) if no_sign is None else None,
        "undefined": "; ".join(reasons) or None,
    }
