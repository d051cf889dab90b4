"""`btviz stats agreement`: how far the annotators of a pair agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from btviz.cli.report import json_option, print_json, print_table

if TYPE_CHECKING:
    import polars as pl

    from btviz.dataset import Dataset

_SHOWN = {
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
    """Measure how far the annotators of NAME agree; --json has intervals and counts."""
    from btviz import load
    from btviz.agreement import annotator_agreement, safe_share_by_rule

    ds = load(name)
    table, rules = annotator_agreement(ds), safe_share_by_rule(ds)
    if as_json:
        print_json({"agreement": table.to_dicts(), "safe_share_by_rule": rules.to_dicts()})
        return
    safety = table.row(-1, named=True)
    if safety["agreement"] is None:
        click.echo(f"Agreement of annotators in {ds.population} is not measured. {safety['undefined'].capitalize()}.")
        return
    _print(ds, table, rules)


def _print(ds: Dataset, table: pl.DataFrame, rules: pl.DataFrame) -> None:
    rows = [[_short(ds, row["category"]), *(row[name] for name in _SHOWN.values())] for row in table.to_dicts()]
    print_table(rows, ["category", *_SHOWN], title=f"Agreement of annotators in {ds.population}")
    safety = table.row(-1, named=True)
    click.echo(
        f"\n{safety['n_pairs']:,} pairs annotated twice or more, {safety['n_prompts']:,} prompts. Agreement: share of "
        "pairs of annotators.\nKappa is that of Fleiss over the "
        f"{safety['n_pairs_mode']:,} pairs with {safety['n_ratings_mode']} annotations; alpha that of "
        "Krippendorff; AC1 that of Gwet.\n"
    )
    shares = [[row["share_safe"], row["meaning"]] for row in rules.to_dicts()]
    print_table(shares, ["safe", "rule"])


def _short(ds: Dataset, target: str) -> str:
    return ds.taxonomy[target].slug if target in ds.taxonomy.keys else target  # not a mapping
