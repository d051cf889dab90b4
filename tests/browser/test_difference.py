"""The marks of differing words, in a real browser: plain text nodes, whatever the text says."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostile import PAYLOADS

import btviz.widgets

pytestmark = pytest.mark.browser

FRONT = Path(btviz.widgets.__file__).parent / "front"
SHOW = """([first, second]) => {
  const { segments, marked, linedUp, same } = compare([first, second]);
  const shown = [0, 1].map((side) => {
    const block = document.createElement("div");
    block.append(...markedNodes(segments[side], marked[side]));
    document.body.append(block);
    const tags = [...block.querySelectorAll("*")].map((node) => node.tagName);
    const marks = [...block.querySelectorAll("mark")].map((node) => node.textContent);
    return { text: block.textContent, marks, tags };
  });
  return { shown, linedUp, same };
}"""


@pytest.fixture(scope="module")
def show(browser):
    page = browser.new_page()
    page.goto("about:blank")
    page.evaluate("() => { window.ran = false; }")
    page.add_script_tag(content="\n".join((FRONT / name).read_text() for name in ("dom.js", "difference.js")))
    yield lambda first, second: page.evaluate(SHOW, [first, second])
    assert page.evaluate("() => window.ran") is False
    page.close()


def marks(found):
    return [side["marks"] for side in found["shown"]]


def test_words_that_only_one_text_has_are_marked(show):
    found = show("Take the red door, then wait.", "Take the small blue door, then go.")
    assert marks(found) == [["red", "wait"], ["small blue", "go"]]
    assert (found["same"], found["linedUp"]) == (False, True)


@pytest.mark.parametrize(
    "texts",
    [
        *[(payload, f"{payload} more") for payload in PAYLOADS],
        ("\u202eleft\u202c or right", "left or \u2067right\u2069"),
        ("שלום עולם", "שלום לך"),
        ("日本語を話します", "日本語を書きます"),
        ("👩‍👩‍👧 and 👍🏽", "👩‍👩‍👧 or 👍"),
        ("$x^2$ = 1 + 1", "=SUM(1, 1)"),
        ("", "something"),
        ("  two\n\nlines\t", "two lines"),
    ],
)
def test_texts_stay_as_they_are_and_only_marks_are_elements(show, texts):
    found = show(*texts)
    assert [side["text"] for side in found["shown"]] == list(texts)
    assert {tag for side in found["shown"] for tag in side["tags"]} <= {"MARK"}
    for side, words in zip(found["shown"], marks(found), strict=True):
        assert all(word in side["text"] for word in words)


def test_the_same_text_has_no_marks(show):
    found = show("green tea is fine", "green tea is fine")
    assert marks(found) == [[], []]
    assert found["same"] is True


def test_two_empty_texts_are_the_same(show):
    assert show("", "")["same"] is True


def test_of_very_long_texts_the_absent_words_are_marked(show):
    common = " ".join(f"word{k}" for k in range(3000))
    backwards = " ".join(f"word{k}" for k in reversed(range(3000)))
    found = show(f"first {common} x", f"second {backwards} y")
    assert found["linedUp"] is False
    assert marks(found) == [["first", "x"], ["second", "y"]]
