"""`btviz score NAME --from FILE`: scores that were made elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from btviz.cli.report import print_json, print_table, say
from btviz.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from btviz.dataset import Dataset
    from btviz.scoring.imported import ScoreFile
    from btviz.scoring.signcheck import SignCheck

_SHOWN = ("file", "column", "kind", "target", "turned", "rows", "matched", "unmatched", "repeated", "missing")


def import_scores(
    name: str,
    files: Sequence[str],
    *,
    columns: Sequence[str],
    prompt: str | None,
    response: str | None,
    policy: str | None,
    override_sign: bool,
    as_json: bool,
) -> None:
    """Read score files, check their signs, keep them, and report what did not match.

    Parameters
    ----------
    name : str
        A data set that is here, or a new name for one made of the files' own prompts and answers.
    files : sequence of str
        The files.
    columns : sequence of str
        ``COLUMN=KIND`` each; see `btviz.scoring.imported.read_scores`.
    prompt, response, policy : str or None
        Columns of the texts and of the answering model.
    override_sign : bool
        Keep scores that point against the labels.
    as_json : bool
        Print one JSON document.
    """
    from btviz.scoring.imported import read_scores
    from btviz.scoring.kept import keep_dataset, keep_scores
    from btviz.scoring.signcheck import check_sign

    ds = _known(name)
    found = read_scores(
        [Path(file) for file in files],
        ds,
        columns=_mapping(columns) or None,
        prompt=prompt,
        response=response,
        policy=policy,
    )
    checks = check_sign(found.scores, found.dataset, override=override_sign)
    owner = ds or keep_dataset(name, found.dataset)
    keep_scores(found.scores, owner, answers=found.answers)
    if ds is None:
        prompts = owner.pairs["prompt_id"].n_unique()
        say(f"{name} is a new data set: {owner.pairs.height:,} answers to {prompts:,} prompts, without labels.")
    _report(found, checks, name=name, as_json=as_json)


def _known(name: str) -> Dataset | None:
    from btviz import load

    try:
        return load(name)
    except NotFoundError:
        return None


def _mapping(columns: Sequence[str]) -> dict[str, str]:
    pairs = [column.partition("=") for column in columns]
    wrong = [column for column, (_, equals, kind) in zip(columns, pairs, strict=True) if not equals or not kind]
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
        click.echo(f"{file}, {column}: {note}.")
    for check in checks:
        click.echo(check.reason)
