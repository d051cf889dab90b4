"""What an encoder is, and how a function of yours becomes one.

An encoder that only counts words: no model, no download, thousands of texts a second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from btviz.errors import DataError, UsageError, require
from btviz.store.keys import JSON
from btviz.texts.embedding.batches import unit


@runtime_checkable
class Encoder(Protocol):
    """Texts to unit vectors, each a function of its text alone.

    Attributes
    ----------
    name : str
        To be shown.
    settings : Mapping
        Everything else its vectors depend on, JSON-able: hash of the weights, prompt, maximum length.
    max_tokens : int or None
        Longest text it reads to the end; None for any.
    """

    @property
    def name(self) -> str:
        """To be shown."""
        ...

    @property
    def settings(self) -> Mapping[str, JSON]:
        """What its vectors depend on."""
        ...

    @property
    def max_tokens(self) -> int | None:
        """Longest text it reads to the end."""
        ...

    def lengths(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Tokens of each text before truncation; shape (len(texts),)."""
        ...

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors, shape (len(texts), d)."""
        ...


@dataclass(frozen=True)
class CallableEncoder:
    """A function of yours as an encoder.

    Attributes
    ----------
    function : callable
        Takes a list of texts, gives an array of shape (len(texts), d), finite. A vector must depend
        on its text alone: it is stored under the name and version below, and not computed again.
    name, version : str
        Your names for it. Raise the version whenever its vectors change.
    max_tokens : None
        Nothing is known of its limits.

    Examples
    --------
    >>> import numpy as np
    >>> lengths = CallableEncoder(lambda texts: np.array([[len(t), 1.0] for t in texts]), name="length", version="1")
    >>> lengths.encode(["abc"]).round(3)
    array([[0.949, 0.316]], dtype=float32)
    """

    function: Callable[[list[str]], Any]
    name: str
    version: str
    max_tokens: None = None

    def __post_init__(self) -> None:
        if not (self.name and self.version):
            raise UsageError("An encoder of yours was given without a name or version; its vectors are stored by them.")

    @property
    def settings(self) -> Mapping[str, JSON]:
        """Its name and version."""
        return {"callable": self.name, "version": self.version}

    def lengths(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Characters of each text: for sorting only."""
        return np.fromiter(map(len, texts), np.int64, len(texts))

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors, shape (len(texts), d).

        Raises
        ------
        DataError
            If the function gives anything but one finite vector a text.
        """
        given = self.function(list(texts))
        asked, do = (
            f"Encoder {self.name!r} was asked for {len(texts)} vectors",
            "Have it return one finite vector a text.",
        )
        try:
            vectors = np.asarray(given)
        except ValueError as error:
            raise DataError(f"{asked}; it gave rows of unequal lengths. {do}") from error
        if vectors.dtype.kind not in "biuf":
            raise DataError(f"{asked}; it gave no real numbers but {vectors.dtype}. {do}")
        if vectors.ndim != 2 or len(vectors) != len(texts) or not vectors.shape[1] or not np.isfinite(vectors).all():
            raise DataError(f"{asked}; it gave an array of shape {vectors.shape}, or values that are not finite. {do}")
        return unit(vectors)


COLUMNS = 512


class WordEncoder:
    """Counts of words in hashed columns, with signs so that words that share a column cancel on average.

    Vectors know words and no meaning: enough for probes and for trying things out, not for a map.
    """

    name = "words"
    max_tokens = None

    @property
    def settings(self) -> Mapping[str, JSON]:
        """Columns, and the version of the counting."""
        return {"words": COLUMNS, "version": 1}

    def lengths(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Characters of each text: for sorting only."""
        return np.fromiter(map(len, texts), np.int64, len(texts))

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors, shape (len(texts), 512); a text without a word has one, too."""
        return unit(self._counter.transform(texts).toarray())

    @property
    def _counter(self) -> Any:
        vectorizer = require("sklearn.feature_extraction.text", extra="topics").HashingVectorizer
        return vectorizer(n_features=COLUMNS, dtype=np.float32, norm=None)
