"""Loaders of score models, on tiny checkpoints in each layout, against a network written by hand."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import llama_reference as reference
import numpy as np
import pytest
import score_checkpoints as made
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from wording import says

import btviz
from btviz.errors import DataError, FetchError, MissingExtraError, NotFoundError, UsageError
from btviz.models.templates import BEGIN, FixedTemplate, render
from btviz.taxonomy.categories import BEAVERTAILS

PROMPTS = ["how do magnets work", "what is a good tea", "hi", "when is spring", "what is a good tea"]
RESPONSES = ["they attract iron", "green tea is fine, so is mint", "x", "", "in march " * 300]
CHAT = "{{ bos_token }}{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}{{ eos_token }}{% endfor %}"
LAYOUTS = {
    "new": {},
    "old": {"architecture": "LlamaModelForScore", "bias": False, "buffers": False, "strange": True},
    "sharded": {"shards": 4, "dtype": torch.bfloat16},
    "one of each": {"bias": False, "buffers": True, "shards": 2, "strange": True},
}


def expected_ids(tokenizer, prompt, response):
    text = f"BEGINNING OF CONVERSATION: USER: {prompt} ASSISTANT:{response}</s>"
    return tokenizer(text, max_length=512, truncation=True)["input_ids"]


def hidden(folder, *, dtype=torch.float64):
    """Reference hidden states of PROMPTS and RESPONSES, and all weights, rounded to `dtype`."""
    w = {k: t.to(dtype).double() if t.is_floating_point() else t for k, t in reference.weights(folder).items()}
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    rows = [expected_ids(tokenizer, p, r) for p, r in zip(PROMPTS, RESPONSES, strict=True)]
    return torch.stack([reference.last_hidden(w, row, heads=4, layers=2) for row in rows]), w


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["reward", "cost"])
def test_beaver_scores_are_those_of_the_reference(tmp_path, layout, kind):
    folder = made.beaver(tmp_path / f"tiny-{kind}", **LAYOUTS[layout])
    model = btviz.load_score_model(folder)
    h, w = hidden(folder)
    expected = h @ w["score_head.weight"][0] + w.get("score_head.bias", torch.zeros(1))
    scores = model.score(PROMPTS, RESPONSES)
    assert (model.kind, model.labels, scores.dtype, scores.shape) == (kind, (), np.float32, (5,))
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-4)
    assert np.ptp(scores) > 0.5


def test_beaver_in_bfloat16(tmp_path):
    folder = made.beaver(tmp_path / "tiny-reward")
    model = btviz.load_score_model(folder, dtype="bfloat16")
    h, w = hidden(folder, dtype=torch.bfloat16)
    expected = (h @ w["score_head.weight"][0] + w["score_head.bias"]).numpy()
    scores = model.score(PROMPTS, RESPONSES)
    # eight bits of mantissa: some hundredths of the size of what is summed up
    assert np.abs(scores - expected).max() < 0.05 * (h * w["score_head.weight"][0]).abs().sum(1).max().item()
    rounded = torch.from_numpy(scores).bfloat16().float().numpy()
    np.testing.assert_array_equal(scores, rounded, "the head is computed in bfloat16 and cast afterwards")
    assert model.fingerprint != btviz.load_score_model(folder, dtype="float32").fingerprint


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_alone_and_in_a_batch(tmp_path, dtype):
    model = btviz.load_score_model(made.beaver(tmp_path / "tiny-cost"), dtype=dtype)
    together = model.score_encoded(model.encode(PROMPTS, RESPONSES))
    alone = np.concatenate([model.score([p], [r]) for p, r in zip(PROMPTS, RESPONSES, strict=True)])
    tolerance = 1e-5 if dtype == "float32" else 0.1
    np.testing.assert_allclose(together, alone, atol=tolerance)
    np.testing.assert_allclose(model.score(PROMPTS, RESPONSES), alone, atol=tolerance)
    assert model.score([], []).shape == (0,)


def test_a_long_text_is_cut_and_a_short_one_ends_in_eos(tmp_path):
    model = btviz.load_score_model(made.beaver(tmp_path / "tiny-cost"))
    rows = model.encode(PROMPTS, RESPONSES)
    assert [row[-1] == 2 for row in rows] == [True] * 4 + [False]
    assert len(rows[4]) == 512
    assert {row[0] for row in rows} == {1}


@pytest.mark.parametrize("score_type", ["reward", "cost", "critic", None])
@pytest.mark.parametrize("has_buffers", [True, False])
def test_the_normaliser_is_used_only_when_the_configuration_says_so(tmp_path, score_type, has_buffers):
    plain = made.beaver(tmp_path / "a-reward", buffers=has_buffers, mean=0.5, var=9.0, score_type=score_type)
    raw = btviz.load_score_model(plain).score(PROMPTS, RESPONSES)
    scaled = made.beaver(
        tmp_path / "b-reward", buffers=has_buffers, mean=0.5, var=[9.0], score_type=score_type, do_normalize=True
    )
    mean, deviation = (0.75, 2.0) if has_buffers else (0.5, 3.0)
    expected = {
        "reward": (raw - mean) / (deviation + 1e-8), "cost": raw / (deviation + 1e-8), "critic": raw, None: raw
    }  # fmt: skip
    np.testing.assert_allclose(
        btviz.load_score_model(scaled).score(PROMPTS, RESPONSES), expected[score_type], rtol=1e-6
    )


def test_the_kind_is_that_of_the_name_then_of_the_configuration(tmp_path):
    lying = made.beaver(tmp_path / "beaver-7b-v1.0-cost", score_type="reward")
    assert btviz.load_score_model(lying).kind == "cost"
    assert btviz.load_score_model(lying, kind="reward").kind == "reward"
    assert btviz.load_score_model(made.beaver(tmp_path / "mine", score_type="cost")).kind == "cost"
    moved = made.beaver(tmp_path / "moved", score_type="reward", _name_or_path="PKU-Alignment/x-cost")
    assert btviz.load_score_model(moved).kind == "cost"
    with pytest.raises(UsageError, match="neither its name nor its config"):
        btviz.load_score_model(made.beaver(tmp_path / "costly"))
    with pytest.raises(UsageError, match="one score"):
        btviz.load_score_model(lying, kind="moderation")


def test_another_backbone_with_the_same_head(tmp_path):
    folder = made.other_backbone(tmp_path / "gpt")
    model = btviz.load_score_model(folder)
    tensors = load_file(folder / "model.safetensors")
    backbone = transformers.GPT2Model(transformers.GPT2Config.from_pretrained(folder)).eval()
    backbone.load_state_dict({k.removeprefix("transformer."): t for k, t in tensors.items() if "score" not in k})
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    expected = []
    for prompt, response in zip(PROMPTS, RESPONSES, strict=True):
        text = f"BEGINNING OF CONVERSATION: USER: {prompt} ASSISTANT:{response}<|end|>"
        ids = tokenizer(text, return_tensors="pt")["input_ids"][:, :128]
        with torch.no_grad():
            expected.append((backbone(ids).last_hidden_state[0, -1] @ tensors["score_head.weight"][0]).item())
    assert model.kind == "reward"
    np.testing.assert_allclose(model.score(PROMPTS, RESPONSES), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("named", [True, False])
def test_beaver_dam(tmp_path, named):
    keys = list(BEAVERTAILS.keys)
    folder = made.classifier(tmp_path / "dam", labels=keys if named else [f"LABEL_{i}" for i in range(14)])
    model = btviz.load_score_model(folder)
    h, w = hidden(folder)
    assert (model.kind, model.threshold) == ("moderation", 0.4)
    assert model.labels[0] == "animal-abuse"
    assert list(model.labels) == [BEAVERTAILS[key].slug for key in keys]
    expected = (h @ w["score.weight"].T).sigmoid()
    np.testing.assert_allclose(model.score(PROMPTS, RESPONSES), expected, rtol=1e-4, atol=1e-5)
    assert model.score([], []).shape == (0, 14)


def test_a_reward_model_with_a_chat_template(tmp_path):
    folder = made.classifier(tmp_path / "chatty", labels=["LABEL_0"], chat=CHAT)
    model = btviz.load_score_model(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    w = {k: t.double() for k, t in reference.weights(folder).items()}
    for prompt, response in list(zip(PROMPTS, RESPONSES, strict=True))[:4]:
        ids = tokenizer(f"<s>user: {prompt}</s>assistant: {response}</s>", add_special_tokens=False)["input_ids"]
        expected = reference.last_hidden(w, ids, heads=4, layers=2) @ w["score.weight"][0]
        np.testing.assert_allclose(model.score([prompt], [response]), [expected], rtol=1e-4, atol=1e-4)
    assert (model.kind, model.labels, model.threshold) == ("reward", (), None)
    assert btviz.load_score_model(folder, kind="cost").kind == "cost"


def test_where_eos_fills_up_the_score_is_read_before_it_as_transformers_does(tmp_path):
    folder = made.classifier(tmp_path / "padded", labels=["LABEL_0"], chat=CHAT, pad_token_id=2)
    ours = btviz.load_score_model(folder).score(PROMPTS, RESPONSES)
    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    rows = btviz.load_score_model(folder).encode(PROMPTS, RESPONSES)
    with torch.no_grad():
        expected = [theirs(torch.from_numpy(row)[None].long()).logits.item() for row in rows]
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4)


def test_an_encoder_with_a_label_map(tmp_path):
    folder = made.encoder_classifier(tmp_path / "bert", labels=["Safe", "hate speech", "self_harm"])
    model = btviz.load_score_model(folder)
    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    expected = []
    for prompt, response in zip(PROMPTS, RESPONSES, strict=True):
        given = tokenizer([prompt], [response], return_tensors="pt", truncation=True, max_length=62)
        assert given["token_type_ids"].max() == 1
        with torch.no_grad():
            expected.append(theirs(**given).logits[0].softmax(-1).numpy())
    assert (model.kind, model.threshold) == ("moderation", None)
    assert model.labels == ("safe", "hate-speech", "self-harm")
    np.testing.assert_allclose(model.score(PROMPTS, RESPONSES), expected, atol=1e-6)
    assert np.ptp(expected, axis=0).min() > 1e-3


def test_a_multi_label_classifier_and_its_own_threshold(tmp_path):
    folder = made.classifier(
        tmp_path / "two", labels=["Rude", "Off topic"], chat=CHAT, problem_type="multi_label_classification",
        threshold=0.7,
    )  # fmt: skip
    model = btviz.load_score_model(folder)
    scores = model.score(PROMPTS, RESPONSES)
    assert (model.labels, model.threshold, scores.shape) == (("rude", "off-topic"), 0.7, (5, 2))
    assert np.abs(scores.sum(1) - 1).max() > 0.01


@pytest.mark.parametrize("stated", [40, -1, True, "high"])
def test_a_threshold_that_is_no_probability_is_refused_when_the_model_is_loaded(tmp_path, stated):
    folder = made.classifier(tmp_path / "two", labels=["Rude", "Off topic"], chat=CHAT, threshold=stated)
    with pytest.raises(DataError, match="above a probability"):
        btviz.load_score_model(folder)


def test_bias_of_a_decoder_classifier_counts(tmp_path):
    folder = made.classifier(tmp_path / "plain", labels=["LABEL_0"], chat=CHAT)
    without = btviz.load_score_model(folder).score(PROMPTS, RESPONSES)
    tensors = load_file(folder / "model.safetensors") | {"score.bias": torch.tensor([3.0])}
    made.save_shards(folder, tensors)
    np.testing.assert_allclose(btviz.load_score_model(folder).score(PROMPTS, RESPONSES), without + 3, atol=1e-5)


@pytest.mark.parametrize("build", [made.llama_tokenizer, made.byte_tokenizer])
def test_tokens_of_the_parts_are_tokens_of_the_whole(build):
    eos = "</s>" if build is made.llama_tokenizer else "<|end|>"
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=build(), eos_token=eos)
    template = FixedTemplate(tokenizer, begins=[], max_length=10_000)
    assert template._lead == ("" if build is made.llama_tokenizer else " ")
    words = st.lists(st.sampled_from([*"abi ,.:/\n▁é東", " tea", "</s>", "<|end|>", "ASSISTANT:"]), max_size=12).map(
        "".join
    )

    @settings(max_examples=150)
    @given(words, words)
    def same(prompt, response):
        whole = tokenizer(f"{BEGIN} {prompt} ASSISTANT:{response}{eos}", add_special_tokens=False)["input_ids"]
        assert template.encode([prompt], [response])[0].tolist() == whole

    same()


def test_where_a_token_spans_the_cut_everything_is_tokenised_whole():
    tokenizer = made.llama_tokenizer()
    tokenizer.add_tokens(["x▁y"])
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>")
    crossing = json.loads(tokenizer.to_str())
    crossing["model"]["vocab"]["T:▁"] = 5000
    from tokenizers import Tokenizer

    spanned = transformers.PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(crossing)), eos_token="</s>"
    )
    assert FixedTemplate(fast, begins=[], max_length=99)._lead == ""
    assert FixedTemplate(spanned, begins=[], max_length=99)._lead is None


def test_conversations(tmp_path):
    folder = made.beaver(tmp_path / "tiny-cost")
    model = btviz.load_score_model(folder)
    turns = list(zip(PROMPTS[:3], RESPONSES[:3], strict=True))
    text = "BEGINNING OF CONVERSATION: " + "".join(f"USER: {p} ASSISTANT:{r}</s>" for p, r in turns)
    assert render(turns, eos="</s>") == text
    ids = transformers.AutoTokenizer.from_pretrained(folder)(text)["input_ids"]
    w = {k: t.double() if t.is_floating_point() else t for k, t in reference.weights(folder).items()}
    expected = reference.last_hidden(w, ids, heads=4, layers=2) @ w["score_head.weight"][0] + w["score_head.bias"]
    scores = model.score_conversations([turns, turns[:1]])
    np.testing.assert_allclose(scores[0], expected, rtol=1e-4)
    np.testing.assert_allclose(scores[1], model.score(PROMPTS[:1], RESPONSES[:1])[0], rtol=1e-5)
    chatty = btviz.load_score_model(made.classifier(tmp_path / "chatty", labels=["LABEL_0"], chat=CHAT))
    with pytest.raises(UsageError, match="single answers"):
        chatty.score_conversations([turns])


def test_fingerprint_is_of_content(tmp_path):
    first = btviz.load_score_model(made.beaver(tmp_path / "tiny-cost"))
    copied = shutil.copytree(tmp_path / "tiny-cost", tmp_path / "elsewhere" / "other-cost")
    assert btviz.load_score_model(copied).fingerprint == first.fingerprint
    assert btviz.load_score_model(copied, kind="reward").fingerprint != first.fingerprint
    assert btviz.load_score_model(made.beaver(tmp_path / "b-cost", seed=1)).fingerprint != first.fingerprint


def test_memory_is_said_before_loading(tmp_path, capfd):
    made.beaver(tmp_path / "tiny-cost")
    btviz.load_score_model(tmp_path / "tiny-cost")
    assert says(capfd.readouterr().err, "tiny-cost", "0.0001 GB", "float32", "cpu")


def broken(folder: Path, damage: str) -> None:
    weights, config = folder / "model.safetensors", folder / "config.json"
    tensors, stated = load_file(weights), json.loads(config.read_text())
    match damage:
        case "pickled":
            weights.rename(folder / "pytorch_model.bin")
        case "none" | "no tokenizer" | "no config":
            (folder / {"none": weights.name, "no tokenizer": "tokenizer.json"}.get(damage, config.name)).unlink()
        case "cut off":
            weights.write_bytes(weights.read_bytes()[:-100])
        case "bad config":
            config.write_text("{")
        case "tensor missing":
            made.save_shards(folder, {key: t for key, t in tensors.items() if "1.mlp.up" not in key})
        case "shape":
            made.save_shards(folder, tensors | {"model.norm.weight": torch.ones(7)})
        case "head" | "two heads":
            shape = (1, 7) if damage == "head" else (2, made.HIDDEN)
            made.save_shards(folder, tensors | {"score_head.weight": torch.ones(shape)})
        case "bias":
            made.save_shards(folder, tensors | {"score_head.bias": torch.ones(2)})
        case "filler" | "no heads" | "fewer layers" | "layers":
            odd = {"filler": {"pad_token_id": 99_999}, "no heads": {"num_attention_heads": 0}}
            odd["fewer layers"] = {"num_hidden_layers": 1}
            made.save_config(folder, stated | odd.get(damage, {"num_hidden_layers": "two"}))
        case "tokenizer" | "tokens":
            (folder / {"tokenizer": "tokenizer.json"}.get(damage, "tokenizer_config.json")).write_text("[]")
        case "unknown":
            config.write_text(json.dumps(stated | {"model_type": "zebra"}))
        case "remote":
            remote = {"model_type": "zebra", "auto_map": {"AutoConfig": "run.Z", "AutoModel": "run.Z"}}
            config.write_text(json.dumps(stated | remote))
            (folder / "run.py").write_text(f"open({str(folder / 'ran')!r}, 'w')")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("pickled", r"only pickled weights \(pytorch_model.bin\)"),
        ("none", "holds no weights"),
        ("no tokenizer", "holds no tokenizer"),
        ("cut off", "no whole safetensors file"),
        ("no config", "no config.json"),
        ("bad config", "not JSON"),
        ("tensor missing", "1 of its tensors are missing, such as 'layers.1.mlp.up_proj.weight'"),
        ("head", r"shape \(1, 7\).* takes \(1, 32\)"),
        ("two heads", r"shape \(2, 32\)"),
        ("shape", "do not fit"),
        ("bias", "do not fit .*size 2"),
        ("filler", r"do not fit \(Padding_idx"),
        ("no heads", "do not fit .*by zero"),
        ("fewer layers", "9 of its tensors belong to layers that .*'model.layers.1.input_layernorm.weight'"),
        ("layers", "num_hidden_layers is .*must be a whole number"),
        ("tokenizer", "tokenizer cannot be read"),
        ("tokens", "tokenizer cannot be read"),
        ("unknown", "zebra"),
        ("remote", "zebra"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, damage, says):
    folder = made.beaver(tmp_path / "tiny-cost")
    broken(folder, damage)
    with pytest.raises(DataError, match=rf"(?s)'tiny-cost'.*{says}|{says}") as caught:
        btviz.load_score_model(folder)
    assert not (folder / "ran").exists()
    assert str(caught.value).count(".") >= 2


def test_a_missing_part_is_named(tmp_path):
    folder = made.beaver(tmp_path / "tiny-cost", shards=3)
    (folder / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(DataError, match=r"model-00002-of-00003.safetensors.* missing"):
        btviz.load_score_model(folder)


def test_wrong_requests(tmp_path):
    with pytest.raises(NotFoundError, match="no such folder"):
        btviz.load_score_model(tmp_path / "absent")
    folder = made.classifier(tmp_path / "two", labels=["LABEL_0", "LABEL_1"])
    with pytest.raises(DataError, match="does not name its outputs"):
        btviz.load_score_model(folder)
    with pytest.raises(UsageError, match="2 outputs"):
        btviz.load_score_model(folder, kind="reward")
    with pytest.raises(UsageError, match="dtype"):
        btviz.load_score_model(folder, dtype="int8")
    with pytest.raises(UsageError, match="device"):
        btviz.load_score_model(made.beaver(tmp_path / "tiny-cost"), device="abacus")
    causal = made.beaver(tmp_path / "causal-cost", architecture="LlamaForCausalLM")
    tensors = {k: t for k, t in load_file(causal / "model.safetensors").items() if "score_head" not in k}
    made.save_shards(causal, tensors)
    with pytest.raises(DataError, match="'LlamaForCausalLM' and it has no score_head"):
        btviz.load_score_model(causal)


# Published numbers -----------------------------------------------------------------------------------

GOLDEN = [
    ("beaver-7b-v1.0-reward", "bfloat16", -11.4375, [-19.75, -19.375]),
    ("beaver-7b-v1.0-reward", "float32", -11.3254, []),
    ("beaver-7b-v1.0-cost", "bfloat16", -10.75, [-9.4375, -2.5156, -2.6562, -2.3594, -1.9375, -2.5781]),
    ("beaver-7b-v2.0-cost", "bfloat16", None, [1.2031, 2.0469]),
]


@pytest.mark.parametrize(("name", "dtype", "end", "first"), GOLDEN)
def test_published_scores(name, dtype, end, first):
    """The example of the model cards, which has no end of sequence; set BTVIZ_WEIGHTS to try."""
    folder = Path(os.environ.get("BTVIZ_WEIGHTS", "")) / name
    if not os.environ.get("BTVIZ_WEIGHTS") or not folder.is_dir():
        pytest.skip(f"the weights are not here: BTVIZ_WEIGHTS names no folder that holds {name}")
    model = btviz.load_score_model(folder, dtype=dtype)
    ids = model.encode(["hello"], ["Hello! How can I help you today?"])[0][:-1]
    assert len(ids) == 28
    cut = [model.score_encoded([ids[: i + 1]])[0] for i in range(len(first))]
    np.testing.assert_allclose(cut, first, atol=0.15)
    if end is not None:
        np.testing.assert_allclose(model.score_encoded([ids])[0], end, atol=0.13 if dtype == "bfloat16" else 0.001)


@pytest.mark.parametrize("file", ["tokenizer.model", "spiece.model"])
def test_a_tokenizer_in_another_form_names_the_package_that_reads_it(tmp_path, monkeypatch, file):
    folder = made.beaver(tmp_path / "tiny-cost")
    (folder / "tokenizer.json").rename(folder / file)
    monkeypatch.setattr("btviz.models.model.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=rf"as {file} only.*pip install sentencepiece"):
        btviz.load_score_model(folder)


def test_weights_that_take_a_package_which_is_not_here_name_it(tmp_path):
    quantised = {"quantization_config": {"quant_method": "gptq", "bits": 4}}
    folder = made.beaver(tmp_path / "tiny-cost", **quantised)
    with pytest.raises(MissingExtraError, match=r"'tiny-cost'; its config.json asks for a package .*optimum.*Install"):
        btviz.load_score_model(folder)


def test_a_folder_of_the_hub_cache_has_the_name_of_its_model(tmp_path):
    """It is named by a hash, and the configuration of that cost model is thought to say "reward"."""
    cached = tmp_path / "models--PKU-Alignment--beaver-7b-v1.0-cost" / "snapshots" / "375cd6"
    model = btviz.load_score_model(made.beaver(cached, score_type="reward"))
    assert (model.name, model.kind) == ("PKU-Alignment/beaver-7b-v1.0-cost", "cost")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), type("ReadError", (Exception,), {})()])
def test_a_download_that_breaks_is_told_in_words(monkeypatch, error):
    def broken(*_, **__):
        raise error

    monkeypatch.setattr("huggingface_hub.snapshot_download", broken)
    with pytest.raises(FetchError, match=r"'owner/model'.* \((No space left on device|ReadError)\).*run this again"):
        btviz.load_score_model("owner/model")


def test_tokens_added_beside_a_vocabulary_are_in_the_fingerprint(tmp_path):
    folder = made.beaver(tmp_path / "tiny-cost")
    (folder / "added_tokens.json").write_text('{"<pad>": 239}')
    before = btviz.load_score_model(folder).fingerprint
    (folder / "added_tokens.json").write_text('{"<pad>": 238, "<more>": 239}')
    assert btviz.load_score_model(folder).fingerprint != before
