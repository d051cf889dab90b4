"""The drop-down lists and fields of the score explorer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import ipywidgets
import polars as pl

from btviz.data.dataset import Dataset
from btviz.scores.answers import groupings_of, populations_of, splits_of
from btviz.taxonomy.categories import Taxonomy
from btviz.taxonomy.words import STRATA, titles
from btviz.widgets.scores.book import EACH, Model, ScoreBook, ScoreQuery

VIEWS = (("Distributions", "distributions"), ("Reward × cost", "plane"), ("Metrics", "metrics"))

SCORE_GROUPING_TITLES = {
    "is_safe": "safety label",
    "split": "split",
    "category": "harm category",
    "severity": "severity",
    "stratum": "safety of the two compared",
    "source": "answering model",
    "topic": "topic",
    "all": "nothing",
}

FORMS = (("density", "density"), ("histogram", "histogram"), ("cumulative (ECDF)", "ecdf"), ("violin", "violin"))
POPULATIONS = {"pairs": "each answer once", "annotations": "each annotation once", "prompts": "each prompt once"}
KINDS = (("as the model says", ""), ("cost", "cost"), ("reward", "reward"), ("moderation", "moderation"))
EVERY_GROUP = "all groups"
COMPARED, CHOSEN = "those compared", "those chosen in another view"
_WIDE = {"width": "max-content", "max_width": "100%"}


class ScoreControls:
    """The controls of a data set, and what they ask for together."""

    def __init__(
        self,
        ds: Dataset,
        *,
        topics: pl.DataFrame | None,
        book: Callable[[], ScoreBook],
        on_change: Callable[[], None],
    ) -> None:
        self._ds, self._book, self._on_change = ds, book, on_change
        self.named: Mapping[str, Any] = MappingProxyType(controls_of(ds, list(book().parts), topics=topics))
        self._listeners = {name: self._listener(name) for name in self.named}
        for name in self.named:
            self._listen(name)

    @property
    def query(self) -> ScoreQuery:
        """What is to be counted."""
        value = {name: control.value for name, control in self.named.items()}
        level = value["level"] or None  # a drop-down list shows nothing where its value is None
        return ScoreQuery(tuple(value["models"]), value["grouping"], level, value["population"], value["which"])

    def offer_groups(self) -> None:
        """Offer the groups that the scores on view fall into."""
        query = self.query
        groups: list[str] = []
        if query.models:
            first = ScoreQuery(query.models[:1], query.grouping, population=query.population)
            group_keys = set(self._book().items(first)["group"])
            known = [key for key in self._ds.taxonomy.keys if key in group_keys]
            groups = [*sorted(group_keys - set(known)), *known]
        self._offer("level", level_options(groups, self._ds.taxonomy))

    def offer_which(self, *, has_chosen: bool) -> None:
        """Offer the answers that can be drawn."""
        self._offer("which", which_options(self._ds, has_chosen=has_chosen))

    def offer_models(self, *, known: Sequence[Model]) -> None:
        """Offer the models on view; those that were not known before are chosen, too."""
        control, before = self.named["models"], self.named["models"].value
        options = model_options(list(self._book().parts))
        self._ignore("models")
        with control.hold_sync():  # else the browser is told for a moment of choices that its list has not
            control.options, control.rows = options, rows_for(options)
            control.value = tuple(model for _, model in options if model in before or model not in known)
        self._listen("models")

    def regroup(self) -> None:
        """Offer the groups anew, then say that something else is asked for."""
        self.offer_groups()
        self._on_change()

    def _offer(self, name: str, options: Sequence[tuple[str, Any]]) -> None:
        """Replace the options of a list; what was chosen stays chosen where it can."""
        control, before = self.named[name], self.named[name].value
        self._ignore(name)
        values = [value for _, value in options]
        with control.hold_sync():
            control.options = options
            control.value = before if before in values else values[0]
        self._listen(name)

    def _listener(self, name: str) -> Callable[[object], None]:
        changes_groups = name in ("models", "grouping", "population")
        return lambda _: self.regroup() if changes_groups else self._on_change()

    def _listen(self, name: str) -> None:
        self.named[name].observe(self._listeners[name], names="value")

    def _ignore(self, name: str) -> None:
        """Stop listening here; by listeners of its own a list shows in the browser what is chosen."""
        self.named[name].unobserve(self._listeners[name], names="value")


def controls_of(ds: Dataset, models: Sequence[Model], *, topics: pl.DataFrame | None) -> dict[str, Any]:
    """Make the controls of a data set, by the name of what they choose."""
    groupings = [(SCORE_GROUPING_TITLES[name], name) for name in groupings_of(ds, topics=topics)]
    populations = [(POPULATIONS[name], name) for name in populations_of(ds)]
    return {
        "view": ipywidgets.ToggleButtons(options=VIEWS, style={"button_width": "max-content"}),
        "models": ipywidgets.SelectMultiple(
            options=model_options(models),
            value=tuple(models),
            description="Models",
            rows=rows_for(models),
            layout=_WIDE,
        ),
        "grouping": ipywidgets.Dropdown(options=groupings, description="Group by", layout=_WIDE),
        "level": ipywidgets.Dropdown(options=[(EVERY_GROUP, "")], description="Show", layout=_WIDE),
        "form": ipywidgets.Dropdown(options=FORMS, description="Draw as", layout=_WIDE),
        "population": ipywidgets.Dropdown(options=populations, description="Count", layout=_WIDE),
        "which": ipywidgets.Dropdown(options=which_options(ds, has_chosen=False), description="Which", layout=_WIDE),
    }


def scoring_controls() -> dict[str, Any]:
    """Make the fields that name a model, and the buttons that start and stop a run."""
    wide = {"description_width": "max-content"}
    return {
        "model": ipywidgets.Text(
            description="Score with", placeholder="name on the hub, or a folder", style=wide, layout={"width": "420px"}
        ),
        "kind": ipywidgets.Dropdown(options=KINDS, description="Kind", style=wide, layout=_WIDE),
        "score": ipywidgets.Button(description="Score", icon="play", tooltip="Load this model and score the answers"),
        "stop": ipywidgets.Button(description="Stop", icon="stop", disabled=True, tooltip="What is scored is kept"),
    }


def rows_for(models: Sequence[object]) -> int:
    """Height of the list of models, in lines; JupyterLab's frame takes up one."""
    return min(max(len(models), 2), 6) + 1


def model_options(models: Sequence[Model]) -> list[tuple[str, Model]]:
    """Models with the words that offer them."""
    return [(f"{kind}: {name}", (name, kind)) for name, kind in models]


def which_options(ds: Dataset, *, has_chosen: bool) -> list[tuple[str, str]]:
    """Answers that can be drawn: all, a panel for each split, one split, those compared, those chosen elsewhere."""
    splits = splits_of(ds)["split"].drop_nulls().unique().sort().to_list()
    options = [("all answers", "all")]
    if len(splits) > 1:
        options += [("each split apart", EACH), *((f"split: {split}", split) for split in splits)]
    if not ds.preferences.is_empty() and not ds.annotations.is_empty():
        options.append((COMPARED, "compared"))
    return options + ([(CHOSEN, "chosen")] if has_chosen else [])


def level_options(groups: Sequence[str], taxonomy: Taxonomy) -> list[tuple[str, str]]:
    """All groups, and each of them by its title."""
    named: Mapping[str, str] = titles([group for group in groups if group != "safe"], taxonomy=taxonomy) | STRATA
    return [(EVERY_GROUP, ""), *((named.get(group, group), group) for group in groups)]
