"""From source files to a stored data set: read, assemble, and write tables, problems and counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from btviz.data.assemble import assemble, fingerprint_of
from btviz.data.reading.files import split_of
from btviz.data.reading.parse import Parsed, parse
from btviz.data.releases import RELEASES
from btviz.data.tables import PROBLEMS
from btviz.errors import DataError, UsageError
from btviz.machine import bar
from btviz.store import Draft, Entry, Key, Store, remembered_sha256
from btviz.taxonomy import BEAVERTAILS, TAXONOMIES, Taxonomy
from btviz.taxonomy.taxonomy_file import document_of, taxonomy_of

VERSION = 5
"""Raised when reading or assembling changes what is stored."""


@dataclass(frozen=True)
class Source:
    """One file of a data set."""

    path: str
    label: str
    split: str | None
    sha256: str


def sources_of(paths: Sequence[Path], *, split: str | None = None) -> list[Source]:
    """Describe files: hash, split (given, or from the name) and a label that tells them apart."""
    files = [path.resolve() for path in paths]
    same_name = len({path.name for path in files}) < len(files)
    return [
        Source(
            str(path),
            f"{path.parent.name}/{path.name}" if same_name else path.name,
            split or split_of(path),
            remembered_sha256(path),
        )
        for path in files
    ]


def release_of(sources: Iterable[Source]) -> str | None:
    """Registry name of the release that these files are copies of, by their published hashes."""
    digests = {source.sha256 for source in sources}
    for name, release in RELEASES.items():
        published = {h for file in release.files for h in (file.sha256, file.content_sha256) if h}
        if digests <= published:
            return name
    return None


def with_splits(sources: Iterable[Source], release: str | None) -> list[Source]:
    """Name the split of files whose names do not: as the release has them, if that says one."""
    if release is None:
        return list(sources)
    files = RELEASES[release].files
    named = {h: file.split for file in files for h in (file.sha256, file.content_sha256) if h}
    only = RELEASES[release].splits[0] if len(RELEASES[release].splits) == 1 else None
    return [replace(source, split=source.split or named.get(source.sha256, only)) for source in sources]


@dataclass(frozen=True)
class Recipe:
    """What a data set is made of."""

    sources: tuple[Source, ...]
    release: str | None = None
    taxonomy: Taxonomy | None = None

    @classmethod
    def of(cls, sources: Iterable[Source], *, release: str | None = None, taxonomy: Taxonomy | None = None) -> Recipe:
        """Recipe of files, recognised where they are copies of a release and `taxonomy` is not given."""
        distinct = list({source.sha256: source for source in sources}.values())
        if taxonomy is not None:  # what is published is about the release's categories
            return cls(tuple(distinct), taxonomy=taxonomy)
        release = release or release_of(distinct)
        return cls(tuple(with_splits(distinct, release)), release)

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> Recipe:
        """What `document` gave."""
        taxonomy = document.get("taxonomy")
        return cls(
            tuple(Source(**source) for source in document["sources"]),
            document["release"],
            None if taxonomy is None else taxonomy_of(taxonomy, file="the catalogue"),
        )

    def document(self) -> dict[str, Any]:
        """All of it as JSON, for the catalogue."""
        fields = {"sources": [asdict(source) for source in self.sources], "release": self.release}
        return fields | ({} if self.taxonomy is None else {"taxonomy": document_of(self.taxonomy)})

    @property
    def key(self) -> Key:
        """Store key: what the files hold and how they are called, not where they lie."""
        files = [[source.label, source.split] for source in self.sources]
        params: dict[str, Any] = {"files": files, "release": self.release}
        if self.taxonomy is not None:
            params["taxonomy"] = document_of(self.taxonomy)
        return Key("datasets", tuple(source.sha256 for source in self.sources), params, VERSION)

    def entry(self) -> Entry:
        """Entry of the data set, read from the store or built now."""
        return Store().build(self.key, lambda draft: _read_and_assemble(draft, self))


def _read_and_assemble(draft: Draft, recipe: Recipe) -> None:
    release = recipe.release
    parsed: list[tuple[Source, Parsed]] = []
    for source in recipe.sources:
        path = Path(source.path)
        with bar(f"Reading {source.label}", total=path.stat().st_size) as progress:
            parsed.append((source, parse(path, progress=progress, taxonomy=recipe.taxonomy)))
    if recipe.taxonomy is not None:
        _check_fit(parsed, recipe.taxonomy)
    taxonomy = recipe.taxonomy or _taxonomy_of(parsed, release=release)
    produced = {kind: _rows(parsed, kind) for kind in ("annotations", "preferences", "prompts")}
    tables = assemble(
        taxonomy,
        annotations=produced["annotations"],
        comparisons=produced["preferences"],
        prompts=produced["prompts"],
    )
    problems = pl.concat(
        [p.problems.with_columns(pl.lit(s.label).alias("file")) for s, p in parsed] + [_copies(parsed)]
    )
    if release and RELEASES[release].one_annotation_per_pair and produced["annotations"] is not None:
        problems = pl.concat([problems, _repeats(produced["annotations"])])
    write_dataset(
        draft,
        tables=tables | {"problems": problems},
        facts={
            "taxonomy": taxonomy.name,
            "own_taxonomy": None if recipe.taxonomy is None else document_of(taxonomy),
            "release": release,
            "is_synthetic": False,
            "files": [_account(source, p) for source, p in parsed],
        },
    )


def write_dataset(draft: Draft, *, tables: dict[str, pl.DataFrame], facts: dict[str, Any]) -> None:
    """Write the tables of a data set, and its facts with the fingerprint of its rows."""
    for name, table in tables.items():
        draft.table(name, table)
    rows = [tables[name] for name in ("annotations", "preferences", "prompts")]
    turns = tables["conversations"].select("conversation_id", "turn", "pair_id")
    rows += [turns] if turns.height else []  # of a data set without any, the hash stays that of its rows
    draft.document("facts", facts | {"fingerprint": fingerprint_of(rows)})


def _taxonomy_of(parsed: Iterable[tuple[Source, Parsed]], *, release: str | None) -> Taxonomy:
    names = {p.layout.taxonomy.name for _, p in parsed if p.layout.taxonomy}
    if len(names) > 1:
        raise DataError(
            f"The files were to be one data set; their categories are those of {sorted(names)}. "
            "Add each taxonomy under a name of its own."
        )
    if names:
        return TAXONOMIES[names.pop()]
    return TAXONOMIES[RELEASES[release].taxonomy] if release else BEAVERTAILS


def _check_fit(parsed: Iterable[tuple[Source, Parsed]], taxonomy: Taxonomy) -> None:
    """Raise where every row of a file was rejected for categories that `taxonomy` does not speak of."""
    for source, p in parsed:
        kinds = set(p.problems["kind"]) & {"missing category", "unknown category"}
        if kinds and p.rows.is_empty():
            raise DataError(
                f"{source.label} was to be read with the categories of {taxonomy.name!r}, {list(taxonomy.keys)}; every "
                "row lacks one of them, or has others. Correct the keys in the taxonomy file, or use another one for "
                "this file."
            )


def _rows(parsed: Iterable[tuple[Source, Parsed]], kind: str) -> pl.DataFrame | None:
    frames = [
        p.rows.with_columns(pl.lit(source.split, pl.String).alias("split"), pl.lit(source.label).alias("file"))
        for source, p in parsed
        if p.layout.produces == kind
    ]
    return pl.concat(frames, how="diagonal") if frames else None


def _copies(parsed: Sequence[tuple[Source, Parsed]]) -> pl.DataFrame:
    """Files that hold the rows of another, compressed in another way or written in another format."""
    problems = [
        (later.label, None, "copy of another file", "kept", f"its rows are those of {earlier.label}")
        for i, (later, rows) in enumerate(parsed)
        for earlier, others in parsed[:i]
        if rows.rows.height and rows.rows.drop("line").equals(others.rows.drop("line"))
    ]
    return pl.DataFrame(problems, schema=PROBLEMS, orient="row")


def _repeats(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows that annotate a pair again, in a release that has one annotation per pair."""
    again = ~pl.struct("prompt", "response").is_first_distinct()
    return (
        rows.filter(again)
        .select(
            pl.col("file"),
            pl.col("line"),
            pl.lit("repeated pair").alias("kind"),
            pl.lit("kept").alias("action"),
            pl.lit("the release has one annotation per pair").alias("detail"),
        )
        .cast(PROBLEMS)
    )


def _account(source: Source, parsed: Parsed) -> dict[str, Any]:
    """Counts in = counts kept + counts rejected, for one file."""
    kept = parsed.rows.height
    if parsed.rows_in < kept:
        raise AssertionError(f"{source.label}: {kept} rows kept of {parsed.rows_in}")
    return asdict(source) | {
        "layout": parsed.layout.name,
        "rows_in": parsed.rows_in,
        "rows_kept": kept,
        "rows_rejected": parsed.rows_in - kept,
        "keys_not_kept": sorted(parsed.layout.not_kept),
    }


def expect_files(paths: Iterable[Path]) -> list[Path]:
    """Return the paths if every one is a file."""
    files = list(paths)
    missing = [str(path) for path in files if not path.is_file()]
    if missing or not files:
        raise UsageError(f"Files were to be read; {missing or 'none'} is not there. Check the spelling and the folder.")
    return files
