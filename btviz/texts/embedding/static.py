"""A static model distilled from a transformer: one vector a token, and their weighted mean as the text's.

Distilled once: each token that stands for text goes through the transformer alone, principal
components decorrelate the vectors and shorten them, and frequent tokens count less (smooth
inverse frequency; Arora, Liang & Ma, 2017), with frequencies by Zipf's law from the order of
the vocabulary. No text is needed for it. Special tokens, and those that a vocabulary keeps free,
have no part: a thousand of them before the first word would make frequent words look rare.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from btviz.machine.progress import bar
from btviz.store import Draft, Key, Store
from btviz.store.keys import JSON, fingerprint
from btviz.texts.embedding.batches import unit
from btviz.texts.embedding.transformer import TransformerEncoder

DIMENSIONS = 256


SIF = 1e-4


VERSION = 3


_GROUP = 4096


class StaticEncoder:
    """Texts to vectors in microseconds, with the token vectors of a transformer.

    It knows words and no order of words: for a first picture. No text is too long for it.
    """

    max_tokens: None = None

    def __init__(self, teacher: TransformerEncoder, *, store: Store | None = None) -> None:
        self.teacher = teacher
        self.name = f"static ({teacher.name})"
        self._root = None if store is None else store.root

    @property
    def settings(self) -> Mapping[str, JSON]:
        """Those of the teacher, and how it was distilled."""
        return {
            "teacher": dict(self.teacher.settings),
            "dimensions": DIMENSIONS,
            "sif": SIF,
            "version": VERSION,
        }

    def lengths(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Tokens of each text; shape (len(texts),)."""
        return np.fromiter(map(len, self._tokens(texts)), np.int64, len(texts))

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors, shape (len(texts), d)."""
        table = self._table
        sums = np.zeros((len(texts), table.shape[1]), np.float64)
        for row, tokens in enumerate(self._tokens(texts)):
            if tokens:
                sums[row] = table[tokens].sum(axis=0, dtype=np.float64)
        return unit(sums)

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        return self.teacher.tokens(texts, special=False)

    @cached_property
    def _table(self) -> npt.NDArray[np.float32]:
        key = Key("encoders", (fingerprint(dict(self.settings)),), version=VERSION)
        entry = Store(self._root).build(key, self._distil)
        return cast("npt.NDArray[np.float32]", entry.array("tokens", mmap=False))

    def _distil(self, draft: Draft) -> None:
        tokens = self.teacher.ordinary_tokens
        vectors = []
        with bar(f"Distilling {self.name}", total=len(tokens)) as show:
            for start in range(0, len(tokens), _GROUP):
                vectors.append(self.teacher.encode_tokens(tokens[start : start + _GROUP].tolist()))
                show(min(start + _GROUP, len(tokens)))
        kept = token_table(np.concatenate(vectors), dimensions=DIMENSIONS)
        table = np.zeros((self.teacher.vocabulary_size, kept.shape[1]), np.float32)
        table[tokens] = kept
        draft.array("tokens", table)


def token_table(vectors: npt.NDArray[np.float32], *, dimensions: int) -> npt.NDArray[np.float32]:
    """Token vectors, decorrelated, shortened and weighted."""
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    _, axes = np.linalg.eigh(centred.T @ centred)
    kept: npt.NDArray[Any] = axes[:, ::-1][:, :dimensions]
    # the sign of an axis is arbitrary; its largest entry is made positive
    largest = np.abs(kept).argmax(axis=0)
    kept = kept * np.sign(kept[largest, np.arange(kept.shape[1])])
    share = 1 / np.arange(2, len(vectors) + 2)
    share /= share.sum()
    weighted: npt.NDArray[np.float64] = (centred @ kept) * (SIF / (SIF + share))[:, None]
    return weighted.astype(np.float32)
