"""`btviz score`: scores of the answers of a data set, by models or probes, or made elsewhere and read from files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from btviz.cli.report import json_option, plain, print_json, print_table, say, tell
from btviz.errors import DataError, UsageError

if TYPE_CHECKING:
    import polars as pl

    from btviz.data import Dataset
    from btviz.models import ScoreModel
    from btviz.scores import KeptScores, ScoreFile, SignCheck
    from btviz.texts import Embeddings


_COMMON_OPTIONS = ("override_sign", "as_json")

_SERVER_OPTIONS = ("endpoint", "route", "outputs", "tokenizer", "concurrency", "allow_remote")
_LOCAL_OPTIONS = ("dtype", "device", "engine", "workers")

_OPTIONS_BY_WAY = {
    "models": ("kind", "guard", "tokens_per_batch", *_LOCAL_OPTIONS, *_SERVER_OPTIONS, *_COMMON_OPTIONS),
    "probes": ("kind", "encoder", *_COMMON_OPTIONS),
    "files": ("columns", "prompt", "response", "policy", "by", "moderator", "scorer", *_COMMON_OPTIONS),
    "forget": (),
}
"""Ways to have scores, or none, and what each takes."""


@click.command("score")
@click.argument("name")
@click.option("--model", "models", multiple=True, metavar="MODEL", help="hub name or folder; may be repeated")
@click.option("--probes", is_flag=True, help="by small linear models, fitted on the labels of NAME, out of fold")
@click.option(
    "--encoder", default="words", show_default=True, help="what probes read: words, static, minilm or a model"
)
@click.option("--kind", help="reward, cost or moderation, where the model does not say it; of --probes, which")
@click.option(
    "--guard", metavar="NAME|FILE", help="how a model that answers in words is asked and read: docs/guards.md"
)
@click.option("--endpoint", metavar="URL", help="server of --model, such as http://127.0.0.1:8000/v1: docs/guards.md")
@click.option("--route", help="completions or chat, of a guard; classify or pooling, of a model with a head")
@click.option("--outputs", metavar="A,B", help="targets of --route classify, in the order of its outputs")
@click.option(
    "--tokenizer", metavar="FOLDER", help="write texts here by this tokenizer, and send token ids to --endpoint"
)
@click.option("--concurrency", type=int, default=8, show_default=True, help="requests to --endpoint at once")
@click.option("--allow-remote", is_flag=True, help="send prompts and answers to an --endpoint on another machine")
@click.option("--dtype", help="float32, bfloat16 or float16; by default what suits the device")
@click.option("--device", help="cpu, cuda or cuda:1; by default a GPU if there is one")
@click.option("--tokens-per-batch", type=int, help="tokens that go through a model at once; by default what suits it")
@click.option("--engine", default="local", show_default=True, help="local, or ray: the cluster this machine is in")
@click.option("--workers", type=int, help="processes of --engine ray; by default one per GPU, or per CPU without any")
@click.option("--from", "files", multiple=True, metavar="FILE", help="a file of scores made elsewhere; may be repeated")
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="COLUMN=KIND[:MODEL[:NUMBER]]",
    help="reward, cost, -cost (turned), cost@NUMBER (harm begins there), moderation:TARGET (a category, unsafe, safe, "
    'categories); then the model and its threshold: cost_a=cost:"Beaver v1":0.0',
)
@click.option("--prompt", metavar="COLUMN", help="column of the prompts")
@click.option("--response", metavar="COLUMN", help="column of the answers")
@click.option(
    "--policy",
    metavar="COLUMN",
    help="column of the answering model; by default what NAME knows, and where NAME is made of the files, the "
    "file's name",
)
@click.option(
    "--by",
    metavar="COLUMN[=KEY]",
    help="id to match by, where the texts are not there: pair_id, a hash of the answer, line, or a key of the data",
)
@click.option(
    "--moderator",
    metavar="MODEL",
    help="model that all columns of moderation are of; by default each is one",
)
@click.option(
    "--scorer", metavar="COLUMN", help="column that says whose score a row holds, of files with a row for each"
)
@click.option("--forget", metavar="MODEL", help="let go of the scores kept under that name, and of nothing else")
@click.option("--override-sign", is_flag=True, help="keep scores that point against the labels")
@json_option
def score_command(  # noqa: PLR0913  # an option each
    name: str,
    *,
    models: tuple[str, ...],
    probes: bool,
    encoder: str,
    kind: str | None,
    guard: str | None,
    endpoint: str | None,
    route: str | None,
    outputs: str | None,
    tokenizer: str | None,
    concurrency: int,
    allow_remote: bool,
    dtype: str | None,
    device: str | None,
    tokens_per_batch: int | None,
    engine: str,
    workers: int | None,
    files: tuple[str, ...],
    columns: tuple[str, ...],
    prompt: str | None,
    response: str | None,
    policy: str | None,
    by: str | None,
    moderator: str | None,
    scorer: str | None,
    forget: str | None,
    override_sign: bool,
    as_json: bool,
) -> None:
    """Give the answers of NAME scores: by models, by probes, or with --from by a file, and then NAME may be new.

    A run that was interrupted goes on where it was. On a cluster of several machines, make one
    with `ray start --head`, have others join it by `ray start --address=HEAD:6379`, and run this on any.
    """
    _check_way(name)
    request = Request(name, override_sign, as_json)
    if forget:
        forget_model(name, forget)
    elif probes:
        fit_probes(request, kind=kind, encoder=encoder)
    elif models:
        run = {"engine": engine, "workers": workers, "tokens_per_batch": tokens_per_batch}
        loading: dict[str, Any] = {"kind": kind, "guard": guard}
        if endpoint is None:
            loading |= {"dtype": dtype, "device": device}
        else:
            loading |= {"endpoint": endpoint, "route": route, "outputs": tuple(outputs.split(",") if outputs else ())}
            loading |= {"tokenizer": tokenizer, "concurrency": concurrency, "allow_remote": allow_remote}
        run_models(request, models, loading=loading, run=run)
    else:
        named = {"prompt": prompt, "response": response, "policy": policy, "by": by}
        import_scores(request, files, columns=columns, options={**named, "moderator": moderator, "scorer": scorer})


@click.command("models")
@json_option
def models_command(*, as_json: bool) -> None:
    """List layouts of models that can be loaded, how each is recognised, and how far it was tested."""
    from btviz.models import layouts

    found = layouts()
    if as_json:
        print_json({"layouts": found})
        return
    names = tuple(found[0])
    print_table([tuple(row.values()) for row in found], names, title="Layouts of score models")


def _check_way(name: str) -> None:
    """Refuse to have no scores to make, or several, or an option that would have no effect."""
    context = click.get_current_context()
    stated = {
        parameter.name: parameter.opts[0]
        for parameter in context.command.params
        if parameter.name != "name" and context.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
    }
    ways = [way for way in _OPTIONS_BY_WAY if way in stated]
    if len(ways) > 1:
        raise UsageError(
            f"Asked for {' and '.join(stated[way] for way in ways)} of {name!r} at once; one command takes one of "
            "these. Name one, and give the others commands of their own."
        )
    if not ways:
        raise UsageError(
            f"Scores of {name!r} were asked for, but not whose. Name either a model, --model MODEL, or a file of "
            "scores, --from FILE, or fit --probes; or --forget those of a model."
        )
    (way,) = ways
    if idle := [option for parameter, option in stated.items() if parameter not in (way, *_OPTIONS_BY_WAY[way])]:
        raise UsageError(
            f"Asked for {stated[way]} together with {', '.join(idle)}, which has no effect on it. Leave that out."
        )
    other = _LOCAL_OPTIONS if "endpoint" in stated else _SERVER_OPTIONS
    if idle := [stated[parameter] for parameter in other if parameter in stated]:
        where = "behind a server (--endpoint)" if "endpoint" in stated else "on this machine, without --endpoint"
        raise UsageError(
            f"Asked for a model {where}, together with {', '.join(idle)}, which has no effect there. Leave that out."
        )


@dataclass(frozen=True)
class Request:
    """Whose scores are to be kept, and how they are reported."""

    name: str
    override_sign: bool
    as_json: bool


_MODELS = ("model", "kind", "target", "pairs", "undefined", "mean", "low", "median", "high")


def run_models(request: Request, models: Sequence[str], *, loading: dict[str, Any], run: dict[str, Any]) -> None:
    """Score a data set by models, keep the scores and report them."""
    from btviz import load, load_score_model, score
    from btviz.data import expect_answers
    from btviz.models import connect_score_model
    from btviz.scores import score_and_keep

    ds = load(request.name)
    expect_answers(ds, what="Scores")
    if ds.pairs.is_empty():
        raise DataError(
            f"Answers of {request.name} were to be scored; it has none. Choose data with prompts and responses."
        )
    at_work: list[Any] = []  # the model that was asked for, and what was loaded of it

    def load_model(model: str | Path) -> ScoreModel:
        at_work[:] = [model]
        loaded = (
            connect_score_model(str(model), **loading) if "endpoint" in loading else load_score_model(model, **loading)
        )
        at_work.append(loaded)
        return loaded

    try:
        kept = score_and_keep(
            ds, models, load=load_model, run=partial(score, **run), override_sign=request.override_sign, say=say
        )
    except KeyboardInterrupt:
        say(_interrupted(ds, *at_work, name=request.name))
        raise
    _report_kept(kept, ds, request=request)


def _interrupted(ds: Dataset, asked: str, model: ScoreModel | None = None, *, name: str) -> str:
    from btviz.models import scored_pairs

    so_far = "while the model was being loaded"
    if model is not None:
        so_far = f"with {scored_pairs(ds, model):,} of {ds.pairs.height:,} pairs scored and kept"
    return (
        f"Scores of {name} by {asked} were asked for; interrupted, {so_far}. "
        "Run the same command again: it goes on with what is not scored yet."
    )


def fit_probes(request: Request, *, kind: str | None, encoder: str) -> None:
    """Fit a probe of each kind that the labels allow, keep the scores out of fold and report them."""
    from btviz import embed, fit_probe, keep_scores, load
    from btviz.data import expect_answers
    from btviz.models import KINDS, stacked_scores

    ds = load(request.name)
    expect_answers(ds, what="Probes")
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
    kept = keep_scores(
        ds,
        stacked_scores(tables),
        fingerprints=fingerprints,
        give_way=True,  # a probe that is fitted anew is the same one to whoever fits it
        override_sign=request.override_sign,
    )
    _report_kept(kept, ds, request=request, artefacts=_artefacts(ds, vectors))


def _artefacts(ds: Dataset, vectors: Embeddings) -> pl.DataFrame | None:
    """What a probe has to beat: safety and order as they are told from parts of pairs."""
    from btviz import artefact_baselines
    from btviz.scores import OUTCOMES

    try:
        return artefact_baselines(ds, vectors, outcomes=tuple(OUTCOMES))
    except DataError:  # only categories are labelled
        return None


def forget_model(name: str, model: str) -> None:
    """Let go of the scores that are kept of a data set under the name of a model."""
    from btviz import load
    from btviz.scores import forget_scores

    ds = load(name)
    forget_scores(ds, model)
    say(f"The scores of {ds.name} by {model!r} are no longer kept.")


def _report_kept(kept: KeptScores, ds: Dataset, *, request: Request, artefacts: pl.DataFrame | None = None) -> None:
    for model, kind, count in kept.replaced.select("model", "kind", "replaced").rows():
        say(
            f"Scores of the {kind} {model!r} were kept before: {count:,} of them were other numbers and gave way to "
            "these. To have those of a file as well, name its column otherwise, and read it again."
        )
    table = _summary(kept.scores)
    if request.as_json:
        about: dict[str, Any] = {"name": request.name, "is_synthetic": ds.is_synthetic}
        if artefacts is not None:
            about["artefacts"] = artefacts.to_dicts()
        print_json({**about, "scores": table.to_dicts(), "signs": [vars(check) for check in kept.signs]})
        return
    print_table(table.select(_MODELS).rows(), _MODELS, title=f"Scores of {ds.population}")
    _print_signs(kept.signs)
    if artefacts is not None:
        from btviz.reports import sentences

        tell(f"\n{plain(sentences.artefacts(artefacts, ds))}")


def _print_signs(signs: Sequence[SignCheck]) -> None:
    for check in signs:
        tell(plain(check.reason))


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


_FILES = (
    "file",
    "column",
    "model",
    "kind",
    "target",
    "turned",
    "by",
    "rows",
    "matched",
    "unmatched",
    "repeated",
    "missing",
)


def import_scores(request: Request, files: Sequence[str], *, columns: Sequence[str], options: dict[str, Any]) -> None:
    """Read score files, keep their scores, and report what did not match."""
    from btviz import keep_scores, read_scores
    from btviz.data import find
    from btviz.scores import forgetting, keep_dataset

    ds = find(request.name)
    score_file = read_scores([Path(file) for file in files], ds, columns=_mapping(columns) or None, **options)
    owner = ds or keep_dataset(request.name, score_file.dataset)
    kept = keep_scores(owner, score_file, override_sign=request.override_sign)
    if ds is None:
        prompts = owner.pairs["prompt_id"].n_unique()
        say(
            f"{request.name} is a new data set: {owner.pairs.height:,} answers to {prompts:,} prompts, without labels. "
            f"If the files have labels, too, begin with these: btviz data remove {request.name}; btviz data add "
            f"{request.name} FILE; and then this command again."
        )
    for model, kind, stayed, replaced in kept.replaced.rows():
        say(
            f"Scores of the {kind} {model!r} were kept before: {stayed:,} of other answers or targets stay, "
            f"{replaced:,} of the same were other numbers and gave way. To begin anew: "
            f"{forgetting(request.name, model)}."
        )
    _report_files(score_file, kept, request=request)


def _mapping(columns: Sequence[str]) -> dict[str, str]:
    found = [re.fullmatch(r"(.+?)=(-?(?:reward|cost|moderation)\b.*)", column, re.DOTALL) for column in columns]
    wrong = [column for column, parts in zip(columns, found, strict=True) if parts is None]
    if wrong:
        raise UsageError(
            f"Columns of scores were named as {wrong}; write COLUMN=reward, COLUMN=cost, COLUMN=-cost or "
            "COLUMN=moderation:TARGET."
        )
    return {parts[1]: parts[2] for parts in found if parts is not None}


def _report_files(score_file: ScoreFile, kept: KeptScores, *, request: Request) -> None:
    name = request.name
    if request.as_json:
        signs = [vars(check) for check in kept.signs]
        print_json(
            {"name": name, "files": score_file.report.to_dicts(), "signs": signs, "scores": score_file.scores.height}
        )
        return
    print_table(score_file.report.select(_FILES).rows(), _FILES, title=f"Scores of {name}")
    tell("")
    for file, column, note in score_file.report.select("file", "column", "note").drop_nulls("note").rows():
        tell(plain(f"{file}, {column}: {note}."))
    _print_signs(kept.signs)
