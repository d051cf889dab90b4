"""A value that tells its listeners when it changes; no user interface in it."""

from __future__ import annotations

from collections.abc import Callable


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
