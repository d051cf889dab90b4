"""From source files to a stored data set: read, assemble, and write tables, problems and counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from btviz.data.assemble import assemble
from btviz.data.copies import FileRows, copies_of
from btviz.data.reading.files import split_of
from btviz.data.reading.frames import Table
from btviz.data.reading.parse import Parsed, labels_by_answer, parse
from btviz.data.reading.proposals import Place
from btviz.data.reading.record import Progress
from btviz.data.reading.shapes.comparisons import order_of
from btviz.data.releases import RELEASES
from btviz.data.sources import (
    STANDARD_INPUT,
    Holding,
    PassedOver,
    Source,
    is_received,
    labelled,
    problems_of,
    shown_path,
    summary_of,
)
from btviz.data.stored import VERSION, write_dataset
from btviz.data.tables import PROBLEMS
from btviz.errors import BtvizError, DataError
from btviz.machine import bar
from btviz.store import Draft, Entry, Key, Store, sha256
from btviz.taxonomy import BEAVERTAILS, TAXONOMIES, Taxonomy
from btviz.taxonomy.taxonomy_file import document_of, taxonomy_of

Held = Mapping[str, Table | Parsed]
"""What need not be read from files, by hash: tables in memory, and files that were parsed as they were hashed."""


def published_files() -> dict[str, tuple[str, str]]:
    """Registry name and split of every released file whose hash is published, by that hash."""
    return {
        digest: (name, file.split)
        for name, release in RELEASES.items()
        for file in release.files
        for digest in (file.sha256, file.content_sha256)
        if digest
    }


def release_of(sources: Iterable[Source]) -> str | None:
    """Registry name of the release that these files are copies of, by their published hashes."""
    published = published_files()
    names = {published.get(source.sha256, (None, None))[0] for source in sources}
    return names.pop() if len(names) == 1 else None


def with_splits(sources: Iterable[Source], release: str | None) -> list[Source]:
    """Name the split of files whose names do not: as the release has them, if that says one."""
    if release is None:
        return list(sources)
    published = published_files()
    only = RELEASES[release].splits[0] if len(RELEASES[release].splits) == 1 else None
    return [replace(source, split=source.split or published.get(source.sha256, (None, only))[1]) for source in sources]


def counted_once(sources: Iterable[Source], *, release: str | None) -> tuple[list[Source], list[PassedOver]]:
    """Leave out what hashes alone show to be there twice: equal files, and other sizes of one release."""
    published = published_files()
    distinct: dict[str, Source] = {}
    passed: list[PassedOver] = []
    for source in sources:
        first = distinct.setdefault(source.sha256, source)
        if first is not source:
            passed.append(PassedOver(source.label, "copy of another file", f"its bytes are those of {first.label}"))
    names = {published[digest][0] for digest in distinct if digest in published}
    for digest, source in list(distinct.items()):
        name = published.get(digest, ("", ""))[0]
        larger = RELEASES[name].part_of if name else None
        if larger in names and release in {None, larger}:
            passed.append(PassedOver(source.label, "part of another file", f"{larger} holds its rows and is here, too"))
        elif release is not None and name not in {"", release}:
            passed.append(PassedOver(source.label, "file of another release", f"it is one of {name}"))
        else:
            continue
        del distinct[digest]
    return list(distinct.values()), passed


@dataclass(frozen=True)
class Recipe:
    """What a data set is made of."""

    sources: tuple[Source, ...]
    release: str | None = None
    taxonomy: Taxonomy | None = None
    beside: tuple[PassedOver, ...] = ()
    columns: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(
        cls,
        holding: Holding,
        *,
        release: str | None = None,
        taxonomy: Taxonomy | None = None,
        columns: Mapping[str, str] | None = None,
    ) -> Recipe:
        """Recipe of files, recognised where they are copies of a release and a user says nothing else of them."""
        sources = tuple(labelled(list({source.path: source for source in holding.sources}.values())))
        beside = tuple(dict.fromkeys(holding.passed))
        if taxonomy is not None or columns:  # what is published is about the release's categories and columns
            return cls(sources, None, taxonomy, beside, tuple(sorted((columns or {}).items())))
        counted, passed = counted_once(sources, release=release)
        if not counted:
            raise DataError(
                f"Files were to be added as {release!r}; they are of other releases: {summary_of(passed)}. Add them "
                "under the name of their own release, or one of yours."
            )
        release = release or release_of(counted)
        return cls(tuple(with_splits(sources, release)), release, None, beside)

    @cached_property
    def _once(self) -> tuple[list[Source], list[PassedOver]]:
        return counted_once(self.sources, release=self.release)

    @property
    def counted(self) -> list[Source]:
        """Files that are read: each once."""
        return self._once[0]

    @property
    def passed(self) -> list[PassedOver]:
        """What is not read: no data, and copies."""
        return [*self.beside, *self._once[1]]

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> Recipe:
        """What `document` gave."""
        taxonomy = document.get("taxonomy")
        return cls(
            tuple(Source(**source) for source in document["sources"]),
            document["release"],
            None if taxonomy is None else taxonomy_of(taxonomy, file="the catalogue"),
            tuple(PassedOver(**item) for item in document.get("beside", ())),
            tuple(sorted(document.get("columns", {}).items())),
        )

    def document(self) -> dict[str, Any]:
        """All of it as JSON, for the catalogue."""
        fields = {
            "sources": [asdict(source) for source in self.sources],
            "release": self.release,
            "beside": [asdict(item) for item in self.beside],
        }
        own = {} if self.taxonomy is None else {"taxonomy": document_of(self.taxonomy)}
        return fields | own | ({"columns": dict(self.columns)} if self.columns else {})

    def joined(self, holding: Holding, *, release: str | None) -> Recipe:
        """Recipe of these files and others; one that is there already counts as it is now."""
        return Recipe.of(
            Holding((*self.sources, *holding.sources), (*self.beside, *holding.passed)),
            release=release,
            taxonomy=self.taxonomy,
            columns=dict(self.columns),
        )

    @property
    def key(self) -> Key:
        """Store key: what the files hold and how they are called, not where they lie."""
        files = [[source.label, source.split, source.named] for source in self.counted]
        params: dict[str, Any] = {"files": files, "release": self.release}
        if self.taxonomy is not None:
            params["taxonomy"] = document_of(self.taxonomy)
        if any(orders := [order_of(source.content) for source in self.counted]):  # by the names of folders
            params["orders"] = orders
        if self.columns:
            params["columns"] = dict(self.columns)
        return Key("datasets", tuple(source.sha256 for source in self.counted), params, VERSION)

    def entry(self, held: Held | None = None) -> Entry:
        """Entry of the data set, read from the store or built now, of files or of what is held in memory of them."""
        return Store().build(self.key, lambda draft: _read_and_assemble(draft, self, held or {}))


class HashedAsRead(dict[str, Table | Parsed]):
    """Files of which nothing is known, parsed by the pass over their bytes that hashes them."""

    def __init__(self, *, taxonomy: Taxonomy | None, columns: Mapping[str, str] | None) -> None:
        super().__init__()
        self._taxonomy, self._columns = taxonomy, columns

    def hashed(self, path: Path) -> str:
        """Hash of a file; what was parsed is kept under it."""
        try:
            with bar(f"Reading {shown_path(path.name)}", total=path.stat().st_size) as progress:
                parsed = parse(path, progress=progress, taxonomy=self._taxonomy, columns=self._columns)
        except BtvizError:  # said when it is read, where more is known of it
            return sha256(path)
        digest = parsed.sha256 or sha256(path)
        self[digest] = parsed
        return digest


@dataclass(frozen=True)
class Reading:
    """What came of reading the files of a recipe."""

    parsed: list[tuple[Source, Parsed]]
    release: str | None
    passed: list[PassedOver]
    doubts: list[str]

    def rows(self, kind: str) -> pl.DataFrame | None:
        """Rows for one table, of all files."""
        frames = [
            _with_split(p.rows, source).with_columns(pl.lit(source.label).alias("file"))
            for source, p in self.parsed
            if p.layout.produces == kind
        ]
        return pl.concat(frames, how="diagonal") if frames else None

    def problems(self) -> pl.DataFrame:
        """Problems of the files that count, and what does not."""
        named = [p.problems.with_columns(pl.lit(source.label).alias("file")) for source, p in self.parsed]
        return pl.concat([*named, problems_of(self.passed)])


def read_all(recipe: Recipe, held: Held) -> Reading:
    """Read what a recipe names; pass over what is a copy, and files found in a folder that are no data."""
    parsed: list[tuple[Source, Parsed]] = []
    failures: list[tuple[Source, DataError]] = []
    for source in recipe.counted:
        try:
            parsed.append((source, _read(source, recipe, held=held.get(source.sha256))))
        except DataError as error:
            if source.named:
                raise
            failures.append((source, error))
    if not parsed:
        raise _no_data(failures)
    # the files of one release, known by their hashes, are no copies of each other
    is_release = release_of([source for source, _ in parsed]) is not None
    files = [] if is_release else [FileRows(source, p.layout.produces, p.rows) for source, p in parsed]
    copies = copies_of(files)
    unreadable = [PassedOver(source.label, "not readable as data", _why(error)) for source, error in failures]
    counted = [(source, p) for source, p in parsed if source.label not in copies.passed]
    # what is passed over may have hidden that the rest is a release
    is_own = recipe.taxonomy is not None or bool(recipe.columns)
    release = recipe.release or (None if is_own else release_of([source for source, _ in counted]))
    sources = with_splits([source for source, _ in counted], release)
    named = [(source, p) for source, (_, p) in zip(sources, counted, strict=True)]
    return Reading(named, release, [*unreadable, *copies.passed.values()], copies.doubts)


def _read(source: Source, recipe: Recipe, *, held: Table | Parsed | None) -> Parsed:
    """Read one file, or the table in memory that the source stands for."""
    if isinstance(held, Parsed):
        parsed = held
    elif held is not None:
        parsed = parse(held, taxonomy=recipe.taxonomy, columns=dict(recipe.columns))
    else:
        with bar(f"Reading {source.label}", total=source.content.stat().st_size) as progress:
            parsed = _parsed(source, recipe, progress=progress)
    _check_answers(source, parsed)
    return parsed


def _parsed(source: Source, recipe: Recipe, *, progress: Progress) -> Parsed:
    path = source.content
    try:
        parsed = parse(path, progress=progress, taxonomy=recipe.taxonomy, columns=dict(recipe.columns))
    except DataError as error:
        if path.name == Path(source.label).name:
            raise
        said = str(error)
        for shown in (str(path), Place(path.name, path).shown) if is_received(source) else ():
            said = said.replace(shown, STANDARD_INPUT)  # it can be sent again, and is not kept
        raise DataError(said.replace(path.name, source.label)) from error  # by the name that people know
    if parsed.sha256 != source.sha256:
        raise DataError(
            f"{source.label} was to be read; it was changed while it was read, so that nobody could say what was. "
            "Load it again when nothing writes to it any more."
        )
    return parsed


def _check_answers(source: Source, parsed: Parsed) -> None:
    """Raise where every row lacks an answer, and some say something of it: prompts alone are not what was given."""
    rows = parsed.rows
    answers = [name for name in ("response", "response_0", "response_1") if name in rows.columns]
    if rows.is_empty() or not answers or rows.select(pl.all_horizontal(pl.col(answers).is_not_null()).any()).item():
        return
    labels = sorted({name for _, names in labels_by_answer(rows.columns) for name in names if rows[name].count()})
    if labels:
        keys = {field.column: field.key for field in parsed.layout.fields}
        missing = [keys.get(name, name) for name in answers if rows[name].null_count()]
        raise DataError(
            f"{source.label} was to be read for answers and their labels; an answer is missing in each of its "
            f"{rows.height:,} rows ({' or '.join(missing)} is null or empty), so that {', '.join(labels)} are of "
            f"nothing. Name the column that holds the answers: --columns {answers[0]}=COLUMN."
        )


def _why(error: DataError) -> str:
    """A message without what was asked, which goes without saying here."""
    return str(error).partition(" was to be read; ")[2] or str(error)


def _no_data(failures: Sequence[tuple[Source, DataError]]) -> DataError:
    if len(failures) == 1:
        return failures[0][1]
    said = " ".join(f"{source.label}: {error}" for source, error in failures[:3])
    return DataError(
        f"{len(failures):,} files were to be read; none holds rows that can be kept. {said} Name the files themselves."
    )


def _read_and_assemble(draft: Draft, recipe: Recipe, held: Held) -> None:
    reading = read_all(recipe, held)
    release = reading.release
    taxonomy = recipe.taxonomy or _taxonomy_of(reading.parsed, release=release)
    annotations = reading.rows("annotations")
    assembled = assemble(
        taxonomy,
        annotations=annotations,
        comparisons=_as_documented(reading.rows("preferences"), release),
        prompts=reading.rows("prompts"),
    )
    problems = reading.problems()
    if release and RELEASES[release].one_annotation_per_pair and annotations is not None:
        problems = pl.concat([problems, _repeats(annotations)])
    write_dataset(
        draft,
        tables=assembled | {"problems": problems},
        facts={
            "taxonomy": taxonomy.name,
            "own_taxonomy": None if taxonomy in TAXONOMIES.values() else document_of(taxonomy),
            "release": release,
            "is_synthetic": False,
            "files": [_account(source, p) for source, p in reading.parsed],
            "passed_over": [asdict(item) for item in reading.passed],
            "doubts": reading.doubts,
        },
    )


def _as_documented(comparisons: pl.DataFrame | None, release: str | None) -> pl.DataFrame | None:
    """Comparisons with the order that the release documents: one preference for both kinds is neither of them."""
    if comparisons is None or release is None or RELEASES[release].layout != "single_preferences":
        return comparisons
    named = "better" in comparisons.columns and "overall" not in comparisons.columns
    return comparisons.rename({"better": "overall"}) if named else comparisons


def _taxonomy_of(parsed: Iterable[tuple[Source, Parsed]], *, release: str | None) -> Taxonomy:
    found = {p.layout.taxonomy.name: p.layout.taxonomy for _, p in parsed if p.layout.taxonomy}
    if len(found) > 1:
        raise DataError(
            f"The files were to be one data set; their categories are those of {sorted(found)}. "
            "Add each taxonomy under a name of its own."
        )
    if found:
        return found.popitem()[1]
    return TAXONOMIES[RELEASES[release].taxonomy] if release else BEAVERTAILS


def _with_split(rows: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Rows with their split: what somebody said comes first, then a column of the file, then its name."""
    if "split" in rows.columns and source.split == split_of(Path(source.path)):
        return rows
    return rows.with_columns(pl.lit(source.split, pl.String).alias("split"))


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
        "splits": _with_split(parsed.rows, source)["split"].unique().sort().to_list(),
        "rows_in": parsed.rows_in,
        "rows_kept": kept,
        "rows_rejected": parsed.rows_in - kept,
        "keys_not_kept": sorted(parsed.layout.not_kept),
        "labels_not_kept": parsed.layout.labels_not_kept,
        "said": list(parsed.layout.said),
    }
