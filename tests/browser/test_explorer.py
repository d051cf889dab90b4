"""The first notebook in JupyterLab, in a real browser, on data whose texts try to run."""

from __future__ import annotations

import pytest
from hostile import MARK, readable
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

HATE, BIAS = "hate_speech,offensive_language", "discrimination,stereotype,injustice"


def click_mark(notebook, **datum):
    """Click the mark of the chart that stands for a cell or a bar."""
    notebook.click_mark(notebook.page.locator(".btviz-chart"), **datum)


def origin(notebook):
    return notebook.page.locator(".btviz-origin")


def cards(notebook):
    return notebook.page.locator(".btviz-card")


def focus_card(notebook, k=0):
    cards(notebook).nth(k).focus()
    return cards(notebook).nth(k)


def texts(notebook):
    return notebook.page.locator(".btviz-words")


def text_of(notebook, card, column):
    pair = card.get_attribute("data-pair")
    return notebook.kernel(f"ds.pairs.filter(pl.col('pair_id') == 0x{pair})['{column}'].item()")


def test_a_cell_shows_both_numbers_and_the_pairs_behind_it(notebook):
    both = f"ds.annotations.filter(ds.taxonomy.has('{HATE}') & ds.taxonomy.has('{BIAS}'))"
    n_rows, n_pairs = notebook.kernel(f"[{both}.height, {both}['pair_id'].n_unique()]")
    assert (n_rows, n_pairs) == (9, 9)  # one set in seven of 63 answers, and its second annotation never has both
    click_mark(notebook, row=HATE, col=BIAS)
    words = f"{n_rows} annotations → {n_pairs} pairs with at least one annotation carrying both"
    expect(origin(notebook)).to_contain_text(words)
    expect(notebook.page.locator(".btviz-said")).to_contain_text(words)
    expect(notebook.page.locator(".btviz-where")).to_have_text(f"1–5 of {n_pairs}")
    assert notebook.kernel("explorer.selected.height") == n_pairs
    assert notebook.kernel("ds.pairs.filter(eval(explorer.selection.expression)).height") == n_pairs


def test_the_matrix_can_be_read_and_clicked_with_the_keyboard(notebook):
    page = notebook.page
    page.locator(".vega-embed svg path[tabindex='0']").focus()
    described = page.evaluate("() => document.activeElement.getAttribute('aria-label')")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert "Row: " in described
    assert page.evaluate("() => document.activeElement.getAttribute('aria-label')") != described
    chosen = page.evaluate("() => document.activeElement.__data__.datum")
    page.keyboard.press("Enter")
    expect(origin(notebook)).to_contain_text("carrying both")
    notebook.ask("explorer.policy.reveal_all = True")
    expect(page.locator(".btviz-optin")).to_be_checked()
    page.keyboard.press("h")  # hides every text from here, too
    expect(page.locator(".btviz-optin")).not_to_be_checked()
    titles = notebook.kernel(f"[ds.taxonomy[key].title for key in ({chosen['row']!r}, {chosen['col']!r})]")
    expect(origin(notebook)).to_contain_text(" × ".join(titles))


def test_a_bar_can_be_clicked_twice(notebook):
    for _ in range(2):
        click_mark(notebook, category=HATE)
        expect(origin(notebook)).to_contain_text("Hate speech, offensive language:")
        notebook.ask("explorer.selection.clear()")
        expect(origin(notebook)).to_have_text("All pairs")


def test_other_populations_are_counted_anew(notebook):
    click_mark(notebook, row=HATE, col=BIAS)
    expect(origin(notebook)).to_contain_text("annotations →")
    population = notebook.page.locator(".widget-dropdown select").first
    population.select_option("prompts")
    expect(origin(notebook)).to_contain_text("prompts →")
    expect(notebook.page.locator(".vega-embed svg")).to_contain_text("prompts")
    population.select_option("annotations")
    expect(origin(notebook)).to_contain_text("annotations →")


def test_texts_are_hidden_until_revealed_and_hidden_again_by_one_key(notebook):
    assert MARK not in notebook.page.content()
    card = focus_card(notebook)
    notebook.page.keyboard.press("r")
    expect(card.locator("[data-part=response]")).to_have_text(text_of(notebook, card, "response"))
    expect(card.locator("[data-part=prompt]")).to_have_text(text_of(notebook, card, "prompt"))
    expect(texts(notebook)).to_have_count(2)
    notebook.page.keyboard.press("h")
    expect(texts(notebook)).to_have_count(0)
    assert MARK not in notebook.page.content()


def test_nothing_in_a_text_runs(notebook):
    notebook.ask("explorer.policy.name('self-harm')")
    notebook.page.locator(".btviz-pager select").select_option("50")
    expect(cards(notebook)).to_have_count(50)
    notebook.page.keyboard.press("Shift+R")
    expect(texts(notebook)).to_have_count(100)
    shown = "\n".join(texts(notebook).all_text_contents())
    assert all(payload in shown for payload in ("onerror=", "<script>", "$x^2$", "javascript:"))
    for k in range(7):
        texts(notebook).nth(k).hover()
    assert notebook.page.locator(".btviz-words *").count() == 0
    assert notebook.page.evaluate("() => window.ran") is False
    notebook.page.keyboard.press("h")
    notebook.page.locator(".btviz-pager select").select_option("5")
    expect(cards(notebook)).to_have_count(5)


def test_nothing_revealed_is_saved_with_the_notebook(lab, notebook):
    focus_card(notebook)
    notebook.page.keyboard.press("Shift+R")
    expect(texts(notebook).first).to_contain_text(MARK)
    notebook.page.locator(".btviz-search").fill(f"{MARK} answer")
    expect(notebook.page.locator(".btviz-clear")).to_be_visible()
    notebook.save()
    saved = (lab.folder / "01_harm_categories.ipynb").read_text()
    assert "image/svg+xml" in saved
    assert "chosen_row" in saved  # the state of the widgets was saved too
    assert MARK not in readable(saved)


def test_keys_turn_pages_and_move_between_pairs(notebook):
    first = cards(notebook).first.get_attribute("data-pair")
    focus_card(notebook)
    notebook.page.keyboard.press("ArrowRight")
    expect(notebook.page.locator(".btviz-where")).to_have_text("6–10 of 63")
    assert cards(notebook).first.get_attribute("data-pair") != first
    notebook.page.keyboard.press("ArrowDown")
    expect(cards(notebook).nth(1)).to_be_focused()
    notebook.page.keyboard.press("ArrowLeft")
    expect(notebook.page.locator(".btviz-where")).to_have_text("1–5 of 63")
    expect(notebook.page.locator(".btviz-previous")).to_be_disabled()


def test_filters_narrow_the_list_and_what_python_reads(notebook):
    page = notebook.page
    page.locator(".btviz-tools select[aria-label='Safe or unsafe']").select_option("unsafe")
    n_unsafe = notebook.kernel("ds.pairs.filter(~pl.col('is_safe')).height")
    expect(page.locator(".btviz-counts")).to_contain_text(f"{n_unsafe} of 63 pairs pass the filter")
    page.locator(".btviz-categories summary").click()
    page.get_by_role("button", name="none of").click()
    page.locator(".btviz-categories .btviz-chip", has_text="Hate speech").click()
    rest = notebook.kernel(
        "ds.pairs.filter(~pl.col('is_safe') & ~pl.col('pair_id').is_in("
        f"ds.votes.filter(pl.col('category') == '{HATE}')['pair_id'].implode())).height",
    )
    expect(page.locator(".btviz-counts")).to_contain_text(f"{rest} of 63 pairs pass the filter")
    assert notebook.kernel("explorer.selected.height") == rest
    page.locator(".btviz-search").fill("ANSWER 5 ")
    expect(page.locator(".btviz-counts")).to_contain_text("1 of 63 pairs pass the filter")
    page.locator(".btviz-clear").click()
    expect(page.locator(".btviz-counts")).to_contain_text("63 pairs")
    page.locator(".btviz-categories summary").click()


def test_python_moves_the_view(notebook):
    notebook.ask("explorer.selection.set(ds.pairs['pair_id'][3:5], origin='two that I chose')")
    expect(origin(notebook)).to_have_text("two that I chose")
    expect(cards(notebook)).to_have_count(2)
    notebook.ask("explorer.inspector.filter(safety='unsafe')")
    expect(notebook.page.locator(".btviz-tools select[aria-label='Safe or unsafe']")).to_have_value("unsafe")


def test_the_same_prompt_and_an_id_lead_to_a_pair(notebook):
    page = notebook.page
    card = focus_card(notebook)
    prompt = text_of(notebook, card, "prompt")
    page.keyboard.press("s")
    expect(page.locator(".btviz-where")).to_have_text("All 3 answers to one prompt")
    expect(cards(notebook)).to_have_count(3)
    page.keyboard.press("Shift+R")
    expect(page.locator(".btviz-shared .btviz-words, .btviz-shared .btviz-hidden")).to_have_count(1)
    assert page.locator(".btviz-shared .btviz-words").all_text_contents() in ([prompt], [])
    page.keyboard.press("Escape")
    expect(page.locator(".btviz-where")).to_have_text("1–5 of 63")
    wanted = notebook.kernel("format(ds.pairs['pair_id'][17], '016x')")
    page.locator(".btviz-open").fill(wanted)
    page.keyboard.press("Enter")
    expect(page.locator(".btviz-found")).to_have_attribute("data-pair", wanted)
    expect(page.locator(".btviz-where")).to_have_text("16–20 of 63")
    page.locator(".btviz-open").fill("no id")
    page.keyboard.press("Enter")
    expect(page.locator(".btviz-status")).to_contain_text("16 hexadecimal digits")


def test_guarded_categories_stay_hidden_until_named(notebook):
    page = notebook.page
    notebook.ask("explorer.click('self-harm')")
    expect(origin(notebook)).to_contain_text("Self-harm:")
    card = focus_card(notebook)
    page.keyboard.press("r")
    expect(card.locator("[data-part=response]")).to_contain_text("Stays hidden: Self-harm")
    page.locator(".btviz-policy summary").click()
    page.locator(".btviz-policy label", has_text="Self-harm").locator("input").check()
    expect(card.locator("[data-part=response]")).to_have_text(text_of(notebook, card, "response"))
    page.locator(".btviz-policy label", has_text="Self-harm").locator("input").uncheck()
    expect(card.locator("[data-part=response]")).to_contain_text("Stays hidden")
    page.locator(".btviz-policy summary").click()


def test_the_opt_in_shows_every_page_and_ends_with_hide_all(notebook):
    page = notebook.page
    notebook.ask("explorer.click('unethical')")
    expect(origin(notebook)).to_contain_text("unethical")
    page.locator(".btviz-optin").check()
    expect(texts(notebook).first).to_contain_text(MARK)
    page.locator(".btviz-next").click()
    expect(page.locator(".btviz-where")).to_contain_text("6–")
    expect(texts(notebook).first).to_contain_text(MARK)
    page.locator(".btviz-hide").click()
    expect(texts(notebook)).to_have_count(0)
    expect(page.locator(".btviz-optin")).not_to_be_checked()


def test_a_tag_is_kept(notebook):
    card = focus_card(notebook)
    notebook.page.keyboard.press("t")
    notebook.page.keyboard.type("odd")
    notebook.ask("explorer.policy.reveal_all = True")  # the list is drawn anew under the hands that type
    expect(texts(notebook).first).to_contain_text(MARK)
    notebook.page.keyboard.type(" one")
    notebook.page.keyboard.press("Tab")
    notebook.page.keyboard.type("<b>why</b>")
    notebook.page.keyboard.press("Enter")
    expect(card.locator(".btviz-tag")).to_contain_text("odd one <b>why</b>")
    assert notebook.kernel("explorer.notes.table.select('tag', 'note').rows()") == [["odd one", "<b>why</b>"]]
    card.locator(".btviz-tag button").click()
    expect(card.locator(".btviz-tag")).to_have_count(0)
    assert notebook.kernel("explorer.notes.table.height") == 0


def test_nothing_went_wrong_in_the_browser_and_nothing_was_asked_of_the_network(lab, notebook):
    assert notebook.errors == []
    assert {request for request in notebook.requests if not request.startswith(lab.own)} == set()
    assert len(notebook.requests) > 10
