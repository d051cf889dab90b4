"""Score models of the Beaver layout with random weights, and texts of real lengths to score."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "beavertails" / "30k_test.jsonl"
COPIES = 3
"""Annotations of each pair, as in BeaverTails-330k (3.01)."""

N_PAIRS = 512
SMALL = {"hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 2, "num_attention_heads": 4}
SEVEN_BILLION = {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32}
"""Shape of LLaMA-7B, on which Beaver models are built."""

VOCABULARY = {"small": 512, "seven-billion": 32000}
WORDS = ["green", "tea", "is", "fine", "and", "magnets", "attract", "iron", "in", "march"]


def small_model(folder: Path) -> Path:
    """Folder of a cost model of two layers in float32."""
    return _written(folder / "small-cost", shape=SMALL, vocabulary=VOCABULARY["small"], dtype="float32")


def seven_billion_model(folder: Path) -> Path:
    """Folder of a cost model of 7 billion weights in bfloat16, 13 GB."""
    shape, vocabulary = SEVEN_BILLION, VOCABULARY["seven-billion"]
    return _written(folder / "seven-billion-cost", shape=shape, vocabulary=vocabulary, dtype="bfloat16")


def _written(target: Path, *, shape: dict[str, int], vocabulary: int, dtype: str) -> Path:
    """Write configuration, tokenizer and weights, one file a layer, as no more of them may fit memory."""
    if (target / "model.safetensors.index.json").exists():
        return target
    import torch
    import transformers
    from safetensors.torch import save_file

    _write_tokenizer(target)
    config = transformers.LlamaConfig(**shape, vocab_size=vocabulary, pad_token_id=3)
    stated = config.to_dict() | {"architectures": ["LlamaForScore"], "score_type": "cost", "dtype": dtype}
    (target / "config.json").write_text(json.dumps(stated))
    with torch.device("meta"):
        model = transformers.LlamaModel(config)
    shapes = {f"model.{key}": tensor.shape for key, tensor in model.state_dict().items()}
    shapes["score_head.weight"] = torch.Size([1, config.hidden_size])
    parts: dict[str, list[str]] = {}
    for key in shapes:
        parts.setdefault(key.split(".layers.")[-1].split(".")[0] if ".layers." in key else "rest", []).append(key)
    draw = torch.Generator().manual_seed(0)
    weight_map = {}
    for part, keys in parts.items():
        file = f"model-{part}.safetensors"
        save_file({key: _random(shapes[key], key, draw=draw).to(getattr(torch, dtype)) for key in keys}, target / file)
        weight_map |= dict.fromkeys(keys, file)
    (target / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return target


def _random(shape: Any, key: str, *, draw: Any) -> Any:
    import torch

    if "norm" in key:
        return torch.ones(shape)
    return torch.randn(shape, generator=draw) * 0.02


def _write_tokenizer(target: Path) -> None:
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["<unk>", "<s>", "</s>", "<pad>", "BEGINNING", "OF", "CONVERSATION", "USER", "ASSISTANT", ":"]
    words += [*WORDS, *map(str, range(300))]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    ).save_pretrained(target)


def annotations(folder: Path, n_pairs: int = N_PAIRS) -> Path:
    """Write benign texts with the lengths of `30k_test`, or of the replica where that is missing, 3 rows a pair."""
    file = folder / f"scoring-{n_pairs}.jsonl"
    if file.exists():
        return file
    source = SHARED if SHARED.exists() else folder / "replica_train.jsonl"
    with source.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    draw = random.Random(0)
    category = dict.fromkeys(rows[0]["category"], False)
    made = []
    for i, row in enumerate(draw.choices(rows, k=n_pairs) if n_pairs > len(rows) else draw.sample(rows, n_pairs)):
        texts = {key: _benign(len(row[key].split()), start=i) for key in ("prompt", "response")}
        made += [texts | {"category": category, "is_safe": True}] * COPIES
    draw.shuffle(made)
    file.write_text("".join(json.dumps(row) + "\n" for row in made))
    return file


def _benign(n_words: int, *, start: int) -> str:
    return " ".join([str(start), *(WORDS[(start + i) % len(WORDS)] for i in range(n_words))])
