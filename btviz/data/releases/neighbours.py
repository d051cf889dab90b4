"""Data sets of the same field by other authors, or in other forms: what their files look like, and how that is known.

They are read from a copy that you have, and never fetched: some ask for consent first. What could not be established is
None, and `evidence` says what was seen and where.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Grade = Literal["verified", "second-hand", "remembered"]
"""How a schema is known: seen in the authors' own card or repository; in the code or copies of others who use the
files, in agreement; or neither."""


@dataclass(frozen=True)
class Neighbour:
    """A data set that is recognised by its shape.

    Attributes
    ----------
    name, title : str
        Name in this registry, and the name people know.
    repo : str
        Data-set repository on the hub, or "github.com/owner/name".
    shape : str
        What a row is, in the keys of the files.
    tables : tuple of str
        Tables that its rows become.
    taxonomy : str
        Name of its harm categories in `btviz.taxonomy.NEIGHBOUR_TAXONOMIES`, or of released ones; "" for none.
    rows : int or None
        Rows of all splits as the authors state them.
    licence : str
        Licence of the data as stated.
    gated : bool or None
        Whether the hub asks for consent before it gives the files; None where that is not known.
    grade : {"verified", "second-hand", "remembered"}
        How keys and values are known.
    evidence : str
        What was seen, and what was not.
    citation : str
        The paper, as an address.
    note : str
        What a user should know before reading numbers.
    """

    name: str
    title: str
    repo: str
    shape: str
    tables: tuple[str, ...]
    taxonomy: str
    rows: int | None
    licence: str
    gated: bool | None
    grade: Grade
    evidence: str
    citation: str
    note: str


_ENTRIES = (
    Neighbour(
        name="aegis-2",
        title="Aegis 2.0 (Nemotron Content Safety V2)",
        repo="nvidia/Aegis-AI-Content-Safety-Dataset-2.0",
        shape="prompt, response, prompt_label, response_label, violated_categories (names joined by commas)",
        tables=("annotations", "prompts"),
        taxonomy="aegis-2",
        rows=33_416,
        licence="CC BY 4.0",
        gated=None,
        grade="verified",
        evidence="Keys, sizes, licence and categories: the authors' card. Spellings that differ in the files, such "
        "as 'Guns and Illegal Weapons', and the values 'Other' and 'Needs Caution': code of others that "
        "lists them.",
        citation="https://aclanthology.org/2025.naacl-long.306/",
        note="Categories are of the whole dialogue, in the order of how many annotators named them. Where a prompt "
        "is redacted its text says so; those rows are no evidence on words.",
    ),
    Neighbour(
        name="wildguardmix",
        title="WildGuardMix",
        repo="allenai/wildguardmix",
        shape="prompt, adversarial, response, prompt_harm_label, response_refusal_label, response_harm_label, "
        "subcategory",
        tables=("annotations", "prompts"),
        taxonomy="wildguardmix",
        rows=88_484,
        licence="ODC-BY",
        gated=True,
        grade="verified",
        evidence="Files, sizes, licence and consent: the authors' card. Spellings of subcategories and of labels: "
        "code of others that lists them, in agreement.",
        citation="https://arxiv.org/abs/2406.18495",
        note="The subcategory is that of the prompt: it goes to `prompts`, and an answer has safety only. Labels of "
        "the train split are by a model.",
    ),
    Neighbour(
        name="toxicchat",
        title="ToxicChat",
        repo="lmsys/toxic-chat",
        shape="user_input, model_output, toxicity (0, 1), jailbreaking (0, 1), openai_moderation",
        tables=("pairs", "prompts"),
        taxonomy="toxicchat",
        rows=10_165,
        licence="CC BY-NC 4.0",
        gated=None,
        grade="verified",
        evidence="Keys, types, sizes and licence: the authors' card.",
        citation="https://arxiv.org/abs/2310.17389",
        note="Labels are of what the user wrote; answers are kept without labels. Versions 0124 and 1123 have the "
        "same rows and other labels: load one.",
    ),
    Neighbour(
        name="openai-moderation",
        title="OpenAI moderation evaluation",
        repo="github.com/openai/moderation-api-release",
        shape="prompt, S, H, V, HR, SH, S3, H2, V2 (each 0 or 1, or not there)",
        tables=("prompts",),
        taxonomy="openai-moderation",
        rows=1_680,
        licence="MIT",
        gated=False,
        grade="verified",
        evidence="Keys and their meaning: the authors' repository. The licence: a copy on the hub that states it; "
        "the repository's own was not seen.",
        citation="https://arxiv.org/abs/2208.03274",
        note="A letter that a row lacks was not judged; it counts as not flagged here, and that is said.",
    ),
    Neighbour(
        name="xstest",
        title="XSTest",
        repo="github.com/paul-rottger/exaggerated-safety",
        shape="prompt, type, label (safe, unsafe), focus, note",
        tables=("prompts",),
        taxonomy="xstest",
        rows=450,
        licence="CC BY 4.0",
        gated=False,
        grade="verified",
        evidence="The file itself in the authors' repository: header, 18 types of 25, 250 safe and 200 unsafe prompts.",
        citation="https://aclanthology.org/2024.naacl-long.301/",
        note="Types say how a prompt is worded, not what harm it asks for. Of files of completions the answers are "
        "kept, and not the labels of refusal.",
    ),
    Neighbour(
        name="do-not-answer",
        title="Do-Not-Answer",
        repo="LibrAI/do-not-answer",
        shape="question, risk_area, types_of_harm, specific_harms, and for six models NAME_response, NAME_harmful, "
        "NAME_action",
        tables=("prompts",),
        taxonomy="do-not-answer",
        rows=939,
        licence="Apache 2.0 on the hub",
        gated=None,
        grade="verified",
        evidence="Keys, types, size and licence: the authors' card. Spellings of the 12 types of harm: code of "
        "others that lists them, in agreement.",
        citation="https://arxiv.org/abs/2308.13387",
        note="Categories are those of the question. Answers of six models stand beside it and are not kept; those of"
        " one are read with columns=.",
    ),
    Neighbour(
        name="salad",
        title="SALAD-Bench (base and enhanced questions)",
        repo="OpenSafetyLab/Salad-Data",
        shape="question (or augq, daugq), 1-category, 2-category, 3-category",
        tables=("prompts",),
        taxonomy="salad",
        rows=21_318,
        licence="Apache 2.0",
        gated=None,
        grade="verified",
        evidence="Keys, size of the base set and licence: the authors' card, with examples. Spellings of the 16 "
        "tasks: code of others that lists them, in agreement.",
        citation="https://arxiv.org/abs/2402.05044",
        note="The second level of three is kept: the third has 66 categories, and a label mask holds 32.",
    ),
    Neighbour(
        name="harmbench",
        title="HarmBench behaviours",
        repo="github.com/centerforaisafety/HarmBench",
        shape="Behavior, FunctionalCategory, SemanticCategory, Tags, ContextString, BehaviorID",
        tables=("prompts",),
        taxonomy="harmbench",
        rows=400,
        licence="MIT",
        gated=False,
        grade="second-hand",
        evidence="Columns, categories, size and licence: code and copies of others, in agreement; the authors' "
        "repository was not at hand.",
        citation="https://arxiv.org/abs/2402.04249",
        note="A behaviour is what is asked for, not always a question; a contextual one belongs to its "
        "ContextString, which is not kept.",
    ),
    Neighbour(
        name="sorry-bench",
        title="SORRY-Bench",
        repo="sorry-bench/sorry-bench-202503",
        shape="question_id, category (a number), turns (a list of one), prompt_style",
        tables=("prompts",),
        taxonomy="sorry-bench",
        rows=None,
        licence="a licence of its own",
        gated=True,
        grade="second-hand",
        evidence="Keys, numbers and their four domains (1 to 5, 6 to 25, 26 to 40, 41 to 45): code of others, in "
        "agreement. The card was not seen, and whether 202503 numbers as 202406 did is not known.",
        citation="https://arxiv.org/abs/2406.14598",
        note="Classes are kept as their four domains: there are 44 or 45, and a label mask holds 32.",
    ),
    Neighbour(
        name="beavertails-v",
        title="BeaverTails-V",
        repo="PKU-Alignment/BeaverTails-V",
        shape="question, image, category, image_severity, response, is_response_safe (yes, no); before that two "
        "answers with ids 1 and 2",
        tables=("annotations", "preferences", "prompts"),
        taxonomy="beavertails-v",
        rows=None,
        licence="CC BY-NC 4.0",
        gated=None,
        grade="verified",
        evidence="Keys, types and licence of both forms: the authors' cards. Values ('yes', 1 and 2) and the 20 "
        "categories: code of others, in agreement.",
        citation="https://arxiv.org/abs/2503.17682",
        note="The picture is left out, and without it a question may not say what was asked. The category is that of"
        " the picture: an answer that is safe has one, too.",
    ),
    Neighbour(
        name="beavertails-it",
        title="BeaverTails-IT",
        repo="saiteki-kai/BeaverTails-it",
        shape="as BeaverTails: prompt, response, category, is_safe",
        tables=("annotations",),
        taxonomy="beavertails",
        rows=None,
        licence="not seen",
        gated=None,
        grade="second-hand",
        evidence="Keys: code that reads it. A translation of 330k by several systems, one configuration for each.",
        citation="https://ceur-ws.org/Vol-4112/59_main_long.pdf",
        note="Any translation that keeps the keys is read as BeaverTails is, and is none of its releases.",
    ),
    Neighbour(
        name="hh-rlhf",
        title="HH-RLHF",
        repo="Anthropic/hh-rlhf",
        shape="chosen, rejected: one text each, with '\\n\\nHuman:' and '\\n\\nAssistant:' before each turn",
        tables=("preferences", "conversations"),
        taxonomy="",
        rows=None,
        licence="MIT",
        gated=False,
        grade="verified",
        evidence="Keys, folders and licence: the authors' card. How turns are marked: the code of many who read it.",
        citation="https://arxiv.org/abs/2204.05862",
        note="Chosen is the more helpful answer in the folders helpful-*, the more harmless one in harmless-base: "
        "files that lie in folders of these names are read so, and that is said. A file alone does not say which, so "
        "it loads as `overall` unless you say. red-team-attempts is of another shape.",
    ),
    Neighbour(
        name="shp",
        title="Stanford Human Preferences (SHP)",
        repo="stanfordnlp/SHP",
        shape="history, human_ref_A, human_ref_B, labels, score_A, score_B, score_ratio, seconds_difference, domain, …",
        tables=("preferences",),
        taxonomy="",
        rows=None,
        licence="not seen",
        gated=False,
        grade="second-hand",
        evidence="Two public copies of rows and code that reads them, which agree on keys and on what labels means.",
        citation="https://proceedings.mlr.press/v162/ethayarajh22a.html",
        note="The first comment was preferred where labels is 1, by votes of readers: neither helpfulness nor "
        "harmlessness, so it is `overall`. Scores, times and domains are not kept.",
    ),
)

NEIGHBOURS = {entry.name: entry for entry in _ENTRIES}
"""Every neighbouring data set, by registry name."""
