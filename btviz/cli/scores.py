"""`btviz stats scores`: what the kept scores of a data set say, in sections, of which each says what it cannot tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import combinations, product
from typing import TYPE_CHECKING, Any

import click

from btviz.cli.report import json_option, plain, print_json, print_reasons, print_table, table_rows, tell
from btviz.errors import BtvizError, NotFoundError, UsageError, choice

if TYPE_CHECKING:
    import polars as pl

    from btviz.data import Dataset


_METRICS = ("model", "target", "metric", "threshold", "unit", "n", "support", "prompts", "estimate", "low", "high")
_CEILINGS = ("metric", "label", "n", "n_distinct", "n_contradictory", "ceiling")
_RECORDS = (
    "model",
    "kind",
    "target",
    "zero",
    "scale",
    "threshold",
    "turned",
    "direction_source",
    "revision",
    "max_tokens",
    "maker",
)
_RANGE = ("model", "kind", "target", "n", "mean", "sd", "min", "q50", "max", "share_at_max")
_COMPARED = ("model", "before", "after", "statistic", "n", "prompts", "estimate", "low", "high")
_RATINGS = ("model", "kind", "policy", "n", "win_rate", "elo", "low", "high")


@click.command("scores")
@click.argument("name")
@click.option("--threshold", type=float, help="probability above which moderators flag; by default as each records")
@click.option(
    "--before",
    metavar="POLICY",
    help="policy that others are compared with; by default the first of the files given, or by name",
)
@click.option(
    "--n-boot",
    default=1000,
    show_default=True,
    help="replicates for Kolmogorov-Smirnov distances; no other interval draws any",
)
@click.option("--seed", default=0, show_default=True, help="seed of replicates and permutations")
@json_option
def stats_scores(
    name: str, *, threshold: float | None, before: str | None, n_boot: int, seed: int, as_json: bool
) -> None:
    """Measure the scores of NAME against its labels, and policies against each other; --json has all."""
    from btviz import load
    from btviz.scores import kept_answers, kept_scores, policy_scores, threshold_of

    ds = load(name)
    scores = kept_scores(ds)
    if scores.is_empty():
        raise NotFoundError(
            f"Statistics of the scores of {name!r} were asked for; it has none. "
            f"Make some: btviz score {name} --model M, or btviz score {name} --from FILE."
        )
    threshold_of(None, asked=threshold)  # refused even where no moderator is kept
    answers = kept_answers(ds)
    request = Request(ds, scores, answers, threshold, n_boot, seed)
    order = ds.facts.get("policies", [])
    of_policies = compared(policy_scores(answers, scores), order=order, before=before, n_boot=n_boot, seed=seed)
    tables = _tables(request) | of_policies
    sections, absent = made_sections(request)
    if as_json:
        about = {"name": ds.name, "population": ds.population, "is_synthetic": ds.is_synthetic}
        documents = {key: table.to_dicts() for key, table in (tables | sections).items()}
        counted = {key: SECTIONS[key].counted for key in sections}
        print_json(about | documents | {"counted": counted, "does_not_apply": absent})
        return
    _print(ds, tables)
    print_sections(sections, absent, ds=ds)


def _tables(request: Request) -> dict[str, pl.DataFrame]:
    from btviz.scores import score_ceilings, score_metrics, score_range, score_records

    metrics = score_metrics(
        request.scores, request.ds, threshold=request.threshold, n_boot=request.n_boot, random_state=request.seed
    )
    known = {"records": score_records(request.scores), "range": score_range(request.scores)}
    return known | {"metrics": metrics, "ceilings": score_ceilings(request.ds)}


def _print(ds: Dataset, tables: dict[str, Any]) -> None:
    import polars as pl

    records = tables["records"]
    print_table(table_rows(records, _RECORDS), _RECORDS, title="What is known of the scores; --json has all")
    tell("")
    title = f"Range of the scores; n: answers with a score, of {ds.population}"
    print_table(tables["range"].select(_RANGE).rows(), _RANGE, title=title)
    print_reasons(tables["range"])
    metrics = tables["metrics"].filter(pl.col("n") > 0, grouping="all")
    tell("")
    if metrics.height:
        title = (
            f"Against the labels, with 95 % intervals by prompt; n: units with a label and a score, of {ds.population}"
        )
        print_table(metrics.select(_METRICS).rows(), _METRICS, title=title)
        print_reasons(metrics)
    else:
        tell("No label of these answers is known, so no score can be measured against one.")
    ceilings = tables["ceilings"].filter(pl.col("n_contradictory") > 0)
    if ceilings.height:
        tell("")
        title = "Left out above: labels that contradict each other; with them no score can agree more; n: labels"
        title = f"{title} of {ds.population}"
        print_table(ceilings.select(_CEILINGS).rows(), _CEILINGS, title=title)
    if "ratings" in tables:
        tell("")
        title = f"Policies, by Elo; n: items on which one met another, of {ds.population}"
        print_table(tables["ratings"].select(_RATINGS).rows(), _RATINGS, title=title)
        print_reasons(tables["ratings"])
    if "policies" in tables:
        tell("")
        _print_policies(tables["policies"], ds)


def _print_policies(policies: pl.DataFrame, ds: Dataset) -> None:
    """Two policies: every statistic; more of them: win rates of each against each, and differences from the first."""
    import polars as pl

    first = policies["before"][0]
    title = f"Policies on the same prompts; n: items that both answered, of {ds.population}"
    if policies.select(pl.concat_list("before", "after").explode().n_unique()).item() > _FEW_POLICIES:
        _print_win_rates(policies)
        policies = policies.filter(before=first, statistic="mean difference")
        title = f"Differences from {first}, the reference, on the same prompts, of {ds.population}; --json has all"
    print_table(policies.select(_COMPARED).rows(), _COMPARED, title=title)
    print_reasons(policies)


_FEW_POLICIES = 2


def _print_win_rates(policies: pl.DataFrame) -> None:
    """A matrix for each model: how often the policy of the row scores above that of the column; ties count ½."""
    for (model,), part in policies.filter(statistic="win rate").group_by("model", maintain_order=True):
        rates = {(row["after"], row["before"]): row for row in part.iter_rows(named=True)}
        names = list(dict.fromkeys([*part["before"], *part["after"]]))
        rows = [[name, *(_rate(rates, name, other) for other in names)] for name in names]
        print_table(
            rows, ["wins of", *names], title=f"Win rates by {model} on the same prompts, 95 % by prompt; ties count ½"
        )
        tell("")


def _rate(rates: Mapping[tuple[str, str], dict[str, Any]], name: str, other: str) -> str | None:
    """The rate of a row against a column, turned round where it was computed the other way."""
    row, turned = rates.get((name, other)), rates.get((other, name))
    if row is None and turned is not None and turned["estimate"] is not None:
        ends = (None, None) if turned["low"] is None else (1 - turned["high"], 1 - turned["low"])
        row = {"estimate": 1 - turned["estimate"], "low": ends[0], "high": ends[1]}
    if row is None or row["estimate"] is None:
        return None
    interval = "" if row["low"] is None else f" [{row['low']:.2f}, {row['high']:.2f}]"
    return f"{row['estimate']:.2f}{interval}"


def compared(
    policies: pl.DataFrame, *, order: Sequence[str], before: str | None, n_boot: int, seed: int
) -> dict[str, pl.DataFrame]:
    """Ratings of policies in their order, or by name, and differences of those that answered the same prompts."""
    import polars as pl

    from btviz.scores import compare_policies, policy_ratings

    names = policies["policy"].unique().sort().to_list()
    names.sort(key=lambda name: (order.index(name) if name in order else len(order), name))
    if before is not None:
        names.insert(0, names.pop(names.index(choice(before, names, what="policy"))))
    if not policies.select((pl.col("policy").n_unique().over("model", "kind") > 1).any()).item():
        return {}
    tables = {"ratings": policy_ratings(policies, reference=names[0], n_boot=n_boot, random_state=seed)}
    paired = [
        compare_policies(part, before=first, after=second, n_boot=n_boot, random_state=seed)
        for first, second in combinations(names, 2)
        for part in _meeting(policies, first, second)
    ]
    return tables | ({"policies": pl.concat(paired)} if paired else {})


def _meeting(policies: pl.DataFrame, first: str, second: str) -> list[pl.DataFrame]:
    """Scores of two policies by each model that scored answers of both to the same prompts."""
    import polars as pl

    rows = policies.filter(pl.col("policy").is_in([first, second]))
    same = pl.col("policy").n_unique().over("model", "kind", "item", "prompt_id") == 2
    return rows.filter(same).partition_by("model", "kind", maintain_order=True)


_ARTEFACTS = ("outcome", "unit", "baseline", "n", "support", "prompts", "base_rate", "auc", "low", "high", "gain")


EVALUATION = "beavertails-evaluation"


@dataclass(frozen=True)
class Request:
    """Scores to report, and how."""

    ds: Dataset
    scores: pl.DataFrame
    answers: pl.DataFrame
    threshold: float | None
    n_boot: int
    seed: int

    @cached_property
    def verdicts(self) -> pl.DataFrame:
        """Of moderation and cost models, and of people."""
        from btviz.scores import safety_verdicts

        return safety_verdicts(self.scores, self.ds, threshold=self.threshold)


@dataclass(frozen=True)
class Section:
    """One table, and in `more` titles and columns of others that are beside it: what a terminal is too narrow for."""

    title: str
    counted: str
    columns: tuple[str, ...]
    make: Callable[[Request], pl.DataFrame]
    more: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def made_sections(request: Request) -> tuple[dict[str, pl.DataFrame], dict[str, str]]:
    """Make every section that these scores have something for; of the others, why they have not."""
    tables: dict[str, pl.DataFrame] = {}
    absent: dict[str, str] = {}
    for name, section in SECTIONS.items():
        try:
            tables[name] = section.make(request)
        except BtvizError as error:  # one section that fails must not lose the others
            absent[name] = str(error)
    return tables, absent


def print_sections(tables: Mapping[str, pl.DataFrame], absent: Mapping[str, str], *, ds: Dataset) -> None:
    """Print the sections, over all answers where they have groups, then a line for each that is missing."""
    import polars as pl

    for name, table in tables.items():
        section = SECTIONS[name]
        shown = table.filter(pl.col("group").is_null()) if "group" in table.columns else table
        if "grouping" in table.columns and "grouping" not in section.columns:
            shown = shown.filter(pl.col("grouping") == "all")
        for title, columns in {section.title: section.columns, **section.more}.items():
            tell("")
            counted = f"{title}; n: {section.counted} of {ds.population}"
            print_table(table_rows(shown, columns), columns, title=counted)
        print_reasons(shown)
    if absent:
        tell("")
    for name, reason in absent.items():
        tell(plain(f"Does not apply ({SECTIONS[name].title}): {reason}"))


def _margins(request: Request) -> pl.DataFrame:
    from btviz.scores import margin_summary, score_margins

    margins = score_margins(request.scores, request.ds)
    return margin_summary(margins, n_boot=request.n_boot, random_state=request.seed)


def _planes(request: Request) -> Iterator[tuple[pl.DataFrame, dict[str, str]]]:
    """Reward and cost of the same answers, by each reward model with each cost model."""
    from btviz.scores import reward_and_cost

    kinds = request.scores.select("model", "kind").unique().sort("model")
    names = {kind: kinds.filter(kind=kind)["model"].to_list() for kind in ("reward", "cost")}
    if not all(names.values()):
        missing = " and no ".join(kind for kind, models in names.items() if not models)
        raise UsageError(
            f"Reward against cost needs a model of each; there is no {missing} model here. Score with one."
        )
    for reward, cost in product(*names.values()):
        plane = reward_and_cost(request.scores, request.ds, reward=reward, cost=cost)
        if plane.height:
            yield plane, {"reward": reward, "cost": cost}


def _reward_against_cost(request: Request) -> pl.DataFrame:
    from btviz.scores import reward_against_cost, stamped

    return _together(
        stamped(reward_against_cost(plane, n_boot=request.n_boot, random_state=request.seed), names)
        for plane, names in _planes(request)
    )


def _quadrants(request: Request) -> pl.DataFrame:
    from btviz.scores import score_quadrants, stamped

    return _together(
        stamped(score_quadrants(plane, request.ds, n_boot=request.n_boot, random_state=request.seed), names)
        for plane, names in _planes(request)
    )


def _together(tables: Iterable[pl.DataFrame]) -> pl.DataFrame:
    import polars as pl

    planes = list(tables)
    if not planes:
        raise UsageError("Reward against cost needs answers with both; no answer here has. Score the same answers.")
    return pl.concat(planes)


def _verdicts(request: Request) -> tuple[pl.DataFrame, list[str]]:
    """Verdicts of models, and of people where there are any."""
    from btviz.scores import HUMAN, no_verdicts

    verdicts = request.verdicts
    raters = [name for name, dtype in verdicts.schema.items() if str(dtype) == "Boolean"]
    judging = [name for name in raters if verdicts[name].count()]
    if len(judging) < 2:
        doubts = "".join(f" Without verdicts: {reason}." for reason in no_verdicts(request.scores))
        raise UsageError(
            f"Agreement on safety needs two raters; these scores and labels have {judging or 'none'}.{doubts} Score "
            "with a moderation or cost model, on data with safety labels or together with another one."
        )
    return verdicts, [name for name in raters if name != HUMAN or name in judging]


def _agreement(request: Request, *, jointly: bool) -> pl.DataFrame:
    from btviz.scores import joint_agreement, moderator_agreement

    verdicts, raters = _verdicts(request)
    measure = joint_agreement if jointly else moderator_agreement
    return measure(verdicts, raters=raters, n_boot=request.n_boot, random_state=request.seed)


def _drift(request: Request) -> pl.DataFrame:
    import polars as pl

    from btviz.scores import score_drift

    make = partial(score_drift, request.scores, request.ds, n_boot=request.n_boot, random_state=request.seed)
    return pl.concat([make(matched=matched) for matched in (False, True)], how="diagonal_relaxed")


def _safe_rates(request: Request) -> pl.DataFrame:
    from btviz import load
    from btviz.data import adopted
    from btviz.scores import safe_rates

    evaluation = request.ds
    if evaluation.prompts.is_empty():
        if EVALUATION not in adopted():
            raise UsageError(
                f"Safe rates by category need prompts released with a category; {request.ds.name} has none, and "
                f"{EVALUATION} is not here. Get it: btviz data fetch {EVALUATION}."
            )
        evaluation = load(EVALUATION)
    return safe_rates(
        request.scores,
        request.ds,
        answers=request.answers,
        evaluation=evaluation,
        threshold=request.threshold,
        n_boot=request.n_boot,
        random_state=request.seed,
    )


def _artefacts(request: Request) -> pl.DataFrame:
    """Of safety and order alone: `btviz stats artefacts` has the categories."""
    from btviz import artefact_baselines
    from btviz.scores import OUTCOMES

    return artefact_baselines(request.ds, outcomes=tuple(OUTCOMES), random_state=request.seed)


_PAIRED = (
    *("first", "second", "n", "prompts", "agreement", "low", "high", "kappa", "kappa_low", "kappa_high"),
    *("ac1", "ac1_low", "ac1_high"),
)
_CALLED_SAFE = (
    *("first", "second", "threshold_first", "threshold_second", "n", "safe_first", "safe_second"),
    *("p_value", "p_holm", "mcnemar_p", "chi_squared_p"),
)
_RATES = (
    *("rater", "threshold", "policy", "grouping", "level"),
    *("n", "prompts", "n_prompts_asked", "share_safe", "low", "high"),
)
SECTIONS: Mapping[str, Section] = {
    "artefacts": Section(
        "What a score has to beat: area under the ROC curve of labels told from parts of pairs, held out by prompt",
        "pairs or comparisons with the label",
        _ARTEFACTS,
        _artefacts,
    ),
    "reward_against_cost": Section(
        "Reward against cost",
        "answers with both scores",
        ("reward", "cost", "grouping", "level", "statistic", "n", "prompts", "estimate", "low", "high"),
        _reward_against_cost,
    ),
    "quadrants": Section(
        "Quadrants of reward and cost",
        "answers with both scores",
        ("reward", "cost", "quadrant", "n_quadrant", "n", "prompts", "share", "low", "high"),
        _quadrants,
    ),
    "margins": Section(
        "Margins, chosen less rejected",
        "comparisons with a label and two scores",
        ("model", "kind", "label", "level", "n", "prompts", "mean", "low", "high", "q50", "share_positive"),
        _margins,
    ),
    "agreement": Section(
        "Agreement on safety of moderators with each other and with the labels",
        "answers that both judged",
        _PAIRED,
        partial(_agreement, jointly=False),
        more={"Shares of answers that these moderators call safe, and tests of the two verdicts": _CALLED_SAFE},
    ),
    "joint_agreement": Section(
        "Agreement on safety of all of them together (Krippendorff's alpha, Fleiss' kappa)",
        "answers with two verdicts or more",
        ("raters", "n", "prompts", "share_safe", "agreement", "alpha", "alpha_low", "alpha_high", "fleiss_kappa"),
        partial(_agreement, jointly=True),
    ),
    "drift": Section(
        "Drift between models of a kind, as they are and quantile-matched",
        "answers that both scored",
        ("kind", "target", "first", "second", "matched", "n", "prompts", "mean_difference", "low", "high", "spearman"),
        _drift,
    ),
    "safe_rates": Section(
        "Safe rate by category of the prompt",
        "answers to prompts with a category",
        _RATES,
        _safe_rates,
    ),
}
"""Sections by their name in the JSON document."""
