"""Networks built from checkpoints, a backbone with a head or a whole classifier: padded token ids in, logits out.

Of PyTorch this imports nothing until a model is loaded.
"""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from btviz.errors import DataError, MissingExtraError, UsageError, require
from btviz.machine.memory import is_out_of_memory
from btviz.models.checkpoint import Checkpoint
from btviz.models.heads import SCORE_HEAD
from btviz.models.templates import Encoded

HEAD_BIAS = "score_head.bias"
_NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")

_HEADS = ("score.", "classifier.", "pre_classifier.", "lm_head.")
"""What the tensors of a head are called."""

_LONGEST = 300
"""Letters of another library's error that are passed on."""


def read_beaver(checkpoint: Checkpoint, *, dtype: Any, device: str) -> Callable[[PaddedBatch], Any]:
    """Build the network of a checkpoint with a `score_head`, whatever its backbone."""
    torch = require("torch", extra="models")
    backbone = _load("AutoModel", checkpoint, dtype=dtype, device=device)
    hidden = backbone.config.get_text_config().hidden_size
    weight = checkpoint.read(SCORE_HEAD)
    if tuple(weight.shape) != (1, hidden):
        raise DataError(
            f"Asked to load {checkpoint.name!r}; its {SCORE_HEAD} has shape {tuple(weight.shape)}, and one score "
            f"on a hidden size of {hidden} takes (1, {hidden}). Check that weights and config.json belong together."
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
    """Build the network of a sequence classifier."""
    torch = require("torch", extra="models")
    model = _load("AutoModelForSequenceClassification", checkpoint, dtype=dtype, device=device)
    head = getattr(model, "score", None)
    if not isinstance(head, torch.nn.Linear):
        return WholeRead(model)
    if "score.bias" in checkpoint.tensors and head.bias is None:  # transformers builds that head without one
        head.bias = torch.nn.Parameter(checkpoint.read("score.bias").to(head.weight), requires_grad=False)
    return EndRead(model.base_model, head)


def read_generator(checkpoint: Checkpoint, *, dtype: Any, device: str) -> Any:
    """Build the network of a model that answers in words."""
    return _load("AutoModelForCausalLM", checkpoint, dtype=dtype, device=device)


def read_config(checkpoint: Checkpoint) -> Any:
    """Configuration as transformers understands it, where each setting has one name on every backbone."""
    transformers = require("transformers", extra="models")
    kind = checkpoint.config.get("model_type")
    if not isinstance(kind, str) or kind not in transformers.CONFIG_MAPPING:
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
    missing = sorted(report["missing_keys"])
    if missing and all(key.startswith(_HEADS) for key in missing):
        raise DataError(
            f"Asked to load {checkpoint.name!r}; the weights of its head are missing ({', '.join(missing)}): it was "
            "never trained to score, or was saved without its head. Give the checkpoint that was."
        )
    if missing:
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


@dataclass(frozen=True)
class PaddedBatch:
    """Texts of one forward pass, padded on the right."""

    ids: npt.NDArray[np.int64]
    mask: npt.NDArray[np.int64]
    segments: npt.NDArray[np.int64] | None
    ends: npt.NDArray[np.int64]


def pad(rows: Sequence[Encoded], *, length: int, pad_id: int, skipped: int | None = None) -> PaddedBatch:
    """Pad token ids on the right to `length`."""
    ids = np.full((len(rows), length), pad_id, np.int64)
    mask = np.zeros_like(ids)
    segments = np.zeros_like(ids) if any(row.ndim == 2 for row in rows) else None
    ends = np.empty(len(rows), np.int64)
    for i, row in enumerate(rows):
        tokens = row[0] if row.ndim == 2 else row
        ids[i, : len(tokens)] = tokens
        mask[i, : len(tokens)] = 1
        if segments is not None:
            segments[i, : len(tokens)] = row[1]
        read = np.arange(len(tokens)) if skipped is None else np.flatnonzero(tokens != skipped)
        ends[i] = read[-1] if read.size else 0
    return PaddedBatch(ids, mask, segments, ends)


def readable(rows: Sequence[Encoded], *, n_ids: int) -> tuple[list[Encoded], npt.NDArray[np.bool_]]:
    """Tell which texts a network can read, with another in place of those that it cannot.

    A text may be without a token, or hold one that a tokenizer has beyond the network's table (a filler
    that was added and written in the text): on a GPU a look-up of that ends all work in the process.
    """
    is_readable = np.array([row.size > 0 and int(np.atleast_2d(row)[0].max()) < n_ids for row in rows], bool)
    stand_ins = [np.zeros((*row.shape[:-1], 1), row.dtype) for row in rows]
    pairs = zip(rows, stand_ins, is_readable, strict=True)
    return [row if is_one else stand_in for row, stand_in, is_one in pairs], is_readable


class EndRead:
    """Score of a decoder: a linear head on the last hidden state at the end of each text."""

    def __init__(self, backbone: Any, head: Any) -> None:
        self.backbone = backbone
        self.head = head

    def __call__(self, batch: PaddedBatch) -> Any:
        """Logits, a float32 tensor (n, k)."""
        torch = require("torch", extra="models")
        device = self.head.weight.device
        ids, mask, ends = (torch.from_numpy(a).to(device) for a in (batch.ids, batch.mask, batch.ends))
        hidden = self.backbone(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        return self.head(hidden[torch.arange(len(ends), device=device), ends]).float()


class WholeRead:
    """Score of an encoder with a classifier of its own."""

    def __init__(self, classifier: Any) -> None:
        self.classifier = classifier

    def __call__(self, batch: PaddedBatch) -> Any:
        """Logits, a float32 tensor (n, k)."""
        torch = require("torch", extra="models")
        device = next(self.classifier.parameters()).device
        arrays = {"input_ids": batch.ids, "attention_mask": batch.mask, "token_type_ids": batch.segments}
        tensors = {name: torch.from_numpy(a).to(device) for name, a in arrays.items() if a is not None}
        return self.classifier(**tensors).logits.float()


EPSILON = 1e-8


@dataclass(frozen=True)
class Normaliser:
    """Running mean and variance that a Safe RLHF model may apply to its scores."""

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
