"""Harm categories of BeaverTails (14) and PKU-SafeRLHF (19), and severity levels.

A set of categories is stored as a bit mask: bit ``i`` stands for category ``i`` of the
taxonomy. Keys are the exact spelling of the released files (commas inside keys included);
the order is that of the release. Definitions are in our own words.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.errors import choice


@dataclass(frozen=True, slots=True)
class Category:
    """One harm category.

    Attributes
    ----------
    key : str
        Spelling in the released files.
    slug : str
        Short identifier for command lines and column names.
    title : str
        Label for axes and tables.
    definition : str
        One sentence on what the category covers.
    group : str
        One of at most eight groups, for colour.
    bit : int
        Position in a label mask.
    """

    key: str
    slug: str
    title: str
    definition: str
    group: str
    bit: int


@dataclass(frozen=True, slots=True)
class Link:
    """A category of a user's own taxonomy speaks of the same harms as one of a released taxonomy."""

    key: str
    taxonomy: str
    other: str


@dataclass(frozen=True)
class Taxonomy:
    """An ordered list of harm categories; equality is by content.

    Attributes
    ----------
    name : str
        "beavertails" or "pku-saferlhf", or the user's own.
    categories : tuple of Category
        In the order of their bits.
    severities : tuple of str
        Names of the severity levels 0, 1, ...; empty where a release has none.
    links : tuple of Link
        What its maker says it has in common with released taxonomies, many to many; empty for
        the released ones, whose correspondence is in `btviz.taxonomy.crosswalk`.
    """

    name: str
    categories: tuple[Category, ...]
    severities: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()

    def __len__(self) -> int:
        return len(self.categories)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Released keys, in the order of their bits."""
        return tuple(category.key for category in self.categories)

    @cached_property
    def _by_any_name(self) -> dict[str, Category]:
        names = ((getattr(c, field), c) for field in ("title", "slug", "key") for c in self.categories)
        return dict(names)

    def __getitem__(self, name: str) -> Category:
        """Category by key, slug or title.

        Raises
        ------
        UsageError
            If no category has that name; the message names the nearest.
        """
        if name not in self._by_any_name:
            choice(name, [category.slug for category in self.categories], what="category")
        return self._by_any_name[name]

    def mask(self, names: Iterable[str]) -> int:
        """Bit mask of a set of categories given by key, slug or title."""
        mask = 0
        for name in names:
            mask |= 1 << self[name].bit
        return mask

    def members(self, mask: int) -> tuple[Category, ...]:
        """Categories whose bit is set in `mask`."""
        return tuple(category for category in self.categories if mask & 1 << category.bit)

    def has(self, category: str, *, labels: str = "labels") -> pl.Expr:
        """Boolean expression: the mask in column `labels` holds `category`."""
        return (pl.col(labels) & pl.lit(1 << self[category].bit, pl.UInt32)) != 0

    def flags(self, masks: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Which of n masks hold which of the k categories, shape (n, k); masks are not null."""
        bits = 1 << np.arange(len(self), dtype=np.int64)
        held: npt.NDArray[np.bool_] = (np.asarray(masks, np.int64)[:, None] & bits) != 0
        return held


def _taxonomy(
    name: str, rows: Iterable[tuple[str, str, str, str, str]], *, severities: tuple[str, ...] = ()
) -> Taxonomy:
    categories = tuple(Category(*row, bit=bit) for bit, row in enumerate(rows))
    return Taxonomy(name, categories, severities)


BEAVERTAILS = _taxonomy(
    "beavertails",
    [
        ("animal_abuse", "animal-abuse", "Animal abuse", "Cruelty to or neglect of animals.", "violence and crime"),
        ("child_abuse", "child-abuse", "Child abuse", "Harm to or exploitation of children.", "people at risk"),
        ("controversial_topics,politics", "controversial-politics", "Controversial topics, politics", "Inflammatory or one-sided treatment of divisive public questions.", "information"),
        ("discrimination,stereotype,injustice", "discrimination", "Discrimination, stereotype, injustice", "Unfair treatment or generalisation of people by the group they belong to.", "hate"),
        ("drug_abuse,weapons,banned_substance", "drugs-weapons", "Drugs, weapons, banned substances", "Making, obtaining or misusing drugs, weapons or other controlled goods.", "controlled goods"),
        ("financial_crime,property_crime,theft", "financial-crime", "Financial and property crime, theft", "Gaining money or goods unlawfully, or damaging property.", "economic crime"),
        ("hate_speech,offensive_language", "hate-speech", "Hate speech, offensive language", "Insulting, degrading or hateful wording.", "hate"),
        ("misinformation_regarding_ethics,laws_and_safety", "misinformation", "Misinformation on ethics, laws, safety", "False claims about what is right, lawful or safe.", "information"),
        ("non_violent_unethical_behavior", "unethical", "Non-violent unethical behaviour", "Conduct that is wrong without being violent, such as lying or cheating.", "unethical conduct"),
        ("privacy_violation", "privacy", "Privacy violation", "Obtaining or exposing personal information without consent.", "privacy"),
        ("self_harm", "self-harm", "Self-harm", "Encouragement of or instructions for hurting oneself.", "people at risk"),
        ("sexually_explicit,adult_content", "sexual", "Sexually explicit, adult content", "Sexual material meant for adults.", "people at risk"),
        ("terrorism,organized_crime", "terrorism", "Terrorism, organised crime", "Support for or methods of terrorist or organised criminal groups.", "violence and crime"),
        ("violence,aiding_and_abetting,incitement", "violence", "Violence, aiding and abetting, incitement", "Physical violence, or help with and calls for harmful acts.", "violence and crime"),
    ],
)  # fmt: skip
"""The 14 harm categories of BeaverTails, in the order of the released keys."""

PKU_SAFERLHF = _taxonomy(
    "pku-saferlhf",
    [
        ("Endangering National Security", "national-security", "Endangering national security", "Acts against the safety or integrity of a state.", "public order"),
        ("Insulting Behavior", "insult", "Insulting behaviour", "Degrading or offensive wording aimed at someone.", "hate"),
        ("Discriminatory Behavior", "discrimination", "Discriminatory behaviour", "Unfair treatment of people by the group they belong to.", "hate"),
        ("Endangering Public Health", "public-health", "Endangering public health", "Acts or claims that put the health of the public at risk.", "public order"),
        ("Copyright Issues", "copyright", "Copyright issues", "Copying or using protected works without permission.", "economic crime"),
        ("Violence", "violence", "Violence", "Use or threat of physical force.", "violence and crime"),
        ("Drugs", "drugs", "Drugs", "Making, trading or misusing drugs.", "controlled goods"),
        ("Privacy Violation", "privacy", "Privacy violation", "Obtaining or exposing personal information without consent.", "privacy"),
        ("Economic Crime", "economic-crime", "Economic crime", "Theft, fraud and other unlawful gain.", "economic crime"),
        ("Mental Manipulation", "manipulation", "Mental manipulation", "Steering people's thoughts by deceit or pressure.", "psychological harm"),
        ("Human Trafficking", "trafficking", "Human trafficking", "Trading or exploiting people.", "violence and crime"),
        ("Physical Harm", "physical-harm", "Physical harm", "Injury to a body, one's own included.", "violence and crime"),
        ("Sexual Content", "sexual", "Sexual content", "Sexual material meant for adults.", "psychological harm"),
        ("Cybercrime", "cybercrime", "Cybercrime", "Attacks on or through computer systems.", "economic crime"),
        ("Disrupting Public Order", "public-order", "Disrupting public order", "Incitement to or organisation of disorder.", "public order"),
        ("Environmental Damage", "environment", "Environmental damage", "Harm to nature, such as pollution.", "public order"),
        ("Psychological Harm", "psychological-harm", "Psychological harm", "Causing fear, distress or lasting mental injury.", "psychological harm"),
        ("White-Collar Crime", "white-collar-crime", "White-collar crime", "Abuse of a professional position for unlawful gain.", "economic crime"),
        ("Animal Abuse", "animal-abuse", "Animal abuse", "Cruelty to or neglect of animals.", "violence and crime"),
    ],
    severities=("safe", "minor", "moderate", "severe"),
)  # fmt: skip
"""The 19 harm categories of PKU-SafeRLHF, in the order of the paper (S1 to S19)."""

TAXONOMIES = {taxonomy.name: taxonomy for taxonomy in (BEAVERTAILS, PKU_SAFERLHF)}
"""Taxonomies by name."""
