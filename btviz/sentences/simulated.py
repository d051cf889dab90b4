"""What a simulation shows."""

from __future__ import annotations

from btviz.preference.shares import FEWEST_PROMPTS
from btviz.preference.simulated import SimulatedPreferences
from btviz.sentences.phrases import interval, lines, percent


def simulation(found: SimulatedPreferences) -> str:
    """Say what was planted, what one sample shows of it, and how often intervals hold the truth.

    Parameters
    ----------
    found : SimulatedPreferences
        From `btviz.preference.simulate_preferences`.

    Returns
    -------
    str
        Three or four lines.
    """
    planted, first = found.planted, found.samples.row(0, named=True)
    truth = percent(planted.observable_p)
    moved = (
        f"labels wrong in {percent(planted.noise)} of the cases tend to {truth}"
        if planted.noise
        else "labels without errors tend to it"
    )
    few = planted.prompts < FEWEST_PROMPTS
    missed = f", and {percent(found.coverage_of_p)} of those by prompt hold the planted p" if planted.noise else ""
    return lines(
        f"Planted: p = {percent(planted.p)}; {moved}.",
        f"One sample, {planted.n:,} comparisons of {planted.prompts:,} prompts: {percent(first['estimate'])}"
        f"{interval(first['low'], first['high'])} by prompt;"
        f"{interval(first['naive_low'], first['naive_high'])} as if comparisons were independent.",
        f"Of {found.samples.height:,} such samples, {percent(found.coverage)} of the intervals by prompt hold {truth} "
        f"and {percent(found.naive_coverage)} of the naive ones{missed}.",
        f"{planted.n:,} comparisons are worth {planted.n / planted.design_effect:,.0f} independent ones.",
        f"Fewer than {FEWEST_PROMPTS} prompts: for real data no interval is given here." if few else None,
    )
