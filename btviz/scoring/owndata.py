"""A data set made of the prompts and answers that a score file brings along."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from btviz.assembly import fingerprint_of
from btviz.dataset import Dataset
from btviz.errors import UsageError
from btviz.rows import PROBLEMS
from btviz.tables import ANNOTATIONS, PAIRS, PREFERENCES, PROMPTS, VOTES, WORD, conform
from btviz.taxonomy import BEAVERTAILS, Taxonomy


def own_dataset(answers: Sequence[pl.DataFrame], paths: Sequence[Path], *, taxonomy: Taxonomy | None) -> Dataset:
    """Make a data set of answers without labels.

    Parameters
    ----------
    answers : sequence of DataFrame
        `prompt`, `response`, `prompt_id`, `pair_id`, `policy`.
    paths : sequence of Path
        Their files; the data set has the name of the first, or of the folder of several.
    taxonomy : Taxonomy, optional
        By default that of BeaverTails.

    Returns
    -------
    Dataset
        Pairs with `source` = the policy (of several policies that gave the same answer the
        first by name), no annotations, and unknown labels.
    """
    columns = ["pair_id", "prompt_id", "prompt", "response", "policy"]
    if any(name not in frame.columns for frame in answers for name in columns):
        raise UsageError("A data set was to be made of score files; one has no prompts and answers. Name its data set.")
    rows = pl.concat([frame.select(columns) for frame in answers])
    counts = (pl.col(text).str.count_matches(WORD).alias(f"{text}_words") for text in ("prompt", "response"))
    texts = (
        rows.unique("pair_id")
        .drop("policy")
        .with_columns(*counts, *(pl.lit(0, pl.UInt32).alias(name) for name in ("n_annotations", "n_unsafe")))
    )
    source = rows.group_by("pair_id").agg(pl.col("policy").min().alias("source"))
    pairs = conform(texts.join(source, on="pair_id"), PAIRS).sort("pair_id")
    empty = {"annotations": ANNOTATIONS, "votes": VOTES, "preferences": PREFERENCES, "prompts": PROMPTS}
    tables = {name: schema.to_frame() for name, schema in empty.items()}
    tables |= {"pairs": pairs, "problems": PROBLEMS.to_frame()}
    names = [path.name.split(".")[0] if len(paths) == 1 else path.resolve().parent.name for path in paths]
    return Dataset(
        name=names[0],
        taxonomy=taxonomy or BEAVERTAILS,
        fingerprint=fingerprint_of([pairs.select("pair_id", "source")]),
        is_synthetic=False,
        release=None,
        facts={"files": [], "policies": rows["policy"].unique().sort().to_list()},
        _read=tables.__getitem__,
    )
