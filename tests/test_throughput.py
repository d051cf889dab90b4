"""Arithmetic of a forward pass, counted by hand and by PyTorch, and its share of a card's peak."""

import numpy as np
import pytest
import score_checkpoints as made
import torch
import transformers
from torch.utils.flop_counter import FlopCounterMode
from wording import says

import btviz
from btviz.models.throughput import Shape, announce_speed, peak_of, speed_sentence


def test_operations_of_a_hand_worked_shape():
    shape = Shape(n_weights=100, n_layers=2, hidden=10)
    assert shape.operations([1]) == 2 * 100 + 2 * 2 * 10
    assert shape.operations([3, 1]) == 2 * 100 * 4 + 2 * 2 * 10 * (9 + 1)


def test_operations_are_near_those_that_pytorch_counts():
    config = transformers.LlamaConfig(**made.llama_config(), attn_implementation="eager")
    backbone = transformers.LlamaModel(config)
    n_parameters = sum(tensor.numel() for tensor in backbone.parameters())
    length = 64
    with FlopCounterMode(display=False) as counter:
        backbone(torch.ones((1, length), dtype=torch.long))
    shape = Shape.of(config, n_parameters=n_parameters)
    # the whole square of pairs is multiplied there, and norms are no products
    half = 2 * shape.n_layers * shape.hidden * length**2
    assert counter.get_total_flops() == pytest.approx(shape.operations([length]) + half, rel=0.02)


def test_a_loaded_model_knows_its_shape(tmp_path):
    model = btviz.load_score_model(made.beaver(tmp_path / "tiny-cost"))
    assert (model.shape.n_layers, model.shape.hidden) == (2, made.HIDDEN)
    assert model.shape.n_weights == model.n_parameters - made.VOCAB * made.HIDDEN


@pytest.mark.parametrize(
    ("card", "peak"),
    [
        ("NVIDIA H200", 989.5e12),
        ("NVIDIA H200 NVL", 835.5e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA H100 80GB HBM3", 989.5e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA L40", None),
        ("NVIDIA H100 NVL", 835.5e12),
        ("NVIDIA H200 MIG 1g.18gb", None),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        ("an unknown card", None),
    ],
)
def test_peaks_are_found_by_whole_words_of_the_name(card, peak):
    assert peak_of(card) == peak


def test_speed_is_said_with_its_share_in_sixteen_bits_only(monkeypatch, capfd):
    run = {"n_tokens": 5_000, "operations": 989.5e12, "seconds": 4.0, "card": "NVIDIA H200"}
    said = speed_sentence("m", dtype="bfloat16", **run)
    speeds = ("5,000 tokens", "4.0 s", "1,250 tokens/s", "247 TFLOP/s", "NVIDIA H200", "25.0%", "989.5", "16 bits")
    assert says(said, "m", *speeds)
    assert speed_sentence("m", dtype="float32", **run).endswith("247 TFLOP/s on NVIDIA H200.")

    shape = Shape(n_weights=10**9, n_layers=1, hidden=1)
    lengths = np.array([300, 200])
    announce_speed("m", shape=shape, lengths=lengths, seconds=1.0, device="cpu", dtype="float32")
    assert capfd.readouterr().err == ""
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA L4")
    announce_speed("m", shape=shape, lengths=lengths, seconds=1.0, device="cuda", dtype="bfloat16")
    assert "500 tokens/s, 1 TFLOP/s on NVIDIA L4, 0.8%" in capfd.readouterr().err
