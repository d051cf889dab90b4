"""Tiny checkpoints of random weights, in every layout that score models are released in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

TEXTS = [
    "how do magnets work they attract iron because of their field",
    "what is a good tea green tea is fine and so is mint",
    "BEGINNING OF CONVERSATION: USER: ASSISTANT: when is spring in march, or in september!",
    "Hello! How can I help you today?",
]
HIDDEN = 32
VOCAB = 240


def llama_tokenizer() -> Tokenizer:
    """Sentencepiece-like BPE: a space becomes a mark before the word, nothing is split beforehand."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB - 1, special_tokens=["<unk>", "<s>", "</s>"], initial_alphabet=list("abcxyz0123\n.,:/"),
        show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.pre_tokenizer = None
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.decoder = decoders.Replace("▁", " ")
    return tokenizer


def byte_tokenizer() -> Tokenizer:
    """GPT-like BPE over bytes: words carry their space, and there is no beginning of sequence."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB + 100, special_tokens=["<|end|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def word_tokenizer() -> Tokenizer:
    """BERT-like: lower-cased words, two texts told apart by segments."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer.train_from_iterator(TEXTS, trainers.WordPieceTrainer(special_tokens=special, show_progress=False))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def save_tokenizer(folder: Path, tokenizer: Tokenizer, *, chat: str | None = None, **tokens: str) -> Any:
    names = ["input_ids", "token_type_ids", "attention_mask"] if "sep_token" in tokens else None
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=512, **({"model_input_names": names} if names else {}), **tokens
    )
    fast.chat_template = chat
    fast.save_pretrained(folder)
    return fast


LLAMA_TOKENS = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}


def llama_config(**others: Any) -> dict[str, Any]:
    return {
        "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "max_position_embeddings": 2048, "rms_norm_eps": 1e-6, "vocab_size": VOCAB,
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": VOCAB - 1, "hidden_act": "silu", "torch_dtype": None,
        **others,
    }  # fmt: skip


def save_config(folder: Path, config: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))


def llama_weights(seed: int) -> dict[str, torch.Tensor]:
    """A LLaMA without a head, under the prefix ``model.``, large enough that scores differ clearly."""
    torch.manual_seed(seed)
    backbone = transformers.LlamaModel(transformers.LlamaConfig(**llama_config()))
    return {f"model.{key}": torch.randn_like(tensor) * 0.3 for key, tensor in backbone.state_dict().items()}


def beaver(
    folder: Path, *, architecture: str = "LlamaForScore", bias: bool = True, buffers: bool = True,
    shards: int = 1, strange: bool = False, seed: int = 0, dtype: torch.dtype = torch.float32, **config: Any,
) -> Path:  # fmt: skip
    """Write a reward or cost model in the layout of Safe RLHF."""
    save_config(folder, llama_config(architectures=[architecture], score_dim=1, **config))
    save_tokenizer(folder, llama_tokenizer(), **LLAMA_TOKENS)
    tensors = llama_weights(seed)
    tensors["score_head.weight"] = torch.randn(1, HIDDEN)
    if bias:
        tensors["score_head.bias"] = torch.randn(1)
    if buffers:
        tensors |= {"normalizer.mean": torch.tensor([0.75]), "normalizer.var": torch.tensor([4.0])}
        tensors["normalizer.count"] = torch.tensor([12])
    if strange:
        tensors |= {f"model.layers.{i}.self_attn.rotary_emb.inv_freq": torch.ones(4) for i in range(2)}
        tensors["something.else"] = torch.ones(3)
    floats = {key: t.to(dtype) if t.is_floating_point() else t for key, t in tensors.items()}
    save_shards(folder, floats, shards=shards)
    return folder


def save_shards(folder: Path, tensors: dict[str, torch.Tensor], *, shards: int = 1) -> None:
    if shards == 1:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return
    names = [f"model-{i + 1:05}-of-{shards:05}.safetensors" for i in range(shards)]
    where = {key: names[i % shards] for i, key in enumerate(sorted(tensors))}
    for name in names:
        part = {key: tensors[key].contiguous() for key in tensors if where[key] == name}
        save_file(part, folder / name, metadata={"format": "pt"})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))


def classifier(
    folder: Path, *, labels: list[str], chat: str | None = None, seed: int = 0, **config: Any
) -> Path:  # fmt: skip
    """Write a LLaMA that classifies sequences; with 14 outputs it is laid out as beaver-dam-7b."""
    names = {str(i): label for i, label in enumerate(labels)}
    architectures = ["LlamaForSequenceClassification"]
    save_config(folder, llama_config(architectures=architectures, id2label=names, **config))
    save_tokenizer(folder, llama_tokenizer(), chat=chat, **LLAMA_TOKENS)
    tensors = llama_weights(seed)
    tensors["score.weight"] = torch.randn(len(labels), HIDDEN)
    save_shards(folder, tensors)
    return folder


def encoder_classifier(folder: Path, *, labels: list[str], seed: int = 0) -> Path:
    """Write a BERT that classifies pairs of texts."""
    fast = save_tokenizer(
        folder, word_tokenizer(), pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    torch.manual_seed(seed)
    config = transformers.BertConfig(
        vocab_size=len(fast), hidden_size=HIDDEN, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
        max_position_embeddings=64, id2label=dict(enumerate(labels)), label2id={n: i for i, n in enumerate(labels)},
    )  # fmt: skip
    model = transformers.BertForSequenceClassification(config)
    config.architectures = ["BertForSequenceClassification"]
    save_config(folder, config.to_dict())
    save_shards(folder, {key: tensor * 4 for key, tensor in model.state_dict().items()})
    return folder


def other_backbone(folder: Path, *, seed: int = 0) -> Path:
    """Write a GPT-2 with a score head, under the prefix that it has with one."""
    fast = save_tokenizer(folder, byte_tokenizer(), eos_token="<|end|>")
    torch.manual_seed(seed)
    config = transformers.GPT2Config(
        n_embd=HIDDEN, n_layer=2, n_head=4, n_positions=128, vocab_size=len(fast),
        bos_token_id=fast.eos_token_id, eos_token_id=fast.eos_token_id,
    )  # fmt: skip
    save_config(folder, config.to_dict() | {"architectures": ["GPT2ForScore"], "score_type": "reward"})
    weights = transformers.GPT2Model(config).state_dict()
    tensors = {f"transformer.{key}": torch.randn_like(t) * 0.2 for key, t in weights.items()}
    save_shards(folder, tensors | {"score_head.weight": torch.randn(1, HIDDEN)})
    return folder


GUARD_CHAT = (
    "{% if messages[-1]['role'] != 'assistant' %}{{ raise_exception('no answer') }}{% endif %}<s>Task: {{ guideline }} "
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}safe or unsafe, Yes or No:"
)
VERDICTS = ["safe", "unsafe", "Yes", "No", " yes no", "Safety: Safe", "Safety: Unsafe", "Safety: Controversial"]


def guard(
    folder: Path, *, model_type: str = "llama", chat: str | None = GUARD_CHAT, seed: int = 0, scale: float = 1
) -> Path:
    """Write a model that answers in words: random weights, in the layout that its architecture is released in."""
    torch.manual_seed(seed)
    texts = [*TEXTS, *VERDICTS * 30, "Harmful request: yes Response refusal: no Harmful response: yes"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<pad>", "<s>", "</s>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.decoder = decoders.ByteLevel()
    folder.mkdir(parents=True, exist_ok=True)
    fast = save_tokenizer(folder, tokenizer, chat=chat, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    fast.model_max_length = 1024
    fast.save_pretrained(folder)
    config = transformers.AutoConfig.for_model(
        model_type, vocab_size=len(fast), hidden_size=HIDDEN, intermediate_size=48, num_hidden_layers=2, head_dim=8,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=1024, bos_token_id=1, eos_token_id=2,
        pad_token_id=0,
    )  # fmt: skip
    model = transformers.AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3 * scale)
    model.save_pretrained(folder)
    return folder
