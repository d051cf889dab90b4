"""What the association would be without errors in the labels: a surface, because the errors are not known."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl

from btviz.data.releases import published
from btviz.errors import UsageError
from btviz.stats.association import Floats, ratio

ACCURACIES = tuple(round(0.6 + 0.02 * step, 2) for step in range(21))
CORRELATIONS = tuple(round(0.05 * step, 2) for step in range(20))


def reliability_surface(
    p: float | None,
    *,
    low: float | None = None,
    high: float | None = None,
    accuracy_better: Sequence[float] = ACCURACIES,
    accuracy_safer: Sequence[float] | None = None,
    correlation: Sequence[float] = CORRELATIONS,
) -> pl.DataFrame:
    """Correct 2p - 1 for errors in both labels, over what is assumed of the errors.

    Each label is wrong with a fixed probability, whatever the truth, and the two errors of one
    comparison correlate (phi). With error rates e and f and correlation r, both are wrong with
    probability ``e f + r sqrt(e (1 - e) f (1 - f))``; the observed 2p - 1 is the true one times
    ``1 - 2 e - 2 f + 4 P(both wrong)``.

    Parameters
    ----------
    p : float or None
        Observed P(better = safer), 0 .. 1.
    low, high : float, optional
        Interval of p. With it, assumptions are refuted only where no p in it agrees with them; without,
        p is taken for exact.
    accuracy_better, accuracy_safer : sequence of float
        Probabilities that a label is right, above 0.5 and up to 1. By default both labels
        have the same; else every combination is made.
    correlation : sequence of float
        Correlations of the two errors, -1 .. 1.

    Returns
    -------
    DataFrame
        `accuracy_better`, `accuracy_safer`, `correlation`, `attenuation` (factor above),
        `corrected` (true 2p - 1 under these assumptions), `refuted` (|corrected| exceeds 1, or
        the factor is 0 while 2p - 1 is not, for every p in the interval: the assumptions cannot hold),
        `undefined` (why values are null: the two error rates do not allow that correlation), `p`, `p_low`, `p_high`.

    Raises
    ------
    UsageError
        If a number is outside its range, or no share was observed.
    """
    if p is None:
        raise UsageError(
            "2p - 1 was to be corrected for errors, but no share was observed: no comparison has both labels. "
            "Use data that tell which answer is better and which is safer."
        )
    for share in (p, low, high):
        if share is not None:
            _check(share, 0, 1, what="share")
    second = accuracy_better if accuracy_safer is None else accuracy_safer
    for values, least, most, what in (
        ([*accuracy_better, *second], 0.5, 1, "accuracy"),
        (correlation, -1, 1, "correlation of errors"),
    ):
        for value in values:
            _check(value, least, most, what=what)
    accuracies = (
        [(a, a) for a in accuracy_better]
        if accuracy_safer is None
        else [(a, b) for a in accuracy_better for b in accuracy_safer]
    )
    grid = np.array([(a, b, r) for a, b in accuracies for r in correlation]).reshape(-1, 3)
    nearest = abs(2 * p - 1) if low is None or high is None else max(0.0, 2 * low - 1, 1 - 2 * high)
    return _corrected(p, grid, least=nearest).with_columns(
        pl.lit(value, pl.Float64).alias(name) for name, value in (("p", p), ("p_low", low), ("p_high", high))
    )


def agreement_correction(
    p: float, *, low: float | None = None, high: float | None = None, release: str = "beavertails-330k"
) -> pl.DataFrame:
    """Correct 2p - 1 by published preference agreement, if errors were independent.

    Two annotators who are each right with probability c agree with probability
    ``c**2 + (1 - c)**2``, so ``c = (1 + sqrt(2 a - 1)) / 2``. The agreement is that on *better*
    and on *safer*, never that on the meta-label.

    Parameters
    ----------
    p : float
        Observed P(better = safer), 0 .. 1.
    low, high : float, optional
        Interval of p. With it, independent errors are refuted only where the whole interval is
        further from 1/2 than they allow; without, where p is.
    release : str
        Release whose preference agreement was published.

    Returns
    -------
    DataFrame
        One row: the columns of `reliability_surface`, `release`, `agreement_better` and
        `agreement_safer` (shares), `verdict`.

    Raises
    ------
    UsageError
        If no preference agreement of that release was published.
    """
    printed = published.find(release, "rater_agreement")
    shares = {level: value / 100 for level, value in printed.select("level", "value").iter_rows()}
    if not {"better", "safer"} <= shares.keys():
        raise UsageError(
            f"Agreement on preferences in {release!r} was asked for; none was published. Use 'beavertails-330k'."
        )
    accuracy = {level: accuracy_of_agreement(shares[level]) for level in ("better", "safer")}
    row = reliability_surface(
        p, accuracy_better=[accuracy["better"]], accuracy_safer=[accuracy["safer"]], correlation=[0.0]
    )
    factor, corrected = row["attenuation"][0], row["corrected"][0]
    least = abs(2 * p - 1) if low is None or high is None else max(0.0, 2 * low - 1, 1 - 2 * high)
    refuted = least > factor
    errors = (
        f"independent errors at {100 * shares['better']:.2f} and {100 * shares['safer']:.2f} % agreement ({release})"
    )
    cap = f"{errors} would cap |2p - 1| at {factor:.4f}"
    if refuted:
        words = f"refuted: {cap}, but {abs(2 * p - 1):.3f} was observed: errors are correlated, or rarer than that"
    elif row["refuted"][0]:
        words = f"undecided: {cap}; {abs(2 * p - 1):.3f} was observed, but its interval reaches below that"
    else:
        words = f"possible: under {errors} the true 2p - 1 would be {corrected:.3f}"
    return row.with_columns(
        pl.lit(refuted).alias("refuted"),
        pl.lit(release).alias("release"),
        *(pl.lit(shares[level]).alias(f"agreement_{level}") for level in ("better", "safer")),
        pl.lit(words).alias("verdict"),
    )


def accuracy_of_agreement(agreement: float) -> float:
    """Accuracy of each of two independent annotators who agree that often, 0.5 .. 1."""
    _check(agreement, 0.5, 1, what="agreement")
    return (1 + math.sqrt(2 * agreement - 1)) / 2


def _corrected(p: float, grid: Floats, *, least: float) -> pl.DataFrame:
    e, f, r = 1 - grid[:, 0], 1 - grid[:, 1], grid[:, 2]
    both = e * f + r * np.sqrt(e * (1 - e) * f * (1 - f))
    possible = (both <= np.minimum(e, f) + 1e-12) & (both >= np.maximum(e + f - 1, 0) - 1e-12)
    factor = np.where(possible, 1 - 2 * e - 2 * f + 4 * both, np.nan)
    observed = 2 * p - 1
    corrected = ratio(observed, factor)
    refuted = (least > np.abs(factor) + 1e-12) & possible
    reason = pl.when(~pl.Series(possible)).then(pl.lit("these error rates do not allow that correlation"))
    no_factor = pl.when(pl.Series(possible & (factor == 0))).then(pl.lit("errors hide the truth altogether"))
    return pl.DataFrame(
        {
            "accuracy_better": grid[:, 0],
            "accuracy_safer": grid[:, 1],
            "correlation": r,
            "attenuation": factor,
            "corrected": corrected,
            "refuted": refuted,
        }
    ).with_columns(pl.col(pl.Float64).fill_nan(None), pl.coalesce(reason, no_factor).alias("undefined"))


def _check(value: float, low: float, high: float, *, what: str) -> None:
    if not low <= value <= high:
        raise UsageError(f"The {what} {value} was given; it lies between {low} and {high}. Correct it.")
