"""`btviz stats scores`: what the kept scores of a data set say.

Policies in `btviz stats scores`: ratings of all, and each against each.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import click

from btviz.cli.report import json_option, print_json, print_reasons, print_table
from btviz.cli.scoresections import SECTIONS, Asked, made_sections, print_sections
from btviz.errors import NotFoundError, choice

if TYPE_CHECKING:
    import polars as pl

    from btviz.data import Dataset


_METRICS = ("model", "target", "metric", "threshold", "unit", "n", "support", "prompts", "estimate", "low", "high")


_CEILINGS = ("metric", "label", "n", "n_distinct", "n_contradictory", "ceiling")


_RANGE = ("model", "kind", "target", "n", "mean", "sd", "min", "q50", "max", "share_at_max")


_PAIRED = ("model", "before", "after", "statistic", "n", "prompts", "estimate", "low", "high")


_RATINGS = ("model", "kind", "policy", "n", "win_rate", "elo", "low", "high")


@click.command("scores")
@click.argument("name")
@click.option("--threshold", type=float, help="probability above which moderators flag; by default as each records")
@click.option("--before", metavar="POLICY", help="policy that others are compared with; by default the first by name")
@click.option("--n-boot", default=1000, show_default=True, help="bootstrap replicates, drawn over prompts")
@click.option("--seed", default=0, show_default=True, help="seed of the bootstrap")
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
    asked = Asked(ds, scores, answers, threshold, n_boot, seed)
    found = _tables(asked) | compared(policy_scores(answers, scores), before=before, n_boot=n_boot, seed=seed)
    sections, absent = made_sections(asked)
    if as_json:
        about = {"name": ds.name, "population": ds.population, "is_synthetic": ds.is_synthetic}
        documents = {key: table.to_dicts() for key, table in (found | sections).items()}
        counted = {key: SECTIONS[key].counted for key in sections}
        print_json(about | documents | {"counted": counted, "does_not_apply": absent})
        return
    _print(ds, found)
    print_sections(sections, absent, ds=ds)


def _tables(asked: Asked) -> dict[str, pl.DataFrame]:
    from btviz.scores import score_ceilings, score_metrics, score_range

    metrics = score_metrics(
        asked.scores, asked.ds, threshold=asked.threshold, n_boot=asked.n_boot, random_state=asked.seed
    )
    return {"range": score_range(asked.scores), "metrics": metrics, "ceilings": score_ceilings(asked.ds)}


def _print(ds: Dataset, found: dict[str, Any]) -> None:
    import polars as pl

    title = f"Range of the scores; n: answers with a score, of {ds.population}"
    print_table(found["range"].select(_RANGE).rows(), _RANGE, title=title)
    print_reasons(found["range"])
    metrics = found["metrics"].filter(pl.col("n") > 0, grouping="all")
    click.echo("")
    if metrics.height:
        title = (
            f"Against the labels, with 95 % intervals by prompt; n: units with a label and a score, of {ds.population}"
        )
        print_table(metrics.select(_METRICS).rows(), _METRICS, title=title)
        print_reasons(metrics)
    else:
        click.echo("No label of these answers is known, so no score can be measured against one.")
    ceilings = found["ceilings"].filter(pl.col("n_contradictory") > 0)
    if ceilings.height:
        click.echo("")
        title = "No score can agree more often than this, since labels contradict each other; n: labels"
        title = f"{title} of {ds.population}"
        print_table(ceilings.select(_CEILINGS).rows(), _CEILINGS, title=title)
    if "ratings" in found:
        click.echo("")
        title = f"Policies, by Elo; n: items on which one met another, of {ds.population}"
        print_table(found["ratings"].select(_RATINGS).rows(), _RATINGS, title=title)
        print_reasons(found["ratings"])
    if "policies" in found:
        click.echo("")
        title = f"Policies on the same prompts; n: items that both answered, of {ds.population}"
        print_table(found["policies"].select(_PAIRED).rows(), _PAIRED, title=title)
        print_reasons(found["policies"])


def compared(policies: pl.DataFrame, *, before: str | None, n_boot: int, seed: int) -> dict[str, pl.DataFrame]:
    """Ratings of policies, and paired differences of those that answered the same prompts."""
    import polars as pl

    from btviz.scores import compare_policies, policy_ratings

    names = policies["policy"].unique().sort().to_list()
    if before is not None:
        names.insert(0, names.pop(names.index(choice(before, names, what="policy"))))
    if not policies.select((pl.col("policy").n_unique().over("model", "kind") > 1).any()).item():
        return {}
    found = {"ratings": policy_ratings(policies, reference=before, n_boot=n_boot, random_state=seed)}
    paired = [
        compare_policies(part, before=one, after=two, n_boot=n_boot, random_state=seed)
        for one, two in combinations(names, 2)
        for part in _meeting(policies, one, two)
    ]
    return found | ({"policies": pl.concat(paired)} if paired else {})


def _meeting(policies: pl.DataFrame, one: str, two: str) -> list[pl.DataFrame]:
    """Scores of two policies by each model that scored answers of both to the same prompts."""
    import polars as pl

    own = policies.filter(pl.col("policy").is_in([one, two]))
    same = pl.col("policy").n_unique().over("model", "kind", "item", "prompt_id") == 2
    return own.filter(same).partition_by("model", "kind", maintain_order=True)
