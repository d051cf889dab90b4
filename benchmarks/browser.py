"""From a lasso to the inspector as a user has it: mouse, browser, kernel and back, at 100,000 points."""

from __future__ import annotations

import json
import math
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.lasso import N_POINTS
from benchmarks.running import Skipped, stage

ROOT = Path(__file__).resolve().parents[1]
RADII = (0.1, 0.2, 0.3, 0.4, 0.45)
"""Of the lassos, as shares of the map's height: from a few per cent of the points to most of them."""

CELL = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from benchmarks.lasso import explorer_of
explorer = explorer_of({N_POINTS})
explorer
"""
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
DRAWN = "() => [...document.querySelectorAll('.btviz-points [id]')].some((one) => one.api?.get('points').length > 0)"

WATCH = """() => {
  const range = document.querySelector('.btviz-where');
  window.took = new Promise((done) => {
    let released = 0;
    window.addEventListener('mouseup', () => { released = performance.now(); }, { capture: true, once: true });
    const seen = new MutationObserver(() => {
      if (!released) return;
      seen.disconnect();
      requestAnimationFrame(() => setTimeout(() => done(performance.now() - released)));
    });
    seen.observe(range, { childList: true, characterData: true, subtree: true });
  });
}"""
"""Milliseconds from the release of the button to the first frame with the list of other pairs."""


def lasso_browser(folder: Path) -> float:
    """Slowest of a few lassos in headless Chromium, which draws without a graphics card."""
    driver = _driver()
    import nbformat

    with tempfile.TemporaryDirectory() as place:
        cell = nbformat.v4.new_code_cell(CELL)
        notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": KERNEL})
        nbformat.write(notebook, Path(place) / "lasso.ipynb")
        with ExitStack() as running:
            server = running.enter_context(driver.running_server(Path(place)))
            lab = driver.Lab(server, running.enter_context(driver.running_browser()))
            opened = running.enter_context(lab.notebook("lasso.ipynb"))
            with stage("data, topics and first picture"):
                opened.run_all(BTVIZ_DATA_DIR=folder)
                opened.page.wait_for_function(DRAWN, timeout=300_000)
            return max(_lassos(opened))


def _driver() -> Any:
    """The browser of the tests.

    Raises
    ------
    Skipped
        If this machine has none.
    """
    sys.path[:0] = [str(ROOT / "tests" / "browser"), str(ROOT / "tests")]
    try:
        import lab_driver
    except ImportError as missing:
        raise Skipped(f"{missing.name} is not installed") from None
    if lab_driver.chromium() is None:
        raise Skipped("Chromium is not installed")
    return lab_driver


def _lassos(opened: Any) -> list[float]:
    took = []
    page = opened.page
    page.locator(".btviz-map").scroll_into_view_if_needed()
    page.evaluate("() => document.querySelector('.btviz-map').focus()")
    page.keyboard.press("l")
    box = page.locator(".btviz-stage").bounding_box()
    for share in RADII:
        page.wait_for_timeout(1500)  # the bars of the lasso before have been drawn
        page.evaluate(WATCH)
        _drag_around(page, box, radius=share * box["height"])
        took.append(page.evaluate("() => window.took") / 1000)
        n = int(opened.ask("print(len(explorer.selection.pair_ids))"))
        print(json.dumps({"stage": {"name": f"{n:,} points", "seconds": took[-1], "peak_mb": math.nan}}), flush=True)
    return took


def _drag_around(page: Any, box: dict[str, float], *, radius: float) -> None:
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x + radius, y)
    page.mouse.down()
    for angle in range(0, 360, 9):
        page.mouse.move(x + radius * math.cos(math.radians(angle)), y + radius * math.sin(math.radians(angle)))
        page.wait_for_timeout(20)
    page.mouse.up()


BROWSER_CASES: dict[str, Callable[[Path], float]] = {lasso_browser.__name__: lasso_browser}
