"""`btviz score NAME --model M`: answers scored by models, resumable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from btviz.cli.report import print_json, print_table, say
from btviz.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

_SHOWN = ("model", "kind", "target", "pairs", "undefined", "mean", "low", "median", "high")


def run_models(
    name: str,
    models: Sequence[str],
    *,
    kind: str | None,
    dtype: str | None,
    engine: str,
    workers: int | None,
    override_sign: bool,
    as_json: bool,
) -> None:
    """Score a data set by models, check their signs, keep the scores and report them.

    Parameters
    ----------
    name : str
        A data set that is here.
    models : sequence of str
        Hub names or folders.
    kind, dtype : str or None
        See `btviz.load_score_model`.
    engine, workers
        See `btviz.score`.
    override_sign : bool
        Keep scores that point against the labels.
    as_json : bool
        Print one JSON document.
    """
    import polars as pl

    from btviz import load, load_score_model, score
    from btviz.scoring.kept import keep_scores
    from btviz.scoring.protocol import SCORES
    from btviz.scoring.signcheck import check_sign

    ds = load(name)
    tables: dict[str, pl.DataFrame] = {}
    for model in models:  # one after the other, so that memory holds one
        loaded = load_score_model(model, kind=kind, dtype=dtype)
        if loaded.name in tables:
            raise UsageError(f"Asked to score with {list(models)}; two are named {loaded.name!r}. Score one at a time.")
        try:
            tables[loaded.name] = score(ds, loaded, engine=engine, workers=workers)
        except KeyboardInterrupt:
            say("Interrupted. Run the same command again: it goes on from the last batch.")
            raise
    scores = pl.concat([SCORES.to_frame(), *tables.values()])
    checks = check_sign(scores, ds, override=override_sign)
    keep_scores(scores, ds)
    table = _summary(scores)
    if as_json:
        signs: list[dict[str, Any]] = [vars(check) for check in checks]
        print_json({"name": name, "is_synthetic": ds.is_synthetic, "scores": table.to_dicts(), "signs": signs})
        return
    print_table(table.select(_SHOWN).rows(), _SHOWN, title=f"Scores of {ds.population}")
    for check in checks:
        click.echo(check.reason)


def _summary(scores: pl.DataFrame) -> pl.DataFrame:
    """One row per model and target: counts, mean, and the 5 %, 50 % and 95 % quantiles."""
    import polars as pl

    value = pl.col("score")
    return scores.group_by("model", "kind", "target", maintain_order=True).agg(
        pl.len().alias("pairs"),
        value.null_count().alias("undefined"),
        value.mean().alias("mean"),
        value.quantile(0.05, "linear").alias("low"),
        value.median().alias("median"),
        value.quantile(0.95, "linear").alias("high"),
    ).sort("model", "target", nulls_last=False)  # fmt: skip
