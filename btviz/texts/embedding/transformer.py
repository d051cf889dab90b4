"""Sentence-transformers models from a folder, and the static model distilled from one.

Only safetensors are read, and no code of theirs is run.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from btviz.errors import DataError, NotFoundError, choice, require
from btviz.machine.progress import bar
from btviz.machine.threads import on_each_core
from btviz.store import Draft, Key, Store
from btviz.store.keys import JSON, fingerprint
from btviz.texts.embedding.batches import BUDGET, STEP, batches, padded, unit

CUDA_BUDGET = 1 << 15

READ = ("*.json", "*.safetensors", "*.txt", "*.model")
"""Files of a model that are read; none of them can hold code."""

_PICKLED = ("*.bin", "*.pt", "*.pkl", "*.ckpt", "*.h5", "*.msgpack")

_OWN = "sentence_transformers."

DIMENSIONS = 256
"""Of the static model's vectors."""

SIF = 1e-4
"""How much less frequent tokens count; smaller is less."""

STATIC_VERSION = 3
"""Raised when distilling would give other vectors."""

_GROUP = 4096  # tokens at a time


class TransformerEncoder:
    """A sentence-transformers model in a folder.

    Vectors are the model's own up to rounding, but each is computed in a shape that its text alone
    decides. Processor or graphics card, and the precision, are part of `settings`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str,
        prompt: str = "",
        max_tokens: int | None = None,
        device: str | None = None,
        precision: str | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.name = name
        self.prompt = prompt
        self._asked = max_tokens
        self.device = choice(device or ("cuda" if _has_cuda() else "cpu"), ("cpu", "cuda"), what="device")
        native = self.device == "cpu" and _multiplies_bfloat16()
        self.precision = choice(
            precision or ("bfloat16" if native else "float32"), ("float32", "bfloat16"), what="precision"
        )
        check_folder(self.folder)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in {"_model", "_tokenizer"}}

    @cached_property
    def settings(self) -> Mapping[str, JSON]:
        """Hash of the model's files, prompt, maximum length, device, precision and shapes of batches."""
        return {
            "model": hash_folder(self.folder),
            "prompt": self.prompt,
            "max_tokens": self.max_tokens,
            "device": self.device,
            "precision": self.precision,
            "budget": self._budget,
        }

    @cached_property
    def max_tokens(self) -> int:
        """Longest text it reads to the end, in tokens, special ones included."""
        limits = [self._asked] if self._asked else []
        for file, entry in (
            ("sentence_bert_config.json", "max_seq_length"),
            ("tokenizer_config.json", "model_max_length"),
            ("config.json", "max_position_embeddings"),
        ):
            path = self.folder / file
            value = json.loads(path.read_text(encoding="utf-8")).get(entry) if path.exists() else None
            limits += [int(value)] if isinstance(value, int | float) and value < 1 << 20 else []
        return min(limits, default=512)

    def lengths(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Tokens of each text, prompt and special tokens included, before truncation."""
        return np.fromiter((len(tokens) for tokens in self._tokens(texts)), np.int64, len(texts))

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors, shape (len(texts), d)."""
        return self._encoded(self._tokens(texts, limit=self.max_tokens))

    def tokens(self, texts: Sequence[str], *, special: bool = True) -> list[list[int]]:
        """Tokens of each text, not truncated, with or without special ones."""
        return self._tokens(texts, special=special)

    @property
    def vocabulary_size(self) -> int:
        """Number of different tokens."""
        return len(self._tokenizer)

    @property
    def ordinary_tokens(self) -> npt.NDArray[np.int64]:
        """Tokens that stand for text, ascending: neither special ones nor those kept free, as "[unused7]" is."""
        special = set(self._tokenizer.all_special_ids)
        names = self._tokenizer.convert_ids_to_tokens(range(self.vocabulary_size))
        kept = (i for i, name in enumerate(names) if i not in special and not name.startswith("[unused"))
        return np.fromiter(kept, np.int64)

    def encode_tokens(self, tokens: Sequence[int]) -> npt.NDArray[np.float32]:
        """Unit vectors of single tokens, each between the special tokens of a text."""
        before, _, after = self._frame
        framed = [[*before, token, *after] for token in tokens]
        # all are of one length, so nothing need be padded
        return self._encoded(framed, step=len(before) + 1 + len(after))

    @cached_property
    def _frame(self) -> tuple[list[int], list[int], list[int]]:
        """Special tokens before a text, the token of a short text, and special tokens after it."""
        inner, whole = (self._tokens(["a"], special=special)[0] for special in (False, True))
        starts = [i for i in range(len(whole) - len(inner) + 1) if whole[i : i + len(inner)] == inner]
        return whole[: starts[0]], inner, whole[starts[0] + len(inner) :]

    def _encoded(self, tokens: list[list[int]], *, step: int = STEP) -> npt.NDArray[np.float32]:
        if not tokens:
            return np.empty((0, 0), np.float32)
        lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
        parts = batches(lengths, budget=self._budget, step=step)
        model = self._model  # loaded once, before several threads ask for it

        def forward(batch: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
            rows = [tokens[i] for i in batch]
            ids, mask = padded(rows, filler=self._filler, budget=self._budget, step=step)
            return unit(self._forward(model, ids, mask)[: len(batch)])

        blocks = list(on_each_core(forward, parts) if self.device == "cpu" else map(forward, parts))
        vectors = np.empty((len(tokens), blocks[0].shape[1]), np.float32)
        vectors[np.concatenate(parts)] = np.concatenate(blocks)
        return vectors

    @property
    def _budget(self) -> int:
        return CUDA_BUDGET if self.device == "cuda" else BUDGET

    @cached_property
    def _tokenizer(self) -> Any:
        transformers = require("transformers", extra="topics")
        return transformers.AutoTokenizer.from_pretrained(
            self.folder, trust_remote_code=False, local_files_only=True, use_fast=True
        )

    @property
    def _filler(self) -> int:
        return int(self._tokenizer.pad_token_id or 0)

    def _tokens(self, texts: Sequence[str], *, limit: int | None = None, special: bool = True) -> list[list[int]]:
        if not texts:
            return []
        encoding = self._tokenizer(
            [self.prompt + text for text in texts],
            truncation=limit is not None,
            max_length=limit,
            add_special_tokens=special,
            verbose=False,
            return_attention_mask=False,
            return_token_type_ids=False,
        )
        tokens: list[list[int]] = encoding["input_ids"]
        return tokens

    @cached_property
    def _model(self) -> Any:
        if is_plain_bert(self.folder):
            return mean_of_tokens(self.folder, device=self.device)
        sentence_transformers = require("sentence_transformers", extra="topics")
        with quiet():
            model = sentence_transformers.SentenceTransformer(
                str(self.folder),
                device=self.device,
                trust_remote_code=False,
                local_files_only=True,
                model_kwargs={"use_safetensors": True},
            )
        return model.float().eval()

    def _forward(self, model: Any, ids: npt.NDArray[np.int64], mask: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        torch = require("torch", extra="topics")
        half = torch.autocast(self.device, torch.bfloat16, enabled=self.precision == "bfloat16")
        with torch.inference_mode(), half:
            features = {"input_ids": ids, "attention_mask": mask}
            tensors = {name: torch.from_numpy(value).to(self.device) for name, value in features.items()}
            vectors: npt.NDArray[Any] = model(tensors)["sentence_embedding"].float().cpu().numpy()
        return vectors


_PLAIN = {"pooling_mode_mean_tokens": True, "include_prompt": True}
"""Settings of pooling by the mean; all others must be off."""


def is_plain_bert(folder: Path) -> bool:
    """Whether a model is BERT, then the mean of its tokens' vectors, then their length, and nothing else."""
    files = [folder / name for name in ("modules.json", "config.json", "1_Pooling/config.json")]
    if not all(file.is_file() for file in files):
        return False
    modules, config, pooling = (json.loads(file.read_text(encoding="utf-8")) for file in files)
    stack = [(module["type"].rsplit(".", 1)[-1], module["path"].partition("_")[0]) for module in modules]
    modes = {name: value for name, value in pooling.items() if name != "word_embedding_dimension"}
    return (
        config.get("model_type") == "bert"
        and stack == [("Transformer", ""), ("Pooling", "1"), ("Normalize", "2")]
        and all(isinstance(value, bool) and value == _PLAIN.get(name, False) for name, value in modes.items())
        and modes.get("pooling_mode_mean_tokens", False)
    )


def mean_of_tokens(folder: Path, *, device: str) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    """What sentence-transformers computes of such a model, to the last bit: its import takes as long as 400 prompts."""
    transformers, torch = require("transformers", extra="topics"), require("torch", extra="topics")
    with quiet():
        bert = transformers.BertModel.from_pretrained(
            str(folder), local_files_only=True, use_safetensors=True, add_pooling_layer=False
        )
    bert = bert.float().eval().to(device)

    def vectors(features: Mapping[str, Any]) -> Mapping[str, Any]:
        tokens = bert(**features).last_hidden_state
        counts = features["attention_mask"].unsqueeze(-1).expand(tokens.size()).to(tokens.dtype)
        mean = torch.sum(tokens * counts, 1) / torch.clamp(counts.sum(1), min=1e-9)
        return {"sentence_embedding": torch.nn.functional.normalize(mean, p=2, dim=1)}

    return vectors


def _has_cuda() -> bool:
    # torch takes seconds to import: it is asked only where there may be a card
    if not Path("/dev/nvidiactl").exists() and shutil.which("nvidia-smi") is None:
        return False
    return bool(require("torch", extra="topics").cuda.is_available())


def _multiplies_bfloat16() -> bool:
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False  # not Linux: float32 is right everywhere
    return "avx512_bf16" in flags or "amx_bf16" in flags


def check_folder(folder: Path) -> None:
    """Refuse a folder without a model, with code of its own, or with pickled weights alone."""
    if not (folder / "config.json").is_file() and not (folder / "modules.json").is_file():
        raise NotFoundError(
            f"Asked for the encoder in {folder}; found no config.json or modules.json there. Give the folder of a "
            "sentence-transformers model."
        )
    if (folder / "modules.json").is_file():
        types = [module["type"] for module in json.loads((folder / "modules.json").read_text(encoding="utf-8"))]
        foreign = [kind for kind in types if not kind.startswith(_OWN)]
        if foreign:
            raise DataError(
                f"Asked for the encoder in {folder}; it needs code of its own ({foreign[0]}), which is never run. "
                "Use another model, or wrap it in a `CallableEncoder`."
            )
    for path in (folder, *(child for child in folder.iterdir() if child.is_dir())):
        pickled = [file.name for pattern in _PICKLED for file in path.glob(pattern)]
        if pickled and not list(path.glob("*.safetensors")):
            raise DataError(
                f"Asked for the encoder in {folder}; its weights are pickled ({pickled[0]}), which is never read. "
                "Use a revision with safetensors."
            )


def hash_folder(folder: Path) -> str:
    """Fingerprint of the names and contents of all files of a model that are read."""
    files = sorted({file for pattern in READ for file in folder.rglob(pattern) if file.is_file()})
    parts = []
    for file in files:
        with file.open("rb") as stream:
            parts += [file.relative_to(folder).as_posix(), hashlib.file_digest(stream, "sha256").hexdigest()]
    return fingerprint(parts)


class quiet:  # noqa: N801  # reads as a word in `with quiet():`
    """Keep transformers from reporting weights that an encoder has no use for, and from drawing bars."""

    def __enter__(self) -> None:
        self._logging = require("transformers.utils.logging", extra="topics")
        self._level = self._logging.get_verbosity()
        self._bars = self._logging.is_progress_bar_enabled()
        self._logging.set_verbosity_error()
        self._logging.disable_progress_bar()

    def __exit__(self, *_: object) -> None:
        self._logging.set_verbosity(self._level)
        if self._bars:
            self._logging.enable_progress_bar()


class StaticEncoder:
    """Texts to vectors in microseconds: the weighted mean of one vector a token, distilled from a transformer.

    It knows words and no order of words: for a first picture. No text is too long for it.

    Distilled once: each token that stands for text goes through the transformer alone, principal
    components decorrelate the vectors and shorten them, and frequent tokens count less (smooth
    inverse frequency; Arora, Liang & Ma, 2017), with frequencies by Zipf's law from the order of
    the vocabulary. No text is needed for it. Special tokens, and those that a vocabulary keeps free,
    have no part: a thousand of them before the first word would make frequent words look rare.
    """

    max_tokens: None = None

    def __init__(self, teacher: TransformerEncoder, *, store: Store | None = None) -> None:
        self.teacher = teacher
        self.name = f"static ({teacher.name})"
        self._root = None if store is None else store.root

    @property
    def settings(self) -> Mapping[str, JSON]:
        """Those of the teacher, and how it was distilled."""
        return {
            "teacher": dict(self.teacher.settings),
            "dimensions": DIMENSIONS,
            "sif": SIF,
            "version": STATIC_VERSION,
        }

    def lengths(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Tokens of each text; shape (len(texts),)."""
        return np.fromiter(map(len, self._tokens(texts)), np.int64, len(texts))

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors, shape (len(texts), d)."""
        table = self._table
        sums = np.zeros((len(texts), table.shape[1]), np.float64)
        for row, tokens in enumerate(self._tokens(texts)):
            if tokens:
                sums[row] = table[tokens].sum(axis=0, dtype=np.float64)
        return unit(sums)

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        return self.teacher.tokens(texts, special=False)

    @cached_property
    def _table(self) -> npt.NDArray[np.float32]:
        key = Key("encoders", (fingerprint(dict(self.settings)),), version=STATIC_VERSION)
        entry = Store(self._root).build(key, self._distil)
        return cast("npt.NDArray[np.float32]", entry.array("tokens", mmap=False))

    def _distil(self, draft: Draft) -> None:
        tokens = self.teacher.ordinary_tokens
        vectors = []
        with bar(f"Distilling {self.name}", total=len(tokens)) as show:
            for start in range(0, len(tokens), _GROUP):
                vectors.append(self.teacher.encode_tokens(tokens[start : start + _GROUP].tolist()))
                show(min(start + _GROUP, len(tokens)))
        kept = token_table(np.concatenate(vectors), dimensions=DIMENSIONS)
        table = np.zeros((self.teacher.vocabulary_size, kept.shape[1]), np.float32)
        table[tokens] = kept
        draft.array("tokens", table)


def token_table(vectors: npt.NDArray[np.float32], *, dimensions: int) -> npt.NDArray[np.float32]:
    """Token vectors, decorrelated, shortened and weighted."""
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    _, axes = np.linalg.eigh(centred.T @ centred)
    kept: npt.NDArray[Any] = axes[:, ::-1][:, :dimensions]
    # the sign of an axis is arbitrary; its largest entry is made positive
    largest = np.abs(kept).argmax(axis=0)
    kept = kept * np.sign(kept[largest, np.arange(kept.shape[1])])
    share = 1 / np.arange(2, len(vectors) + 2)
    share /= share.sum()
    weighted: npt.NDArray[np.float64] = (centred @ kept) * (SIF / (SIF + share))[:, None]
    return weighted.astype(np.float32)
