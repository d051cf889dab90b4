"""The QA pairs an analyst is looking at, shared by every view of one data set.

A view takes a `Selection`, sets it when something is clicked and observes it to follow the
others. It knows no widget, so a script can drive a view with it and a test can read it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from btviz.data.tables import ID
from btviz.errors import UsageError, choice
from btviz.session.clauses import Clause, Tables, clause_from_json, code_of


class Observable:
    """Base of the objects that views share: the selection and the content policy."""

    def __init__(self) -> None:
        self._callbacks: list[Callable[[], None]] = []

    def observe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` after every change.

        Parameters
        ----------
        callback : callable
            Takes nothing; it reads the new state from the object it observes.

        Returns
        -------
        callable
            Ends the observation; calling it again does nothing.
        """
        self._callbacks.append(callback)

        def stop() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return stop

    def _changed(self) -> None:
        for callback in tuple(self._callbacks):  # a callback may end its own observation
            callback()


MOST_STATES = 100
"""States that can be undone."""

HOW = ("replace", "add", "exclude")


@dataclass(frozen=True)
class Term:
    """A clause of a selection, and whether its pairs are left out."""

    clause: Clause
    excluded: bool = False


Branch = tuple[Term, ...]


@dataclass(frozen=True)
class Choice:
    """One state of a `Selection`."""

    pair_ids: pl.Series | None = None
    origin: str = "All pairs"
    expression: str = "pl.lit(True)"
    ranked: pl.Series | None = None
    values: pl.Series | None = None
    """What `ranked` is ranked by, called after it."""
    branches: tuple[Branch, ...] = ((),)
    """Alternatives, each a conjunction over views; in a view clauses are alternatives, and exclusions are left out."""


class Selection(Observable):
    """Pair ids, where they came from, and an expression that finds them again.

    It is made of clauses. Those of one view are alternatives, those of different views all hold, an excluded one
    is left out, and `alternative` begins anew beside what is there. Every change can be undone.

    Parameters
    ----------
    everything : Series, optional
        Ids of all pairs, from which a clause can be excluded where none is included.

    Examples
    --------
    >>> from btviz import Selection
    >>> selection = Selection()
    >>> selection.set([7, 3, 7], origin="read last week")
    >>> selection.pair_ids.to_list(), selection.expression
    ([3, 7], 'pl.col("pair_id").is_in([3, 7])')
    >>> selection.set([7], origin="a map", view="map")
    >>> selection.pair_ids.to_list(), selection.origin
    ([7], 'read last week AND a map')
    >>> selection.undo()
    True
    >>> selection.pair_ids.to_list()
    [3, 7]
    """

    def __init__(self, everything: pl.Series | None = None) -> None:
        super().__init__()
        self._everything = everything
        self._choice = Choice()
        self._before: deque[Choice] = deque(maxlen=MOST_STATES)
        self._after: list[Choice] = []

    @property
    def choice(self) -> Choice:
        """The present state; it never changes, a new choice replaces it."""
        return self._choice

    @property
    def pair_ids(self) -> pl.Series | None:
        """Unique ids, ascending, UInt64; None where nothing has been chosen."""
        return self._choice.pair_ids

    @property
    def ranked(self) -> pl.Series | None:
        """The same ids in the order that they were given in; None where that tells nothing."""
        return self._choice.ranked

    @property
    def values(self) -> pl.DataFrame | None:
        """What the pairs are ranked by: `pair_id` and one column, as `ranked`; None where that is unknown."""
        now = self._choice
        return None if now.ranked is None or now.values is None else pl.DataFrame([now.ranked, now.values])

    @property
    def origin(self) -> str:
        """Where the pairs came from, in words."""
        return self._choice.origin

    @property
    def expression(self) -> str:
        """Polars expression over `pairs` that selects the same pairs, as code to paste."""
        return self._choice.expression

    @property
    def clauses(self) -> tuple[Clause, ...]:
        """What it is made of, excluded ones among them, in the order in which they were chosen."""
        return _clauses(self._choice.branches)

    def set(
        self,
        pair_ids: pl.Series | pl.DataFrame | Iterable[int],
        *,
        origin: str = "Chosen in Python",
        expression: str | None = None,
        in_order: bool = False,
        value: str | None = None,
        view: str | None = None,
    ) -> None:
        """Choose pairs and tell every view that observes.

        Parameters
        ----------
        pair_ids : Series, iterable of int, or DataFrame with a column `pair_id`
            In any order; repeats are dropped.
        origin : str
            Where they came from, in words; views show it.
        expression : str, optional
            Code of a Polars expression over `pairs` that gives the same pairs. Without it the
            ids are written out, or, if there are more than 20, taken from ``selection.pair_ids``.
        in_order : bool
            List them in the order given, a ranking; else in that of the data.
        value : str, optional
            Column of the table given by which it is ranked, "similarity" say: views show it beside each
            pair. It means `in_order`.
        view : str, optional
            Replace what this view chose, and keep the rest; without it, everything is replaced.

        Raises
        ------
        UsageError
            If the ids are not 64-bit unsigned numbers, or the table has no such column of numbers.
        """
        given = _ids(pair_ids)
        ids = given.sort()
        values = None if value is None else _values(pair_ids, value)
        ranked = given if in_order or values is not None else None
        made = Clause(view or "", origin, ids, expression or code_of(ids), ranked=ranked, values=values)
        if view is None:
            self._become(((Term(made),),))
        else:
            self._become((*self._choice.branches[:-1], (*_without(self._choice.branches[-1], view), Term(made))))

    def choose(self, clause: Clause, *, how: str = "replace") -> None:
        """Take a clause into the selection, as a click on what it stands for does.

        Parameters
        ----------
        clause : Clause
            Of pairs that some view names.
        how : {"replace", "add", "exclude"}
            Instead of what its view chose, beside it, or left out. What is there already in that way is taken away.

        Raises
        ------
        UsageError
            If `how` is unknown, or pairs are left out and it is not known of which.
        """
        choice(how, HOW, what="way to choose")
        branch = self._choice.branches[-1]
        term = Term(clause, excluded=how == "exclude")
        same = [old for old in branch if old.clause.key == clause.key]
        others = tuple(old for old in branch if old.clause.key != clause.key)
        was_there = any(old.excluded == term.excluded for old in same)
        if how == "replace":
            alone = was_there and not any(old.clause.view == clause.view for old in others)
            others = _without(others, clause.view)
            was_there = alone
        self._become((*self._choice.branches[:-1], others if was_there else (*others, term)))

    def narrow(self, *clauses: Clause) -> None:
        """Let each clause take the place of what its view chose, all in one step: a region is a range on two axes."""
        branch = self._choice.branches[-1]
        for one in clauses:
            branch = (*_without(branch, one.view), Term(one))
        self._become((*self._choice.branches[:-1], branch))

    def begin(self, clause: Clause) -> None:
        """Let a clause take the place of all that is chosen."""
        self._become(((Term(clause),),))

    def remove(self, clause: Clause) -> None:
        """Take a clause out of the selection, wherever it stands in it."""
        kept = (tuple(term for term in branch if term.clause is not clause) for branch in self._choice.branches)
        self._become(tuple(branch for branch in kept if branch) or ((),))

    def alternative(self) -> None:
        """Begin an alternative: what is chosen from now on is beside what was chosen so far, joined by OR."""
        if self._choice.branches[-1]:
            self._become((*self._choice.branches, ()))

    def clear(self) -> None:
        """Choose nothing: every view shows all its pairs again."""
        self._become(((),))

    def undo(self) -> bool:
        """Go back to the state before the last change; False where there is none. 100 states are kept."""
        if not self._before:
            return False
        self._after.append(self._choice)
        self._choice = self._before.pop()
        self._changed()
        return True

    def redo(self) -> bool:
        """Go forward again after `undo`; False where nothing was undone since the last change."""
        if not self._after:
            return False
        self._before.append(self._choice)
        self._choice = self._after.pop()
        self._changed()
        return True

    def exclude_from(self, everything: pl.Series) -> None:
        """Say which pairs there are, where that was not said when the selection was made."""
        if self._everything is None:
            self._everything = everything

    @property
    def can_undo(self) -> bool:
        """Whether there is a state to go back to."""
        return bool(self._before)

    @property
    def can_redo(self) -> bool:
        """Whether something was undone since the last change."""
        return bool(self._after)

    def to_json(self) -> dict[str, Any]:
        """The selection as plain data: its alternatives, each a list of clauses; for `open`."""
        return {
            "alternatives": [
                [term.clause.to_json() | {"excluded": term.excluded} for term in branch]
                for branch in self._choice.branches
            ]
        }

    def open(self, document: Mapping[str, Any], *, tables: Tables) -> None:
        """Choose what a document of clauses says, evaluated anew on the tables at hand.

        Parameters
        ----------
        document : Mapping
            As `to_json` gives it, from a file or from somebody else; nothing in it is run.
        tables : Tables
            What is at hand.

        Raises
        ------
        UsageError
            If the document has another shape, or speaks of what is not there; nothing changes then.
        """
        branches = document.get("alternatives")
        if not isinstance(branches, list) or not all(isinstance(branch, list) for branch in branches):
            raise UsageError(
                "A selection was to be opened; what was given has no list of alternatives. "
                "Give what Selection.to_json, or 'copy as JSON' on a page, wrote."
            )
        read = tuple(
            tuple(Term(clause_from_json(said, tables), excluded=said.get("excluded") is True) for said in branch)
            for branch in branches
        )
        self._become(read or ((),))

    def of(self, table: pl.DataFrame) -> pl.DataFrame:
        """Rows of a table with a `pair_id` column that belong to the chosen pairs."""
        if self.pair_ids is None:
            return table
        return table.filter(pl.col("pair_id").is_in(self.pair_ids.implode()))

    def __repr__(self) -> str:
        count = "all pairs" if self.pair_ids is None else f"{len(self.pair_ids)} pairs"
        return f"<Selection: {count}; {self.origin}>"

    def _become(self, branches: tuple[Branch, ...]) -> None:
        new = _evaluated(branches, self._everything)
        self._before.append(self._choice)
        self._after.clear()
        self._choice = new
        self._changed()


def _clauses(branches: tuple[Branch, ...]) -> tuple[Clause, ...]:
    return tuple(term.clause for branch in branches for term in branch)


def _without(branch: Branch, view: str) -> Branch:
    return tuple(term for term in branch if term.clause.view != view)


def _evaluated(branches: tuple[Branch, ...], everything: pl.Series | None) -> Choice:
    filled = [branch for branch in branches if branch]
    if not filled:
        return Choice(branches=branches)
    found = [_branch_ids(branch, everything) for branch in filled]
    ids = found[0] if len(found) == 1 else pl.concat(found).unique().sort()
    codes = _codes(filled)
    expression = codes[0] if len(codes) == 1 else " | ".join(f"({code})" for code in codes)
    said = [_branch_words(branch) for branch in filled]
    origin = said[0] if len(said) == 1 else " OR ".join(f"({words})" for words in said)
    return Choice(ids, origin, expression, *_ranking(filled, ids), branches=branches)


def _views(branch: Branch) -> list[list[Clause]]:
    """Included clauses of each view."""
    views: dict[str, list[Clause]] = {}
    for term in branch:
        if not term.excluded:
            views.setdefault(term.clause.view, []).append(term.clause)
    return list(views.values())


def _excluded(branch: Branch) -> list[Clause]:
    return [term.clause for term in branch if term.excluded]


def _branch_ids(branch: Branch, everything: pl.Series | None) -> pl.Series:
    views = [_union(clauses) for clauses in _views(branch)]
    if not views and everything is None:
        raise UsageError(
            "Pairs were to be left out of all; this selection does not know which there are. "
            "Choose some first, or make it as Selection(ds.items['pair_id'])."
        )
    ids = everything if not views and everything is not None else views[0]
    for other in views[1:]:
        ids = ids.filter(ids.is_in(other.implode()))
    out = _excluded(branch)
    return ids.filter(~ids.is_in(_union(out).implode())) if out else ids


def _union(clauses: Sequence[Clause]) -> pl.Series:
    if len(clauses) == 1:
        return clauses[0].pair_ids
    return pl.concat([one.pair_ids for one in clauses]).unique().sort()


def _codes(branches: Sequence[Branch]) -> list[str]:
    """Code of each branch; a long list of ids is taken from the selection itself."""
    every = _clauses(tuple(branches))
    if len(every) == 1 and not every[0].code and not branches[0][0].excluded:
        return ['pl.col("pair_id").is_in(selection.pair_ids.implode())']
    place = {
        id(one): f'pl.col("pair_id").is_in(selection.clauses[{n}].pair_ids.implode())' for n, one in enumerate(every)
    }
    return [_branch_code(branch, lambda one: one.code or place[id(one)]) for branch in branches]


def _branch_code(branch: Branch, code: Callable[[Clause], str]) -> str:
    views, out = _views(branch), _excluded(branch)
    if not out and len(views) == 1 and len(views[0]) == 1:
        return code(views[0][0])
    parts = ["(" + " | ".join(_known(code(one)) for one in clauses) + ")" for clauses in views]
    return " & ".join(parts + [f"~{_known(code(one))}" for one in out])


def _known(code: str) -> str:
    """Code whose result is never null: what is unknown is not chosen, and not left out either."""
    return f"({code}).fill_null(False)"


def _branch_words(branch: Branch) -> str:
    several = len(branch) > 1
    said = [
        f"({' or '.join(one.words for one in clauses)})" if len(clauses) > 1 and several else clauses[0].words
        for clauses in _views(branch)
    ]
    return " ".join([" AND ".join(said), *(f"NOT {one.words}" for one in _excluded(branch))]).strip()


def _ranking(branches: Sequence[Branch], ids: pl.Series) -> tuple[pl.Series | None, pl.Series | None]:
    """Order of the pairs, and what they are ranked by, where one clause ranks them all."""
    ranking = [one for clauses in _views(branches[0]) for one in clauses if one.ranked is not None]
    if len(branches) > 1 or not ranking or ranking[-1].ranked is None:
        return None, None
    ranked, values = ranking[-1].ranked, ranking[-1].values
    kept = ranked.is_in(ids.implode())
    if int(kept.sum()) != len(ids):
        return None, None
    return ranked.filter(kept), None if values is None else values.filter(kept)


def _ids(pair_ids: pl.Series | pl.DataFrame | Iterable[int]) -> pl.Series:
    values = pair_ids["pair_id"] if isinstance(pair_ids, pl.DataFrame) else pair_ids
    try:
        series = pl.Series("pair_id", values).cast(ID) if isinstance(values, pl.Series) else _series(values)
    except (pl.exceptions.PolarsError, TypeError, OverflowError) as error:
        raise UsageError(
            "A selection takes pair ids, which are 64-bit unsigned numbers; something else was given. "
            "Pass a table with a column 'pair_id', or its column."
        ) from error
    if series.null_count():
        raise UsageError("A selection takes pair ids; some of those given are null. Drop them first.")
    return series.unique(maintain_order=True)


def _values(table: object, name: str) -> pl.Series:
    """Numbers of a ranking, of each pair the first, as `_ids` keeps them."""
    if not isinstance(table, pl.DataFrame) or name not in table.columns or not table[name].dtype.is_numeric():
        raise UsageError(
            f"Pairs were to be ranked by {name!r}; what was given has no such column of numbers. "
            "Pass a table with it and a column 'pair_id'."
        )
    return table.unique("pair_id", keep="first", maintain_order=True)[name].cast(pl.Float64)


def _series(values: Iterable[int]) -> pl.Series:
    return pl.Series("pair_id", list(values), dtype=ID)
