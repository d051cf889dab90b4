"""`btviz score NAME --model M`, or `--probes`: answers scored by models, resumable, or by probes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from btviz.cli.report import print_json, print_table, say
from btviz.errors import DataError, UsageError

if TYPE_CHECKING:
    import polars as pl

    from btviz.dataset import Dataset
    from btviz.scoring.protocol import ScoreModel

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
    from btviz import load, load_score_model, score
    from btviz.scoring.protocol import stacked_scores

    ds = load(name)
    if ds.pairs.is_empty():
        raise DataError(f"Answers of {name} were to be scored; it has none. Choose data with prompts and responses.")
    tables: dict[str, pl.DataFrame] = {}
    for model in models:  # one after the other, so that memory holds one
        loaded: ScoreModel | None = None
        try:
            loaded = load_score_model(model, kind=kind, dtype=dtype)
            if loaded.name in tables:
                raise UsageError(
                    f"Asked to score with {list(models)}; two are named {loaded.name!r}. Score one at a time."
                )
            tables[loaded.name] = score(ds, loaded, engine=engine, workers=workers)
        except KeyboardInterrupt:
            say(_interrupted(ds, loaded, name=name, asked=model))
            raise
    _kept(stacked_scores(tables.values()), ds, name=name, override_sign=override_sign, as_json=as_json)


def _interrupted(ds: Dataset, model: ScoreModel | None, *, name: str, asked: str) -> str:
    from btviz.scoring.runs import scored_pairs

    so_far = "while the model was being loaded"
    if model is not None:
        so_far = f"with {scored_pairs(ds, model):,} of {ds.pairs.height:,} pairs scored and kept"
    return (
        f"Scores of {name} by {asked} were asked for; interrupted, {so_far}. "
        "Run the same command again: it goes on with what is not scored yet."
    )


def fit_probes(name: str, *, kind: str | None, encoder: str, override_sign: bool, as_json: bool) -> None:
    """Fit a probe of each kind that the labels allow, keep the scores out of fold and report them.

    Parameters
    ----------
    name : str
        A data set that is here.
    kind : str or None
        The only kind to fit.
    encoder : str
        See `btviz.embed`.
    override_sign, as_json
        As for `run_models`.
    """
    from btviz import embed, fit_probe, load
    from btviz.scoring.protocol import KINDS, stacked_scores

    ds = load(name)
    vectors = embed(ds, text="qa", encoder=encoder)
    tables: list[pl.DataFrame] = []
    reasons = []
    for each in KINDS if kind is None else (kind,):
        try:
            probe = fit_probe(ds, vectors, kind=each, name=f"{each}-probe")
        except DataError as error:  # it lacks the labels of this kind
            reasons.append(str(error))
            say(str(error))
        else:
            tables.append(probe.out_of_fold)
            for target, reason in probe.undefined.items():
                say(f"{probe.name} gives no score of {target}: {reason}.")
    if not tables:
        raise DataError(reasons[0])
    _kept(stacked_scores(tables), ds, name=name, override_sign=override_sign, as_json=as_json)


def _kept(scores: pl.DataFrame, ds: Dataset, *, name: str, override_sign: bool, as_json: bool) -> None:
    """Check signs, keep scores, report both."""
    from btviz.scoring.kept import keep_scores
    from btviz.scoring.signcheck import check_sign

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
