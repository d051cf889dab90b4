"""`btviz.explore`: facets, a canvas and one reading pane, on which every view answers one selection."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
import traitlets

from btviz.data.dataset import Dataset, expect_dataset
from btviz.errors import UsageError, choice
from btviz.labels.agreement import VoteCounts, vote_counts
from btviz.preference.comparisons import Comparisons
from btviz.scores import kept_scores
from btviz.session import (
    Clause,
    Condition,
    ContentPolicy,
    Notes,
    SavedSelections,
    Selection,
    Tables,
    clause,
    from_hex,
    hex_id,
    possible_ids,
    table_bytes,
)
from btviz.texts import Embeddings, TopicMap, Topics, make_topic_map
from btviz.widgets import front
from btviz.widgets.inspector.index import index_pairs
from btviz.widgets.inspector.inspector import Inspector, Message
from btviz.widgets.page import canvases
from btviz.widgets.page.facets import Facet, facets_of
from btviz.widgets.page.reading import Compared, Reading
from btviz.widgets.parts.background import Background, Report
from btviz.widgets.parts.picture import picture_of

ENCODERS = ("minilm", "static", "words")
"""What may read the texts: a transformer, one that is distilled of it, or counts of words, which need no model."""

STAGES = 8
"""Lines that a topic map says of its progress, about."""

LISTS = ("pairs", "comparisons")

CANVASES = ("matrix", "network", "contrast", "agreement", "strata", "map", "plane")


def explore(  # all but the first by name, each optional
    ds: Dataset,
    *,
    points: pl.DataFrame | None = None,
    topics: Topics | None = None,
    scores: pl.DataFrame | None = None,
    selection: Selection | None = None,
    policy: ContentPolicy | None = None,
    embeddings: Embeddings | None = None,
) -> ExplorePage:
    """Every view of a data set on one page: choose on any, and all others answer.

    Parameters
    ----------
    ds : Dataset
        Any data set.
    points : DataFrame, optional
        Where pairs lie on a map, as `btviz.fit_data_map` gives it; adds the map.
    topics : Topics, optional
        As `btviz.fit_topics` gives it; adds a facet, and names on the map. Names are neutral.
    scores : DataFrame, optional
        A table of scores; those kept for `ds` by default. Adds facets, sorting, and the plane of reward and cost.
    selection : Selection, optional
        Shared with other views and with Python; a new one by default.
    policy : ContentPolicy, optional
        Decides which texts may be read; the one of this session by default.
    embeddings : Embeddings, optional
        For the search by meaning; those of the topics by default.

    Returns
    -------
    ExplorePage
        Its last line in a cell shows it.

    Raises
    ------
    UsageError
        If something else than a data set is given.

    Examples
    --------
    >>> page = btviz.explore(ds)  # doctest: +SKIP
    >>> page.selection.pair_ids, page.selection.expression  # doctest: +SKIP
    """
    expect_dataset(ds)
    known = kept_scores(ds) if scores is None else scores
    parts = {"points": points, "scores": None if known.is_empty() else known}
    if topics is not None:
        parts |= {"topics": topics.topics, "assignments": topics.assignments}
    tables = Tables(ds, {name: table for name, table in parts.items() if table is not None})
    near = embeddings if embeddings is not None or topics is None else topics.embeddings
    return ExplorePage(tables, selection=selection, policy=policy, embeddings=near)


class ExplorePage(Inspector):
    """The page that `btviz.explore` makes.

    Attributes
    ----------
    selection : Selection
        What is chosen, on the page or from Python.
    saved : SavedSelections
        Selections kept by name.
    notes : Notes
        Tags and notes on pairs.

    Notes
    -----
    What crosses to the browser are counts, labels, places and hexadecimal ids, as messages; a text crosses only to
    answer "reveal". The one trait that a saved notebook keeps is a picture without texts.
    """

    _esm = front.script("explore")
    _css = front.style("explore")

    picture = traitlets.Unicode(read_only=True).tag(sync=True)

    def __init__(
        self,
        tables: Tables,
        *,
        selection: Selection | None = None,
        policy: ContentPolicy | None = None,
        embeddings: Embeddings | None = None,
    ) -> None:
        super().__init__(tables.ds, policy=policy)
        self.notes = Notes(self.ds)
        self.tables = Tables(self.ds, {**tables.others, "notes": self.notes.table})
        self.selection = Selection(self.ds.items["pair_id"]) if selection is None else selection
        self.selection.exclude_from(self.ds.items["pair_id"])
        self.saved = SavedSelections()
        self._index = index_pairs(self.ds)
        self._embeddings = embeddings
        self._canvas, self._coefficient = "matrix", "phi"
        self._against: int | None = None
        self._sent: set[str] = set()
        self._background = Background(lambda _: None)
        self._mapping = Background(lambda share: self.send({"kind": "mapping", "share": share}))
        self._reading = Reading(self.ds, index=self._index, selection=self.selection, notes=self.notes)
        self._reading.read_from(self.tables)
        self._comparing, self._lists = Compared(self.ds), "pairs"
        self._until_closed(self.selection.observe(self._selection_changed), self._background.close, self._mapping.close)
        self._selection_changed()

    @property
    def selected(self) -> pl.DataFrame:
        """Rows of `ds.items`, without texts, that are selected, in the order of the list."""
        return self._reading.selected

    def show(self, canvas: str) -> None:
        """Show another canvas: one of `CANVASES`, as far as there are data for it."""
        self._canvas = choice(canvas, self._canvases, what="canvas")
        self._send_canvas()

    def click(self, facet: str, value: int | str, *, how: str = "replace") -> None:
        """Choose a value of a facet, as a click on its bar does.

        Parameters
        ----------
        facet : str
            Name of a facet: "safety", "categories", "dispute", "topics", "cost:MODEL", ...
        value : int or str
            Its number, or its label.
        how : {"replace", "add", "exclude"}
            As in `Selection.choose`.

        Raises
        ------
        UsageError
            If there is no such facet or value.
        """
        one = self._facet(facet)
        number = list(one.labels).index(choice(value, one.labels, what=one.title)) if isinstance(value, str) else value
        if not 0 <= number < len(one.labels):
            raise UsageError(f"Value {value} of {one.title} was asked for; there are {len(one.labels)}. Choose one.")
        self.selection.choose(one.clause(self.tables, low=number, high=number), how=how)

    def search(self, text: str, *, by: str = "words", n: int = 100) -> None:
        """Choose pairs that contain words, are near in meaning, or have an id.

        Parameters
        ----------
        text : str
            What to look for.
        by : {"words", "meaning", "id"}
            Words are taken literally, in upper or lower case.
        n : int
            How many texts are near in meaning.

        Raises
        ------
        UsageError
            If `text` is empty, or embeddings or their encoder are not known.
        """
        choice(by, ("words", "meaning", "id"), what="kind of search")
        if by == "id":
            self._reading.open_pair(self._pair_of(text))
            self._send_reading()
        elif by == "words":
            if not text.strip():
                raise UsageError("A search for words was asked for without any. Type at least one.")
            condition = Condition("prompt", "contains", text.strip())
            words = f"words “{text.strip()}”"[:80]
            self.selection.choose(clause(self.tables, "search", words=words, table="items", tests=[condition]))
        else:
            from btviz.widgets.topics.explorer import near_text  # noqa: PLC0415  # topics load much that a page needs not

            near = near_text(self._embeddings, text, n=n)
            self.selection.set(near, origin=f"nearest in meaning, {near.height}", value="similarity", view="search")

    def read(self, what: str) -> None:
        """List "pairs", or the "comparisons" in which selected pairs take part."""
        self._lists = choice(what, LISTS if self.ds.preferences.height else LISTS[:1], what="list")
        if what == "comparisons":
            self._comparing.follow(self.selection)
        self._send_reading()

    def show_neighbours(self, pair_id: int, *, n: int = 25) -> None:
        """Choose the pairs of the `n` texts nearest in meaning to a pair, the most similar first; needs embeddings."""
        from btviz.widgets.topics.explorer import near_pairs  # noqa: PLC0415  # topics load much that a page needs not

        near = near_pairs(self._embeddings, pl.Series([pair_id], dtype=pl.UInt64), n=n)
        self.selection.set(near, origin=f"nearest to {hex_id(pair_id)}", value="similarity")

    def lay_out(self, *, encoder: str = "minilm") -> None:
        """Make the map and the topics that were not given, beside the kernel; what is stored is not made again.

        Parameters
        ----------
        encoder : str
            As for `btviz.embed`: what reads the texts.
        """
        stages = iter(range(1, STAGES))

        def job(report: Report) -> TopicMap:
            def told(_: str) -> None:
                report(next(stages, STAGES) / STAGES)

            return make_topic_map(self.ds, encoder=encoder, stability=False, progress=told)

        self._mapping.run(job, on_done=self._laid_out, on_error=self._not_laid_out)

    def exported(self) -> pl.DataFrame:
        """Selected pairs with their labels, tags, topic and scores; no text is among them."""
        return self._reading.exported()

    # what is on the page

    @cached_property
    def _facets(self) -> list[Facet]:
        return facets_of(self.tables, self._index)

    def _facet(self, name: str) -> Facet:
        names = {facet.name: facet for facet in self._facets}
        return names[choice(name, names, what="facet")]

    @cached_property
    def _planes(self) -> Mapping[str, canvases.Plane]:
        made = (canvases.map_of(self.tables, self._index), canvases.plane_of(self.tables, self._index))
        return {plane.name: plane for plane in made if plane is not None}

    @cached_property
    def _comparisons(self) -> Comparisons | None:
        return canvases.comparisons_at_hand(self.ds)

    @cached_property
    def _votes(self) -> VoteCounts:
        return vote_counts(self.ds)

    @property
    def _canvases(self) -> list[str]:
        there = dict.fromkeys(("matrix", "network", "contrast"), self._index.has_categories)
        there["agreement"] = self._votes.undefined is None
        there |= {"strata": self._comparisons is not None, "map": True} | dict.fromkeys(self._planes, True)
        return [name for name in CANVASES if there.get(name)]

    @property
    def _scope(self) -> canvases.Scope:
        ids = self.selection.pair_ids
        mask = None
        if ids is not None:
            mask = np.zeros(len(self._index), np.bool_)
            mask[self._index.rows_of(ids)] = True
        return canvases.Scope(ids, mask, self._index, frozenset(one.view for one in self.selection.clauses))

    # what is sent

    def _selection_changed(self) -> None:
        self._reading.refresh()
        if self._lists == "comparisons":
            self._comparing.follow(self.selection)
        self._scope_now = self._scope
        self._send_all()

    def _send_all(self) -> None:
        self.send({"kind": "read", "n": self.policy.n_read})
        self._send_bar()
        self._send_facets()
        self._send_reading()
        self._send_canvas()
        self.set_trait("picture", self._picture())

    def _send_bar(self) -> None:
        scope, pick = self._scope_now, self.selection
        now = pick.choice
        unsafe = self._index.is_unsafe if scope.mask is None else self._index.is_unsafe[scope.mask]
        branches = [
            [{"view": term.clause.view, "words": term.clause.words, "excluded": term.excluded} for term in branch]
            for branch in now.branches
        ]
        self.send(
            {
                "kind": "bar",
                "population": self.ds.population,
                "item": self.ds.item,
                "branches": branches,
                "n": scope.n,
                "all": len(self._index),
                "unsafe": int(unsafe.sum()),
                "undo": self.selection.can_undo,
                "redo": self.selection.can_redo,
                "expression": now.expression,
                "saved": self.saved.names,
                "meaning": self._embeddings is not None,
                "sought": [test.value for one in pick.clauses for test in one.tests if test.test == "contains"],
            }
        )

    def _send_facets(self) -> None:
        mask = self._scope_now.mask
        chosen = {
            (one.view, one.words): ("exclude" if term.excluded else "add")
            for branch in self.selection.choice.branches[-1:]
            for term in branch
            for one in (term.clause,)
        }
        said = [facet.describe(mask) | {"on": self._on(facet, chosen)} for facet in self._facets]
        self.send({"kind": "facets", "facets": said, "n": self._scope_now.n, "all": len(self._index)})

    def _on(self, facet: Facet, chosen: Mapping[tuple[str, str], str]) -> dict[int, str]:
        """Which values are part of the selection, and how."""
        if not any(view == facet.name for view, _ in chosen):
            return {}
        words = [facet.choose(number, number)[0] for number in range(len(facet.labels))]
        return {k: chosen[facet.name, said] for k, said in enumerate(words) if (facet.name, said) in chosen}

    @property
    def _list(self) -> Reading | Compared:
        return self._reading if self._lists == "pairs" else self._comparing

    def _send_reading(self) -> None:
        listed = self._list
        cards = listed.cards() if isinstance(listed, Reading) else listed.cards
        lists = LISTS if self.ds.preferences.height else LISTS[:1]
        said = {"kind": "reading", "what": self._lists, "lists": lists, "near": self._embeddings is not None}
        self.send({**said, **listed.describe(), "cards": cards})
        self._send_notes()

    def _send_notes(self) -> None:
        self.send({"kind": "notes", "notes": self._reading.noted(), "tags": self.notes.tags})

    def _send_canvas(self) -> None:
        there, scope = self._canvases, self._scope_now
        name = self._canvas if self._canvas in there else there[0]
        common = {"kind": "canvas", "canvases": there}
        if name in self._planes:
            plane = self._planes[name]
            if name not in self._sent:
                self._sent.add(name)
                self.send({"kind": "points", **plane.describe(self._index)}, plane.buffers(self._index))
            said = {"name": name, "title": plane.title, "heading": scope.heading, "doubt": ""}
            self.send(common | said | {"all_lit": scope.mask is None}, [plane.lit(scope.mask)])
            return
        if name == "map":
            words = "No map of the texts was given. It can be made here, and topics with it; what is made is kept."
            self.send(common | {"name": name, "title": "Map of texts", "heading": words, "encoders": [*ENCODERS]})
            return
        self._background.run(
            lambda _: self._computed(name, scope),
            on_done=lambda drawn: self.send(common | drawn),
            on_error=lambda why: self.send({"kind": "say", "text": why}),
        )

    def _computed(self, name: str, scope: canvases.Scope) -> dict[str, Any]:
        if name == "matrix":
            return canvases.matrix(self.ds, scope, coefficient=self._coefficient)
        if name == "network":
            return canvases.network(self.ds, scope)
        if name == "agreement":
            return canvases.agreement(self.ds, scope, votes=self._votes)
        if name == "contrast" or self._comparisons is None:
            return canvases.contrast(self.tables, scope, topic=self._against)
        return canvases.strata(self.ds, scope, comparisons=self._comparisons)

    @cached_property
    def _topic_names(self) -> dict[int, str]:
        return canvases.topic_names(self.tables)

    def compare_with(self, topic: int | None) -> None:
        """Compare the selection with the pairs of a topic, by its number; with the rest if None."""
        if topic is not None and topic not in self._topic_names:
            raise UsageError(
                f"Topic {topic} was to be compared with; there are {len(self._topic_names)} topics on this page. "
                "Give the number of one, or None for the rest."
            )
        self._against = topic
        self._send_canvas()

    # what is done on a message

    def _answers(self) -> dict[str, Callable[[Message], None]]:
        pick = self.selection
        return super()._answers() | {
            "ready": lambda _: self._begin(),
            "facet": self._click_facet,
            "canvas": lambda message: self.show(message["name"]),
            "coefficient": self._recount,
            "list": lambda message: self.read(message["what"]),
            "near": lambda message: self.show_neighbours(from_hex(message["pair"])),
            "against": lambda message: self.compare_with(message["topic"]),
            "cell": self._click_cell,
            "region": self._click_region,
            "remove": self._remove,
            "undo": lambda _: self._step(pick.undo),
            "redo": lambda _: self._step(pick.redo),
            "or": lambda _: pick.alternative(),
            "clear": lambda _: pick.clear(),
            "save": self._save,
            "load": lambda message: self._say(self.saved.load(message["name"], pick, tables=self.tables)),
            "lay_out": lambda message: self.lay_out(encoder=choice(message["encoder"], ENCODERS, what="encoder")),
            "cancel": lambda _: self._cancel(),
            "json": lambda _: self.send({"kind": "copy", "text": json.dumps(pick.to_json(), ensure_ascii=False)}),
            "open": self._open,
            "search": lambda message: self.search(message["text"], by=message["by"]),
            "export": lambda _: self._download(),
            "turn": self._turn,
            "sort": self._sort,
            "prompt": self._click_prompt,
            "tag": self._tag,
            "tag_all": self._tag_all,
            "untag": self._untag,
        }

    def _reveal(self, message: Message) -> None:
        super()._reveal(message)
        self.send({"kind": "read", "n": self.policy.n_read})

    def _step(self, step: Callable[[], bool]) -> None:
        if not step():
            self._say("There is no other state in that direction.")

    def _laid_out(self, made: TopicMap) -> None:
        parts = {"points": made.points, "topics": made.topics.topics, "assignments": made.topics.assignments}
        self.tables = Tables(self.ds, {**self.tables.others, **parts})
        self._embeddings = made.embeddings
        self._reading.read_from(self.tables)
        for name in ("_facets", "_planes", "_topic_names"):
            self.__dict__.pop(name, None)
        self._sent.discard("map")
        self.send({"kind": "mapping", "share": None, "done": True})
        self._send_all()

    def _not_laid_out(self, why: str) -> None:
        self.send({"kind": "mapping", "share": None, "done": True})
        self._say(why)

    def _cancel(self) -> None:
        self._mapping.cancel()
        self.send({"kind": "mapping", "share": None, "done": True})

    def _open(self, message: Message) -> None:
        """A selection that somebody else wrote: data, of which nothing is run."""
        try:
            document = json.loads(message["text"])
        except json.JSONDecodeError as error:
            raise UsageError(
                "A selection was to be opened; what was pasted is no JSON. Paste what “Copy as JSON” gave."
            ) from error
        if not isinstance(document, dict):
            raise UsageError("A selection was to be opened; what was pasted is JSON, but no object. Paste all of it.")
        self.selection.open(document, tables=self.tables)

    def _begin(self) -> None:
        self._sent.clear()  # a new page in the browser has no points yet
        self._send_all()

    def _say(self, words: str) -> None:
        if words:
            self.send({"kind": "say", "text": words})

    def _click_facet(self, message: Message) -> None:
        one = self._facet(message["facet"]).clause(self.tables, low=message["low"], high=message["high"])
        self.selection.choose(one, how=message["how"])

    def _click_cell(self, message: Message) -> None:
        """Both categories of a cell, or the one of a label."""
        slugs = list(dict.fromkeys(message["slugs"]))
        words = " and ".join(self.ds.taxonomy[slug].title for slug in slugs)
        tests = [Condition("labels", "has", slug) for slug in slugs]
        made = clause(self.tables, "categories", words=words, table="items", tests=tests)
        self.selection.choose(made, how=message["how"])

    def _click_region(self, message: Message) -> None:
        plane = self._planes[choice(message["name"], self._planes, what="canvas")]
        corners = [float(value) for value in message["corners"]]
        made: list[Clause] = [
            clause(self.tables, view, words=words, table=table, tests=tests)
            for view, words, table, tests in plane.choose(*corners)
        ]
        self.selection.narrow(*made)

    def _recount(self, message: Message) -> None:
        self._coefficient = message["name"]
        self._send_canvas()

    def _remove(self, message: Message) -> None:
        branch = self.selection.choice.branches[message["branch"]]
        self.selection.remove(branch[message["place"]].clause)

    def _save(self, message: Message) -> None:
        self.saved.save(message["name"], self.selection, tables=self.tables)
        self._send_bar()
        self._say("Kept. It is there by its name in every session, on every data set that holds such pairs.")

    def _turn(self, message: Message) -> None:
        self._list.turn_to(message["offset"])
        self._send_reading()

    def _sort(self, message: Message) -> None:
        self._list.sort_by(message["by"])
        self._send_reading()

    def _click_prompt(self, message: Message) -> None:
        prompt = int(self._index.prompt_ids[self._reading.row_of(from_hex(message["pair"]))])
        condition = Condition("prompt_id", "is", prompt)
        made = clause(self.tables, "prompt", words="all answers to one prompt", table="items", tests=[condition])
        self.selection.begin(made)

    def _tag(self, message: Message) -> None:
        self.notes.add(from_hex(message["pair"]), tag=message["tag"], note=message["note"])
        self._retag()

    def _tag_all(self, message: Message) -> None:
        """Tag what is selected, in one step; never everything, which nobody can have meant."""
        ids = self.selection.pair_ids
        if ids is None or ids.is_empty():
            raise UsageError("All selected pairs were to be tagged; none is selected. Choose some first.")
        self.notes.add(self.selected["pair_id"].to_list(), tag=message["tag"])
        self._retag()
        self._say(f"Tagged {self.selected.height:,} {self.ds.item}s. page.notes.undo() takes it back in one step.")

    def _untag(self, message: Message) -> None:
        self.notes.remove(from_hex(message["pair"]), tag=message["tag"])
        self._retag()

    def _retag(self) -> None:
        """Count tags anew: what is chosen by a tag stays what it was when it was chosen."""
        self.tables = Tables(self.ds, {**self.tables.others, "notes": self.notes.table})
        self.__dict__.pop("_facets", None)
        self._send_notes()
        self._send_facets()

    def _download(self) -> None:
        table = table_bytes(self.exported(), suffix=".csv").decode()
        self.send({"kind": "download", "name": "btviz-selection.csv", "text": table})

    def _pair_of(self, text: str) -> int:
        ids = possible_ids(text)
        rows = self._index.rows_of(pl.Series(ids, dtype=pl.UInt64))
        return int(self._index.pair_ids[rows[0]]) if len(rows) else ids[0]

    # what remains

    def _picture(self) -> str:
        shown = [facet for facet in self._facets if facet.name in ("safety", "categories", "dispute", "split")]
        scope = self._scope_now
        bars = [(facet.title, facet.labels, facet.describe(scope.mask)) for facet in shown]
        return picture_of(self.ds.population, bars, heading=scope.heading)

    def _still(self) -> str:
        return str(self.picture)
