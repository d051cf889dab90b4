"""Differences of scores: margins of chosen over rejected answers, and drift between models."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import polars as pl

from btviz.data.dataset import Dataset
from btviz.errors import UsageError, choice
from btviz.preference.shares import FEWEST_PROMPTS, reasons_of
from btviz.scores.answers import ModelScores, by_model, judged_comparisons
from btviz.scores.intervals import ALIKE, FEW
from btviz.stats.association import Floats, ratio
from btviz.stats.clustered import share_interval
from btviz.stats.ordering import spearman
from btviz.stats.resampling import bootstrap, cluster_sums

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
        Bootstrap replicates, drawn over prompts, and seed.

    Returns
    -------
    DataFrame
        `model`, `kind`, `label`, `grouping`, `level`, `n`, `prompts`, `mean`, `low`, `high` (95 %
        of the mean), `sd`, `share_positive` with `share_positive_low` and `share_positive_high` (95 % by
        prompt) and `share_undefined` (why these are null, or what to mind), `share_zero`, and the
        quantiles `q05` .. `q95`, `undefined`.
    """
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
            named | {"grouping": grouping, "level": level} | _described(inside, n_boot=n_boot, seed=random_state)
            for grouping, level, inside in levels
        ]
    return pl.DataFrame(rows, infer_schema_length=None).with_columns(pl.col(pl.Float64).fill_nan(None))


def _described(inside: pl.DataFrame, *, n_boot: int, seed: int) -> dict[str, object]:
    margin = inside["margin"].to_numpy()
    prompt = inside["prompt_id"].to_numpy()
    low, high, prompts = mean_interval(margin, prompt, n_boot=n_boot, random_state=seed)
    sums = cluster_sums(np.column_stack([margin > 0, np.ones(len(margin))]), clusters=prompt)
    positive = share_interval(sums[:, :1], sums[:, 1:])
    return {
        "n": len(margin),
        "prompts": prompts,
        "mean": float(margin.mean()),
        "low": low,
        "high": high,
        "sd": float(margin.std(ddof=1)) if len(margin) > 1 else None,
        "share_positive": float((margin > 0).mean()),
        "share_positive_low": float(positive.low[0]),
        "share_positive_high": float(positive.high[0]),
        "share_undefined": reasons_of(positive, nothing=ALIKE)[0],
        "share_zero": float((margin == 0).mean()),
        **{f"q{round(100 * q):02d}": float(np.quantile(margin, q)) for q in QUANTILES},
        "undefined": FEW if prompts < FEWEST_PROMPTS else ALIKE if low is None else None,
    }


def mean_interval(
    values: Floats, clusters: np.ndarray, *, n_boot: int, random_state: int
) -> tuple[float | None, float | None, int]:
    """Interval of a mean, 95 %, resampling clusters; null with fewer than `FEWEST_PROMPTS`, or if all are alike."""
    sums = cluster_sums(np.column_stack([values, np.ones(len(values))]), clusters=clusters)
    if len(sums) < FEWEST_PROMPTS:
        return None, None, len(sums)
    interval = bootstrap(sums, lambda s: ratio(s[:, :1], s[:, 1:]), n_boot=n_boot, random_state=random_state)
    low, high = float(interval.low[0]), float(interval.high[0])
    return (None, None, len(sums)) if low == high else (low, high, len(sums))


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
        Bootstrap replicates, drawn over prompts, and seed.

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
    prompts = ds.pairs.select("pair_id", "prompt_id")
    rows = []
    parts = list(by_model(scores))
    for first, second in combinations(parts, 2):
        if (first.kind, first.target) == (second.kind, second.target):
            both = _both(first, second, matched=matched).join(prompts, on="pair_id")
            if both.height:
                names = {"kind": first.kind, "target": first.target, "first": first.model, "second": second.model}
                no_boundary = first.no_boundary or second.no_boundary
                drift = _drift(both, n_boot=n_boot, seed=random_state, no_sign="" if matched else no_boundary)
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


def _drift(both: pl.DataFrame, *, n_boot: int, seed: int, no_sign: str | None) -> dict[str, object]:
    """Measures of one drift; `no_sign` is why signs say nothing, empty where that needs no word."""
    first, second = both["score"].to_numpy(), both["score_second"].to_numpy()
    gap: Floats = second - first
    low, high, prompts = mean_interval(gap, both["prompt_id"].to_numpy(), n_boot=n_boot, random_state=seed)
    few = FEW if prompts < FEWEST_PROMPTS else ALIKE if low is None else None
    constant = CONSTANT if 0 in (np.ptp(first), np.ptp(second)) else None
    reasons = [reason for reason in (few, constant, no_sign) if reason]
    return {
        "n": both.height,
        "prompts": prompts,
        "mean_difference": float(gap.mean()),
        "low": low,
        "high": high,
        "mean_absolute_difference": float(np.abs(gap).mean()),
        "spearman": float(spearman(first, second, weights=np.ones((1, len(first))))[0]),
        "share_sign_changed": float((np.sign(first) != np.sign(second)).mean()) if no_sign is None else None,
        "undefined": "; ".join(reasons) or None,
    }
