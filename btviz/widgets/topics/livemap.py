"""The map while it is made: a coarse one first, then as it is refined, with a button that stops it."""

from __future__ import annotations

from functools import partial

import anywidget
import ipywidgets
import numpy as np
import polars as pl
import traitlets

from btviz.errors import UsageError
from btviz.machine.progress import shown_elsewhere
from btviz.texts.datamap import MapStage, fit_data_map
from btviz.texts.datamap.fit import check_layout
from btviz.texts.embedding import Embeddings
from btviz.widgets import front
from btviz.widgets.parts.background import Background, Report
from btviz.widgets.parts.chartview import ProgressLine
from btviz.widgets.parts.view import View

_ACROSS = 65535
"""Steps to a side of the picture: two bytes a coordinate, 0.4 MB for 110,822 points."""


class MapPicture(anywidget.AnyWidget):
    """Points on a canvas, drawn anew whenever they change."""

    _esm = front.script("livemap")
    _css = front.style("livemap")
    places = traitlets.Bytes().tag(sync=True)

    def draw(self, points: pl.DataFrame) -> None:
        """Draw each place once; the picture is as large as the map."""
        xy = points.select("x", "y").unique(maintain_order=True).to_numpy().astype(np.float64)
        middle = (xy.min(axis=0) + xy.max(axis=0)) / 2 if len(xy) else 0.0
        reach = np.abs(xy - middle).max(initial=1e-9)
        self.places = np.rint(((xy - middle) / reach + 1) / 2 * _ACROSS).astype(np.uint16).tobytes()


class LiveMap(View, ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Make a map beside the kernel, and see it come.

    Of more than 6,000 texts a coarse map of 3,000 is there within seconds, before the neighbours of all are found,
    and is refined until it is the map that `btviz.fit_data_map` gives: the same points, stored alike.

    Parameters
    ----------
    embeddings : Embeddings
        From `btviz.embed`.
    random_state, n_neighbors, min_dist, landmarks
        As for `btviz.fit_data_map`.

    Attributes
    ----------
    points : DataFrame
        The finished map; reading it waits for that.

    Raises
    ------
    UsageError
        If an option is out of its range.

    Examples
    --------
    >>> live = btviz.widgets.LiveMap(embeddings)
    >>> live  # shows it
    >>> points = live.points
    """

    def __init__(
        self,
        embeddings: Embeddings,
        *,
        random_state: int = 0,
        n_neighbors: int = 15,
        min_dist: float = 0.0,
        landmarks: int | None = None,
    ) -> None:
        check_layout(random_state=random_state, n_neighbors=n_neighbors, min_dist=min_dist, landmarks=landmarks)
        self._fit = partial(
            fit_data_map,
            embeddings,
            random_state=random_state,
            n_neighbors=n_neighbors,
            min_dist=min_dist,
            landmarks=landmarks,
        )
        self._n_texts = len(embeddings)
        self.picture, self.line = MapPicture(), ProgressLine()
        self.button = ipywidgets.Button(description="Stop", tooltip="Stop making the map", layout={"width": "80px"})
        self.button.on_click(lambda _: self.stop())
        super().__init__([self.picture, ipywidgets.HBox([self.button, self.line])])
        self._runs = Background(lambda _: None)
        self._until_closed(self._runs.close)
        self.line.working(f"Mapping {self._n_texts:,} texts", share=None)
        self._runs.run(self._made, on_done=self._done, on_error=self._ended, otherwise="The map could not be made")

    @property
    def points(self) -> pl.DataFrame:
        """The finished map, of `fit_data_map`.

        Raises
        ------
        UsageError
            If it was stopped.
        """
        try:
            points: pl.DataFrame | None = self._runs.wait()
        except KeyboardInterrupt:
            self.stop()
            raise
        if points is None:
            raise UsageError("The points of a map were asked for; it was stopped before it was done. Make a new one.")
        return points

    def stop(self) -> None:
        """End the layout at its next epoch; nothing of it is kept."""
        if self._runs.is_running:
            self._runs.cancel()
            self._ended("Stopped. Run the cell again to make the map from the beginning.")

    def _made(self, report: Report) -> pl.DataFrame:
        def show(stage: MapStage) -> None:
            report(stage.share)
            self.picture.draw(stage.points)
            self.line.working(stage.words, share=stage.share)

        with shown_elsewhere():
            return self._fit(on_stage=show)

    def _done(self, points: pl.DataFrame) -> None:
        self._ended(f"Map of {self._n_texts:,} texts, for {points.height:,} pairs.")

    def _ended(self, words: str) -> None:
        self.button.disabled = True
        self.line.said(words)
