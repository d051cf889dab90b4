"""Pictures as values: their structure, their data, their words."""

import json
import re

import altair as alt
import polars as pl
import pytest
from chart_contents import fields_of, rows_of, words

import btviz
from btviz import plots
from btviz.errors import UsageError
from btviz.plots.labels.matrix import COEFFICIENTS
from btviz.plots.style.rendering import svg
from btviz.plots.style.theme import GROUPS, WIDTHS, text_width
from btviz.taxonomy.categories import BEAVERTAILS, PKU_SAFERLHF
from btviz.taxonomy.words import percent, titles

TAXONOMIES = [BEAVERTAILS, PKU_SAFERLHF]
NAMES = ["category_shares", "association_matrix", "label_sets", "labels_per_item", "explorer"]


@pytest.fixture
def ds(make_dataset, request):
    """Benign texts whose labels run through every category, with one pair of labels in common."""
    taxonomy = getattr(request, "param", BEAVERTAILS)
    size = len(taxonomy)
    masks = [1 << (place % size) | (2 if place % 3 == 0 else 0) for place in range(6 * size)] + [0] * 40
    rows = {
        "prompt": [f"what is {place} and one" for place in range(len(masks))],
        "response": ["a number"] * len(masks),
        "split": ["test"] * len(masks),
        "is_safe": [mask == 0 for mask in masks],
        "labels": pl.Series(masks, dtype=pl.UInt32),
    }
    return make_dataset(pl.DataFrame(rows), taxonomy=taxonomy)


def drawn(ds, name, **options):
    if name == "explorer":
        return plots.explorer(btviz.cooccurrence(ds), btviz.category_counts(ds), source=ds.population, **options)
    table = {"category_shares": "category_counts", "association_matrix": "cooccurrence"}.get(name, name)
    return getattr(plots, name)(getattr(btviz, table)(ds), source=ds.population, **options)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ds", TAXONOMIES, indirect=True, ids=lambda one: one.name)
def test_picture_says_what_it_shows(ds, name):
    chart = drawn(ds, name)
    assert isinstance(chart, alt.TopLevelMixin)
    n = ds.annotations.height
    assert f"tiny · annotations, all · n = {n}" in words(chart)
    assert f"n = {n}" in chart.to_dict()["description"]
    assert 'role="img" aria-label="' in svg(chart)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name != "labels_per_item"])
@pytest.mark.parametrize("ds", TAXONOMIES, indirect=True, ids=lambda one: one.name)
def test_every_category_is_named_in_full(ds, name):
    said = words(drawn(ds, name))
    assert [one.title for one in ds.taxonomy.categories if one.title not in said] == []


@pytest.mark.parametrize("name", NAMES)
def test_only_the_columns_drawn_are_in_the_data(ds, name):
    chart = drawn(ds, name)
    assert {column for row in rows_of(chart) for column in row} <= fields_of(chart.to_dict())


def test_an_unused_column_would_be_seen():
    chart = alt.Chart(pl.DataFrame({"a": [1], "unused": [2]})).mark_bar().encode(x="a:Q")
    assert not {column for row in rows_of(chart) for column in row} <= fields_of(chart.to_dict())


@pytest.mark.parametrize("name", NAMES)
def test_charts_hold_no_text_and_no_long_number(ds, name):
    spec = json.dumps(drawn(ds, name).to_dict())
    assert "a number" not in spec
    assert all(abs(int(number)) < 2**53 for number in re.findall(r"(?<![\w.])\d{15,}(?![\w.])", spec))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_synthetic_data_say_so(ds, name):
    object.__setattr__(ds, "is_synthetic", True)
    assert "synthetic sample" in words(drawn(ds, name))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "explorer"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("ds", TAXONOMIES, indirect=True, ids=lambda one: one.name)
def test_picture_fits_the_column(ds, name, width):
    image = svg(drawn(ds, name, width=width))
    assert float(re.search(r'width="([\d.]+)"', image)[1]) <= WIDTHS[width] + 4


def test_shares_are_those_of_the_table(ds):
    table = btviz.category_counts(ds)
    rows = {row["category"]: row for row in rows_of(drawn(ds, "category_shares"))}
    assert {key: row["share"] for key, row in rows.items()} == dict(table.select("category", "share").rows())
    first = table.sort("n_category", descending=True).row(0, named=True)
    assert rows[first["category"]]["text"] == f"{100 * first['share']:.1f} % ({first['n_category']:,})"
    assert next(iter(rows)) == first["category"]


@pytest.mark.parametrize("coefficient", COEFFICIENTS)
def test_matrix_shows_the_values_of_the_table(ds, coefficient):
    table = btviz.cooccurrence(ds, where="unsafe")
    chart = plots.association_matrix(table, coefficient)
    shown = {(row["row"], row["col"]): row["value"] for row in rows_of(chart)}
    for row, col, value in table.select("row", "col", pl.col(coefficient).cast(float)).rows():
        expected = value if value is not None and abs(value) != float("inf") else None
        assert shown[row, col] == expected, (row, col)


def test_undefined_cells_are_marked_and_explained(ds):
    table = btviz.cooccurrence(ds)
    image = svg(plots.association_matrix(table, "tetrachoric"))
    missing = table["tetrachoric"].null_count()
    assert missing
    assert f"× undefined: {missing} of {table.height} cells" in image
    crosses = image[image.index("layer_2") :] if "layer_2" in image else image
    assert len(re.findall(r"M-?[\d.]+,-?[\d.]+L-?[\d.]+,-?[\d.]+M", crosses)) == missing


def test_ratios_of_zero_have_no_colour(ds):
    table = btviz.cooccurrence(ds)
    cells = rows_of(plots.association_matrix(table, "lift"))
    assert {row["coloured"] for row in cells if row["value"] == 0} == {False}
    assert {row["coloured"] for row in cells if row["value"]} == {True}


def test_orders(ds):
    table = btviz.cooccurrence(ds)
    similar = table.unique("row").sort("row_order")["row"].to_list()
    for order, expected in {"similarity": similar, "release": list(ds.taxonomy.keys)}.items():
        layer = plots.association_matrix(table, order=order).to_dict()["layer"][0]
        assert layer["encoding"]["x"]["scale"]["domain"] == expected
        assert layer["encoding"]["y"]["scale"]["domain"] == expected


def test_label_sets_hold_the_most_frequent_combinations(ds):
    chart = plots.label_sets(btviz.label_sets(ds), top=3)
    assert sorted(row["place"] for row in rows_of(chart) if "n" in row and "place" in row) == [1, 2, 3]
    assert "no label: 40, not drawn" in words(chart)
    totals = {row["category"]: row["n"] for row in rows_of(chart) if "n" in row and "category" in row}
    assert totals == dict(btviz.category_counts(ds).select("category", "n_category").rows())


def test_labels_per_item_hold_every_size(ds):
    table = btviz.labels_per_item(ds)
    rows = rows_of(drawn(ds, "labels_per_item"))
    assert [(row["size"], row["share"]) for row in rows] == table.select("size", "share").rows()


def test_explorer_answers_clicks(ds):
    params = {one["name"]: one for one in drawn(ds, "explorer").to_dict()["params"]}
    assert params["cell"]["select"] == {"type": "point", "fields": ["row", "col"], "toggle": False}
    assert params["bar"]["select"] == {"type": "point", "fields": ["category"], "toggle": False}
    assert params["chosen_row"] == {"name": "chosen_row", "value": ""}
    assert params["chosen_col"] == {"name": "chosen_col", "value": ""}
    assert ds.taxonomy["self-harm"].definition in json.dumps(drawn(ds, "explorer").to_dict())


def test_two_populations_do_not_fit_one_picture(ds):
    both = pl.concat([btviz.category_counts(ds, where=where) for where in ("all", "unsafe")])
    with pytest.raises(UsageError, match="one population"):
        plots.category_shares(both)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda table: plots.association_matrix(table, "ph"), "Did you mean 'phi'"),
        (lambda table: plots.association_matrix(table, order="size"), "order 'size'"),
        (lambda table: plots.association_matrix(table, width="triple"), "width 'triple'"),
        (lambda table: plots.association_matrix(table.drop("phi")), r"no column 'phi'.*cooccurrence\(\)"),
        (lambda table: plots.association_matrix(table.clear()), "no rows"),
        (plots.category_shares, r"no column 'category'.*category_counts\(\)"),
    ],
)
def test_wrong_requests_are_answered(ds, call, message):
    with pytest.raises(UsageError, match=message):
        call(btviz.cooccurrence(ds))


def test_nothing_to_combine(ds):
    with pytest.raises(UsageError, match="nothing to draw"):
        plots.label_sets(btviz.label_sets(ds), top=0)


@pytest.mark.parametrize(
    ("coefficient", "value", "text"),
    [
        ("phi", 0.487, ".49"),
        ("phi", -0.031, "−.03"),
        ("phi", -0.001, "0"),
        ("phi", 1.0, "1"),
        ("phi", -1.0, "−1"),
        ("phi", None, ""),
        ("lift", float("inf"), ""),
        ("lift", 0.041, "0.04"),
        ("lift", 1.84, "1.8"),
        ("lift", 9.96, "10"),
        ("odds_ratio", 1234.5, "1k"),
        ("n_both", 1234.0, "1,234"),
    ],
)
def test_numbers_in_cells(coefficient, value, text):
    assert COEFFICIENTS[coefficient].text(value) == text


@pytest.mark.parametrize(("share", "text"), [(0.0924, "9.2 %"), (0.0004, "< 0.1 %"), (0.0, "0.0 %"), (None, "–")])
def test_percent(share, text):
    assert percent(share) == text


def test_keys_become_titles_and_unknown_keys_stay():
    assert titles(["self_harm", "Drugs and rock"]) == {"self_harm": "Self-harm", "Drugs and rock": "Drugs and rock"}
    assert titles(["Cybercrime"], taxonomy=PKU_SAFERLHF) == {"Cybercrime": "Cybercrime"}


def test_wide_letters_take_more_room():
    assert text_width("mmm") > text_width("iii") > 0
    assert text_width("ab", size=16) == pytest.approx(2 * text_width("ab", size=8))


def test_groups_of_our_taxonomies_have_a_colour_each():
    assert all(len({one.group for one in taxonomy.categories}) <= len(GROUPS) for taxonomy in TAXONOMIES)


def test_charts_display_without_a_network(ds):
    bundle = drawn(ds, "association_matrix")._repr_mimebundle_()
    assert set(bundle) == {"image/svg+xml", "text/plain"}
    assert "https://" not in bundle["image/svg+xml"]


def test_a_renderer_the_user_chose_is_kept(ds):
    with alt.renderers.enable("mimetype"):
        (kind, *_) = drawn(ds, "association_matrix")._repr_mimebundle_()[0]
    assert kind.startswith("application/vnd.vegalite")


def test_importing_leaves_altair_as_it_was():
    assert alt.renderers.active == "default"
    assert alt.theme.active == "default"
