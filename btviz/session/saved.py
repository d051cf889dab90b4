"""Selections kept by name, beside the notes: a small file each, which holds clauses and is evaluated anew."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from btviz.errors import NotFoundError, UsageError
from btviz.session.clauses import Tables
from btviz.session.selection import Selection
from btviz.store import read_document, update_document
from btviz.store.paths import data_dir

_NAME = re.compile(r"\w[\w .,()+-]{0,59}")


class SavedSelections:
    """Named selections of a user, for every data set that holds such pairs.

    Parameters
    ----------
    folder : Path, optional
        Where they are kept; ``notes/selections/`` in the data folder by default.

    Examples
    --------
    >>> saved = SavedSelections()
    >>> saved.save("low cost", selection, tables=Tables(ds))  # doctest: +SKIP
    >>> saved.load("low cost", selection, tables=Tables(ds))  # doctest: +SKIP
    """

    def __init__(self, *, folder: Path | None = None) -> None:
        self._folder = folder or data_dir() / "notes" / "selections"

    @property
    def names(self) -> list[str]:
        """What is kept, in alphabetical order."""
        return sorted(path.stem for path in self._folder.glob("*.json") if _NAME.fullmatch(path.stem))

    def save(self, name: str, selection: Selection, *, tables: Tables) -> Path:
        """Keep a selection by name; one that is called so is replaced.

        Parameters
        ----------
        name : str
            Up to 60 letters, digits, blanks and ``._,()+-``, beginning with a letter or a digit.
        selection : Selection
            What is chosen now.
        tables : Tables
            Whose data set is noted beside it.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        UsageError
            If the name is none.
        """
        path = self._path(name)
        ids = selection.pair_ids
        document = selection.to_json() | {
            "data": tables.ds.population,
            "pairs": tables.ds.items.height if ids is None else len(ids),
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        update_document(path, lambda _: document)
        return path

    def load(self, name: str, selection: Selection, *, tables: Tables) -> str:
        """Choose what was kept by a name, found anew in the tables at hand.

        Parameters
        ----------
        name : str
            One of `names`.
        selection : Selection
            Is changed, in one step that can be undone.
        tables : Tables
            What is at hand.

        Returns
        -------
        str
            What differs from when it was kept, in words; "" where nothing does.

        Raises
        ------
        NotFoundError
            If nothing is kept by that name.
        UsageError
            If it rests on a table that is not there.
        """
        if name not in self.names:
            known = ", ".join(self.names) or "none yet"
            raise NotFoundError(f"Selection {name!r} was asked for; kept are: {known}. Choose one of these.")
        document = read_document(self._path(name))
        selection.open(document, tables=tables)
        return _difference(document, selection, tables=tables)

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name) or name != name.strip() or name.endswith("."):
            raise UsageError(
                f"A selection was to be kept by a name of {len(name)} characters; a name has 1 to 60 letters, digits, "
                "blanks and ._,()+- and begins with a letter or a digit. Choose another."
            )
        return self._folder / f"{name}.json"


def _difference(document: dict[str, Any], selection: Selection, *, tables: Tables) -> str:
    now = tables.ds.items.height if selection.pair_ids is None else len(selection.pair_ids)
    if document.get("pairs") == now:
        return ""
    return f"It held {document.get('pairs')} pairs in {document.get('data')} when it was kept, and holds {now} here."
