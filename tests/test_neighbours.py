"""Data sets beside those of PKU-Alignment: what is registered of each, and their taxonomies."""

import json

import pytest
from click.testing import CliRunner

from btviz.cli.app import app
from btviz.data import NEIGHBOURS
from btviz.data.tables import SCHEMAS
from btviz.session.content import ContentPolicy
from btviz.taxonomy import NEIGHBOUR_TAXONOMIES
from btviz.taxonomy.categories import TAXONOMIES
from btviz.taxonomy.crosswalk import counterparts
from btviz.taxonomy.taxonomy_file import document_of, taxonomy_of


@pytest.mark.parametrize("entry", NEIGHBOURS.values(), ids=NEIGHBOURS)
def test_an_entry_says_what_it_is_and_how_that_is_known(entry):
    assert NEIGHBOURS[entry.name] is entry
    assert set(entry.tables) <= set(SCHEMAS)
    assert entry.taxonomy in {"", *TAXONOMIES, *NEIGHBOUR_TAXONOMIES}
    assert entry.licence
    assert entry.evidence.endswith(".")
    assert entry.note.endswith(".")
    assert entry.citation.startswith("https://")


def test_those_that_were_asked_for_are_registered():
    wanted = "aegis-2 wildguardmix toxicchat openai-moderation xstest do-not-answer salad harmbench sorry-bench"
    assert set(wanted.split()) <= set(NEIGHBOURS)
    assert {entry.taxonomy for entry in NEIGHBOURS.values()} >= set(NEIGHBOUR_TAXONOMIES)


@pytest.mark.parametrize("taxonomy", NEIGHBOUR_TAXONOMIES.values(), ids=NEIGHBOUR_TAXONOMIES)
def test_a_taxonomy_is_one_that_a_file_could_hold(taxonomy):
    """So it fits a label mask, has names that are told apart, and survives the catalogue."""
    assert taxonomy_of(document_of(taxonomy), file="a file") == taxonomy


@pytest.mark.parametrize(
    ("name", "category", "other", "kin"),
    [
        ("aegis-2", "privacy", "beavertails", ["privacy_violation"]),
        ("wildguardmix", "copyright", "pku-saferlhf", ["Copyright Issues"]),
        ("salad", "trade", "beavertails", []),
    ],
)
def test_categories_that_speak_of_the_same_harm_are_linked(name, category, other, kin):
    taxonomy = NEIGHBOUR_TAXONOMIES[name]
    assert list(counterparts(taxonomy, TAXONOMIES[other])[taxonomy[category].key]) == kin


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        ("aegis-2", {"sexual", "self-harm", "sexual-minor"}),
        ("wildguardmix", {"sexual", "mental-health", "violence"}),
        ("openai-moderation", {"sexual", "self-harm", "sexual-minors"}),
        ("do-not-answer", {"sexual", "mental-health"}),
        ("salad", {"sexual", "manipulation"}),
        ("harmbench", {"harmful"}),
        ("sorry-bench", {"crimes", "inappropriate"}),
    ],
)
def test_what_is_hidden_unless_named_is_hidden_here_too(name, hidden):
    guarded = {category.slug for category in ContentPolicy().guarded(NEIGHBOUR_TAXONOMIES[name])}
    assert hidden <= guarded


def test_all_are_listed_when_they_are_asked_for():
    short, long = (CliRunner().invoke(app, ["data", "list", *options]).output for options in ([], ["--all"]))
    assert all(entry.title in long for entry in NEIGHBOURS.values())
    assert not any(entry.title in short for entry in NEIGHBOURS.values())
    document = json.loads(CliRunner().invoke(app, ["data", "list", "--all", "--json"]).stdout)
    assert [entry["name"] for entry in document["neighbours"]] == list(NEIGHBOURS)
    assert {entry["grade"] for entry in document["neighbours"]} <= {"verified", "second-hand", "remembered"}
