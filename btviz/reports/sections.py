"""What a report says of a data set, section by section: sentences, figures and tables, and why others are missing."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import polars as pl

from btviz import plots, preference
from btviz.data.dataset import Dataset
from btviz.errors import BtvizError
from btviz.labels.agreement import annotator_agreement
from btviz.labels.structure import category_structure
from btviz.plots.style.rendering import svg
from btviz.reports import sentences
from btviz.reports.figures.of_data import FIGURES
from btviz.reports.figures.of_scores import SCORE_FIGURES
from btviz.reports.figures.printing import data_of
from btviz.reports.figures.registry import Figure, Known
from btviz.reports.ledger import Ledger
from btviz.reports.ledger.summary import summarise
from btviz.scores.collection import ScoreCollection
from btviz.scores.differences import margin_summary, score_margins
from btviz.scores.metrics import score_metrics
from btviz.scores.plane import reward_against_cost, reward_and_cost, score_quadrants
from btviz.scores.signs import check_sign
from btviz.taxonomy.words import unfolded
from btviz.texts.topic_map import TopicMap

Say = Callable[[str], Any]

_SCALE = 1.5  # sizes for print are small on a screen


@dataclass(frozen=True)
class Drawing:
    """A figure as it stands in the page, and the data it shows as CSV, by name."""

    key: str
    title: str
    after: str
    image: str
    data: dict[str, str]


@dataclass(frozen=True)
class Rows:
    """A table of the page: its title, and cells as they are."""

    title: str
    columns: Sequence[str]
    cells: Sequence[Sequence[Any]]


@dataclass
class Section:
    """One part of a report."""

    key: str
    title: str
    paragraphs: dict[str, list[str]] = field(default_factory=dict)
    """Sentences, by what they are about."""
    tables: list[Rows] = field(default_factory=list)
    drawings: list[Drawing] = field(default_factory=list)
    missing: dict[str, list[str]] = field(default_factory=dict)
    """What is not shown, by the reason for it."""

    @contextmanager
    def trying(self, what: str) -> Iterator[None]:
        """Note why something cannot be shown, where the data do not hold what it needs."""
        try:
            yield
        except BtvizError as error:
            self.missing.setdefault(str(error), []).append(what)

    def tell(self, what: str, sentence: Callable[[], str]) -> None:
        """Add the paragraphs of a sentence function, or why there are none."""
        with self.trying(what):
            self.paragraphs[what] = unfolded(sentence())

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it but reasons."""
        return not (self.paragraphs or self.tables or self.drawings)


@dataclass(frozen=True, eq=False)
class Subject:
    """What a report is about; what several sections need is computed once."""

    ds: Dataset
    scores: pl.DataFrame | None = None
    topic_map: TopicMap | None = None
    say: Say = print
    known: Known = field(default_factory=dict)

    def _once(self, function: Callable[..., Any]) -> Any:
        if (function,) not in self.known:
            self.known[function,] = function(self.ds)
        return self.known[function,]

    @property
    def orthogonality(self) -> preference.Orthogonality:
        """P(better = safer) by group."""
        found: preference.Orthogonality = self._once(preference.orthogonality)
        return found

    @property
    def agreement(self) -> pl.DataFrame:
        """Agreement of annotators, by category."""
        table: pl.DataFrame = self._once(annotator_agreement)
        return table

    @property
    def structure(self) -> Any:
        """Which categories go together given all others."""
        return self._once(category_structure)

    @cached_property
    def ledger(self) -> Ledger:
        """Published numbers against recomputed ones."""
        return Ledger(self.ds)

    @cached_property
    def collection(self) -> ScoreCollection:
        """The scores that are drawn."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of signs, which have a sentence of their own
            return ScoreCollection.of(self.ds, scores=self.scores)

    @cached_property
    def metrics(self) -> pl.DataFrame:
        """How far scores agree with labels."""
        return score_metrics(self.collection.scores, self.ds)


def sections_of(subject: Subject) -> list[Section]:
    """Every section, the verdicts first."""
    makers = (_composition, _structure, _agreement, _orthogonality, _topics, _scores, _ledger)
    others = [maker(subject) for maker in makers]
    return [verdicts(subject), *others]


def _first(text: str) -> str:
    """The first paragraph; the section on it has all."""
    return unfolded(text)[0]


def _accuracies(subject: Subject) -> str:
    if subject.collection.scores.is_empty():
        return f"No scores are kept for {subject.ds.name}, and none were given."
    return sentences.accuracies(subject.metrics, subject.ds)


VERDICTS: tuple[tuple[str, Callable[[Subject], str]], ...] = (
    ("What is here?", lambda subject: sentences.data(subject.ds)),
    ("Is the better answer the safer one?", lambda subject: sentences.verdicts(subject.orthogonality)),
    ("Do annotators agree?", lambda subject: sentences.agreement(subject.agreement, subject.ds)),
    ("Which harm categories go together?", lambda subject: _first(sentences.structure(subject.structure, subject.ds))),
    ("Do scores agree with labels?", _accuracies),
    (
        "Are published numbers confirmed?",
        lambda subject: sentences.published_numbers(subject.ledger.numbers, subject.ds),
    ),
)
"""What a report answers first: a question, and the sentences that answer it."""


@dataclass
class Verdicts(Section):
    """The first section: questions with their answers."""

    answers: list[tuple[str, list[str]]] = field(default_factory=list)


def verdicts(subject: Subject) -> Verdicts:
    """Answer each question, or say why it has no answer."""
    section = Verdicts("verdicts", "Verdicts")
    for question, answer in VERDICTS:
        subject.say(f"Answering: {question}")
        try:
            said = unfolded(answer(subject))
        except BtvizError as error:
            said = [f"Not answered. {error}"]
        section.answers.append((question, said))
    return section


def _drawn(section: Section, subject: Subject, *keys: str) -> None:
    for key in keys:
        figure = FIGURES[key]
        subject.say(f"Drawing: {figure.title}")
        with section.trying(figure.title):
            section.drawings.append(_drawing(figure, subject.ds, known=subject.known))


def _drawing(figure: Figure[Any], of: Dataset | ScoreCollection, *, known: Known) -> Drawing:
    chart, tables = figure.drawn(of, known=known)
    return _picture(figure.key, figure.title, chart=chart, tables=tables, after=figure.after)


def _picture(key: str, title: str, *, chart: Any, tables: Sequence[Any], after: str = "") -> Drawing:
    files = data_of(tables)
    data = {f"{key}{end}": content.decode() for end, content in files.items() if end.endswith(".csv")}
    return Drawing(key, title, after, svg(chart, scale=_SCALE), data)


def _composition(subject: Subject) -> Section:
    section = Section("composition", "Composition")
    subject.say("Counting what the data hold")
    summary = summarise(subject.ds)
    counts = summary.quantities.filter(pl.col("category").is_null())
    columns = ["quantity", "population", "level", "split", "value", "unit", "published", "grade"]
    cells = [[_words(cell) for cell in row] for row in counts.select(columns).rows()]
    section.tables.append(Rows("What the data hold, and what was published of it", columns, cells))
    if summary.doubt:
        section.paragraphs["Doubtful"] = [f"{summary.doubt}."]
    _drawn(section, subject, "category_shares", "labels_per_item", "label_sets")
    return section


def _words(cell: Any) -> Any:
    return cell.replace("_", " ") if isinstance(cell, str) else cell


def _structure(subject: Subject) -> Section:
    section = Section("structure", "How harm categories go together")
    section.tell("Categories given each other", lambda: sentences.structure(subject.structure, subject.ds))
    names = ("association", "association_unsafe", "category_network", "category_groups", "category_factors")
    _drawn(section, subject, *names, "parallel_analysis", "specifications_phi")
    return section


def _agreement(subject: Subject) -> Section:
    section = Section("agreement", "Agreement of annotators")
    _drawn(section, subject, "agreement", "disputed", "annotators", "votes")
    return section


def _orthogonality(subject: Subject) -> Section:
    section, ds = Section("orthogonality", "Helpfulness and harmlessness"), subject.ds
    if ds.preferences.is_empty():
        section.missing["these data hold no comparisons of two answers"] = [section.title]
        return section
    section.tell("Safety of the better answer", lambda: sentences.quadrants(preference.quadrants(ds), ds))
    section.tell("Position of the answers", lambda: sentences.position_bias(subject.orthogonality.bias, ds))
    section.tell("Better and safer, by stratum", lambda: sentences.strata(subject.orthogonality, ds))
    section.tell("Better and safer, by group", lambda: sentences.by_group(subject.orthogonality, ds))
    section.tell("Better and safer, by chance", lambda: sentences.chance(subject.orthogonality, ds))
    section.tell("Controlled for other differences", lambda: sentences.adjusted(subject.orthogonality.adjusted, ds))
    section.tell("Severity", lambda: sentences.severity(preference.severity_order(ds), ds))
    names = ("preferences", "quadrants", "null_distribution", "reliability", "specifications_p")
    _drawn(section, subject, *names)
    return section


def _topics(subject: Subject) -> Section:
    section, made = Section("topics", "Topics"), subject.topic_map
    if made is None:
        reason = f"no topic map was given; btviz report {subject.ds.name} --map prompt makes one"
        section.missing[reason] = ["Topics"]
        return section
    said = {"source": made.ds.population, "text": made.embeddings.text, "item": made.ds.item}
    topics = made.topics.topics
    if made.stability is not None:
        topics = topics.join(made.stability.select("topic", "stability", "unstable"), on="topic", how="left")
    chart = plots.topic_map(made.placed, topics, quality=made.quality, **said)
    columns = [name for name in ("name", "n_pairs", "n_texts", "share_unsafe", "stability") if name in topics.columns]
    section.tables.append(Rows("Topics, by neutral names", columns, topics.select(columns).rows()))
    points = made.placed.select(pl.selectors.exclude(pl.String))
    section.drawings.append(_picture("topic_map", "Topic map", chart=chart, tables=[points]))
    return section


def _scores(subject: Subject) -> Section:
    section, ds = Section("scores", "Scores"), subject.ds
    with section.trying("Scores"):
        scores = subject.collection.scores
        if scores.is_empty():
            section.missing["no scores are kept for these data, and none were given"] = ["Scores"]
            return section
        section.tell("Direction of scores", lambda: sentences.signs(check_sign(scores, ds), ds))
        section.tell("Middle of scores", lambda: sentences.middles(scores, ds))
        section.tell("Moderation", lambda: sentences.moderation(subject.metrics, ds))
        section.tell("Reward against cost", lambda: _plane(scores, ds))
        section.tell("Margins of chosen answers", lambda: _margins(scores, ds))
        for figure in SCORE_FIGURES.values():
            subject.say(f"Drawing: {figure.title}")
            with section.trying(figure.title):
                section.drawings.append(_drawing(figure, subject.collection, known=subject.known))
    return section


def _margins(scores: pl.DataFrame, ds: Dataset) -> str:
    return sentences.margins(margin_summary(score_margins(scores, ds)), ds)


def _plane(scores: pl.DataFrame, ds: Dataset) -> str:
    plane = reward_and_cost(scores, ds)
    return sentences.plane(score_quadrants(plane, ds), ds, association=reward_against_cost(plane))


def _ledger(subject: Subject) -> Section:
    section = Section("ledger", "Published against recomputed")
    section.paragraphs["What was held against what"] = [f"{subject.ledger.title}."]
    numbers = subject.ledger.numbers
    if numbers.height:
        columns = ["quantity", "category", "other", "level", "split", "published", "recomputed", "low", "high"]
        columns += ["verdict", "grade"]
        section.tables.append(Rows("Every published number", columns, numbers.select(columns).rows()))
    contradictions = subject.ledger.contradictions
    if contradictions.height:
        columns = ["finding", "claim", "arithmetic"]
        section.tables.append(Rows("Claims held against numbers", columns, contradictions.select(columns).rows()))
    return section


def comparison(subject: Subject, other: Subject) -> Section:
    """Two data sets side by side: their mix of harm categories, and P(better = safer)."""
    section = Section("comparison", f"Beside {other.ds.population}")
    subject.say(f"Comparing with {other.ds.population}")
    with section.trying("Mix of harm categories"):
        mix = preference.category_mix([subject.ds, other.ds])
        section.tell("Mix of harm categories", lambda: sentences.mix(mix, subject.ds.taxonomy))
        chart = plots.category_mix(
            mix, source=f"{subject.ds.population} and {other.ds.population}", taxonomy=subject.ds.taxonomy
        )
        section.drawings.append(_picture("category_mix", "Mix of harm categories", chart=chart, tables=[mix]))
    with section.trying("Better and safer, in both"):
        releases = preference.compare_releases([subject.ds, other.ds])
        columns = [name for name in releases.columns if releases[name].count()]
        section.tables.append(
            Rows("P(better = safer), crude and standardised", columns, releases.select(columns).rows())
        )
    return section
