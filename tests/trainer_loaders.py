"""What TRL and LLaMA-Factory make of files for them: a program of its own, for a Python that has them.

It takes a folder with ``dpo.jsonl``, ``chats.jsonl``, ``kto.jsonl``, ``hh.jsonl`` and ``saved/``, and writes what was
read to ``found.json`` in it.
"""

from __future__ import annotations

import json
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

SHOWN = 2


def rows_of(path: Path) -> Any:
    """Rows as `datasets` reads JSON lines, which is how both read files."""
    from datasets import load_dataset

    return load_dataset("json", data_files=str(path), split="train", cache_dir=str(path.parent / "cache"))


def by_trl(folder: Path) -> dict[str, Any]:
    """Rows after TRL's own preparation, and the loss of a step of its trainer on a model of no size."""
    from trl.data_utils import is_conversational, maybe_extract_prompt, unpair_preference_dataset

    found: dict[str, Any] = {}
    for name in ("dpo", "chats", "hh"):
        rows = rows_of(folder / f"{name}.jsonl").map(maybe_extract_prompt)
        found[name] = {
            "rows": len(rows),
            "is_conversational": is_conversational(rows[0]),
            "first": [{key: rows[at][key] for key in ("prompt", "chosen", "rejected")} for at in range(SHOWN)],
        }
    found["unpaired"] = len(unpair_preference_dataset(rows_of(folder / "dpo.jsonl")))
    found["losses"] = steps(folder)
    return found


def steps(folder: Path) -> dict[str, float]:
    """Loss of a step of DPO."""
    from transformers import LlamaConfig, LlamaForCausalLM
    from trl import DPOConfig, DPOTrainer

    tokenizer = tokenizer_of(folder)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1
    )
    trainer = DPOTrainer(
        model=LlamaForCausalLM(config),
        ref_model=LlamaForCausalLM(config),
        args=DPOConfig(
            str(folder / "run"), max_steps=1, per_device_train_batch_size=2, report_to="none", use_cpu=True, bf16=False
        ),
        train_dataset=rows_of(folder / "dpo.jsonl"),
        processing_class=tokenizer,
    )
    return {"dpo": trainer.train().training_loss}


def tokenizer_of(folder: Path) -> Any:
    """Words of the files by their numbers."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    texts = [text for row in rows_of(folder / "dpo.jsonl") for text in (row["prompt"], row["chosen"], row["rejected"])]
    words = sorted({word for text in texts for word in text.split()})
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(["<unk>", "<end>", *words])}, "<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="<end>", pad_token="<end>")


def by_llama_factory(folder: Path) -> dict[str, Any]:
    """Rows as its loader aligns them, from the entries of `dataset_info.json` that its manual describes."""
    if find_spec("torchaudio") is None:  # it reads sound, too
        sys.modules["torchaudio"] = ModuleType("torchaudio")
        sys.modules["torchaudio"].__spec__ = ModuleSpec("torchaudio", None)
    from llamafactory.data.loader import _load_single_dataset
    from llamafactory.data.parser import get_dataset_list
    from llamafactory.hparams import DataArguments

    entries = {
        "dpo": {
            "file_name": "dpo.jsonl",
            "ranking": True,
            "columns": {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"},
        },
        "kto": {
            "file_name": "kto.jsonl",
            "columns": {"prompt": "prompt", "response": "completion", "kto_tag": "label"},
        },
    }
    (folder / "dataset_info.json").write_text(json.dumps(entries))
    found = {}
    for name in entries:
        wanted = DataArguments(dataset=name, dataset_dir=str(folder))
        model = SimpleNamespace(
            cache_dir=str(folder / "cache"), hf_hub_token=None, om_hub_token=None, ms_hub_token=None
        )
        training = SimpleNamespace(seed=0, local_process_index=0, process_index=0, should_log=False)
        (attributes,) = get_dataset_list([name], str(folder))
        rows = _load_single_dataset(attributes, model, wanted, training)
        first = [{key: rows[at][key] for key in ("_prompt", "_response")} for at in range(SHOWN)]
        found[name] = {"rows": len(rows), "first": first}
    return found


def by_datasets(folder: Path) -> dict[str, Any]:
    """Splits, their rows, and the first of each, of a folder that was saved."""
    from datasets import load_from_disk

    return {
        split: {"rows": len(rows), "first": rows[0]} for split, rows in load_from_disk(str(folder / "saved")).items()
    }


READERS = {"trl": by_trl, "llamafactory": by_llama_factory, "datasets": by_datasets}

if __name__ == "__main__":
    folder = Path(sys.argv[2])
    (folder / "found.json").write_text(json.dumps(READERS[sys.argv[1]](folder)))
