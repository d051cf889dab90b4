"""`btviz map`, from a file to a figure: what it says, that it says it again, and that row order is nothing to it."""

from __future__ import annotations

import ast
import hashlib
import json
import random
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pypdf import PdfReader
from topic_data import SUBJECTS
from wording import says

import btviz.texts
from btviz.cli import app
from btviz.errors import UsageError
from btviz.reports.figures import write as figures
from btviz.session.content import ALWAYS_HIDDEN
from btviz.taxonomy.categories import BEAVERTAILS
from btviz.texts.embedding import run

pytestmark = pytest.mark.slow  # a map is laid out, which compiles for ten seconds

EACH = 30
PROMPTS = EACH * len(SUBJECTS)
REMARK = "quite unrelated remark"
ALLOWED = [part for slug in ALWAYS_HIDDEN[BEAVERTAILS.name] for part in ("--allow", slug)]


def rows_of_subjects() -> list[str]:
    """Two answers to each of 30 prompts about each subject, as released; the first prompt is given once more."""
    draw = random.Random(1)
    rows = []
    for place, words in enumerate(SUBJECTS.values()):
        for number in range(EACH):
            prompt = f"{' '.join(draw.sample(words.split(), 6))} {number}"
            for answer in range(2):
                flagged = {key: answer == 1 and bit == place for bit, key in enumerate(BEAVERTAILS.keys)}
                record = {"prompt": prompt, "response": f"{REMARK} {answer}", "category": flagged}
                rows.append(json.dumps({**record, "is_safe": answer == 0}))
    return [*rows, rows[0]]


def called(file: Path, *arguments: str) -> Result:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["map", str(file), *arguments])
    assert result.exit_code == 0, result.stderr
    return result


def written(folder: Path, rows: list[str]) -> Path:
    path = folder / "mine_test.jsonl"
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory, hash_encoder):
    """A data folder of this module, and an encoder that loads nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "load_encoder", lambda *_, **__: hash_encoder)
        yield tmp_path_factory.mktemp("maps")


@pytest.fixture(scope="module")
def first(place):
    """What the first run says, its figures written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BTVIZ_DATA_DIR", str(place / "data"))
        result = called(written(place, rows_of_subjects()), "--json", "--out", str(place / "figures"))
    return result, json.loads(result.stdout)


@pytest.fixture
def again(place, first, monkeypatch):
    monkeypatch.setenv("BTVIZ_DATA_DIR", str(place / "data"))
    return lambda *arguments: called(place / "mine_test.jsonl", *arguments)


def test_rows_texts_and_new_ones_are_told(first):
    _, document = first
    embedded = document["embeddings"]
    assert (embedded["rows"], embedded["texts"], embedded["new"]) == (2 * PROMPTS + 1, PROMPTS, PROMPTS)
    assert (embedded["truncated"], embedded["truncated_share"], embedded["max_tokens"]) == (0, 0, None)
    sizes = {"n_texts": PROMPTS, "n_neighbors": 30}
    assert document["neighbors"] == sizes | {"method": "exact", "recall": 1, "recall_error": 0}


def test_planted_subjects_are_found_and_scales_offered(again, first):
    _, document = first
    assert document["n_topics"] == len(document["topics"])
    inside = sum(topic["n_pairs"] for topic in document["topics"])
    assert inside == pytest.approx(2 * PROMPTS * (1 - document["outlier_share"]))
    found = set()
    assert len(document["hierarchy"]) == sum(layer["n_topics"] for layer in document["scales"])
    for topic in json.loads(again("--words", *ALLOWED, "--json").stdout)[
        "topics"
    ]:  # each is about one subject, and each subject has one at least
        (subject,) = [words for words in SUBJECTS.values() if set(topic["keywords"][:3]) <= set(words.split())]
        found.add(subject)
    assert found == set(SUBJECTS.values())
    (shown,) = [layer for layer in document["scales"] if layer["scale"] == document["scale"]]
    assert (shown["n_topics"], shown["outlier_share"]) == (document["n_topics"], document["outlier_share"])
    trusted = {row["statistic"]: row["value"] for row in document["quality"]}
    assert trusted["trustworthiness"] > 0.8


def test_stages_are_told_on_standard_error_only(first):
    result, document = first
    said = result.stderr.splitlines()
    assert said[0] == "Embedding each prompt of mine_test"
    assert said[1] == f"  {2 * PROMPTS + 1} rows, {PROMPTS} texts, {PROMPTS} new"
    assert list(document["seconds"]) == ["embedding", "neighbors", "map", "quality", "topics", "stability"]


def test_a_second_run_embeds_nothing_and_says_the_same(again, first):
    document = json.loads(again("--json").stdout)
    assert document["embeddings"]["new"] == 0
    for same in ("fingerprint", "neighbors", "quality", "scales", "topics", "store"):
        assert document[same] == first[1][same]
    assert document["files"] == []


def test_a_person_reads_where_things_are_and_how_to_go_on(again, first, place):
    shown = again().stdout
    assert says(shown, "mine_test", "hashed words", f"{2 * PROMPTS + 1} rows", f"{PROMPTS} texts", "0 new")
    assert says(shown, "Neighbours", "30", f"{PROMPTS} texts")
    document = first[1]
    scale = rf"^ *{document['scale']} +{document['n_topics']} +{document['outlier_share']:.3f}  shown here"
    assert re.search(scale, shown, re.MULTILINE)
    assert f"Stored in {place / 'data' / 'store'}" in shown
    assert "03_topic_map.ipynb" in shown


def test_another_scale_and_landmarks(again):
    document = json.loads(again("--scale", "4", "--landmarks", "60", "--json").stdout)
    assert document["scale"] == 4
    assert document["neighbors"]["n_texts"] == 60
    assert {row["texts"] for row in document["quality"]} == {"all", "landmarks", "placed"}


def test_topics_that_come_back_are_told_unless_refused(again, first):
    document = first[1]
    assert [row["topic"] for row in document["stability"]] == list(range(document["n_topics"]))
    assert all(0 <= row["stability"] <= 1 for row in document["stability"])
    shown = again().stdout
    assert says(shown, "less than 0.6", "unstable", "k-means", "cloud without structure")
    assert f"{document['stability'][0]['stability']:.3f}" in shown
    assert json.loads(again("--no-stability", "--json").stdout)["stability"] is None


def test_words_are_shown_on_request_only(again, first):
    assert all("keywords" not in topic for topic in first[1]["topics"])
    words = {word for subject in SUBJECTS.values() for word in subject.split()}
    names = {topic["name"] for topic in first[1]["topics"]}
    assert not words & {part for name in names for part in name.split()}
    assert not words & set(again().stdout.split())
    assert words & set(again("--words", *ALLOWED).stdout.replace(",", " ").split())
    guarded = [BEAVERTAILS[slug] for slug in ALWAYS_HIDDEN[BEAVERTAILS.name]]
    shown = json.loads(again("--words", "--json").stdout)["topics"]
    about = [topic["keywords"] for topic in shown if topic["top_category"] in {category.key for category in guarded}]
    assert about
    assert not any(about), "words of guarded categories are asked for by name"


def test_the_order_of_rows_is_nothing_to_it(first, place, tmp_path):
    rows = rows_of_subjects()
    random.Random(2).shuffle(rows)
    document = json.loads(called(written(tmp_path, rows), "--json", "--out", str(tmp_path / "figures")).stdout)
    assert document["embeddings"]["new"] == PROMPTS  # another store: nothing was read from the first
    for same in ("fingerprint", "quality", "scales", "topics"):
        assert document[same] == first[1][same]
    names = [f"topic_map_prompt.{ending}" for ending in ("svg", "pdf", "png", "provenance.json")]
    for name in names:
        assert (tmp_path / "figures" / name).read_bytes() == (place / "figures" / name).read_bytes()


def test_the_figure_is_drawn_once_and_then_read(place, again, tmp_path, monkeypatch):
    def draws(*_, **__):
        raise UsageError("Drawn anew.")

    monkeypatch.setattr(figures, "topic_map", draws)
    again("--out", str(tmp_path))
    for file in (place / "figures").iterdir():
        assert (tmp_path / file.name).read_bytes() == file.read_bytes()
    other = ["map", str(place / "mine_test.jsonl"), "--scale", "5", "--out", str(tmp_path)]
    assert "Drawn anew" in CliRunner().invoke(app, other).stderr


def test_the_figure_is_drawn_anew_when_what_draws_it_has_changed(place, again, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        figures, "rendered", lambda _, formats: asked.extend(formats) or dict.fromkeys(formats, b"another picture")
    )
    again("--out", str(tmp_path))
    assert asked == []
    monkeypatch.setattr(figures, "DRAWING", figures.DRAWING + 1)
    again("--out", str(tmp_path))
    assert asked == [*figures.FORMATS]
    assert (tmp_path / "topic_map_prompt.svg").read_bytes() == b"another picture"


def without_docstrings(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree)


def test_the_version_of_the_drawing_is_raised_when_its_sources_change():
    package = Path(btviz.__file__).parent
    modules = [path for folder in ("style", "topics") for path in sorted((package / "plots" / folder).glob("*.py"))]
    fonts = sorted((package / "resources" / "fonts").glob("*.ttf"))
    drawn_by = [without_docstrings(path.read_text("utf-8")).encode() for path in modules]
    digest = hashlib.blake2b(b"".join([*drawn_by, *(path.read_bytes() for path in fonts)]), digest_size=8).hexdigest()
    assert (figures.DRAWING, digest) == (6, "b0690e73e31b423e"), (
        "What draws maps has changed. If a map looks different now, raise DRAWING in btviz/reports/figures/write.py, "
        "or pictures drawn before come back from the store. Then write the new pair here."
    )


def test_the_figure_has_names_as_type_and_no_text_of_the_data(first, place):
    _, document = first
    image = (place / "figures" / "topic_map_prompt.svg").read_text()
    assert image.count("data:image/png;base64,") == 1
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]+"', "", image)
    page = PdfReader(place / "figures" / "topic_map_prompt.pdf", strict=True).pages[0]
    said = " ".join(page.extract_text().split())
    assert f"mine_test · pairs · n = {2 * PROMPTS} · {PROMPTS} places, one a prompt" in said
    assert "Map of 15 neighbours: trustworthiness " in said
    assert all(topic["name"] in said.replace(" , ", ", ") for topic in document["topics"])
    assert REMARK not in said + image
    assert len(page.images) == 1


def test_the_figure_is_listed_with_where_it_comes_from(first, place):
    _, document = first
    manifest = json.loads((place / "figures" / "manifest.json").read_text())
    assert [file["file"] for file in manifest["files"]] == [Path(file["file"]).name for file in document["files"]]
    record = json.loads((place / "figures" / "topic_map_prompt.provenance.json").read_text())
    assert record["data"]["fingerprint"] == document["fingerprint"]
    assert record["table"]["parameters"]["embeddings"] == document["embeddings"]["fingerprint"]
    assert record["table"]["parameters"]["scale"] == document["scale"]
    assert set(record["files"]) == {file["file"] for file in manifest["files"]}


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--text", "question", "no text 'question'"),
        ("--engine", "spark", "no engine 'spark'"),
        ("--scale", "0", "scale=0"),
        ("--landmarks", "-1", "landmarks=-1"),
    ],
)
def test_a_wrong_request_says_what_to_do_before_anything_is_embedded(
    place, tmp_path, own_data_dir, option, value, said
):
    result = CliRunner().invoke(app, ["map", str(written(tmp_path, rows_of_subjects())), option, value])
    assert result.exit_code == 2
    assert not (own_data_dir / "store" / "vectors").exists()
    assert said in result.stderr
    assert "Use" in result.stderr


def test_data_that_are_not_here(place):
    assert CliRunner().invoke(app, ["map", "nowhere"]).exit_code == 3
