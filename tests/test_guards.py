"""Guards that answer in words: tiny checkpoints of each architecture, against a computation written out by hand."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import score_checkpoints as made
import torch
import transformers
from click.testing import CliRunner
from safetensors.torch import load_file
from wording import says

import btviz
from btviz.cli import app
from btviz.errors import DataError, NotFoundError, UsageError
from btviz.models import ScoreWarning
from btviz.models.guards import bundled_guards, guard_of, read_guard
from btviz.models.verdicts import combined

PROMPTS = ["how do magnets work", "what is a good tea", "when is spring"]
RESPONSES = ["they attract iron", "green tea is fine, {prompt} so is mint", ""]
ANY = "least_mass = 0\n"
PLAIN = ANY + 'template = "Task: {prompt} / {response} /"\n[verdicts]\nsafe = ["safe"]\nunsafe = ["unsafe"]\n'


def written(tmp_path, text, name="mine"):
    file = tmp_path / f"{name}.toml"
    file.write_text(text)
    return file


def bundled(tmp_path, name):
    """A bundled guard that takes any mass for a verdict, for a random network gives all words about as much."""
    text = (Path(btviz.__file__).parent / "resources" / "guards" / f"{name}.toml").read_text()
    return written(tmp_path, ANY + text, name)


def next_token(folder):
    """Probabilities of the next token after a text, alone in its batch and without a filler."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)

    def probabilities(text):
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            return model(ids).logits[0, -1].double().softmax(-1).numpy()

    return probabilities, tokenizer


def starting(tokenizer, words):
    """Ids of the tokens that words begin with, with a blank in the same token and without."""
    found = {tokenizer(text, add_special_tokens=False)["input_ids"][0] for w in words for text in (w, f" {w}")}
    return sorted(i for i in found if tokenizer.decode([i]).strip())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "model_type"),
    [
        ("llama-guard-3", "llama"), ("llama-guard-1", "llama"), ("qwen3guard", "qwen3"), ("shieldgemma", "gemma2"),
        ("granite-guardian", "granite"), ("md-judge", "mistral"),
    ],
)  # fmt: skip
def test_scores_are_probabilities_of_the_next_token(tmp_path, name, model_type):
    folder = made.guard(tmp_path / "tiny", model_type=model_type)
    guard = read_guard(bundled(tmp_path, name))
    model = btviz.load_score_model(folder, guard=tmp_path / f"{name}.toml")
    probabilities, tokenizer = next_token(folder)
    expected = []
    for prompt, response in zip(PROMPTS, RESPONSES, strict=True):
        row = {}
        for policy in guard.questions:
            chat = [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]
            options = {**guard.options, **policy.options}
            text = (
                tokenizer.apply_chat_template(chat, tokenize=False, **options)
                if guard.template is None
                else guard.template.replace("{prompt}", prompt).replace("{response}", response)
            )
            found = probabilities(text + guard.prefixes[0])
            mass = {key: found[starting(tokenizer, words)].sum() for key, words in guard.verdicts.items()}
            shares = {key: value / sum(mass.values()) for key, value in mass.items()}
            row |= {policy.target: shares["unsafe"]} if guard.policies else shares
        if "unsafe" not in row:
            row["unsafe"] = max(row.values())
        expected.append([row[label] for label in model.labels])
    scores = model.score(PROMPTS, RESPONSES)
    np.testing.assert_allclose(scores, expected, rtol=2e-4)
    assert np.ptp(scores, axis=0).min() > 1e-4
    alone = np.concatenate([model.score([p], [r]) for p, r in zip(PROMPTS, RESPONSES, strict=True)])
    np.testing.assert_allclose(alone, scores, rtol=2e-4)
    assert (model.kind, model.threshold, model.layout) == ("moderation", 0.5, f"guard: {guard.title}")


@pytest.mark.slow
def test_verdicts_on_other_questions_are_summed_over(tmp_path):
    folder = made.guard(tmp_path / "tiny", model_type="mistral")
    guard = read_guard(bundled(tmp_path, "wildguard"))
    model = btviz.load_score_model(folder, guard=tmp_path / "wildguard.toml")
    probabilities, tokenizer = next_token(folder)
    ids = {word: starting(tokenizer, [word]) for word in ("yes", "no")}
    expected = []
    for prompt, response in zip(PROMPTS, RESPONSES, strict=True):
        text = guard.template.replace("{prompt}", prompt).replace("{response}", response)
        mass = dict.fromkeys(ids, 0.0)
        for request, refusal, harm in itertools.product(ids, repeat=3):
            start = f"{text}Harmful request:"
            first = probabilities(start)[ids[request]].sum()
            start += f" {request}\nResponse refusal:"
            second = probabilities(start)[ids[refusal]].sum()
            start += f" {refusal}\nHarmful response:"
            mass[harm] += first * second * probabilities(start)[ids[harm]].sum()
        expected.append([mass["yes"] / (mass["yes"] + mass["no"])])
    np.testing.assert_allclose(model.score(PROMPTS, RESPONSES), expected, rtol=2e-4)


def test_passes_of_a_tree_by_hand():
    guard = bundled_guards()["wildguard"]
    masses = np.zeros((1, 7, 2))
    masses[0, 0] = (0.4, 0.5)  # request: no, yes
    masses[0, 1], masses[0, 2] = (0.9, 0.1), (0.5, 0.5)  # refusal, after no and after yes
    masses[0, 3:] = [(0.8, 0.2), (1, 0), (0.1, 0.9), (0.6, 0.2)]
    scores, mass = combined(guard, masses)
    unsafe = 0.4 * 0.9 * 0.2 + 0.4 * 0.1 * 0 + 0.5 * 0.5 * 0.9 + 0.5 * 0.5 * 0.2
    safe = 0.4 * 0.9 * 0.8 + 0.4 * 0.1 * 1 + 0.5 * 0.5 * 0.1 + 0.5 * 0.5 * 0.6
    np.testing.assert_allclose(scores, [[unsafe / (unsafe + safe)]])
    np.testing.assert_allclose(mass, [unsafe + safe])


def test_a_verdict_with_too_little_mass_is_unknown():
    guard = bundled_guards()["qwen3guard"]
    scores, mass = combined(guard, np.array([[[0.1, 0.2, 0.1]], [[0.2, 0.3, 0.1]], [[0, 0, 0]]]))
    np.testing.assert_allclose(scores, [[np.nan] * 2, [0.5, 1 / 6], [np.nan] * 2])
    np.testing.assert_allclose(mass, [0.4, 0.6, 0])
    policies = bundled_guards()["shieldgemma"]
    scores, mass = combined(policies, np.array([[[0.5, 0.5], [0.9, 0.1], [0.2, 0.8], [1, 0]]]))
    np.testing.assert_allclose(scores, [[0.8, 0.5, 0.1, 0.8, 0]])


@pytest.mark.slow
def test_a_long_answer_loses_its_end_and_never_the_question(tmp_path):
    folder = made.guard(tmp_path / "tiny")
    model = btviz.load_score_model(folder, guard=written(tmp_path, PLAIN))
    assert model.encoder.max_length == 1024
    with pytest.warns(UserWarning, match="1 of 2 answers are longer"):
        long, short = model.encode(["hi"] * 2, ["green tea " * 1900, "tea"])
    assert 900 < long.shape[-1] <= 1024
    tail = next_token(folder)[1](" /", add_special_tokens=False)["input_ids"]
    assert long[0, -len(tail) :].tolist() == short[0, -len(tail) :].tolist() == tail


@pytest.mark.slow
def test_a_run_says_the_mass_of_verdicts_and_is_kept(tmp_path, capsys):
    folder = made.guard(tmp_path / "tiny", scale=0.01)
    rows = [{"prompt": p, "response": r or "x", "is_safe": True} for p, r in zip(PROMPTS, RESPONSES, strict=True)]
    ds = btviz.load(pl.DataFrame(rows))
    model = btviz.load_score_model(folder, guard=written(tmp_path, PLAIN.replace(ANY, "")))
    for _ in range(2):
        with pytest.raises(DataError, match="none of them a finite score"), pytest.warns(ScoreWarning):
            btviz.score(ds, model)
    err = capsys.readouterr().err
    assert says(err, "3 answers", "3 the verdict is unknown", "50%")
    assert err.count("the verdict is unknown") == 1, "it ran again"


@pytest.mark.slow
def test_what_answers_in_words_takes_a_guard(tmp_path):
    folder = made.guard(tmp_path / "tiny-llama-guard-3-8b")
    assert btviz.load_score_model(folder).layout == "guard: Llama Guard 3"
    other = made.guard(tmp_path / "other", chat=None)
    with pytest.raises(DataError, match=r"no score_head.*--guard"):
        btviz.load_score_model(other)
    with pytest.raises(UsageError, match="answers in words"):
        btviz.load_score_model(folder, kind="reward")
    with pytest.raises(DataError, match="no chat template"):
        btviz.load_score_model(other, guard="llama-guard-3")
    with pytest.raises(UsageError, match="Leave --guard out"):
        btviz.load_score_model(made.beaver(tmp_path / "a-cost"), guard="llama-guard-3")
    with pytest.raises(NotFoundError, match="bundled are"):
        btviz.load_score_model(folder, guard="llama-guard-9")
    endless = written(tmp_path, PLAIN.replace("Task:", "Task: see the policy. " * 300), "endless")
    with pytest.raises(DataError, match="longer than"):
        btviz.load_score_model(folder, guard=endless)
    clash = written(tmp_path, PLAIN.replace('["unsafe"]', '["safe ones"]'))
    with pytest.raises(DataError, match="same token"):
        btviz.load_score_model(folder, guard=clash)


@pytest.mark.parametrize("architecture", ["LlamaForRewardModelWithGating", "InternLM2ForCausalLM"])
def test_code_of_a_model_is_never_run(tmp_path, architecture):
    folder = made.classifier(tmp_path / "armo", labels=["LABEL_0"])
    made.save_config(
        folder, made.llama_config(architectures=[architecture], auto_map={"AutoModel": "modeling_custom.Custom"})
    )
    with pytest.raises(DataError, match="code that comes with it"):
        btviz.load_score_model(folder)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x = [", "not TOML"),
        (PLAIN + "words = 1", "words is no list"),
        ("colour = 1\n" + PLAIN, "colour"),
        (PLAIN.replace("{response}", ""), "no place for {response}"),
        (PLAIN.replace('["unsafe"]', '["safe"]'), "words of its own"),
        (PLAIN.replace('unsafe = ["unsafe"]', ""), "safe and unsafe"),
        ("threshold = 2\n" + PLAIN, "no probability"),
        (PLAIN + '[[categories]]\ncode = "S1"\nbeavertails = ["theft"]', "no categories ['theft']"),
        (PLAIN + '[[policies]]\ntarget = "Big Harm"', "no target"),
        (PLAIN + '[[policies]]\ntarget = "harm"\ntext = "x"', "no place for {policy}"),
    ],
)
def test_a_file_that_describes_no_guard_is_refused(tmp_path, text, problem):
    with pytest.raises(DataError) as caught:
        read_guard(written(tmp_path, text))
    assert says(str(caught.value), "mine")
    assert problem in str(caught.value)
    assert "docs/guards.md" in str(caught.value)


def test_bundled_guards_are_told_by_the_names_of_their_checkpoints():
    names = {
        "meta-llama/LlamaGuard-7b": "llama-guard-1", "meta-llama/Meta-Llama-Guard-2-8B": "llama-guard-2",
        "meta-llama/Llama-Guard-3-1B": "llama-guard-3", "google/shieldgemma-2b": "shieldgemma",
        "allenai/wildguard": "wildguard", "ibm-granite/granite-guardian-3.1-8b": "granite-guardian",
        "Qwen/Qwen3Guard-Gen-0.6B": "qwen3guard", "OpenSafetyLab/MD-Judge-v0.1": "md-judge",
    }  # fmt: skip
    assert {name: guard_of(name).name for name in names} == names
    assert set(names.values()) == set(bundled_guards())
    for name in (
        "meta-llama/Llama-Guard-4-12B",
        "OpenSafetyLab/MD-Judge-v0_2-internlm2_7b",
        "Qwen/Qwen3Guard-Stream-4B",
    ):
        assert guard_of(name) is None


def test_what_a_folder_of_weights_is_not(tmp_path):
    headless = made.classifier(tmp_path / "headless", labels=["LABEL_0"])
    tensors = {key: t for key, t in load_file(headless / "model.safetensors").items() if not key.startswith("score.")}
    made.save_shards(headless, tensors)
    with pytest.raises(DataError, match=r"weights of its head are missing \(score.weight\)"):
        btviz.load_score_model(headless)
    (headless / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(DataError, match="pointer of Git LFS"):
        btviz.load_score_model(headless)
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    (adapter / "adapter_model.safetensors").write_bytes(b"")
    with pytest.raises(DataError, match="holds an adapter"):
        btviz.load_score_model(adapter)


def test_layouts_are_listed_with_how_far_they_were_tested():
    run = CliRunner().invoke(app, ["models", "--json"])
    found = {row["layout"]: row for row in json.loads(run.stdout)["layouts"]}
    assert len(found) == 3 + len(bundled_guards())
    assert "not run with the weights" in found["guard: WildGuard"]["tested"]
    assert found["guard: Qwen3Guard-Gen"]["gives"] == "unsafe, controversial"
    shown = CliRunner().invoke(app, ["models"])
    assert shown.exit_code == 0
    assert "score_head" in shown.stdout
