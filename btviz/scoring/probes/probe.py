"""`Probe`: a score model made of linear heads on text vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.arguments import paired_texts
from btviz.embedding import Encoder
from btviz.embedding.texts import joined
from btviz.errors import UsageError
from btviz.scoring.probes.calibrated import Scorer, targets
from btviz.store import fingerprint


@dataclass(frozen=True, eq=False)
class Probe:
    """A score model made of linear heads on text vectors; see `btviz.fit_probe`.

    Attributes
    ----------
    name : str
        How tables and pictures call it.
    kind : str
        "reward", "cost" or "moderation".
    fingerprint : str
        Of its weights, and of what they were learned from.
    labels : tuple of str
        Targets of moderation: the categories' slugs, then "severity" where the data have it; else empty.
    out_of_fold : DataFrame
        A `scores` table of every pair of the data set it was fitted on, each scored by heads that saw
        no prompt of its group. Null where the head could not be fitted; see `undefined`.
    undefined : Mapping
        Reason by target that has no scores.
    card : Mapping
        What it was trained on: data set, encoder, rows, folds, settings.
    scorer : Scorer
        Heads fitted on everything.
    encoder : Encoder or None
        Gives further answers their vectors; None where the vectors were made by hand.
    """

    name: str
    kind: str
    fingerprint: str
    labels: tuple[str, ...]
    out_of_fold: pl.DataFrame = field(repr=False)
    undefined: Mapping[str, str]
    card: Mapping[str, Any] = field(repr=False)
    scorer: Scorer = field(repr=False)
    encoder: Encoder | None = field(default=None, repr=False)

    def score(self, prompts: Sequence[str], responses: Sequence[str]) -> npt.NDArray[np.float32]:
        """Score answers it was not trained on; `out_of_fold` has honest scores of the others.

        Parameters
        ----------
        prompts, responses : sequence of str
            n texts each.

        Returns
        -------
        ndarray of float32, shape (n,) or (n, len(labels))
            Reward in standard deviations of the training answers; cost likewise, with 0 as the boundary and
            unsafe above it; moderation: probabilities, and the expected severity level. NaN where undefined.

        Raises
        ------
        UsageError
            If it has no encoder.
        """
        if self.encoder is None:
            raise UsageError(
                f"Probe {self.name!r} was asked to score texts; it has no encoder for them. Give it the one it was "
                f"fitted with ({self.card['encoder']!r}): probe.with_encoder(encoder)."
            )
        columns = targets(self.scorer.names) if self.kind == "moderation" else (self.kind,)
        scores = np.empty((0, len(columns)))
        if texts := joined(*paired_texts(prompts, responses), text=self.card["text"]):  # some encoders take no none
            scores = self.scorer.scores(self.encoder.encode(texts)).reshape(len(texts), -1)
        scores[:, [column in self.undefined for column in columns]] = np.nan
        return (scores if self.kind == "moderation" else scores[:, 0]).astype(np.float32)

    def save(self, folder: Path | str) -> Path:
        """Save to a folder of its own, without any text; `btviz.load_score_model` opens it again."""
        from btviz.scoring.probes.saving import save_probe  # noqa: PLC0415  # which imports this module

        return save_probe(self, folder)

    def with_encoder(self, encoder: Encoder) -> Probe:
        """Give it the encoder it was fitted with, where that cannot be found by name.

        Where the vectors were made by hand, nobody knows which that was: the first one given is taken for it, and
        makes this another model.

        Raises
        ------
        UsageError
            If it is another than before: other weights, limits or version.
        """
        wanted = self.card["encoder_settings"]
        if wanted is not None and dict(encoder.settings) != wanted:
            raise UsageError(
                f"Probe {self.name!r} belongs to the encoder {self.card['encoder']!r}; {encoder.name!r} was "
                "given, whose weights, settings or version differ. Give it the same one, or fit the probe anew."
            )
        if wanted is not None:
            return replace(self, encoder=encoder)
        settings = dict(encoder.settings)  # scores by another are not to be taken for those by this one
        return replace(
            self,
            encoder=encoder,
            fingerprint=fingerprint(self.fingerprint, settings),
            card={**self.card, "encoder_settings": settings},
        )
