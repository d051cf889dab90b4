"""The frozen `Dataset`: what a release is once its files have been read."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from btviz.data.corrected import FINDINGS, NOT_APPLIED, corrected_tables
from btviz.data.corrections import KeptCorrections, corrections_table
from btviz.data.fingerprint import fingerprint_of, identifying
from btviz.data.reading.files import split_named
from btviz.data.releases.published import published_rows
from btviz.data.releases.registry import RELEASES
from btviz.data.tables import SCHEMAS, items_of
from btviz.errors import DataError, UsageError, a_type, choice
from btviz.taxonomy.categories import Taxonomy


@dataclass(frozen=True, eq=False)
class Dataset:
    """Tables of one data set, with what is known about where they come from.

    Tables are read when first used. Nothing in a `Dataset` changes after it is made.

    Attributes
    ----------
    name : str
        Name it was loaded by.
    taxonomy : Taxonomy
        Harm categories that the bits of `labels` stand for.
    fingerprint : str
        Hexadecimal hash of the rows; equal for equal rows in any order.
    is_synthetic : bool
        True for data made by `btviz.data.synthetic`; every picture then says so.
    release : str or None
        Registry name of the released data set this is a copy of, if known.
    facts : Mapping
        Counts kept from reading: files, rows in and out, assumptions of synthetic data.

    Examples
    --------
    >>> import btviz
    >>> ds = btviz.load("sample")
    >>> ds.annotations.columns
    ['pair_id', 'prompt_id', 'split', 'is_safe', 'labels', 'severity']
    """

    name: str
    taxonomy: Taxonomy
    fingerprint: str
    is_synthetic: bool
    release: str | None
    facts: Mapping[str, Any]
    _read: Callable[[str], pl.DataFrame]
    _cache: dict[str, pl.DataFrame] = field(default_factory=dict, init=False)

    def __repr__(self) -> str:
        categories = f"{len(self.taxonomy.categories)} harm categories of {self.taxonomy.name!r}"
        return f"<Dataset {self.population}: {categories}; fingerprint {self.fingerprint[:8]}>"

    def table(self, name: str) -> pl.DataFrame:
        """One table by name; see `btviz.data.tables.SCHEMAS` for names and columns."""
        choice(name, [*SCHEMAS, "problems", "targets", "places", "corrections"], what="table")
        if name not in self._cache:
            is_empty = name == "corrections" and "corrected" not in self.facts
            self._cache[name] = FINDINGS.to_frame() if is_empty else self._read(name)
        return self._cache[name]

    @property
    def annotations(self) -> pl.DataFrame:
        """Released rows: one labelling of one pair each."""
        return self.table("annotations")

    @property
    def pairs(self) -> pl.DataFrame:
        """Unique (prompt, response) pairs with their majority labels."""
        return self.table("pairs")

    @property
    def votes(self) -> pl.DataFrame:
        """Votes per pair and category, where there was at least one."""
        return self.table("votes")

    @property
    def preferences(self) -> pl.DataFrame:
        """Comparisons of two answers; empty where a release has none."""
        return self.table("preferences")

    @property
    def prompts(self) -> pl.DataFrame:
        """Prompts released without an answer; empty for other releases."""
        return self.table("prompts")

    @property
    def items(self) -> pl.DataFrame:
        """What is mapped, and listed one by one: `pairs` or, where a data set has prompts alone, each prompt once.

        Columns are those of `pairs`; a prompt's `pair_id` is its `prompt_id`, and its response is null.
        """
        if "items" not in self._cache:
            self._cache["items"] = items_of(self.pairs, self.prompts)
        return self._cache["items"]

    @property
    def item(self) -> str:
        """What `items` are, in one word: "pair" or "prompt"."""
        return "prompt" if self.pairs.is_empty() and self.prompts.height else "pair"

    @property
    def conversations(self) -> pl.DataFrame:
        """Turns of conversations of several turns, whose last answers are in `pairs`; empty where there are none."""
        return self.table("conversations")

    @property
    def keys(self) -> pl.DataFrame:
        """What files call the pairs: `pair_id`, `key` (an id, a hash, ``line``), `value`; see `btviz.data.keys`."""
        return self.table("keys")

    @property
    def problems(self) -> pl.DataFrame:
        """What reading found: `file`, `line`, `kind`, `action` (rejected, kept, or passed over: a file), `detail`."""
        return self.table("problems")

    @property
    def targets(self) -> pl.DataFrame:
        """What synthetic data were aimed at: `statistic`, `level`, `target`, `obtained`, `kind`, `source`."""
        return self.table("targets")

    @property
    def corrections(self) -> pl.DataFrame:
        """What became of each correction: the columns of corrections, `status`, `detail`; empty for data as released.

        What each status means is in `btviz.data.corrected.CORRECTION_STATUSES`.
        """
        return self.table("corrections")

    def corrected(self, corrections: pl.DataFrame | KeptCorrections | Iterable[Mapping[str, Any]]) -> Dataset:
        """Apply corrections, to every row that speaks of the pair corrected.

        Parameters
        ----------
        corrections : DataFrame, btviz.session.Corrections, or iterable of mappings
            With `pair_id`, `field`, `after`, and perhaps `before`, `reviewer`, `why`, `time`; fields and values are
            listed in `btviz.data.corrections`. The order of rows makes no difference.

        Returns
        -------
        Dataset
            With a name that says how many fields are other than released ("beavertails-30k, 41 corrections"), and a
            fingerprint of its own; that of this data set, if nothing is other. Its table `corrections` says what
            became of each row.

        Raises
        ------
        UsageError
            If it is no table of corrections.
        DataError
            If a column of pair ids or times holds something else.

        Notes
        -----
        Of one reviewer the latest correction of a field counts. Where reviewers contradict each other, the field stays
        as released, and a warning says how many corrections were not applied. A correction goes into all annotations of
        its pair, whose number stays, and into its side of all comparisons; one that says what the majority says
        changes nothing. ``facts["corrected"]["n_contradictory"]`` counts corrected pairs that are now called safe and
        have a category, or are called unsafe and have none.
        """
        table = corrections_table(corrections)
        done = corrected_tables(self.table, table, taxonomy=self.taxonomy)
        before = self.facts.get("corrected", {"name": self.name, "fingerprint": self.fingerprint, "n": 0})
        findings = pl.concat([self.corrections, done.findings])
        n = before["n"] + done.n_applied
        tables = done.tables | {"corrections": findings, "conversations": self.conversations}

        def read(name: str) -> pl.DataFrame:
            return tables[name] if name in tables else self.table(name)

        _say_not_applied(self.name, done.findings)
        return replace(
            self,
            name=f"{before['name']}, {n:,} correction{'s' * (n != 1)}",
            fingerprint=fingerprint_of(identifying(tables)),
            facts={**self.facts, "corrected": {**before, "n": n, "n_contradictory": done.n_contradictory}},
            _read=read,
        )

    @property
    def extent(self) -> str:
        """Which split is loaded, and how much of its release, where that is not all; else empty."""
        name = self.facts["corrected"]["name"] if "corrected" in self.facts else self.name
        return "" if self.is_synthetic else extent_of(self.facts, name=name, release=self.release)

    @property
    def population(self) -> str:
        """Short description for captions: the name, what is loaded of it, and that data are synthetic if they are."""
        if self.is_synthetic:
            return f"{self.name} (synthetic sample)"
        return f"{self.name}, {self.extent}" if self.extent else self.name

    @property
    def labels_not_kept(self) -> tuple[str, ...]:
        """Keys of the files that look as if they held labels, and whose values are not kept."""
        files = self.facts.get("files", ())
        return tuple(sorted({key for file in files for key in file.get("labels_not_kept", ())}))

    def named(self, table: pl.DataFrame) -> pl.DataFrame:
        """Replace every `labels` mask of a table by the list of category keys it stands for."""
        columns = [c for c in table.columns if c.startswith("labels") and table.schema[c] == pl.UInt32]
        masks = {mask for c in columns for mask in table[c].unique().drop_nulls()}
        names = {mask: [category.key for category in self.taxonomy.members(mask)] for mask in masks}
        return table.with_columns(
            pl.col(c).replace_strict(names, default=None, return_dtype=pl.List(pl.String)) for c in columns
        )


def _say_not_applied(name: str, findings: pl.DataFrame) -> None:
    counts = findings.filter(pl.col("status").is_in(NOT_APPLIED)).group_by("status").len().sort("status")
    if counts.height:
        said = ", ".join(f"{n:,} {status}" for status, n in counts.iter_rows())
        warnings.warn(
            f"{name}: of {findings.height:,} corrections {counts['len'].sum():,} were not applied, or not whole "
            f"({said}). ds.corrections of the corrected data says which and why.",
            stacklevel=3,
        )


def expect_dataset(ds: object) -> None:
    """Check that something is a data set: a name is easily passed in place of what it names."""
    if not isinstance(ds, Dataset):
        raise not_a_dataset(ds)


def not_a_dataset(ds: object) -> UsageError:
    """What to raise where something else than a data set was passed."""
    description = f"the text {ds!r}" if isinstance(ds, str) else a_type(ds)
    return UsageError(f"A data set was to be passed, and this is {description}. Pass what btviz.load(...) gives.")


def expect_answers(ds: Dataset, *, what: str) -> None:
    """Check that a data set has answers: what is said of prompts alone is no matter of scores.

    Parameters
    ----------
    ds : Dataset
        What is to be scored.
    what : str
        What was asked for, in the plural: "Scores".

    Raises
    ------
    DataError
        If it holds prompts and no pair.
    """
    if ds.item == "prompt":
        raise DataError(
            f"{what} were asked for of {ds.name}; it holds {ds.items.height:,} prompts without answers, and what is "
            "scored is an answer. Load the answers, too, as rows with prompt and response; prompts alone are mapped: "
            "btviz map."
        )


def extent_of(facts: Mapping[str, Any], *, name: str, release: str | None) -> str:
    """What is loaded, in words, where that is not all: "test split, 3,021 of 30,207".

    Of files of no known release it is known only that they are one split, if their names say so.
    """
    doubt = ["some rows perhaps twice"] if facts.get("doubts") else []
    return ", ".join([*_extent(facts.get("files", []), name=name, release=release), *doubt])


def _extent(files: Sequence[Mapping[str, Any]], *, name: str, release: str | None) -> list[str]:
    found = {split for file in files for split in file.get("splits", [file["split"]])}
    splits = sorted(found - {None})
    if release is None:
        whole = len(splits) != 1 or None in found or split_named(name) == splits[0]
        return [] if whole else [f"{splits[0]} split"]
    absent = [split for split in RELEASES[release].splits if split not in splits] if splits else []
    said = [f"{' and '.join(splits)} split{'s' * (len(splits) > 1)}"] if absent else []
    amount = _amount(files, release=release)
    return [*said, amount] if amount else said


def _amount(files: Sequence[Mapping[str, Any]], *, release: str) -> str:
    """Rows of all rows or, where nobody printed how many these are, files of all files."""
    if not files:
        return ""
    rows, printed = sum(file["rows_kept"] for file in files), published_rows(release)
    if printed is not None:
        return "" if rows == printed else f"{rows:,} of {printed:,}" if rows < printed else f"{rows:,} rows"
    released = len(RELEASES[release].files)
    return f"{len(files)} of {released} files" if len(files) < released else ""
