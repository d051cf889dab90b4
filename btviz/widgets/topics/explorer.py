"""The topic explorer: a map, its topics, and what the pairs chosen on it have in common."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import ipywidgets
import polars as pl
from numpy.typing import ArrayLike

from btviz.data.dataset import Dataset
from btviz.errors import NotFoundError
from btviz.session.content import ContentPolicy
from btviz.session.exports import export_table, table_bytes
from btviz.session.selection import Selection
from btviz.texts.datamap import map_quality
from btviz.texts.embedding import Embeddings
from btviz.texts.topics.result import Topics
from btviz.widgets.categories.contrast import ContrastView
from btviz.widgets.inspector.index import index_pairs
from btviz.widgets.inspector.pairs import PairInspector
from btviz.widgets.inspector.revealing import Message
from btviz.widgets.parts.inspected import InspectedView
from btviz.widgets.topics.mapview import MapJobs
from btviz.widgets.topics.panel import TopicPanel
from btviz.widgets.topics.places import places_of
from btviz.widgets.topics.searching import near_pairs, near_text, with_words

NEAREST = 50
"""Texts that a search by meaning chooses."""


_WRAP = {"flex_flow": "row wrap", "align_items": "flex-start", "grid_gap": "12px"}


class TopicExplorer(InspectedView):
    """See what texts are about, choose some on the map, and read and count them.

    Lasso points, click the name of a topic, search for words, or for texts like those chosen:
    each sets the same `selection`, which the inspector, the bars and the matrix below the map
    follow. Pairs that share a text share a point, and are chosen together.

    Parameters
    ----------
    ds : Dataset
        The data set that was laid out.
    points : DataFrame
        `pair_id`, `x`, `y`, from `btviz.fit_data_map`.
    topics : Topics
        From `btviz.fit_topics`, or `btviz.load_topics`.
    scores : DataFrame, optional
        `pair_id`, `model`, `kind`, `target`, `score`: colours to choose from.
    embeddings : Embeddings, optional
        For search by meaning, and the quality of the map; those behind `topics` by default.
    quality : DataFrame, optional
        From `btviz.map_quality`; measured if it is not given and the embeddings are known.
    stability : DataFrame, optional
        From `btviz.topic_stability`: topics that other fits do not find again get a mark.
    selection : Selection, optional
        Shared with other views; setting it from Python moves this one.
    policy : ContentPolicy, optional
        Decides which texts may be read; the one of this session by default.

    Raises
    ------
    UsageError
        If points, quality or scores are not tables of that kind, or not of this data set.

    Examples
    --------
    >>> explorer = btviz.widgets.TopicExplorer(ds, points=points, topics=topics)
    >>> explorer.click(0)  # or with the mouse
    >>> explorer.color_by("category:hate-speech")
    >>> explorer.selected["n_unsafe"].mean()
    """

    def __init__(  # noqa: PLR0913  # all but the first three are optional
        self,
        ds: Dataset,
        *,
        points: pl.DataFrame,
        topics: Topics,
        scores: pl.DataFrame | None = None,
        embeddings: Embeddings | None = None,
        quality: pl.DataFrame | None = None,
        stability: pl.DataFrame | None = None,
        selection: Selection | None = None,
        policy: ContentPolicy | None = None,
    ) -> None:
        self.ds, self._points = ds, points
        self._embeddings = embeddings or topics.embeddings
        self._index = index_pairs(ds)
        self._setting: int | None = None
        self._panel = TopicPanel(
            ds,
            places=places_of(points, self._index),
            topics=topics,
            index=self._index,
            scores=scores,
            quality=self._measured() if quality is None else quality,
            stability=stability,
            on_message=self._answer,
        )
        self.map = self._panel.view
        self._jobs = MapJobs(self.map)
        self.map.tell({"meaning": self._embeddings is not None})
        self.inspector = PairInspector(ds, selection=selection, policy=policy, index=self._index)
        self.selection.observe(self._selection_moved)
        self._selection_moved()
        self.contrast = ContrastView(ds, selection=self.selection, index=self._index, policy=self.policy)
        self.map.layout = {"flex": "3 1 560px", "min_width": "0"}
        self.inspector.layout = {"flex": "2 1 430px"}  # beside the map where there is room, else below
        super().__init__([ipywidgets.Box([self.map, self.inspector], layout=_WRAP), self.contrast])

    @property
    def topics(self) -> Topics:
        """Topics at the scale on view."""
        return self._panel.layer.topics

    def scale(self, smallest: int) -> None:
        """Show topics of at least so many texts.

        Raises
        ------
        UsageError
            If the topics were not fitted at that scale.
        """
        self._panel.show(self._panel.laid(smallest))

    def color_by(self, name: str) -> None:
        """Let the colour of a point stand for something else.

        Parameters
        ----------
        name : str
            "topic", "safety", "disagreement", "severity", "category:SLUG" or "score:MODEL".

        Raises
        ------
        UsageError
            If there is no such colouring, or these data have nothing to show for it.
        """
        self._panel.color_by(name)

    def click(self, topic: int) -> None:
        """Choose the pairs of a topic.

        Parameters
        ----------
        topic : int
            Its number at the scale on view; -1 for outliers.

        Raises
        ------
        NotFoundError
            If there is no such topic.
        """
        ids = self._panel.layer.pair_ids(topic)
        if ids.is_empty():
            n = self.topics.topics.height
            there = f"there are 0 to {n - 1}" if n else "there is none"
            outliers = ", and no outliers" if topic == -1 else ""
            raise NotFoundError(
                f"Topic {topic} was asked for; at scale {self.topics.scale} {there}{outliers}. "
                "Choose another topic, or another scale."
            )
        named = "Outliers" if topic < 0 else f"Topic {topic}"
        origin = f"{named} at scale {self.topics.scale}: {_counted(ids.len(), 'pair')}"
        self._choose(ids, origin=origin, expression=self._panel.layer.expression(topic), topic=topic)

    def lasso(self, places: ArrayLike) -> None:
        """Choose all pairs at some points of the map; none drops the selection.

        Parameters
        ----------
        places : array-like of int
            Numbers of points, in the order of `map`.

        Raises
        ------
        UsageError
            If there is no such point.
        """
        rows = self._panel.places.rows_at(places)
        if not len(rows):
            self.selection.clear()
            return
        origin = f"{_counted(len(self._panel.places.at_rows(rows)), 'point')} of the map: {_counted(len(rows), 'pair')}"
        self._choose(self.ds.pairs["pair_id"][rows], origin=origin)

    def search(self, words: str) -> None:
        """Choose the pairs whose prompt or response contains words, taken literally in upper or lower case.

        Raises
        ------
        UsageError
            If there are no words.
        """
        ids = with_words(self.ds, words)
        self._choose(ids, origin=f"Search for words: {_counted(len(ids), 'pair')}")

    def search_meaning(self, text: str, *, n: int = NEAREST) -> None:
        """Choose the pairs with the `n` texts nearest in meaning to another.

        Raises
        ------
        UsageError
            If the embeddings, or their encoder, are unknown, or the text is empty.
        """
        self._choose_near(near_text(self._embeddings, text, n=n))

    def more_like(self, *, n: int = NEAREST) -> None:
        """Choose the pairs with the `n` texts nearest in meaning to those chosen, which are left out.

        Raises
        ------
        UsageError
            If nothing is chosen, or the embeddings are unknown.
        """
        self._choose_near(near_pairs(self._embeddings, self.selection.pair_ids, n=n))

    def export(self, path: str | Path) -> Path:
        """Write the listed pairs to a ``.csv`` or ``.jsonl`` file: with topic and place, texts as the policy allows."""
        return export_table(path, self._exported())

    def _measured(self) -> pl.DataFrame | None:
        return None if self._embeddings is None else map_quality(self._points, self._embeddings)

    def _choose(self, ids: pl.Series, *, origin: str, expression: str | None = None, topic: int | None = None) -> None:
        self._setting = topic
        try:
            self.selection.set(ids, origin=origin, expression=expression)
        finally:
            self._setting = None

    def _choose_near(self, ids: pl.Series) -> None:
        self._choose(ids, origin=f"Nearest in meaning: {_counted(len(ids), 'pair')}")

    def _selection_moved(self) -> None:
        ids = self.selection.pair_ids
        n = self._panel.mark(None if ids is None else self._index.rows_of(ids))
        now = self.selection.choice
        self.map.tell({"topic": self._setting, "chosen": n, "origin": now.origin, "expression": now.expression})

    def _answers(self) -> dict[str, Callable[[Message], None]]:
        """What is done on each kind of message from the map."""
        return {
            "ready": lambda _: self._panel.send_labels(),
            "point": lambda asked: self._panel.point_at(asked["place"]),
            "lasso": lambda asked: self.lasso(asked["places"]),
            "topic": lambda asked: self.click(asked["topic"]),
            "color": lambda asked: self.color_by(asked["name"]),
            "words": lambda asked: self.search(asked["text"]),
            "clear": lambda _: self.selection.clear(),
            "export": lambda _: self._download(),
            "hide": lambda _: self.policy.hide_all(),
            "scale": lambda asked: self._jobs.run(partial(self._panel.laid, asked["scale"]), self._panel.show),
            "meaning": lambda asked: self._jobs.run(
                partial(near_text, self._embeddings, asked["text"], n=NEAREST), self._choose_near
            ),
            "like": lambda _: self._jobs.run(
                partial(near_pairs, self._embeddings, self.selection.pair_ids, n=NEAREST), self._choose_near
            ),
        }

    def _answer(self, message: Message) -> None:
        self._jobs.answer(lambda: self._answers()[message["kind"]](message))

    def _exported(self) -> pl.DataFrame:
        topics = self.topics.assignments.select("pair_id", "topic", "probability")
        places = self._points.select("pair_id", "x", "y")
        rows = self.inspector.exported()
        return rows.join(topics, on="pair_id", how="left").join(places, on="pair_id", how="left")

    def _download(self) -> None:
        table = table_bytes(self._exported(), suffix=".csv").decode()
        self.map.send({"kind": "download", "name": "btviz-selection.csv", "text": table})


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'s' * (n != 1)}"
