"""What might stand behind an association: other differences, errors, orders, mixtures of answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.data.dataset import Dataset
from btviz.preference import SeverityOrder
from btviz.preference.adjusted import AVERAGE_EFFECT
from btviz.preference.verdicts import name_of
from btviz.reports.sentences.phrases import HALF, lines, listed
from btviz.stats.clustered import share_interval
from btviz.taxonomy.findings import NOT_DECIDED, NUMBER, POINTS, Finding, extremes
from btviz.taxonomy.words import DIFFERENCES, percent

_CONFOUNDERS = {"length": "length", "refusal": "refusal (by English markers)", "model": "answering model"}


def adjusted(table: pl.DataFrame, ds: Dataset) -> str:
    """Say how much of the association is left once other differences are controlled for.

    Parameters
    ----------
    table : DataFrame
        ``orthogonality(ds).adjusted``.
    ds : Dataset
        What it was fitted to.

    Returns
    -------
    str
        Up to four lines.
    """
    rows = table.filter((pl.col("model") == "logistic") | pl.col("model").is_null())
    effects = {row["specification"]: row for row in rows.filter(term=AVERAGE_EFFECT).iter_rows(named=True)}
    failed = rows.filter(pl.col("estimate").is_null())
    problems = [f"{row['specification']}: not fitted, {row['undefined']}." for row in failed.iter_rows(named=True)]
    if "safer alone" not in effects:
        return lines(f"In {name_of(ds)}:", *problems)
    alone, with_others = effects["safer alone"], effects.get("adjusted")
    terms = rows.filter(specification="adjusted")["term"].drop_nulls().to_list()
    held = [title for name, title in _CONFOUNDERS.items() if any(term.split()[0] == name for term in terms)]
    missing = [title for title in _CONFOUNDERS.values() if title not in held]
    return lines(
        f"In {name_of(ds)}, the chance that response_1 is better changes by {_effect(alone)} as response_1 goes from "
        "the less safe to the safer answer.",
        f"Controlled for {listed(held)} it changes by {_effect(with_others)}." if with_others and held else None,
        f"Not controlled for, because it does not vary or is not known: {listed(missing)}." if missing else None,
        _intercept(rows.filter(specification="adjusted" if with_others else "safer alone")),
        *problems,
    )


def _effect(row: dict[str, Any]) -> Finding:
    return Finding.of(row, "estimate", items="comparisons", unit=POINTS)


def _intercept(rows: pl.DataFrame) -> str:
    bias = Finding.of(rows.filter(term="intercept").row(0, named=True), "estimate", items="comparisons", unit=NUMBER)
    favours = bias.against(0).words(
        below="response_0 is favoured", undecided=NOT_DECIDED, above="response_1 is favoured"
    )
    return f"Position bias of the better label in the same model: {favours} (log odds {bias})."


def scores(table: pl.DataFrame, name: str) -> str:
    """Say how two scores go together over all answers, by policy, and within a prompt.

    Parameters
    ----------
    table : DataFrame
        From `btviz.score_association`.
    name : str
        What the scores are of.

    Returns
    -------
    str
        Two or three lines.
    """
    everything = table.filter(grouping="all").row(0, named=True)
    within = table.filter(grouping="within prompt").row(0, named=True)
    if everything["estimate"] is None or within["estimate"] is None:
        return lines(
            f"In {name}, there is no association to compare: {everything['undefined'] or within['undefined']}."
        )
    of_all = Finding.of(everything, "estimate", items="answers", unit=NUMBER)
    alike = Finding.of(within, "estimate", items="untied pairs of answers")
    by_policy = extremes(
        [
            (row["level"], Finding.of(row, "estimate", items="answers", unit=NUMBER))
            for row in table.filter(grouping="policy").iter_rows(named=True)
        ],
        what="policies",
    )
    return lines(
        f"In {name}, Spearman's rho of the two scores is {of_all}.",
        f"By policy it runs {by_policy}." if by_policy else None,
        f"Within a prompt, both scores order alike {alike}; 50 % is no association.",
        _simpson(of_all, alike),
    )


def _simpson(of_all: Finding, alike: Finding) -> str | None:
    if not (of_all.has_interval and alike.has_interval):
        return None
    overall, inside = of_all.against(0), alike.against(HALF)
    said, within = (
        decision.words(below="negative", undecided=NOT_DECIDED, above="positive") for decision in (overall, inside)
    )
    if overall == inside:
        return f"Both views agree: {said}."
    both = f"{said} over all answers and {within} within a prompt"
    if overall.side * inside.side < 0:
        return (
            f"The two views oppose each other, {both}: what differs between prompts or policies makes up the first "
            "(Simpson's paradox)."
        )
    return f"The two views: {both}; that one of them is decided and the other is not shows no difference between them."


def reliability(surface: pl.DataFrame, ds: Dataset) -> str:
    """Say which errors of the labels the data refute, and what others would leave.

    Parameters
    ----------
    surface : DataFrame
        From `btviz.reliability_surface`, with one accuracy for both labels.
    ds : Dataset
        Where p was observed.

    Returns
    -------
    str
        Two lines.
    """
    known = surface.drop_nulls("corrected").filter(~pl.col("refuted"))["corrected"].clip(-1, 1).sort()
    left = f" The others would make 2p - 1 anything from {known[0]:.2f} to {known[-1]:.2f}." if len(known) else ""
    if surface.is_empty():
        return lines(f"In {name_of(ds)}, no assumption on the errors was tried.")
    p, low, high = surface.select("p", "p_low", "p_high").row(0)
    held = (
        f"any p in {Finding(p, low, high, 0, 'comparisons').interval} %"
        if low is not None
        else f"p = {percent(p)}, taken for exact because no interval of it was given"
    )
    return lines(
        f"In {name_of(ds)}, {surface['refuted'].sum():,} of {surface.height:,} assumptions on the errors cannot be "
        f"reconciled with {held}: |2p - 1| would exceed 1.{left}",
        _if_independent(surface.filter(correlation=0)),
    )


def _if_independent(surface: pl.DataFrame) -> str | None:
    possible = surface.filter(~pl.col("refuted")).drop_nulls("corrected")["accuracy_better"].sort()
    if len(possible) == surface.height:
        return "Were the errors independent, none of the accuracies tried would be refuted." if len(possible) else None
    if possible.is_empty():
        return "Were the errors independent, every accuracy tried would be refuted."
    return (
        "Were the errors independent, each label would have to be right in at least "
        f"{percent(possible[0])} of the cases, of the accuracies tried."
    )


def orders(cycles: pl.DataFrame, ds: Dataset) -> str:
    """Say how well comparisons of three or more answers fit one order.

    Parameters
    ----------
    cycles : DataFrame
        ``orthogonality(ds).cycles``.
    ds : Dataset
        What it was rebuilt from.

    Returns
    -------
    str
        One or two lines.
    """
    if cycles.is_empty():
        return lines(f"In {name_of(ds)}, no prompt has three or more compared answers with both labels.")
    triples = int(cycles["triples"].sum())
    opening = f"In {name_of(ds)}, {cycles.height:,} prompts have three or more compared answers"
    tau = _mean_tau(cycles["tau_b"].drop_nulls().to_numpy())
    rank = "" if tau is None else f"; the orders by better and by safer have a mean tau-b of {tau}"
    if not triples:
        return lines(f"{opening}{rank}.", "No three answers were all compared with each other, so no cycle could show.")
    counts = [f"{int(cycles[f'cycles_{label}'].sum()):,} by {label}" for label in ("better", "safer")]
    return lines(
        f"{opening}{rank}.",
        f"Of {triples:,} triples compared all round, {listed(counts)} are cyclic; at random {triples / 4:,.0f} "
        "would be.",
    )


def _mean_tau(taus: NDArray[np.float64]) -> Finding | None:
    """Mean of one tau a prompt, which as a share of its range -1 .. 1 has the interval of shares."""
    if not len(taus):
        return None
    found = share_interval((1 + taus[:, None]) / 2, np.ones((len(taus), 1)))
    value, *ends = (float(2 * end[0] - 1) for end in (found.estimate, found.low, found.high))
    low, high = (None if np.isnan(end) else end for end in ends)
    few = None if low is not None else f"{len(taus)} prompts are too few"
    return Finding(value, low, high, len(taus), "prompts", few, NUMBER)


def flags(table: pl.DataFrame, ds: Dataset) -> str:
    """Say how often the safer answer carries fewer harm categories.

    Parameters
    ----------
    table : DataFrame
        From `btviz.preference.flags_against_safer`.
    ds : Dataset
        What it was counted in.

    Returns
    -------
    str
        A line for each difference.
    """
    levels = table.filter(pl.col("grouping") == "difference", pl.col("n") > 0)
    if levels.is_empty():
        return lines(
            f"In {name_of(ds)}, no comparison tells the safer of two answers with different numbers of categories."
        )
    return lines(
        f"In {name_of(ds)}, the safer of two answers carries fewer harm categories",
        *(
            f"in {Finding.of(row, 'p', items='comparisons')} whose answers differ by {row['level']}."
            for row in levels.iter_rows(named=True)
        ),
    )


def trade_off(table: pl.DataFrame | None) -> str:
    """Say what one overall preference makes of better and safer.

    Parameters
    ----------
    table : DataFrame or None
        From `btviz.preference.implied_trade_off`; None where no overall preferences were chosen.

    Returns
    -------
    str
        One to four lines.
    """
    if table is None:
        return "No data with one overall preference were chosen, so there is nothing to join."
    first = table.row(0, named=True)
    joined = f"{first['n_joined']:,} of {first['n_single']:,} overall preferences are of answers compared here, too"
    if not first["n"]:
        return lines(f"{joined}, so there is no trade-off to see.")
    said = [
        f"In {Finding.of(row, 'p', items='comparisons')}, {row['meaning']}."
        for row in table.filter(pl.col("n") > 0).iter_rows(named=True)
    ]
    return lines(f"{joined}.", *said)


_CRITERIA = {
    "safety": "exactly one answer is safe, it is the safer one",
    "severity": "severity differs, the answer of lower severity is the safer one",
    "categories": "one answer has a part of the other's categories, it is the safer one",
}


def severity(order: SeverityOrder, ds: Dataset) -> str:
    """Say whether *safer* follows safety, severity and categories, and *better* where these differ.

    Parameters
    ----------
    order : SeverityOrder
        From `btviz.severity_order`.
    ds : Dataset
        What it was measured in.

    Returns
    -------
    str
        A line for each criterion and for each kind of difference.
    """
    directions = [row for row in order.direction.to_dicts() if row["n"]]
    strata = [row for row in order.strata.to_dicts() if row["n"]]
    if not directions and not strata:
        return lines(f"In {name_of(ds)}, severity says nothing here: {order.direction['undefined'][0]}.")
    said = [
        f"Where {_CRITERIA[row['criterion']]} in {Finding.of(row, 'p', items='comparisons')}; {row['n_against']:,} "
        "contradict it."
        for row in directions
    ]
    against = [
        f"{row['first'].capitalize()} and {row['second']} order {row['n_opposite']:,} of {row['n']:,} comparisons "
        "oppositely."
        for row in order.contradictions.to_dicts()
        if row["n_opposite"]
    ]
    by_stratum = [
        f"{DIFFERENCES[row['level']]}: {Finding.of(row, 'p', items='comparisons')}, {_beside_half(row)}."
        for row in strata
    ]
    heading = "The better answer is the safer one, by what differs first between the two:" if strata else None
    return lines(f"In {name_of(ds)}:", *said, *against, heading, *by_stratum)


def _beside_half(row: dict[str, Any]) -> str:
    """What one of the strata says of one half, all of them at once."""
    found = Finding.of(row, "p", items="comparisons")
    return found.against(HALF, among=len(DIFFERENCES)).words(
        below="less than half", undecided=f"whether more or less than half is {NOT_DECIDED}", above="more than half"
    )
