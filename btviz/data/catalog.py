"""`load`: data sets by name, file or folder; `add`: local copies under a name."""

from __future__ import annotations

import difflib
import os
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from btviz.data import synthetic
from btviz.data.assemble import assemble
from btviz.data.dataset import Dataset
from btviz.data.ingest import VERSION, Source, existing, in_release, keep, key_of, release_of, sources_of, stored
from btviz.data.reading.files import released_files
from btviz.data.releases import RELEASES
from btviz.data.tables import PROBLEMS
from btviz.errors import DataError, NotFoundError, UsageError
from btviz.store import Entry, Key, Store, check_name, data_dir, read_document, remembered_sha256, update_document
from btviz.taxonomy.categories import TAXONOMIES, Taxonomy
from btviz.taxonomy.own import document_of, read_taxonomy, taxonomy_of


def load(
    name: str | os.PathLike[str], *, strict: bool = False, taxonomy: Taxonomy | str | os.PathLike[str] | None = None
) -> Dataset:
    """Load a data set.

    Parameters
    ----------
    name : str or path-like
        "sample", "replica", "sample-saferlhf", "replica-saferlhf" (synthetic, made on the
        spot); a name given to ``btviz data add`` or ``btviz data fetch``; or the path of a file
        or of a folder of files.
    strict : bool
        Raise if reading found anything odd, instead of keeping what can be kept.
    taxonomy : Taxonomy or path-like, optional
        Harm categories of your own that the file uses, or the file that lists them; see
        `btviz.taxonomy.own`. Names remember the one that they were added with.

    Returns
    -------
    Dataset
        Tables are read from the store, which is filled by the first load.

    Raises
    ------
    UsageError
        If the name is empty, or a taxonomy is given for a name that has one already.
    NotFoundError
        If nothing of that name is here.
    DataError
        If a file fits no layout; with `strict`, if anything odd was found.

    Examples
    --------
    >>> import btviz
    >>> btviz.load("sample").is_synthetic
    True
    """
    text = os.fspath(name)
    if not text:
        raise UsageError("A data set was to be loaded; its name is empty. Give a name, a file or a folder.")
    if text in synthetic.SYNTHETIC_NAMES:
        _no_other(text, taxonomy, has=None)
        ds = _opened(_synthesised(text), text)
    elif (record := _record(text)) is not None:
        _no_other(text, taxonomy, has=_own(record))
        ds = _opened(_adopted(text, record), text)
    elif Path(text).exists():
        ds = _from_path(Path(text), _given(taxonomy))
    else:
        raise _unknown(text)
    _complain(ds, strict=strict)
    return ds


def add(
    name: str,
    files: Sequence[str | os.PathLike[str]],
    *,
    split: str | None = None,
    replace: bool = False,
    taxonomy: Taxonomy | str | os.PathLike[str] | None = None,
) -> Dataset:
    """Adopt local copies of released files under a name.

    Parameters
    ----------
    name : str
        A registry name (see ``btviz data list``) or a name of your own.
    files : sequence of path-like
        ``.jsonl``, ``.json``, ``.csv`` (each also .gz, .xz, .zst), ``.parquet``, or folders of
        them. Files already under that name stay; a file added twice counts once.
    split : str, optional
        Split of all rows of these files; by default from each file's name.
    replace : bool
        Forget the files that were under that name.
    taxonomy : Taxonomy or path-like, optional
        Harm categories of your own that these files use, or the file that lists them; see
        `btviz.taxonomy.own`. It is remembered with the name: the file is not needed again.

    Returns
    -------
    Dataset
        The whole data set of that name.

    Raises
    ------
    UsageError
        If the name belongs to the embedded samples, a file is missing, or the name is that of
        a release or has other categories already while a taxonomy is given.
    DataError
        If a file fits no layout, or taxonomies are mixed.
    """
    check_name(name, what="the name of a data set")
    if name in synthetic.SYNTHETIC_NAMES:
        raise UsageError(f"Files were to be added as {name!r}; that name is the embedded sample's. Choose another.")
    new, given = sources_of(_expand(files), split=split), _given(taxonomy)

    def merged(record: dict[str, Any] | None) -> tuple[list[Source], str | None, Taxonomy | None]:
        kept = None if replace else record
        if kept is not None and "entry" in kept:
            raise UsageError(f"Files were to be added to {name!r}, which was made of scores. Choose another name.")
        own = given if kept is None else _own(kept)
        _no_other(name, given, has=own)
        known = [] if kept is None else [Source(**source) for source in kept["sources"]]
        sources = _distinct([*known, *new])
        if own is not None:
            return sources, None, own
        release = name if name in RELEASES else release_of(sources)
        return in_release(sources, release), release, None

    def change(catalogue: dict[str, Any]) -> dict[str, Any]:
        # merged again: another process may have added files to this name meanwhile
        sources, release, own = merged(catalogue.get(name))
        record = {"sources": [asdict(source) for source in sources], "release": release}
        return {**catalogue, name: record | ({"taxonomy": document_of(own)} if own is not None else {})}

    sources, release, own = merged(_record(name))
    stored(sources, release=release, own=own)  # before the catalogue: files that cannot be read are not listed
    return _opened(_adopted(name, update_document(_catalogue_file(), change)[name]), name)


def register(name: str, key: Key) -> None:
    """Give a name to a data set in the store that was not made of released files.

    Parameters
    ----------
    name : str
        A name of your own.
    key : Key
        Its entry, with the tables and the document "facts" of a data set.

    Raises
    ------
    UsageError
        If the name belongs to a release, an embedded sample or files that were added.
    """
    check_name(name, what="the name of a data set")
    record = _record(name)
    if name in synthetic.SYNTHETIC_NAMES or name in RELEASES or (record is not None and "entry" not in record):
        raise UsageError(f"A new data set was to be called {name!r}; that is the name of another. Choose another name.")
    update_document(_catalogue_file(), lambda catalogue: {**catalogue, name: {"entry": key.to_document()}})


def remove(name: str) -> None:
    """Forget a data set that was added; its stored tables and your files stay.

    Raises
    ------
    NotFoundError
        If there is none of that name.
    """
    if _record(name) is None:
        raise _unknown(name)
    update_document(_catalogue_file(), lambda catalogue: {k: v for k, v in catalogue.items() if k != name})


def adopted() -> list[str]:
    """Names given to `add` so far, sorted."""
    return sorted(read_document(_catalogue_file()))


def _catalogue_file() -> Path:
    return data_dir() / "catalogue.json"


def _record(name: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = read_document(_catalogue_file()).get(name)
    return found


def _adopted(name: str, record: dict[str, Any]) -> Entry:
    if "entry" in record:
        return _registered(name, record["entry"])
    sources = [Source(**source) for source in record["sources"]]
    release, own = record["release"], _own(record)
    entry = Store().get(key_of(sources, release=release, own=own))
    if entry is not None:
        return entry
    lost = [s.path for s in sources if not Path(s.path).is_file() or remembered_sha256(Path(s.path)) != s.sha256]
    if lost:
        raise NotFoundError(
            f"{name!r} was to be read again, because its stored tables are gone; of its files {lost} is missing or "
            f"has changed. Put the file back, or run: btviz data add --replace {name} FILE..."
        )
    return stored(sources, release=release, own=own)


def _registered(name: str, document: dict[str, Any]) -> Entry:
    key = Key(document["kind"], tuple(document["inputs"]), document["params"], document["version"])
    entry = Store().get(key)
    if entry is None:
        raise NotFoundError(
            f"{name!r} was asked for; its stored tables are gone, and it was not made of released files. "
            "Make it again, as with btviz score, or forget it: btviz data remove."
        )
    return entry


def _given(taxonomy: Taxonomy | str | os.PathLike[str] | None) -> Taxonomy | None:
    """The taxonomy, read if it is a file; None for a released one, which needs no telling."""
    if taxonomy is None or isinstance(taxonomy, Taxonomy):
        return None if taxonomy in TAXONOMIES.values() else taxonomy
    return read_taxonomy(taxonomy)


def _own(record: dict[str, Any]) -> Taxonomy | None:
    found = record.get("taxonomy")
    return None if found is None else taxonomy_of(found, file="the catalogue")


def _no_other(name: str, taxonomy: Taxonomy | str | os.PathLike[str] | None, *, has: Taxonomy | None) -> None:
    """Raise if a taxonomy is given for a name whose categories are others."""
    given = _given(taxonomy)
    if given is None or (given == has and name not in RELEASES):
        return
    whose = "its own" if has is None or name in RELEASES else f"those of {has.name!r}"
    raise UsageError(
        f"{name!r} was to be read with the categories of {given.name!r}; it has {whose}. Leave the taxonomy out, or "
        "add the files under another name (--replace forgets those that the name had)."
    )


def _from_path(path: Path, own: Taxonomy | None) -> Dataset:
    sources = _distinct(sources_of(_expand([path])))
    release = release_of(sources) if own is None else None  # what is published is about the release's categories
    return _opened(stored(in_release(sources, release), release=release, own=own), _name_of(path))


def _name_of(path: Path) -> str:
    name = path.name or path.resolve().name  # "." has none
    return name.split(".")[0] or name


def _distinct(sources: Iterable[Source]) -> list[Source]:
    """One of each content: a file and its copy are the same rows, not more of them."""
    return list({source.sha256: source for source in sources}.values())


def _expand(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    files: list[Path] = []
    for path in map(Path, paths):
        found = released_files(path) if path.is_dir() else existing([path])
        if not found:
            raise DataError(
                f"The folder {path} was to be read; it holds no .jsonl, .json, .csv or .parquet file. "
                "Name the files themselves."
            )
        files += found
    return existing(files)


def _synthesised(name: str) -> Entry:
    def fill(draft: Any) -> None:
        made = synthetic.generate(name)
        tables = assemble(made.taxonomy, annotations=made.rows, comparisons=made.comparisons)
        keep(
            draft,
            tables=tables | {"problems": PROBLEMS.to_frame(), "targets": made.targets},
            facts={
                "taxonomy": made.taxonomy.name,
                "release": None,
                "is_synthetic": True,
                "files": [],
                "assumptions": dict(made.assumptions),
            },
        )

    params = {"seed": 0, "assembled": VERSION}
    return Store().build(Key("datasets", ("synthetic", name), params, synthetic.VERSION), fill)


def _opened(entry: Entry, name: str) -> Dataset:
    facts = entry.document("facts")
    own = facts.get("own_taxonomy")
    return Dataset(
        name=name,
        taxonomy=TAXONOMIES[facts["taxonomy"]] if own is None else taxonomy_of(own, file=f"the store, for {name}"),
        fingerprint=facts["fingerprint"],
        is_synthetic=facts["is_synthetic"],
        release=facts["release"],
        facts=facts,
        _read=entry.table,
    )


def _complain(ds: Dataset, *, strict: bool) -> None:
    """Say once per load that rows were rejected; with `strict`, refuse anything odd."""
    rejected = sum(file["rows_rejected"] for file in ds.facts["files"])
    if strict and ds.problems.height:
        first = ds.problems.row(0, named=True)
        raise DataError(
            f"{ds.name} was to be read with strict=True; {ds.problems.height:,} oddities were found, the first in "
            f"{first['file']}, line {first['line']}: {first['kind']} ({first['detail']}). "
            "Mend the file, or load it without strict and look at ds.problems."
        )
    if rejected:
        read = sum(file["rows_in"] for file in ds.facts["files"])
        warnings.warn(
            f"{ds.name}: {rejected:,} of {read:,} rows could not be kept; ds.problems names each by file and line.",
            stacklevel=3,
        )


def _unknown(name: str) -> NotFoundError:
    if name in RELEASES:
        return NotFoundError(
            f"The data set {name!r} was asked for; it is a released one that is not on this machine. "
            f"Fetch it with `btviz data fetch {name}`, or adopt local copies: btviz data add {name} FILE..."
        )
    known = [*synthetic.SYNTHETIC_NAMES, *adopted(), *RELEASES]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else "`btviz data list` names what there is."
    return NotFoundError(f"The data set {name!r} was asked for; it is no known name and no file or folder here. {hint}")
