"""`btviz corrections`: listed, taken in, handed on, taken back; and `btviz stats corrections`: what they change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from btviz.cli.report import json_option, print_json, print_reasons, print_table, say, tell
from btviz.taxonomy import folded

if TYPE_CHECKING:
    import polars as pl

    from btviz.data import Dataset

SHOWN = 20

_KEPT = click.option("--reviewer", metavar="NAME", help="Who says so; by default BTVIZ_REVIEWER, or the account.")


@click.group("corrections")
def corrections_group() -> None:
    """List, take in and hand on corrections; they are kept in the data folder, row by row, and never changed."""


@corrections_group.command("list")
@click.argument("name")
@click.option("--all", "everything", is_flag=True, help=f"All rows, not the latest {SHOWN} alone.")
@json_option
def list_corrections(name: str, *, everything: bool, as_json: bool) -> None:
    """List the corrections of pairs of NAME, the latest first, and what became of each."""
    from btviz import load
    from btviz.session import Corrections

    ds = load(name)
    corrected = ds.corrected(Corrections(ds))
    found = corrected.corrections.sort("time", descending=True, maintain_order=True)
    if as_json:
        print_json(
            {
                "name": ds.name,
                "corrected": corrected.name,
                "fingerprint": corrected.fingerprint,
                "corrections": _shown(found).to_dicts(),
            }
        )
        return
    columns = ["pair_id", "field", "before", "after", "reviewer", "time", "status"]
    rows = _shown(found).select(columns)
    print_table((rows if everything else rows.head(SHOWN)).rows(), columns, title=f"Corrections of {ds.population}")
    rest = "" if everything or found.height <= SHOWN else f" The latest {SHOWN} are shown; --all has every one."
    tell("\n" + folded(f"{found.height:,} rows; applied they give {corrected.name!r}.{rest}"))
    _say_why(found)


@corrections_group.command("import")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--by", metavar="COLUMN[=KEY]", help="Column of the pair's id: pair_id, a hash of the answer, line, a key."
)
@_KEPT
@json_option
def import_corrections(name: str, file: Path, *, by: str | None, reviewer: str | None, as_json: bool) -> None:
    """Take in FILE (.parquet, .csv, .jsonl) of corrections of NAME; rows that are here already stay as they are.

    It needs the columns field, after and an id of the pair; before, reviewer, why and time may be there, too.
    """
    from btviz import load
    from btviz.session import Corrections

    found = Corrections(load(name)).read(file, by=by, reviewer=reviewer)
    if as_json:
        print_json(vars(found))
        return
    tell(
        folded(
            f"{found.added:,} of {found.rows:,} rows added, matched by {found.by}; {found.known:,} were here already, "
            f"{found.unmatched:,} are of no pair of {name}, {found.ambiguous:,} of several, and "
            f"{found.not_understood:,} have a field or value that it does not have."
        )
    )


@corrections_group.command("export")
@click.argument("name")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--key", "keys", metavar="KEY", multiple=True, help="What files call the pairs: line, a hash, an id.")
def export_corrections(name: str, out: Path, *, keys: tuple[str, ...]) -> None:
    """Write the corrections of NAME to OUT (.parquet, .csv, .jsonl), without texts."""
    from btviz import load
    from btviz.session import Corrections

    kept = Corrections(load(name))
    written = kept.export(out, keys=keys)
    tell(f"{kept.table.height:,} rows written to {written}")


@corrections_group.command("undo")
@click.argument("name")
@_KEPT
def undo_correction(name: str, *, reviewer: str | None) -> None:
    """Take back the latest step of a reviewer in NAME, by further rows."""
    from btviz import load
    from btviz.session import Corrections

    kept = Corrections(load(name), reviewer=reviewer)
    n = kept.undo()
    tell(f"{n:,} fields put back." if n else f"Nothing of {kept.reviewer} is left to take back in {name}.")


@click.command("corrections")
@click.argument("name")
@click.option("--file", metavar="FILE", type=click.Path(path_type=Path), help="Corrections of a file, not those kept.")
@click.option("--probe", is_flag=True, help="Also fit a cost probe before and after; its texts are embedded first.")
@click.option("--encoder", default="minilm", show_default=True, help="For --probe, as for btviz map.")
@json_option
def stats_corrections(name: str, *, file: Path | None, probe: bool, encoder: str, as_json: bool) -> None:
    """Say what the corrections of NAME change: shares, phi, agreement, P(better = safer), accuracy of a probe."""
    from btviz import compare_corrections, embed, load
    from btviz.data import read_frame
    from btviz.session import Corrections

    ds = load(name)
    emb = None
    if probe:
        say(f"Embedding texts of {ds.population}")
        emb = embed(ds, text="qa", encoder=encoder)
    effects = compare_corrections(ds, Corrections(ds) if file is None else read_frame(file), emb=emb)
    if as_json:
        after = {"name": effects.after.name, "fingerprint": effects.after.fingerprint}
        print_json({"name": ds.name, "corrected": after, "effects": effects.table.to_dicts()})
        return
    _print_effects(effects.table, effects.after)
    tell("\n" + effects.sentences())


def _print_effects(table: pl.DataFrame, after: Dataset) -> None:
    import polars as pl

    moved = table.filter((pl.col("n_prompts_changed") > 0) | pl.col("difference").is_null())
    columns = ["statistic", "level", "n_after", "before", "after", "difference", "low", "high", "prompts changed"]
    shown = moved.rename({"difference_low": "low", "difference_high": "high", "n_prompts_changed": "prompts changed"})
    print_table(shown.select(columns).rows(), columns, title=f"What moved in {after.population}; 95 % by prompt")
    print_reasons(moved)


def _shown(found: pl.DataFrame) -> pl.DataFrame:
    """Rows with ids and times as people read them."""
    import polars as pl

    from btviz.session import hex_id

    ids = pl.Series("pair_id", [hex_id(pair) for pair in found["pair_id"]], pl.String)
    times = [pl.col(name).dt.to_string("%Y-%m-%d %H:%M:%S UTC") for name in ("time", "undoes")]
    return found.with_columns(ids, *times)


def _say_why(found: pl.DataFrame) -> None:
    from btviz.data import CORRECTION_STATUSES

    for status in found["status"].unique().sort():
        if status != "applied":
            tell(folded(f"{status}: {CORRECTION_STATUSES[status]}."))
