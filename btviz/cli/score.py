"""`btviz score`: scores of the answers of a data set."""

from __future__ import annotations

import click

from btviz.cli.report import json_option
from btviz.cli.scorefiles import import_scores
from btviz.cli.scorerun import fit_probes, run_models
from btviz.errors import UsageError


@click.command("score")
@click.argument("name")
@click.option("--model", "models", multiple=True, metavar="MODEL", help="hub name or folder; may be repeated")
@click.option("--probes", is_flag=True, help="by small linear models, fitted on the labels of NAME, out of fold")
@click.option(
    "--encoder", default="words", show_default=True, help="what probes read: words, static, minilm or a model"
)
@click.option("--kind", help="reward, cost or moderation, where the model does not say it; of --probes, which")
@click.option("--dtype", help="float32, bfloat16 or float16; by default what suits the device")
@click.option("--engine", default="local", show_default=True, help="local, or ray: the cluster this machine is in")
@click.option("--workers", type=int, help="processes of --engine ray; by default one per GPU, or per CPU without any")
@click.option("--from", "files", multiple=True, metavar="FILE", help="a file of scores made elsewhere; may be repeated")
@click.option(
    "--column", "columns", multiple=True, metavar="COLUMN=KIND", help="reward, cost, -cost, moderation:TARGET"
)
@click.option("--prompt", metavar="COLUMN", help="column of the prompts")
@click.option("--response", metavar="COLUMN", help="column of the answers")
@click.option(
    "--policy", metavar="COLUMN", help="column of the answering model; by default what NAME knows, else the file's name"
)
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
    engine: str,
    workers: int | None,
    files: tuple[str, ...],
    columns: tuple[str, ...],
    prompt: str | None,
    response: str | None,
    policy: str | None,
    override_sign: bool,
    as_json: bool,
) -> None:
    """Give the answers of NAME scores: by models, by probes, or with --from by a file, and then NAME may be new.

    A run that was interrupted goes on where it was. On a cluster of several machines, make one
    with `ray start --head`, have others join it by `ray start --address=HEAD:6379`, and run this on any.
    """
    if bool(models) + bool(files) + probes != 1:
        raise UsageError(
            f"Scores of {name!r} were asked for, but not whose. Name either a model, --model MODEL, or a file of "
            "scores, --from FILE, or fit --probes."
        )
    if probes:
        fit_probes(name, kind=kind, encoder=encoder, override_sign=override_sign, as_json=as_json)
        return
    if models:
        run_models(
            name,
            models,
            kind=kind,
            dtype=dtype,
            engine=engine,
            workers=workers,
            override_sign=override_sign,
            as_json=as_json,
        )
        return
    import_scores(
        name,
        files,
        columns=columns,
        prompt=prompt,
        response=response,
        policy=policy,
        override_sign=override_sign,
        as_json=as_json,
    )
