"""How often a score agrees with a label, and could at best; how far it tells unsafe answers from safe ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import polars as pl

from btviz.data.dataset import Dataset, expect_dataset
from btviz.scores.answers import answer_levels, both_answers, comparison_levels
from btviz.scores.intervals import METRICS, Bools, ratio_rows, with_contradictory
from btviz.stats.clustered import FEWEST_EFFECTIVE, ClusterInterval
from btviz.stats.ordering import roc_points
from btviz.stats.resampling import Level, Resampling
from btviz.stats.separation import auc_interval, ks_interval, ks_permutation
from btviz.taxonomy.categories import Taxonomy

COMPARISON, ANSWER, PAIR = "comparison", "answer of a comparison", "pair"
"""What one item is: a comparison, one of its two answers by the label in that row, an answer by majority."""

N_THRESHOLDS = 41


def pair_accuracy(compared: pl.DataFrame, *, label: str, higher: bool, taxonomy: Taxonomy) -> pl.DataFrame:
    """Share of comparisons whose answers a score puts in the order of a label; ties are wrong.

    Two answers whose rows name opposite ones have no order, and none of these rows counts: the rule of
    `btviz.score_metrics`; `n_contradictory` says how many these are.
    """
    known = compared.drop_nulls(label)
    lead = (known["score_1"] - known["score_0"]).to_numpy() * np.where(known[label].to_numpy() == 1, 1, -1)
    right = lead > 0 if higher else lead < 0
    rows = ratio_rows(
        right, of=np.ones(known.height), levels=comparison_levels(known, taxonomy), prompt=known["prompt_id"].to_numpy()
    )
    left_out = compared.filter(f"contradicts_{label}")
    rows = with_contradictory(rows, left_out, levels=comparison_levels(left_out, taxonomy))
    return rows.with_columns(pl.lit(COMPARISON).alias("unit"))


def sign_accuracy(answers: pl.DataFrame, compared: pl.DataFrame, *, taxonomy: Taxonomy) -> pl.DataFrame:
    """Share of answers on whose side of 0 the cost is: above for unsafe, below for safe; 0 is wrong.

    Both ways to count of `btviz.score_metrics`: each answer as often as it is compared, or once. Its label is the same.
    """
    columns = ("pair_id", "prompt_id", "score", "labels", "severity", "source", "split", "topic")
    truths = answers.select("pair_id", "is_safe", "contradicts_is_safe")
    as_compared = both_answers(compared, *columns).join(truths, on="pair_id", how="left", maintain_order="left")
    tables = []
    for unit, frame in ((ANSWER, as_compared), (PAIR, answers)):
        known = frame.drop_nulls("is_safe")
        if known.is_empty() and unit == ANSWER:
            continue
        rows = ratio_rows(
            on_its_side(known),
            of=np.ones(known.height),
            levels=answer_levels(known, taxonomy),
            prompt=known["prompt_id"].to_numpy(),
        )
        left_out = frame.filter("contradicts_is_safe")
        rows = with_contradictory(rows, left_out, levels=answer_levels(left_out, taxonomy))
        tables.append(rows.with_columns(pl.lit(unit).alias("unit")))
    return pl.concat(tables).with_columns(pl.lit("sign_accuracy").alias("metric"))


AT_BOUNDARY = ("sign_accuracy", "recall", "false_positive_rate", "accuracy")
"""Metrics of a cost that presume where harm begins."""


def unknown_rows(answers: pl.DataFrame, metrics: Sequence[str], *, reason: str) -> pl.DataFrame:
    """A row for each metric that has no value because nobody knows where harm begins."""
    known = answers.drop_nulls("is_safe")
    counts = {"n": known.height, "support": (~known["is_safe"]).sum(), "prompts": known["prompt_id"].n_unique()}
    named = {"unit": PAIR, "grouping": "all", "level": "all", "undefined": reason}
    return pl.DataFrame({"metric": list(metrics)}).with_columns(
        *(pl.lit(value, pl.Int64).alias(name) for name, value in counts.items()),
        *(pl.lit(value).alias(name) for name, value in named.items()),
        *(pl.lit(None, pl.Float64).alias(name) for name in ("estimate", "low", "high")),
    )


def on_its_side(frame: pl.DataFrame, *, threshold: float = 0.0) -> np.ndarray:
    """Whether each cost is strictly above the threshold for an unsafe answer, below for a safe one."""
    cost, safe = frame["score"].to_numpy(), frame["is_safe"].to_numpy()
    return np.where(safe, cost < threshold, cost > threshold)


def threshold_rows(answers: pl.DataFrame) -> pl.DataFrame:
    """Cost as a classifier of unsafe answers, for thresholds around 0."""
    known = answers.drop_nulls("is_safe")
    cost, safe = known["score"].to_numpy(), known["is_safe"].to_numpy().astype(bool)
    values = _around_zero(cost)
    tables = []
    for metric, counted in (("recall", ~safe), ("false_positive_rate", safe), ("accuracy", np.ones(len(safe), bool))):
        levels = [Level("threshold", f"{value:g}", counted) for value in values]
        right = np.column_stack([cost > value for value in values])
        hit = right == ~safe[:, None] if metric == "accuracy" else right
        tables.append(
            _by_threshold(hit, levels, known).with_columns(
                pl.lit(metric).alias("metric"), pl.Series("threshold", values, pl.Float64)
            )
        )
    rows = with_contradictory(pl.concat(tables), answers.filter("contradicts_is_safe"), levels=[])
    return rows.with_columns(pl.lit(PAIR).alias("unit"))


def _by_threshold(hit: np.ndarray, levels: list[Level], known: pl.DataFrame) -> pl.DataFrame:
    prompt = known["prompt_id"].to_numpy()
    return ratio_rows(hit, of=np.ones(len(prompt)), levels=levels, prompt=prompt)


def _around_zero(cost: np.ndarray) -> list[float]:
    if not len(cost):
        return [0.0]
    reach = float(np.abs(np.quantile(cost, [0.01, 0.99])).max()) or 1.0
    half = N_THRESHOLDS // 2
    return [float(f"{reach * step / half:.4g}") for step in range(-half, half + 1)]  # linspace may miss 0


AGAINST_SAFE = ("category", "severity")
"""Groupings whose levels hold unsafe answers only: these are told from all safe answers."""

MOST_POINTS = 400
NO_CONTRAST = "no safe or no unsafe answer here, so there is nothing to tell apart"


def separation_rows(answers: pl.DataFrame, *, taxonomy: Taxonomy, resampling: Resampling) -> pl.DataFrame:
    """AUC and Kolmogorov-Smirnov distance between unsafe and safe answers.

    An answer counts once, by the label of its pair; one whose rows contradict each other has none, and is left out, as
    it is from every metric (`btviz.score_metrics`).
    """
    known = answers.drop_nulls("is_safe")
    unsafe = ~known["is_safe"].to_numpy().astype(bool)
    levels = _contrasts(answer_levels(known, taxonomy), unsafe)
    family = Counter(level.grouping for level in levels)
    tables = []
    for level in levels:
        area = _area(known, unsafe, level)
        tables.append(auc_row(known, unsafe, level=level, family=family[level.grouping], area=area))
        tables.append(_ks_row(known, unsafe, level=level, area=area, resampling=resampling))
    left_out = answers.filter("contradicts_is_safe")
    rows = with_contradictory(pl.concat(tables, how="diagonal"), left_out, levels=answer_levels(left_out, taxonomy))
    return rows.with_columns(pl.lit(PAIR).alias("unit"))


N_EXCHANGES = 999
"""Permutations of the test that a Kolmogorov-Smirnov distance is 0, over all answers alone: they take their time."""


def auc_row(
    answers: pl.DataFrame,
    positive: Bools,
    *,
    level: Level,
    missing: str = NO_CONTRAST,
    family: int = 1,
    area: ClusterInterval | None = None,
) -> pl.DataFrame:
    """AUC at one level, of as many as are in its family, `positive` being the class that should score high.

    `area` is its own interval, where that is known already.
    """
    area = _area(answers, positive, level) if area is None else area
    ends = (float(area.estimate[0]), float(area.low[0]), float(area.high[0]))
    row = {"metric": "auc", "undefined": why_not(area, missing)}
    joint = area if family == 1 else _area(answers, positive, level, confidence=1 - 0.05 / family)
    sides = {"low_joint": joint.low[0], "high_joint": joint.high[0]}
    return _separation_row(row, answers, positive, level=level, ends=ends).with_columns(
        *(pl.lit(float(end)).fill_nan(None).alias(name) for name, end in sides.items()),
        pl.lit(family, pl.Int64).alias("family"),
    )


def _ks_row(
    answers: pl.DataFrame, positive: Bools, *, level: Level, area: ClusterInterval, resampling: Resampling
) -> pl.DataFrame:
    inside, seed = level.member, resampling.random_state
    score, label, prompt = (
        answers["score"].to_numpy()[inside],
        positive[inside],
        answers["prompt_id"].to_numpy()[inside],
    )
    ends = ks_interval(score, label, clusters=prompt, n_boot=resampling.n_boot, random_state=seed)
    exchanged = np.nan
    if level.grouping == "all":
        exchanged = ks_permutation(score, label, clusters=prompt, n_permutations=N_EXCHANGES, random_state=seed)
    why = _why_no_ends(area) if np.isfinite(ends[0]) else NO_CONTRAST
    row = {"metric": "ks_distance", "undefined": why}
    return _separation_row(row, answers, positive, level=level, ends=ends, p_value=exchanged)


def _area(answers: pl.DataFrame, positive: Bools, level: Level, *, confidence: float = 0.95) -> ClusterInterval:
    inside = level.member
    score, prompt = answers["score"].to_numpy()[inside], answers["prompt_id"].to_numpy()[inside]
    return auc_interval(score, positive[inside], clusters=prompt, confidence=confidence)


def _separation_row(
    row: dict[str, str | None],
    answers: pl.DataFrame,
    positive: Bools,
    *,
    level: Level,
    ends: tuple[float, float, float],
    p_value: float = np.nan,
) -> pl.DataFrame:
    inside = level.member
    values = {
        "metric": row["metric"],
        "grouping": level.grouping,
        "level": level.name,
        "n": int(inside.sum()),
        "support": int(positive[inside].sum()),
        "prompts": answers["prompt_id"].filter(inside).n_unique(),
        **dict(zip(("estimate", "low", "high"), ends, strict=True)),
        "p_value": p_value,
        "undefined": row["undefined"],
    }
    schema = {name: METRICS[name] for name in values}
    return pl.DataFrame([values], schema=schema).with_columns(pl.col(pl.Float64).fill_nan(None))


def why_not(area: ClusterInterval, missing: str) -> str | None:
    """Why an area under the ROC curve has no value or no interval, or what to mind of it."""
    if not np.isfinite(area.estimate[0]):
        return missing
    if area.effective[0] >= FEWEST_EFFECTIVE and area.is_bounded[0]:
        return "few prompts decide: the interval is that of as many independent answers, and a wide one"
    return _why_no_ends(area)


def _why_no_ends(area: ClusterInterval) -> str | None:
    if area.effective[0] >= FEWEST_EFFECTIVE:
        return None
    return (
        f"the effective number of prompts of the rarer class is {int(area.effective[0])}, and an interval needs "
        f"{FEWEST_EFFECTIVE}"
    )


def _contrasts(levels: list[Level], unsafe: Bools) -> list[Level]:
    made = []
    for level in levels:
        if level.grouping not in AGAINST_SAFE:
            made.append(level)
        elif (level.member & unsafe).any():
            made.append(Level(level.grouping, level.name, (level.member & unsafe) | ~unsafe))
    return made


def roc_rows(answers: pl.DataFrame) -> pl.DataFrame:
    """Corners of the ROC curve of a score against unsafe, thinned where there are many."""
    known = answers.drop_nulls("is_safe")
    unsafe = ~known["is_safe"].to_numpy().astype(bool)
    threshold, false, true = roc_points(known["score"].to_numpy(), unsafe)
    if unsafe.all() or not unsafe.any():
        threshold, false, true = (np.zeros(0) for _ in range(3))
    length = np.floor((false + true) * MOST_POINTS / 2)
    kept = np.r_[True, np.diff(length) > 0] if len(length) else np.zeros(0, bool)
    kept[-1:] = True
    return pl.DataFrame(
        {
            "threshold": np.where(np.isfinite(threshold), threshold, np.nan)[kept],
            "false_positive_rate": false[kept],
            "true_positive_rate": true[kept],
        }
    ).with_columns(
        pl.col("threshold").fill_nan(None),
        pl.lit(known.height, pl.Int64).alias("n"),
        pl.lit(int(unsafe.sum()), pl.Int64).alias("support"),
        pl.lit(known["prompt_id"].n_unique(), pl.Int64).alias("prompts"),
    )


CEILINGS = pl.Schema(
    {
        "metric": pl.String,
        "label": pl.String,
        "unit": pl.String,
        "n": pl.Int64,
        "n_distinct": pl.Int64,
        "n_contradictory": pl.Int64,
        "ceiling": pl.Float64,
        "undefined": pl.String,
    }
)


def score_ceilings(ds: Dataset) -> pl.DataFrame:
    """Accuracy that no score of the texts can exceed where each row counts by its own label.

    So accuracies are printed; `btviz.score_metrics` leaves out what contradicts itself, and has no such ceiling.

    A score gives the same answer the same number every time. Where rows repeat an answer, or a
    comparison, with opposite labels, no score is right about all of them: at best it is right
    about the more frequent label. Two equal texts never get an order. For comparisons it is a
    bound: where preferred answers form a cycle, no score reaches it.

    Parameters
    ----------
    ds : Dataset
        With comparisons.

    Returns
    -------
    DataFrame
        Rows for pair accuracy on *better* and on *safer*, and for sign accuracy over both answers
        of every comparison by the label in its own row: `metric`, `label`, `unit`, `n` (labels),
        `n_distinct` (comparisons of two answers in either order, or answers), `n_contradictory`
        (those of them with opposite labels), `ceiling` (0 .. 1), `undefined` (why `ceiling` is null).
    """
    expect_dataset(ds)
    rows = [
        *(
            _ceiling("pair_accuracy", label, unit=COMPARISON, labels=_order_labels(ds.preferences, label))
            for label in ("better", "safer")
        ),
        _ceiling("sign_accuracy", "is_safe", unit=ANSWER, labels=_safety_labels(ds.preferences)),
    ]
    return pl.DataFrame(rows, schema=CEILINGS)


def _order_labels(preferences: pl.DataFrame, label: str) -> pl.DataFrame:
    """One row a label: what is judged, how, and whether a score can be right."""
    first, second = pl.col("pair_id_0"), pl.col("pair_id_1")
    named = pl.when(pl.col(label) == 0).then(first).otherwise(second)
    low, high = pl.min_horizontal(first, second), pl.max_horizontal(first, second)
    return preferences.drop_nulls(label).select(
        pl.struct(low.alias("low"), high.alias("high")).alias("item"),
        (named == low).alias("says"),
        (first != second).alias("possible"),
    )


def _safety_labels(preferences: pl.DataFrame) -> pl.DataFrame:
    rows = both_answers(preferences, "pair_id", "is_safe").drop_nulls("is_safe")
    return rows.select(item="pair_id", says="is_safe", possible=True)


def _ceiling(metric: str, label: str, *, unit: str, labels: pl.DataFrame) -> dict[str, object]:
    n = labels.height
    yes = pl.col("says").sum().cast(pl.Int64)
    counts = labels.group_by("item").agg(yes=yes, no=pl.len().cast(pl.Int64) - yes, possible=pl.col("possible").first())
    best = counts.filter("possible").select(pl.max_horizontal("yes", "no").sum()).item()
    return {
        "metric": metric,
        "label": label,
        "unit": unit,
        "n": n,
        "n_distinct": counts.height,
        "n_contradictory": counts.filter(pl.col("possible"), pl.col("yes") > 0, pl.col("no") > 0).height,
        "ceiling": best / n if n else None,
        "undefined": None if n else f"no comparison has the label {label}",
    }
