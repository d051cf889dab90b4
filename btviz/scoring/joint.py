"""Agreement of all moderators and people together on which answers are safe."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from btviz.preference.shares import FEWEST_PROMPTS
from btviz.scoring.intervals import FEW
from btviz.stats.agreement import agreement_by_rater_pair, fleiss_kappa, krippendorff_alpha, prevalence, rating_sums
from btviz.stats.association import Floats
from btviz.stats.resampling import bootstrap, cluster_sums

COEFFICIENTS = {
    "share_safe": prevalence,
    "agreement": agreement_by_rater_pair,
    "alpha": krippendorff_alpha,
    "fleiss_kappa": fleiss_kappa,
}
"""What is computed of all raters together, by column."""
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
        From `btviz.scoring.moderators.safety_verdicts`: `prompt_id` and a boolean column per rater.
    raters : sequence of str
        Columns of raters.
    by : str or None
        Column to group by, beside all answers together.
    n_boot, random_state : int
        Bootstrap replicates, drawn over prompts, and seed.

    Returns
    -------
    DataFrame
        `group` (null for all answers), `raters` (names), `n` (answers with two verdicts or more),
        `n_verdicts`, `prompts`; `share_safe` (of the verdicts), `agreement` (share of pairs of verdicts that are
        equal), `alpha` (Krippendorff), `fleiss_kappa`, each also with `_low` and `_high` (95 %, by prompt);
        `undefined` (why alpha or its interval is null), `undefined_fleiss_kappa`.
    """
    rows = [
        {"group": group, "raters": list(raters)} | _measured(part, raters, n_boot=n_boot, seed=random_state)
        for group, part in verdict_groups(verdicts, by=by)
    ]
    return pl.DataFrame(rows, schema_overrides=_TYPES, infer_schema_length=None)


def verdict_groups(verdicts: pl.DataFrame, *, by: str | None) -> list[tuple[str | None, pl.DataFrame]]:
    """All verdicts, under None, then those of each value of a column, in the order of their names."""
    if by is None:
        return [(None, verdicts)]
    known = verdicts.drop_nulls(by).group_by(by)
    return [(None, verdicts), *sorted(((str(value), part) for (value,), part in known), key=lambda found: found[0])]


def _measured(part: pl.DataFrame, raters: Sequence[str], *, n_boot: int, seed: int) -> dict[str, object]:
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
    found = bootstrap(sums, _coefficients, n_boot=n_boot, random_state=seed)
    few = len(sums) < FEWEST_PROMPTS
    for place, name in enumerate(COEFFICIENTS):
        row[name] = _known(found.estimate[place])
        row[f"{name}_low"] = None if few else _known(found.low[place])
        row[f"{name}_high"] = None if few else _known(found.high[place])
    row["undefined"] = _reason(row, few=few)
    row["undefined_fleiss_kappa"] = UNEQUAL if len(np.unique(counts)) > 1 else row["undefined"]
    return row


def _coefficients(sums: Floats) -> Floats:
    return np.column_stack([coefficient(sums) for coefficient in COEFFICIENTS.values()])


def _known(value: np.float64) -> float | None:
    return float(value) if np.isfinite(value) else None


def _reason(row: dict[str, object], *, few: bool) -> str | None:
    if row["alpha"] is None:
        return ALIKE
    if few:
        return FEW
    return None if row["alpha_low"] is not None else "verdicts are all the same in some resamples"


_VALUES = tuple(f"{name}{end}" for name in COEFFICIENTS for end in ("", "_low", "_high"))
_TYPES: dict[str, pl.DataType] = {
    "group": pl.String(),
    "raters": pl.List(pl.String()),
    "undefined": pl.String(),
    "undefined_fleiss_kappa": pl.String(),
} | dict.fromkeys(_VALUES, pl.Float64())
