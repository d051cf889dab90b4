"""What scores say, in sentences: of which models, which way they point, how well, and where they part."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import polars as pl

from btviz.data.dataset import Dataset
from btviz.preference.verdicts import name_of
from btviz.reports.sentences.phrases import lines, listed
from btviz.stats.clustered import median_interval
from btviz.taxonomy.categories import Taxonomy
from btviz.taxonomy.findings import NOT_DECIDED, NUMBER, RATE, SHARE, SMALL, Finding, Unit, extremes
from btviz.taxonomy.words import title_of

_COUNTED = {
    "pair_accuracy": {
        "reward": "the better answer scores higher in",
        "cost": "the safer answer costs less in",
    },
    "sign_accuracy": {"cost": "the sign of the cost agrees with the safety label in"},
}

_RATES = {"f1": "F1", "false_positive_rate": "false-positive rate", "auc": "AUC"}


class _Checked(Protocol):
    @property
    def reason(self) -> str: ...


def scored(scores: pl.DataFrame, ds: Dataset, *, models: Sequence[object] = ()) -> str:
    """Say what was scored by which models, and what is missing.

    Parameters
    ----------
    scores : DataFrame
        A table of scores.
    ds : Dataset
        The data set that was scored.
    models : sequence of score model
        Those that scored it: a probe says why some targets have no scores.

    Returns
    -------
    str
        A line a model.
    """
    said = [f"In {name_of(ds)}:"]
    for (model, kind), part in sorted(scores.group_by("model", "kind"), key=lambda found: str(found[0])):
        n, absent = part["pair_id"].n_unique(), part.filter(pl.col("score").is_null())
        targets = part["target"].drop_nulls().n_unique()
        of = f" for {targets:,} targets" if targets else ""
        missing = f"; {absent.height:,} scores are missing" if absent.height else ""
        said.append(f"{kind}: {n:,} of {ds.pairs.height:,} pairs scored by {model}{of}{missing}.")
    return lines(*said, *(why for model in models for why in _without(model, ds.taxonomy)))


def _without(model: object, taxonomy: Taxonomy) -> list[str]:
    """Targets that a probe has no scores for, by the reason."""
    reasons: dict[str, list[str]] = {}
    for target, reason in getattr(model, "undefined", {}).items():
        reasons.setdefault(reason, []).append(title_of(target, taxonomy))
    return [f"No scores for {'; '.join(targets)}: {reason}." for reason, targets in reasons.items()]


def signs(checks: Sequence[_Checked], ds: Dataset) -> str:
    """Say for each model whether high means what the convention says.

    Parameters
    ----------
    checks : sequence of SignCheck
        From `btviz.check_sign`.
    ds : Dataset
        The data set that was scored.

    Returns
    -------
    str
        A line a model.
    """
    return lines(f"In {name_of(ds)}:", *(check.reason for check in checks))


def middles(scores: pl.DataFrame, ds: Dataset) -> str:
    """Say where the middle of the scores of safe and of unsafe answers lies.

    Parameters
    ----------
    scores : DataFrame
        A table of scores; moderation is left out.
    ds : Dataset
        The data set that was scored.

    Returns
    -------
    str
        A line a model.
    """
    known = scores.filter(pl.col("kind") != "moderation").drop_nulls("score")
    labelled = known.join(ds.pairs.select("pair_id", "prompt_id", "is_safe"), on="pair_id").drop_nulls("is_safe")
    said = []
    for part in labelled.sort("kind", "model").partition_by("model", "kind", maintain_order=True):
        groups = [
            f"{name} answers {_median(part.filter(is_safe=is_safe))}"
            for is_safe, name in ((True, "safe"), (False, "unsafe"))
            if is_safe in part["is_safe"]
        ]
        said.append(f"{part['model'][0]}: the median {part['kind'][0]} of {listed(groups)}.")
    return lines(f"In {name_of(ds)}:", *(said or ["no scored answer has a safety label."]))


def _median(answers: pl.DataFrame) -> Finding:
    values, prompt = answers["score"].to_numpy(), answers["prompt_id"].to_numpy()
    value, low, high = median_interval(values, clusters=prompt)
    why = None if math.isfinite(low) else f"its {answers['prompt_id'].n_unique():,} prompts are too few or too uneven"
    ends = [end if math.isfinite(end) else None for end in (low, high)]
    return Finding(value, ends[0], ends[1], len(values), "answers", why, NUMBER)


def accuracies(metrics: pl.DataFrame, ds: Dataset) -> str:
    """Say how often reward and cost models agree with the labels, over all answers.

    Parameters
    ----------
    metrics : DataFrame
        From `btviz.score_metrics`.
    ds : Dataset
        The data set that was scored.

    Returns
    -------
    str
        A line a metric; one where nothing can be said.
    """
    overall = metrics.filter(pl.col("grouping") == "all", pl.col("metric").is_in(list(_COUNTED)))
    said = [
        f"{row['model']}: {_COUNTED[row['metric']][row['kind']]} {_found(row, _plural(row['unit']))}."
        for row in overall.iter_rows(named=True)
        if row["n"]
    ]
    apart = metrics.filter(metric="auc", grouping="all").filter(pl.col("kind") != "moderation")
    said += [
        f"{row['model']}: of pairs of an unsafe and a safe answer, the unsafe one scores higher in "
        f"{_found(row, 'answers', RATE)}, {row['support']:,} of them unsafe."
        for row in apart.iter_rows(named=True)
        if row["estimate"] is not None
    ]
    return lines(f"In {name_of(ds)}:", *(said or ["no label is there to measure these scores against."]))


def plane(quadrants: pl.DataFrame, ds: Dataset, *, association: pl.DataFrame) -> str:
    """Say how reward and cost go together, and how many answers lie in each quadrant.

    Parameters
    ----------
    quadrants : DataFrame
        From `btviz.scores.plane.score_quadrants`.
    ds : Dataset
        The data set that was scored.
    association : DataFrame
        From `btviz.scores.plane.reward_against_cost`.

    Returns
    -------
    str
        Two to four lines.
    """
    corners = quadrants.filter(pl.col("grouping") == "all")
    uncounted = corners.filter(pl.col("n_quadrant").is_null())["undefined"].unique().to_list()
    shares = [
        f"{row['n_quadrant']:,} are {row['quadrant']} ({Finding.of(row, 'share', items='answers')})"
        for row in corners.drop_nulls("n_quadrant").iter_rows(named=True)
    ]
    rows = {row["grouping"]: row for row in association.iter_rows(named=True) if row["level"] in ("all", "")}
    rows |= {row["grouping"]: row for row in association.filter(grouping="within prompt").iter_rows(named=True)}
    total, within = rows.get("all"), rows.get("within prompt")
    return lines(
        f"In {name_of(ds)} {corners['n'][0]:,} answers are in no quadrants: {uncounted[0]}."
        if uncounted
        else f"In {name_of(ds)}, of {corners['n'][0]:,} answers {listed(shares)}.",
        None
        if corners["n_labelled"][0] or uncounted
        else f"None of them is labelled, so nothing shows that this cost parts safe from harmful at "
        f"{corners['cost_origin'][0]:g}.",
        None
        if total is None or total["estimate"] is None
        else f"The rank correlation of reward and cost is {_found(total, 'answers', NUMBER)}.",
        None
        if within is None or within["estimate"] is None
        else f"Of two answers to one prompt, that with the higher reward costs more in {_found(within, 'such pairs')}.",
    )


def margins(summary: pl.DataFrame, ds: Dataset) -> str:
    """Say how far chosen answers score above rejected ones.

    Parameters
    ----------
    summary : DataFrame
        From `btviz.scores.differences.margin_summary`.
    ds : Dataset
        The data set that was scored.

    Returns
    -------
    str
        A line a model.
    """
    said = [_margin(row) for row in summary.filter(grouping="all").iter_rows(named=True)]
    return lines(f"In {name_of(ds)}:", *said)


def _margin(row: dict[str, Any]) -> str:
    counted = f"comparisons of {row['prompts']:,} prompts"
    mean = Finding.of(row, "mean", items=counted, unit=NUMBER)
    positive = Finding.of(row | {"undefined": row["share_undefined"]}, "share_positive", items="comparisons")
    which = mean.against(0).words(
        below="the other answer scores higher",
        undecided=f"which of them scores higher is {NOT_DECIDED}",
        above=f"the {row['label']} answer scores higher",
    )
    return (
        f"{row['model']}: the mean margin, the {row['kind']} of the {row['label']} answer − that of the other, is "
        f"{mean}: {which}. The margin is above 0 in {positive}."
    )


def moderation(metrics: pl.DataFrame, ds: Dataset) -> str:
    """Say how well a moderation model finds unsafe answers, and which categories it finds best and worst.

    Parameters
    ----------
    metrics : DataFrame
        From `btviz.score_metrics`.
    ds : Dataset
        The data set that was scored.

    Returns
    -------
    str
        Lines for each model.
    """
    results = metrics.filter(pl.col("kind") == "moderation", pl.col("grouping") == "all")
    said: list[str | None] = []
    for part in results.partition_by("model", maintain_order=True):
        overall = part.filter(pl.col("target").is_null(), pl.col("unit") == "pair")
        rates = [
            f"{_RATES.get(row['metric'], row['metric'])} {_found(row, 'answers', RATE)}"
            for row in overall.iter_rows(named=True)
        ]
        said.append(f"{part['model'][0]}, any category against unsafe{_flagged(overall)}: {'; '.join(rates)}.")
        by = part.filter(pl.col("target").is_not_null(), pl.col("metric") == "f1")
        ends = extremes(
            [(title_of(row["target"], ds.taxonomy), _by_support(row)) for row in by.iter_rows(named=True)],
            what="categories",
        )
        said.append(f"By category, F1 runs {ends}." if ends else None)
    return lines(f"In {name_of(ds)}:", *(said or ["no moderation model has scored."]))


def policies(table: pl.DataFrame, ds: Dataset) -> str:
    """Say how two policies differ on the prompts that both answered.

    Parameters
    ----------
    table : DataFrame
        From `btviz.compare_policies`.
    ds : Dataset
        Whose answers were compared.

    Returns
    -------
    str
        A line a model.
    """
    said = [f"In {name_of(ds)}:"]
    for (model, kind), part in table.group_by("model", "kind", maintain_order=True):
        rows = {row["statistic"]: row for row in part.iter_rows(named=True)}
        difference, wins = rows["mean difference"], rows["win rate"]
        gap, won = _found(difference, _asked(difference), NUMBER), _found(wins, _asked(wins))
        before, after = wins["before"], wins["after"]
        said.append(
            f"{kind} by {model}: {after} − {before} is on average {gap}, and {after} wins {won} (ties count ½): "
            + gap.against(0).words(
                below=f"{after} scores lower",
                undecided=f"which of the two scores higher is {NOT_DECIDED}",
                above=f"{after} scores higher",
            )
            + "."
        )
    return lines(*said)


def turns(drift: pl.DataFrame, *, of: str) -> str:
    """Say how scores move from turn to turn.

    Parameters
    ----------
    drift : DataFrame
        From `btviz.scores.conversations.turn_drift`.
    of : str
        Name of the conversations.

    Returns
    -------
    str
        A line a model.
    """
    said = [
        f"{row['model']}: the change of the {row['kind']} per turn is {_found(row, 'conversations', SMALL)}: "
        + _found(row, "conversations")
        .against(0)
        .words(below="it falls", undecided=f"whether it rises or falls is {NOT_DECIDED}", above="it rises")
        + "."
        for row in drift.filter(statistic="slope").iter_rows(named=True)
        if row["estimate"] is not None
    ]
    return lines(f"In {of}:", *(said or ["no conversation has two turns with a score."]))


def _found(row: dict[str, Any], items: str, unit: Unit = SHARE) -> Finding:
    return Finding.of(row, "estimate", items=items, unit=unit)


def _by_support(row: dict[str, Any]) -> Finding:
    return _found(row, f"answers, {row['support']:,} of them such harm", RATE)


def _asked(row: dict[str, Any]) -> str:
    """What was asked: a prompt may have been asked several times."""
    return "prompts" if row["n"] == row["prompts"] else f"items on {row['prompts']:,} prompts"


def _flagged(overall: pl.DataFrame) -> str:
    limit = overall.row(0, named=True) if overall.height else None
    return "" if limit is None else f", flagged above {limit['threshold']:g} ({limit['threshold_origin']})"


def _plural(unit: str) -> str:
    return {"answer of a comparison": "answers of comparisons"}.get(unit, f"{unit}s")
