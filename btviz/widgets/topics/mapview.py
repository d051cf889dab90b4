"""The map: points in one WebGL context, names of their topics above them, colours, and the controls."""

from __future__ import annotations

import warnings
from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import cache
from types import FunctionType
from typing import Any

import anywidget
import numpy as np
import polars as pl
import traitlets
from numpy.typing import ArrayLike, NDArray

from btviz.arguments import expect_table
from btviz.data.dataset import Dataset
from btviz.errors import BtvizError, UsageError, choice, require
from btviz.plots.style.theme import GROUPS
from btviz.plots.topics.datamap import QUALITY, png
from btviz.session import ContentPolicy, topic_words
from btviz.texts.embedding import PLURALS, TEXTS, language_note
from btviz.texts.topics.result import Topics
from btviz.texts.topics.stability import STABLE
from btviz.widgets import front
from btviz.widgets.inspector.index import PairIndex
from btviz.widgets.inspector.inspector import Message
from btviz.widgets.parts.background import Background
from btviz.widgets.parts.view import View
from btviz.widgets.topics.colouring import TOPIC, Colouring, offers
from btviz.widgets.topics.places import Places, TopicLayer, lay

HEIGHT = 560

UNSELECTED = "#dedede"
"""Places outside the selection, whatever the colour stands for."""

MOST_COLOURS = 16

GRID = 96
"""Cells to a side of the density picture."""

MOST_DRAWN = 40_000
"""Points drawn at once: without a graphics card a browser takes a tenth of a second for so many."""

SHADE = 192
"""Cells to a side of the shade under the points, where not all are drawn."""

PALEST, DARKEST = 250, 215
"""Grey of the shade."""

WHOLE = (-1.0, 1.0, -1.0, 1.0)
"""What is in sight at first: left, right, bottom and top."""


class MapView(View, anywidget.AnyWidget):
    """Draw places, and report what is done with them.

    Points are drawn by jupyter-scatter. Where the browser has no WebGL, a density picture stands
    in their place, with the same labels, and a lasso of its own.
    """

    _esm = front.script("map")
    _css = front.style("map")

    library = anywidget.WidgetTrait().tag(sync=True)
    scatter = anywidget.WidgetTrait().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)
    density = traitlets.Bytes().tag(sync=True)

    def __init__(
        self,
        places: Places,
        *,
        on_message: Callable[[Message], None],
    ) -> None:
        library = front.library("scatter", lambda: str(_jscatter().widget.JupyterScatter._esm))
        self._places, self._on_message = places, on_message
        self._drawn = places.shown(MOST_DRAWN)
        super().__init__(library=library, scatter=_scatter(places, self._drawn))
        self._colouring: Colouring | None = None
        self._chosen: NDArray[np.intp] | None = None
        self._draws_density = False
        self._echo = False
        self.tell({"drawn": len(self._drawn)})
        self.scatter.observe(self._selected, names="selection")
        self.scatter.observe(self._pointed_at, names="hovering")
        self.on_msg(self._answer)

    def close(self) -> None:
        """Take the map away, and let go of its points.

        A widget of jupyter-scatter stays alive for ever: anywidget tells each one when the file of its script changes.
        """
        super().close()
        if self.scatter is not None:  # ipywidgets closes what could not be made, too
            self.scatter.unobserve_all()
            self.scatter.points = np.empty((0, 4), np.float32)

    def tell(self, changes: Mapping[str, Any]) -> None:
        """Change some of the state."""
        self.state = self.state | dict(changes)

    def paint(self, colouring: Colouring) -> None:
        """Colour the places anew."""
        before, self._colouring = self._colouring, colouring
        if before is None or not np.array_equal(before.codes, colouring.codes):
            self._set_points(colouring, moved=False)
        self._set_colours()

    def look_at(self, box: tuple[float, float, float, float]) -> None:
        """Draw what is in sight: all points of it, if they are few enough; left, right, bottom and top."""
        if self._colouring is None or not self._is_partial:
            return
        drawn = self._places.shown(MOST_DRAWN, box=box)
        if np.array_equal(drawn, self._drawn):
            return
        self._drawn = drawn
        with self.scatter.hold_sync():
            self._set_points(self._colouring, moved=True)
            self._mark()

    @property
    def _is_partial(self) -> bool:
        """Whether more points are on the map than are drawn."""
        return len(self._drawn) < len(self._places)

    def _set_points(self, colouring: Colouring, *, moved: bool) -> None:
        """Points that stand elsewhere than before neither fly there nor are looked for where others stood."""
        points = np.zeros((len(self._drawn), 4), np.float32)
        points[:, :2], points[:, 2] = self._places.xy[self._drawn], colouring.codes[self._drawn]
        with self.scatter.hold_sync():
            self.scatter.non_spatial_points_update = not moved
            self.scatter.transition_points = not moved
            self.scatter.points = points
            grey_below = np.argsort(points[:, 2], kind="stable")
            self.scatter.point_order = grey_below.astype(np.uint32)

    def choose(self, places: NDArray[np.intp] | None) -> None:
        """Mark some places, the others stay in grey; None marks nothing."""
        self._chosen = places
        self._set_colours()
        self._mark()
        self._draw_density()

    def _mark(self) -> None:
        wanted = np.empty(0, np.uint32)
        if self._chosen is not None:
            is_chosen = np.zeros(len(self._places), np.bool_)
            is_chosen[self._chosen] = True
            wanted = np.flatnonzero(is_chosen[self._drawn]).astype(np.uint32)
        if not np.array_equal(self._marked(), wanted):
            self._echo = True
            try:
                self.scatter.selection = wanted
            finally:
                self._echo = False

    def _marked(self) -> NDArray[np.uint32]:
        marked = self.scatter.selection
        return np.empty(0, np.uint32) if marked is None else np.sort(np.asarray(marked, np.uint32))

    def _set_colours(self) -> None:
        """Selected places keep their colour; the three lists must have one length to be told apart."""
        if self._colouring is None:
            return
        colours = list(self._colouring.colours)
        base = colours if self._chosen is None else [UNSELECTED] * len(colours)
        with self.scatter.hold_sync():
            self.scatter.color = _rgba(base)
            self.scatter.color_selected = _rgba(colours)
            self.scatter.color_hover = _rgba(colours)

    def _selected(self, change: Mapping[str, Any]) -> None:
        """A click, or a lasso among points that are all drawn; else its line comes as a message."""
        numbers = () if change["new"] is None else change["new"]
        if self._echo or (self._is_partial and len(numbers) > 1):
            return
        self._on_message({"kind": "lasso", "places": self._places_of(numbers)})

    def _places_of(self, numbers: ArrayLike) -> ArrayLike:
        """Places of some points, by their numbers among those drawn."""
        drawn = np.asarray(numbers)
        is_known = np.issubdtype(drawn.dtype, np.integer) and ((drawn >= 0) & (drawn < len(self._drawn))).all()
        return self._drawn[drawn] if is_known and self._is_partial else numbers

    def _pointed_at(self, change: Mapping[str, Any]) -> None:
        number = change["new"]
        self._on_message({"kind": "point", "place": None if number is None else int(self._drawn[number])})

    def _enclosed(self, message: Message) -> NDArray[np.intp]:
        """Places inside a line, with or without those chosen before."""
        inside = self._places.inside(message["polygon"])
        before = np.empty(0, np.intp) if self._chosen is None else self._chosen
        if message.get("joins"):
            return np.union1d(before, inside)
        return np.setdiff1d(before, inside) if message.get("leaves") else inside

    def _answer(self, _: object, message: Message, __: object) -> None:
        self.send({"kind": "heard"})
        if message["kind"] == "no_webgl":
            self._draws_density = True
            self._draw_density()
        elif message["kind"] == "lasso":
            self._on_message({"kind": "lasso", "places": self._enclosed(message)})
        elif message["kind"] == "sight":
            self.look_at(message["box"])
        else:
            self._on_message(message)

    def _draw_density(self) -> None:
        """Two pictures of `GRID` by `GRID` cells, a byte each: all places, and those chosen."""
        if not self._draws_density:
            return
        chosen = np.empty(0, np.intp) if self._chosen is None else self._chosen
        self.density = b"".join(_picture(self._places.xy[rows]) for rows in (slice(None), chosen))


def _jscatter() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what jupyter-scatter should write differently is not the user's concern
        return require("jscatter", extra="topics")


@cache
def _points() -> type[Any]:
    """Model of the points without the 2 MB of script that draws them: the map brings it, once for all maps."""
    return type("Points", (_jscatter().widget.JupyterScatter,), {"_esm": "export default {};", "__module__": __name__})


def _widget(plot: Any) -> Any:
    """What ``plot.widget`` makes, of the lighter kind."""
    make = type(plot).widget.fget
    return FunctionType(make.__code__, make.__globals__ | {"JupyterScatter": _points()})(plot)


def _scatter(places: Places, drawn: NDArray[np.intp]) -> Any:
    n = len(drawn)
    plot = _jscatter().Scatter(
        x=places.xy[drawn, 0],
        y=places.xy[drawn, 1],
        x_scale=(-1, 1),
        y_scale=(-1, 1),
        height=HEIGHT,
        axes=False,
        legend=False,
        tooltip=False,
        lasso_initiator=False,
        zoom_on_selection=False,
        reticle=False,
        background_color="#ffffff",
        size=float(np.clip(260 / np.sqrt(n), 2.5, 7)),
        opacity=0.85 if n < 20_000 else 0.6,
        opacity_unselected=1.0,
        lasso_color="#0b62a4",
        options={"pointOutlineWidth": 0, "pointSizeSelected": 1},
    )
    made = _widget(plot)
    made.color_by = "valueA"
    made.color_scale, made.color_domain = "categorical", {str(code): code for code in range(MOST_COLOURS)}
    if n < len(places):
        made.background_image = _shade(places.xy)
    made.toolbar_buttons = ["pan_zoom", "lasso", "lasso_type", "divider", "reset"]
    return made


def _rgba(colours: list[str]) -> list[list[float]]:
    return [[*(int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)), 1.0] for colour in colours]


def _picture(xy: NDArray[np.float32]) -> bytes:
    return _shares_of_255(xy, cells=GRID).tobytes()


def _shares_of_255(xy: NDArray[np.float32], *, cells: int) -> NDArray[np.uint8]:
    """How many points lie in each cell, from the upper left, as a logarithm."""
    counts = np.histogram2d(-xy[:, 1], xy[:, 0], bins=cells, range=[[-1, 1], [-1, 1]])[0]
    shade = np.log1p(counts)
    return (255 * shade / (shade.max() or 1)).astype(np.uint8)


def _shade(xy: NDArray[np.float32]) -> str:
    """Address of a grey picture of where all points lie."""
    shares = _shares_of_255(xy, cells=SHADE)
    grey = np.where(shares, PALEST - (PALEST - DARKEST) * (shares / 255), 255).astype(np.uint8)
    return f"data:image/png;base64,{b64encode(png(np.repeat(grey[..., None], 3, axis=2))).decode()}"


class MapJobs:
    """Do what is asked for on a map, and say on it why something cannot be done."""

    def __init__(self, view: MapView) -> None:
        self._view = view
        self._background = Background(lambda _: view.tell({"busy": True}))

    def answer(self, job: Callable[[], object]) -> None:
        """Do what is quick, at once."""
        try:
            job()
        except BtvizError as error:
            self._say(str(error))

    def run(self, job: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Do what may take seconds beside the kernel, so that the map keeps answering."""

        def done(result: Any) -> None:
            self._view.tell({"busy": False})
            self.answer(lambda: then(result))

        def failed(why: str) -> None:
            self._view.tell({"busy": False})
            self._say(why)

        self._background.run(lambda _: job(), on_done=done, on_error=failed, otherwise="This could not be done")

    def close(self) -> None:
        """Drop what is being done."""
        self._background.close()

    def _say(self, words: str) -> None:
        self._view.send({"kind": "say", "text": words})


class TopicPanel:
    """Show places, the names of their topics, and one meaning of colour."""

    def __init__(  # noqa: PLR0913  # one for each table it shows
        self,
        ds: Dataset,
        *,
        places: Places,
        topics: Topics,
        index: PairIndex,
        scores: pl.DataFrame | None,
        quality: pl.DataFrame | None,
        stability: pl.DataFrame | None,
        policy: ContentPolicy,
        on_message: Callable[[Message], None],
    ) -> None:
        self._index, self.places, self._item = index, places, ds.item
        self._offers = offers(ds, places=places, index=index, scores=scores)
        self._unsafe = places.mean(index.is_unsafe, known=index.is_safe | index.is_unsafe)
        self._color = TOPIC
        self._stability = _shares(stability, topics)
        self._ds, self._policy = ds, policy
        self.view = MapView(places, on_message=on_message)
        self.view.tell(
            self._sizes()
            | {
                "population": ds.population,
                "item": ds.item,
                "texts": PLURALS.get(topics.facts.get("text", ""), "texts"),
                "encoder": topics.facts.get("encoder"),
                "language": _language(ds, topics),
                "quality": _of_all(quality),
                "colorings": [
                    (name, colouring.title, colouring.group, colouring.why_not)
                    for name, colouring in self._offers.items()
                ],
                "scales": topics.layers.select("scale", "n_topics").rows(),
                "busy": False,
            }
        )
        self.show(self._lay(topics))

    def laid(self, scale: int) -> TopicLayer:
        """The topics at a scale, ready to be shown."""
        return self._lay(self.layer.topics.at(scale))

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
        self.view.send({"kind": "pointed", "topic": topic, "item": self._item, "pairs": n, "unsafe": unsafe})

    def send_labels(self) -> None:
        """Words of topics are words of the texts: they go as a message, so that no saved file keeps them."""
        colours = GROUPS if self._color == TOPIC else ()
        words = dict(topic_words(self._ds, self.layer.topics.topics, policy=self._policy).iter_rows())
        labels = [{**label, "item": self._item} for label in self.layer.labels(words)]
        self.view.send({"kind": "labels", "labels": labels, "colours": colours})

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


def _language(ds: Dataset, topics: Topics) -> str | None:
    """What to say of texts that are not in the language of the encoder behind some topics."""
    text, encoder = topics.facts.get("text"), topics.facts.get("encoder")
    if text not in TEXTS or encoder is None:
        return None
    return language_note(encoder, ds.items.select(TEXTS[text]).to_series(), what=PLURALS[text])


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
