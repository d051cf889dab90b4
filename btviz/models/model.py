"""A score model from a checkpoint, and `load_score_model`, which makes it of a name or a folder."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from btviz.arguments import paired_texts
from btviz.errors import DataError, MissingExtraError, UsageError, choice, require
from btviz.machine.memory import BYTES, Room, announce_need
from btviz.models.batches import by_length
from btviz.models.checkpoint import Checkpoint, open_checkpoint, resolve_folder
from btviz.models.guards import Guard, read_guard
from btviz.models.heads import BEAVER, CLASSIFIER, Head, guard_for, recognise_head
from btviz.models.network import PaddedBatch, pad, read_beaver, read_classifier, read_config, read_generator, readable
from btviz.models.probes import Probe, is_probe, load_probe
from btviz.models.protocol import KINDS
from btviz.models.records import LOG_ODDS, PROBABILITY, ScoreRecord
from btviz.models.templates import MAX_LENGTH, ChatTemplate, CutWarning, Encoded, FixedTemplate, TextEncoder, TextPair
from btviz.models.throughput import Shape
from btviz.models.verdicts import GuardText, VerdictRead
from btviz.store import expanded, fingerprint


@dataclass(frozen=True)
class Origin:
    """How to load the model again, on another machine of a cluster too."""

    source: str
    kind: str | None
    dtype: str | None
    device: str | None
    guard: str | None = None


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A score model from a checkpoint; see `btviz.load_score_model`.

    Attributes
    ----------
    name : str
        Hub name, or name of the folder.
    kind : str
        "reward", "cost" or "moderation".
    fingerprint : str
        Of weights, tokenizer, template, type and everything else that scores depend on.
    labels : tuple of str
        Slugs of the targets of a moderation model.
    threshold : float or None
        Probability above which a moderation model flags, where its makers say so.
    layout : str
        What the checkpoint was recognised as.
    dtype, device : str
        Of the weights.
    n_parameters : int
        Size of the network.
    shape : Shape
        What its arithmetic depends on.
    tokens_per_batch : int
        Tokens, padding included, that go through the network at once.
    origin : Origin
        How to load it again.
    """

    name: str
    kind: str
    fingerprint: str
    labels: tuple[str, ...]
    threshold: float | None
    layout: str
    dtype: str
    device: str
    n_parameters: int
    shape: Shape
    tokens_per_batch: int
    origin: Origin
    encoder: TextEncoder = field(repr=False)
    _network: Callable[[PaddedBatch], Any] = field(repr=False)
    _activation: Callable[[Any], Any] | None = field(repr=False)
    _pad_id: int = field(repr=False)
    _skipped: int | None = field(repr=False)
    _n_ids: int = field(repr=False)
    verdicts: VerdictRead | None = field(default=None, repr=False)

    @property
    def record(self) -> ScoreRecord:
        """What is known of its scores: those of a head of Safe RLHF are log-odds, as its loss has them."""
        scale = PROBABILITY if self.kind == "moderation" else LOG_ODDS if self.layout == BEAVER else None
        return ScoreRecord(
            self.kind,
            threshold=self.threshold,
            scale=scale,
            revision=self.fingerprint[:12],
            template=_TEMPLATES.get(type(self.encoder)),
            max_tokens=self.encoder.max_length,
            maker=f"btviz, from a checkpoint ({self.layout}, {self.dtype})",
        )

    def encode(self, prompts: Sequence[str], responses: Sequence[str]) -> list[Encoded]:
        """Token ids of each pair, as the network reads them."""
        return self.encoder.encode(*paired_texts(prompts, responses))

    def score_encoded(self, rows: Sequence[Encoded], *, length: int | None = None) -> npt.NDArray[np.float32]:
        """Score token ids in one forward pass.

        Parameters
        ----------
        rows : sequence of array
            From `encode`.
        length : int, optional
            Tokens that each row is padded to; default: the longest.

        Returns
        -------
        array of float32, shape (n,), or (n, k) for moderation
            NaN for a row without a token, or with a token that the network has not.
        """
        longest = max((row.shape[-1] for row in rows), default=0)
        if self.verdicts is not None:
            return self.verdicts(rows, length=max(longest, length or 1))
        torch = require("torch", extra="models")
        encoded, is_readable = readable(rows, n_ids=self._n_ids)
        longest = max(row.shape[-1] for row in encoded)
        batch = pad(encoded, length=max(longest, length or 0), pad_id=self._pad_id, skipped=self._skipped)
        with torch.inference_mode():
            logits = self._network(batch)
            scores = logits if self._activation is None else self._activation(logits)
        score_array: npt.NDArray[np.float32] = scores.cpu().numpy().astype(np.float32)
        score_array[~is_readable] = np.nan
        return score_array if self.kind == "moderation" else score_array[:, 0]

    def score(self, prompts: Sequence[str], responses: Sequence[str]) -> npt.NDArray[np.float32]:
        """Score answers.

        Parameters
        ----------
        prompts, responses : sequence of str
            One of each per answer.

        Returns
        -------
        array of float32, shape (n,), or (n, len(labels)) for moderation
            In the order given.
        """
        return self._score_all(self.encode(prompts, responses))

    def score_conversations(self, conversations: Sequence[Sequence[tuple[str, str]]]) -> npt.NDArray[np.float32]:
        """Score whole conversations at their end, with an end-of-sequence after each answer.

        Parameters
        ----------
        conversations : sequence of sequences of (prompt, response)
            One row each; the score after turn t is that of the first t turns.

        Returns
        -------
        array of float32, shape (n,), or (n, len(labels)) for moderation

        Raises
        ------
        UsageError
            If the model has no template for several turns.

        Warns
        -----
        CutWarning
            If conversations are longer than what the model reads: their later turns count for nothing.
        """
        if not isinstance(self.encoder, FixedTemplate):
            raise UsageError(
                f"Asked to score conversations by {self.name!r}; it reads single answers ({self.layout}). "
                "Use a model with the conversation template of Safe RLHF."
            )
        rows = self.encoder.encode_conversations(conversations)
        self.report_cuts(rows, "conversations", so=", so no drift shows from there on")
        return self._score_all(rows)

    def report_cuts(self, rows: Sequence[Encoded], what: str, *, so: str = "") -> None:
        """Warn with the number of texts that are as long as what the model reads, what they are, and what follows."""
        longest = self.encoder.max_length
        if self.verdicts is not None:
            return  # its template says so where it leaves out the end of an answer
        if cut := sum(row.shape[-1] == longest for row in rows):
            warnings.warn(
                f"{cut:,} of {len(rows):,} {what} reach the {longest:,} tokens that {self.name} reads; what comes "
                f"later does not change their scores{so}.",
                CutWarning,
                stacklevel=3,
            )

    def announce(self, name: str) -> None:
        """Say on standard error what is to be said of a run; only guards have something."""
        if self.verdicts is not None:
            self.verdicts.announce(name)

    def _score_all(self, rows: list[Encoded]) -> npt.NDArray[np.float32]:
        width = (len(self.labels),) if self.kind == "moderation" else ()
        scores = np.empty((len(rows), *width), np.float32)
        lengths = np.array([row.shape[-1] for row in rows], np.int64)
        room = Room()
        for where in by_length(lengths, budget=self.tokens_per_batch):
            names = [f"text {i + 1:,} of {len(rows):,}, of {lengths[i]:,} tokens" for i in where]
            batch, length = [rows[i] for i in where], int(lengths[where].max())
            scores[where] = room.sparing(self.score_encoded, batch, length=length, names=names)
        return scores


_TEMPLATES: Mapping[type, str] = {
    FixedTemplate: "conversation of Safe RLHF",
    ChatTemplate: "chat template of the tokenizer",
    GuardText: "question to a guard",
    TextPair: "pair of texts",
}
"""What models read an answer in, for records."""

VERSION = 1
"""Raised when the same checkpoint would get other scores."""

TOKENS = {"cpu": 4096, "cuda": 32768}
"""Tokens of a batch, by device."""

LONGEST = 4096
"""Tokens of a text at most, where a model would read more."""

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.txt", "vocab.json", "spiece.model", "spm.model")

_READERS = {
    "tokenizer.model": ("sentencepiece", "tiktoken"),
    "spiece.model": ("sentencepiece",),
    "spm.model": ("sentencepiece",),
}
"""Packages of which transformers takes one to read a tokenizer that lacks tokenizer.json."""


def load_score_model(
    name_or_folder: str | Path,
    *,
    kind: str | None = None,
    dtype: str | None = None,
    device: str | None = None,
    guard: str | Path | None = None,
) -> LoadedModel | Probe:
    """Load a reward, cost or moderation model from safetensors; no code that comes with it is run.

    How much memory it takes is said on standard error before it is loaded.

    Parameters
    ----------
    name_or_folder : str or Path
        Hub name, or folder with ``config.json``, a tokenizer and safetensors. Recognised are models
        with the head of Safe RLHF (``score_head``) on any backbone, and any sequence classifier: with one
        output a reward model, with several a moderation model, which with 14 unnamed outputs
        has those of BeaverTails in their order. A model that answers in words is read as a guard.
    kind : {"reward", "cost", "moderation"}, optional
        Default: what the name says, else what the configuration says.
    dtype : {"float32", "bfloat16", "float16"}, optional
        Default: float32 on a CPU, bfloat16 on a GPU, whatever the configuration says. Scores are kept by
        type, not by device: those in bfloat16 by a CPU and by a GPU differ in their last bits.
    device : str, optional
        "cpu", "cuda" or "cuda:1". Default: a GPU if there is one.
    guard : str or Path, optional
        Name of a bundled guard, or a file of one's own, that says how a model that answers in words is asked and read
        (docs/guards.md). Default: the bundled one that describes a checkpoint of this name.

    Returns
    -------
    LoadedModel or Probe
        Its `score` gives float32 of shape (n,), or (n, k) for moderation. The folder of a probe
        gives that, as it was saved: the options do not apply to it.

    Raises
    ------
    NotFoundError
        If there is no such folder.
    FetchError
        If the hub does not give it.
    DataError
        If weights are pickled, damaged or incomplete, the tokenizer is missing, the head has
        another shape, the architecture is unknown or the chat template writes no chat.
    UsageError
        If its kind is known from nowhere, there is no such device, or memory does not suffice.
    MissingExtraError
        If its tokenizer is a tokenizer.model without tokenizer.json, and sentencepiece is not installed, or its
        weights are quantised in a way that takes a package which is not.

    Examples
    --------
    >>> model = btviz.load_score_model("PKU-Alignment/beaver-7b-v1.0-cost")  # doctest: +SKIP
    >>> model.score(["hello"], ["Hello! How can I help you today?"])  # doctest: +SKIP
    """
    if kind is not None:
        choice(kind, KINDS, what="kind of score model")
    if dtype is not None:
        choice(dtype, BYTES, what="dtype")
    if is_probe(name_or_folder):
        return load_probe(name_or_folder)
    name, folder = resolve_folder(name_or_folder)
    checkpoint = open_checkpoint(folder, name=name)
    form, place = _form(dtype, device)
    source = str(folder if expanded(name_or_folder).is_dir() else name)
    origin = Origin(source, kind, dtype, device and str(device), None if guard is None else str(guard))
    if described := guard_for(checkpoint, kind=kind, stated=None if guard is None else read_guard(guard)):
        return _load_guard(checkpoint, described, form=form, place=place, origin=origin)
    head = recognise_head(checkpoint, kind=kind)
    encoder, pad_id = _encoder(checkpoint, head)
    announce_need(name, n_parameters=checkpoint.n_parameters, dtype=form, device=place)
    read = read_beaver if head.name == BEAVER else read_classifier
    network = read(checkpoint, dtype=getattr(require("torch", extra="models"), form), device=place)
    config = read_config(checkpoint).get_text_config()
    settings = (VERSION, head.name, head.kind, head.labels, head.activation, encoder.max_length, form)
    return LoadedModel(
        name=name,
        kind=head.kind,
        fingerprint=fingerprint(checkpoint.fingerprint, *settings),
        labels=head.labels,
        threshold=head.threshold,
        layout=head.name,
        dtype=form,
        device=place,
        n_parameters=checkpoint.n_parameters,
        shape=Shape.of(config, n_parameters=checkpoint.n_parameters),
        tokens_per_batch=TOKENS[place.partition(":")[0]],
        origin=origin,
        encoder=encoder,
        _network=network,
        _activation=_activation(head),
        _pad_id=pad_id,
        _skipped=None if head.name == BEAVER else checkpoint.config.get("pad_token_id"),
        _n_ids=config.vocab_size,
    )


def _load_guard(checkpoint: Checkpoint, guard: Guard, *, form: str, place: str, origin: Origin) -> LoadedModel:
    """Load a model that answers in words."""
    config = read_config(checkpoint).get_text_config()
    tokenizer = read_tokenizer(checkpoint.folder, name=checkpoint.name)
    positions = getattr(config, "max_position_embeddings", None) or LONGEST
    longest = min(LONGEST, positions, tokenizer.model_max_length)
    encoder = GuardText(guard, tokenizer, max_length=longest, name=checkpoint.name)
    pad_id = _pad_id(config, tokenizer)
    announce_need(checkpoint.name, n_parameters=checkpoint.n_parameters, dtype=form, device=place)
    network = read_generator(checkpoint, dtype=getattr(require("torch", extra="models"), form), device=place)
    return LoadedModel(
        name=checkpoint.name,
        kind="moderation",
        fingerprint=fingerprint(checkpoint.fingerprint, VERSION, guard.fingerprint, longest, form),
        labels=guard.labels,
        threshold=guard.threshold,
        layout=f"guard: {guard.title}",
        dtype=form,
        device=place,
        n_parameters=checkpoint.n_parameters,
        shape=Shape.of(config, n_parameters=checkpoint.n_parameters),
        tokens_per_batch=max(1, TOKENS[place.partition(":")[0]] // (len(guard.questions) * len(guard.starts))),
        origin=origin,
        encoder=encoder,
        _network=network,
        _activation=None,
        _pad_id=pad_id,
        _skipped=None,
        _n_ids=config.vocab_size,
        verdicts=VerdictRead(network, encoder, pad_id=pad_id, n_ids=config.vocab_size),
    )


def _form(dtype: str | None, device: str | None) -> tuple[str, str]:
    cuda = require("torch", extra="models").cuda
    place = str(device or ("cuda" if cuda.is_available() else "cpu"))
    kind, _, number = place.partition(":")
    choice(kind, TOKENS, what="device")
    if kind == "cuda":
        _check_gpu(place, number=number or "0", n_gpus=cuda.device_count() if cuda.is_available() else 0)
    return dtype or ("float32" if kind == "cpu" else "bfloat16"), place


def _check_gpu(place: str, *, number: str, n_gpus: int) -> None:
    if not number.isdecimal() or int(number) >= n_gpus:
        gpus = f"{n_gpus} of them, numbered from 0" if n_gpus else "none"
        raise UsageError(
            f"Asked to load a model on {place!r}; PyTorch sees these GPUs here: {gpus}. Use device='cpu', or leave it "
            "out for what there is."
        )


def _activation(head: Head) -> Callable[[Any], Any] | None:
    torch = require("torch", extra="models")
    if head.activation == "softmax":
        return functools.partial(torch.softmax, dim=-1)
    return torch.sigmoid if head.activation else None


def _encoder(checkpoint: Checkpoint, head: Head) -> tuple[TextEncoder, int]:
    """How the texts of a model are written as token ids, and the id that fills up shorter ones."""
    config = read_config(checkpoint).get_text_config()
    tokenizer = read_tokenizer(checkpoint.folder, name=checkpoint.name)
    positions = getattr(config, "max_position_embeddings", None) or LONGEST
    pad_id = _pad_id(config, tokenizer)
    if head.name != CLASSIFIER:
        if tokenizer.eos_token_id is None:
            raise DataError(
                f"Asked to load {checkpoint.name!r}; its tokenizer has no end of sequence, with which every text of "
                "that layout ends. Add eos_token to tokenizer_config.json."
            )
        begins = _begins(checkpoint, tokenizer)
        return FixedTemplate(tokenizer, begins=begins, max_length=min(MAX_LENGTH, positions)), pad_id
    if tokenizer.chat_template:
        template = ChatTemplate(tokenizer, max_length=min(LONGEST, positions, tokenizer.model_max_length))
        _check_writes(template, checkpoint)
        return template, pad_id
    # some encoders keep their first two positions for themselves
    return TextPair(tokenizer, max_length=min(LONGEST, positions - 2, tokenizer.model_max_length)), pad_id


def _pad_id(config: Any, tokenizer: Any) -> int:
    fillers = (config.pad_token_id, tokenizer.pad_token_id)
    return next((i for i in fillers if i is not None and 0 <= i < config.vocab_size), 0)


def _check_writes(template: ChatTemplate, checkpoint: Checkpoint) -> None:
    """Refuse a template that writes no chat of a user and an assistant, before the weights are loaded."""
    try:
        written = template.write("hello", "Hello! How can I help you today?")
    except Exception as error:  # noqa: BLE001  # in the words of whoever wrote the template
        problem = f"refuses a question and its answer ({error})"
    else:
        if written:
            return
        problem = "writes nothing of a question and its answer"
    raise DataError(
        f"Asked to load {checkpoint.name!r}; its chat template {problem}. Mend chat_template in tokenizer_config.json "
        "or chat_template.jinja, or take it out: the two are then read as a pair of texts."
    )


def _begins(checkpoint: Checkpoint, tokenizer: Any) -> list[int]:
    """Ids that the tokenizer puts before a text; a LLaMA's begins with its BOS, whatever became of the setting."""
    bare, full = (tokenizer("a", add_special_tokens=added)["input_ids"] for added in (False, True))
    before: list[int] = full[: full.index(bare[0])] if bare and bare[0] in full else []
    if not before and checkpoint.config.get("model_type") == "llama" and tokenizer.bos_token_id is not None:
        return [tokenizer.bos_token_id]
    return before


def read_tokenizer(folder: Path, *, name: str) -> Any:
    """Read the tokenizer that lies in a folder; no code that comes with it is run."""
    transformers = require("transformers", extra="models")
    asked = f"Asked to load {name!r}; "
    if not any((folder / file).is_file() for file in _TOKENIZER_FILES):
        raise DataError(
            f"{asked}{folder} holds no tokenizer ({', '.join(_TOKENIZER_FILES[:2])} ...). "
            "Copy the tokenizer files of the model there."
        )
    _check_readable(folder, name=name)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # whatever a damaged file leads its reader to
        raise DataError(
            f"{asked}its tokenizer cannot be read ({type(error).__name__}). Add the tokenizer.json of the model."
        ) from error
    return tokenizer


def _check_readable(folder: Path, *, name: str) -> None:
    """Say which package a tokenizer needs that is there in another form than tokenizer.json only."""
    held = [file for file in _TOKENIZER_FILES if (folder / file).is_file()]
    packages = _READERS.get(held[0], ())
    if packages and not any(find_spec(package) for package in packages):
        raise MissingExtraError(
            f"Asked to load {name!r}; its tokenizer is there as {held[0]} only, which takes the package "
            f"{packages[0]!r}, and that is not installed. Install it with: pip install {packages[0]} "
            "(or add the tokenizer.json of the model)."
        )
