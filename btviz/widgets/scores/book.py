"""The scores of several models on one data set: checked, counted, brushed. No widget in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

from btviz.data.dataset import Dataset
from btviz.errors import UsageError
from btviz.models.protocol import KINDS, OPTIONAL, SEVERITY, stacked_scores
from btviz.plots.interactive.scores import Panel, Range
from btviz.scores.answers import ModelScores, both_answers, by_model, counted_items, valid_scores
from btviz.scores.distributions import bins_of, plane_bins
from btviz.scores.metrics import score_metrics
from btviz.scores.moderation import HARMLESS
from btviz.scores.plane import score_quadrants
from btviz.scores.signs import REVERSED, SignCheck, sign_checks

BINS, BINS_OF_RIDGES = 80, 48

MANY = 8
"""More groups than this are drawn as ridges: colours no longer tell them apart."""

N_BOOT = 500
EACH = "each split"

Model = tuple[str, str]
"""Name and kind."""


@dataclass(frozen=True)
class ScoreQuery:
    """What is to be drawn."""

    models: tuple[Model, ...]
    grouping: str = "is_safe"
    level: str | None = None
    population: str = "pairs"
    which: str = "all"


@dataclass(frozen=True, eq=False)
class ScoreBook:
    """Scores of any number of models on one data set."""

    ds: Dataset
    scores: pl.DataFrame
    topics: pl.DataFrame | None = None
    chosen: pl.Series | None = None
    _checks: dict[tuple[Model, int], SignCheck] = field(default_factory=dict)

    @cached_property
    def parts(self) -> Mapping[Model, ModelScores]:
        """One score for each answer, by model; of a moderation model the highest of any harm."""
        known = valid_scores(self.scores)
        highest = (
            known.filter(pl.col("kind") == "moderation", ~pl.col("target").is_in([SEVERITY, *sorted(HARMLESS)]))
            .group_by("pair_id", "model", "kind")
            .agg(pl.lit(None, pl.String).alias("target"), pl.col("score").max(), pl.col(OPTIONAL).first())
            .select(known.columns)
        )
        single = pl.concat([known.filter(pl.col("kind") != "moderation"), highest])
        sorted_parts = sorted(by_model(single), key=lambda part: (KINDS.index(part.kind), part.model))
        return {(part.model, part.kind): part for part in sorted_parts}

    def sign(self, model: Model) -> SignCheck | None:
        """What the labels say of the direction of a model; None for moderation. Remembered."""
        part = self.parts[model]
        if part.kind == "moderation":
            return None
        key = (model, hash(part.scores.hash_rows().sum()))
        if key not in self._checks:
            model_scores = self.scores.filter(model=model[0], kind=model[1])
            self._checks[key] = sign_checks(model_scores, self.ds, n_boot=N_BOOT)[0]
        return self._checks[key]

    def refused(self, models: tuple[Model, ...]) -> list[SignCheck]:
        """Checks of the models whose scores point the other way."""
        checks = [self.sign(model) for model in models]
        return [check for check in checks if check is not None and check.verdict == REVERSED]

    def items(self, query: ScoreQuery) -> pl.DataFrame:
        """What is counted, with `model`, `kind` and `panel`; see `btviz.scores.answers.counted_items`."""
        tables = [self._items(model, query) for model in query.models]
        return pl.concat(tables)

    def _items(self, model: Model, query: ScoreQuery) -> pl.DataFrame:
        items = counted_items(
            self.parts[model], self.ds, by=query.grouping, population=query.population, topics=self.topics
        )
        if query.level is not None:
            items = items.filter(group=query.level)
        panel = pl.col("split") if query.which == EACH else pl.lit("all" if query.which == "all" else query.which)
        named = self._within(items, query.which).with_columns(
            pl.lit(model[0]).alias("model"),
            pl.lit(model[1]).alias("kind"),
            pl.lit(self.parts[model].no_boundary, pl.String).alias("no_boundary"),
            panel.alias("panel"),
        )
        return named.drop_nulls("panel")

    def _within(self, items: pl.DataFrame, which: str) -> pl.DataFrame:
        if which in ("all", EACH):
            return items
        if which == "compared":
            ids = both_answers(self.ds.preferences, "pair_id").to_series().unique()
            return items.filter(pl.col("pair_id").is_in(ids.implode()))
        if which == "chosen":
            return items if self.chosen is None else items.filter(pl.col("pair_id").is_in(self.chosen.implode()))
        return items.filter(split=which)

    def distributions(self, query: ScoreQuery) -> pl.DataFrame:
        """Bins of the scores; see `btviz.scores.distributions.bins_of`."""
        items = self.items(query).filter("counts")
        columns = ("model", "kind", "panel", "group", "prompt_id", "no_boundary")
        rows = items.select(*columns, pl.col("value").alias("score"))
        return bins_of(rows, bins=BINS_OF_RIDGES if rows["group"].n_unique() > MANY else BINS)

    def plane_of(self, query: ScoreQuery) -> tuple[Model, Model]:
        """Return the reward and the cost model among those asked for, the first of each kind."""
        models = {
            kind: next((model for model in query.models if model[1] == kind), None) for kind in ("reward", "cost")
        }
        reward, cost = models["reward"], models["cost"]
        if reward is None or cost is None:
            missing = [kind for kind, model in models.items() if model is None]
            raise UsageError(
                f"The plane of reward and cost was asked for; no {' and no '.join(missing)} model is chosen. Choose "
                "one of each kind under Models."
            )
        return reward, cost

    def plane_items(self, query: ScoreQuery) -> pl.DataFrame:
        """What is counted in the plane: `item`, `pair_id`, `prompt_id`, `reward`, `cost`, `counts`."""
        reward, cost = self.plane_of(query)
        grouping = "all" if query.level is None else query.grouping
        cost_query = ScoreQuery(
            (cost,), grouping, query.level, "pairs" if query.population == "prompts" else query.population
        )
        items = self._within(self._items(cost, cost_query), "all" if query.which == EACH else query.which)
        both = items.join(self.parts[reward].scores.rename({"score": "reward"}), on="pair_id")
        plane = both.select("item", "pair_id", "prompt_id", "reward", pl.col("score").alias("cost"))
        if query.population != "prompts":
            return plane.with_columns(pl.lit(value=True).alias("counts"))
        return plane.with_columns(
            pl.col("reward", "cost").mean().over("prompt_id"),
            pl.col("prompt_id").is_first_distinct().alias("counts"),
        )

    def plane(self, query: ScoreQuery) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Cells and quadrants of reward and cost, as `btviz.plots.score_plane` draws them."""
        items = self.plane_items(query)
        _, cost = self.plane_of(query)
        counted = items.filter("counts")
        unlabelled = {"labels": pl.UInt32, "is_safe": pl.Boolean} | dict.fromkeys(
            ("severity", "source", "split", "topic"), pl.String
        )
        rows = counted.with_columns(
            *(pl.lit(None, dtype).alias(name) for name, dtype in unlabelled.items()),
            pl.lit(self.parts[cost].no_boundary, pl.String).alias("no_boundary"),
        )
        quadrants = score_quadrants(rows, self.ds, n_boot=N_BOOT)
        # only their number: a prompt that counts once may have answers of either label
        labelled = items.join(self.ds.pairs.drop_nulls("is_safe"), on="pair_id", how="semi").height
        return plane_bins(counted), quadrants.with_columns(n_labelled=pl.lit(labelled))

    def brushed(self, query: ScoreQuery, *, panel: Panel, within: Range) -> pl.DataFrame:
        """Items on a panel whose value lies in a range, ends included."""
        model, kind, name = panel
        items = self.items(query).filter(model=model, kind=kind, panel=name)
        return items.filter(pl.col("value").is_between(*within))

    def brushed_plane(self, query: ScoreQuery, *, reward: Range, cost: Range) -> pl.DataFrame:
        """Items whose reward and cost lie in two ranges, ends included."""
        return self.plane_items(query).filter(pl.col("reward").is_between(*reward), pl.col("cost").is_between(*cost))

    def metrics(self, query: ScoreQuery) -> pl.DataFrame:
        """Metrics of the models asked for, over all answers and by level of the grouping."""
        names = pl.struct("model", "kind").is_in([{"model": model, "kind": kind} for model, kind in query.models])
        table = score_metrics(self.scores.filter(names), self.ds, topics=self.topics, n_boot=N_BOOT)
        return table.filter(pl.col("grouping").is_in(["all", query.grouping]))

    def with_scores(self, added: pl.DataFrame) -> ScoreBook:
        """Return a book that holds further scores, in place of those that the same models had."""
        models = added.select("model", "kind").unique()
        others = self.scores.join(models, on=["model", "kind"], how="anti")
        return ScoreBook(self.ds, stacked_scores([others, added]), self.topics, self.chosen, self._checks)

    def with_chosen(self, chosen: pl.Series | None) -> ScoreBook:
        """Return a book in which "chosen" stands for other pairs."""
        return ScoreBook(self.ds, self.scores, self.topics, chosen, self._checks)
