"""Probes on disk: weights as safetensors, scores as Parquet, a model card, and none of the texts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from btviz.embedding import Encoder, load_encoder
from btviz.errors import BtvizError
from btviz.scoring.probes.calibrated import Scorer
from btviz.scoring.probes.linear import LinearHeads
from btviz.scoring.probes.probe import Probe
from btviz.store import Draft, Key, open_saved, save_entry

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
    return (Path(folder).expanduser() / "probe.json").is_file()


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
