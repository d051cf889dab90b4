"""Checkpoints that mean harm: parts outside of their folder, sizes that no machine has, templates without an end."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import score_checkpoints as made

import btviz
from btviz.errors import BtvizError, DataError
from btviz.models.templates import EndlessTemplateError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made.beaver(tmp_path_factory.mktemp("checkpoints") / "beaver-reward", shards=2)


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "beaver-reward"))


def changed(file: Path, **settings: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))


@pytest.mark.parametrize(
    "part", ["../stolen.safetensors", "/etc/passwd", "a/b.safetensors", "..", "x.bin", "c:\\x.safetensors", ""]
)
def test_a_part_outside_of_the_folder_is_not_read(folder: Path, part: str):
    shutil.copy(next(folder.glob("*.safetensors")), folder.parent / "stolen.safetensors")
    index = folder / "model.safetensors.index.json"
    names = json.loads(index.read_text())["weight_map"]
    changed(index, weight_map=names | {next(iter(names)): part})
    with pytest.raises(DataError, match="of its own folder"):
        btviz.load_score_model(folder)


@pytest.mark.parametrize(
    "settings",
    [
        {"num_labels": 10**9},
        {"num_hidden_layers": 10**6},
        {"hidden_size": 10**9},
        {"vocab_size": 10**12},
        {"max_position_embeddings": 10**12},
        {"num_attention_heads": 10**7},
        {"id2label": {str(k): "x" for k in range(5000)}},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_sizes_that_the_tensors_do_not_speak_for_are_refused(folder: Path, settings: dict[str, Any]):
    changed(folder / "config.json", **settings)
    with pytest.raises(DataError, match=next(iter(settings))):
        btviz.load_score_model(folder)


STRANGE = [None, True, -1, 1.5, "1", [], {}, [1], {"a": 1}, 10**30]


@pytest.mark.parametrize("value", STRANGE, ids=repr)
@pytest.mark.parametrize(
    "setting",
    ["architectures", "model_type", "hidden_size", "num_labels", "id2label", "text_config", "num_hidden_layers"],
)
def test_settings_of_any_type_end_in_a_message(folder: Path, setting: str, value: object):
    changed(folder / "config.json", **{setting: value})
    with contextlib.suppress(BtvizError):  # some are harmless; any other error fails
        btviz.load_score_model(folder)


@pytest.mark.parametrize("value", STRANGE, ids=repr)
@pytest.mark.parametrize("place", ["whole", "map", "part"])
def test_an_index_of_any_type_ends_in_a_message(folder: Path, place: str, value: object):
    index = folder / "model.safetensors.index.json"
    document = {"whole": value, "map": {"weight_map": value}, "part": {"weight_map": {"a": value}}}[place]
    index.write_text(json.dumps(document))
    with pytest.raises(BtvizError):
        btviz.load_score_model(folder)


def test_brackets_without_end_are_no_configuration(folder: Path):
    (folder / "config.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match=r"config\.json"):
        btviz.load_score_model(folder)


ENDLESS = {
    "loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "grows": "{% set n = namespace(x='a') %}{% for a in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}",
    "writes": "{% for a in range(99999) %}" + "x" * 1000 + "{% endfor %}",
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_chat_template_has_a_budget(tmp_path: Path, kind: str):
    folder = made.classifier(tmp_path / "chatty-reward", labels=["LABEL_0"], chat=ENDLESS[kind])
    with pytest.raises((EndlessTemplateError, DataError), match="template"):
        btviz.load_score_model(folder).score(["what is tea"], ["a drink"])
