"""What names a topic is a word of its script, whatever the script, and never what one prompt alone says."""

from itertools import product

import numpy as np
import polars as pl
import pytest
from topic_data import laid_out

import btviz
from btviz.texts.topics.keywords import CountedTexts, keywords_in
from btviz.texts.topics.tables import load_bertopic

# script: letters, sentence, markers, what is done with them, where, a word that one prompt has
PLANTED = {
    "Latin": (
        "How do I {} my {} {}?",
        "teapot bicycle violin telescope tent",
        "wash mend buy store",
        ["at home", "in the spring", "in town", "for guests"],
        "xylophone",
    ),
    "Cyrillic": (
        "Как мне {} {} {}, пожалуйста?",
        "чайник велосипед скрипку телескоп палатку",
        "почистить починить купить хранить",
        ["дома", "весной", "в городе", "для гостей"],
        "ксилофон",
    ),
    "Han": (
        "请问怎样{}我的{}，{}可以吗？",
        "茶壶 自行车 小提琴 望远镜 帐篷",
        "清洗 修理 购买 存放",
        ["在家里", "在春天", "在城市", "为客人"],
        "木琴",
    ),
    "Han|Hiragana|Katakana": (
        "{2}{1}を{0}方法を教えてください。",
        "急須 自転車 バイオリン 望遠鏡 テント",
        "洗う 直す 買う 包む",
        ["家で", "春に", "街で", "客のために"],
        "木琴",
    ),
    "Thai": (
        "ช่วยบอกวิธี{}{}{}หน่อย",
        "นาฬิกา จักรยาน ไวโอลิน เต็นท์ ทุเรียน",
        "ล้าง ซ่อม ซื้อ เก็บ",
        ["ที่บ้าน", "ในฤดูร้อน", "ในเมือง", "ให้แขก"],
        "ระนาด",
    ),
    "Arabic": (
        "كيف يمكنني {} {} {}؟",
        "إبريق دراجة كمان تلسكوب خيمة",
        "تنظيف إصلاح شراء تخزين",
        ["بيتي", "ربيعا", "مدينتي", "للضيوف"],
        "زيلوفون",
    ),
    "Devanagari": (
        "मैं {1} को {2} कैसे {0} सकता हूँ?",
        "चायदानी साइकिल वायलिन दूरबीन तंबू",
        "धो सुधार ख़रीद रख",
        ["घर में", "वसंत में", "शहर में", "मेहमान के लिए"],
        "ज़ाइलोफ़ोन",
    ),
    "Hangul": (
        "어떻게 {2} {1} {0} 수 있나요?",
        "주전자를 자전거를 바이올린을 망원경을 텐트를",
        "씻을 고칠 구입할 보관할",
        ["집에서", "봄에", "도시에서", "손님에게"],
        "실로폰을",
    ),
}


@pytest.fixture(scope="module", autouse=True)
def quiet_bertopic():
    load_bertopic()


@pytest.mark.parametrize("script", PLANTED)
def test_planted_words_are_found_and_no_clause_is(script, make_dataset):
    sentence, markers, doings, places, rare = PLANTED[script]
    prompts = {
        sentence.format(doing, marker, place): subject
        for subject, marker in enumerate(markers.split())
        for doing, place in product(doings.split(), places)
    }
    prompts[sentence.format(doings.split()[0], rare, places[0])] = 0
    ds, emb, points, truth = laid_out(make_dataset, prompts)
    topics = btviz.fit_topics(ds, points, embeddings=emb, scale=1)
    assert topics.topics.height == 5
    by_topic = emb.pairs.join(topics.assignments, on="pair_id").select("text_id", "topic")
    for row in topics.topics.iter_rows(named=True):
        (subject,) = {truth[text] for text in by_topic.filter(topic=row["topic"])["text_id"]}
        assert row["keywords"][0] == markers.split()[subject].lower()
        assert not any(marker.lower() in row["name"] for marker in markers.split())  # names are neutral
    letter = "|".join(rf"\p{{{name}}}" for name in script.split("|"))
    for words in topics.topics["keywords"]:
        assert words.str.contains(rf"^(?:{letter}|[\p{{M}}ー])+$").all()
        for word in words:
            assert sum(word in prompt.lower() for prompt in prompts) > 1
            assert len(word) <= 16
            assert len(word) < min(map(len, prompts)) / 2
    assert rare not in topics.topics["keywords"].explode()


@pytest.mark.parametrize("each", [1, 2])
def test_planted_words_are_found_where_scripts_are_mixed(each, make_dataset):
    """What the texts of a script share sets nothing apart, be there one topic in that script or two."""
    prompts, planted = {}, []
    for sentence, markers, doings, places, _ in PLANTED.values():
        for marker in markers.split()[:each]:
            said = (sentence.format(doing, marker, place) for doing, place in product(doings.split(), places))
            prompts |= dict.fromkeys(said, len(planted))
            planted.append(marker.lower())
    ds, emb, points, truth = laid_out(make_dataset, prompts)
    topics = btviz.fit_topics(ds, points, embeddings=emb, scale=1)
    by_topic = emb.pairs.join(topics.assignments, on="pair_id").select("text_id", "topic")
    assert topics.topics.height == len(planted)
    for row in topics.topics.iter_rows(named=True):
        (subject,) = {truth[text] for text in by_topic.filter(topic=row["topic"])["text_id"]}
        assert planted[subject] in row["keywords"][:3]


def test_joins_make_one_word():
    texts = {
        "A well-known e‑mail, it’s co-op’s; state-of-the-art --not": "well-known e-mail co-op's state-of-the-art",
        "L’eau, l'eau et d'eau; co\u00adoperate CAFE\u0301": "l'eau l'eau d'eau cooperate café",
        "כש״ח צ׳ק": "כש״ח צ׳ק",
        "می‌خواهم": "می‌خواهم",
        "क्षत्रिय": "क्षत्रिय",
        "foo_bar 42 x2 a 🙂 👩‍👩‍👧": "x2",
    }
    for text, words in texts.items():
        assert keywords_in(pl.Series([text]))["word"].to_list() == words.split()


@pytest.mark.parametrize(
    ("word", "is_one"),
    {
        "a" * 30: True,
        "a" * 31: False,
        "e\u0301" * 30: True,  # marks are not letters
        "가" * 10: True,
        "가" * 11: False,
        "ꦱ" * 8: True,  # Javanese puts no blanks between words, and has no dictionary here
        "ꦱ" * 9: False,
        "犬": True,
        "的": False,
        "か": False,
        "x": False,
    }.items(),
)
def test_a_word_is_no_longer_than_words_of_its_script_are(word, is_one):
    assert (keywords_in(pl.Series([word]))["word"].to_list() != []) is is_one


def test_what_one_prompt_says_names_nothing(make_dataset):
    prompts = {f"How do I mend my {thing} {n}?": s for s, thing in enumerate(("kite", "lamp")) for n in range(20)}
    ds, emb, points, _ = laid_out(make_dataset, prompts | {"How do I mend my Zanzibarian zither?": 0}, answers=3)
    keywords = btviz.fit_topics(ds, points, embeddings=emb, scale=1).topics["keywords"].to_list()
    assert sorted(keywords) == [["kite"], ["lamp"]]  # "mend" is in both


def test_answers_to_one_prompt_name_nothing():
    """A word that many answers have is one prompt's all the same."""
    texts = pl.DataFrame({"text": ["silken string", "silken thread", "brass thread", "brass bulb"]})
    one, vectors = pl.lit(1, pl.UInt64), np.eye(4, dtype=np.float32)
    of_one = texts.with_columns(first_prompt=one, last_prompt=one)
    assert CountedTexts(of_one, vectors).words.to_list() == ["emptydoc", "wordless"]
    of_two = of_one.with_columns(last_prompt=pl.when(pl.col("text") == "silken thread").then(2).otherwise(1))
    assert CountedTexts(of_two, vectors).words.to_list() == ["silken", "thread"]
