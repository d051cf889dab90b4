"""The map itself: points in one WebGL context, labels above them, and the controls.

What a map asks for: done at once or beside the kernel, and said on the map where it cannot be done.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import cache
from types import FunctionType
from typing import Any

import anywidget
import numpy as np
import traitlets
from numpy.typing import NDArray

from btviz.errors import BtvizError, require
from btviz.widgets import front
from btviz.widgets.inspector.revealing import Message
from btviz.widgets.parts.background import Background, SupersededError
from btviz.widgets.topics.colouring import Colouring
from btviz.widgets.topics.places import Places

HEIGHT = 560


UNSELECTED = "#dedede"
"""Places outside the selection, whatever the colour stands for."""


MOST_COLOURS = 16


GRID = 96
"""Cells to a side of the density picture."""


class MapView(anywidget.AnyWidget):
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
        super().__init__(library=library, scatter=_scatter(places))
        self._places, self._on_message = places, on_message
        self._colouring: Colouring | None = None
        self._chosen: NDArray[np.intp] | None = None
        self._draws_density = False
        self._echo = False
        self.scatter.observe(self._lassoed, names="selection")
        self.scatter.observe(self._pointed_at, names="hovering")
        self.on_msg(self._answer)

    def tell(self, changes: Mapping[str, Any]) -> None:
        """Change some of the state."""
        self.state = self.state | dict(changes)

    def paint(self, colouring: Colouring) -> None:
        """Colour the places anew."""
        before, self._colouring = self._colouring, colouring
        if before is None or not np.array_equal(before.codes, colouring.codes):
            points = np.zeros((len(self._places), 4), np.float32)
            points[:, :2], points[:, 2] = self._places.xy, colouring.codes
            self.scatter.points = points
            self.scatter.point_order = np.argsort(colouring.codes, kind="stable").astype(
                np.uint32
            )  # grey below colours
        self._set_colours()

    def choose(self, places: NDArray[np.intp] | None) -> None:
        """Mark some places, the others stay in grey; None marks nothing."""
        self._chosen = places
        wanted = np.empty(0, np.uint32) if places is None else places.astype(np.uint32)
        self._set_colours()
        if not np.array_equal(self._marked(), wanted):
            self._echo = True
            try:
                self.scatter.selection = wanted
            finally:
                self._echo = False
        self._draw_density()

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

    def _lassoed(self, change: Mapping[str, Any]) -> None:
        if self._echo:
            return
        self._on_message({"kind": "lasso", "places": [] if change["new"] is None else change["new"]})

    def _pointed_at(self, change: Mapping[str, Any]) -> None:
        self._on_message({"kind": "point", "place": change["new"]})

    def _answer(self, _: object, message: Message, __: object) -> None:
        self.send({"kind": "heard"})
        if message["kind"] == "no_webgl":
            self._draws_density = True
            self._draw_density()
        elif message["kind"] == "lasso":
            self._on_message({"kind": "lasso", "places": self._places.inside(message["polygon"])})
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


def _scatter(places: Places) -> Any:
    n = len(places)
    plot = _jscatter().Scatter(
        x=places.xy[:, 0],
        y=places.xy[:, 1],
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
    made.non_spatial_points_update = True
    made.toolbar_buttons = ["pan_zoom", "lasso", "lasso_type", "divider", "reset"]
    return made


def _rgba(colours: list[str]) -> list[list[float]]:
    return [[*(int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)), 1.0] for colour in colours]


def _picture(xy: NDArray[np.float32]) -> bytes:
    counts = np.histogram2d(-xy[:, 1], xy[:, 0], bins=GRID, range=[[-1, 1], [-1, 1]])[0]
    shade = np.log1p(counts)
    return (255 * shade / (shade.max() or 1)).astype(np.uint8).tobytes()


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

        def done(future: Future[Any]) -> None:
            self._view.tell({"busy": False})
            try:
                then(future.result())
            except SupersededError:
                return
            except BtvizError as error:
                self._say(str(error))
            except Exception as error:
                self._say(f"This could not be done: {type(error).__name__}. The kernel's log says where.")
                raise

        self._background.run(lambda _: job(), on_done=done)

    def _say(self, words: str) -> None:
        self._view.send({"kind": "say", "text": words})
