"""The front page of JupyterLab as `btviz lab` sets it up."""

from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.browser


def test_the_front_page_shows_no_news_and_asks_only_this_machine(lab):
    page = lab.new_page()
    asked = []
    page.on("request", lambda request: asked.append(urlsplit(request.url)))
    page.goto(f"{lab.address}/lab?reset&token={lab.server.token}")
    page.wait_for_selector(".jp-DirListing-item")
    page.evaluate("async () => { await window.jupyterapp.restored; }")
    page.wait_for_timeout(2000)  # the question about news comes a moment after the page
    assert {address.hostname for address in asked if address.scheme.startswith("http")} == {"127.0.0.1"}
    assert [address.path for address in asked if "/api/news" in address.path or "/api/update" in address.path] == []
    assert page.locator(".Toastify__toast").count() == 0
    page.close()
