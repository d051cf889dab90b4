"""`btviz score NAME --from FILE`: scores that were made elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from btviz.cli.report import plain, print_json, print_table, say
from btviz.cli.scorerun import Kept
from btviz.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from btviz.dataset import Dataset
    from btviz.scoring.imported import ScoreFile
    from btviz.scoring.signcheck import SignCheck

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
    """Read score files, check their signs, keep them, and report what did not match.

    Parameters
    ----------
    kept : Kept
        What becomes of the scores. Of a name that is not here a data set is made of the files' own prompts
        and answers.
    files : sequence of str
        The files.
    columns : sequence of str
        ``COLUMN=KIND`` each; see `btviz.scoring.imported.read_scores`.
    prompt, response, policy : str or None
        Columns of the texts and of the answering model.
    moderator : str or None
        Model that all columns of moderation are of.
    """
    import polars as pl

    from btviz.scoring.imported import read_scores
    from btviz.scoring.kept import add_scores, forgetting, keep_dataset
    from btviz.scoring.signcheck import check_sign

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
    from btviz.files import format_of

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
