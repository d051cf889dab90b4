"""What comparisons say of better and safer, and what a simulation of them shows."""

from __future__ import annotations

from typing import Any

import polars as pl

from btviz.data.dataset import Dataset
from btviz.preference import Orthogonality
from btviz.preference.questions import Answer
from btviz.preference.simulated import SimulatedPreferences
from btviz.preference.verdicts import name_of
from btviz.reports.sentences.phrases import HALF, lines, listed, p_value
from btviz.stats.association import wilson
from btviz.stats.clustered import FEWEST_EFFECTIVE
from btviz.stats.measures import MEASURES
from btviz.taxonomy.categories import Taxonomy
from btviz.taxonomy.findings import NOT_DECIDED, NUMBER, POINTS, Decision, Finding, extremes
from btviz.taxonomy.words import GROUPINGS, LEVELS, level_name, percent, title_of

_PHRASES = {
    grouping: title[0].lower() + title[1:]
    for grouping, title in GROUPINGS.items()
    if grouping not in {"all", "stratum"}
} | {"severity": "the higher severity of the two"}
"""Groupings within a sentence."""

_POSITIONS = {
    "better": "response_1 is called better in",
    "safer": "response_1 is called safer in",
    "is_safe": "where exactly one answer is safe, it is response_1 in",
}


def data(ds: Dataset) -> str:
    """Say what the data are, and whether they hold what the question needs.

    Parameters
    ----------
    ds : Dataset
        Any data set.

    Returns
    -------
    str
        Two or three lines.
    """
    kind = (
        "synthetic; its texts were made by a generator and are harmless, and nothing below is about a release"
        if ds.is_synthetic
        else "data as released, not synthetic. Many of its texts are harmful; each stays hidden until you ask for it"
    )
    rows = ds.preferences
    if rows.is_empty():
        return lines(f"{ds.name}: {kind}.", "It holds no comparison of two answers, so there is nothing to measure.")
    known = {label: rows[label].count() for label in ("better", "safer")}
    both = rows.drop_nulls([*known]).height
    counts = ", ".join(f"{label} in {n:,}" for label, n in known.items())
    nothing = "So nothing can be said of the association; what can be counted is below." if not both else None
    return lines(
        f"{ds.name}: {kind}.",
        f"It holds {rows.height:,} comparisons of two answers to {rows['prompt_id'].n_unique():,} prompts; "
        f"{both:,} of them tell both which answer is better and which is safer ({counts}).",
        nothing,
    )


def quadrants(table: pl.DataFrame, ds: Dataset) -> str:
    """Say how often better and worse answers are safe.

    Parameters
    ----------
    table : DataFrame
        From `btviz.preference.quadrants`.
    ds : Dataset
        What it was counted in.

    Returns
    -------
    str
        Two lines, or one where there is nothing to count.
    """
    if not table["n"][0]:
        return lines(f"In {name_of(ds)}, no comparison tells the better answer and whether both are safe.")
    rows = {row["rank"]: row for row in table.filter(safe=True).iter_rows(named=True)}
    better, worse = (Finding.of(rows[rank], "share", items="comparisons") for rank in ("better", "worse"))
    gap = Finding.of(rows["better"], "difference", items="comparisons", unit=POINTS)
    verdict = gap.against(0).words(
        below="better answers are safe less often",
        undecided=f"whether better answers are safe more or less often is {NOT_DECIDED}",
        above="better answers are safe more often",
    )
    return lines(
        f"In {name_of(ds)}, the better answer is safe in {better}, and the worse one in {worse}.",
        f"The difference is {gap}: {verdict}.",
    )


def position_bias(table: pl.DataFrame, ds: Dataset) -> str:
    """Say whether the labels favour one of the two positions.

    Parameters
    ----------
    table : DataFrame
        ``orthogonality(ds).bias``.
    ds : Dataset
        What it was measured in.

    Returns
    -------
    str
        One line a label.
    """
    said = [
        f"{_POSITIONS[row['label']]} {_favoured(Finding.of(row, 'p', items='comparisons'))}."
        if row["n"]
        else f"{_POSITIONS[row['label']]} no comparison: {row['undefined']}."
        for row in table.iter_rows(named=True)
    ]
    return lines(f"In {name_of(ds)}:", *said)


def _favoured(share: Finding) -> str:
    """A share of response_1, and which answer it favours."""
    return share.against(HALF).words(
        below=f"{share}, less than half: response_0 is favoured",
        undecided=f"{share}; whether either position is favoured is {NOT_DECIDED}",
        above=f"{share}, more than half: response_1 is favoured",
    )


def strata(found: Orthogonality, ds: Dataset) -> str:
    """Say how often the better answer is the safer one, over all and by the safety of the two.

    Parameters
    ----------
    found : Orthogonality
        From `btviz.orthogonality`.
    ds : Dataset
        What it was measured in.

    Returns
    -------
    str
        Two lines over all comparisons, one a stratum, and one on their differences.
    """
    total = found.table.filter(grouping="all").row(0, named=True)
    if not total["n"]:
        return lines(f"In {name_of(ds)}, {total['undefined']}.")
    levels = [_stratum(row) for row in found.table.filter(grouping="stratum").iter_rows(named=True)]
    share = Finding.of(total, "p", items=f"comparisons of {total['prompts']:,} prompts")
    return lines(
        f"In {name_of(ds)}, the better answer is the safer one in {share}.{_widths(total)}",
        f"Were every prompt to count alike, it would be {percent(total['p_prompt_weighted'])}.",
        *levels,
        *_pooled(found.pooled),
    )


def _widths(total: dict[str, float | None]) -> str:
    low, high, naive_low, naive_high = (total[name] for name in ("p_low", "p_high", "naive_low", "naive_high"))
    if low is None or high is None or naive_low is None or naive_high is None:
        return ""
    times = (high - low) / (naive_high - naive_low)
    return f" The interval by prompt is {times:.2f} times as wide as that of independent comparisons."


def _stratum(row: dict[str, Any]) -> str:
    mixed = row["level"] == "mixed"
    rule = (
        f" The safety labels force the safer one here; comparisons that break that rule: {row['rule_broken']:,}."
        if mixed
        else ""
    )
    return f"{LEVELS[row['level']]}: {Finding.of(row, 'p', items='comparisons')}.{rule}"


def _pooled(pooled: pl.DataFrame) -> list[str]:
    rows = {row["measure"]: row for row in pooled.iter_rows(named=True)}
    same, odds = rows["homogeneity"], rows["odds_ratio_mh"]
    said = []
    if same["p_value"] is not None:
        differs = Decision.of_p(same["p_value"]).words(
            below="", undecided=f"whether the strata differ is {NOT_DECIDED}", above="the strata differ"
        )
        said.append(f"Is p the same in every stratum? {p_value(same['p_value'])}: {differs}.")
    if odds["estimate"] is not None:
        held = Finding.of(odds, "estimate", items="comparisons", unit=NUMBER)
        said.append(f"Controlled for the strata, the odds ratio (Mantel-Haenszel) is {held}; 1 is no association.")
    return said


def by_group(found: Orthogonality, ds: Dataset) -> str:
    """Say between which ends the share lies, by category, severity, model and source of the prompt.

    Parameters
    ----------
    found : Orthogonality
        From `btviz.orthogonality`.
    ds : Dataset
        What it was measured in.

    Returns
    -------
    str
        One line a grouping; those that the data do not know are named at the end.
    """
    said, absent = [], []
    for grouping, title in _PHRASES.items():
        rows = found.table.filter(grouping=grouping)
        shares = [
            (title_of(row["level"], ds.taxonomy), Finding.of(row, "p", items="comparisons"))
            for row in rows.iter_rows(named=True)
        ]
        ends = extremes(shares, what="groups")
        if ends is None:
            absent.append(title)
            continue
        said.append(f"By {title}: {ends}.")
    few = "fewer than two of them have an interval that rests on enough prompts"
    missing = f"Not by {listed(absent)}: {few}." if absent else None
    return lines(f"In {name_of(ds)}:", *said, missing)


def chance(found: Orthogonality, ds: Dataset) -> str:
    """Say what the share would be by chance alone, and what it is.

    Parameters
    ----------
    found : Orthogonality
        From `btviz.orthogonality`.
    ds : Dataset
        What it was measured in.

    Returns
    -------
    str
        One line.
    """
    turns = found.null.filter(grouping="all")
    if turns.is_empty():
        return lines(
            f"In {name_of(ds)}, there is nothing to turn around: no comparison has both labels, or all prompts balance."
        )
    low, high = (turns["p"].quantile(level, "linear") or 0.0 for level in (0.025, 0.975))
    total = found.table.filter(grouping="all").row(0, named=True)
    return lines(
        f"In {name_of(ds)}, were harmlessness turned around in random prompts, the share would lie from {percent(low)} "
        f"to {percent(high)} in 95 % of {turns.height:,} turns.",
        f"Observed was {Finding.of(total, 'p', items='comparisons')} ({p_value(total['p_value'])}).",
    )


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
    few = planted.prompts < FEWEST_EFFECTIVE
    why = f"fewer than {FEWEST_EFFECTIVE} prompts" if few else None
    by_prompt, naive_one = (
        Finding(first["estimate"], first[f"{of}low"], first[f"{of}high"], planted.n, "comparisons", why)
        for of in ("", "naive_")
    )
    held, naive, missed = (
        _held(coverage, found.samples.height)
        for coverage in (found.coverage, found.naive_coverage, found.coverage_of_p)
    )
    also = f", and the true p lies in {missed} of those by prompt" if planted.noise else ""
    return lines(
        f"True value: p = {percent(planted.p)}; {moved}.",
        f"One sample of {planted.prompts:,} prompts, by prompt: {by_prompt}; as if comparisons were independent: "
        f"{naive_one}.",
        f"{truth} lies in the naive interval in {naive}."
        if few
        else f"{truth} lies in the interval by prompt in {held}, and in the naive one in {naive}{also}.",
        f"{planted.n:,} comparisons: effective sample size {planted.n / planted.design_effect:,.0f}.",
        f"Fewer than {FEWEST_EFFECTIVE} prompts: no interval by prompt is given." if few else None,
    )


def _held(coverage: float, samples: int) -> Finding:
    """How often intervals hold a value, with the error of so many samples."""
    low, high = wilson([coverage * samples], n=[samples])
    return Finding(coverage, float(low[0]), float(high[0]), samples, "samples")


def findings(ds: Dataset, answer: Answer, *, grouping: str, level: tuple[str, str] | None) -> str:
    """Say what a question found overall and in the chosen level, and what to mind."""
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
            f"Note: of {broken['n'].item():,} comparisons with one safe answer, {broken['rule_broken'].item():,} call "
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
    chosen = preferences["overall"].count()
    only = f" {chosen:,} tell only which answer was chosen, not whether as better or as safer." if chosen else ""
    return (
        f"Of {preferences.height:,} comparisons {better:,} do not tell the better answer and {safer:,} do not tell the "
        f"safer one.{only} Choose another release or stratum, or read the comparisons."
    )


def _order(preferences: pl.DataFrame) -> str:
    shares = (preferences[label].cast(pl.Float64).mean() for label in ("better", "safer"))
    better, safer = (percent(share) if isinstance(share, float) else "an unknown share" for share in shares)
    return (
        "Note: this statistic depends on the order of the two answers, which carries no meaning; response 1 is called "
        f"better in {better} and safer in {safer} of the comparisons. P(better = safer) does not."
    )


def plan(table: pl.DataFrame) -> str:
    """Say how many prompts each effect needs, and which are within reach of the data.

    Parameters
    ----------
    table : DataFrame
        From `btviz.power_plan`.

    Returns
    -------
    str
        One line an effect, and one on what was assumed.
    """
    first = table.row(0, named=True)
    aims = {
        "different": "To tell |2p − 1| = {} from 0",
        "orthogonal": "To show that |2p − 1| is below {}, if it is 0,",
    }
    said = [
        f"{aims[row['claim']].format(format(row['effect'], 'g'))} takes {row['prompts']:,} prompts with {row['n']:,} "
        f"comparisons{_here(row)}."
        for row in table.iter_rows(named=True)
    ]
    return lines(
        *said,
        f"Power {percent(first['power'])} at a level of {percent(first['level'])}, two-sided; "
        f"{first['per_prompt']:.3g} comparisons a prompt, of which {first['design_effect']:.3g} do as much as one "
        "independent one.",
    )


def _here(row: dict[str, Any]) -> str:
    if row["prompts_here"] is None:
        return ""
    return f"; here are {row['prompts_here']:,}, which is {'enough' if row['enough'] else 'too few'}"
