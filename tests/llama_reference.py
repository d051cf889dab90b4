"""A LLaMA written out by hand, one text at a time: the reference for the loaders."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from safetensors.torch import load_file


def weights(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    for file in sorted(folder.glob("*.safetensors")):
        found |= load_file(file)
    return found


def last_hidden(w: dict[str, torch.Tensor], ids: list[int], *, heads: int, layers: int) -> torch.Tensor:
    """Hidden state after the final norm at the last token, in the type of the weights."""
    x = w["model.embed_tokens.weight"][torch.tensor(ids)]
    for layer in range(layers):
        prefix = f"model.layers.{layer}."
        h = rms(x, w[prefix + "input_layernorm.weight"])
        q, k, v = (split(h @ w[f"{prefix}self_attn.{name}_proj.weight"].T, heads) for name in "qkv")
        q, k = rotated(q), rotated(k)
        logits = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        logits = logits.masked_fill(torch.ones(len(ids), len(ids)).triu(1).bool(), -math.inf)
        mixed = (logits.softmax(-1) @ v).transpose(0, 1).reshape(len(ids), -1)
        x = x + mixed @ w[prefix + "self_attn.o_proj.weight"].T
        h = rms(x, w[prefix + "post_attention_layernorm.weight"])
        gate = h @ w[prefix + "mlp.gate_proj.weight"].T
        x = (
            x
            + (gate * gate.sigmoid() * (h @ w[prefix + "mlp.up_proj.weight"].T)) @ w[prefix + "mlp.down_proj.weight"].T
        )
    return rms(x, w["model.norm.weight"])[-1]


def rms(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return x / (x.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt() * weight


def split(x: torch.Tensor, heads: int) -> torch.Tensor:
    return x.reshape(len(x), heads, -1).transpose(0, 1)


def rotated(x: torch.Tensor) -> torch.Tensor:
    """Rotary positions: entry i turns together with entry i + d/2, base 10,000."""
    length, width = x.shape[-2:]
    angles = torch.arange(length)[:, None] * 10_000.0 ** (-torch.arange(0, width, 2) / width)[None]
    first, second = x[..., : width // 2], x[..., width // 2 :]
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)
