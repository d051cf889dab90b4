"""`Probe`: a score model made of linear heads on text vectors, and the folder that keeps it, without any text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.arguments import paired_texts
from btviz.errors import BtvizError, UsageError
from btviz.models.probes.regression import LinearHeads, Scorer, targets
from btviz.models.protocol import RECORD, as_scores
from btviz.models.records import PROBABILITY, ScoreRecord
from btviz.store import Draft, Key, expanded, fingerprint, open_saved, recover_saved, save_entry
from btviz.texts.embedding import Encoder, load_encoder
from btviz.texts.embedding.result import joined


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

    def __post_init__(self) -> None:
        """Scores out of fold carry the record, like those of `score`."""
        columns = {RECORD: pl.lit(self.record.columns()[RECORD], pl.String)}
        object.__setattr__(self, "out_of_fold", as_scores(self.out_of_fold.with_columns(**columns)))

    @property
    def record(self) -> ScoreRecord:
        """What is known of its scores."""
        return record_of(self.kind, self.card)

    def score(self, prompts: Sequence[str], responses: Sequence[str]) -> npt.NDArray[np.float32]:
        """Score answers it was not trained on; `out_of_fold` has honest scores of the others.

        Parameters
        ----------
        prompts, responses : sequence of str
            n texts each.

        Returns
        -------
        ndarray of float32, shape (n,) or (n, len(labels))
            Reward in standard deviations of the training answers; cost in log odds, with 0 as the boundary and
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


def record_of(kind: str, card: Mapping[str, Any]) -> ScoreRecord:
    """What is known of the scores of a probe: that it is one, of what it was learned, and by which vectors."""
    maker = f"btviz, a probe on vectors by {card['encoder']}, fitted on the labels of {card['data_set']}"
    return ScoreRecord(kind, scale=PROBABILITY if kind == "moderation" else None, maker=maker)


KIND = "probe"


def save_probe(probe: Probe, folder: Path | str) -> Path:
    """Save a probe to a folder of its own; `btviz.load_score_model` opens it again.

    Parameters
    ----------
    probe : Probe
        Its weights, out-of-fold scores (by pair id, no text) and card are written.
    folder : Path or str
        New, empty, or a probe saved before, which is replaced.

    Returns
    -------
    Path
        The folder.
    """

    def make(draft: Draft) -> None:
        heads = probe.scorer.heads
        draft.tensors("model", {"weights": heads.weights, "intercepts": heads.intercepts})
        draft.table("out_of_fold", probe.out_of_fold)
        draft.document("probe", _document(probe))
        draft.blob("README.md", model_card(probe).encode())

    return save_entry(Path(folder), Key(KIND, (probe.fingerprint,)), make=make).path


def load_probe(folder: Path | str) -> Probe:
    """Open a saved probe, every file of it verified.

    Its encoder is found by name if it can be; `Probe.with_encoder` takes one of yours.

    Parameters
    ----------
    folder : Path or str
        Where `Probe.save` has put it.

    Returns
    -------
    Probe

    Raises
    ------
    NotFoundError
        If there is no probe.
    StoreError
        If a file is not what was written.
    """
    entry = open_saved(Path(folder), kind=KIND)
    saved, tensors = entry.document("probe"), entry.tensors("model")
    scorer = Scorer(
        LinearHeads(np.asarray(tensors["weights"]), np.asarray(tensors["intercepts"])),
        saved["kind"],
        tuple(saved["heads"]),
        shift=saved["shift"],
        scale=saved["scale"],
    )
    probe = Probe(
        name=saved["name"],
        kind=saved["kind"],
        fingerprint=saved["fingerprint"],
        labels=tuple(saved["labels"]),
        out_of_fold=entry.table("out_of_fold"),
        undefined=saved["undefined"],
        card=saved["card"],
        scorer=scorer,
    )
    encoder = _found_encoder(probe.card)
    return probe if encoder is None else probe.with_encoder(encoder)


def is_probe(folder: Path | str) -> bool:
    """Tell whether a folder looks like a saved probe.

    Parameters
    ----------
    folder : Path or str
        May be missing.

    Returns
    -------
    bool
    """
    recover_saved(folder, kind=KIND)
    return (expanded(folder) / "probe.json").is_file()


def model_card(probe: Probe) -> str:
    """Say in Markdown what a probe is and what it was trained on."""
    card = probe.card
    rows = ", ".join(f"{count:,} {what}" for what, count in card["rows"].items())
    origin = f"`{card['data_set']}`{' (synthetic)' if card['is_synthetic'] else ''}"
    undefined = "".join(f"- No scores for `{label}`: {reason}.\n" for label, reason in probe.undefined.items())
    return f"""# {probe.name}

A linear {probe.kind} probe on {card["dimensions"]}-dimensional vectors of {card["text"]} texts by the encoder
`{card["encoder"]}`, fitted by btviz.

- Data: {origin}, fingerprint `{card["data_fingerprint"]}`: {card["pairs"]:,} pairs,
  {card["prompts"]:,} prompts in {card["groups"]:,} groups of near-duplicates.
- Learned from {rows}.
- Settings: {", ".join(f"{name} = {value}" for name, value in card["settings"].items())}.
{undefined}- `out_of_fold.parquet` has the scores of its training pairs, each by heads that saw no prompt of its group.
- It is meant for looking at data, not for use as a filter.
"""


def _document(probe: Probe) -> dict[str, Any]:
    return {
        "name": probe.name,
        "kind": probe.kind,
        "fingerprint": probe.fingerprint,
        "labels": list(probe.labels),
        "heads": list(probe.scorer.names),
        "shift": probe.scorer.shift,
        "scale": probe.scorer.scale,
        "undefined": dict(probe.undefined),
        "card": dict(probe.card),
    }


def _found_encoder(card: Mapping[str, Any]) -> Encoder | None:
    """The named encoder, if it is here and still has the settings of the card."""
    if card["encoder_settings"] is None:
        return None
    try:
        encoder = load_encoder(card["encoder"])
    except BtvizError:
        return None
    return encoder if dict(encoder.settings) == card["encoder_settings"] else None
