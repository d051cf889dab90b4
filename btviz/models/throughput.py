"""Arithmetic that a network does, against what its card can do."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from btviz.errors import require

PEAKS = {
    "B200": 2250e12,
    "H200 NVL": 835.5e12,
    "H200": 989.5e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835.5e12,
    "H100": 989.5e12,
    "L40S": 362e12,
    "A100": 312e12,
    "RTX 4090": 165.2e12,
    "A10": 125e12,
    "L4": 121e12,
}
"""Dense bfloat16 and float16 operations per second by part of the card's name, as its makers state them."""


@dataclass(frozen=True)
class Shape:
    """What the arithmetic of a transformer depends on."""

    n_weights: int
    n_layers: int
    hidden: int

    @classmethod
    def of(cls, config: Any, *, n_parameters: int) -> Shape:
        """Read the shape from a configuration as transformers understands it."""
        table = config.vocab_size * config.hidden_size
        return cls(n_parameters - table, config.num_hidden_layers, config.hidden_size)

    def operations(self, lengths: npt.ArrayLike) -> float:
        """Floating-point operations of one forward pass over texts of some lengths in tokens, padding left out.

        A token is multiplied with every weight once, 2 operations each; in every layer it meets
        itself and the tokens before it, half of all pairs, in two products of width `hidden`
        (Kaplan et al. 2020, table 1).
        """
        tokens = np.asarray(lengths, np.float64)
        return float((2 * self.n_weights * tokens + 2 * self.n_layers * self.hidden * tokens**2).sum())


def peak_of(card: str) -> float | None:
    """Operations per second that a card is stated to do in 16 bits, or None where it is not in `PEAKS`, or a part."""
    words = card.replace("-", " ").split()
    if {"MIG", "Laptop"} & set(words):
        return None
    for name, peak in PEAKS.items():
        if all(word in words for word in name.split()):
            return peak
    return None


def speed_sentence(name: str, *, n_tokens: int, operations: float, seconds: float, card: str, dtype: str) -> str:
    """Say how fast a run was, and what share of the card's peak that is."""
    speed = operations / seconds
    said = f"{name} read {n_tokens:,} tokens in {seconds:,.1f} s: {n_tokens / seconds:,.0f} tokens/s"
    said += f", {speed / 1e12:,.3g} TFLOP/s on {card}"
    peak = peak_of(card) if dtype != "float32" else None
    return f"{said}." if peak is None else f"{said}, {speed / peak:.1%} of its {peak / 1e12:,.4g} in 16 bits."


def announce_speed(name: str, *, shape: Shape, lengths: npt.ArrayLike, seconds: float, device: str, dtype: str) -> None:
    """Say on standard error how fast a run on a GPU was; of a CPU nothing is said."""
    if not device.startswith("cuda"):
        return
    card = require("torch", extra="models").cuda.get_device_name(device)
    n_tokens = int(np.sum(lengths))
    operations = shape.operations(lengths)
    sentence = speed_sentence(
        name, n_tokens=n_tokens, operations=operations, seconds=seconds, card=card, dtype=dtype
    )  # fmt: skip
    sys.stderr.write(f"{sentence}\n")
