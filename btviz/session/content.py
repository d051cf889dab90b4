"""The content policy: the one object that decides which texts may be read, and where.

Texts of these data sets can be harmful, so every view, and every table that a view exports, takes them from
`ContentPolicy.texts` and from nowhere else; only `btviz.export`, when texts are asked for, hands on all that were
loaded. A text stays hidden until somebody asks for it (or has opted in for the session), and some categories stay
hidden until they are named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType
from weakref import WeakKeyDictionary

import polars as pl

from btviz.data.dataset import Dataset
from btviz.data.words import words_of
from btviz.session.selection import Observable
from btviz.taxonomy.categories import BEAVERTAILS, PKU_SAFERLHF, TAXONOMIES, Category, Taxonomy

ALWAYS_HIDDEN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        BEAVERTAILS.name: ("child-abuse", "self-harm", "sexual"),
        PKU_SAFERLHF.name: ("trafficking", "physical-harm", "sexual"),
    }
)
"""Categories (slugs) that stay hidden unless named, by taxonomy.

PKU-SafeRLHF has no category of its own for the abuse of children or for self-harm; the ones
that contain them stand in their place.
"""


class ContentPolicy(Observable):
    """Which texts may be shown.

    Parameters
    ----------
    reveal_all : bool
        Session-wide opt-in: texts are shown without being asked for one by one.
    always_hidden : mapping of str to iterable of str, optional
        By name of taxonomy, the categories that stay hidden unless named; `ALWAYS_HIDDEN`
        by default. For a taxonomy that is not in it, those of its categories that have a slug of
        the default, or are linked to a category of it.
    named : iterable of str
        Categories (slugs) taken out of those.

    Notes
    -----
    A response counts as carrying a category if *any* of its annotations does, a prompt if any
    annotation of any of its answers does: one vote is enough to hide.
    """

    def __init__(
        self,
        *,
        reveal_all: bool = False,
        always_hidden: Mapping[str, Iterable[str]] | None = None,
        named: Iterable[str] = (),
    ) -> None:
        super().__init__()
        self._always_hidden = dict(ALWAYS_HIDDEN if always_hidden is None else always_hidden)
        self._reveal_all = reveal_all
        self._named = frozenset(named)
        self._hidings = 0
        self._read: set[int] = set()
        self._reveal_words = self._offers_words = False

    @property
    def reveal_all(self) -> bool:
        """Session-wide opt-in; setting it tells every view."""
        return self._reveal_all

    @reveal_all.setter
    def reveal_all(self, opted_in: bool) -> None:
        self._reveal_all = bool(opted_in)
        self._changed()

    @property
    def reveal_words(self) -> bool:
        """Whether words that mark topics may be shown; they are words of the texts. Setting it tells every view."""
        return self._reveal_words or self._reveal_all

    @reveal_words.setter
    def reveal_words(self, opted_in: bool) -> None:
        self._reveal_words = bool(opted_in)
        self._changed()

    @property
    def offers_words(self) -> bool:
        """Whether some view of this session has words of topics, so that views ask whether to show them."""
        return self._offers_words

    def offer_words(self) -> None:
        """Let views ask whether words of topics are to be shown."""
        if not self._offers_words:
            self._offers_words = True
            self._changed()

    @property
    def named(self) -> frozenset[str]:
        """Categories that were named and may therefore be revealed."""
        return self._named

    @property
    def hidings(self) -> int:
        """How often everything has been hidden; a view that sees it grow hides its texts."""
        return self._hidings

    @property
    def n_read(self) -> int:
        """Pairs of which some text was shown in this session, because somebody asked for it."""
        return len(self._read)

    def hide_all(self) -> None:
        """Hide every text and word of a topic in every view, and end the session-wide opt-ins."""
        self._hidings += 1
        self._reveal_words = False
        self.reveal_all = False

    def name(self, *categories: str) -> None:
        """Allow texts of these categories (slugs) to be revealed like the others."""
        self._named |= set(categories)
        self._changed()

    def unname(self, *categories: str) -> None:
        """Keep texts of these categories hidden again."""
        self._named -= set(categories)
        self._changed()

    def guarded(self, taxonomy: Taxonomy) -> tuple[Category, ...]:
        """Categories of a taxonomy that stay hidden unless named, named or not.

        Raises
        ------
        UsageError
            If `always_hidden` lists a category that the taxonomy does not have.
        """
        if taxonomy.name in self._always_hidden:
            return taxonomy.members(taxonomy.mask(self._always_hidden[taxonomy.name]))
        usual = {slug for slugs in ALWAYS_HIDDEN.values() for slug in slugs}
        akin = {
            link.key
            for link in taxonomy.links
            if TAXONOMIES[link.taxonomy][link.other].slug in ALWAYS_HIDDEN[link.taxonomy]
        }
        return tuple(c for c in taxonomy.categories if c.slug in usual or c.key in akin)

    def withheld(self, labels: int, taxonomy: Taxonomy) -> tuple[Category, ...]:
        """Categories in a label mask because of which a text stays hidden even when asked for."""
        held = taxonomy.members(labels)
        return tuple(
            category for category in self.guarded(taxonomy) if category in held and category.slug not in self._named
        )

    def allows(self, labels: int, taxonomy: Taxonomy, *, asked: bool = False) -> bool:
        """Whether a text whose annotations carry `labels` may be shown.

        Parameters
        ----------
        labels : int
            Every category that any annotation of the text carries, as a mask.
        taxonomy : Taxonomy
            What the bits stand for.
        asked : bool
            Somebody asked for this very text.
        """
        return (asked or self._reveal_all) and not self.withheld(labels, taxonomy)

    def texts(self, ds: Dataset, pair_ids: Iterable[int], *, asked: bool = False) -> pl.DataFrame:
        """Prompts and responses, as far as they may be shown.

        Parameters
        ----------
        ds : Dataset
            Where the pairs are.
        pair_ids : iterable of int
            Pairs to read; unknown ids are left out.
        asked : bool
            Somebody asked for these very texts. Exports pass False: they hold texts only
            after the session-wide opt-in.

        Returns
        -------
        DataFrame
            `pair_id`, `prompt`, `response` (null where hidden), and `prompt_labels`,
            `response_labels`: the masks that decided it. Sorted by `pair_id`.
        """
        texts = _with_any_labels(ds, pl.Series(list(pair_ids), dtype=pl.UInt64))
        shown = texts.with_columns(
            pl.when(self._allowed(texts[f"{text}_labels"], ds.taxonomy, asked=asked))
            .then(pl.col(text))
            .otherwise(None)
            .alias(text)
            for text in ("prompt", "response")
        )
        if asked:
            known = shown.filter(pl.col("prompt").is_not_null() | pl.col("response").is_not_null())
            self._read.update(known["pair_id"].to_list())
        return shown

    def _allowed(self, labels: pl.Series, taxonomy: Taxonomy, *, asked: bool) -> pl.Series:
        verdicts = {mask: self.allows(mask, taxonomy, asked=asked) for mask in labels.unique()}
        return pl.Series([verdicts[mask] for mask in labels], dtype=pl.Boolean)


@cache
def session_policy() -> ContentPolicy:
    """Return the policy of this Python session, which every view without one of its own shares."""
    return ContentPolicy()


def notice(ds: Dataset) -> str:
    """Say what a reader should know before looking: are these released data, how to get those, can they be counted.

    Parameters
    ----------
    ds : Dataset
        What is about to be shown.

    Returns
    -------
    str
        A sentence or two, with what to type.
    """
    if ds.item == "prompt":
        return (
            f"{ds.population}: {ds.items.height:,} prompts without answers. They can be mapped and read, each hidden "
            "until you ask for it; cells on answers and their labels say that there are none."
        )
    if not ds.pairs["labels"].count():
        return (
            f"{ds.name}: no pair in these data is labelled by harm category, so there is nothing to count and the "
            'cells below stop with an error. Set NAME to data that are labelled so: "sample", or "beavertails-30k" '
            'after "btviz data fetch beavertails-30k" in a terminal.'
        )
    if ds.is_synthetic:
        return (
            f"{ds.name}: synthetic sample. Its texts were made by a generator and are harmless; only its label "
            'statistics follow the real data. To see those: "btviz data fetch beavertails-30k" in a terminal, '
            'then NAME = "beavertails-30k" (or the path of a file you have).'
        )
    return (
        f"{ds.population}: data as released, not synthetic. Many of its texts are harmful; each stays hidden until you "
        "ask for it."
    )


def labellings(ds: Dataset) -> pl.LazyFrame:
    """List every set of labels that anyone gave: annotators and comparisons to a pair, others to a prompt alone.

    Parameters
    ----------
    ds : Dataset
        Where the pairs are.

    Returns
    -------
    LazyFrame
        `pair_id` (of what is said of a prompt, its `prompt_id`), `prompt_id`, `labels`; several rows a pair.
    """
    sides = (
        ds.preferences.lazy().select(
            pl.col(f"pair_id_{side}").alias("pair_id"), "prompt_id", pl.col(f"labels_{side}").alias("labels")
        )
        for side in (0, 1)
    )
    rows = (table.lazy().select("pair_id", "prompt_id", "labels") for table in (ds.annotations, ds.items))
    asked = ds.prompts.lazy().select(pl.col("prompt_id").alias("pair_id"), "prompt_id", "labels")
    return pl.concat([*rows, *sides, asked])


def _with_any_labels(ds: Dataset, pair_ids: pl.Series) -> pl.DataFrame:
    pairs = ds.items.filter(pl.col("pair_id").is_in(pair_ids.implode()))
    prompts = pairs["prompt_id"].unique()
    siblings = labellings(ds).filter(pl.col("prompt_id").is_in(prompts.implode())).collect()

    def any_labels(key: str, name: str) -> pl.DataFrame:
        return siblings.group_by(key).agg(pl.col("labels").fill_null(0).bitwise_or().alias(name))

    return (
        pairs.select("pair_id", "prompt_id", "prompt", "response")
        .join(any_labels("prompt_id", "prompt_labels"), on="prompt_id", how="left")
        .join(any_labels("pair_id", "response_labels"), on="pair_id", how="left")
        .drop("prompt_id")
        .sort("pair_id")
    )


MOST_PAIRS = 20_000
"""Pairs whose words are counted to find those that mark guarded categories."""

_FEWEST, _TIMES, _LONG = 3, 4.0, 3


def guarded_words(ds: Dataset, policy: ContentPolicy) -> frozenset[str]:
    """Words that mark the texts of guarded categories, wherever else they stand.

    Parameters
    ----------
    ds : Dataset
        Whose texts are counted; of more than `MOST_PAIRS` a sample that is always the same.
    policy : ContentPolicy
        Says which categories stay hidden unless named; those that were named are not counted.

    Returns
    -------
    frozenset of str
        Lower-case words of three letters or more that stand under three prompts or more of such pairs, in a share of
        these pairs that is at least four times that of the other pairs. It is for hiding, and never shown.
    """
    mask = ds.taxonomy.mask(c.slug for c in policy.guarded(ds.taxonomy) if c.slug not in policy.named)
    known = _MARKING.setdefault(ds, {})
    if mask not in known:
        known[mask] = _marking(ds, mask)
    return known[mask]


_MARKING: WeakKeyDictionary[Dataset, dict[int, frozenset[str]]] = WeakKeyDictionary()


def _marking(ds: Dataset, mask: int) -> frozenset[str]:
    items = ds.items.select("pair_id", "prompt_id", "prompt", "response")
    if items.height > MOST_PAIRS:
        items = items.sample(MOST_PAIRS, seed=0)
    any_labels = labellings(ds).group_by("pair_id").agg(pl.col("labels").fill_null(0).bitwise_or()).collect()
    rows = items.join(any_labels, on="pair_id", how="left").with_columns(
        ((pl.col("labels").fill_null(0) & pl.lit(mask, pl.UInt32)) != 0).alias("guarded"),
        pl.concat_str(pl.col("prompt", "response").fill_null(""), separator=" ").str.to_lowercase().alias("text"),
    )
    n_guarded, n_rest = int(rows["guarded"].sum()), int((~rows["guarded"]).sum())
    if not n_guarded or not n_rest:
        return frozenset()
    found = rows.select("prompt_id", "guarded", words_of(rows["text"]).list.unique().alias("word")).explode("word")
    counts = found.group_by("word").agg(
        pl.col("guarded").sum().alias("inside"),
        (~pl.col("guarded")).sum().alias("outside"),
        pl.col("prompt_id").filter("guarded").n_unique().alias("prompts"),
    )
    often = pl.col("inside") / n_guarded >= _TIMES * (pl.col("outside") + 0.5) / n_rest
    long = pl.col("word").str.len_chars() >= _LONG
    return frozenset(counts.filter(often, long, pl.col("prompts") >= _FEWEST)["word"])


def topic_words(ds: Dataset, topics: pl.DataFrame, *, policy: ContentPolicy) -> pl.DataFrame:
    """Words of topics, as far as they may be shown.

    Parameters
    ----------
    ds : Dataset
        Whose texts they are of.
    topics : DataFrame
        Table of topics: `topic`, `keywords`, `top_category`.
    policy : ContentPolicy
        Without `reveal_words` no word is shown; of a topic whose most frequent category stays hidden unless named none
        is either, and of others none that marks such categories (`guarded_words`).

    Returns
    -------
    DataFrame
        `topic` and `keywords`, empty where nothing may be shown.
    """
    table = topics.select("topic", "keywords", "top_category")
    if not policy.reveal_words:
        return table.select("topic", pl.col("keywords").list.head(0))
    held = [c.key for c in policy.guarded(ds.taxonomy) if c.slug not in policy.named]
    covered = guarded_words(ds, policy)
    shown = [
        [] if category in held else [word for word in keywords if word.lower() not in covered]
        for _, keywords, category in table.rows()
    ]
    return table.select("topic", pl.Series("keywords", shown, pl.List(pl.String)))


def redacted(text: str, words: frozenset[str]) -> str:
    """A text with some words covered, letter by letter.

    Parameters
    ----------
    text : str
        Any.
    words : frozenset of str
        In lower case.

    Returns
    -------
    str
        As long as `text`.
    """
    return re.sub(r"\w+", lambda found: "▇" * len(found[0]) if found[0].lower() in words else found[0], text)
