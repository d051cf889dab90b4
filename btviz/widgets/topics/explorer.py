"""The topic explorer: a map, its topics, and what the pairs chosen on it have in common."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import ipywidgets
import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from btviz.data.dataset import Dataset
from btviz.errors import NotFoundError, UsageError
from btviz.plots.topics.tree import topic_tree
from btviz.session import ContentPolicy, Selection, export_table, session_policy, table_bytes
from btviz.texts.datamap import map_quality
from btviz.texts.embedding import Embeddings
from btviz.texts.neighbors import more_like
from btviz.texts.topics.result import Topics
from btviz.widgets.categories.explorer import ContrastView
from btviz.widgets.inspector.index import index_pairs
from btviz.widgets.inspector.inspector import Message
from btviz.widgets.inspector.listing import containing
from btviz.widgets.inspector.pairs import InspectedView, PairInspector
from btviz.widgets.parts.chartview import ChartView
from btviz.widgets.topics.mapview import MapJobs, TopicPanel
from btviz.widgets.topics.places import places_of

TREE_SCALES = 4
"""Scales of the tree, around that of the topics given."""

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
        From `btviz.topic_stability`: names of topics that parts of the prompts do not give again are faint.
    words : bool
        Show the words of a topic when the mouse is over its name, in this session: sets ``policy.reveal_words``, which
        a box beside "Show texts without asking" does, too. Names are neutral, and words of guarded categories stay
        hidden as their texts do.
    selection : Selection, optional
        Shared with other views; setting it from Python moves this one.
    policy : ContentPolicy, optional
        Decides which texts may be read; the one of this session by default.

    Attributes
    ----------
    map : MapView
        The map: `state` is what it shows, without texts; `scatter` the points, by jupyter-scatter.
    panel : TopicPanel
        Its `places`, and the `layer` of topics on view.
    tree : ChartView
        Topics of several scales; a click on a box shows its scale and chooses its pairs.
    inspector : PairInspector
        Lists the pairs chosen, or all.
    contrast : ContrastView
        Bars and matrix of the pairs chosen.

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
        words: bool = False,
        selection: Selection | None = None,
        policy: ContentPolicy | None = None,
    ) -> None:
        self.ds, self._points = ds, points
        self._embeddings = embeddings or topics.embeddings
        self._index = index_pairs(ds)
        self._setting: int | None = None
        policy = policy or session_policy()
        policy.offer_words()
        if words:
            policy.reveal_words = True
        self.panel = TopicPanel(
            ds,
            places=places_of(points, self._index),
            topics=topics,
            index=self._index,
            scores=scores,
            quality=self._measured() if quality is None else quality,
            stability=stability,
            policy=policy,
            on_message=self._answer,
        )
        self.map = self.panel.view
        self._jobs = MapJobs(self.map)
        self.map.tell({"meaning": self._embeddings is not None})
        self.inspector = self._part(PairInspector(ds, selection=selection, policy=policy, index=self._index))
        self.tree = ChartView(None, on_click=self._branch, on_hide=self.policy.hide_all)
        self._draw_tree(topics, stability)
        self._until_closed(
            self.selection.observe(self._selection_moved), policy.observe(self.panel.send_labels), self._jobs.close
        )
        self._selection_moved()
        self.contrast = self._part(ContrastView(ds, selection=self.selection, index=self._index, policy=self.policy))
        self.map.layout.flex, self.map.layout.min_width = "3 1 560px", "0"
        self.inspector.layout.flex = "2 1 430px"  # beside the map where there is room, else below
        super().__init__([ipywidgets.Box([self.map, self.inspector], layout=_WRAP), self.tree, self.contrast])

    def _draw_tree(self, topics: Topics, stability: pl.DataFrame | None) -> None:
        """Draw the topics of the scales around that of the topics given; nothing where there is no topic."""
        tree = topics.hierarchy
        if tree.is_empty():
            return
        place = {scale: number for number, scale in enumerate(topics.scales)}
        nearest = sorted(place, key=lambda scale: abs(place[scale] - place[topics.scale]))
        shown = tuple(sorted(nearest[:TREE_SCALES]))
        said = {"source": self.ds.population, "item": self.ds.item}
        self.tree.draw(topic_tree(tree, scales=shown, stability=stability, scale=topics.scale, **said))

    def _branch(self, scale: str, topic: str) -> None:
        """Go to the scale of a box of the tree, and choose its topic."""
        if int(scale) != self.topics.scale:
            self.scale(int(scale))
        self.click(int(topic))

    @property
    def topics(self) -> Topics:
        """Topics at the scale on view."""
        return self.panel.layer.topics

    def scale(self, number: int) -> None:
        """Show the topics at another scale.

        Raises
        ------
        UsageError
            If the topics were not fitted at that scale.
        """
        self.panel.show(self.panel.laid(number))

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
        self.panel.color_by(name)

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
        ids = self.panel.layer.pair_ids(topic)
        if ids.is_empty():
            n = self.topics.topics.height
            there = f"there are 0 to {n - 1}" if n else "there is none"
            outliers = ", and no outliers" if topic == -1 else ""
            raise NotFoundError(
                f"Topic {topic} was asked for; at scale {self.topics.scale} {there}{outliers}. "
                "Choose another topic, or another scale."
            )
        named = "Outliers" if topic < 0 else f"Topic {topic}"
        origin = f"{named} at scale {self.topics.scale}: {_counted(ids.len(), self.ds.item)}"
        self._choose(ids, origin=origin, expression=self.panel.layer.expression(topic), topic=topic)

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
        rows = self.panel.places.rows_at(places)
        if not len(rows):
            self.selection.clear()
            return
        origin = (
            f"{_counted(len(self.panel.places.at_rows(rows)), 'point')} of the map: {_counted(len(rows), self.ds.item)}"
        )
        self._choose(self.ds.items["pair_id"][rows], origin=origin)

    def search(self, words: str) -> None:
        """Choose the pairs whose prompt or response contains words, taken literally in upper or lower case.

        Raises
        ------
        UsageError
            If there are no words.
        """
        ids = with_words(self.ds, words)
        self._choose(ids, origin=f"Search for words: {_counted(len(ids), self.ds.item)}")

    def search_meaning(self, text: str, *, n: int = NEAREST) -> None:
        """Choose the pairs with the `n` texts nearest in meaning to another, the most similar first.

        ``selection.values`` has their similarity (cosine), which the inspector shows beside each.

        Raises
        ------
        UsageError
            If the embeddings, or their encoder, are unknown, or the text is empty.
        """
        self._choose_near(near_text(self._embeddings, text, n=n))

    def more_like(self, *, n: int = NEAREST) -> None:
        """Choose the pairs with the `n` texts nearest in meaning to those chosen, which are left out.

        The most similar come first, with their similarity as in `search_meaning`.

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

    def _choose_near(self, near: pl.DataFrame) -> None:
        origin = f"Nearest in meaning: {_counted(near.height, self.ds.item)}, the most similar first"
        self.selection.set(near, origin=origin, value="similarity")

    def _selection_moved(self) -> None:
        ids = self.selection.pair_ids
        n = self.panel.mark(None if ids is None else self._index.rows_of(ids))
        now = self.selection.choice
        self.map.tell({"topic": self._setting, "chosen": n, "origin": now.origin, "expression": now.expression})
        box = ("", "") if self._setting is None else (str(self.topics.scale), str(self._setting))
        self.tree.chosen = {"chosen_row": box[0], "chosen_col": box[1]}

    def _answers(self) -> dict[str, Callable[[Message], None]]:
        """What is done on each kind of message from the map."""
        return {
            "ready": lambda _: self.panel.send_labels(),
            "point": lambda message: self.panel.point_at(message["place"]),
            "lasso": lambda message: self.lasso(message["places"]),
            "topic": lambda message: self.click(message["topic"]),
            "color": lambda message: self.color_by(message["name"]),
            "words": lambda message: self.search(message["text"]),
            "clear": lambda _: self.selection.clear(),
            "export": lambda _: self._download(),
            "hide": lambda _: self.policy.hide_all(),
            "scale": lambda message: self._jobs.run(partial(self.panel.laid, message["scale"]), self.panel.show),
            "meaning": lambda message: self._jobs.run(
                partial(near_text, self._embeddings, message["text"], n=NEAREST), self._choose_near
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


def with_words(ds: Dataset, words: str) -> pl.Series:
    """Pairs whose prompt or response contains words, taken literally, upper or lower case."""
    if not words.strip():
        raise UsageError("A search for words was asked for without any. Type at least one.")
    return ds.items["pair_id"][containing(ds, np.arange(ds.items.height), words=words.strip())]


def near_text(emb: Embeddings | None, text: str, *, n: int) -> pl.DataFrame:
    """Pairs with the `n` texts nearest in meaning to another, the nearest first: `pair_id`, `similarity`."""
    known = _known(emb)
    if not text.strip():
        raise UsageError("A search by meaning was asked for without a text. Type at least one word.")
    if known.source is None:
        raise UsageError(
            "A search by meaning was asked for, but the encoder of these embeddings is not known. "
            "Pass embeddings=btviz.embed(...)."
        )
    return _pairs(known, more_like(known, vector=known.source.encode([text.strip()])[0], n=n))


def near_pairs(emb: Embeddings | None, pair_ids: pl.Series | None, *, n: int) -> pl.DataFrame:
    """Pairs with the `n` texts nearest in meaning to those of some pairs, which are left out; as `near_text`."""
    known = _known(emb)
    ids = pl.Series(dtype=pl.UInt64) if pair_ids is None else pair_ids
    ids = ids.filter(ids.is_in(known.pairs["pair_id"].implode()))
    if ids.is_empty():
        raise UsageError("More like the selection was asked for, but no pair is selected. Choose some first.")
    return _pairs(known, more_like(known, pair_ids=ids, n=n))


def _known(emb: Embeddings | None) -> Embeddings:
    if emb is None:
        raise UsageError(
            "A search by meaning was asked for, but the embeddings behind these topics are not known. "
            "Pass embeddings=btviz.embed(...)."
        )
    return emb


def _pairs(emb: Embeddings, nearest: pl.DataFrame) -> pl.DataFrame:
    ranked = nearest.join(emb.pairs, on="text_id").sort("rank", "pair_id")
    return ranked.select("pair_id", "similarity")
