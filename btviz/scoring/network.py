"""Networks built from checkpoints: a backbone with a head, or a whole classifier.

Of PyTorch this imports nothing until a model is loaded.
"""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from btviz.errors import DataError, MissingExtraError, UsageError, require
from btviz.scoring.checkpoint import Checkpoint
from btviz.scoring.forward import EndRead, PaddedBatch, WholeRead
from btviz.scoring.memory import is_out_of_memory
from btviz.scoring.normaliser import normaliser_of
from btviz.scoring.recognition import HEAD

HEAD_BIAS = "score_head.bias"

_NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")
_LONGEST = 300
"""Letters of another library's error that are passed on."""


def read_beaver(checkpoint: Checkpoint, *, dtype: Any, device: str) -> Callable[[PaddedBatch], Any]:
    """Build the network of a checkpoint with a `score_head`, whatever its backbone.

    Raises
    ------
    DataError
        If the backbone is unknown or incomplete, or the head has another shape.
    """
    torch = require("torch", extra="models")
    backbone = _load("AutoModel", checkpoint, dtype=dtype, device=device)
    hidden = backbone.config.get_text_config().hidden_size
    weight = checkpoint.read(HEAD)
    if tuple(weight.shape) != (1, hidden):
        raise DataError(
            f"Asked to load {checkpoint.name!r}; its {HEAD} has shape {tuple(weight.shape)}, and one score on a hidden "
            f"size of {hidden} takes (1, {hidden}). Check that weights and config.json belong together."
        )
    has_bias = HEAD_BIAS in checkpoint.tensors
    with _fitting(checkpoint):
        head = torch.nn.Linear(hidden, 1, bias=has_bias, dtype=dtype, device=device).requires_grad_(requires_grad=False)
        head.weight.copy_(weight)
        if has_bias:
            head.bias.copy_(checkpoint.read(HEAD_BIAS).reshape(1))
    network, scale = EndRead(backbone, head), normaliser_of(checkpoint)
    return network if scale is None else (lambda batch: scale(network(batch)))


def read_classifier(checkpoint: Checkpoint, *, dtype: Any, device: str) -> Callable[[PaddedBatch], Any]:
    """Build the network of a sequence classifier.

    Raises
    ------
    DataError
        If its architecture is unknown or its weights are incomplete.
    """
    torch = require("torch", extra="models")
    model = _load("AutoModelForSequenceClassification", checkpoint, dtype=dtype, device=device)
    head = getattr(model, "score", None)
    if not isinstance(head, torch.nn.Linear):
        return WholeRead(model)
    if "score.bias" in checkpoint.tensors and head.bias is None:  # transformers builds that head without one
        head.bias = torch.nn.Parameter(checkpoint.read("score.bias").to(head.weight), requires_grad=False)
    return EndRead(model.base_model, head)


def read_config(checkpoint: Checkpoint) -> Any:
    """Configuration as transformers understands it, where each setting has one name on every backbone.

    Raises
    ------
    DataError
        If the architecture is unknown.
    """
    transformers = require("transformers", extra="models")
    kind = checkpoint.config.get("model_type")
    if kind not in transformers.CONFIG_MAPPING:
        raise DataError(
            f"Asked to load {checkpoint.name!r}; its model_type is {kind!r}, which is unknown to transformers "
            f"{transformers.__version__}, and btviz runs no code that comes with a model. Use a known architecture."
        )
    with _quiet(transformers), _fitting(checkpoint):
        return transformers.AutoConfig.from_pretrained(
            checkpoint.folder, local_files_only=True, trust_remote_code=False
        )


def _load(loader: str, checkpoint: Checkpoint, *, dtype: Any, device: str) -> Any:
    transformers = require("transformers", extra="models")
    with _quiet(transformers), _fitting(checkpoint):
        model, report = getattr(transformers, loader).from_pretrained(
            checkpoint.folder,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    if missing := sorted(report["missing_keys"]):
        raise DataError(
            f"Asked to load {checkpoint.name!r}; {len(missing)} of its tensors are missing, such as {missing[0]!r}. "
            "Fetch its weights again."
        )
    if beyond := _beyond(model, report["unexpected_keys"]):
        raise DataError(
            f"Asked to load {checkpoint.name!r}; {len(beyond)} of its tensors belong to layers that its config.json "
            f"does not tell of, such as {beyond[0]!r}. Check that config.json and weights belong together."
        )
    with _fitting(checkpoint):
        return model.to(device).eval().requires_grad_(requires_grad=False)


def _beyond(model: Any, unexpected: Iterable[str]) -> list[str]:
    """Unused tensors that are called like a used one but for a number: without them a part would score."""
    prefix = f"{model.base_model_prefix}."
    used = {_NUMBER.sub("#", key.removeprefix(prefix)) for key in model.state_dict()}
    return sorted(key for key in unexpected if _NUMBER.sub("#", key.removeprefix(prefix)) in used)


@contextlib.contextmanager
def _fitting(checkpoint: Checkpoint) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise MissingExtraError(
            f"Asked to load {checkpoint.name!r}; its config.json asks for a package that is not installed "
            f"({_in_short(error)}). Install that, or take weights that are not quantised."
        ) from error
    except Exception as error:  # a configuration fails in each network's own way: by assertion, by division by zero
        if is_out_of_memory(error):
            raise UsageError(
                f"Asked to load {checkpoint.name!r}; memory does not suffice for its weights. Use dtype='bfloat16', a "
                "smaller model, or another device."
            ) from error
        raise DataError(
            f"Asked to load {checkpoint.name!r}; its weights or its configuration do not fit ({_in_short(error)}). "
            "Check that config.json and weights belong together."
        ) from error


def _in_short(error: Exception) -> str:
    return " ".join(str(error).split())[:_LONGEST] or type(error).__name__


@contextlib.contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Without its report of unused tensors, of which Safe RLHF checkpoints have some, and its progress bar."""
    logging = transformers.utils.logging
    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()
