"""A loaded score model."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from btviz.arguments import paired_texts
from btviz.errors import UsageError, require
from btviz.machine.memory import Room
from btviz.models.batches import by_length
from btviz.models.network import PaddedBatch, pad, readable
from btviz.models.templates import Encoded, FixedTemplate, TextEncoder
from btviz.models.throughput import Shape


class CutWarning(UserWarning):
    """A model does not read the ends of some texts."""


@dataclass(frozen=True)
class Origin:
    """How to load the model again, on another machine of a cluster too."""

    source: str
    kind: str | None
    dtype: str | None
    device: str | None


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A score model from a checkpoint; see `btviz.load_score_model`.

    Attributes
    ----------
    name : str
        Hub name, or name of the folder.
    kind : str
        "reward", "cost" or "moderation".
    fingerprint : str
        Of weights, tokenizer, template, type and everything else that scores depend on.
    labels : tuple of str
        Slugs of the targets of a moderation model.
    threshold : float or None
        Probability above which a moderation model flags, where its makers say so.
    layout : str
        What the checkpoint was recognised as.
    dtype, device : str
        Of the weights.
    n_parameters : int
        Size of the network.
    shape : Shape
        What its arithmetic depends on.
    tokens_per_batch : int
        Tokens, padding included, that go through the network at once.
    origin : Origin
        How to load it again.
    """

    name: str
    kind: str
    fingerprint: str
    labels: tuple[str, ...]
    threshold: float | None
    layout: str
    dtype: str
    device: str
    n_parameters: int
    shape: Shape
    tokens_per_batch: int
    origin: Origin
    encoder: TextEncoder = field(repr=False)
    _network: Callable[[PaddedBatch], Any] = field(repr=False)
    _activation: Callable[[Any], Any] | None = field(repr=False)
    _pad_id: int = field(repr=False)
    _skipped: int | None = field(repr=False)
    _n_ids: int = field(repr=False)

    def encode(self, prompts: Sequence[str], responses: Sequence[str]) -> list[Encoded]:
        """Token ids of each pair, as the network reads them."""
        return self.encoder.encode(*paired_texts(prompts, responses))

    def score_encoded(self, rows: Sequence[Encoded], *, length: int | None = None) -> npt.NDArray[np.float32]:
        """Score token ids in one forward pass.

        Parameters
        ----------
        rows : sequence of array
            From `encode`.
        length : int, optional
            Tokens that each row is padded to; default: the longest.

        Returns
        -------
        array of float32, shape (n,), or (n, k) for moderation
            NaN for a row without a token, or with a token that the network has not.
        """
        torch = require("torch", extra="models")
        given, is_readable = readable(rows, n_ids=self._n_ids)
        longest = max(row.shape[-1] for row in given)
        batch = pad(given, length=max(longest, length or 0), pad_id=self._pad_id, skipped=self._skipped)
        with torch.inference_mode():
            logits = self._network(batch)
            scores = logits if self._activation is None else self._activation(logits)
        found: npt.NDArray[np.float32] = scores.cpu().numpy().astype(np.float32)
        found[~is_readable] = np.nan
        return found if self.kind == "moderation" else found[:, 0]

    def score(self, prompts: Sequence[str], responses: Sequence[str]) -> npt.NDArray[np.float32]:
        """Score answers.

        Parameters
        ----------
        prompts, responses : sequence of str
            One of each per answer.

        Returns
        -------
        array of float32, shape (n,), or (n, len(labels)) for moderation
            In the order given.
        """
        return self._score_all(self.encode(prompts, responses))

    def score_conversations(self, conversations: Sequence[Sequence[tuple[str, str]]]) -> npt.NDArray[np.float32]:
        """Score whole conversations at their end, with an end-of-sequence after each answer.

        Parameters
        ----------
        conversations : sequence of sequences of (prompt, response)
            One row each; the score after turn t is that of the first t turns.

        Returns
        -------
        array of float32, shape (n,), or (n, len(labels)) for moderation

        Raises
        ------
        UsageError
            If the model has no template for several turns.

        Warns
        -----
        CutWarning
            If conversations are longer than what the model reads: their later turns count for nothing.
        """
        if not isinstance(self.encoder, FixedTemplate):
            raise UsageError(
                f"Asked to score conversations by {self.name!r}; it reads single answers ({self.layout}). "
                "Use a model with the conversation template of Safe RLHF."
            )
        rows = self.encoder.encode_conversations(conversations)
        self.report_cuts(rows, "conversations", so=", so no drift shows from there on")
        return self._score_all(rows)

    def report_cuts(self, rows: Sequence[Encoded], what: str, *, so: str = "") -> None:
        """Warn if texts are as long as what the model reads.

        Parameters
        ----------
        rows : sequence of array
            Token ids of the texts.
        what, so : str
            What they are, and what follows from it.

        Warns
        -----
        CutWarning
            With their number.
        """
        longest = self.encoder.max_length
        if cut := sum(row.shape[-1] == longest for row in rows):
            warnings.warn(
                f"{cut:,} of {len(rows):,} {what} reach the {longest:,} tokens that {self.name} reads; what comes "
                f"later does not change their scores{so}.",
                CutWarning,
                stacklevel=3,
            )

    def _score_all(self, rows: list[Encoded]) -> npt.NDArray[np.float32]:
        width = (len(self.labels),) if self.kind == "moderation" else ()
        found = np.empty((len(rows), *width), np.float32)
        lengths = np.array([row.shape[-1] for row in rows], np.int64)
        room = Room()
        for where in by_length(lengths, budget=self.tokens_per_batch):
            names = [f"text {i + 1:,} of {len(rows):,}, of {lengths[i]:,} tokens" for i in where]
            batch, length = [rows[i] for i in where], int(lengths[where].max())
            found[where] = room.sparing(self.score_encoded, batch, length=length, names=names)
        return found
