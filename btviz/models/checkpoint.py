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

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
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
        return str(next(iter(self.config.get("architectures") or []), ""))

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
    if not file.is_file():
        raise DataError(
            f"Asked to load {name!r}; {folder} holds no config.json. Give the folder of a Hugging Face model."
        )
    try:
        config = json.loads(file.read_bytes())
    except ValueError as error:
        raise DataError(f"Asked to load {name!r}; its config.json is not JSON ({error}). Fetch it again.") from error
    if not isinstance(config, dict):
        raise DataError(f"Asked to load {name!r}; its config.json is no JSON object. Fetch it again.")
    tensors: dict[str, TensorEntry] = {}
    for part in _weight_files(folder, name=name):
        tensors |= _header(part)
    return Checkpoint(folder, name, config, tensors)


def _weight_files(folder: Path, *, name: str) -> list[Path]:
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if whole.is_file():
        return [whole]  # others beside it are the same weights in another form, or an adapter
    if index.is_file():
        try:
            parts = sorted({folder / part for part in json.loads(index.read_bytes())["weight_map"].values()})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"Asked to load {name!r}; {index.name} lists no parts. Fetch it again.") from error
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
        raise DataError(f"Asked to read {file}; it is no whole safetensors file ({error}). Fetch it again.") from error
