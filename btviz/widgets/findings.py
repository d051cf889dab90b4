"""What the orthogonality lab says in words above its pictures, made from the numbers shown."""

from __future__ import annotations

import polars as pl

from btviz.dataset import Dataset
from btviz.plots.forest import GROUPINGS, level_name
from btviz.preference.answers import Answer
from btviz.preference.measures import MEASURES
from btviz.taxonomy import Taxonomy


def findings(ds: Dataset, answer: Answer, *, grouping: str, level: tuple[str, str] | None) -> str:
    """Say what was found overall and in the chosen level, and what to mind.

    Parameters
    ----------
    ds : Dataset
        What was measured.
    answer : Answer
        What was found.
    grouping : str
        Grouping on view.
    level : tuple of str or None
        Grouping and level that is chosen.

    Returns
    -------
    str
        One line a finding; no text of the data.
    """
    table = answer.table
    lines = [_verdict(answer, table.filter(grouping="all"), taxonomy=ds.taxonomy)]
    if level is not None and level[0] != "all":
        lines.append(_verdict(answer, table.filter(grouping=level[0], level=level[1]), taxonomy=ds.taxonomy))
    if not table["n"].max():
        return "\n".join([*lines, _missing(ds.preferences)])
    if table.filter(grouping=grouping).is_empty():
        lines.append(f"No comparison tells its group here: {GROUPINGS[grouping]}. Group by something else.")
    if MEASURES[answer.question.measure].is_ordered:
        lines.append(_order(ds.preferences))
    broken = table.filter(grouping="stratum", level="mixed")
    if grouping == "stratum" and broken.height and broken["rule_broken"].item():
        lines.append(
            f"Mind: of {broken['n'].item():,} comparisons with one safe answer, {broken['rule_broken'].item():,} call "
            "the unsafe answer safer; in the others the safety labels force it."
        )
    return "\n".join(line for line in lines if line)


def _verdict(answer: Answer, row: pl.DataFrame, *, taxonomy: Taxonomy) -> str:
    if row.is_empty():
        return ""
    name = level_name(row["grouping"].item(), level=row["level"].item(), taxonomy=taxonomy)
    counted = ", each prompt counted once" if answer.question.weighting == "prompts" else ""
    return f"{name}{counted} – {row['verdict'].item()}."


def _missing(preferences: pl.DataFrame) -> str:
    """Why there is nothing to draw."""
    if preferences.is_empty():
        return "This data set holds no comparisons."
    better, safer = (preferences[name].null_count() for name in ("better", "safer"))
    return (
        f"Of {preferences.height:,} comparisons {better:,} do not tell the better answer and {safer:,} do not tell the "
        "safer one. Choose another release or stratum, or read the comparisons."
    )


def _order(preferences: pl.DataFrame) -> str:
    better, safer = (preferences[name].cast(pl.Float64).mean() for name in ("better", "safer"))
    return (
        "Mind: this statistic depends on the order of the two answers, which carries no meaning; response 1 is called "
        f"better in {_percent(better)} and safer in {_percent(safer)} of the comparisons. P(better = safer) does not."
    )


def _percent(share: object) -> str:
    return f"{100 * share:.1f} %" if isinstance(share, float) else "an unknown share"
