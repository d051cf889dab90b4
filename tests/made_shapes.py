"""Rows in the shapes that trainers and other data sets use, all of them benign, as their files spell them."""

from __future__ import annotations

from typing import Any

Rows = list[dict[str, Any]]


def said(role: str, content: str) -> dict[str, str]:
    """A message as OpenAI, TRL and the hub write it."""
    return {"role": role, "content": content}


def told(speaker: str, value: str) -> dict[str, str]:
    """A message as ShareGPT writes it."""
    return {"from": speaker, "value": value}


ASKED = ("Which pan?", "And the lid?", "Why so?")
ANSWERED = ("An iron one.", "A glass one.", "It lasts.")
WORSE = "Any will do."


def chat(turns: int = 1, *, answered: bool = True) -> list[dict[str, str]]:
    """Messages of some turns."""
    messages = []
    for asked, answer in zip(ASKED[:turns], ANSWERED, strict=False):
        messages += [said("user", asked), said("assistant", answer)]
    return messages if answered else messages[:-1]


def sharegpt(turns: int = 1, *, answered: bool = True) -> list[dict[str, str]]:
    """The same, as ShareGPT writes it."""
    names = {"user": "human", "assistant": "gpt"}
    return [told(names[m["role"]], m["content"]) for m in chat(turns, answered=answered)]


def marked(turns: int = 1, *, last: str | None = None) -> str:
    """The same in one text, as HH-RLHF writes it; `last` in place of the last answer."""
    messages = chat(turns)
    if last is not None:
        messages[-1] = said("assistant", last)
    names = {"user": "Human", "assistant": "Assistant"}
    return "".join(f"\n\n{names[m['role']]}: {m['content']}" for m in messages)


CHATS: dict[str, Rows] = {
    "messages": [{"messages": chat(1)}, {"messages": chat(2)}],
    "conversations": [{"conversations": sharegpt(1)}, {"conversations": sharegpt(2)}],
    "system first": [
        {"messages": [said("system", "Be brief."), *chat(1)]},
        {"messages": [said("system", "Be brief."), *chat(2)]},
    ],
    "prompt and completion": [
        {"prompt": chat(1, answered=False), "completion": [said("assistant", ANSWERED[0])]},
        {"prompt": chat(2, answered=False), "completion": [said("assistant", ANSWERED[1])]},
    ],
    "alpaca": [
        {"instruction": "Which pan?", "input": "", "output": "An iron one.", "history": []},
        {"instruction": "And the lid?", "input": "", "output": "A glass one.", "history": [[ASKED[0], ANSWERED[0]]]},
    ],
    "parts": [
        {"messages": [{"role": m["role"], "content": [{"type": "text", "text": m["content"]}]} for m in chat(turns)]}
        for turns in (1, 2)
    ],
    "transcript": [{"transcript": marked(1)}, {"transcript": marked(2)}],
    "prompt that is a chat": [
        {"prompt": chat(1, answered=False), "response": ANSWERED[0]},
        {"prompt": chat(2, answered=False), "response": ANSWERED[1]},
    ],
}
"""Two rows each: a chat of one turn and one of two, whose first is the same."""

_EXPLICIT = {"chosen": ANSWERED[0], "rejected": WORSE}

CHOICES: dict[str, Rows] = {
    "texts": [{"prompt": ASKED[0], **_EXPLICIT}],
    "messages": [
        {
            "prompt": chat(1, answered=False),
            "chosen": [said("assistant", ANSWERED[0])],
            "rejected": [said("assistant", WORSE)],
        }
    ],
    "messages with the prompt in them": [
        {"chosen": chat(1), "rejected": [said("user", ASKED[0]), said("assistant", WORSE)]}
    ],
    "UltraFeedback": [
        {
            "prompt": ASKED[0],
            "chosen": chat(1),
            "rejected": [said("user", ASKED[0]), said("assistant", WORSE)],
            "messages": chat(1),
            "score_chosen": 8.0,
            "score_rejected": 3.0,
        }
    ],
    "alpaca": [{"instruction": ASKED[0], "input": "", **_EXPLICIT}],
    "ShareGPT": [
        {
            "conversations": sharegpt(1, answered=False),
            "chosen": told("gpt", ANSWERED[0]),
            "rejected": told("gpt", WORSE),
        }
    ],
    "HH-RLHF": [{"chosen": marked(1), "rejected": marked(1, last=WORSE)}],
    "marked prompt": [
        {"prompt": f"\n\nHuman: {ASKED[0]}\n\nAssistant:", "chosen": f" {ANSWERED[0]}", "rejected": f" {WORSE}"}
    ],
}
"""One comparison each, of the same two answers to the same question."""
