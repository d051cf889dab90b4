"""`btviz export`: a data set, or a part of it, in a shape that other programs read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from btviz.cli.report import json_option, print_json, print_table, tell
from btviz.errors import UsageError

if TYPE_CHECKING:
    from btviz.session import Export


@click.command("export")
@click.argument("name")
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--as",
    "form",
    metavar="FORM",
    help="released, parquet, csv, datasets, dpo, kto, hh; by default what OUT ends in.",
)
@click.option("--texts", is_flag=True, help="Write prompts and answers, too. They may be harmful.")
@click.option("--population", help="annotations, preferences, prompts (rows as released), pairs; default: all kinds.")
@click.option("--where", default="all", show_default=True, help="all, safe or unsafe.")
@click.option("--category", "categories", multiple=True, help="Rows with this category; may be repeated.")
@click.option("--split", "splits", multiple=True, help="Rows of this split; may be repeated.")
@click.option("--pair", "pairs", metavar="ID", multiple=True, help="Rows about this pair; may be repeated.")
@click.option("--pairs", "file", metavar="FILE", type=click.Path(path_type=Path), help="Pairs of its column pair_id.")
@click.option("--order", help="What is chosen goes by: better (the default), safer or overall.")
@click.option("--corrected", is_flag=True, help="Apply the corrections that are kept: see btviz corrections.")
@click.option("--replace", is_flag=True, help="Take the place of an earlier export.")
@json_option
def export_command(  # noqa: PLR0913  # an option each
    name: str,
    out: Path,
    *,
    form: str | None,
    texts: bool,
    population: str | None,
    where: str,
    categories: tuple[str, ...],
    splits: tuple[str, ...],
    pairs: tuple[str, ...],
    file: Path | None,
    order: str | None,
    corrected: bool,
    replace: bool,
    as_json: bool,
) -> None:
    r"""Write NAME to OUT for other programs; without texts, unless --texts is given.

    OUT is a file that ends in .jsonl or .csv (also .gz, .xz, .zst) or .parquet; or a folder,
    which gets a file for each kind of row and split.

    \b
    released, parquet, csv   rows as they were released, with pair_id to join labels and scores by
    datasets                 the same as a folder for datasets.load_from_disk
    dpo                      prompt, chosen, rejected (TRL, LLaMA-Factory)
    kto                      prompt, completion, label: whether the answer is safe, or was chosen (--order)
    hh                       chosen and rejected, each a whole conversation in one string

    datasets, dpo, kto and hh need --texts. What is skipped or left out is said. Beside corrected data goes a
    data card that says what was changed.
    """
    from btviz import export, load
    from btviz.session import Corrections

    ds = load(name)
    written = export(
        ds.corrected(Corrections(ds)) if corrected else ds,
        out,
        form=form,
        texts=texts,
        population=population,
        where=where,
        categories=categories or None,
        split=splits or None,
        pairs=_pair_ids(pairs, file),
        order=order,
        replace=replace,
    )
    if as_json:
        print_json(written.to_dict())
        return
    _print(written)


def _pair_ids(pairs: tuple[str, ...], file: Path | None) -> list[int] | None:
    """Ids that were typed, and those in a file."""
    from btviz.data import read_frame
    from btviz.session import possible_ids

    if not pairs and file is None:
        return None
    texts = list(pairs)
    if file is not None:
        frame = read_frame(file)
        if "pair_id" not in frame.columns:
            raise UsageError(
                f"Pairs were to be taken from {file.name}; it has no column pair_id. Use a file that an export wrote."
            )
        texts += [str(value) for value in frame["pair_id"].drop_nulls()]
    return [number for text in texts for number in possible_ids(text)]


def _print(written: Export) -> None:
    columns = ["file", "table", "split", "rows"]
    print_table(written.files.select(columns).rows(), columns, title=f"Exported as {written.form}")
    tell("")
    for sentence in written.sentences():
        tell(sentence)
