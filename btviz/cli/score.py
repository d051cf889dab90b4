"""`btviz score`: scores of the answers of a data set.

`btviz score NAME --from FILE`: scores that were made elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from btviz.cli.report import json_option, plain, print_json, print_table, say
from btviz.cli.scorerun import Kept, Loading, fit_probes, forget_model, run_models
from btviz.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from btviz.data import Dataset
    from btviz.scores import ScoreFile, SignCheck


_KEPT = ("override_sign", "as_json")


_OF_A_WAY = {
    "models": ("kind", "dtype", "device", "tokens_per_batch", "engine", "workers", *_KEPT),
    "probes": ("kind", "encoder", *_KEPT),
    "files": ("columns", "prompt", "response", "policy", "moderator", *_KEPT),
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
@click.option("--dtype", help="float32, bfloat16 or float16; by default what suits the device")
@click.option("--device", help="cpu, cuda or cuda:1; by default a GPU if there is one")
@click.option("--tokens-per-batch", type=int, help="tokens that go through a model at once; by default what suits it")
@click.option("--engine", default="local", show_default=True, help="local, or ray: the cluster this machine is in")
@click.option("--workers", type=int, help="processes of --engine ray; by default one per GPU, or per CPU without any")
@click.option("--from", "files", multiple=True, metavar="FILE", help="a file of scores made elsewhere; may be repeated")
@click.option(
    "--column", "columns", multiple=True, metavar="COLUMN=KIND", help="reward, cost, -cost, moderation:TARGET"
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
    "--moderator",
    metavar="MODEL",
    help="model that all columns of moderation are of; by default each is one",
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
    moderator: str | None,
    forget: str | None,
    override_sign: bool,
    as_json: bool,
) -> None:
    """Give the answers of NAME scores: by models, by probes, or with --from by a file, and then NAME may be new.

    A run that was interrupted goes on where it was. On a cluster of several machines, make one
    with `ray start --head`, have others join it by `ray start --address=HEAD:6379`, and run this on any.
    """
    _check_way(name)
    kept = Kept(name, override_sign, as_json)
    if forget:
        forget_model(name, forget)
    elif probes:
        fit_probes(kept, kind=kind, encoder=encoder)
    elif models:
        loading = Loading(kind, dtype, device)
        run_models(kept, models, loading=loading, engine=engine, workers=workers, tokens_per_batch=tokens_per_batch)
    else:
        import_scores(
            kept, files, columns=columns, prompt=prompt, response=response, policy=policy, moderator=moderator
        )


def _check_way(name: str) -> None:
    """Refuse to have no scores to make, or several, or an option that would have no effect."""
    context = click.get_current_context()
    stated = {
        parameter.name: parameter.opts[0]
        for parameter in context.command.params
        if parameter.name != "name" and context.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
    }
    ways = [way for way in _OF_A_WAY if way in stated]
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
    if idle := [option for parameter, option in stated.items() if parameter not in (way, *_OF_A_WAY[way])]:
        raise UsageError(
            f"Asked for {stated[way]} together with {', '.join(idle)}, which has no effect on it. Leave that out."
        )


_SHOWN = ("file", "column", "kind", "target", "turned", "rows", "matched", "unmatched", "repeated", "missing")


def import_scores(
    kept: Kept,
    files: Sequence[str],
    *,
    columns: Sequence[str],
    prompt: str | None,
    response: str | None,
    policy: str | None,
    moderator: str | None,
) -> None:
    """Read score files, check their signs, keep them, and report what did not match."""
    import polars as pl

    from btviz.scores import add_scores, check_sign, forgetting, keep_dataset, read_scores

    ds = _known(kept.name)
    found = read_scores(
        [Path(file) for file in files],
        ds,
        columns=_mapping(columns) or None,
        prompt=prompt,
        response=response,
        policy=policy,
        moderator=moderator,
    )
    checks = check_sign(found.scores, found.dataset, override=kept.override_sign)
    owner = ds or keep_dataset(kept.name, found.dataset)
    met = add_scores(found.scores, owner, answers=found.answers)
    if ds is None:
        prompts = owner.pairs["prompt_id"].n_unique()
        say(
            f"{kept.name} is a new data set: {owner.pairs.height:,} answers to {prompts:,} prompts, without labels. If "
            f"the files have labels, too, begin with these: btviz data remove {kept.name}; btviz data add {kept.name} "
            "FILE; and then this command again."
        )
    for model, kind, stayed, replaced in met.filter(pl.col("stayed") + pl.col("replaced") > 0).rows():
        say(
            f"Scores of the {kind} {model!r} were kept before: {stayed:,} of other answers or targets stay, "
            f"{replaced:,} of the same were other numbers and gave way. To begin anew: {forgetting(kept.name, model)}."
        )
    _report(found, checks, name=kept.name, as_json=kept.as_json)


def _known(name: str) -> Dataset | None:
    from btviz import load
    from btviz.data import format_of

    try:
        return load(name)
    except NotFoundError:
        if format_of(Path(name)) is not None:
            raise  # a file that is misspelt, not a new name
        return None


def _mapping(columns: Sequence[str]) -> dict[str, str]:
    pairs = [column.rpartition("=") for column in columns]  # a kind has no "=", a column's name may
    wrong = [column for column, (name, _, kind) in zip(columns, pairs, strict=True) if not name or not kind]
    if wrong:
        raise UsageError(f"Columns of scores were named as {wrong}; write COLUMN=reward, COLUMN=cost or COLUMN=-cost.")
    return {column: kind for column, _, kind in pairs}


def _report(found: ScoreFile, checks: list[SignCheck], *, name: str, as_json: bool) -> None:
    signs: list[dict[str, Any]] = [vars(check) for check in checks]
    if as_json:
        print_json({"name": name, "files": found.report.to_dicts(), "signs": signs, "scores": found.scores.height})
        return
    print_table(found.report.select(_SHOWN).rows(), _SHOWN, title=f"Scores of {name}")
    click.echo("")
    for file, column, note in found.report.select("file", "column", "note").drop_nulls("note").rows():
        click.echo(plain(f"{file}, {column}: {note}."))
    for check in checks:
        click.echo(plain(check.reason))
