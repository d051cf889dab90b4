"""What judges say of two models' answers: win rates, ratings, position bias, consistency when swapped, agreement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl

from btviz.data.tables import ID
from btviz.errors import UsageError, a_type, choice
from btviz.scores.intervals import interval_columns
from btviz.scores.policies import rated_wins
from btviz.stats.association import Floats, ratio
from btviz.stats.clustered import ClusterInterval, share_interval
from btviz.stats.resampling import cluster_sums
from btviz.stats.smooth import smooth_interval

FIRST, SECOND, TIE = "first", "second", "tie"
OVERALL = "overall"
"""Aspect of judgements that name none."""

JUDGEMENTS = pl.Schema(
    {"prompt_id": ID}
    | {name: pl.String() for name in ("item", "judge", "aspect", FIRST, SECOND, "winner", "shown_first")}
)
"""A row for each judgement; see `btviz.read_judgements`."""

_SIDES = (FIRST, SECOND)
ALL_JUDGES = "all judges"

NOT_MET = "no judgement counts here"
NO_ORDER = "nobody says which answer was shown first: add a column, or say order='listed' (--order listed)"
NO_BOTH = "no two models were judged in both orders, so the order cannot be told from the models"
NO_SWAPS = "no item was judged in both orders by one judge"
ALIKE = "all verdicts are the same, so there is nothing beyond chance"


def _valid(judgements: pl.DataFrame) -> pl.DataFrame:
    """Judgements with a verdict, each seen from the model whose name comes first: `x`, `y`, `won` by x, `x_first`."""
    if not isinstance(judgements, pl.DataFrame) or not set(JUDGEMENTS) <= set(judgements.columns):
        raise UsageError(
            f"Judgements were to be passed, and this is {a_type(judgements)} without their columns {list(JUDGEMENTS)}. "
            "Pass what btviz.read_judgements gives."
        )
    known = judgements.drop_nulls("winner")
    for column, values in (("winner", (*_SIDES, TIE)), ("shown_first", _SIDES)):
        for value in known[column].drop_nulls().unique():
            choice(value, values, what=f"value of {column}")
    if known.is_empty():
        raise UsageError("Judgements were to be counted; none has a winner or is a tie. Read a file that has some.")
    turned = pl.col(FIRST) > pl.col(SECOND)
    won = pl.when(pl.col("winner") == TIE).then(0.5).otherwise((pl.col("winner") == FIRST).cast(pl.Float64))
    first = pl.col("shown_first") == FIRST
    return known.select(
        *("prompt_id", "item", "judge", "aspect"),
        x=pl.min_horizontal(FIRST, SECOND),
        y=pl.max_horizontal(FIRST, SECOND),
        won=pl.when(turned).then(1 - won).otherwise(won),
        x_first=pl.when(turned).then(~first).otherwise(first),
    )


def _parts(known: pl.DataFrame, *by: str) -> Iterator[tuple[dict[str, str], pl.DataFrame]]:
    """Judgements by some columns, in the order of their names."""
    for key in known.select(by).unique().sort(by).to_dicts():
        yield key, known.filter(**key)


def _rows(found: ClusterInterval, *, nothing: str, **named: Any) -> dict[str, Any]:
    """One row of a table: names and counts, and an estimate with its interval."""
    return named | {name: column[0] for name, column in interval_columns(found, nothing=nothing).items()}


_ENDS = dict.fromkeys(("estimate", "low", "high"), pl.Float64()) | {"undefined": pl.String()}


def judgement_win_rates(judgements: pl.DataFrame, *, reference: str | None = None) -> pl.DataFrame:
    """How often each model wins against each other, by judge and aspect.

    Parameters
    ----------
    judgements : DataFrame
        From `btviz.read_judgements`.
    reference : str, optional
        Model whose opponents alone are listed, as Table 2 of BeaverTails does; by default every pair of models stands
        once, the one whose name comes first as `before`.

    Returns
    -------
    DataFrame
        `judge`, `aspect`, `before`, `after`, `n` (judgements; one prompt judged in both orders counts twice),
        `prompts`, `wins`, `ties`, `losses` (shares, of *after*), `estimate` (win rate of *after*, ties count ½,
        0 .. 1), `low`, `high` (95 %, by prompt), `undefined`.

    Raises
    ------
    UsageError
        If these are no judgements, or the reference is none of the models.
    """
    known = _valid(judgements)
    models = sorted({*known["x"], *known["y"]})
    if reference is not None:
        choice(reference, models, what="model")
    rows = []
    for names, part in _parts(known, "judge", "aspect", "x", "y"):
        x, y = names.pop("x"), names.pop("y")
        if reference not in (None, x, y):
            continue
        won = part["won"].to_numpy() if reference == y else 1 - part["won"].to_numpy()  # of the other than `before`
        before, after = (y, x) if reference == y else (x, y)
        sums = cluster_sums(np.column_stack([np.ones(len(won)), won]), clusters=part["prompt_id"].to_numpy())
        ways = (("wins", 1.0), ("ties", 0.5), ("losses", 0.0))
        shares = {name: float((won == value).mean()) for name, value in ways}
        counts = {"before": before, "after": after, "n": len(won), "prompts": len(sums)}
        rows.append(_rows(share_interval(sums[:, 1:], sums[:, :1]), nothing=NOT_MET, **names, **counts, **shares))
    return pl.DataFrame(rows, schema_overrides=_ENDS)


def judgement_ratings(judgements: pl.DataFrame, *, reference: str | None = None) -> pl.DataFrame:
    """Elo ratings of models by each judge and aspect, from all their meetings.

    Parameters
    ----------
    judgements : DataFrame
        From `btviz.read_judgements`.
    reference : str, optional
        Model whose rating is 0; by default, and where it was not judged, the first by name.

    Returns
    -------
    DataFrame
        `judge`, `aspect`, `policy` (the model), `n` (judgements of it), `prompts`, `win_rate` (against all others, ties
        half), `elo` (Bradley-Terry, maximum likelihood, 400 points for odds of 10 to 1), `low`, `high` (95 %, by
        prompt), `undefined`. `btviz.plots.policy_ratings` draws it once `judge` is called `model`, and `aspect` `kind`.

    Raises
    ------
    UsageError
        If these are no judgements, or the reference is none of the models.
    """
    known = _valid(judgements)
    everyone = sorted({*known["x"], *known["y"]})
    if reference is not None:
        choice(reference, everyone, what="model")
    tables = []
    for names, part in _parts(known, "judge", "aspect"):
        models = sorted({*part["x"], *part["y"]})
        zero = models.index(reference) if reference in models else 0
        of = [part.filter((pl.col("x") == name) | (pl.col("y") == name)) for name in models]
        counts = {"n": [rows.height for rows in of], "prompts": [rows["prompt_id"].n_unique() for rows in of]}
        rated = rated_wins(_wins(part, models), models, reference=zero, counts=counts)
        tables.append(rated.select(*(pl.lit(value).alias(name) for name, value in names.items()), pl.all()))
    return pl.concat(tables)


def _wins(part: pl.DataFrame, models: list[str]) -> Floats:
    """Wins of each model over each other in each prompt, a tie half; shape (prompts, k, k)."""
    prompts, place = np.unique(part["prompt_id"].to_numpy(), return_inverse=True)
    number = {name: i for i, name in enumerate(models)}
    x, y = (part[name].replace_strict(number, return_dtype=pl.Int64).to_numpy() for name in ("x", "y"))
    wins, won = np.zeros((len(prompts), len(models), len(models))), part["won"].to_numpy()
    np.add.at(wins, (place, x, y), won)
    np.add.at(wins, (place, y, x), 1 - won)
    return wins


def judge_position_bias(judgements: pl.DataFrame) -> pl.DataFrame:
    """How often a judge prefers the answer that was shown first.

    Parameters
    ----------
    judgements : DataFrame
        From `btviz.read_judgements`, with the order shown.

    Returns
    -------
    DataFrame
        `judge`, `aspect`, `statistic`, `n` (judgements whose order is known), `prompts`, `estimate` (0 .. 1; one half
        where the order does not matter; ties count ½), `low`, `high` (95 %, by prompt), `undefined`. Statistics: "first
        shown wins", of all; and "first shown wins, orders balanced", in which of every two models either is shown first
        with the same weight, so that a better model that was shown first more often makes no bias: the mean over
        judgements of the pairs of models that were judged in both orders.

    Raises
    ------
    UsageError
        If these are no judgements.
    """
    rows = []
    for names, part in _parts(_valid(judgements), "judge", "aspect"):
        ordered = part.drop_nulls("x_first")
        x_first, won = ordered["x_first"].to_numpy().astype(bool), ordered["won"].to_numpy()
        first_won = np.where(x_first, won, 1 - won)
        prompt = ordered["prompt_id"].to_numpy()
        sums = cluster_sums(np.column_stack([np.ones(len(won)), first_won]), clusters=prompt)
        counts = {"n": ordered.height, "prompts": len(sums)}
        nothing = NO_ORDER if not ordered.height else NOT_MET
        whole = share_interval(sums[:, 1:], sums[:, :1])
        rows.append(_rows(whole, nothing=nothing, **names, statistic="first shown wins", **counts))
        pairs = ordered.select(pl.struct("x", "y").rank("dense").cast(pl.Int64) - 1).to_series().to_numpy()
        balanced = _balanced(pairs, x_first, first_won, prompt)
        said = NO_BOTH if ordered.height else NO_ORDER
        rows.append(_rows(balanced, nothing=said, **names, statistic="first shown wins, orders balanced", **counts))
    return pl.DataFrame(rows, schema_overrides=_ENDS)


def _balanced(pairs: Floats, x_first: Floats, first_won: Floats, prompt: Floats, /) -> ClusterInterval:
    """Share won by the first shown, of each pair of models the mean over both orders."""
    k = int(pairs.max(initial=-1)) + 1
    columns = np.zeros((len(pairs), k, 4))
    side = np.where(x_first, 0, 2)
    row = np.arange(len(pairs))
    columns[row, pairs.astype(int), side] = 1.0
    columns[row, pairs.astype(int), side + 1] = first_won
    both = (columns[:, :, 0].sum(axis=0) > 0) & (columns[:, :, 2].sum(axis=0) > 0)
    if not both.any():
        return share_interval(np.zeros((0, 1)), np.zeros((0, 1)))
    columns = columns[:, both]
    counted = columns[:, :, [0, 2]].sum(axis=(1, 2)) > 0
    sums = cluster_sums(columns[counted].reshape(int(counted.sum()), -1), clusters=prompt[counted])

    def mean(totals: Floats) -> Floats:
        cells = totals.reshape(len(totals), -1, 4)
        counts = cells[..., ::2].clip(1)
        shares = (cells[..., 1::2] / counts).sum(axis=-1) / 2
        is_both = (cells[..., ::2] > 0).all(axis=-1)  # without one prompt a rare pair may lack an order
        sizes = np.where(is_both, cells[..., ::2].sum(axis=-1), 0.0)
        return ratio((shares * sizes).sum(axis=1), sizes.sum(axis=1))[:, None]

    return smooth_interval(
        sums, mean, scale="share", informative=sums.reshape(len(sums), -1, 4)[..., ::2].sum(axis=(1, 2))
    )


SWAPPED: dict[str, Callable[[Floats, Floats], np.ndarray]] = {
    "same verdict": lambda a, b: a == b,
    "first shown both times": lambda a, b: (a == 1) & (b == 0),
    "second shown both times": lambda a, b: (a == 0) & (b == 1),
    "a tie in one order alone": lambda a, b: (a == 0.5) != (b == 0.5),
}
"""Ways in which the verdicts of one item in both orders may go together; `a` with the model shown first."""


def swap_consistency(judgements: pl.DataFrame) -> pl.DataFrame:
    """Whether a judge says the same of two answers when their order is swapped.

    Parameters
    ----------
    judgements : DataFrame
        From `btviz.read_judgements`, with the order shown.

    Returns
    -------
    DataFrame
        `judge`, `aspect`, `statistic`, `n` (items that were judged in both orders; of several judgements of an item in
        an order every one meets every one, and the item counts once), `prompts`, `estimate` (share, 0 .. 1), `low`,
        `high` (95 %, by prompt), `undefined`. Statistics: "same verdict" (the same model, or a tie, both times), "first
        shown both times", "second shown both times", "a tie in one order alone"; their shares add up to 1.

    Raises
    ------
    UsageError
        If these are no judgements.
    """
    rows = []
    on = ["item", "prompt_id", "x", "y"]
    for names, part in _parts(_valid(judgements), "judge", "aspect"):
        known = part.drop_nulls("x_first")
        straight, swapped = (known.filter(pl.col("x_first") == way).select(*on, "won") for way in (True, False))
        met = straight.join(swapped, on=on, suffix="_swapped")
        weight = met.select(1 / pl.len().over(on)).to_series().to_numpy()
        a, b = met["won"].to_numpy(), met["won_swapped"].to_numpy()
        hits = np.column_stack([weight, *(weight * says(a, b) for says in SWAPPED.values())])
        sums = cluster_sums(hits, clusters=met["prompt_id"].to_numpy())
        counts = {"n": met.select(on).n_unique(), "prompts": len(sums)}
        nothing = NO_SWAPS if known.height else NO_ORDER
        for number, name in enumerate(SWAPPED, 1):
            found = share_interval(sums[:, number : number + 1], sums[:, :1])
            rows.append(_rows(found, nothing=nothing, **names, statistic=name, **counts))
    return pl.DataFrame(rows, schema_overrides=_ENDS)


def judge_agreement(judgements: pl.DataFrame) -> pl.DataFrame:
    """Agreement of every two judges, and of all together, on the same items.

    A judge's verdict on an item is the mean of its judgements of it: with both orders that differ, a tie.

    Parameters
    ----------
    judgements : DataFrame
        From `btviz.read_judgements`.

    Returns
    -------
    DataFrame
        `aspect`, `first`, `second` (judges; of all together "all judges" and null), `n` (items that both judged, of all
        together with two verdicts or more), `prompts`; `agreement` (share of equal verdicts out of three: either model,
        tie), `agreement_decided` (of items on which both named a model), `n_decided`, `kappa` (Cohen's, over the three
        verdicts seen from the model whose name comes first; of all together Krippendorff's alpha, nominal), each of the
        three measures also with `_low` and `_high` (95 %, by prompt), and `undefined` (why kappa or its ends are null).

    Raises
    ------
    UsageError
        If these are no judgements, or one judge made them all.
    """
    known = _valid(judgements)
    on = ["aspect", "item", "prompt_id", "x", "y"]
    verdicts = known.group_by(*on, "judge").agg(pl.col("won").mean()).with_columns(
        (1 + (pl.col("won") - 0.5).sign()).cast(pl.Int8).alias("verdict")
    )  # fmt: skip
    judges = verdicts["judge"].unique().sort().to_list()
    if len(judges) < 2:
        raise UsageError(f"Agreement needs two judges; these judgements are by {judges[0]!r} alone. Add another's.")
    rows = []
    for names, part in _parts(verdicts, "aspect"):
        for first, second in combinations(judges, 2):
            mine, theirs = (part.filter(judge=judge).select(*on, "verdict") for judge in (first, second))
            met = mine.join(theirs, on=on, suffix="_other")
            rows.append(names | {FIRST: first, SECOND: second} | _agreement(met))
        if len(judges) > 2:
            rows.append(names | {FIRST: ALL_JUDGES, SECOND: None} | _alpha(part, on))
    kinds = dict.fromkeys((f"{name}{end}" for name in _MEASURES for end in ("", "_low", "_high")), pl.Float64())
    return pl.DataFrame(rows, schema_overrides=kinds | {SECOND: pl.String(), "undefined": pl.String()})


_MEASURES = ("agreement", "agreement_decided", "kappa")
_VERDICTS = 3


def _measured(**found: ClusterInterval) -> dict[str, Any]:
    """Measures with their ends, and why the last is not there."""
    row: dict[str, Any] = {}
    for name, interval in found.items():
        columns = interval_columns(interval, nothing=ALIKE if name == "kappa" else NOT_MET)
        row |= {name: columns["estimate"][0], f"{name}_low": columns["low"][0], f"{name}_high": columns["high"][0]}
        row["undefined"] = columns["undefined"][0]
    return row


def _agreement(met: pl.DataFrame) -> dict[str, Any]:
    """Agreement of two judges from the verdicts of both, 0 .. 2, of which 1 is a tie."""
    mine, theirs = met["verdict"].to_numpy(), met["verdict_other"].to_numpy()
    same, decided = mine == theirs, (mine != 1) & (theirs != 1)
    margins = [values == verdict for values in (mine, theirs) for verdict in range(_VERDICTS)]
    columns = np.column_stack([np.ones(len(mine)), same, decided, decided & same, *margins])
    sums = cluster_sums(columns, clusters=met["prompt_id"].to_numpy())
    counts = {"n": met.height, "prompts": len(sums), "n_decided": int(decided.sum())}
    return counts | _measured(
        agreement=share_interval(sums[:, 1:2], sums[:, :1]),
        agreement_decided=share_interval(sums[:, 3:4], sums[:, 2:3]),
        kappa=smooth_interval(sums, _kappa, scale="agreement"),
    )


def _kappa(totals: Floats) -> Floats:
    """Cohen's kappa (1960) of two raters from totals: items, equal verdicts, and the margins of both."""
    n, same, margins = totals[:, 0], totals[:, 1], totals[:, 4:]
    chance = ratio((margins[:, :_VERDICTS] * margins[:, _VERDICTS:]).sum(axis=1), n**2)
    return ratio(ratio(same, n) - chance, 1 - chance)[:, None]


def _alpha(part: pl.DataFrame, on: list[str]) -> dict[str, Any]:
    """Krippendorff's alpha (nominal) of all judges, over items with two verdicts or more."""
    names = [str(verdict) for verdict in range(_VERDICTS)]
    tally = part.group_by(on).agg((pl.col("verdict") == number).sum().alias(name) for number, name in enumerate(names))
    counts = tally.select(names).to_numpy().astype(np.float64)
    several = counts.sum(axis=1) >= 2
    counts, prompt = counts[several], tally["prompt_id"].to_numpy()[several]
    m = counts.sum(axis=1)
    agreeing = (counts * (counts - 1)).sum(axis=1) / 2
    whole = m * (m - 1) / 2
    unequal = ratio(m**2 - (counts**2).sum(axis=1), m - 1)
    naming = counts[:, [0, 2]]  # verdicts that name a model
    decided = naming.sum(axis=1) * (naming.sum(axis=1) - 1) / 2
    alike = (naming * (naming - 1)).sum(axis=1) / 2
    sums = cluster_sums(np.column_stack([whole, agreeing, decided, alike, unequal, counts]), clusters=prompt)
    named = {"n": int(several.sum()), "prompts": len(sums), "n_decided": int((decided > 0).sum())}
    return named | _measured(
        agreement=share_interval(sums[:, 1:2], sums[:, :1]),
        agreement_decided=share_interval(sums[:, 3:4], sums[:, 2:3]),
        kappa=smooth_interval(sums, _alpha_of, scale="agreement"),
    )


def _alpha_of(totals: Floats) -> Floats:
    """One minus the observed disagreement over that of all pairs of ratings (Krippendorff 2011)."""
    unequal, counts = totals[:, 4], totals[:, 5:]
    n = counts.sum(axis=1)
    return (1 - ratio((n - 1) * unequal, n**2 - (counts**2).sum(axis=1)))[:, None]
