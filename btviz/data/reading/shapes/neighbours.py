"""Files of the data sets beside BeaverTails and PKU-SafeRLHF: what their keys say, of an answer or of a prompt.

What is labelled of a prompt goes to the prompt, what is labelled of an answer to the pair: the columns `prompt_labels`
and `prompt_is_safe` beside `labels` and `is_safe`. Where keys alone would fit many files, the names of categories tell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from btviz.data.reading.cells import column_at
from btviz.data.reading.columns import ANSWER, PROMPT, SAFETY, Code
from btviz.data.reading.label_column import Labels, names_in
from btviz.data.reading.layouts import Field, Layout, Produces
from btviz.data.reading.record import Batch
from btviz.data.reading.shapes.messages import TalkError, spelled
from btviz.data.reading.shapes.unfolding import Row, Unfolding, listed
from btviz.taxonomy.categories import BEAVERTAILS, TAXONOMIES, Taxonomy
from btviz.taxonomy.neighbours import (
    AEGIS,
    BEAVERTAILS_V,
    DO_NOT_ANSWER,
    HARMBENCH,
    NEIGHBOUR_TAXONOMIES,
    OPENAI_MODERATION,
    SALAD,
    SORRY_BENCH,
    TOXICCHAT,
    WILDGUARDMIX,
    XSTEST,
)
from btviz.taxonomy.spelling import best_taxonomy, bit_of


def _layout(
    name: str,
    produces: Produces,
    taxonomy: Taxonomy,
    *fields: Field,
    told_by: str = "",
    not_kept: tuple[str, ...] = (),
    said: tuple[str, ...] = (),
) -> Layout:
    """A layout of one neighbour; `told_by` is a key whose values must be names of its categories."""
    fits = _names_of(told_by, taxonomy) if told_by else None
    return Layout(name, produces, fields, None, frozenset(not_kept), said=said, fits=fits).with_taxonomy(taxonomy)


def _names_of(key: str, taxonomy: Taxonomy) -> Callable[[Batch], bool]:
    """Whether what stands under a key is the name of a category in at least half of the rows."""

    def fits(sample: Batch) -> bool:
        cells = listed(sample.columns.get(key, []))
        known = sum(isinstance(cell, str) and bit_of(cell, taxonomy) is not None for cell in cells)
        return known > 0 and known * 2 >= len(cells)

    return fits


def _are_of_others(sample: Batch) -> bool:
    """Whether categories of prompts are known, and those of another taxonomy than BeaverTails-Evaluation has."""
    known = (*TAXONOMIES.values(), *NEIGHBOUR_TAXONOMIES.values())
    column = column_at(sample.columns, "category")
    return column is not None and best_taxonomy(names_in(column), known) not in {None, BEAVERTAILS}


def _prompt(key: str) -> Field:
    return Field("prompt", key, PROMPT)


def _optional(column: str, key: str, reader: Any) -> Field:
    return Field(column, key, reader, "allow", optional=True)


_FLAGS = Labels(is_partial=True)

_ONE_BASED = Code((0, 1), shift=1)


def _answer_of_v(i: int) -> tuple[Field, ...]:
    """One of two answers of BeaverTails-V, whose numbers begin at 1."""
    head = f"response_{i + 1}"
    return (
        Field(f"response_{i}", head, ANSWER),
        Field(f"is_safe_{i}", f"is_{head}_safe", SAFETY, "report", optional=True),
        _optional(f"source_{i}", f"{head}_from", PROMPT),
    )


_SALAD_KEPT = ("The second of three levels of categories is kept: the third has more than a set of labels holds.",)
_SALAD_REST = ("1-category", "3-category", "source", "method", "dmethod", "baseq", "choices", "gt")

_OF_PICTURE = ("Pictures are left out; the category is that of the picture and its question, and goes to the prompt.",)

_OF_SIX_MODELS = (
    "Answers of the models are not kept beside the questions. For those of one, say: --columns prompt=question "
    "response=GPT4_response is_safe=GPT4_harmful:unsafe"
)

_MODELS = ("GPT4", "ChatGPT", "Claude", "ChatGLM2", "llama2-7b-chat", "vicuna-7b")

NEIGHBOUR_LAYOUTS = (
    _layout(
        "aegis-2",
        "annotations",
        AEGIS,
        _prompt("prompt"),
        Field("response", "response", ANSWER, "allow", optional=True),
        _optional("is_safe", "response_label", SAFETY),
        Field("prompt_is_safe", "prompt_label", SAFETY, "report"),
        _optional("labels", "violated_categories", Labels(empty_is_none=True)),
        _optional("prompt_labels", "violated_categories_of_prompt", Labels(empty_is_none=True)),
        not_kept=("prompt_label_source", "response_label_source", "reconstruction_id_if_redacted"),
    ),
    _layout(
        "wildguardmix",
        "annotations",
        WILDGUARDMIX,
        _prompt("prompt"),
        Field("response", "response", ANSWER, "allow", optional=True),
        _optional("is_safe", "response_harm_label", SAFETY),
        Field("prompt_is_safe", "prompt_harm_label", SAFETY, "allow"),
        Field("prompt_labels", "subcategory", Labels(empty_is_none=True), "report"),
        not_kept=(
            *("adversarial", "response_refusal_label"),
            *(f"{name}_agreement" for name in ("prompt_harm", "response_harm", "response_refusal")),
        ),
        said=("The subcategory is that of the prompt; an answer has safety only.",),
    ),
    _layout(
        "toxicchat",
        "annotations",
        TOXICCHAT,
        _prompt("user_input"),
        Field("response", "model_output", ANSWER, "allow"),
        Field("prompt_is_safe", "toxicity", replace(SAFETY, inverted=True), "report"),
        Field("prompt_labels", "labelled", _FLAGS, "report"),
        not_kept=("human_annotation", "openai_moderation"),
        said=("Toxicity and jailbreaking are labelled of the prompt; answers have no labels.",),
    ),
    _layout(
        "openai-moderation",
        "prompts",
        OPENAI_MODERATION,
        _prompt("prompt"),
        Field("labels", "judged", _FLAGS, "report"),
        said=("A category that a row lacks was not judged; it counts as not flagged.",),
    ),
    _layout(
        "xstest",
        "annotations",
        XSTEST,
        _prompt("prompt"),
        Field("response", "response", ANSWER, "allow", optional=True),
        _optional("prompt_is_safe", "label", SAFETY),
        Field("prompt_labels", "type", Labels()),
        told_by="type",
        not_kept=("focus", "note", "annotation_1", "annotation_2", "agreement", "final_label"),
    ),
    _layout(
        "do-not-answer",
        "prompts",
        DO_NOT_ANSWER,
        _prompt("question"),
        Field("labels", "types_of_harm", Labels()),
        not_kept=(
            *("risk_area", "specific_harms"),
            *(f"{model}_{what}" for model in _MODELS for what in ("response", "harmful", "action")),
        ),
        said=(_OF_SIX_MODELS,),
    ),
    *(
        _layout(
            f"salad ({key})",
            "prompts",
            SALAD,
            _prompt(key),
            Field("labels", "2-category", Labels()),
            not_kept=_SALAD_REST,
            said=_SALAD_KEPT,
        )
        for key in ("augq", "daugq", "mcq", "question")
    ),
    _layout(
        "harmbench",
        "prompts",
        HARMBENCH,
        _prompt("Behavior"),
        Field("labels", "SemanticCategory", Labels()),
        not_kept=("FunctionalCategory", "Tags", "ContextString"),
        said=("A behaviour is what is asked for; the context of a contextual one is not kept.",),
    ),
    _layout(
        "sorry-bench",
        "prompts",
        SORRY_BENCH,
        _prompt("asked"),
        Field("labels", "domain", Labels(), "report"),
        not_kept=("prompt_style",),
        said=("Classes are kept as their four domains: there are more than a set of labels holds.",),
    ),
    _layout(
        "beavertails-v",
        "annotations",
        BEAVERTAILS_V,
        _prompt("question"),
        Field("response", "response", ANSWER),
        Field("is_safe", "is_response_safe", SAFETY, "report"),
        _optional("prompt_labels", "category", Labels()),
        not_kept=("image", "image_severity"),
        said=_OF_PICTURE,
    ),
    _layout(
        "beavertails-v (comparisons)",
        "preferences",
        BEAVERTAILS_V,
        _prompt("question"),
        *_answer_of_v(0),
        *_answer_of_v(1),
        Field("better", "more_helpful_response_id", _ONE_BASED, "report", optional=True),
        Field("safer", "safer_response_id", _ONE_BASED, "report", optional=True),
        _optional("prompt_labels", "category", Labels()),
        not_kept=(
            *("image", "image_severity"),
            *(f"response_{i}_{what}_rate" for i in (1, 2) for what in ("harmless", "harmfless", "helpful")),
        ),
        said=_OF_PICTURE,
    ),
    Layout(
        "labelled prompts",
        "prompts",
        (_prompt("prompt"), Field("labels", "category", Labels())),
        fits=_are_of_others,
    ),
)
"""Layouts of the neighbours."""


_DOMAINS = ((5, 0), (25, 1), (40, 2), (45, 3))
"""The last number of a class of SORRY-Bench in each domain."""


def _of_sorry(cells: Mapping[str, Any]) -> Row:
    """The one question of a list, and the domain of a class by its number."""
    turns, number = spelled(cells["turns"]), cells["category"]
    if not isinstance(turns, list) or len(turns) != 1 or not isinstance(turns[0], str):
        raise TalkError("wrong type", "turns is no list of one text")
    try:
        known = [domain for last, domain in reversed(_DOMAINS) if 1 <= int(number) <= last]
    except (TypeError, ValueError, OverflowError):
        known = []
    name = SORRY_BENCH.keys[known[-1]] if known else "a class that has no number"
    return Row({"asked": turns[0], "domain": name})


def _of_aegis(cells: Mapping[str, Any]) -> Row:
    """Categories are of the whole dialogue: of the answer, if there is one, else of the prompt."""
    answer = cells.get("response")
    whole = {key: cells.get(key) for key in ("prompt", "prompt_label", "response_label")}
    categories = cells.get("violated_categories")
    if answer is None or (answer == "" and not cells.get("response_label")):
        return Row({**whole, "response": None, "violated_categories_of_prompt": categories})
    return Row({**whole, "response": answer, "violated_categories": categories})


def _flagged(cells: Mapping[str, Any], taxonomy: Taxonomy) -> dict[str, Any]:
    return {key: cells[key] for key in taxonomy.keys if cells.get(key) not in (None, "")}


def _of_toxicchat(cells: Mapping[str, Any]) -> Row:
    """Two flags, one of which says whether the prompt is safe."""
    return Row({**{key: cells[key] for key in ("user_input", "toxicity")}, "labelled": _flagged(cells, TOXICCHAT)})


def _of_moderation(cells: Mapping[str, Any]) -> Row:
    """One flag for each category that was judged."""
    return Row({"prompt": cells["prompt"], "judged": _flagged(cells, OPENAI_MODERATION)})


def _has_letters(sample: Batch) -> bool:
    """Whether most categories of OpenAI's moderation are columns, and there is no answer."""
    letters = sum(key in sample.columns for key in OPENAI_MODERATION.keys)
    return letters * 2 >= len(OPENAI_MODERATION) and "response" not in sample.columns


_AEGIS = ("prompt", "response", "prompt_label", "response_label", "violated_categories")

NEIGHBOUR_UNFOLDINGS = (
    Unfolding(
        name="dialogues with categories (Aegis 2.0)",
        needs=("prompt", "prompt_label", "violated_categories"),
        takes=("response", "response_label"),
        makes=(*_AEGIS, "violated_categories_of_prompt"),
        of_row=_of_aegis,
        said=("Categories are of the whole dialogue: of the answer, or of a prompt that has none.",),
    ),
    Unfolding(
        name="questions in lists (SORRY-Bench)",
        needs=("turns", "category"),
        makes=("asked", "domain"),
        of_row=_of_sorry,
        fits=lambda sample: "prompt" not in sample.columns,
    ),
    Unfolding(
        name="flags of what users wrote (ToxicChat)",
        needs=("user_input", "toxicity", "jailbreaking"),
        makes=("user_input", "toxicity", "labelled"),
        of_row=_of_toxicchat,
    ),
    Unfolding(
        name="flags by letters (OpenAI moderation)",
        needs=("prompt",),
        takes=OPENAI_MODERATION.keys,
        makes=("prompt", "judged"),
        of_row=_of_moderation,
        fits=_has_letters,
    ),
)
