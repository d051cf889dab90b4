"""`btviz score NAME --model M`, or `--probes`: answers scored by models, resumable, or by probes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from btviz.cli.report import plain, print_json, print_table, say
from btviz.errors import DataError, UsageError

if TYPE_CHECKING:
    import polars as pl

    from btviz.data import Dataset
    from btviz.models import LoadedModel, Probe, ScoreModel

_SHOWN = ("model", "kind", "target", "pairs", "undefined", "mean", "low", "median", "high")


@dataclass(frozen=True)
class Kept:
    """What becomes of scores: kept for a data set, and reported."""

    name: str
    override_sign: bool
    as_json: bool


@dataclass(frozen=True)
class Loading:
    """How models are loaded; see `btviz.load_score_model`."""

    kind: str | None
    dtype: str | None
    device: str | None


def run_models(
    kept: Kept,
    models: Sequence[str],
    *,
    loading: Loading,
    engine: str,
    workers: int | None,
    tokens_per_batch: int | None,
) -> None:
    """Score a data set by models, check their signs, keep the scores and report them."""
    from btviz import load, load_score_model, score
    from btviz.models import stacked_scores

    ds = load(kept.name)
    if ds.pairs.is_empty():
        raise DataError(
            f"Answers of {kept.name} were to be scored; it has none. Choose data with prompts and responses."
        )
    tables: dict[str, pl.DataFrame] = {}
    fingerprints: dict[str, str] = {}
    for model in models:  # one after the other, so that memory holds one
        loaded: ScoreModel | None = None
        try:
            loaded = load_score_model(model, kind=loading.kind, dtype=loading.dtype, device=loading.device)
            loaded = _told_apart(loaded, ds, folder=model, others=fingerprints)
            fingerprints[loaded.name] = loaded.fingerprint
            tables[loaded.name] = score(ds, loaded, engine=engine, workers=workers, tokens_per_batch=tokens_per_batch)
        except KeyboardInterrupt:
            say(_interrupted(ds, loaded, name=kept.name, asked=model))
            raise
    _keep(stacked_scores(tables.values()), ds, kept=kept, fingerprints=fingerprints)


def _told_apart(
    model: LoadedModel | Probe, ds: Dataset, *, folder: str, others: Mapping[str, str]
) -> LoadedModel | Probe:
    """The model, with more to its name where scores by other weights or settings are kept under that."""
    from btviz.scores import forgetting, is_taken

    if model.fingerprint in others.values():
        raise UsageError(f"Asked to score with {folder}; that model is named twice. Name each once.")
    names = [model.name, *_longer_names(model, folder)]
    free = [n for n in names if n not in others and not is_taken(n, ds, fingerprint=model.fingerprint)]
    if not free:
        raise UsageError(
            f"Asked to score {ds.name} with {folder}; scores by other weights or settings are kept as those of "
            f"{' and '.join(map(repr, names))}. Let go of one: {forgetting(ds.name, model.name)}."
        )
    if free[0] == model.name:
        return model
    say(f"Scores of {model.name!r} by other weights or settings are kept; these are kept as those of {free[0]!r}.")
    return _renamed(model, free[0])


def _longer_names(model: LoadedModel | Probe, folder: str) -> list[str]:
    """Names with the folder above, which tells checkpoints of several runs apart, and with the type of numbers."""
    from btviz.models import Probe

    above = [] if "/" in model.name else [f"{Path(folder).expanduser().resolve().parent.name}/{model.name}"]
    if isinstance(model, Probe):
        return above
    typed = [f"{name} {model.dtype}" for name in (model.name, *above)]
    return above + typed if model.origin.dtype is None else typed + above


def _renamed(model: LoadedModel | Probe, name: str) -> LoadedModel | Probe:
    import polars as pl

    from btviz.models import Probe

    if isinstance(model, Probe):
        return replace(model, name=name, out_of_fold=model.out_of_fold.with_columns(pl.lit(name).alias("model")))
    return replace(model, name=name)


def _interrupted(ds: Dataset, model: ScoreModel | None, *, name: str, asked: str) -> str:
    from btviz.models import scored_pairs

    so_far = "while the model was being loaded"
    if model is not None:
        so_far = f"with {scored_pairs(ds, model):,} of {ds.pairs.height:,} pairs scored and kept"
    return (
        f"Scores of {name} by {asked} were asked for; interrupted, {so_far}. "
        "Run the same command again: it goes on with what is not scored yet."
    )


def fit_probes(kept: Kept, *, kind: str | None, encoder: str) -> None:
    """Fit a probe of each kind that the labels allow, keep the scores out of fold and report them."""
    from btviz import embed, fit_probe, load
    from btviz.models import KINDS, stacked_scores

    ds = load(kept.name)
    vectors = embed(ds, text="qa", encoder=encoder)
    tables: list[pl.DataFrame] = []
    fingerprints: dict[str, str] = {}
    reasons = []
    for each in KINDS if kind is None else (kind,):
        try:
            probe = fit_probe(ds, vectors, kind=each, name=f"{each}-probe")
        except DataError as error:  # it lacks the labels of this kind
            reasons.append(str(error))
            say(str(error))
        else:
            tables.append(probe.out_of_fold)
            fingerprints[probe.name] = probe.fingerprint
            for target, reason in probe.undefined.items():
                say(f"{probe.name} gives no score of {target}: {reason}.")
    if not tables:
        raise DataError(reasons[0])
    _keep(stacked_scores(tables), ds, kept=kept, fingerprints=fingerprints)


def forget_model(name: str, model: str) -> None:
    """Let go of the scores that are kept of a data set under the name of a model."""
    from btviz import load
    from btviz.scores import forget_scores

    ds = load(name)
    forget_scores(ds, model)
    say(f"The scores of {ds.name} by {model!r} are no longer kept.")


def _keep(scores: pl.DataFrame, ds: Dataset, *, kept: Kept, fingerprints: Mapping[str, str]) -> None:
    """Check signs, keep scores, report both."""
    from btviz.scores import check_sign, keep_scores

    checks = check_sign(scores, ds, override=kept.override_sign)
    gone = _replaced(scores, ds)
    keep_scores(scores, ds, fingerprints=fingerprints)
    for model, kind, count in gone.rows():
        say(
            f"Scores of the {kind} {model!r} were kept before: {count:,} of them were other numbers and gave way to "
            "these. To have those of a file as well, name its column otherwise, and read it again."
        )
    table = _summary(scores)
    if kept.as_json:
        signs: list[dict[str, Any]] = [vars(check) for check in checks]
        print_json({"name": kept.name, "is_synthetic": ds.is_synthetic, "scores": table.to_dicts(), "signs": signs})
        return
    print_table(table.select(_SHOWN).rows(), _SHOWN, title=f"Scores of {ds.population}")
    for check in checks:
        click.echo(plain(check.reason))


def _replaced(scores: pl.DataFrame, ds: Dataset) -> pl.DataFrame:
    """`model`, `kind`, and how many scores that are kept under these two are not among the new ones."""
    from btviz.scores import kept_scores

    before = kept_scores(ds).join(scores, on=["model", "kind"], how="semi")
    answer = ["model", "kind", "target", "pair_id", "score"]
    gone = before.join(scores, on=answer, how="anti", nulls_equal=True)
    return gone.group_by("model", "kind").len().sort("model", "kind")


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
