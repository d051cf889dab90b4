"""Chats and instructions: the last question and its answer become a pair, the turns before them a conversation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from btviz.data.conversations import TURNS
from btviz.data.reading.record import ABSENT, Batch
from btviz.data.reading.shapes.messages import ROLE_KEYS, Talk, TalkError, continued, is_marked, spelled, talk_of
from btviz.data.reading.shapes.unfolding import Row, Unfolding, listed, turns_of

CHATS = ("messages", "conversations", "conversation", "dialogue", "dialog", "transcript")
"""Keys under which whole chats are found."""


QUESTIONS = ("prompt", "question", "query")
"""Keys under which the question stands beside chosen and rejected answers."""


def asked_by(cells: Mapping[str, Any]) -> Talk | None:
    """The question that a row asks outside its answers, with the turns before it; None where it has none."""
    keys = [key for key in (*QUESTIONS, "instruction", *CHATS, "input") if cells.get(key) is not None]
    if not keys:
        return None
    talk = _instructed(cells) if keys[0] == "instruction" else talk_of(cells[keys[0]])
    if talk.pending is None:
        raise TalkError("no question", "the prompt ends with an answer")
    remarks = ("system message left out",) if cells.get("system") else ()
    return replace(talk, remarks=(*talk.remarks, *remarks))


def _instructed(cells: Mapping[str, Any]) -> Talk:
    """An instruction with its input on a line of its own, after the turns of its history."""
    instruction, given = cells["instruction"], cells.get("input")
    if not isinstance(instruction, str) or not isinstance(given, str | None):
        raise TalkError("wrong type", "instruction or input is no text")
    asked = talk_of(f"{instruction}\n{given}" if given else instruction)
    history = spelled(cells.get("history"))
    before = talk_of(history) if history else Talk()
    if before.pending is not None:
        raise TalkError("no answer", "the history ends with a question")
    return Talk(before.turns, asked.pending, before.remarks)


def row_of(talk: Talk) -> Row:
    """A chat as a row: its last question, the answer if there is one, and all turns if there are several."""
    values = {"prompt": talk.prompt} | ({} if talk.answer is None else {"response": talk.answer})
    return Row(values, {"turns": turns_of(talk)}, talk.remarks)


def _of_chat(cells: Mapping[str, Any]) -> Row:
    return row_of(talk_of(next(cells[key] for key in CHATS if key in cells)))


def _of_completion(cells: Mapping[str, Any]) -> Row:
    return row_of(continued(_asked(cells), cells["completion"]))


def _of_instruction(cells: Mapping[str, Any]) -> Row:
    return row_of(continued(_asked(cells), cells["output"]))


def _of_question(cells: Mapping[str, Any]) -> Row:
    """A prompt and its answer, or a prompt alone; one of them is a chat."""
    answer = cells.get("response")
    if answer is not None:
        return row_of(continued(_asked(cells), answer))
    talk = talk_of(cells["prompt"])
    return row_of(talk)


def _of_turn(cells: Mapping[str, Any]) -> Row:
    """A row of its own for each turn: its number tells the order, and the rest is plain."""
    name, turn = cells["conversation_id"], cells["turn"]
    if not isinstance(name, str | int) or isinstance(name, bool) or name == "":
        raise TalkError("wrong type", "conversation_id is no name")
    try:
        number = int(turn)
    except (TypeError, ValueError, OverflowError):
        raise TalkError("wrong type", "turn is no number") from None
    values = {key: cells[key] for key in ("conversation_id", "prompt", "response")}
    return Row(values, {"conversation_id": str(name), "turn": number})


def _asked(cells: Mapping[str, Any]) -> Talk:
    asked = asked_by(cells)
    if asked is None:
        raise TalkError("missing key", "no prompt")
    return asked


def holds_chats(sample: Batch, key: str) -> bool:
    """Whether most cells of a key are messages, or texts with marked turns."""
    return _are_most(sample, key, lambda cell: _are_messages(cell) or (isinstance(cell, str) and is_marked(cell)))


def _are_most(sample: Batch, key: str, is_one: Callable[[Any], bool]) -> bool:
    cells = [cell for cell in listed(sample.columns.get(key, [])) if cell is not ABSENT and cell is not None]
    return sum(map(is_one, cells)) * 2 > len(cells)


def _are_messages(cell: Any) -> bool:
    if isinstance(cell, str):
        begins = cell.lstrip()[:2]
        return begins in {"[{", "[("} and any(f"{q}{key}{q}" in cell for key in ROLE_KEYS for q in "'\"")
    items: Sequence[Any] = [cell] if isinstance(cell, Mapping) else cell if isinstance(cell, Sequence) else []
    return any(isinstance(item, Mapping) and any(key in item for key in ROLE_KEYS) for item in items)


_OF_CHATS = (
    "Of each chat the last question and its answer are the pair; chats of several turns are whole in ds.conversations."
)


_OF_TRANSCRIPTS = (
    *("min_harmlessness_score_transcript", "task_description_harmlessness_score", "rating", "tags"),
    *("task_description", "red_team_member_id", "is_upworker", "num_params", "model_type"),
)
"""What HH-RLHF's red-team attempts say of a transcript as a whole: nothing of the last answer."""

_ATTEMPTS = (
    "Of each red-team attempt rating (how well the attacker thought it went, higher is more) and "
    "min_harmlessness_score_transcript (a model's score, lower is more harmful) are of the whole transcript, not of "
    "its last answer, and are not kept. If one of them is to say whether that is safe, choose the cut: --columns "
    "prompt=transcript 'is_safe=min_harmlessness_score_transcript>0'"
)


def _chat_under(key: str) -> Unfolding:
    return Unfolding(
        name=f"chats ({key})",
        needs=(key,),
        takes=("prompt",),  # the first question again
        makes=("prompt", "response"),
        of_row=_of_chat,
        canonical={"turns": TURNS},
        said=(_OF_CHATS,),
        fits=lambda sample: "response" not in sample.columns and holds_chats(sample, key),
    )


ATTEMPTS = Unfolding(
    name="red-team attempts (HH-RLHF)",
    needs=("transcript", "rating"),
    takes=("prompt", *_OF_TRANSCRIPTS),
    left=_OF_TRANSCRIPTS,
    makes=("prompt", "response"),
    of_row=_of_chat,
    canonical={"turns": TURNS},
    said=(_OF_CHATS, _ATTEMPTS),
    fits=lambda sample: "response" not in sample.columns and holds_chats(sample, "transcript"),
)

_DESIRED = (
    "Whether an answer is desired ({key}) is neither its safety nor a comparison of two, and is not kept. If it means "
    "safety in this file, say so: --columns is_safe={key}"
)


def _holds_flags(sample: Batch, key: str) -> bool:
    cells = listed(sample.columns[key])
    return sum(map(_is_flag, cells)) * 2 > len(cells)


def _is_flag(cell: Any) -> bool:
    """Whether a cell is true or false, or nothing, as it is or as a table of text spells it."""
    if isinstance(cell, str):
        return cell.strip().lower() in {"true", "false", "0", "1", ""}
    return cell is None or cell is ABSENT or cell in (0, 1)


def _rated_under(key: str, answers: Unfolding) -> Unfolding:
    """Answers one by one, each desired or not, as KTO takes them."""
    return replace(
        answers,
        name=f"answers that are desired or not ({key})",
        needs=(*answers.needs, key),
        left=(key,),
        said=(_DESIRED.format(key=key),),
        fits=lambda sample: _holds_flags(sample, key) and (answers.fits is None or answers.fits(sample)),
    )


COMPLETIONS = Unfolding(
    name="prompts and completions",
    needs=("prompt", "completion"),
    makes=("prompt", "response"),
    of_row=_of_completion,
    canonical={"turns": TURNS},
)

INSTRUCTIONS = Unfolding(
    name="instructions",
    needs=("instruction", "output"),
    takes=("input", "history", "system"),
    makes=("prompt", "response"),
    of_row=_of_instruction,
    canonical={"turns": TURNS},
)

PROMPTS = Unfolding(
    name="prompts or answers that are chats",
    needs=("prompt",),
    takes=("response",),
    makes=("prompt", "response"),
    of_row=_of_question,
    canonical={"turns": TURNS},
    fits=lambda sample: holds_chats(sample, "prompt") or _are_most(sample, "response", _are_messages),
)

DESIRED = (
    _rated_under("label", COMPLETIONS),
    *(_rated_under("kto_tag", answers) for answers in (*map(_chat_under, CHATS), INSTRUCTIONS, COMPLETIONS)),
)

TURNS_IN_ROWS = Unfolding(
    name="turns of chats, one a row",
    needs=("conversation_id", "turn", "prompt", "response"),
    makes=("conversation_id", "prompt", "response"),
    of_row=_of_turn,
    canonical={"conversation_id": pl.String(), "turn": pl.Int64()},
    said=("Each turn is a pair; ds.conversations has them in their order.",),
)

CHAT_UNFOLDINGS = (TURNS_IN_ROWS, ATTEMPTS, *DESIRED, *map(_chat_under, CHATS), COMPLETIONS, INSTRUCTIONS, PROMPTS)
