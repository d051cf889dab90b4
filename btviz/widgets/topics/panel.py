"""The map with its topics at one scale and its colours; what is chosen on it, others decide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.arguments import expect_table
from btviz.data.dataset import Dataset
from btviz.errors import UsageError, choice
from btviz.plots.style.theme import GROUPS
from btviz.plots.topics.datamap import QUALITY
from btviz.texts.topics.result import Topics
from btviz.texts.topics.stability import STABLE
from btviz.widgets.inspector.index import PairIndex
from btviz.widgets.inspector.revealing import Message
from btviz.widgets.topics.colouring import TOPIC, offers
from btviz.widgets.topics.mapview import MapView
from btviz.widgets.topics.places import Places, TopicLayer, lay

_TEXTS = {"prompt": "prompts", "response": "responses", "qa": "prompts with their responses"}


class TopicPanel:
    """Show places, the names of their topics, and one meaning of colour."""

    def __init__(
        self,
        ds: Dataset,
        *,
        places: Places,
        topics: Topics,
        index: PairIndex,
        scores: pl.DataFrame | None,
        quality: pl.DataFrame | None,
        stability: pl.DataFrame | None,
        on_message: Callable[[Message], None],
    ) -> None:
        self._index, self.places = index, places
        self._offers = offers(ds, places=places, index=index, scores=scores)
        self._unsafe = places.mean(index.is_unsafe, known=index.is_safe | index.is_unsafe)
        self._color = TOPIC
        self._stability = _shares(stability, topics)
        self.view = MapView(places, on_message=on_message)
        self.view.tell(
            self._sizes()
            | {
                "population": ds.population,
                "texts": _TEXTS.get(topics.facts.get("text", ""), "texts"),
                "encoder": topics.facts.get("encoder"),
                "quality": _of_all(quality),
                "colorings": [(name, one.title, one.group, one.why_not) for name, one in self._offers.items()],
                "scales": topics.layers.select("scale", "n_topics").rows(),
                "busy": False,
            }
        )
        self.show(self._lay(topics))

    def laid(self, smallest: int) -> TopicLayer:
        """The topics of at least so many texts, ready to be shown."""
        return self._lay(self.layer.topics.at(smallest))

    def show(self, layer: TopicLayer) -> None:
        """Change to topics of another scale."""
        self.layer = layer
        topics = layer.topics
        n, loose = topics.topics.height, topics.outlier_share
        unstable = sum(share < STABLE for share in layer.stability.values())
        self.view.tell({"scale": topics.scale, "n_topics": n, "outliers": loose, "unstable": unstable, "topic": None})
        self._paint()

    def color_by(self, name: str) -> None:
        """Let the colour of a point stand for something else."""
        offer = self._offers[choice(name, self._offers, what="colouring")]
        if offer.why_not:
            raise UsageError(f"Colours by {name} were asked for, but {offer.why_not}. Choose another colouring.")
        self._color = name
        self._paint()

    def mark(self, rows: NDArray[np.intp] | None) -> int | None:
        """Mark the places of some pairs, and count them; None marks nothing."""
        places = None if rows is None else self.places.at_rows(rows)
        self.view.choose(places)
        return None if places is None else len(places)

    def point_at(self, place: int | None) -> None:
        """Tell what lies at a place."""
        if place is None:
            self.view.send({"kind": "pointed", "topic": None})
            return
        topic, n = int(self.layer.of_place[place]), int(self.places.n_pairs[place])
        unsafe = int(np.round(self._unsafe[place] * n)) if np.isfinite(self._unsafe[place]) else None
        self.view.send({"kind": "pointed", "topic": topic, "pairs": n, "unsafe": unsafe})

    def send_labels(self) -> None:
        """Topic names are words of the texts: they go as a message, so that no saved file keeps them."""
        colours = GROUPS if self._color == TOPIC else ()
        self.view.send({"kind": "labels", "labels": self.layer.labels(), "colours": colours})

    def _lay(self, topics: Topics) -> TopicLayer:
        stability = self._stability.get(topics.scale, {})
        return lay(topics, self.places, index=self._index, stability=stability)

    def _sizes(self) -> dict[str, Any]:
        placed = int(self.places.n_pairs.sum())
        return {
            "pairs": placed,
            "unplaced": len(self._index) - placed,
            "points": len(self.places),
            "reach": np.abs(self.places.xy).max(axis=0).tolist(),
        }

    def _paint(self) -> None:
        colouring = self._offers[self._color].make(self.layer)
        self.view.paint(colouring)
        legend = [(colouring.colours[number], words) for number, words in colouring.legend]
        self.view.tell({"color": self._color, "legend": legend, "legend_title": colouring.title})
        self.send_labels()


def _of_all(quality: pl.DataFrame | None) -> list[dict[str, Any]]:
    """What is known of a map as a whole."""
    if quality is None:
        return []
    expect_table(quality, QUALITY, name="quality", source="btviz.map_quality(points, embeddings)")
    return quality.filter(pl.col("texts") == "all").to_dicts()


def _shares(stability: pl.DataFrame | None, topics: Topics) -> dict[int, dict[int, float]]:
    """Stability of each topic, by scale: it is known for one."""
    if stability is None:
        return {}
    if not {"topic", "name", "stability"} <= {*stability.columns} or not stability["name"].equals(
        topics.topics["name"]
    ):
        raise UsageError(
            f"The stability of {stability.height} topics was given, and it is not that of these "
            f"{topics.topics.height}. Pass stability=btviz.topic_stability(ds, topics, embeddings=embeddings)."
        )
    return {topics.scale: dict(stability.select("topic", "stability").iter_rows())}
