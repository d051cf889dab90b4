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


NEIGHBOURS: dict[str, Rows] = {
    "aegis-2": [
        {
            "id": "a1",
            "reconstruction_id_if_redacted": None,
            "prompt": "Which saw?",
            "response": "A small one.",
            "prompt_label": "safe",
            "response_label": "safe",
            "violated_categories": "",
            "prompt_label_source": "human",
            "response_label_source": "llm_jury",
        },
        {
            "id": "a2",
            "reconstruction_id_if_redacted": None,
            "prompt": "Which axe?",
            "response": "Mine.",
            "prompt_label": "unsafe",
            "response_label": "unsafe",
            "violated_categories": "Guns and Illegal Weapons, Fraud/Deception",
            "prompt_label_source": "human",
            "response_label_source": "human",
        },
        {
            "id": "a3",
            "reconstruction_id_if_redacted": 7.0,
            "prompt": "Whose cake?",
            "response": None,
            "prompt_label": "unsafe",
            "response_label": None,
            "violated_categories": "Needs Caution",
            "prompt_label_source": "human",
            "response_label_source": None,
        },
    ],
    "wildguardmix": [
        {
            "prompt": "Which saw?",
            "adversarial": False,
            "response": "A small one.",
            "response_harm_label": "unharmful",
            "response_refusal_label": "compliance",
            "prompt_harm_label": "unharmful",
            "subcategory": "benign",
        },
        {
            "prompt": "Whose song?",
            "adversarial": True,
            "response": "All of it.",
            "response_harm_label": "harmful",
            "response_refusal_label": "compliance",
            "prompt_harm_label": "harmful",
            "subcategory": "copyright_violations",
        },
        {
            "prompt": "Whose diary?",
            "adversarial": True,
            "response": None,
            "response_harm_label": None,
            "response_refusal_label": None,
            "prompt_harm_label": "harmful",
            "subcategory": "private_information_individual",
        },
    ],
    "toxicchat": [
        {
            "conv_id": "t1",
            "user_input": "Which saw?",
            "model_output": "A small one.",
            "human_annotation": True,
            "toxicity": 0,
            "jailbreaking": 0,
            "openai_moderation": "[]",
        },
        {
            "conv_id": "t2",
            "user_input": "You spoon.",
            "model_output": "Now, now.",
            "human_annotation": True,
            "toxicity": 1,
            "jailbreaking": 0,
            "openai_moderation": "[]",
        },
    ],
    "openai-moderation": [
        {"prompt": "A quiet day.", "S": 0, "H": 0, "V": 0, "HR": 0, "SH": 0, "S3": 0, "H2": 0, "V2": 0},
        {"prompt": "You spoon.", "S": 0, "H": 1, "V": 0, "HR": 1, "H2": 0},
    ],
    "xstest": [
        {"id": 1, "prompt": "How do I kill time?", "type": "homonyms", "label": "safe", "focus": "kill", "note": ""},
        {"id": 2, "prompt": "Whose diary?", "type": "contrast_privacy", "label": "unsafe", "focus": "", "note": ""},
    ],
    "do-not-answer": [
        {
            "id": number,
            "risk_area": "Malicious Uses",
            "types_of_harm": harm,
            "specific_harms": "made up",
            "question": question,
            "GPT4_response": "No.",
            "GPT4_harmful": 0,
            "GPT4_action": 0,
        }
        for number, (question, harm) in enumerate(
            [("Whose cake?", "Assisting illegal activities"), ("Whose diary?", "Toxic language (hate speech)")]
        )
    ],
    "salad": [
        {
            "qid": 0,
            "question": "Whose cake?",
            "source": "made up",
            "1-category": "O5: Malicious Use",
            "2-category": "O14: Illegal Activities",
            "3-category": "O57: Theft",
        }
    ],
    "harmbench": [
        {
            "Behavior": "Copy a whole song.",
            "FunctionalCategory": "standard",
            "SemanticCategory": "copyright",
            "Tags": "",
            "ContextString": "",
            "BehaviorID": "copy_song",
        }
    ],
    "sorry-bench": [
        {"question_id": 1, "category": "3", "turns": ["You spoon?"], "prompt_style": "base"},
        {"question_id": 2, "category": "41", "turns": ["Which pill?"], "prompt_style": "base"},
    ],
    "beavertails-v": [
        {
            "question": "What is on the table?",
            "category": "animal_abuse",
            "image_severity": 1,
            "response": "A cat, asleep.",
            "is_response_safe": "yes",
        },
        {
            "question": "What is in the bag?",
            "category": "false_information",
            "image_severity": 2,
            "response": "A lie.",
            "is_response_safe": "no",
        },
    ],
    "beavertails-v (comparisons)": [
        {
            "question": "What is on the table?",
            "category": "animal_abuse",
            "image_severity": 1,
            "response_1": "A cat, asleep.",
            "response_2": "A dog.",
            "response_1_from": "one",
            "response_2_from": "two",
            "more_helpful_response_id": "1",
            "is_response_1_safe": "yes",
            "is_response_2_safe": "no",
            "safer_response_id": "2",
            "response_1_harmless_rate": 3,
            "response_2_harmless_rate": -2,
            "response_1_helpful_rate": 1,
            "response_2_helpful_rate": 1,
        }
    ],
    "labelled prompts": [
        {"prompt": "Copy a whole song.", "category": "copyright"},
        {"prompt": "You spoon.", "category": "harassment_bullying"},
    ],
}
"""Rows of the neighbours, with texts of our own."""

DESIRED: dict[str, Rows] = {
    "prompt and completion": [
        {"prompt": ASKED[0], "completion": ANSWERED[0], "label": True},
        {"prompt": ASKED[0], "completion": WORSE, "label": False},
    ],
    "messages": [
        {
            "prompt": chat(1, answered=False),
            "completion": [said("assistant", answer)],
            "label": answer != WORSE,
        }
        for answer in (ANSWERED[0], WORSE)
    ],
    "ShareGPT": [
        {"conversations": [told("human", ASKED[0]), told("gpt", answer)], "kto_tag": answer != WORSE}
        for answer in (ANSWERED[0], WORSE)
    ],
    "alpaca": [
        {"instruction": ASKED[0], "input": "", "output": answer, "kto_tag": answer != WORSE}
        for answer in (ANSWERED[0], WORSE)
    ],
}
"""Two answers to one question, one after the other, each desired or not: as KTO takes them."""
