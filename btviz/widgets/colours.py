"""Which colourings a map of some data set offers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from btviz.dataset import Dataset
from btviz.errors import UsageError
from btviz.widgets.colouring import Colouring, by_category, by_disagreement, by_safety, by_score, by_severity, by_topic
from btviz.widgets.pairindex import PairIndex
from btviz.widgets.places import Places
from btviz.widgets.topiclayer import TopicLayer

TOPIC = "topic"


@dataclass(frozen=True, eq=False)
class Offer:
    """A colouring that can be asked for.

    Attributes
    ----------
    title : str
        As the list of colourings shows it.
    group : str
        Heading under which it is listed, empty for none.
    make : callable
        Makes it for the topics on view.
    why_not : str
        Why these data have nothing to show, empty where they have.
    """

    title: str
    group: str
    make: Callable[[TopicLayer], Colouring]
    why_not: str = ""


def offers(ds: Dataset, *, places: Places, index: PairIndex, scores: pl.DataFrame | None) -> dict[str, Offer]:
    """Colourings by name: "topic", "safety", "disagreement", "severity", "category:SLUG", "score:MODEL".

    Raises
    ------
    UsageError
        If `scores` is not a table of scores.
    """
    rated = "severity" in ds.pairs.columns and ds.pairs["severity"].count() > 0
    twice = "" if index.dispute_measurable else "most pairs were annotated once"
    found = {
        TOPIC: Offer("Topic", "", lambda layer: by_topic(layer.of_place, shown=layer.coloured)),
        "safety": Offer("Safety", "", lambda _: by_safety(places, index)),
        "disagreement": Offer("Disagreement", "", lambda _: by_disagreement(places, index), twice),
        "severity": Offer(
            "Severity", "", lambda _: by_severity(places, ds), "" if rated else "no severity is released"
        ),
    }
    for category in ds.taxonomy.categories:
        found[f"category:{category.slug}"] = _category(category.bit, category.title, places=places, index=index)
    return found | _scores(scores, places=places, index=index)


def _category(bit: int, title: str, *, places: Places, index: PairIndex) -> Offer:
    return Offer(title, "One category", lambda _: by_category(places, index, bit=bit, title=title))


def _scores(scores: pl.DataFrame | None, *, places: Places, index: PairIndex) -> dict[str, Offer]:
    if scores is None:
        return {}
    missing = {"pair_id", "score"} - set(scores.columns)
    if missing:
        raise UsageError(
            f"Colours by score were asked for of a table without {sorted(missing)}. Give the table of btviz.score()."
        )
    keys = [name for name in ("model", "kind", "target") if name in scores.columns]
    parts = scores.partition_by(keys, as_dict=True) if keys else {("score",): scores}
    found = {}
    for key, part in parts.items():
        title = " · ".join(str(value) for value in key if value is not None)
        found[f"score:{title}"] = _score(part.select("pair_id", "score"), title, places=places, index=index)
    return found


def _score(scores: pl.DataFrame, title: str, *, places: Places, index: PairIndex) -> Offer:
    if scores["pair_id"].is_duplicated().any():
        raise UsageError(
            f"Colours by the scores {title!r} were asked for, but some pairs have several of them. "
            "Give one score a pair, model and target."
        )
    return Offer(title, "Score", lambda _: by_score(places, index, scores=scores, title=title))
