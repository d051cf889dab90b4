"""An encoder for English says so where texts are in other scripts or languages, and names one that reads them."""

import polars as pl
import pytest
from small_data import unlabelled

import btviz
from btviz.texts.embedding import load_encoder
from btviz.texts.embedding.languages import LOOKED_AT, MULTILINGUAL, LanguageWarning, language_note, languages_of

FOREIGN = {
    "German": "Wie kann ich mein Fahrrad zu Hause am besten reparieren und pflegen?",
    "French": "Quelle est la meilleure façon de cuisiner un gâteau pour dix personnes ?",
    "Spanish": "¿Cuál es la mejor manera de cocinar un pastel para diez personas?",
    "Portuguese": "Como posso consertar minha bicicleta em casa sem ferramentas do mercado?",
    "Italian": "Qual è il modo migliore per cucinare una torta per dieci persone?",
    "Dutch": "Wat is de beste manier om een taart te bakken voor tien personen?",
    "Polish": "To jest bardzo dobry sposób na naprawę roweru w domu.",
    "Swedish": "Hur kan jag laga min cykel hemma utan att köpa särskilda verktyg?",
    "Danish": "Hvordan kan jeg reparere min cykel hjemme uden at købe værktøj for penge?",
    "Turkish": "Bisikletimi evde özel aletler olmadan nasıl tamir edebilirim acaba lütfen söyle?",
    "Indonesian": "Bagaimana cara memperbaiki sepeda saya di rumah tanpa alat khusus?",
    "Vietnamese": "Làm thế nào để tôi sửa xe đạp ở nhà mà không cần dụng cụ?",
    "Finnish": "Miten voin korjata polkupyöräni kotona ilman erityisiä työkaluja tai osia?",
    "Czech": "Jak mohu opravit své kolo doma bez zvláštního nářadí a dílů?",
    "Swahili": "Ninawezaje kutengeneza baiskeli yangu nyumbani bila vifaa maalum vya kazi?",
}
ENGLISH = [
    "Is it legal to ride a bicycle on this path at night?",
    "How do I bake a cake for ten people?",
    "What's the best way to repair my bicycle at home?",
    "Write a poem about rain, wind and the sea – in French, s'il vous plaît.",
    "Crème brûlée",
]
OTHER_SCRIPTS = ["请问怎样照顾自行车", "Как мне починить велосипед?", "كيف أصلح الدراجة؟", "साइकिल कैसे सुधारें?"]


@pytest.mark.parametrize("text", FOREIGN.values(), ids=FOREIGN)
def test_other_languages_in_latin_letters_are_told_from_english(text):
    found = languages_of(pl.Series([text]))
    assert (found.other_script, found.judged, found.other_language) == (0, 1, 1)


def test_english_is_english_and_short_texts_are_not_judged():
    found = languages_of(pl.Series([*ENGLISH, None, "¿Cómo estás?"]))
    assert (found.n, found.other_script, found.judged, found.other_language) == (6, 0, 4, 0)
    assert languages_of(pl.Series([], dtype=pl.String)).share_of_script == 0


def test_a_text_is_in_the_script_of_most_of_its_letters():
    texts = [*OTHER_SCRIPTS, "What does 照顾 mean, please?", "我想要一个 iPhone", "42 – ?!", "🙂"]
    assert languages_of(pl.Series(texts)).other_script == len(OTHER_SCRIPTS)


def test_the_note_has_shares_and_what_to_use():
    note = language_note("minilm", pl.Series([*OTHER_SCRIPTS, *ENGLISH[:4]]), what="prompts")
    assert "50% of 8 prompts" in note
    assert "minilm" in note
    assert MULTILINGUAL in note
    note = language_note("static (minilm)", pl.Series([*FOREIGN.values(), *ENGLISH]))
    assert f"{15 / 19:.0%} of 19 texts in Latin letters" in note
    for few in ([*ENGLISH * 20, OTHER_SCRIPTS[0]], [*ENGLISH, *list(FOREIGN.values())[:4]], []):
        assert language_note("minilm", pl.Series(few, dtype=pl.String)) is None


@pytest.mark.parametrize(
    ("encoder", "is_english"),
    {
        "minilm": True,
        "static (minilm)": True,
        "sentence-transformers/all-MiniLM-L6-v2": True,
        "BAAI/bge-small-en-v1.5": True,
        "words": False,
        MULTILINGUAL: False,
        "my-model": False,
    }.items(),
)
def test_only_encoders_known_to_be_english_are_warned_of(encoder, is_english):
    assert (language_note(encoder, pl.Series(OTHER_SCRIPTS)) is not None) is is_english


def test_of_many_texts_some_are_looked_at():
    many = pl.Series([OTHER_SCRIPTS[0], "How are you?"]).gather_every(1).extend_constant("How are you?", 3 * LOOKED_AT)
    assert languages_of(many).n <= LOOKED_AT


class Named:
    """An encoder of another name that loads nothing."""

    def __init__(self, name):
        self.name = name
        self._words = load_encoder("words")

    def __getattr__(self, attribute):
        return getattr(self._words, attribute)


def test_embedding_warns_and_keeps_what_it_said():
    ds = unlabelled(OTHER_SCRIPTS, ["An answer."] * 4)
    with pytest.warns(LanguageWarning, match="100% of 4 prompts"):
        emb = btviz.embed(ds, encoder=Named("minilm"))
    assert MULTILINGUAL in emb.facts["language"]
    assert btviz.embed(ds, encoder="words").facts["language"] is None
    assert btviz.embed(ds, text="response", encoder=Named("minilm")).facts["language"] is None
