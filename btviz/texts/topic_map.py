"""From a data set to its topic map, one stage after the other; each is read from the store if it was made before."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import polars as pl

from btviz.arguments import whole_number
from btviz.data.dataset import Dataset
from btviz.texts.datamap import fit_data_map, map_quality
from btviz.texts.datamap.fit import check_layout, drawn, subset
from btviz.texts.embedding import Embeddings, Encoder, embed
from btviz.texts.embedding.engines import Engine
from btviz.texts.neighbors import Neighbors, nearest_neighbors
from btviz.texts.topics import Topics, fit_topics, topic_stability


@dataclass(frozen=True, eq=False)
class TopicMap:
    """Embeddings, neighbours, map and topics of one data set.

    Attributes
    ----------
    ds : Dataset
        What it is a map of.
    embeddings : Embeddings
        One vector a distinct text.
    neighbors : Neighbors
        The graph that was laid out; with landmarks, that of these alone.
    points : DataFrame
        From `btviz.fit_data_map`: one row a pair.
    quality : DataFrame
        From `btviz.map_quality`.
    topics : Topics
        At the scale that was asked for.
    stability : DataFrame or None
        From `btviz.topic_stability`, if it was asked for.
    seconds : dict of str to float
        How long each stage took.
    """

    ds: Dataset
    embeddings: Embeddings
    neighbors: Neighbors
    points: pl.DataFrame
    quality: pl.DataFrame
    topics: Topics
    stability: pl.DataFrame | None
    seconds: dict[str, float]

    @property
    def placed(self) -> pl.DataFrame:
        """Place and topic of each pair: `pair_id`, `x`, `y`, `topic`, `probability`, `reassigned`."""
        return self.points.join(self.topics.assignments, on="pair_id", how="left", maintain_order="left")


def make_topic_map(  # noqa: PLR0913  # one for each option
    ds: Dataset,
    *,
    text: str = "prompt",
    encoder: str | Encoder = "minilm",
    engine: Engine = "local",
    landmarks: int | None = None,
    scale: int | None = None,
    stability: bool = True,
    random_state: int = 0,
    progress: Callable[[str], None] | None = None,
) -> TopicMap:
    """Embed, find neighbours, lay out, judge the map, and find topics.

    Parameters
    ----------
    ds : Dataset
        What to map.
    text, encoder, engine
        As for `btviz.embed`.
    landmarks
        As for `btviz.fit_data_map`.
    scale
        As for `btviz.fit_topics`.
    stability
        Find topics again in parts of the prompts.
    random_state : int
        Seed of every stage.
    progress : callable, optional
        Called with a line before each stage, and with what came of it.

    Returns
    -------
    TopicMap
        The same for any order of rows, on one machine.

    Raises
    ------
    UsageError
        If an option is out of its range.
    NotFoundError
        If the encoder is not here.
    DataError
        If the data hold no texts.
    """
    check_layout(random_state=random_state, landmarks=landmarks)
    if scale is not None:
        whole_number(scale, name="scale", least=1)
    say = progress or (lambda _: None)
    clock = _Clock(say)
    with clock.stage("embedding", f"Embedding each {text} of {ds.population}"):
        emb = embed(ds, text=text, encoder=encoder, engine=engine)
    say(f"  {emb.summary}")
    with clock.stage("neighbors", "Finding neighbours"):
        graph = nearest_neighbors(_laid_out(emb, landmarks, random_state=random_state))
    with clock.stage("map", "Laying out the map"):
        points = fit_data_map(emb, random_state=random_state, landmarks=landmarks)
    with clock.stage("quality", "Judging the map"):
        quality = map_quality(points, emb)
    with clock.stage("topics", "Finding topics"):
        topics = fit_topics(ds, embeddings=emb, scale=scale, random_state=random_state)
    found_again = None
    if stability:
        with clock.stage("stability", "Finding topics again in parts of the prompts"):
            found_again = topic_stability(ds, topics, embeddings=emb)
    return TopicMap(ds, emb, graph, points, quality, topics, found_again, clock.seconds)


def _laid_out(emb: Embeddings, landmarks: int | None, *, random_state: int) -> Embeddings:
    """What `fit_data_map` lays out: all texts, or the landmarks."""
    if landmarks is None or landmarks >= len(emb):
        return emb
    return subset(emb, drawn(emb, landmarks, random_state=random_state))


class _Clock:
    def __init__(self, say: Callable[[str], Any]) -> None:
        self.seconds: dict[str, float] = {}
        self._say = say

    @contextmanager
    def stage(self, name: str, what: str) -> Iterator[None]:
        self._say(what)
        begun = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - begun, 2)
