"""Two answers and an order of them, in the forms that trainers take: chosen and rejected, a list of two, ratings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from btviz.data.conversations import TURNS
from btviz.data.reading.mapping import Order
from btviz.data.reading.record import ABSENT, Batch
from btviz.data.reading.shapes.chat import CHATS, QUESTIONS, asked_by, holds_chats
from btviz.data.reading.shapes.messages import Talk, TalkError, continued, is_marked, is_plain, spelled, talk_of
from btviz.data.reading.shapes.unfolding import Row, Unfolding, listed, turns_of

_ANSWERS = 2

_ASKED = (*QUESTIONS, "instruction", "input", "history", "system", *CHATS)

_SCORES = ("score_chosen", "score_rejected", "chosen_score", "rejected_score", "chosen_rating", "rejected_rating")
"""Scores of the two answers, by both of their names."""

_PAIR = ("response_0", "response_1")


def _compared(first: Talk, second: Talk, *, canonical: Mapping[str, Any]) -> Row:
    """Two chats that end in answers to the same question."""
    if first.answer is None or second.answer is None:
        raise TalkError("no answer", "an answer ends with a question")
    if first.prompt != second.prompt:
        raise TalkError("two questions", "the two answers belong to different questions")
    remarks = dict.fromkeys((*first.remarks, *second.remarks))
    if first.before != second.before:
        remarks["the two chats differ before the last question"] = None
    values = {"prompt": first.prompt, "response_0": first.answer, "response_1": second.answer}
    turns = {"turns_0": turns_of(first), "turns_1": turns_of(second)}
    return Row(values, {**canonical, **turns}, tuple(remarks))


def _of_choice(cells: Mapping[str, Any], *, order: Order) -> Row:
    """The chosen answer is the first, hence the one that the order names."""
    answers = [cells["chosen"], cells["rejected"]]
    asked = asked_by(cells)
    if asked is not None:
        talks = [_answered(asked, answer, prompt=cells.get("prompt")) for answer in answers]
    elif all(map(is_plain, answers)):
        talks = _parted(*answers)
    else:
        talks = [talk_of(answer) for answer in answers]
    return _with_scores(_compared(*talks, canonical={order: 0}), cells)


def _with_scores(row: Row, cells: Mapping[str, Any]) -> Row:
    """Say where scores do not put the chosen answer first."""
    for keys in (_SCORES[:2], _SCORES[2:4], _SCORES[4:]):
        first, second = (cells.get(key) for key in keys)
        if isinstance(first, int | float) and isinstance(second, int | float) and not first > second:
            return replace(row, remarks=(*row.remarks, f"{keys[0]} is not above {keys[1]}"))
    return row


def _answered(asked: Talk, answer: Any, *, prompt: Any) -> Talk:
    """The answer to a question; of a prompt with marked turns, the blank after the last mark belongs to the mark."""
    if isinstance(prompt, str) and is_marked(prompt) and isinstance(answer, str) and not is_marked(answer):
        answer = answer.removeprefix(" ")
    return continued(asked, answer)


def _parted(chosen: str, rejected: str) -> list[Talk]:
    """Plain texts that hold the prompt, too: it is what both begin with, up to the last blank before they part."""
    shared = len(_common(chosen, rejected))
    at = max(chosen.rfind(blank, 0, shared + 1) for blank in " \n\t") if shared < len(chosen) else -1
    if at <= 0:
        raise TalkError("no prompt", "neither a prompt nor a beginning that both texts share")
    remark = ("prompt taken from what both texts begin with",)
    talks = [talk_of(chosen[:at])] * _ANSWERS
    return [
        replace(continued(talk, text[at:]), remarks=remark)
        for talk, text in zip(talks, (chosen, rejected), strict=True)
    ]


def _common(first: str, second: str) -> str:
    for place, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return first[:place]
    return min(first, second, key=len)


def order_of(path: Path | None) -> Order | None:
    """What choosing means in a file of HH-RLHF, by the folder it lies in, which alone tells; else None."""
    return None if path is None else _FOLDERS.get(path.absolute().parent.name.lower())


_FOLDERS: Mapping[str, Order] = {
    "harmless-base": "safer",
    "helpful-base": "better",
    "helpful-online": "better",
    "helpful-rejection-sampled": "better",
}


def choices(order: Order, *, marked: bool = False, by_folder: bool = False) -> Unfolding:
    """Chosen and rejected answers; `order` is what choosing means, `marked` whether texts hold whole chats."""
    meaning = {
        "overall": "Chosen over rejected is one order of an unstated kind: it is kept as overall, and better and safer "
        "stay unknown. If it means one of them, say so: --columns chosen=better, or chosen=safer.",
        "better": "Chosen over rejected is taken for better, as was said.",
        "safer": "Chosen over rejected is taken for safer, as was said.",
    }
    return Unfolding(
        name="chosen and rejected answers",
        needs=("chosen", "rejected"),
        takes=(*_ASKED, *_SCORES),
        left=_SCORES,
        makes=("prompt", *_PAIR),
        of_row=lambda cells: _of_choice(cells, order=order),
        canonical={order: pl.UInt8(), "turns_0": TURNS, "turns_1": TURNS},
        said=(_BY_FOLDER.format(order=order),)
        if by_folder
        else (meaning[order], _OF_HH)
        if marked and order == "overall"
        else (meaning[order],),
    )


_BY_FOLDER = (
    "Chosen over rejected is taken for {order}: HH-RLHF names the folder that the file lies in so. If it is another "
    "file, say what choosing means: --columns chosen=overall."
)

_OF_HH = "(If this is HH-RLHF: chosen is better in its folders helpful-*, and safer in harmless-base.)"


def _list_under(key: str) -> Unfolding:
    return Unfolding(
        name=f"two answers in a list ({key})",
        needs=("prompt", key),
        makes=("prompt", *_PAIR),
        of_row=lambda cells: _of_list(cells, key=key),
        canonical={"turns_0": TURNS, "turns_1": TURNS},
        fits=lambda sample: _holds_lists(sample, key),
    )


def _of_list(cells: Mapping[str, Any], *, key: str) -> Row:
    answers = spelled(cells[key])
    if not isinstance(answers, Sequence) or isinstance(answers, str):
        raise TalkError("wrong type", f"{key} is no list")
    if len(answers) != _ANSWERS:
        raise TalkError("not two answers", f"{key} is a list of {len(answers)}")
    asked = asked_by(cells)
    if asked is None:
        raise TalkError("missing key", "no prompt")
    return _compared(*(continued(asked, answer) for answer in answers), canonical={})


def _holds_lists(sample: Batch, key: str) -> bool:
    """Whether most cells are lists of texts; one that is not of two is no comparison, and that is said of its row."""
    cells = [cell for cell in listed(sample.columns[key]) if cell is not ABSENT and cell is not None]
    return sum(map(_is_list_of_texts, cells)) * 2 > len(cells)


def _is_list_of_texts(cell: Any) -> bool:
    items = spelled(cell)
    is_list = isinstance(items, Sequence) and not isinstance(items, str)
    return is_list and len(items) > 0 and all(isinstance(item, str) for item in items)


def _of_two(cells: Mapping[str, Any]) -> Row:
    """Two answers under keys of their own, to a prompt that is a chat."""
    asked = asked_by(cells)
    if asked is None:
        raise TalkError("missing key", "no prompt")
    if any(cells[key] is None for key in _PAIR):
        raise TalkError("no answer", "an answer to a chat is missing")
    return _compared(*(continued(asked, cells[key]) for key in _PAIR), canonical={})


ANSWERS_TO_CHATS = Unfolding(
    name="two answers in chats",
    needs=("prompt", *_PAIR),
    makes=("prompt", *_PAIR),
    of_row=_of_two,
    canonical={"turns_0": TURNS, "turns_1": TURNS},
    fits=lambda sample: any(holds_chats(sample, key) for key in ("prompt", *_PAIR)),
)


def _of_posts(cells: Mapping[str, Any]) -> Row:
    """Two comments on a post; a label of 1 says that the first was preferred, and 0 the second."""
    order = _PREFERRED.get(str(cells["labels"]).lower())
    remarks = () if order is not None else ("labels is neither 0 nor 1",)
    texts = dict(zip(("prompt", *_PAIR), (cells[key] for key in _POSTS), strict=True))
    return Row(texts, {"overall": order}, remarks)


_PREFERRED = {"1": 0, "1.0": 0, "true": 0, "0": 1, "0.0": 1, "false": 1}  # a table of texts holds "1"

_POSTS = ("history", "human_ref_A", "human_ref_B")

COMMENTS_ON_POSTS = Unfolding(
    name="two comments on a post (SHP)",
    needs=(*_POSTS, "labels"),
    takes=("score_A", "score_B", "score_ratio"),
    left=("score_A", "score_B", "score_ratio"),
    makes=("prompt", *_PAIR),
    of_row=_of_posts,
    canonical={"overall": pl.UInt8()},
    said=(
        "labels is 1 where readers preferred human_ref_A: that order is kept as overall, better and safer are null.",
    ),
)

TWO_ANSWERS = (*map(_list_under, ("response", "responses", "answers")), ANSWERS_TO_CHATS, COMMENTS_ON_POSTS)
