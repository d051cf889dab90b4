"""`btviz data`: what was released, what is here, and what is in it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from btviz.cli.report import format_bytes, json_option, print_json, print_table, say
from btviz.cli.show import data_show

if TYPE_CHECKING:
    from btviz.dataset import Dataset
    from btviz.sources import Release


@click.group("data")
def data_group() -> None:
    """List, fetch, adopt and describe data sets."""


data_group.add_command(data_show)


@data_group.command("list")
@click.option("--files", is_flag=True, help="Show every released file, its revision and hash (whole with --json).")
@json_option
def data_list(*, files: bool, as_json: bool) -> None:
    """List the embedded samples, the released data sets, and those you added."""
    from btviz import catalog, synthetic
    from btviz.sources import RELEASES

    adopted = catalog.adopted()
    others = [name for name in adopted if name not in RELEASES]
    if as_json:
        print_json(
            {
                "synthetic": list(synthetic.NAMES),
                "released": [_described(entry, is_here=name in adopted) for name, entry in RELEASES.items()],
                "added": others,
            }
        )
    elif files:
        for entry in RELEASES.values():
            _print_files(entry)
    else:
        rows: list[list[object]] = [[name, None, "made on the spot", True] for name in synthetic.NAMES]
        rows += [[name, _rows(e), format_bytes(e.bytes), name in adopted] for name, e in RELEASES.items()]
        rows += [[name, None, None, True] for name in others]
        print_table(rows, ["data set", "rows", "download", "here"])
        click.echo("\nThe released data are licensed CC BY-NC 4.0. Their texts are harmful by design.")
        click.echo("Get one: btviz data fetch NAME. Use a copy you have: btviz data add NAME FILE...")


@data_group.command("fetch")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("--force", is_flag=True, help="Download again what is here already.")
@json_option
def data_fetch(names: tuple[str, ...], *, force: bool, as_json: bool) -> None:
    """Download released data sets from the hub: pinned, resumed, checked by hash; and add them."""
    from btviz import catalog, sources

    fetched = {}
    for name in names:
        paths = sources.fetch(name, force=force)
        catalog.add(name, paths, replace=True)
        fetched[name] = [str(path) for path in paths]
    if as_json:
        print_json(fetched)
        return
    print_table([[name, path] for name, paths in fetched.items() for path in paths], ["data set", "file"])


@data_group.command("add")
@click.argument("name")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--split", help="Split of these files; by default what their names say.")
@click.option("--replace", is_flag=True, help="Forget the files that NAME had before.")
@click.option("--taxonomy", metavar="FILE", help="Categories of your own: a small TOML file, remembered with NAME.")
@json_option
def data_add(
    name: str, files: tuple[Path, ...], *, split: str | None, replace: bool, taxonomy: str | None, as_json: bool
) -> None:
    """Adopt local copies as NAME: .jsonl, .json, .csv (also .gz, .xz, .zst), .parquet, folders."""
    from btviz import catalog

    ds = catalog.add(name, files, split=split, replace=replace, taxonomy=taxonomy)
    account = [
        {key: file[key] for key in ("path", "split", "rows_in", "rows_kept", "rows_rejected")}
        for file in ds.facts["files"]
    ]
    known = {"name": ds.name, "release": ds.release, "taxonomy": ds.taxonomy.name, "fingerprint": ds.fingerprint}
    if as_json:
        print_json({**known, "files": account, "oddities": ds.problems.height})
        return
    print_table([list(file.values()) for file in account], ["file", "split", "rows read", "kept", "rejected"])
    if ds.problems.height:
        say(f"{ds.problems.height:,} oddities were found; see: btviz data show {name}")
    click.echo(f'\n{ds.name} is {_known_as(ds)}. Load it with btviz.load("{ds.name}").')


@data_group.command("remove")
@click.argument("name")
def data_remove(name: str) -> None:
    """Forget the data set NAME that was added; your files, and what was read from them, stay."""
    from btviz import catalog

    catalog.remove(name)
    click.echo(f"{name} is forgotten. Add it again with: btviz data add {name} FILE...")


def _known_as(ds: Dataset) -> str:
    from btviz.sources import RELEASES

    if ds.release is None:
        return "of no known release"
    published = {h for file in RELEASES[ds.release].files for h in (file.sha256, file.content_sha256)}
    if all(file["sha256"] in published for file in ds.facts["files"]):
        return f"recognised as {ds.release} by the published hashes"
    return f"taken for {ds.release} by its name; no published hash confirms it"


def _described(entry: Release, *, is_here: bool) -> dict[str, Any]:
    from btviz import published

    counts = published.numbers(entry.name).to_dicts()
    more = {"is_pinned": entry.is_pinned, "bytes": entry.bytes, "is_here": is_here, "published": counts}
    return {**asdict(entry), **more}


def _print_files(entry: Release) -> None:
    revision = f"revision {entry.revision}" if entry.revision else f"no revision ({entry.unknown['revision']})"
    cells = [
        [file.path, file.rows, format_bytes(file.bytes), f"{file.sha256[:16]}…" if file.sha256 else None]
        for file in entry.files
    ]
    click.echo(f"{entry.name}: {entry.repo_id}, {revision}\n{entry.note}")
    if cells:
        print_table(cells, ["file", "rows", "size", "sha256"])
    click.echo("")


def _rows(entry: Release) -> int | None:
    rows = [file.rows for file in entry.files]
    return sum(row for row in rows if row) if rows and all(rows) else None
