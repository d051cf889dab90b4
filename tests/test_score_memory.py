"""Memory and devices of score models: what is said before loading, and what is let go of."""

from __future__ import annotations

import gc
import weakref
from types import SimpleNamespace

import polars as pl
import pytest
import score_checkpoints as made
import torch
from wording import says

import btviz
from btviz.errors import UsageError
from btviz.machine import memory
from btviz.machine.memory import MemoryWarning, announce_need, free_bytes
from btviz.models import runs

GB = 10**9


@pytest.fixture
def folder(tmp_path):
    return made.beaver(tmp_path / "tiny-cost")


@pytest.fixture
def card(monkeypatch):
    """A card with 4 GB that nobody holds and 3 GB that PyTorch holds without use."""
    cuda = SimpleNamespace(
        mem_get_info=lambda device: (4 * GB, 80 * GB),
        memory_reserved=lambda device: 5 * GB,
        memory_allocated=lambda device: 2 * GB,
        is_available=lambda: True,
        device_count=lambda: 2,
    )
    monkeypatch.setattr(torch, "cuda", cuda)
    return cuda


def test_what_pytorch_keeps_for_later_is_free(card):
    assert free_bytes("cuda:1") == 7 * GB


@pytest.mark.parametrize(
    ("billions", "main", "warned"),
    [(3, 64, None), (4, 64, "takes 8 GB"), (3, 5, "through main memory, where less is free")],
)
def test_a_model_for_a_card_passes_through_main_memory(card, monkeypatch, recwarn, capsys, billions, main, warned):
    monkeypatch.setattr(memory, "free_bytes", lambda place: {"cuda": 7, "cpu": main}[place] * GB)
    announce_need("m", n_parameters=billions * GB, dtype="bfloat16", device="cuda")
    assert says(capsys.readouterr().err, "m", f"{2 * billions} GB", "bfloat16", "cuda", "7.0 GB")
    found = [str(one.message) for one in recwarn if one.category is MemoryWarning]
    assert len(found) == (warned is not None)
    assert all(warned in message for message in found)


def test_a_device_that_is_not_there_is_refused_in_words(folder, card, monkeypatch):
    for device in ("cuda:2", "cuda:x", "cuda:-1"):
        with pytest.raises(UsageError, match=f"on '{device}'; PyTorch sees these GPUs here: 2 of them"):
            btviz.load_score_model(folder, device=device)
    monkeypatch.setattr(card, "is_available", lambda: False)
    with pytest.raises(UsageError, match="sees these GPUs here: none"):
        btviz.load_score_model(folder, device="cuda")
    model = btviz.load_score_model(folder, device=torch.device("cpu"))
    assert (model.device, model.origin.device) == ("cpu", "cpu"), "a worker of Ray reads the latter as text"


@pytest.mark.parametrize("where", ["transformers.AutoModel.from_pretrained", "torch.nn.Module.to"])
def test_weights_that_do_not_fit_memory_are_not_called_damaged(folder, monkeypatch, where):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(where, full)
    with pytest.raises(UsageError, match=r"'tiny-cost'.* memory"):
        btviz.load_score_model(folder)


@pytest.mark.slow
def test_of_several_models_by_name_one_is_in_memory_at_a_time(tmp_path, tiny, monkeypatch):
    folders = [made.beaver(tmp_path / f"{name}-cost") for name in "abc"]
    held, alive = [], []
    load = runs.load_score_model

    def counted(name):
        gc.collect()
        alive.append(sum(one() is not None for one in held))
        model = load(name)
        held.append(weakref.ref(model))
        return model

    monkeypatch.setattr(runs, "load_score_model", counted)
    scores = btviz.score(tiny, folders, progress=lambda _: None)
    assert alive == [0, 0, 0]
    assert scores["model"].unique().sort().to_list() == ["a-cost", "b-cost", "c-cost"]
    assert scores.filter(pl.col("score").is_null()).is_empty()
