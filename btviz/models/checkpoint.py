"""A folder of weights: what it holds, before any of it is loaded."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

from btviz.errors import DataError, FetchError, NotFoundError, require
from btviz.store import expanded, fingerprint, remembered_sha256

_PART = re.compile(r"[\w-][\w.-]*\.safetensors")
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_ADAPTER = "adapter_config.json"
_POINTER = b"version https://git-lfs"
_NEEDED = ["*.json", "*.safetensors", "*.model", "*.jinja", "*.txt"]

_DESCRIBES = (
    "config.json",
    "tokenizer*",
    "*.model",
    "*.jinja",
    "vocab*",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
)


@dataclass(frozen=True)
class TensorEntry:
    """Where one tensor lies."""

    file: Path
    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Configuration and tensors of a folder; the tensors are not read."""

    folder: Path
    name: str
    config: Mapping[str, Any]
    tensors: Mapping[str, TensorEntry]

    @property
    def architecture(self) -> str:
        """First of the architectures that the configuration names, or ""."""
        named = self.config.get("architectures")
        return named[0] if isinstance(named, list) and named and isinstance(named[0], str) else ""

    @property
    def n_parameters(self) -> int:
        """Numbers in all tensors together."""
        return sum(prod(entry.shape) for entry in self.tensors.values())

    @cached_property
    def fingerprint(self) -> str:
        """Hash of weights, configuration and tokenizer files by content."""
        files = {entry.file for entry in self.tensors.values()}
        files |= {file for pattern in _DESCRIBES for file in self.folder.glob(pattern) if file.is_file()}
        return fingerprint({file.name: remembered_sha256(file) for file in files})

    def read(self, key: str) -> Any:
        """Read one tensor, in the type that it is stored in."""
        safetensors = require("safetensors", extra="models")
        with safetensors.safe_open(self.tensors[key].file, framework="pt") as opened:
            return opened.get_tensor(key)


def resolve_folder(name_or_folder: str | Path) -> tuple[str, Path]:
    """Find the folder of a model: a folder as given, or the hub's copy, downloaded when it is not here."""
    folder = expanded(name_or_folder)
    if folder.is_dir():
        return _name_of(folder.resolve()), folder.resolve()
    name = str(name_or_folder)
    if not _HUB_NAME.fullmatch(name):
        raise NotFoundError(
            f"Asked for the score model {name!r}; there is no such folder, and it is no hub name (owner/name). "
            "Give the folder that holds its config.json."
        )
    import huggingface_hub as hub  # noqa: PLC0415  # slow, and a folder needs none

    try:
        return name, Path(hub.snapshot_download(name, allow_patterns=_NEEDED, token=False))
    except Exception as error:  # a connection that breaks raises what the hub's own client has for it
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise FetchError(
            f"Asked for the score model {name!r}; there is no such folder, and the hub did not give a model of that "
            f"name ({reason}). Check spelling, network and disk and run this again: what has arrived is kept. Or "
            "download it elsewhere and give its folder."
        ) from error


def _name_of(folder: Path) -> str:
    """Name of a folder; in the hub's cache, where a hash names it, that of the model, which tells reward from cost."""
    if folder.parent.name == "snapshots" and (cached := folder.parent.parent.name).startswith("models--"):
        return cached.removeprefix("models--").replace("--", "/")
    return folder.name


def open_checkpoint(folder: Path, *, name: str) -> Checkpoint:
    """Read configuration and headers of a folder of safetensors files."""
    file = folder / "config.json"
    if (folder / _ADAPTER).is_file() and not any(folder.glob("model*.safetensors")):
        raise DataError(
            f"Asked to load {name!r}; {folder} holds an adapter ({_ADAPTER}), which changes another model's "
            "weights and scores nothing by itself. Merge it into that model (merge_and_unload of peft), and give the "
            "folder of both."
        )
    if not file.is_file():
        raise DataError(
            f"Asked to load {name!r}; {folder} holds no config.json. Give the folder of a Hugging Face model."
        )
    config = _object(file, name=name)
    tensors: dict[str, TensorEntry] = {}
    for part in _weight_files(folder, name=name):
        tensors |= _header(part)
    _check_sizes(config, tensors, name=name)
    return Checkpoint(folder, name, config, tensors)


_LARGEST_DOCUMENT = 64 << 20
"""Bytes of a configuration or an index beyond which it is neither."""


def _object(file: Path, *, name: str) -> dict[str, Any]:
    """A JSON object that describes a model."""
    if file.stat().st_size > _LARGEST_DOCUMENT:
        raise DataError(f"Asked to load {name!r}; its {file.name} is too large to be one. Fetch it again.")
    try:
        found = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DataError(f"Asked to load {name!r}; its {file.name} is not JSON ({error}). Fetch it again.") from error
    if not isinstance(found, dict):
        raise DataError(f"Asked to load {name!r}; its {file.name} is no JSON object. Fetch it again.")
    return found


_WIDTHS = (
    *("hidden_size", "intermediate_size", "vocab_size", "num_labels", "type_vocab_size", "num_attention_heads"),
    *("num_key_value_heads", "head_dim", "embedding_size", "n_embd", "n_inner", "n_head", "d_model", "d_ff", "dim"),
    *("hidden_dim", "ffn_dim", "moe_intermediate_size", "word_embed_proj_dim"),
)
"""Settings that no tensor's longest side is shorter than, on any architecture."""

_LAYERS = (
    *("num_hidden_layers", "num_layers", "n_layer", "n_layers", "num_hidden_groups", "num_experts"),
    *("num_local_experts", "n_routed_experts", "encoder_layers", "decoder_layers"),
)
"""Settings that count parts of which each has a tensor."""

_POSITIONS = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length", "sliding_window")

_MOST_POSITIONS = 1 << 24


def _check_sizes(config: Mapping[str, Any], tensors: Mapping[str, TensorEntry], *, name: str) -> None:
    """Hold sizes against the tensors that are there, before a network of these sizes is built."""
    longest = max((side for entry in tensors.values() for side in entry.shape), default=0)
    limits = dict.fromkeys(_WIDTHS, longest) | dict.fromkeys(_LAYERS, len(tensors))
    limits |= dict.fromkeys(_POSITIONS, _MOST_POSITIONS)
    parts = [config, *(part for part in config.values() if isinstance(part, dict))]
    for setting, limit in limits.items():
        for value in (part[setting] for part in parts if part.get(setting) is not None):
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                found = f"{setting} is {str(value)[:40]!r}, and it must be a whole number"
            elif value > max(limit, 2):  # two labels, one of which has no tensor of its own
                found = f"{setting} is {value:,}, and its tensors speak for {limit:,} at most"
            else:
                continue
            raise DataError(
                f"Asked to load {name!r}; by its config.json {found}. Check that config.json and weights belong "
                "together."
            )
    labels = config.get("id2label")
    if isinstance(labels, dict) and len(labels) > max(longest, 2):
        raise DataError(f"Asked to load {name!r}; id2label of its config.json names more outputs than it has.")
    inner = config.get("text_config")
    if inner is not None and not (isinstance(inner, dict) and isinstance(inner.get("model_type"), str)):
        raise DataError(f"Asked to load {name!r}; text_config of its config.json describes no model. Fetch it again.")


def _weight_files(folder: Path, *, name: str) -> list[Path]:
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if whole.is_file():
        return [whole]  # others beside it are the same weights in another form, or an adapter
    if index.is_file():
        named = _object(index, name=name).get("weight_map")
        if not isinstance(named, dict) or not named or not all(isinstance(part, str) for part in named.values()):
            raise DataError(f"Asked to load {name!r}; {index.name} lists no parts. Fetch it again.")
        if outside := sorted(part for part in set(named.values()) if not _PART.fullmatch(part)):
            raise DataError(
                f"Asked to load {name!r}; {index.name} names {outside[0][:80]!a} as a part, which is not a safetensors "
                "file of its own folder. Do not use this model, or fetch it again."
            )
        parts = sorted({folder / part for part in named.values()})
        if missing := [part.name for part in parts if not part.is_file()]:
            raise DataError(f"Asked to load {name!r}; its parts {missing} are missing from {folder}. Fetch them again.")
        return parts
    if weight_files := sorted(folder.glob("*.safetensors")):
        return weight_files
    pickled = sorted(path.name for pattern in _PICKLED for path in folder.glob(pattern))
    what = f"only pickled weights ({', '.join(pickled)})" if pickled else "no weights"
    raise DataError(
        f"Asked to load {name!r}; {folder} holds {what}. A pickle can run code, so btviz reads safetensors only: "
        "take a revision that has them, or have them converted by somebody who trusts the file."
    )


def _header(file: Path) -> dict[str, TensorEntry]:
    safetensors = require("safetensors", extra="models")
    try:
        with safetensors.safe_open(file, framework="np") as opened:
            return {key: TensorEntry(file, tuple(opened.get_slice(key).get_shape())) for key in opened.keys()}  # noqa: SIM118  # no mapping
    except (safetensors.SafetensorError, OSError) as error:
        with file.open("rb") as opened:
            if opened.read(len(_POINTER)) == _POINTER:
                raise DataError(
                    f"Asked to read {file}; it is a pointer of Git LFS, not the weights it stands for. Fetch these: "
                    "git lfs pull."
                ) from error
        raise DataError(f"Asked to read {file}; it is no whole safetensors file ({error}). Fetch it again.") from error
