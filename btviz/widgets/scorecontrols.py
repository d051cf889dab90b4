"""The drop-down lists and fields of the score explorer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets
import polars as pl

from btviz.dataset import Dataset
from btviz.plots.distributed import STRATA
from btviz.plots.naming import titles
from btviz.scoring.counting import groupings_of, populations_of
from btviz.scoring.judged import splits_of
from btviz.taxonomy import Taxonomy
from btviz.widgets.scorebook import EACH, Model

VIEWS = (("Distributions", "distributions"), ("Reward × cost", "plane"), ("Metrics", "metrics"))
GROUPINGS = {
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

_WIDE = {"width": "max-content", "max_width": "100%"}


def controls_of(ds: Dataset, models: Sequence[Model], *, topics: pl.DataFrame | None) -> dict[str, Any]:
    """Make the controls of a data set, by the name of what they choose."""
    groupings = [(GROUPINGS[name], name) for name in groupings_of(ds, topics=topics)]
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
    """Height of the list of models, in lines."""
    return min(max(len(models), 2), 6)


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
        options.append(("those compared", "compared"))
    return options + ([("those chosen in another view", "chosen")] if has_chosen else [])


def level_options(groups: Sequence[str], taxonomy: Taxonomy) -> list[tuple[str, str]]:
    """All groups, and each of them by its title."""
    named: Mapping[str, str] = titles([group for group in groups if group != "safe"], taxonomy=taxonomy) | STRATA
    return [(EVERY_GROUP, ""), *((named.get(group, group), group) for group in groups)]
