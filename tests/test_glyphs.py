"""Letters that the font of the pictures lacks: measured as they are drawn, and said where nothing draws them."""

import altair as alt
import polars as pl
import pytest

from btviz.plots.style import rendering
from btviz.plots.style.rendering import GlyphWarning, render, rendered, undrawn
from btviz.plots.style.theme import text_width

NAMES = "茶壶, कप, tea"


def chart(words):
    return alt.Chart(pl.DataFrame({"x": [1]})).mark_text(text=words).encode(x="x:Q")


@pytest.fixture
def no_other_font(monkeypatch):
    monkeypatch.setattr(rendering, "drawn_alone", lambda _: b"a box")


def test_wide_letters_and_marks_have_their_widths():
    assert text_width("茶壶", size=10) == 20
    assert text_width("ｶ", size=10) < text_width("カ", size=10) == 10
    assert text_width("ก้", size=10) == text_width("ก", size=10)
    assert text_width("tea\u200d", size=10) == text_width("tea", size=10)


def test_letters_of_the_font_are_never_missing(no_other_font):
    assert undrawn("Tea, чай & τσάι – 1 ≥ 0…\n") == ""
    assert undrawn(NAMES) == "कप壶茶"


def test_a_letter_that_is_drawn_as_the_box_is_missing():
    assert rendering.drawn_alone("e") != rendering.drawn_alone("\U0010ffff")
    assert undrawn("\U0001fffd\U0010ffff") == ""  # nothing is printed for what is no letter


@pytest.mark.parametrize("format", ["png", "pdf"])
def test_boxes_are_announced_without_the_text(no_other_font, format):  # noqa: A002
    with pytest.warns(GlyphWarning, match=r"4 of its letters \(Devanagari, Han\)") as said:
        render(chart(NAMES), format=format)
    assert not set("茶壶कप") & set(str(said[0].message))


def test_nothing_is_announced_of_an_svg_or_of_known_letters(no_other_font):
    assert "茶壶" in render(chart(NAMES), format="svg").decode()
    render(chart("tea, чай"), format="png")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::btviz.plots.style.rendering.GlyphWarning")
def test_what_no_font_draws_and_what_steers_readers_is_the_sign_for_that():
    letters = [
        *map(chr, range(0x09)),
        *map(chr, range(0x0B, 0x20)),
        *"\x7f\x85\u2028\u2029\u202e\u2066\ufffe\ud800\udfff",
    ]
    for start in range(0, len(letters), 10):  # the converter ended the process at some of them
        name = "|".join(letters[start : start + 10])
        drawn = rendered(chart(name).properties(title=name, description=name), formats=["svg", "pdf", "png"])
        shown = drawn["svg"].decode()
        assert not {*letters} & {*shown}
        assert shown.count("\ufffd") >= 10
        assert drawn["pdf"].startswith(b"%PDF")
