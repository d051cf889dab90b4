"""`btviz stats agreement` and `annotators`: how far they agree, what they miss and what they flag by mistake."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from btviz.cli.report import json_option, print_json, print_reasons, print_table, tell
from btviz.taxonomy import folded

if TYPE_CHECKING:
    import polars as pl

    from btviz.data import Dataset
    from btviz.labels import AnnotatorNoise

_AGREEMENT_COLUMNS = {
    "prevalence": "prevalence",
    "agreement": "agreement",
    "kappa": "fleiss_kappa_mode",
    "alpha": "krippendorff_alpha",
    "AC1": "gwet_ac1",
    "published": "published_agreement",
}


@click.command("agreement")
@click.argument("name")
@json_option
def stats_agreement(name: str, *, as_json: bool) -> None:
    """Measure how far the annotators of NAME agree, with intervals by prompt; --json has counts, too."""
    from btviz import load
    from btviz.labels import annotator_agreement, expect_labelled, safe_share_by_rule

    ds = load(name)
    expect_labelled(ds, what="Agreements of annotators")
    table, rules = annotator_agreement(ds), safe_share_by_rule(ds)
    if as_json:
        print_json({"agreement": table.to_dicts(), "safe_share_by_rule": rules.to_dicts()})
        return
    safety = table.row(-1, named=True)
    if safety["agreement"] is None:
        said = f"Agreement of annotators in {ds.population} is not measured. {safety['undefined'].capitalize()}."
        tell(folded(said))
        return
    _print_agreement(ds, table, rules)


def _print_agreement(ds: Dataset, table: pl.DataFrame, rules: pl.DataFrame) -> None:
    rows = [
        [_target_name(ds, row["category"]), *(_with_interval(row, name) for name in _AGREEMENT_COLUMNS.values())]
        for row in table.to_dicts()
    ]
    safety = table.row(-1, named=True)
    title = f"Agreement of annotators in {ds.population}"
    doubt = f"\nDoubtful: {safety['doubt']}." if safety["doubt"] else ""
    print_table(rows, ["category", *_AGREEMENT_COLUMNS], title=title + doubt)
    tell(
        f"\n{safety['n_pairs']:,} pairs annotated twice or more, {safety['n_prompts']:,} prompts. Agreement: share of "
        "pairs of annotators.\nKappa is that of Fleiss over the "
        f"{safety['n_pairs_mode']:,} pairs with {safety['n_ratings_mode']} annotations; alpha that of "
        "Krippendorff; AC1 that of Gwet.\n"
    )
    shares = [[row["share_safe"], row["meaning"]] for row in rules.to_dicts()]
    print_table(shares, ["safe", "rule"])


def _with_interval(row: Mapping[str, Any], name: str) -> Any:
    """A coefficient with its interval, as text; as it is where it has none, like what was published."""
    value, low, high = (row.get(column) for column in (name, f"{name}_low", f"{name}_high"))
    return value if value is None or low is None else f"{value:.3f} [{low:.3f}, {high:.3f}]"


def _target_name(ds: Dataset, target: str) -> str:
    return ds.taxonomy[target].slug if target in ds.taxonomy.keys else target  # not a mapping


_NOISE_COLUMNS = {
    "by majority": "prevalence_majority",
    "latent": "prevalence",
    "low": "prevalence_low",
    "high": "prevalence_high",
    "sensitivity": "sensitivity",
    "false alarms": "false_positive_rate",
    "from": "prevalence_lowest",
    "to": "prevalence_highest",
    "changed": "n_relabelled",
}


@click.command("annotators")
@click.argument("name")
@click.option("--n-boot", default=1000, show_default=True, help="bootstrap replicates, drawn over prompts")
@click.option("--seed", default=0, show_default=True, help="seed of the bootstrap")
@json_option
def stats_annotators(name: str, *, n_boot: int, seed: int, as_json: bool) -> None:
    """Estimate what annotators of NAME miss and flag by mistake; needs three votes a pair."""
    from btviz import load
    from btviz.labels import annotator_noise, expect_labelled

    ds = load(name)
    expect_labelled(ds, what="Errors of annotators")
    noise = annotator_noise(ds, n_boot=n_boot, random_state=seed)
    if as_json:
        tables = ("table", "across_votes", "posterior")
        print_json({"name": ds.name, **{part: getattr(noise, part).to_dicts() for part in tables}})
        return
    if not noise.table["n_pairs"].sum():
        reason = noise.table["undefined"][0]
        said = f"Errors of annotators in {ds.population} are not estimated. {reason[0].upper()}{reason[1:]}."
        tell(folded(said))
        return
    _print_noise(ds, noise)


def _print_noise(ds: Dataset, noise: AnnotatorNoise) -> None:
    rows = [
        [_target_name(ds, row["category"]), *(row[of] for of in _NOISE_COLUMNS.values())]
        for row in noise.table.to_dicts()
    ]
    n_pairs = max(noise.table["n_pairs"])
    title = f"Errors of annotators in {ds.population}: two latent classes of {n_pairs:,} pairs"
    print_table(rows, ["category", *_NOISE_COLUMNS], title=title)
    tell(
        "\n"
        + folded(
            "By majority, latent: share of pairs that have the category by most votes, and by the model. Low and high: "
            "95 % interval by prompt of the latent share. Sensitivity and false alarms: share of votes that see the "
            "category where it is, and where it is not. From and to: shares compatible with the votes if every pair "
            "has error rates of its own, and more than half of all possible annotators would be right on it. Changed: "
            "pairs whose more probable class is not what the majority says."
        )
        + "\n"
    )
    print_reasons(noise.table)
    _print_doubts(ds, noise)
    across = noise.across_votes.drop_nulls("difference")
    columns = ["category", "n_votes", "n_pairs", "disputed", "disputed_predicted", "difference_low", "difference_high"]
    if across.height:
        cells = [[_target_name(ds, row[0]), *row[1:]] for row in across.select(columns).rows()]
        print_table(cells, columns, title="\nDisputed pairs with other numbers of votes, predicted by those with three")


def _print_doubts(ds: Dataset, noise: AnnotatorNoise) -> None:
    """Each doubt once, with the categories that it is about."""
    known = noise.table.filter(noise.table["prevalence"].is_not_null())
    doubts = known.select("category", known["doubt"].str.split("; ").alias("doubt")).explode("doubt").drop_nulls()
    for doubt in doubts["doubt"].unique(maintain_order=True).to_list():
        where = doubts.filter(doubts["doubt"] == doubt)["category"].to_list()
        names = "all" if len(where) == known.height else ", ".join(_target_name(ds, key) for key in where)
        tell(folded(f"Doubtful ({names}): {doubt}."))
