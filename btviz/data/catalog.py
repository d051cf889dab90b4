"""`load`: data sets by name, file or folder; `add`: local copies under a name."""

from __future__ import annotations

import difflib
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btviz.data import synthetic
from btviz.data.dataset import Dataset
from btviz.data.ingest import HashedAsRead, Held, Recipe
from btviz.data.reading.files import format_of
from btviz.data.releases import RELEASES
from btviz.data.releases.hub_cache import (
    cache_folder,
    cached_release,
    repository_id,
)
from btviz.data.sources import (
    STANDARD_INPUT,
    Holding,
    Source,
    holding_of,
    is_received,
    is_there,
    kind_of,
    means_path,
    path_meant,
    shown_name,
)
from btviz.data.stored import dataset_of, report_problems, synthetic_entry
from btviz.errors import NotFoundError, UsageError
from btviz.store import (
    Entry,
    Key,
    Shape,
    Store,
    check_name,
    data_dir,
    discard,
    read_document,
    remembered_sha256,
    update_document,
)
from btviz.taxonomy import Taxonomy
from btviz.taxonomy.taxonomy_file import own_taxonomy


def load(
    name: str | os.PathLike[str] | object,
    *,
    strict: bool = False,
    taxonomy: Taxonomy | str | os.PathLike[str] | None = None,
    columns: Mapping[str, str] | None = None,
) -> Dataset:
    """Load a data set.

    Parameters
    ----------
    name : str, path-like, or a table in memory
        "sample", "replica", "sample-saferlhf", "replica-saferlhf" (synthetic, made on the
        spot); a name given to ``btviz data add`` or ``btviz data fetch``; the path of a file
        or of a folder of files; "-" for standard input; OWNER/NAME of a data set in the hub's cache. A name that
        somebody has given wins over a file or folder that is called so, unless it is written with a separator,
        ``./name``, or with the suffix of a file. Or a table of Polars, pandas, Arrow, `datasets` or any library that
        narwhals knows, a list of dicts, or a dict of tables by split.
    strict : bool
        Raise if reading found anything odd, instead of keeping what can be kept.
    taxonomy : Taxonomy or path-like, optional
        Harm categories of your own that the file uses, or the file that lists them; see
        `btviz.taxonomy.taxonomy_file`. Names remember the one that they were added with.
    columns : Mapping, optional
        Where columns of the data set come from, if a file calls them otherwise:
        ``{"prompt": "question", "is_safe": "harmful:unsafe"}``; see `btviz.data.reading.mapping`
        for what values may say, and `btviz.inspect` for a proposal. Names remember theirs.

    Returns
    -------
    Dataset
        Tables are read from the store, which is filled by the first load.

    Raises
    ------
    UsageError
        If the name is empty, or a taxonomy or columns are given for a name that has its own, or
        columns name none of the file.
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
    if not isinstance(name, str | os.PathLike):
        holding = Holding.of_tables(name)
        recipe = Recipe.of(holding, taxonomy=own_taxonomy(taxonomy), columns=columns)
        ds = _dataset_of(recipe, name="table", held=holding.tables)
        report_problems(ds, strict=strict)
        return ds
    text = os.fspath(name)
    if not text:
        raise UsageError("A data set was to be loaded; its name is empty. Give a name, a file or a folder.")
    if text == STANDARD_INPUT:
        return _of_standard_input(strict=strict, taxonomy=taxonomy, columns=columns)
    path = path_meant(name, is_name=_is_name)
    if path is not None:
        own = own_taxonomy(taxonomy)
        held = HashedAsRead(taxonomy=own, columns=columns)
        recipe = Recipe.of(holding_of([path], hashed=held.hashed), taxonomy=own, columns=columns)
        ds = _dataset_of(recipe, name=shown_name(text, path), held=held)
    elif text in synthetic.SYNTHETIC_NAMES:
        _refuse_other(text, taxonomy, has=None)
        _refuse_columns(text, columns, has={})
        ds = dataset_of(synthetic_entry(text), name=text)
    elif (record := _record(text)) is not None:
        _refuse_other(text, taxonomy, has=None if "entry" in record else Recipe.of_document(record).taxonomy)
        _refuse_columns(text, columns, has=record.get("columns", {}))
        ds = _recorded(text, record)
    else:
        raise _no_such_name(text)
    report_problems(ds, strict=strict)
    return ds


def _of_standard_input(
    *, strict: bool, taxonomy: Taxonomy | str | os.PathLike[str] | None, columns: Mapping[str, str] | None
) -> Dataset:
    """Load what is sent; its rows are in the store, and what was sent is not kept, for no name owns it."""
    holding = holding_of([STANDARD_INPUT])
    try:
        recipe = Recipe.of(holding, taxonomy=own_taxonomy(taxonomy), columns=columns)
        ds = _dataset_of(recipe, name="standard input")
    finally:
        drop_received(holding.sources)
    report_problems(ds, strict=strict)
    return ds


def find(name: str) -> Dataset | None:
    """Load a data set where a new one may be meant.

    Parameters
    ----------
    name : str
        As `load` takes it.

    Returns
    -------
    Dataset or None
        None for a name that nobody has given yet, even if a file or folder here is called so.

    Raises
    ------
    NotFoundError
        If it can only be a path (it has a separator or the suffix of a file), and nothing is there.
    """
    if means_path(name) or _is_name(name):
        return load(name)
    if is_there(Path(name)):
        warnings.warn(
            f"{name!r} is taken for a new name, not for the {kind_of(Path(name))} here; ./{name} would mean that.",
            stacklevel=2,
        )
    return None


@dataclass(frozen=True)
class HeldFiles:
    """The files that a path or a name stands for, and what the name remembers of them."""

    holding: Holding
    taxonomy: Taxonomy | None = None
    columns: Mapping[str, str] | None = None


def held_files(name: str | os.PathLike[str]) -> HeldFiles:
    """Files of a path, of a name, or of a data set in the hub's cache; "-" is standard input, kept for now.

    Raises
    ------
    UsageError
        If the name is empty, or that of data that were not made of files.
    NotFoundError
        If nothing of that name is here.
    """
    text = os.fspath(name)
    if not text:
        raise UsageError("Files were to be inspected; the name is empty. Give a file, a folder or a name.")
    path = None if text == STANDARD_INPUT else path_meant(name, is_name=_is_name)
    if text == STANDARD_INPUT or path is not None:
        return HeldFiles(holding_of([path or text]))
    record = _record(text)
    if text in synthetic.SYNTHETIC_NAMES or (record is not None and "entry" in record):
        raise UsageError(
            f"Files of {text!r} were to be inspected; it was not made of files. See its tables: btviz data show {text}"
        )
    if record is None:
        raise _no_such_name(text)
    recipe = Recipe.of_document(record)
    _expect_unchanged(recipe, text)
    return HeldFiles(Holding(tuple(recipe.counted), tuple(recipe.passed)), recipe.taxonomy, dict(recipe.columns))


def _is_name(text: str) -> bool:
    return text in synthetic.SYNTHETIC_NAMES or _record(text) is not None


def add(
    name: str,
    files: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | object,
    *,
    split: str | None = None,
    replace: bool = False,
    taxonomy: Taxonomy | str | os.PathLike[str] | None = None,
    columns: Mapping[str, str] | None = None,
) -> Dataset:
    """Adopt local copies of released files, or a table in memory, under a name.

    Parameters
    ----------
    name : str
        A registry name (see ``btviz data list``) or a name of your own.
    files : path-like, sequence of path-like, or a table in memory
        Files of JSON, CSV, Parquet or Arrow, packed or not, and folders of them; "-" is standard input. Or a table
        as `load` takes it. What comes but once, standard input and tables, the data folder keeps. Files already
        under that name stay; what is there twice counts once.
    split : str, optional
        Split of all rows of these files; by default from each file's name.
    replace : bool
        Forget the files that were under that name.
    taxonomy : Taxonomy or path-like, optional
        Harm categories of your own that these files use, or the file that lists them; see
        `btviz.taxonomy.taxonomy_file`. It is remembered with the name: the file is not needed again.
    columns : Mapping, optional
        Where columns of the data set come from, as `load` takes it; remembered with the name.

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
    _check_new(name)
    if name in synthetic.SYNTHETIC_NAMES:
        raise UsageError(f"Files were to be added as {name!r}; that name is the embedded sample's. Choose another.")
    holding, custom = _given(files, split=split), own_taxonomy(taxonomy)

    def merged(record: dict[str, Any] | None) -> Recipe:
        before = None if replace or record is None else record
        if before is None:
            _refuse_other(name, custom, has=custom)
            _refuse_columns(name, columns, has=columns)
            return Recipe.of(holding, release=_release(name), taxonomy=custom, columns=columns)
        if "entry" in before:
            raise UsageError(f"Files were to be added to {name!r}, which was made of scores. Choose another name.")
        recipe = Recipe.of_document(before)
        _refuse_other(name, custom, has=recipe.taxonomy)
        _refuse_columns(name, columns, has=dict(recipe.columns))
        return recipe.joined(holding, release=_release(name))

    try:
        merged(_record(name)).entry(holding.tables)  # before the catalogue: files that cannot be read are not listed
    except BaseException:
        drop_received(holding.sources)
        raise
    changed = update_document(
        _catalogue_file(),
        # merged again: another process may have added files to this name meanwhile
        lambda known: {**known, name: merged(known.get(name)).document()},
        shape=_RECORDS,
    )
    ds = _recorded(name, changed[name])
    report_problems(ds, strict=False)
    return ds


def _given(files: object, *, split: str | None) -> Holding:
    """What was given to be added: one path or several, or a table in memory."""
    if isinstance(files, str | os.PathLike):
        return holding_of([files], split=split)
    if isinstance(files, Sequence) and all(isinstance(file, str | os.PathLike) for file in files):
        return holding_of(files, split=split)
    return Holding.of_kept_tables(files, split=split)


def register(name: str, key: Key) -> None:
    """Give a name to a data set in the store that was not made of released files."""
    _check_new(name)
    record = _record(name)
    if name in synthetic.SYNTHETIC_NAMES or name in RELEASES or (record is not None and "entry" not in record):
        raise UsageError(f"A new data set was to be called {name!r}; that is the name of another. Choose another name.")
    update_document(_catalogue_file(), lambda known: {**known, name: {"entry": key.to_document()}}, shape=_RECORDS)


def _check_new(name: str) -> None:
    if means_path(check_name(name, what="the name of a data set")):
        raise UsageError(
            f"{name!r} was given as the name of a data set; it would be taken for a file. Leave the suffix out."
        )


def remove(name: str) -> None:
    """Forget a data set that was added; its stored tables and your files stay, what came by standard input does not.

    Parameters
    ----------
    name : str
        As it was given to `add`.

    Raises
    ------
    NotFoundError
        If there is none of that name.
    """
    record = _record(name)
    if record is None:
        raise _no_such_name(name)
    update_document(_catalogue_file(), lambda known: {k: v for k, v in known.items() if k != name}, shape=_RECORDS)
    if "entry" not in record:
        drop_received(Recipe.of_document(record).sources)


def drop_received(sources: Iterable[Source]) -> None:
    """Remove what was kept of standard input or of a table, and belongs to no name."""
    recipes = [Recipe.of_document(record) for record in catalogue().values() if "entry" not in record]
    owned = {source.path for recipe in recipes for source in recipe.sources}
    for source in sources:
        if is_received(source) and source.path not in owned:
            discard(Path(source.path))


def adopted() -> list[str]:
    """Names given to `add` so far, sorted.

    Returns
    -------
    list of str
        Those of data sets made of scores, too.
    """
    return sorted(catalogue())


def catalogue() -> dict[str, Any]:
    """What every adopted name stands for: a recipe of files, or an entry of the store."""
    return read_document(_catalogue_file(), shape=_RECORDS)


def _is_record(_: tuple[str, ...], record: Any) -> bool:
    if "entry" in record:
        return bool(Key.of_document(record["entry"]).digest)
    recipe = Recipe.of_document(record)
    texts = [text for source in recipe.sources for text in (source.path, source.sha256)]
    texts += [text for column in recipe.columns for text in column]
    known = recipe.release is None or recipe.release in RELEASES
    return known and len(recipe.sources) > 0 and all(isinstance(text, str) for text in texts)


_RECORDS = Shape(_is_record)


def _catalogue_file() -> Path:
    return data_dir() / "catalogue.json"


def _record(name: str) -> dict[str, Any] | None:
    record: dict[str, Any] | None = catalogue().get(name)
    return record


def _release(name: str) -> str | None:
    return name if name in RELEASES else None


def _recorded(name: str, record: dict[str, Any]) -> Dataset:
    """Data set of a name in the catalogue."""
    if "entry" in record:
        return dataset_of(_registered_entry(name, record["entry"]), name=name)
    recipe = Recipe.of_document(record)
    if Store().get(recipe.key) is None:
        _expect_unchanged(recipe, name)
    return _dataset_of(recipe, name=name)


def _expect_unchanged(recipe: Recipe, name: str) -> None:
    paths = [(source.content, source.sha256) for source in recipe.counted]
    lost = [str(path) for path, sha256 in paths if not path.is_file() or remembered_sha256(path) != sha256]
    if lost:
        raise NotFoundError(
            f"{name!r} was to be read again, because its stored tables are gone; of its files {lost} is missing or "
            f"has changed. Put the file back, or run: btviz data add --replace {name} FILE..."
        )


def _registered_entry(name: str, document: dict[str, Any]) -> Entry:
    entry = Store().get(Key.of_document(document))
    if entry is None:
        raise NotFoundError(
            f"{name!r} was asked for; its stored tables are gone, and it was not made of released files. "
            "Make it again, as with btviz score, or forget it: btviz data remove."
        )
    return entry


def _dataset_of(recipe: Recipe, *, name: str, held: Held | None = None) -> Dataset:
    return dataset_of(recipe.entry(held), name=name, sources=recipe.counted, passed=recipe.passed)


def _refuse_other(name: str, taxonomy: Taxonomy | str | os.PathLike[str] | None, *, has: Taxonomy | None) -> None:
    """Raise if a taxonomy is given for a name whose categories are others."""
    custom = own_taxonomy(taxonomy)
    if custom is None or (custom == has and name not in RELEASES):
        return
    whose = "its own" if has is None or name in RELEASES else f"those of {has.name!r}"
    raise UsageError(
        f"{name!r} was to be read with the categories of {custom.name!r}; it has {whose}. Leave the taxonomy out, or "
        "add the files under another name (--replace forgets those that the name had)."
    )


def _refuse_columns(name: str, columns: Mapping[str, str] | None, *, has: Mapping[str, str] | None) -> None:
    """Raise if columns are mapped for a name that has its own, or for a release, which needs no mapping."""
    if not columns or (dict(columns) == has and name not in RELEASES):
        return
    raise UsageError(
        f"{name!r} was to be read with the columns {dict(columns)}; it has its own. Leave columns out, or add the "
        "files under another name (--replace forgets those that the name had)."
    )


def _no_such_name(name: str) -> NotFoundError:
    if name in RELEASES and (snapshot := cached_release(RELEASES[name])) is not None:
        return NotFoundError(
            f"The data set {name!r} was asked for; files of its repository are in the hub's cache, but not under this "
            f"name. Give it to them with `btviz data add {name} {snapshot}`, or load {RELEASES[name].repo_id!r}."
        )
    if name in RELEASES:
        return NotFoundError(
            f"The data set {name!r} was asked for; it is a released one that is not on this machine. "
            f"Fetch it with `btviz data fetch {name}`, or adopt local copies: btviz data add {name} FILE..."
        )
    if (repo_id := repository_id(name)) is not None and format_of(Path(name)) is None:
        return _not_cached(repo_id)
    known = [*synthetic.SYNTHETIC_NAMES, *adopted(), *RELEASES]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else "`btviz data list` names what there is."
    return NotFoundError(f"The data set {name!r} was asked for; it is no known name and no file or folder here. {hint}")


def _not_cached(repo_id: str) -> NotFoundError:
    """Say how to get a repository of the hub that was asked for, or that a path of that form is not there."""
    named = [name for name, release in RELEASES.items() if release.repo_id.lower() == repo_id.lower()]
    fetch = "".join(f"`btviz data fetch {name}`, or " for name in named)
    return NotFoundError(
        f"{repo_id!r} was asked for; no file or folder here has that path, and the hub's cache, {cache_folder()}, does "
        f"not hold a data set of that name. Fetch it with {fetch}`hf download {repo_id} --repo-type dataset`."
    )
