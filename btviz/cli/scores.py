"""`btviz stats scores`: what the kept scores of a data set say."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import click

from btviz.cli.report import json_option, print_json, print_table
from btviz.cli.scoresections import SECTIONS, Asked, made_sections, print_sections
from btviz.errors import NotFoundError

if TYPE_CHECKING:
    import polars as pl

    from btviz.dataset import Dataset

_METRICS = ("model", "target", "metric", "threshold", "unit", "n", "support", "prompts", "estimate", "low", "high")
_CEILINGS = ("metric", "label", "n", "n_distinct", "n_contradictory", "ceiling")
_RANGE = ("model", "kind", "target", "n", "mean", "sd", "min", "q50", "max", "share_at_max")
_PAIRED = ("model", "before", "after", "statistic", "n", "prompts", "estimate", "low", "high")
_RATINGS = ("model", "kind", "policy", "n", "win_rate", "elo", "low", "high")


@click.command("scores")
@click.argument("name")
@click.option("--threshold", type=float, help="probability above which moderators flag; by default as each records")
@click.option("--n-boot", default=1000, show_default=True, help="bootstrap replicates, drawn over prompts")
@click.option("--seed", default=0, show_default=True, help="seed of the bootstrap")
@json_option
def stats_scores(name: str, *, threshold: float | None, n_boot: int, seed: int, as_json: bool) -> None:
    """Measure the scores of NAME against its labels, and policies against each other; --json has all."""
    from btviz import load
    from btviz.scoring.kept import kept_answers, kept_scores
    from btviz.scoring.policies import policy_scores

    ds = load(name)
    scores = kept_scores(ds)
    if scores.is_empty():
        raise NotFoundError(
            f"Statistics of the scores of {name!r} were asked for; it has none. "
            f"Make some: btviz score {name} --model M, or btviz score {name} --from FILE."
        )
    answers = kept_answers(ds)
    found = _tables(ds, scores, policy_scores(answers, scores), threshold=threshold, n_boot=n_boot, seed=seed)
    sections, absent = made_sections(Asked(ds, scores, answers, threshold, n_boot, seed))
    if as_json:
        about = {"name": ds.name, "population": ds.population, "is_synthetic": ds.is_synthetic}
        documents = {key: table.to_dicts() for key, table in (found | sections).items()}
        counted = {key: SECTIONS[key].counted for key in sections}
        print_json(about | documents | {"counted": counted, "does_not_apply": absent})
        return
    _print(ds, found)
    print_sections(sections, absent, ds=ds)


def _tables(
    ds: Dataset, scores: pl.DataFrame, policies: pl.DataFrame, *, threshold: float | None, n_boot: int, seed: int
) -> dict[str, pl.DataFrame]:
    import polars as pl

    from btviz.scoring.ceilings import score_ceilings
    from btviz.scoring.metrics import score_metrics
    from btviz.scoring.plane import reward_against_cost, reward_and_cost, score_quadrants
    from btviz.scoring.policies import compare_policies, policy_ratings
    from btviz.scoring.scale import score_range

    metrics = score_metrics(scores, ds, threshold=threshold, n_boot=n_boot, random_state=seed)
    found = {"range": score_range(scores), "metrics": metrics, "ceilings": score_ceilings(ds)}
    kinds = scores.select("model", "kind").unique()["kind"].to_list()
    if kinds.count("reward") == 1 and kinds.count("cost") == 1:
        plane = reward_and_cost(scores, ds)
        found["reward_against_cost"] = reward_against_cost(plane, n_boot=n_boot, random_state=seed)
        found["quadrants"] = score_quadrants(plane, ds, n_boot=n_boot, random_state=seed)
    names = policies["policy"].unique().sort().to_list()
    if len(names) > 1:
        found["ratings"] = policy_ratings(policies, n_boot=n_boot, random_state=seed)
        compared = [
            compare_policies(part, before=one, after=two, n_boot=n_boot, random_state=seed)
            for one, two in combinations(names, 2)
            for part in _meeting(policies, one, two)
        ]
        if compared:
            found["policies"] = pl.concat(compared)
    return found


def _meeting(policies: pl.DataFrame, one: str, two: str) -> list[pl.DataFrame]:
    """Scores of two policies by each model that scored answers of both to the same prompts."""
    import polars as pl

    own = policies.filter(pl.col("policy").is_in([one, two]))
    same = pl.col("policy").n_unique().over("model", "kind", "item", "prompt_id") == 2
    return own.filter(same).partition_by("model", "kind", maintain_order=True)


def _print(ds: Dataset, found: dict[str, Any]) -> None:
    import polars as pl

    print_table(found["range"].select(_RANGE).rows(), _RANGE, title=f"Range of the scores of {ds.population}")
    metrics = found["metrics"].filter(grouping="all").drop_nulls("estimate")
    click.echo("")
    if metrics.height:
        print_table(
            metrics.select(_METRICS).rows(), _METRICS, title="Against the labels, with 95 % intervals by prompt"
        )
    else:
        click.echo("No label of these answers is known, so no score can be measured against one.")
    ceilings = found["ceilings"].filter(pl.col("n_contradictory") > 0)
    if ceilings.height:
        click.echo("")
        title = "No score can agree more often than this, since labels contradict each other"
        print_table(ceilings.select(_CEILINGS).rows(), _CEILINGS, title=title)
    if "reward_against_cost" in found:
        columns = ("grouping", "level", "statistic", "n", "prompts", "estimate", "low", "high")
        click.echo("")
        rows = found["reward_against_cost"].select(columns).rows()
        print_table(rows, columns, title="Reward against cost")
    if "ratings" in found:
        click.echo("")
        print_table(found["ratings"].select(_RATINGS).rows(), _RATINGS, title="Policies, by Elo")
    if "policies" in found:
        click.echo("")
        print_table(found["policies"].select(_PAIRED).rows(), _PAIRED, title="Policies on the same prompts")
