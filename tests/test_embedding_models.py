import json
import shutil
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from small_data import unlabelled

from btviz.errors import DataError, FetchError, NotFoundError, UsageError
from btviz.texts.embedding import embed, load_encoder, text_id, transformer
from btviz.texts.embedding import encoders as minilm
from btviz.texts.embedding.transformer import TransformerEncoder, check_folder, hash_folder, token_table

if find_spec("sentence_transformers") is None:  # importing it takes seconds, in each process that only collects
    pytest.skip("sentence-transformers is not installed", allow_module_level=True)
FOLDER = minilm.minilm_folder()

WORDS = [
    "tea",
    "water",
    "leaf",
    "cup",
    "morning",
    "green",
    "black",
    "kettle",
    "warm",
    "slow",
    "pour",
    "wait",
    "sip",
    "garden",
    "rain",
    "stone",
]


def sentences(count):
    """Benign texts of 1 to 60 words, so that several shapes occur."""
    draw = np.random.default_rng(1)
    return [f"{i} " + " ".join(draw.choice(WORDS, size=1 + (i * 7) % 60)) for i in range(count)]


TEXTS = sentences(36)


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def model(request):
    return load_encoder("minilm", precision=request.param, device="cpu")


@pytest.fixture(scope="module")
def together(model):
    return model.encode(TEXTS)


# A vector depends on nothing but its text -------------------------------------------------------


@pytest.mark.slow
def test_alone_and_in_company_the_bytes_are_equal(model, together):
    for i in (0, 3, 17, 35):
        assert model.encode([TEXTS[i]])[0].tobytes() == together[i].tobytes()


@pytest.mark.slow
def test_shuffled_the_bytes_are_equal(model, together):
    order = np.random.default_rng(0).permutation(len(TEXTS))
    assert model.encode([TEXTS[i] for i in order]).tobytes() == together[order].tobytes()


@pytest.mark.slow
def test_on_another_number_of_threads_the_bytes_are_equal(model, together):
    import torch

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1 if before > 1 else 2)
        assert model.encode(TEXTS).tobytes() == together.tobytes()
    finally:
        torch.set_num_threads(before)


# these made-up texts hold hardly any of the commonest words of English
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::btviz.texts.embedding.languages.LanguageWarning")
def test_stored_in_two_runs_the_bytes_are_equal(model, together):
    def ds(texts):
        return unlabelled(texts, ["x"] * len(texts))

    embed(ds(TEXTS[:15]), encoder=model)
    found = embed(ds(TEXTS), encoder=model)
    assert found.facts["new"] == len(TEXTS) - 15
    by_id = dict(zip(found.text_ids.tolist(), found.vectors, strict=True))
    assert b"".join(by_id[text_id(t)].tobytes() for t in TEXTS) == together.tobytes()


# It is the model it says it is ------------------------------------------------------------------


@pytest.fixture(scope="module")
def reference():
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(FOLDER), device="cpu", local_files_only=True)
    return model.encode(TEXTS, normalize_embeddings=True, show_progress_bar=False)


def test_vectors_are_those_of_sentence_transformers(model, together, reference):
    cosine = (together * reference).sum(axis=1)
    assert cosine.min() > (0.999999 if model.precision == "float32" else 0.9998)


def test_a_plain_model_is_computed_to_the_last_bit_as_by_sentence_transformers(model, together, monkeypatch):
    monkeypatch.setattr(transformer, "is_plain_bert", lambda _: False)
    encoder = load_encoder("minilm", precision=model.precision, device="cpu")
    assert encoder.encode(TEXTS).tobytes() == together.tobytes()


def test_what_is_more_than_a_plain_model_is_left_to_sentence_transformers(tmp_path):
    folder = tmp_path / "model"
    (folder / "1_Pooling").mkdir(parents=True)
    for name in ("modules.json", "config.json", "1_Pooling/config.json"):
        (folder / name).write_bytes((FOLDER / name).read_bytes())
    assert transformer.is_plain_bert(folder)
    for name, change in (
        ("config.json", {"model_type": "mpnet"}),
        ("1_Pooling/config.json", {"pooling_mode_cls_token": True}),
        ("1_Pooling/config.json", {"pooling_mode": "max"}),
    ):
        before = (folder / name).read_text()
        (folder / name).write_text(json.dumps(json.loads(before) | change))
        assert not transformer.is_plain_bert(folder)
        (folder / name).write_text(before)
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps(modules[:2]))
    assert not transformer.is_plain_bert(folder)


@pytest.mark.slow
def test_a_folder_is_as_good_as_the_name(model, together):
    folder = load_encoder(str(FOLDER), precision=model.precision, device="cpu")
    assert folder.settings == model.settings
    assert folder.encode(TEXTS[:3]).tobytes() == together[:3].tobytes()


@pytest.mark.slow
def test_truncation_is_counted():
    texts = ["short", "long " * 300]
    assert load_encoder("minilm", max_tokens=8).max_tokens == 8
    encoder = load_encoder("minilm")
    assert encoder.max_tokens == 256
    assert encoder.lengths(texts).tolist() == [3, 302]
    found = embed(unlabelled(texts, ["x", "x"]), encoder=encoder)
    assert found.facts["truncated"] == 1
    assert found.summary == "2 rows, 2 texts, 2 new; 50.00% of the texts are cut at 256 tokens"
    assert "cut at 256" in repr(found)


@pytest.mark.slow
def test_prompt_and_maximum_length_are_part_of_the_key_and_act():
    plain, asked, short = load_encoder(), load_encoder(prompt="query: "), load_encoder(max_tokens=4)
    assert len({json.dumps(dict(e.settings)) for e in (plain, asked, short)}) == 3
    np.testing.assert_array_equal(asked.encode(["tea"]), plain.encode(["query: tea"]))
    np.testing.assert_allclose(short.encode(["green tea please now"]), plain.encode(["green tea"]), atol=1e-3)


# No network, no code, no pickles ----------------------------------------------------------------


@pytest.mark.slow
def test_the_package_is_not_imported():
    program = (
        "import sys, btviz; btviz.load_encoder().settings; print([m for m in sys.modules if m.startswith(('gt_', "
        "'torch', 'transformers'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json"])
def test_other_weights_or_tokenizers_are_refused(tmp_path, monkeypatch, file):
    folder = copied(tmp_path)
    with (folder / file).open("ab") as stream:
        stream.write(b" ")
    monkeypatch.setattr(minilm, "_in_package", lambda: folder)
    with pytest.raises(DataError, match="published"):
        load_encoder("minilm")


def test_without_package_and_cache_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(minilm, "_in_package", lambda: None)
    monkeypatch.setattr(minilm, "_in_cache", lambda: None)
    with pytest.raises(NotFoundError, match="pip install"):
        load_encoder("minilm")


def copied(tmp_path):
    return shutil.copytree(FOLDER, tmp_path / "model")


def test_code_of_a_model_is_refused(tmp_path):
    folder = copied(tmp_path)
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["type"] = "os.path.Transformer"
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(DataError, match="code of its own"):
        load_encoder(str(folder))


def test_pickled_weights_are_refused(tmp_path):
    folder = copied(tmp_path)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(DataError, match="pickled"):
        check_folder(folder)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(NotFoundError, match="modules"):
        TransformerEncoder(tmp_path, name="nothing")


def test_the_hash_sees_every_file(tmp_path):
    folder = copied(tmp_path)
    before = hash_folder(folder)
    assert before == hash_folder(FOLDER)
    pooling = folder / "1_Pooling" / "config.json"
    pooling.write_text(pooling.read_text().replace("true", "false"))
    assert hash_folder(folder) != before


def test_no_hub_is_said(monkeypatch):
    import huggingface_hub

    def offline(*_, **__):
        raise OSError("no route")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(FetchError, match="hub could not be reached"):
        load_encoder("somebody/model")


@pytest.mark.parametrize("options", [{"max_tokens": 2}, {"precision": "int8"}, {"device": "tpu"}])
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(UsageError):
        load_encoder("minilm", **options)


# The static model -------------------------------------------------------------------------------


def test_token_vectors_are_principal_components_weighted_by_rank():
    draw = np.random.default_rng(0)
    vectors = (draw.normal(size=(500, 6)) * [9, 5, 3, 1, 0.5, 0.1]).astype(np.float32)
    table = token_table(vectors, dimensions=3)
    share = 1 / np.arange(2, 502)
    weights = 1e-4 / (1e-4 + share / share.sum())
    plain = table / weights[:, None]
    from sklearn.decomposition import PCA

    expected = PCA(3, svd_solver="full").fit_transform(vectors.astype(np.float64))
    np.testing.assert_allclose(np.abs(plain), np.abs(expected), rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_a_token_alone_has_the_vector_of_a_text_of_that_token():
    """In batches without padding, whereas those of texts have some."""
    encoder = load_encoder("minilm", precision="float32")
    words = ["green", "tea", "magnet"]
    tokens = [row[0] for row in encoder.tokens(words, special=False)]
    np.testing.assert_allclose(encoder.encode_tokens(tokens), encoder.encode(words), atol=1e-5)


@pytest.mark.slow
def test_the_static_model_is_distilled_once_and_knows_words(monkeypatch):
    from btviz.texts.embedding import transformer

    monkeypatch.setattr(TransformerEncoder, "vocabulary_size", 2200)  # the most frequent ones do for a test
    encoder = load_encoder("static")
    texts = ["he was there first", "she was there last", "the two new world"]
    tokens = [t for row in encoder.teacher.tokens(texts, special=False) for t in row]
    assert max(tokens) < 2200
    found = encoder.encode(texts)
    assert found.shape == (3, transformer.DIMENSIONS)
    assert found[0] @ found[1] > found[0] @ found[2]
    assert encoder.encode(texts[1:2])[0].tobytes() == found[1].tobytes()
    monkeypatch.setattr(TransformerEncoder, "encode_tokens", None)
    assert load_encoder("static").encode(texts).tobytes() == found.tobytes()


@pytest.mark.slow
def test_tokens_that_stand_for_no_text_have_no_part_in_the_static_model(monkeypatch):
    monkeypatch.setattr(TransformerEncoder, "vocabulary_size", 2200)
    encoder = load_encoder("static")
    ordinary = encoder.teacher.ordinary_tokens
    names = encoder.teacher._tokenizer.convert_ids_to_tokens(range(2200))
    assert len(ordinary) == 2200 - 999  # five special tokens, 994 free ones
    assert [names[i] for i in ordinary[:3]] == ["!", '"', "#"]
    others = np.setdiff1d(np.arange(2200), ordinary)
    assert {"[PAD]", "[unused0]", "[CLS]", "[unused993]"} < {names[i] for i in others}
    given = []
    encode_tokens = TransformerEncoder.encode_tokens
    monkeypatch.setattr(
        TransformerEncoder, "encode_tokens", lambda self, ids: given.extend(ids) or encode_tokens(self, ids)
    )
    table = encoder._table
    assert given == ordinary.tolist()
    assert not table[others].any()
    np.testing.assert_array_equal(
        table[ordinary], token_table(encode_tokens(encoder.teacher, ordinary.tolist()), dimensions=256)
    )


def test_a_static_model_takes_no_prompt():
    with pytest.raises(UsageError, match="no prompt"):
        load_encoder("static", prompt="query: ")


def test_a_model_of_the_kind_that_is_proposed_for_other_languages_is_read(tmp_path):
    """A small one with the parts of the multilingual MiniLM: pieces of a unigram vocabulary, and a BERT."""
    import torch
    import transformers
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from tokenizers import Tokenizer, models, pre_tokenizers

    texts = ["怎样照顾自行车", "как починить велосипед", "จักรยาน", "tea"]
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    pieces = [*special, "▁", *sorted({letter for text in texts for letter in text if letter != " "})]
    tokenizer = Tokenizer(models.Unigram([(piece, -float(i)) for i, piece in enumerate(pieces)], unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    names = dict(zip(("bos_token", "pad_token", "eos_token", "unk_token", "mask_token"), special, strict=True))
    parts, whole = tmp_path / "parts", tmp_path / "whole"
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(parts)
    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    transformers.BertModel(transformers.BertConfig(vocab_size=len(pieces), **size)).save_pretrained(parts)
    body = Transformer(str(parts))
    reference = SentenceTransformer(modules=[body, Pooling(body.get_embedding_dimension())], device="cpu")
    reference.save(str(whole))
    vectors = load_encoder(whole, precision="float32", device="cpu").encode(texts)
    expected = reference.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    np.testing.assert_allclose(vectors, expected, atol=1e-5)
