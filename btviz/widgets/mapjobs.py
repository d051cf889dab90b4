"""What a map asks for: done at once or beside the kernel, and said on the map where it cannot be done."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from btviz.errors import BtvizError
from btviz.widgets.background import Background, SupersededError
from btviz.widgets.mapview import MapView


class MapJobs:
    """Do what is asked for on a map, and say on it why something cannot be done.

    Parameters
    ----------
    view : MapView
        Who asks: it shows that work goes on, and what went wrong.
    """

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
        """Do what may take seconds beside the kernel, so that the map keeps answering.

        Parameters
        ----------
        job : callable
            What is to be done; dropped when another is asked for.
        then : callable
            Gets what came of it.
        """

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
