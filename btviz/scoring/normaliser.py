"""Normalising of scores, as Safe RLHF models may ask for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from btviz.scoring.checkpoint import Checkpoint

EPSILON = 1e-8


@dataclass(frozen=True)
class Normaliser:
    """Running mean and variance that a Safe RLHF model may apply to its scores.

    Attributes
    ----------
    kind : str
        "reward": ``(x - mean) / (std + 1e-8)``. "cost": ``x / (std + 1e-8)``, which keeps the sign.
    mean, variance : float
        Of the scores seen in training.
    """

    kind: str
    mean: float
    variance: float

    def __call__(self, scores: Any) -> Any:
        """Normalise scores."""
        spread = self.variance**0.5 + EPSILON
        return (scores - self.mean) / spread if self.kind == "reward" else scores / spread


def normaliser_of(checkpoint: Checkpoint) -> Normaliser | None:
    """Normaliser of a Safe RLHF checkpoint: its buffers, else its configuration; None unless it is to be used."""
    config = checkpoint.config
    kind = config.get("score_type", "reward")
    if not config.get("do_normalize") or kind not in {"reward", "cost"}:
        return None
    return Normaliser(
        kind,
        mean=_saved(checkpoint, "normalizer.mean", setting="mean", default=0.0),
        variance=_saved(checkpoint, "normalizer.var", setting="var", default=1.0),
    )


def _saved(checkpoint: Checkpoint, buffer: str, *, setting: str, default: float) -> float:
    if buffer in checkpoint.tensors:
        return float(checkpoint.read(buffer).float().reshape(-1)[0])
    value = checkpoint.config.get(setting)
    first = value[0] if isinstance(value, list) and value else value
    return float(first) if isinstance(first, int | float) else default
