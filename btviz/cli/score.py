"""`btviz score`: scores of the answers of a data set."""

from __future__ import annotations

import click

from btviz.cli.report import json_option
from btviz.cli.scorefiles import import_scores
from btviz.errors import UsageError


@click.command("score")
@click.argument("name")
@click.option("--from", "files", multiple=True, metavar="FILE", help="a file of scores made elsewhere; may be repeated")
@click.option(
    "--column", "columns", multiple=True, metavar="COLUMN=KIND", help="reward, cost, -cost, moderation:TARGET"
)
@click.option("--prompt", metavar="COLUMN", help="column of the prompts")
@click.option("--response", metavar="COLUMN", help="column of the answers")
@click.option("--policy", metavar="COLUMN", help="column of the answering model; by default the file's name")
@click.option("--override-sign", is_flag=True, help="keep scores that point against the labels")
@json_option
def score_command(
    name: str,
    *,
    files: tuple[str, ...],
    columns: tuple[str, ...],
    prompt: str | None,
    response: str | None,
    policy: str | None,
    override_sign: bool,
    as_json: bool,
) -> None:
    """Give the answers of NAME scores; with --from, NAME may be new."""
    if not files:
        raise UsageError(f"Scores of {name!r} were asked for, but not whose. Name a file of scores: --from FILE.")
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
