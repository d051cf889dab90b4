"""A taxonomy of one's own: its file, what is wrong with one, and data read with it."""

from __future__ import annotations

import gzip
import json
import random
import re
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

import btviz
from btviz.cli.data import data_group
from btviz.data import catalog
from btviz.errors import DataError, NotFoundError, UsageError
from btviz.session.content import ContentPolicy
from btviz.taxonomy.categories import BEAVERTAILS, Category, Link, Taxonomy
from btviz.taxonomy.taxonomy_file import MOST_CATEGORIES, document_of, oddity, read_taxonomy, skeleton, taxonomy_of

THREE = """
name = "three-harms"

[[category]]
key = "deceit"
title = "Deceit"
group = "information"
definition = "Making others believe what is false."
beavertails = ["misinformation", "non_violent_unethical_behavior"]
pku-saferlhf = ["Mental manipulation"]

[[category]]
key = "loud_words,shouting"
title = "Loud words"
group = "noise"
beavertails = ["hate-speech"]

[[category]]
key = "Waste"
slug = "litter"
title = "Waste"
group = "noise"
"""
KEYS = ("deceit", "loud_words,shouting", "Waste")


@pytest.fixture
def three(tmp_path: Path) -> Path:
    file = tmp_path / "three.toml"
    file.write_text(THREE, encoding="utf-8")
    return file


def written(folder: Path, text: str | bytes) -> Path:
    file = folder / "own.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


# -- the file ---------------------------------------------------------------------------------------------


def test_a_file_becomes_a_taxonomy(three: Path) -> None:
    found = read_taxonomy(three)
    assert found.name == "three-harms"
    assert found.categories == (
        Category("deceit", "deceit", "Deceit", "Making others believe what is false.", "information", 0),
        Category("loud_words,shouting", "loud-words-shouting", "Loud words", "", "noise", 1),
        Category("Waste", "litter", "Waste", "", "noise", 2),
    )
    assert found.links == (
        Link("deceit", "beavertails", "misinformation_regarding_ethics,laws_and_safety"),
        Link("deceit", "beavertails", "non_violent_unethical_behavior"),
        Link("deceit", "pku-saferlhf", "Mental Manipulation"),
        Link("loud_words,shouting", "beavertails", "hate_speech,offensive_language"),
    )
    assert taxonomy_of(json.loads(json.dumps(document_of(found))), file="a copy") == found


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    assert read_taxonomy(written(tmp_path, b"\xef\xbb\xbf" + THREE.encode())).keys == KEYS


def categories(n: int, *, groups: int = 1) -> str:
    rows = (f'[[category]]\nkey = "k{i}"\ntitle = "T{i}"\ngroup = "g{i % groups}"\n' for i in range(n))
    return 'name = "many"\n' + "".join(rows)


FIRST = 'key = "a"\ntitle = "A"\ngroup = "g"\n'
ONE = f'name = "n"\n[[category]]\n{FIRST}'
TWO = ONE + '[[category]]\nkey = "b"\ntitle = "B"\ngroup = "g"\n'
WRONG = {
    "no TOML": ("name = three", "it is no TOML .*line 1"),
    "not UTF-8": (b'name = "\xff"', "its byte 8 is not UTF-8"),
    "empty": ("", "the file has no `name`"),
    "no category": ('name = "n"', r"the file has no `category`. Add a line: \[\[category\]\]"),
    "empty list": ('name = "n"\ncategory = []', "not a list of tables"),
    "no tables": ('name = "n"\ncategory = ["a"]', "not a list of tables"),
    "one table": (f'name = "n"\n[category]\n{FIRST}', "not a list of tables"),
    "name no text": (ONE.replace('"n"', "3", 1), "`name` of the file is a number"),
    "released name": (ONE.replace('"n"', '"beavertails"', 1), "that of a released taxonomy"),
    "unknown field of the file": ("colour = 1\n" + ONE, "no field of the file 'colour'"),
    "unknown field": (ONE + 'titel = "A"\n', "no field of category 1 'titel'.*Did you mean 'title'"),
    "missing field": (ONE.replace('group = "g"\n', ""), "category 1 has no `group`"),
    "key no text": (ONE.replace('"a"', "true"), "`key` of category 1 is a boolean"),
    "blank title": (ONE.replace('"A"', '"  "'), "`title` of category 1 is empty"),
    "space at the end": (ONE.replace('"a"', '"a "'), "ends with a space"),
    "definition no text": (ONE + "definition = 1979-05-27\n", "`definition` of category 1 is a date"),
    "slug with spaces": (ONE + 'slug = "A b"\n', "the slug of category 1 is 'A b'"),
    "no slug to make": (ONE.replace('"a"', '"\u732b"'), "the slug of category 1 is ''"),
    "unknown released category": (ONE + 'beavertails = ["privcy"]\n', "under 'a'.*Did you mean 'privacy'"),
    "category of the other release": (ONE + 'pku-saferlhf = ["self-harm"]\n', "no category 'self-harm'"),
    "links no list": (ONE + 'beavertails = "privacy"\n', "`beavertails` of 'a' is no list of texts"),
    "links no texts": (ONE + "beavertails = [1]\n", "`beavertails` of 'a' is no list of texts"),
    "a link twice": (ONE + 'beavertails = ["privacy", "privacy_violation"]\n', "lists 'privacy_violation' .* twice"),
    "key twice": (TWO.replace('"b"', '"a"'), "two categories have the key 'a'"),
    "title twice": (TWO.replace('"B"', '"A"'), "two categories have the title 'A'"),
    "slug twice": (TWO.replace('"b"', '"a_"'), "two categories have the slug 'a'"),
    "Cyrillic a": (TWO.replace('"b"', '"\u0430"\nslug = "c"'), r"the keys 'a' and '\\u0430' look alike"),
    "capital": (TWO.replace('"b"', '"A"\nslug = "c"'), "the keys 'a' and 'A' look alike"),
    "wide letters": (TWO.replace('"B"', '"\uff21"'), r"the titles 'A' and '\\uff21' look alike"),
    "two alphabets": (ONE.replace('"A"', '"p\u0430ge"'), "one of its words mixes Cyrillic and Latin letters"),
    "hidden character": (ONE.replace('"a"', '"a\u200bb"'), "character 2 is U[+]200B, which cannot be seen"),
    "joiner between Latin letters": (ONE.replace('"a"', '"a\u200db"'), "character 2 is U[+]200D, which cannot be seen"),
    "no-break space": (ONE.replace('"A"', '"a\u00a0b"'), "character 2 is U[+]00A0"),
    "too many": (categories(MOST_CATEGORIES + 1), "lists 33 categories, and 32 are the most"),
    "too many groups": (categories(9, groups=9), "has 9 groups, and 8 colours"),
    "groups alike": (TWO.replace('"B"\ngroup = "g"', '"B"\ngroup = "G"'), "two groups differ only in letters"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_says_what_was_asked_found_and_to_do(tmp_path: Path, case: str) -> None:
    text, says = WRONG[case]
    with pytest.raises(DataError, match=says) as caught:
        read_taxonomy(written(tmp_path, text))
    message = str(caught.value)
    assert message.startswith("own.toml was to be read as a taxonomy")
    assert len(re.findall(r"[.;](?= |$)", message)) >= 2
    assert "\u200b" not in message


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="is no file"):
        read_taxonomy("nowhere.toml")


@pytest.mark.parametrize(
    ("one", "other"),
    [("sc\u043ere", "Score"), ("a\u2013b", "a-b"), ("a  b", "a b"), ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u062e")],
)
def test_lookalikes_have_one_skeleton(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(
    "name",
    [
        "hate_speech,offensive",
        "Gr\u00fc\u00dfe 2",
        "\u732b\u3068\u72ac",
        "\u0434\u0430",
        "\u0645\u06cc\u200c\u062e",  # Persian keeps two letters apart
        "\u0930\u094d\u200d\u092f",  # Marathi joins them
    ],
)
def test_names_of_one_alphabet_are_not_odd(name: str) -> None:
    assert oddity(name) is None


# -- data -------------------------------------------------------------------------------------------------


def annotations(folder: Path, *, keys: tuple[str, ...] = KEYS, name: str = "own_test.jsonl") -> Path:
    """Two answers to each of 60 prompts; answer 1 has category i of every third prompt."""
    rows = []
    for prompt in range(60):
        for answer in range(2):
            flags = {key: bool(answer) and prompt % len(keys) == place for place, key in enumerate(keys)}
            row = {"prompt": f"what is {prompt}", "response": f"a number {answer}"}
            rows.append(json.dumps({**row, "category": flags, "is_safe": not any(flags.values())}))
    file = folder / name
    file.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return file


def comparisons(folder: Path, keys: tuple[str, ...], *, p: float, seed: int) -> Path:
    """Three comparisons of unsafe answers of each of 150 prompts, which have one category."""
    rng = random.Random(seed)
    rows = []
    for number in range(450):
        flags = {key: number // 3 % len(keys) == place for place, key in enumerate(keys)}
        better = rng.randrange(2)
        row = {"prompt": f"what is {number // 3}", "better_response_id": better}
        row["safer_response_id"] = better if rng.random() < p else 1 - better
        for side in (0, 1):
            row[f"response_{side}"] = f"answer {number} {side}"
            row[f"is_response_{side}_safe"] = False
            row[f"response_{side}_harm_category"] = flags
            row[f"response_{side}_severity_level"] = 2
        rows.append(json.dumps(row))
    file = folder / f"{len(keys)}_train.jsonl"
    file.write_text("\n".join(rows), encoding="utf-8")
    return file


def test_data_are_read_and_counted_with_it(three: Path, tmp_path: Path) -> None:
    ds = btviz.load(annotations(tmp_path), taxonomy=three)
    assert ds.taxonomy == read_taxonomy(three)
    assert ds.release is None
    counts = btviz.category_counts(ds, where="unsafe")
    assert dict(counts.select("category", "n_category").iter_rows()) == dict.fromkeys(KEYS, 20)
    pairs = btviz.cooccurrence(ds, where="unsafe")
    assert pairs.height == 6
    # three exclusive thirds: n_both = 0, so phi = -(1/9) / (2/9)
    assert pairs["phi"].to_list() == [pytest.approx(-0.5)] * 6
    assert ds.votes["category"].unique().sort().to_list() == sorted(KEYS)


def test_every_format_is_read_with_it(three: Path, tmp_path: Path) -> None:
    lines = annotations(tmp_path)
    wanted = btviz.load(lines, taxonomy=three).fingerprint
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    pl.DataFrame(rows).write_parquet(tmp_path / "a_test.parquet")
    (tmp_path / "b_test.json").write_text(json.dumps(rows))
    (tmp_path / "c_test.jsonl.gz").write_bytes(gzip.compress(lines.read_bytes()))
    flat = pl.DataFrame([{**row, "category": json.dumps(row["category"])} for row in rows])
    flat.write_csv(tmp_path / "d_test.csv")
    for name in ("a_test.parquet", "b_test.json", "c_test.jsonl.gz", "d_test.csv"):
        assert btviz.load(tmp_path / name, taxonomy=three).fingerprint == wanted, name


def test_the_widest_taxonomy_keeps_its_last_bit(tmp_path: Path) -> None:
    keys = tuple(f"k{place}" for place in range(MOST_CATEGORIES))
    ds = btviz.load(annotations(tmp_path, keys=keys), taxonomy=written(tmp_path, categories(MOST_CATEGORIES)))
    assert ds.annotations["labels"].max() == 1 << 31
    assert btviz.category_counts(ds)["n_category"].to_list() == [2] * 28 + [1] * 4
    assert btviz.cooccurrence(ds).height == 32 * 31


def test_files_of_other_categories_are_refused(three: Path, tmp_path: Path) -> None:
    released = annotations(tmp_path, keys=BEAVERTAILS.keys)
    with pytest.raises(DataError, match=r"categories of 'three-harms'.*none can be kept: missing category"):
        btviz.load(released, taxonomy=three)
    assert btviz.load(released).taxonomy == BEAVERTAILS
    assert btviz.load(released, taxonomy=BEAVERTAILS).taxonomy == BEAVERTAILS


def test_a_changed_taxonomy_is_not_read_from_the_store(three: Path, tmp_path: Path) -> None:
    file = annotations(tmp_path)
    assert btviz.load(file, taxonomy=three).taxonomy["Waste"].title == "Waste"
    three.write_text(THREE.replace('title = "Waste"', 'title = "Rubbish"'))
    assert btviz.load(file, taxonomy=three).taxonomy["Waste"].title == "Rubbish"


def test_the_catalogue_remembers_it(three: Path, tmp_path: Path) -> None:
    file = annotations(tmp_path)
    result = CliRunner().invoke(data_group, ["add", "mine", str(file), "--taxonomy", str(three), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["taxonomy"] == "three-harms"
    wanted = read_taxonomy(three)
    again = annotations(tmp_path, name="more_train.jsonl")
    again.write_text(again.read_text().replace("what is", "where is"))
    catalog.add("mine", [again])
    three.unlink()  # what it said is remembered
    ds = btviz.load("mine")
    assert ds.taxonomy == wanted
    assert ds.annotations.height == 240


def test_a_name_keeps_its_categories(three: Path, tmp_path: Path) -> None:
    file = annotations(tmp_path)
    catalog.add("mine", [file], taxonomy=three)
    assert btviz.load("mine", taxonomy=three).taxonomy.keys == KEYS
    other = written(tmp_path, categories(3))
    with pytest.raises(UsageError, match="'mine' was to be read with the categories of 'many'; it has those of 'three"):
        btviz.load("mine", taxonomy=other)
    with pytest.raises(UsageError, match="--replace"):
        catalog.add("mine", [file], taxonomy=other)
    catalog.add("plain", [annotations(tmp_path, keys=BEAVERTAILS.keys, name="plain.jsonl")])
    for name in ("plain", "sample"):
        with pytest.raises(UsageError, match="it has its own"):
            btviz.load(name, taxonomy=three)
    with pytest.raises(UsageError, match="it has its own"):
        catalog.add("beavertails-30k", [file], taxonomy=three)
    with pytest.raises(NotFoundError):
        btviz.load("beavertails-30k")
    replaced = annotations(tmp_path, keys=("k0", "k1", "k2"), name="new.jsonl")
    assert catalog.add("mine", [replaced], taxonomy=other, replace=True).taxonomy.name == "many"


def test_categories_akin_to_hidden_ones_are_hidden_too() -> None:
    links = (Link("a", "beavertails", "child_abuse"), Link("b", "beavertails", "animal_abuse"))
    mine = Taxonomy("mine", (Category("a", "a", "A", "", "g", 0), Category("b", "b", "B", "", "g", 1)), links=links)
    assert [one.key for one in ContentPolicy().guarded(mine)] == ["a"]


def test_a_matrix_of_few_categories_has_small_cells(three: Path, tmp_path: Path) -> None:
    chart = btviz.plots.association_matrix(btviz.cooccurrence(btviz.load(annotations(tmp_path), taxonomy=three)))
    assert chart.to_dict()["width"] == 3 * 44


# -- comparisons ------------------------------------------------------------------------------------------


@pytest.fixture
def compared(three: Path, tmp_path: Path) -> tuple[btviz.Dataset, btviz.Dataset]:
    """Data of the own three categories with p = 0.8, and of BeaverTails' 14 with p = 0.3."""
    mine = btviz.load(comparisons(tmp_path, KEYS, p=0.8, seed=1), taxonomy=three)
    return mine, btviz.load(comparisons(tmp_path, BEAVERTAILS.keys, p=0.3, seed=2))


def test_orthogonality_is_told_by_own_category(compared: tuple[btviz.Dataset, btviz.Dataset]) -> None:
    table = btviz.orthogonality(compared[0], n_boot=200).table.filter(grouping="category")
    assert dict(table.select("level", "n").iter_rows()) == dict.fromkeys(KEYS, 150)
    assert table["p_low"].min() > 0.6
    assert table["p_high"].max() < 0.95


def test_own_categories_are_compared_with_released_ones(compared: tuple[btviz.Dataset, btviz.Dataset]) -> None:
    mine, beaver = compared
    assert beaver.taxonomy == BEAVERTAILS
    rows = {row["category"]: row for row in btviz.compare_categories(mine, other=beaver, n_boot=200).to_dicts()}
    assert rows["Waste"]["undefined"] == "beavertails has no such category"
    per_key = {
        key: sum(number // 3 % 14 == place for number in range(450)) for place, key in enumerate(BEAVERTAILS.keys)
    }
    linked = [link.other for link in mine.taxonomy.links if (link.key, link.taxonomy) == ("deceit", "beavertails")]
    assert rows["deceit"]["n_other"] == sum(per_key[key] for key in linked)
    back = btviz.compare_categories(beaver, other=mine, n_boot=200)
    unlinked = back.filter(pl.col("undefined") == "three-harms has no such category")["category"]
    assert unlinked.len() == 14 - 3


def test_releases_are_standardised_over_own_categories(compared: tuple[btviz.Dataset, btviz.Dataset]) -> None:
    mine, beaver = compared
    table = btviz.compare_releases(compared, over="categories", n_boot=200)
    assert table["left_out"].to_list() == [["Waste"]] * 3
    own = btviz.orthogonality(mine, n_boot=40).table.filter(grouping="category")
    p, n = (dict(own.select("level", name).iter_rows()) for name in ("p", "n"))
    other = {row["category"]: row for row in btviz.compare_categories(mine, other=beaver, n_boot=40).to_dicts()}
    both = KEYS[:2]
    n_other = {key: other[key]["n_other"] for key in both}
    mix = {key: (n[key] / sum(n.values()) + n_other[key] / sum(n_other.values())) / 2 for key in both}
    shares = [mix[key] / sum(mix.values()) for key in both]
    first, second, difference = table.to_dicts()
    assert first["n"] == 300
    assert first["standardised"] == pytest.approx(sum(w * p[key] for w, key in zip(shares, both, strict=True)))
    wanted = sum(w * other[key]["p_other"] for w, key in zip(shares, both, strict=True))
    assert second["standardised"] == pytest.approx(wanted)
    assert difference["standardised"] == pytest.approx(first["standardised"] - second["standardised"])
    forced = btviz.compare_releases(compared, over="categories", strata=("both_unsafe",), n_boot=50)
    assert forced["n"].to_list() == table["n"].to_list()
    with pytest.raises(UsageError, match="none is in all of them"):
        btviz.compare_releases(compared, over="categories", strata=("mixed",))


def test_the_documented_file_is_one(tmp_path: Path) -> None:
    page = Path(__file__).resolve().parents[1] / "docs" / "taxonomy-file.md"
    example = page.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]
    assert read_taxonomy(written(tmp_path, example)).keys == ("deceit", "rudeness", "noise_at_night")
