"""`btviz stats noise`: labels that are likely to be wrong, counted, and how well such a ranking finds errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from btviz.cli.report import json_option, print_json, print_reasons, print_table, say, tell
from btviz.taxonomy import folded

if TYPE_CHECKING:
    import polars as pl

    from btviz.data import Dataset

_QUALITY = ("precision", "precision_low", "precision_high", "chance", "recall", "recall_low", "recall_high")


@click.command("noise")
@click.argument("name")
@click.option("--text", default="qa", show_default=True, help="response, or qa: prompt and response together.")
@click.option("--encoder", default="minilm", show_default=True, help="As for btviz map.")
@click.option("--min-probability", default=0.1, show_default=True, help="Least probability of being wrong.")
@click.option("--min-contradiction", default=0.0, show_default=True, help="Least share of neighbours that contradict.")
@click.option("--seed", default=0, show_default=True, help="Seed of the labels that are flipped on purpose.")
@json_option
def stats_noise(
    name: str, *, text: str, encoder: str, min_probability: float, min_contradiction: float, seed: int, as_json: bool
) -> None:
    """Count labels of NAME that similar texts, a probe and split votes speak against: candidates for a second look.

    Texts are embedded once and kept. Beside the counts stands how well the ranking finds labels flipped on purpose.
    """
    from btviz import load
    from btviz.labels import expect_labelled
    from btviz.models import noisy_labels, planted_flips
    from btviz.texts import embed

    ds = load(name)
    expect_labelled(ds, what="Doubtful labels")
    say(f"Embedding texts of {ds.population}")
    emb = embed(ds, text=text, encoder=encoder)
    say("Holding labels against similar texts and a probe")
    found = noisy_labels(
        ds, emb, min_probability=min_probability, min_contradiction=min_contradiction, random_state=seed
    )
    flips = planted_flips(
        ds, emb, at=(), min_probability=min_probability, min_contradiction=min_contradiction, random_state=seed
    )
    if as_json:
        print_json({"name": ds.name, "candidates": found.to_dicts(), "planted": flips.to_dicts()})
        return
    _print_noise(ds, found, flips)


def _print_noise(ds: Dataset, found: pl.DataFrame, flips: pl.DataFrame) -> None:
    counts = {(target, way): n for target, way, n in found.group_by("target", "direction").len().rows()}
    named = flips.filter(flips["k"].is_null())
    rows = [
        [_name(ds, r), r["direction"], counts.get((r["target"], r["direction"]), 0), *_quality(r)]
        for r in named.to_dicts()
    ]
    columns = ["label", "if wrong", "named", "of flips: precision", "low", "high", "chance", "recall", "low", "high"]
    print_table(rows, columns, title=f"Labels that are likely to be wrong, in {ds.population}")
    tell(
        "\n"
        + folded(
            f"{found.height:,} labels of {found['pair_id'].n_unique():,} pairs are named: similar texts, a probe and "
            "split votes speak against them. Precision, chance and recall are of other labels, flipped on purpose (2 % "
            "of the harms of each label hidden, as many made up): the share of flips among what is named then, what "
            "labels in random order give, and the share of flips that are named; 95 % intervals are of "
            "further flips in these data, not of other data. They say how the ranking finds random flips, not how many "
            "candidates are wrong. A short list of missed harms is no sign that few were missed."
        )
        + "\n"
    )
    print_reasons(named)


def _name(ds: Dataset, row: dict[str, Any]) -> str:
    return ds.taxonomy[row["target"]].slug if row["target"] in ds.taxonomy.keys else str(row["target"])  # not a mapping


def _quality(row: dict[str, Any]) -> list[Any]:
    return [row[name] for name in _QUALITY]
