"""How far labels can be told without reading the whole pair: from the prompt, lengths, refusal, the answering model.

What these tell of a label, a score model may have learned in place of harm or help; so they stand beside every probe.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.arguments import whole_number
from btviz.data.dataset import Dataset, expect_dataset
from btviz.data.words import words_of
from btviz.errors import DataError, UsageError, choice, require
from btviz.machine.progress import bar
from btviz.machine.threads import one_core_each
from btviz.models.probes.examples import contrasts_of, numbers_of, singles
from btviz.models.probes.fit import RIDGE, folds_of
from btviz.models.probes.regression import FEWEST, learnable
from btviz.preference.adjusted import REFUSAL
from btviz.scores.accuracy import COMPARISON, PAIR, why_not
from btviz.stats.clustered import ClusterInterval
from btviz.stats.separation import auc_difference, auc_interval
from btviz.texts.embedding import Embeddings, embed
from btviz.texts.embedding.result import TEXTS

BASELINES = {
    "prompt": "prompt alone",
    "lengths": "lengths alone",
    "refusal": "refusal alone",
    "source": "answering model alone",
    "qa": "prompt and answer",
}
"""What is read, in words; `qa` is the yardstick that the others are held against."""

OUTCOMES = {"unsafe": "the answer is unsafe", "better": "response 1 is better", "safer": "response 1 is safer"}
"""What is predicted, beside the categories."""

ARTEFACTS = pl.Schema(
    {
        "outcome": pl.String(),
        "unit": pl.String(),
        "baseline": pl.String(),
        "features": pl.String(),
        "n": pl.Int64(),
        "support": pl.Int64(),
        "prompts": pl.Int64(),
        "base_rate": pl.Float64(),
        "auc": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "low_joint": pl.Float64(),
        "high_joint": pl.Float64(),
        "family": pl.Int64(),
        "gain": pl.Float64(),
        "gain_low": pl.Float64(),
        "gain_high": pl.Float64(),
        "undefined": pl.String(),
    }
)

Floats = npt.NDArray[np.float64]


def artefact_baselines(
    ds: Dataset,
    emb: Embeddings | None = None,
    *,
    outcomes: Sequence[str] | None = None,
    n_folds: int = 5,
    random_state: int = 0,
) -> pl.DataFrame:
    """Predict labels from the prompt, lengths, refusal or the answering model alone, beside the whole pair.

    A score model that does no better than these may have learned them, in place of harm or help. Each is read by
    logistic regression (scikit-learn, with an L2 penalty); every prediction comes from a fit that saw no answer to the
    prompt, nor to a near-duplicate of it (`btviz.models.probes.fit.prompt_groups`), and all fits share their folds.

    Parameters
    ----------
    ds : Dataset
        Majority labels of its pairs, and the labels of its comparisons.
    emb : Embeddings, optional
        Vectors of its pairs (``text="qa"``) or prompts; the others are embedded by the same encoder. Default, and
        where no encoder is known: a bag of words, each by the logarithm of its count and its inverse document
        frequency (TF-IDF), which knows no meaning and takes seconds.
    outcomes : sequence of str, optional
        "unsafe", "better", "safer", and keys or slugs of categories. Default: all.
    n_folds, random_state
        As for `fit_probe`.

    Returns
    -------
    DataFrame
        A row for each outcome and baseline:

        - `outcome`: "unsafe" and the key of each category (of a pair, by majority), "better" and "safer" (whether
          response_1 is the one; of two equal answers neither); `unit` ("pair" or "comparison");
        - `baseline`: "prompt" (its vector; of a comparison it tells the place of the answer and nothing else, because
          both answers share it), "lengths" (logarithms of the words of prompt and answer, plus one, and their squares),
          "refusal" (an apology or a "cannot" in English, `btviz.preference.adjusted.REFUSAL`), "source" (answering
          model), "qa" (prompt and answer); `features`: what was read, in words;
        - `n`, `support` (positives), `prompts`, `base_rate` (support / n, 0 .. 1);
        - `auc` (area under the ROC curve, 0 .. 1), `low`, `high` (95 % by prompt; its variance is doubled, because the
          predictions of one fold rest on the others: `btviz.stats.separation.CROSS_FITTED`), `low_joint`, `high_joint`
          (for all `family` areas of the table at once, each at 1 - 0.05 / family: Bonferroni);
        - `gain`, `gain_low`, `gain_high`: area of "qa" less that of this baseline, and its interval;
        - `undefined`: why a value is null, or what to mind.

    Raises
    ------
    UsageError
        If an outcome is unknown, vectors belong to other data or to responses alone, or there are fewer groups of
        prompts than folds.
    DataError
        If the data hold none of the labels asked for.
    """
    expect_dataset(ds)
    whole_number(n_folds, name="n_folds", least=2)
    tasks = _tasks(ds, outcomes)
    features = _features(ds, emb)
    groups, fold = folds_of(ds, n_folds=n_folds, random_state=random_state)
    known = [name for name, given in features.items() if given.reason is None]
    predicted: dict[tuple[int, str], Floats] = {}
    with bar(f"Predicting labels of {ds.name} from parts of its pairs", total=len(tasks) * len(known)) as update:
        for step, (place, name) in enumerate((place, name) for place in range(len(tasks)) for name in known):
            task = tasks[place].of_prompts if name == "prompt" else tasks[place]
            predicted[place, name] = _held_out(task, features[name], groups=groups, fold=fold)
            update(step + 1)
    return _table(
        [
            each
            for place, task in enumerate(tasks)
            for each in _measured(task, features, {name: predicted[place, name] for name in known})
        ]
    )


@dataclass(frozen=True, eq=False)
class _Task:
    """Outcomes of the same items: k labels of n pairs, or of n comparisons as the second answer less the first."""

    unit: str
    outcomes: tuple[str, ...]
    contrasts: Any
    positive: npt.NDArray[np.bool_]
    answer: npt.NDArray[np.int64]
    prompt: npt.NDArray[np.uint64]

    @property
    def is_compared(self) -> bool:
        """Whether an item is the difference of two answers, so that a regression has no intercept."""
        return bool(len(self.answer)) and self.contrasts[[0]].nnz > 1

    @property
    def of_prompts(self) -> _Task:
        """The same with one vector an item, that of the prompt: both answers of a comparison share it."""
        if not self.is_compared:
            return self
        single = singles(self.answer, n_answers=self.contrasts.shape[1])
        return _Task(self.unit, self.outcomes, single, self.positive, self.answer, self.prompt)


def _tasks(ds: Dataset, outcomes: Sequence[str] | None) -> list[_Task]:
    wanted = None if outcomes is None else _named(ds, outcomes)
    categories = [key for key in ds.taxonomy.keys if wanted is None or key in wanted]
    unsafe = [] if wanted is not None and "unsafe" not in wanted else ["unsafe"]
    compared = [name for name in ("better", "safer") if wanted is None or name in wanted]
    tasks = [
        _of_pairs(ds.pairs.drop_nulls("is_safe"), {name: ~pl.col("is_safe") for name in unsafe}, ids=ds.pairs),
        *(_of_comparisons(ds, label) for label in compared),
        _of_pairs(ds.pairs.drop_nulls("labels"), {key: ds.taxonomy.has(key) for key in categories}, ids=ds.pairs),
    ]
    known = [task for task in tasks if task.outcomes and len(task.positive)]
    if not known:
        asked = "safety, categories, better or safer" if outcomes is None else ", ".join(outcomes)
        raise DataError(
            f"Labels of {ds.name!r} ({asked}) were to be predicted; no pair and no comparison has one. Use data with "
            "such labels, or name other outcomes."
        )
    return known


def _named(ds: Dataset, outcomes: Sequence[str]) -> set[str]:
    slugs = {category.slug: category.key for category in ds.taxonomy.categories}
    known = [*OUTCOMES, *ds.taxonomy.keys]
    return {choice(slugs.get(name, name), known, what="outcome") for name in outcomes}


def _of_pairs(pairs: pl.DataFrame, outcomes: Mapping[str, pl.Expr], *, ids: pl.DataFrame) -> _Task:
    answer = numbers_of(pairs["pair_id"], ids=ids["pair_id"]).to_numpy()
    flags = pairs.select(flag.alias(name) for name, flag in outcomes.items())
    positive = flags.to_numpy().astype(bool).reshape(pairs.height, len(outcomes))
    contrasts = singles(answer, n_answers=ids.height)
    return _Task(PAIR, tuple(outcomes), contrasts, positive, answer, pairs["prompt_id"].to_numpy())


def _of_comparisons(ds: Dataset, label: str) -> _Task:
    rows = ds.preferences.drop_nulls(label).filter(pl.col("pair_id_0") != pl.col("pair_id_1"))
    first, second = (numbers_of(rows[f"pair_id_{side}"], ids=ds.pairs["pair_id"]) for side in (0, 1))
    contrasts = contrasts_of(second, first, n_answers=ds.pairs.height)
    positive = (rows[label] == 1).to_numpy()[:, None]
    return _Task(COMPARISON, (label,), contrasts, positive, second.to_numpy(), rows["prompt_id"].to_numpy())


@dataclass(frozen=True, eq=False)
class _Features:
    """What a baseline reads: a row of numbers for each pair, dense or sparse; or why there is nothing to read."""

    says: str
    columns: Any
    penalty: float | None = RIDGE
    reason: str | None = None


def _features(ds: Dataset, emb: Embeddings | None) -> dict[str, _Features]:
    if emb is not None and emb.text == "response":
        raise UsageError(
            'Baselines were asked for with vectors of responses alone, which are no baseline here. Embed text="qa".'
        )
    return {
        "prompt": _of_texts(ds, emb, text="prompt"),
        "lengths": _lengths(ds.pairs),
        "refusal": _refusal(ds.pairs),
        "source": _source(ds.pairs),
        "qa": _of_texts(ds, emb, text="qa"),
    }


def _of_texts(ds: Dataset, emb: Embeddings | None, *, text: str) -> _Features:
    """Vectors of prompts or pairs; counted words where there is no encoder for them."""
    what = BASELINES[text]
    if emb is None or (emb.text != text and emb.source is None):
        return _Features(f"{what}: words, by TF-IDF", _counted_words(ds.pairs.select(TEXTS[text]).to_series()), None)
    vectors = emb if emb.text == text else embed(ds, text=text, encoder=emb.source or emb.encoder)
    return _Features(f"{what}: vectors by {emb.encoder}", _standardised(vectors.of_pairs(ds.pairs["pair_id"])))


def _counted_words(texts: pl.Series) -> Any:
    """Words of texts by TF-IDF, a sparse row of length 1 each; frequencies of all texts, which know no labels."""
    vectorizer = require("sklearn.feature_extraction.text", extra="topics").TfidfVectorizer
    words = words_of(texts.str.to_lowercase()).list.join(" ")
    fewest, words_alone = 2 if len(texts) > 1 else 1, r"\S+"
    counter = vectorizer(sublinear_tf=True, min_df=fewest, lowercase=False, token_pattern=words_alone)
    try:
        return counter.fit_transform(words.to_list())
    except ValueError:  # no word stands in two texts
        return np.zeros((len(texts), 1))


def _lengths(pairs: pl.DataFrame) -> _Features:
    logs = [(pl.col(f"{side}_words") + 1).log() for side in ("prompt", "response")]
    columns = [column.alias(f"{place}") for place, column in enumerate([*logs, *(log**2 for log in logs)])]
    return _Features(
        "logarithms of the words of prompt and answer, and their squares", _standardised(_matrix(pairs.select(columns)))
    )


def _refusal(pairs: pl.DataFrame) -> _Features:
    refuses = pairs.select(pl.col("response").str.contains(REFUSAL))
    reason = None if refuses.to_series().n_unique() > 1 else "all answers, or none, match the rule of refusal"
    return _Features("an English apology or refusal in the answer", _standardised(_matrix(refuses)), reason=reason)


def _source(pairs: pl.DataFrame) -> _Features:
    sources = pairs["source"].drop_nulls().unique().sort()
    reason = None if pairs["source"].n_unique() > 1 else "all answers are by one model"
    if not len(sources):
        return _Features("answering model", np.zeros((pairs.height, 1)), reason="no answering model is named")
    columns = pairs.select(pl.col("source").eq_missing(name).alias(name) for name in sources)
    return _Features(f"one of {len(sources)} answering models", _standardised(_matrix(columns)), reason=reason)


def _matrix(columns: pl.DataFrame) -> Floats:
    return columns.cast(pl.Float64).to_numpy().reshape(columns.height, columns.width)


def _standardised(columns: npt.NDArray[Any]) -> Floats:
    spread = columns.std(axis=0, dtype=np.float64)
    return np.asarray((columns - columns.mean(axis=0, dtype=np.float64)) / np.where(spread > 0, spread, 1))


@one_core_each()
def _held_out(
    task: _Task, features: _Features, *, groups: npt.NDArray[np.uint64], fold: npt.NDArray[np.int64]
) -> Floats:
    """Prediction of each item and outcome by the fit that did not see its fold, shape (n, k); NaN where there is none.

    Areas pool the folds. So the intercept, which knows the base rate of the other folds, is left out, and weights have
    length 1 and apply to columns of mean 0: a fold shifts no prediction, and items of equal columns tie.
    """
    regression = require("sklearn.linear_model", extra="topics").LogisticRegression
    design = task.contrasts @ features.columns
    centre = np.zeros(design.shape[1]) if task.is_compared else np.asarray(design.mean(axis=0)).ravel()
    values = np.full(task.positive.shape, np.nan)
    for number in np.unique(fold):
        inside = fold[task.answer] == number
        train = np.flatnonzero(~inside)
        signs = np.where(task.positive[train], 1.0, -1.0)
        enough = learnable(task.contrasts[train], signs, groups=groups[task.answer[train]])
        strength = 1.0 if features.penalty is None else 1 / (features.penalty * max(len(train), 1))
        for column in np.flatnonzero(enough & (np.ptp(signs, axis=0) > 0)):
            model = regression(C=strength, fit_intercept=not task.is_compared, max_iter=1000)
            weights = model.fit(design[train], signs[:, column]).coef_[0]
            direction = weights / (np.linalg.norm(weights) or 1.0)  # before the product, or equal items would not tie
            values[inside, column] = design[np.flatnonzero(inside)] @ direction - centre @ direction
    return values


@dataclass(frozen=True, eq=False)
class _Measured:
    """Predictions of one outcome by one baseline, beside those from the whole pair."""

    names: Mapping[str, str]
    positive: npt.NDArray[np.bool_]
    prompt: npt.NDArray[np.uint64]
    score: Floats
    of_pair: Floats
    reason: str | None

    def found(self, confidence: float) -> ClusterInterval:
        return auc_interval(
            self.score, self.positive, clusters=self.prompt, confidence=confidence, is_cross_fitted=True
        )

    def area(self, confidence: float) -> tuple[float, float, float]:
        """Area under the ROC curve and its ends; NaN where undefined."""
        if self.reason is not None:
            return np.nan, np.nan, np.nan
        found = self.found(confidence)
        return float(found.estimate[0]), float(found.low[0]), float(found.high[0])

    def row(self) -> dict[str, Any]:
        n, support = len(self.positive), int(self.positive.sum())
        counts = {"n": n, "support": support, "prompts": len(np.unique(self.prompt)), "base_rate": support / n}
        area = dict(zip(("auc", "low", "high"), self.area(0.95), strict=True))
        undefined, gain = self.reason, (np.nan, np.nan, np.nan)
        if self.reason is None:
            undefined = why_not(self.found(0.95), "all items are of one class, so there is nothing to tell apart")
            if self.names["baseline"] != "qa" and np.isfinite(self.of_pair).all():
                gain = auc_difference(
                    self.of_pair, self.score, positive=self.positive, clusters=self.prompt, is_cross_fitted=True
                )
        gains = dict(zip(("gain", "gain_low", "gain_high"), gain, strict=True))
        return {**self.names, **counts, **area, **gains, "undefined": undefined}


def _measured(task: _Task, features: Mapping[str, _Features], predicted: Mapping[str, Floats]) -> Iterator[_Measured]:
    """Every baseline of every outcome of one task."""
    for column, outcome in enumerate(task.outcomes):
        of_pair = predicted["qa"][:, column]
        for name, given in features.items():
            score = predicted[name][:, column] if name in predicted else np.full(len(of_pair), np.nan)
            names = {"outcome": outcome, "unit": task.unit, "baseline": name, "features": given.says}
            reason = given.reason or _why_no_area(score)
            yield _Measured(names, task.positive[:, column], task.prompt, score, of_pair, reason)


def _why_no_area(score: Floats) -> str | None:
    if not np.isfinite(score).all():
        return f"fewer than {FEWEST} groups of prompts with it, or without it, in the training part of some fold"
    return "it is the same in all items, or in both answers of each" if (score == score[0]).all() else None


def _table(measured: Sequence[_Measured]) -> pl.DataFrame:
    table = pl.DataFrame([each.row() for each in measured], schema=ARTEFACTS)
    family = int(table["low"].is_finite().sum())
    joint = np.array([each.area(1 - 0.05 / max(family, 1))[1:] for each in measured])
    return table.with_columns(
        pl.Series("low_joint", joint[:, 0]),
        pl.Series("high_joint", joint[:, 1]),
        pl.lit(family, pl.Int64).alias("family"),
    ).with_columns(pl.col(pl.Float64).fill_nan(None))
