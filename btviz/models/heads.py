"""The head of a checkpoint: a reward or cost model is recognised by its `score_head`, a classifier by its outputs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from btviz.errors import DataError, UsageError, require
from btviz.models.checkpoint import Checkpoint
from btviz.models.guards import Guard, bundled_guards, guard_of
from btviz.models.protocol import recorded_threshold
from btviz.taxonomy.categories import TAXONOMIES

BEAVER_THRESHOLD = 0.4
"""What the code released with beaver-dam-7b flags at; many of its users take 0.5."""

BEAVER = "Safe RLHF score head"
MODERATION = "BeaverTails moderation"
CLASSIFIER = "sequence classifier"

SCORE_HEAD = "score_head.weight"
"""Tensor by which a reward or cost model of Safe RLHF is recognised: the weights of its head."""

LAYOUTS = (
    (
        BEAVER,
        SCORE_HEAD,
        "a reward or a cost",
        "tiny checkpoints of LLaMA and GPT-2; released ones where they are here",
    ),
    (MODERATION, "a classifier with 14 outputs", "probabilities of the 14", "tiny checkpoints of LLaMA"),
    (CLASSIFIER, "*ForSequenceClassification", "one output: a reward; several: probabilities", "tiny LLaMA and BERT"),
)
"""Layouts with a head: name, how each is recognised, what it gives, and how far it was tested."""

_GENERIC = re.compile(r"LABEL_\d+")


@dataclass(frozen=True)
class Head:
    """What the numbers of a checkpoint mean, and which texts it reads."""

    name: str
    kind: str
    labels: tuple[str, ...] = ()
    threshold: float | None = None
    activation: str | None = None


def layouts() -> list[dict[str, str]]:
    """Layouts of models that can be loaded.

    Returns
    -------
    list of dict
        `layout`, `recognised_by`, `gives`, `tested`: of heads, then of guards that are bundled.
    """
    guards = [
        (f"guard: {g.title}", ", ".join(g.models), ", ".join(g.labels), f"a tiny checkpoint; {g.checked}")
        for g in bundled_guards().values()
    ]
    names = ("layout", "recognised_by", "gives", "tested")
    return [dict(zip(names, row, strict=True)) for row in (*LAYOUTS, *guards)]


def guard_for(checkpoint: Checkpoint, *, kind: str | None, stated: Guard | None) -> Guard | None:
    """Return the guard that a model which answers in words is read by; None for one with a head for scores."""
    if SCORE_HEAD not in checkpoint.tensors:
        _refuse_code_of_its_own(checkpoint)
    answers = checkpoint.architecture.endswith("ForCausalLM") and SCORE_HEAD not in checkpoint.tensors
    if not answers:
        if stated is not None:
            raise UsageError(
                f"Asked to load {checkpoint.name!r} as a guard; its architecture is "
                f"{checkpoint.architecture or None!r}, which gives scores and no words. Leave --guard out."
            )
        return None
    guard = stated or guard_of(checkpoint.name)
    if guard is not None and kind in {"reward", "cost"}:
        raise UsageError(
            f"Asked to load {checkpoint.name!r} as a {kind} model; it answers in words and has no head for a score. "
            "Ask for kind='moderation', or give the model that was trained to score."
        )
    return guard


def recognise_head(checkpoint: Checkpoint, *, kind: str | None) -> Head:
    """Tell the head of a checkpoint by its tensors, its configuration and its name."""
    if SCORE_HEAD in checkpoint.tensors:
        if kind == "moderation":
            raise UsageError(
                f"Asked to load {checkpoint.name!r} as a moderation model; it has a score head, which gives one score. "
                "Ask for kind='reward' or kind='cost'."
            )
        return Head(BEAVER, kind or _kind_of(checkpoint))
    if not checkpoint.architecture.endswith("ForSequenceClassification"):
        raise DataError(
            f"Asked to load {checkpoint.name!r} as a score model; its architecture is "
            f"{checkpoint.architecture or None!r} and it has no {SCORE_HEAD}. Give a sequence classifier, or a model "
            "with the head of Safe RLHF; of a model that answers in words, say by --guard how: one of "
            f"{', '.join(bundled_guards())}, or a file (docs/guards.md)."
        )
    return _classifier(checkpoint, kind=kind)


def _refuse_code_of_its_own(checkpoint: Checkpoint) -> None:
    """Refuse a model that is Python which comes with it, as ArmoRM, URM, InternLM2-reward and MD-Judge v0.2 are."""
    if checkpoint.config.get("auto_map") and not hasattr(
        require("transformers", extra="models"), checkpoint.architecture
    ):
        raise DataError(
            f"Asked to load {checkpoint.name!r}; its {checkpoint.architecture or 'network'} is code that comes with it "
            "(auto_map in its config.json), and btviz runs none. Score where you trust that code, and read the scores "
            "with btviz score --from."
        )


def _kind_of(checkpoint: Checkpoint) -> str:
    """Kind by name, else by configuration: that of beaver-7b-v1.0-cost is thought to say "reward"."""
    for name in (checkpoint.name, str(checkpoint.config.get("_name_or_path", ""))):
        if kinds := re.findall(r"(?<![a-z])(reward|cost)(?![a-z])", name.lower()):
            return str(kinds[-1])
    if (stated := checkpoint.config.get("score_type")) in {"reward", "cost"}:
        return str(stated)
    raise UsageError(
        f"Asked to load {checkpoint.name!r}; neither its name nor its config.json says whether a high score is good. "
        "Say kind='reward' (high is helpful) or kind='cost' (high is harmful); --kind on the command line."
    )


def _classifier(checkpoint: Checkpoint, *, kind: str | None) -> Head:
    names = checkpoint.config.get("id2label") or {}
    unnamed = [f"LABEL_{i}" for i in range(checkpoint.config.get("num_labels") or 0)]
    if not (isinstance(names, Mapping) and all(str(key).isdecimal() for key in names)):
        raise DataError(
            f"Asked to load {checkpoint.name!r}; id2label of its config.json is no map from numbers to names. Mend it."
        )
    outputs = [str(names[key]) for key in sorted(names, key=int)] or unnamed
    if len(outputs) == 1 and kind != "moderation":
        named = re.search(r"(?<![a-z])cost(?![a-z])", checkpoint.name.lower())
        return Head(CLASSIFIER, kind or ("cost" if named else "reward"))
    if kind in {"reward", "cost"}:
        raise UsageError(
            f"Asked to load {checkpoint.name!r} as a {kind} model; it has {len(outputs)} outputs. Ask for "
            "kind='moderation'."
        )
    labels = _slugs(outputs, name=checkpoint.name)
    is_beaver = set(labels) == set(_beaver_slugs())
    usual = BEAVER_THRESHOLD if is_beaver else None
    exclusive = checkpoint.config.get("problem_type") != "multi_label_classification" and len(labels) > 1
    return Head(
        name=MODERATION if is_beaver else CLASSIFIER,
        kind="moderation",
        labels=labels,
        threshold=_threshold(checkpoint, usual=usual),
        activation="softmax" if exclusive and not is_beaver else "sigmoid",
    )


def _threshold(checkpoint: Checkpoint, *, usual: float | None) -> float | None:
    """What the configuration states, else what is known of the model."""
    stated = checkpoint.config.get("threshold")
    try:
        return usual if stated is None else recorded_threshold(stated)
    except UsageError as error:
        raise DataError(
            f"Asked to load {checkpoint.name!r}; the threshold in its config.json is {stated!r}, and a model flags "
            "above a probability. Mend it: 0 .. 1."
        ) from error


def _beaver_slugs() -> tuple[str, ...]:
    return tuple(category.slug for category in TAXONOMIES["beavertails"].categories)


def _slugs(outputs: list[str], *, name: str) -> tuple[str, ...]:
    if outputs and all(_GENERIC.fullmatch(output) for output in outputs):
        if len(outputs) == len(_beaver_slugs()):
            return _beaver_slugs()
        if len(outputs) == 1:
            return ("unsafe",)
        outputs = []
    slugs = tuple(_slug(output) for output in outputs)
    if not slugs or len(set(slugs)) < len(slugs) or "" in slugs:
        raise DataError(
            f"Asked to load the moderation model {name!r}; its config.json does not name its outputs. "
            "Write their names into id2label."
        )
    return slugs


def _slug(output: str) -> str:
    for taxonomy in TAXONOMIES.values():
        for category in taxonomy.categories:
            if output in {category.key, category.slug, category.title}:
                return category.slug
    return re.sub(r"[^a-z0-9]+", "-", output.lower()).strip("-")
