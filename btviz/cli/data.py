"""`btviz data`: what was released, what is here, and what is in it beside what was published of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from btviz.cli.columns import TakesColumns, columns_option, mapping_of
from btviz.cli.inspect import data_inspect, data_taxonomy
from btviz.cli.report import ABSENT, format_bytes, json_option, print_json, print_table, say, tell
from btviz.errors import MissingExtraError

if TYPE_CHECKING:
    import polars as pl

    from btviz.data import Dataset, Held, Neighbour, Release
    from btviz.taxonomy import Taxonomy

Row = dict[str, Any]
MANY_PROMPTS = 5_000
"""Prompts of which near duplicates are counted unasked: within seconds, and then read from the store."""

_CATEGORY = {"category_count": "count", "category_share": "share"}


@click.command("show", cls=TakesColumns)
@click.argument("name")
@columns_option
@click.option(
    "--near-duplicates/--no-near-duplicates",
    "near",
    default=None,
    help=f"Count prompts that say nearly what others say; by default up to {MANY_PROMPTS:,} prompts.",
)
@json_option
def data_show(name: str, *, pairs: tuple[str, ...], near: bool | None, as_json: bool) -> None:
    """Describe NAME: rows, pairs, labels, oddities; published numbers beside them."""
    from btviz import load
    from btviz.reports import summarise

    summary = summarise(load(name, columns=mapping_of(pairs)))
    duplicates = _near_duplicates(summary.ds, wanted=near)
    if as_json:
        near_rows = None if duplicates is None else duplicates.to_dicts()
        print_json({**summary.to_dict(), "near_duplicates": near_rows})
        return
    _print_unkept(summary.ds)
    _print_origin(summary.ds)
    rows = _merged(summary.quantities.to_dicts())
    _print_counts([row for row in rows if row["category"] is None])
    if summary.word_rule:
        tell(f"Words are {summary.word_rule}.")
    if summary.doubt:
        tell(f"\nDoubtful: {summary.doubt}.")
    by_category = [row for row in rows if row["quantity"] in _CATEGORY]
    if by_category:  # of answers in comparisons only where there are no annotations: --json has both
        first = by_category[0]["population"]
        _print_categories([row for row in by_category if row["population"] == first], summary.ds.taxonomy)
    _print_frame(summary.oddities, "Oddities found in reading")
    _print_frame(summary.overlap.drop("rule", strict=False), "Shared by two splits")
    _print_near(summary.ds, duplicates, wanted=near)
    _print_across(summary.repeats.drop("rule", strict=False), "Answers repeated in comparisons")
    if summary.ds.is_synthetic:
        _print_targets(summary.ds)


def _near_duplicates(ds: Dataset, *, wanted: bool | None) -> pl.DataFrame | None:
    """Prompts with a near duplicate; None where that was not asked for, and would take long or needs an extra."""
    from btviz.texts import prompt_duplicates

    if wanted is False or (wanted is None and ds.pairs["prompt_id"].n_unique() > MANY_PROMPTS):
        return None
    try:
        return prompt_duplicates(ds)
    except MissingExtraError:
        if wanted:
            raise
        return None


def _print_near(ds: Dataset, duplicates: pl.DataFrame | None, *, wanted: bool | None) -> None:
    if duplicates is None:
        if wanted is None:
            tell(f"\nNear duplicates of prompts: btviz data show {ds.name} --near-duplicates")
        return
    if duplicates.is_empty():
        return
    lines = [
        [row["split"] or "all", row["prompts"], row["near_duplicate"], _percent(row["share"]), row["near_other_split"],
         _percent(row["share_other_split"])]
        for row in duplicates.to_dicts()
    ]  # fmt: skip
    tell("")
    columns = ["split", "prompts", "with a near duplicate", "share", "of another split", "share"]
    print_table(lines, columns, title=f"Prompts that say nearly what another says: {duplicates['rule'][0]}")


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{100 * share:.2f} %"


def _print_unkept(ds: Dataset) -> None:
    """Say first what may be labels and is not kept: no number below counts it."""
    from btviz.data import unkept_labels

    if ds.labels_not_kept:
        sentences = unkept_labels(ds)
        tell(f"{sentences[0].upper()}{sentences[1:]}\n")


def _print_origin(ds: Dataset) -> None:
    release = f"release {ds.release}" if ds.release else "your own file"
    made = "made by btviz, benign text" if ds.is_synthetic else release
    tell(f"{ds.population}: {made}, taxonomy of {len(ds.taxonomy)} categories, fingerprint {ds.fingerprint}\n")
    if ds.facts["files"]:
        counts = ["rows_in", "rows_kept", "rows_rejected"]
        rows = [
            [file["label"], [split for split in file["splits"] if split], *(file[count] for count in counts)]
            for file in ds.facts["files"]
        ]
        print_table(rows, ["file", "split", "rows", "kept", "rejected"])
        for sentence in _said(ds):
            tell(sentence)
        tell("")


def _said(ds: Dataset) -> list[str]:
    """What is to be known of how the files were read, each sentence once."""
    return list(dict.fromkeys(sentence for file in ds.facts["files"] for sentence in file.get("said", [])))


def _print_counts(rows: list[Row]) -> None:
    columns, lines = _side_by_side(rows, line=lambda row: (_words(row), row["population"]), column=_split)
    print_table(lines, ["quantity", "of", *columns])


def _print_categories(rows: list[Row], taxonomy: Taxonomy) -> None:
    published = {(row["quantity"], row["split"]) for row in rows if row["published"]}
    if not _has_one_split(rows):  # --json has every split; here only those of which something was published
        rows = [row for row in rows if row["split"] is None or (row["quantity"], row["split"]) in published]
    columns, lines = _side_by_side(
        sorted(rows, key=lambda row: row["quantity"]),
        line=lambda row: (taxonomy[row["category"]].slug,),
        column=lambda row: f"{_CATEGORY[row['quantity']]}, {_split(row)}",
    )
    title = f"Categories of {rows[0]['population']}"
    shares = any(row["quantity"] == "category_share" for row in rows)
    tell("")
    print_table(lines, ["category", *columns], title=f"{title}; a share is of the unsafe ones" if shares else title)


def _side_by_side(
    rows: list[Row], *, line: Callable[[Row], tuple[str, ...]], column: Callable[[Row], str]
) -> tuple[list[str], list[list[Any]]]:
    """One line per quantity; one column per split, and after it what was published of it, if anything."""
    one_split = _has_one_split(rows)
    lines: dict[tuple[str, ...], dict[tuple[str, bool], str]] = {}
    for row in sorted(rows, key=lambda row: one_split and row["split"] is None):
        cells = lines.setdefault(line(row), {})
        if row["split"] or not one_split:  # with one split, the whole only repeats its numbers
            cells[column(row), False] = _number(row["value"], row["unit"])
        if row["published"]:
            cells[column(row), True] = row["published"]
    filled = dict.fromkeys(key for cells in lines.values() for key in cells)
    names = dict.fromkeys(name for name, _ in filled)
    order = [key for name in names for key in ((name, False), (name, True)) if key in filled]
    headings = [
        name if not is_published else "published" if (name, False) in filled else f"published, {name}"
        for name, is_published in order
    ]
    return headings, [[*words, *(cells.get(key) for key in order)] for words, cells in lines.items()]


def _has_one_split(rows: list[Row]) -> bool:
    return len({row["split"] for row in rows} - {None}) == 1


def _split(row: Row) -> str:
    return row["split"] or "all"


def _merged(rows: list[Row]) -> list[Row]:
    """One row per quantity; where several numbers were printed, all of them in one cell."""
    merged: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        key = tuple(row[name] for name in ("quantity", "population", "category", "level", "split"))
        kept = merged.setdefault(key, {**row, "published": None})
        if row["published"] is not None:
            number = _number(row["published"], row["unit"])
            kept["published"] = f"{kept['published']} or {number}" if kept["published"] else number
    return list(merged.values())


def _print_frame(table: pl.DataFrame, title: str) -> None:
    if table.height:
        tell("")
        print_table(table.rows(), [name.replace("_", " ") for name in table.columns], title=title)


def _print_across(table: pl.DataFrame, title: str) -> None:
    """Print a wide table of few rows with a column for each row."""
    if table.height:
        unit, *columns = table.columns
        tell("")
        lines = [[name.replace("_", " "), *table[name]] for name in columns]
        print_table(lines, ["", *table[unit]], title=title)


def _print_targets(ds: Dataset) -> None:
    keys = {category.key: category.slug for category in ds.taxonomy.categories}
    cells = [
        [row["statistic"], keys.get(row["level"], row["level"]), _short(row["target"]), _short(row["obtained"]),
         row["source"]]
        for row in ds.targets.to_dicts()
    ]  # fmt: skip
    tell("")
    columns = ["statistic", "level", "target", "obtained", "source"]
    print_table(cells, columns, title="What the generator aimed at, and what came out")


def _words(row: Row) -> str:
    words = f"{row['quantity']}, {row['level']}" if row["level"] else row["quantity"]
    return str(words.replace("_", " "))


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return ABSENT
    digits = 0 if unit == "count" else 2
    return f"{value:,.{digits}f}" + " %" * (unit == "percent")


def _short(value: float | None) -> str:
    if value is None:
        return ABSENT
    if value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.{4 if abs(value) < 1 else 2 if abs(value) < 1000 else 0}f}"


@click.group("data")
def data_group() -> None:
    """List, fetch, adopt and describe data sets."""


data_group.add_command(data_show)
data_group.add_command(data_inspect)
data_group.add_command(data_taxonomy)


@data_group.command("list")
@click.option("--files", is_flag=True, help="Show every released file, its revision and hash (whole with --json).")
@click.option("--all", "everything", is_flag=True, help="Also what is read of other authors: shape, licence, evidence.")
@json_option
def data_list(*, files: bool, everything: bool, as_json: bool) -> None:
    """List the embedded samples, the released data sets, and those you added."""
    from btviz.data import NEIGHBOURS, RELEASES, SYNTHETIC_NAMES, inventory

    held = {here.name: here for here in inventory()}
    others = [name for name in held if name not in RELEASES]
    if as_json:
        print_json(
            {
                "synthetic": list(SYNTHETIC_NAMES),
                "released": [_described(entry, is_here=name in held) for name, entry in RELEASES.items()],
                "added": others,
                "here": [asdict(here) for here in held.values()],
                **({"neighbours": [asdict(entry) for entry in NEIGHBOURS.values()]} if everything else {}),
            }
        )
    elif files:
        for entry in RELEASES.values():
            _print_files(entry)
    else:
        rows: list[list[object]] = [[name, None, "made on the spot", "yes", None] for name in SYNTHETIC_NAMES]
        rows += [[name, _rows(e), format_bytes(e.bytes), *_here(held.get(name), e)] for name, e in RELEASES.items()]
        rows += [[name, None, None, *_here(held[name])] for name in others]
        print_table(rows, ["data set", "rows", "download", "here", "files"])
        tell("\nThe released data are licensed CC BY-NC 4.0. Their texts are harmful by design.")
        tell("Get one: btviz data fetch NAME. Use a copy you have: btviz data add NAME FILE...")
        if everything:
            _print_neighbours(NEIGHBOURS.values())


@data_group.command("fetch")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("--force", is_flag=True, help="Download again what is here already.")
@json_option
def data_fetch(names: tuple[str, ...], *, force: bool, as_json: bool) -> None:
    """Download released data sets from the hub: pinned, resumed, checked by hash; and add them."""
    from btviz.data import add, fetch

    fetched = {}
    for name in names:
        paths = fetch(name, force=force)
        add(name, paths, replace=True)
        fetched[name] = [str(path) for path in paths]
    if as_json:
        print_json(fetched)
        return
    print_table([[name, path] for name, paths in fetched.items() for path in paths], ["data set", "file"])


@data_group.command("add", cls=TakesColumns)
@click.argument("name")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--split", help="Split of these files; by default what their names say.")
@click.option("--replace", is_flag=True, help="Forget the files that NAME had before.")
@click.option("--taxonomy", metavar="FILE", help="Categories of your own: a small TOML file, remembered with NAME.")
@columns_option
@json_option
def data_add(
    name: str,
    files: tuple[Path, ...],
    *,
    split: str | None,
    replace: bool,
    taxonomy: str | None,
    pairs: tuple[str, ...],
    as_json: bool,
) -> None:
    """Adopt local copies as NAME: .jsonl, .json, .csv (also .gz, .xz, .zst), .parquet, folders."""
    from btviz.data import add

    ds = add(name, files, split=split, replace=replace, taxonomy=taxonomy, columns=mapping_of(pairs))
    account = [
        {key: file[key] for key in ("path", "split", "rows_in", "rows_kept", "rows_rejected")}
        for file in ds.facts["files"]
    ]
    known = {"name": ds.name, "release": ds.release, "taxonomy": ds.taxonomy.name, "fingerprint": ds.fingerprint}
    if as_json:
        print_json(
            {
                **known,
                "labels_not_kept": ds.labels_not_kept,
                "files": account,
                "passed_over": ds.facts["passed_over"],
                "oddities": ds.problems.height,
            }
        )
        return
    _print_unkept(ds)
    print_table([list(file.values()) for file in account], ["file", "split", "rows read", "kept", "rejected"])
    for sentence in _said(ds):
        say(sentence)
    if ds.problems.height:
        say(f"Oddities were found, {ds.problems.height:,} in all; see: btviz data show {name}")
    tell(f'\n{ds.name} is {_known_as(ds)}. Load it with btviz.load("{ds.name}").')


@data_group.command("remove")
@click.argument("name")
def data_remove(name: str) -> None:
    """Forget the data set NAME that was added; your files, and what was read from them, stay."""
    from btviz.data import remove

    remove(name)
    tell(f"{name} is forgotten. Add it again with: btviz data add {name} FILE...")


def _known_as(ds: Dataset) -> str:
    from btviz.data import RELEASES

    if ds.release is None:
        return "your own file"
    published = {h for file in RELEASES[ds.release].files for h in (file.sha256, file.content_sha256)}
    if all(file["sha256"] in published for file in ds.facts["files"]):
        return f"recognised as {ds.release} by the published hashes"
    return f"taken for {ds.release} by its name; no published hash confirms it"


def _described(entry: Release, *, is_here: bool) -> dict[str, Any]:
    from btviz.data import published_numbers

    counts = published_numbers(entry.name).to_dicts()
    more = {"is_pinned": entry.is_pinned, "bytes": entry.bytes, "is_here": is_here, "published": counts}
    return {**asdict(entry), **more}


def _here(held: Held | None, release: Release | None = None) -> tuple[str, str | None]:
    """What is here of a data set, and of its files."""
    from btviz.data import cached_release

    if held is None:
        is_cached = release is not None and cached_release(release) is not None
        return ("in the hub's cache" if is_cached else "no"), None
    rows = "yes" if held.rows is None else f"{held.rows:,} rows"
    where = held.extent or " and ".join(held.splits)
    files = [f"{len(paths)} {word}" for paths, word in ((held.present, "there"), (held.missing, "missing")) if paths]
    return (f"{rows}, {where}" if where else rows), ", ".join(files) or None


def _print_neighbours(entries: Iterable[Neighbour]) -> None:
    """What other authors released, and how it is known what their files look like."""
    tell("\nOther data sets whose files are recognised; get them from their authors, and load your copy:")
    asks = {True: "yes", False: "no", None: "not known"}
    rows = [[e.title, e.repo, e.taxonomy, e.licence, asks[e.gated], e.grade] for e in entries]
    print_table(rows, ["data set", "repository", "categories", "licence", "asks consent", "shape is"])
    for entry in entries:
        tell(f"\n{entry.title}: {entry.shape}\n  becomes {', '.join(entry.tables)}. {entry.note}\n  {entry.evidence}")


def _print_files(entry: Release) -> None:
    revision = f"revision {entry.revision}" if entry.revision else f"no revision ({entry.unknown['revision']})"
    cells = [
        [file.path, file.rows, format_bytes(file.bytes), f"{file.sha256[:16]}…" if file.sha256 else None]
        for file in entry.files
    ]
    tell(f"{entry.name}: {entry.repo_id}, {revision}\n{entry.note}")
    if cells:
        print_table(cells, ["file", "rows", "size", "sha256"])
    tell("")


def _rows(entry: Release) -> int | None:
    rows = [file.rows for file in entry.files]
    return sum(row for row in rows if row) if rows and all(rows) else None
