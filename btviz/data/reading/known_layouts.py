"""Layouts of the files that were released, and of files that differ from them by what they lack."""

from __future__ import annotations

from btviz.data.reading.columns import ANSWER, NAME, PROMPT, SAFETY, Code
from btviz.data.reading.label_column import Labels
from btviz.data.reading.layouts import Field, Layout
from btviz.taxonomy.categories import PKU_SAFERLHF

SEVERITY = Code((0, 1, 2, 3), tuple((word, level) for level, word in enumerate(PKU_SAFERLHF.severities)))

_SIDES = (("response_0", 0), ("response_1", 1), ("a", 0), ("b", 1))

ORDER = Code((0, 1), _SIDES)
"""Which of two answers."""

ORDER_OR_TIE = Code((-1, 0, 1), (*_SIDES, ("tie", -1)))

_PROMPT = Field("prompt", "prompt", PROMPT)

_ANSWER = Field("response", "response", ANSWER)


def _answer_fields(i: int) -> tuple[Field, ...]:
    head = f"response_{i}"
    return (
        Field(head, head, ANSWER),
        Field(f"is_safe_{i}", f"is_response_{i}_safe", SAFETY, "report", optional=True),
        Field(f"labels_{i}", f"{head}_harm_category", Labels(), "report", optional=True),
        Field(f"severity_{i}", f"{head}_severity_level", SEVERITY, "report", optional=True),
        Field(f"source_{i}", f"{head}_source", NAME, "allow", optional=True),
    )


LAYOUTS = (
    Layout(
        "beavertails",
        "annotations",
        (
            _PROMPT,
            _ANSWER,
            Field("is_safe", "is_safe", SAFETY),
            Field("labels", "category", Labels()),
            Field("severity", "severity_level", SEVERITY, "report", optional=True),
            Field("source", "response_source", NAME, "allow", optional=True),
        ),
    ),
    Layout(
        "saferlhf-qa",
        "annotations",
        (
            _PROMPT,
            _ANSWER,
            Field("is_safe", "is_safe", SAFETY),
            Field("labels", "harm_category", Labels()),
            Field("severity", "severity_level", SEVERITY, "report", optional=True),
            Field("source", "response_source", NAME, "allow", optional=True),
        ),
        not_kept=frozenset({"prompt_source"}),
    ),
    Layout(
        "preferences",
        "preferences",
        (
            _PROMPT,
            *_answer_fields(0),
            *_answer_fields(1),
            Field("better", "better_response_id", ORDER_OR_TIE, "report", optional=True),
            Field("safer", "safer_response_id", ORDER, "report", optional=True),
            Field("overall", "overall_response_id", ORDER_OR_TIE, "report", optional=True),
            Field("prompt_source", "prompt_source", NAME, "allow", optional=True),
        ),
    ),
    Layout(
        "answers",
        "annotations",
        (
            _PROMPT,
            _ANSWER,
            Field("is_safe", "is_safe", SAFETY, "report", optional=True),
            Field("labels", "category", Labels(), "report", optional=True),
            Field("labels", "harm_category", Labels(), "report", optional=True),
            Field("severity", "severity_level", SEVERITY, "report", optional=True),
            Field("source", "response_source", NAME, "allow", optional=True),
        ),
        not_kept=frozenset({"prompt_source"}),
    ),
    Layout(
        "evaluation",
        "prompts",
        (
            _PROMPT,
            Field("labels", "category", Labels(empty_is_none=False)),
            Field("is_safe", "is_safe", SAFETY, "report", optional=True),
        ),
        not_kept=frozenset({"category_id"}),
    ),
    Layout("judged-prompts", "prompts", (_PROMPT, Field("is_safe", "is_safe", SAFETY, "report"))),
    Layout("prompts", "prompts", (_PROMPT,)),
)
"""Every layout that is recognised: the first that at least half of a sample's rows fit, else that which most fit."""

SPLIT = Field("split", "split", NAME, "allow", optional=True)
"""A file of any layout may say in each row which split it is of."""
