"""Words in any script: counted as the paper counts where there are blanks, by dictionary where there are none."""

import json

import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import btviz
from btviz.cli import app
from btviz.data.words import SPACED_RULE, UNSPACED_RULE, beginning, count_words, rule_of, words_of
from btviz.reports import summarise

SENTENCES = {
    "Don't you like e-mail?": ["Don", "t", "you", "like", "e", "mail"],
    "请问怎样照顾自行车，谢谢！": ["请问", "怎样", "照顾", "自行车", "谢谢"],
    "請問如何修理我的腳踏車？": ["請問", "如何", "修理", "我", "的", "腳踏車"],
    "我的iPhone手机2024年买的": ["我", "的", "iPhone", "手机", "2024", "年", "买", "的"],
    "自転車のタイヤを直す": ["自転車", "の", "タイヤ", "を", "直す"],
    "วิธีดูแลจักรยาน": ["วิธี", "ดูแล", "จักรยาน"],
    "ຂ້ອຍມັກດື່ມຊາ": ["ຂ້ອຍ", "ມັກ", "ດື່ມ", "ຊາ"],
    "ខ្ញុំចូលចិត្តផឹកតែ": ["ខ្ញុំ", "ចូលចិត្ត", "ផឹក", "តែ"],
    "ကျွန်တော်လက်ဖက်ရည်ကြိုက်တယ်": ["ကျွန်တော်", "လက်ဖက်ရည်", "ကြိုက်", "တယ်"],
    "क्षत्रिय का घर": ["क्षत्रिय", "का", "घर"],
    "저는 물을 좋아해요": ["저는", "물을", "좋아해요"],
    "می‌خواهم چای": ["می‌خواهم", "چای"],
    "كيف أصلح الدراجة؟": ["كيف", "أصلح", "الدراجة"],
    "Как чинить велосипед?": ["Как", "чинить", "велосипед"],
    "—。": [],
    "": [],
}
MANY_SCRIPTS = st.text(
    st.sampled_from("abZ9_ '-é\u0301\u200c\u200d\u00ad.,。、🙂的车水茶々〆𠀋ひらカナーｶไทยก็າກ្កကЯשع한\U0001f1e9\n\x00")
)


@pytest.mark.parametrize(("sentence", "words"), SENTENCES.items())
def test_words_of_a_sentence(sentence, words):
    assert words_of(pl.Series([sentence])).to_list() == [words]
    assert count_words(pl.Series([sentence])).to_list() == [len(words)]


def test_words_do_not_depend_on_the_neighbours():
    texts = pl.Series([*SENTENCES, None])
    assert words_of(texts).to_list() == [*SENTENCES.values(), None]
    assert count_words(texts).to_list() == [*map(len, SENTENCES.values()), None]
    assert count_words(texts).dtype == pl.UInt32


@given(st.lists(st.text(st.characters(max_codepoint=0x2FF) | st.sampled_from("Яשعक्한’—")) | st.none()))
def test_scripts_with_blanks_are_counted_as_the_paper_counts(texts):
    column = pl.Series(texts, dtype=pl.String)
    assert count_words(column).to_list() == column.str.count_matches(r"\w+").to_list()
    assert words_of(column).to_list() == column.str.extract_all(r"\w+").to_list()
    assert rule_of(column) == SPACED_RULE


@pytest.mark.slow
@given(st.lists(MANY_SCRIPTS | st.none()))
def test_division_loses_and_adds_nothing(texts):
    column = pl.Series(texts, dtype=pl.String)
    words, runs = words_of(column).to_list(), column.str.extract_all(r"\w+").to_list()
    for divided, whole in zip(words, runs, strict=True):
        assert (divided is None) == (whole is None)
        assert "".join(divided or []) == "".join(whole or [])
        assert "" not in (divided or [])
        assert len(divided or []) >= len(whole or [])
    assert count_words(column).to_list() == [None if row is None else len(row) for row in words]


def test_the_rule_is_that_of_the_texts():
    assert rule_of(pl.Series(["How are you?", "café", None])) == SPACED_RULE
    assert rule_of(pl.Series(["How are you?"]), pl.Series(["谢谢"])) == UNSPACED_RULE


def test_pairs_carry_the_counts(make_dataset):
    rows = pl.DataFrame({"prompt": ["请问怎样照顾自行车"], "response": ["Clean it."]})
    labels = pl.lit(0, pl.UInt32)
    ds = make_dataset(rows.with_columns(split=pl.lit("train"), is_safe=labels == 0, labels=labels))
    assert ds.pairs.select("prompt_words", "response_words").rows() == [(4, 2)]


def test_mean_words_are_shown_with_their_rule(make_dataset):
    labels = pl.lit(0, pl.UInt32)
    rows = pl.DataFrame({"prompt": ["请问怎样照顾自行车"], "response": ["Clean it."]})
    ds = make_dataset(rows.with_columns(split=pl.lit("train"), is_safe=labels == 0, labels=labels))
    assert summarise(ds).to_dict()["word_rule"] == UNSPACED_RULE
    spaced = make_dataset(rows.with_columns(prompt=pl.lit("a"), split=pl.lit("a"), is_safe=labels == 0, labels=labels))
    assert summarise(spaced).word_rule == SPACED_RULE
    prompts = rows.select("prompt").with_columns(split=pl.lit("a"), labels=labels)
    assert summarise(make_dataset(None, prompts=prompts)).word_rule is None


def test_a_file_without_blanks_has_words_and_not_clauses(shared_data):
    file = shared_data / "found" / "11-no-spaces.jsonl"
    ds = btviz.load(file)
    prompts = [json.loads(line)["prompt"] for line in file.read_text(encoding="utf-8").splitlines()]
    assert ds.pairs["prompt_words"].min() >= 3
    assert max(words_of(pl.Series(prompts)).explode().str.len_chars()) <= 3
    shown = CliRunner().invoke(app, ["data", "show", str(file)])
    assert shown.exit_code == 0
    assert f"Words are {UNSPACED_RULE}." in shown.stdout


@pytest.mark.parametrize(
    ("text", "most", "kept"),
    [
        ("tea", 3, "tea"),
        ("tea", 2, "te"),
        ("cafe\u0301s", 4, "caf"),
        ("क्षत्रिय", 3, "क्ष"),
        ("क्षत्रिय", 2, "क्"),
        ("👩‍👩‍👧 tea", 4, "👩‍👩‍👧"[:4]),
        ("tea 👩‍👩‍👧", 6, "tea "),
        ("🇩🇪🇫🇷", 3, "🇩🇪"),
        ("", 0, ""),
    ],
)
def test_a_text_is_cut_between_letters(text, most, kept):
    assert beginning(text, most=most) == kept


@given(MANY_SCRIPTS, st.integers(1, 30))
def test_a_cut_text_is_a_beginning(text, most):
    kept = beginning("a" * 100 + text, most=100 + most)
    assert ("a" * 100 + text).startswith(kept)
    assert 100 + most - 64 < len(kept) <= 100 + most or len(kept) == 100 + len(text)
